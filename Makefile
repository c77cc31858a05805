# make demo    the example apps in a browser, nothing to install
# make test    everything, with the real programs; "make check" without installing any
# make help    the rest

GO      ?= go
BUILD   := .build
TOOLS   := $(BUILD)/tools
FUZZTIME ?= 30s

# The linters, pinned here so that they are no dependency of the project.
GOFUMPT_VERSION     := v0.12.0
STATICCHECK_VERSION := v0.8.2
GOLANGCI_VERSION    := v2.15.0

GOFUMPT     := $(TOOLS)/gofumpt-$(GOFUMPT_VERSION)/gofumpt
STATICCHECK := $(TOOLS)/staticcheck-$(STATICCHECK_VERSION)/staticcheck
GOLANGCI    := $(TOOLS)/golangci-lint-$(GOLANGCI_VERSION)/golangci-lint

# Where "make test" can install programs, a test that misses one of these
# fails instead of being skipped.
NEED := apache2,awstats,bash,busybox,caddy,cgit,chpst,dash,django,echo_supervisord_conf,envdir,envuidgid,fcgiwrap,fghack,gcc,getent,git,git-http-backend,gitweb,go,gzip,haproxy,inetd,inetutils-inetd,lighttpd,multilog,nginx,nsenter,openrc,perl,pgrphack,plistutil,proc,python3,readproctitle,root,rotatelogs,runsv,runsvdir,s6-applyuidgid,s6-envdir,s6-envuidgid,s6-ftrig-listen1,s6-ipcserver-socketbinder,s6-ipcserverd,s6-log,s6-mkfifodir,s6-permafailon,s6-setuidgid,s6-softlimit,s6-supervise,s6-svc,s6-svlisten1,s6-svok,s6-svscan,s6-svstat,s6-svwait,setlock,setpriv,setsid,setuidgid,sh,shellcheck,softlimit,start-stop-daemon,strace,supervise,supervisord,sv,svc,svlogd,svok,svscan,svstat,systemd,systemd-analyze,systemd-socket-activate,tai64n,tai64nlocal,tcpserver,unixserver,unshare,update-rc.d,uwsgi,xinetd,zstd

# The race detector is C; without a compiler the tests run without it.
RACE := $(if $(shell command -v gcc || command -v clang || command -v cc),-race)

.DEFAULT_GOAL := build

.PHONY: help
help:
	@echo 'build     bin/scgikit and bin/scgi-run'
	@echo 'demo      run the example apps behind the built-in web server; DEMO_ADDRESS=127.0.0.1:8000'
	@echo 'test      install what the tests need (Debian, root), then check'
	@echo 'check     format, vet, staticcheck, golangci-lint, tests with the race detector'
	@echo 'examples  write the deploy folders of the examples again'
	@echo 'bench     measure; see docs/performance.md'
	@echo 'fuzz      every fuzz test for FUZZTIME=$(FUZZTIME)'

.PHONY: build
build:
	CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=false -ldflags '-s -w' -o bin/ ./cmd/...

# The variables say where the examples' files are on this machine, instead of
# where their descriptions say they are on a server.
DEMO := --set vars.blog=$(CURDIR)/examples/blog \
	--set vars.localcgi=$(CURDIR)/examples/localcgi \
	--set vars.hello=$(CURDIR)/examples/hello-wsgi

.PHONY: demo
demo: build
	@scripts/demo $(DEMO)

.PHONY: test
test:
	@NEED='$(NEED)' MAKE='$(MAKE)' scripts/test

# The tests run whatever the linters say, and last, so that the end of the
# output is theirs.
.PHONY: check
check:
	@status=0; \
		$(MAKE) --no-print-directory lint || status=1; \
		$(MAKE) --no-print-directory gotest || status=1; \
		exit $$status

.PHONY: lint
lint: $(GOFUMPT) $(STATICCHECK) $(GOLANGCI)
	@echo 'lint: gofumpt, go vet, staticcheck, golangci-lint'
	@status=0; \
		unformatted=$$($(GOFUMPT) -l .) || status=1; \
		if [ -n "$$unformatted" ]; then echo "not gofumpt-ed:"; echo "$$unformatted"; status=1; fi; \
		$(GO) vet ./... || status=1; \
		$(STATICCHECK) ./... || status=1; \
		$(GOLANGCI) run ./... || status=1; \
		exit $$status

.PHONY: gotest
gotest:
	@$(GO) run ./scripts/testsum $(RACE) -timeout 20m ./...

.PHONY: examples
examples: build
	@scripts/examples

.PHONY: bench
bench: build
	$(GO) run ./bench/startup
	$(GO) run ./bench/generate
	$(GO) run ./bench/logrotate
	$(GO) run ./bench/supervise
	$(GO) run ./bench/bridge
	$(GO) run ./bench/wsgi

.PHONY: fuzz
fuzz:
	@scripts/fuzz $(FUZZTIME)

.PHONY: clean
clean:
	rm -rf bin $(BUILD)

$(GOFUMPT):
	GOBIN=$(CURDIR)/$(@D) $(GO) install mvdan.cc/gofumpt@$(GOFUMPT_VERSION)

$(STATICCHECK):
	GOBIN=$(CURDIR)/$(@D) $(GO) install honnef.co/go/tools/cmd/staticcheck@$(STATICCHECK_VERSION)

$(GOLANGCI):
	GOBIN=$(CURDIR)/$(@D) $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)
