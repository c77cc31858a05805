package install_test

import (
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"scgikit/internal/need"
)

// exampleEdits are what is other than in the descriptions of the examples, so that
// all of them run on one machine: one inetd, folders below /srv, one port each.
func exampleEdits() map[string][]string {
	inetd := func(dialect string) []string {
		return []string{"dialect: " + dialect, "dialect: openbsd"}
	}
	tcp := func(socket string, port int) []string {
		return []string{"unix: " + socket, fmt.Sprintf("tcp: 127.0.0.1:%d", port)}
	}
	return map[string][]string{
		"blog":       {"blog: /data/blog", "blog: /srv/blog"},
		"git":        inetd("inetutils"),
		"hello-wsgi": append(append(inetd("freebsd"), tcp("/var/run/test.sock", 8053)...), "hello: /data/hello", "hello: /srv/hello-wsgi"),
		"localcgi":   append(append(inetd("freebsd"), tcp("/var/run/scgi_localcgi.sock", 8052)...), "localcgi: /local", "localcgi: /srv/localcgi"),
		"shop":       {"secrets: /etc/shop", "secrets: /srv/shop/dev"},
		"stats":      {"stats: /etc/awstats", "stats: /srv/stats"},
	}
}

var targetsLine = regexp.MustCompile(`(?m)^targets: .*$`)

// socketLines are keys of a socket that has a name in the file system.
func socketLines(line string) bool {
	for _, key := range []string{"  user: www\n", "  group: www\n", "  mode: \""} {
		if strings.HasPrefix(line, key) {
			return true
		}
	}
	return false
}

// examples puts the example apps on the machine, with the accounts that they name.
func (h *host) examples() {
	h.t.Helper()
	for file, lines := range map[string]string{
		"/etc/passwd": "www:x:4001:4001::/:/usr/sbin/nologin\ngit:x:4002:4002::/:/usr/sbin/nologin\nshop:x:4003:4003::/:/usr/sbin/nologin\n",
		"/etc/group":  "www:x:4001:\ngit:x:4002:\nshop:x:4003:\n",
	} {
		text, err := os.ReadFile(file)
		h.must(err)
		h.write(file, string(text)+lines, 0o644)
	}
	h.must(os.RemoveAll(filepath.Join(h.dir, "apps")))
	for app, edits := range exampleEdits() {
		from := filepath.Join(os.Getenv(examplesRound), app)
		text, err := os.ReadFile(filepath.Join(from, "scgikit.yaml"))
		h.must(err)
		yaml := string(text)
		for i := 0; i < len(edits); i += 2 {
			if !strings.Contains(yaml, edits[i]) {
				h.t.Fatalf("the description of %s has no %q", app, edits[i])
			}
			yaml = strings.Replace(yaml, edits[i], edits[i+1], 1)
		}
		yaml = targetsLine.ReplaceAllStringFunc(yaml, func(line string) string {
			if strings.Contains(line, "inetd") {
				return "targets: [" + h.web + ", inetd]"
			}
			return "targets: [" + h.web + ", " + h.starter + "]"
		})
		if server := "  nginx:\n    as: server\n"; h.web == "apache" {
			yaml = strings.Replace(yaml, server, "  apache:\n    as: vhost\n", 1)
		} else if h.web != "nginx" {
			yaml = strings.Replace(yaml, server, "", 1)
		}
		if before, listen, ok := strings.Cut(yaml, "\nlisten:\n"); ok && strings.Contains(strings.Join(edits, ""), "tcp: ") {
			var b strings.Builder
			section := true
			for line := range strings.Lines(listen) {
				section = section && (strings.HasPrefix(line, " ") || strings.HasPrefix(line, "#"))
				if !section || !socketLines(line) {
					b.WriteString(line)
				}
			}
			yaml = before + "\nlisten:\n" + b.String()
		}
		h.write(filepath.Join(h.dir, "apps", app+".yaml"), yaml, 0o644)
		h.must(os.CopyFS(filepath.Join("/srv", app), os.DirFS(from)))
		h.must(os.RemoveAll(filepath.Join("/srv", app, "deploy")))
	}
	h.must(filepath.WalkDir("/srv", func(name string, d fs.DirEntry, err error) error {
		if err == nil && d.Type() != fs.ModeSymlink {
			mode := fs.FileMode(0o644)
			if d.IsDir() || strings.Contains(name, "/cgi-bin/") || strings.HasSuffix(name, ".py") || strings.HasSuffix(name, "make-sample") || name == "/srv/hello" {
				mode = 0o755
			}
			err = os.Chmod(name, mode)
		}
		return err
	}))
	h.must(os.Chmod("/srv/shop/dev/django-secret-key", 0o600))
	h.command(0, "/srv/git/make-sample")
	h.command(0, "chown", "-R", "git:git", "/srv/git/repositories")
	h.must(os.MkdirAll("/srv/stats/data", 0o755))
	h.snapshot = h.tree()
}

// answersAll asks every example what a person would.
func (h *host) answersAll(when string) {
	h.t.Helper()
	for _, q := range [][3]string{
		{"", "/blog/", `<a href="/blog/1-hello">`},
		{"", "/blog/static/blog.css", "font-family"},
		{"", "/local-cgi/hello.sh", "Hello from /local-cgi/hello.sh.\n"},
		{"", "/local-cgi/env.py/some/path?q=1", "PATH_INFO=/some/path\n"},
		{"", "/test/some/path", "Hello, WSGI!\nSCRIPT_NAME=/test\nPATH_INFO=/some/path\n"},
		{"", "/shop/", "csrfmiddlewaretoken"},
		{"", "/shop/static/shop.css", "font-family"},
		{"", "/stats/", "AWStats"},
		{"git.example.org", "/git/hello.git/info/refs?service=git-upload-pack", "refs/heads/"},
	} {
		req, err := http.NewRequestWithContext(h.t.Context(), http.MethodGet, "http://127.0.0.1"+q[1], nil)
		h.must(err)
		req.Host = q[0]
		got := h.ask(req)
		if strings.HasPrefix(q[1], "/shop/") {
			// One of its four processes has answered install; the others may still start.
			h.until("shop's processes", func() bool {
				got = h.ask(req)
				return strings.HasPrefix(got, "200 ")
			})
		}
		if !strings.HasPrefix(got, "200 ") || !strings.Contains(got, q[2]) {
			h.t.Errorf("%s: %s%s answers %.600q, without %q", when, q[0], q[1], got, q[2])
		}
	}
}

// examplesTogether is a round of all example apps on one machine.
func examplesTogether(t *testing.T, web, starter string) {
	h := newHost(t, web, starter)
	h.examples()
	h.install(0)
	h.answersAll("installed")
	h.unchanged()
	stop := h.prober("/test/", "200 Hello, WSGI!\nSCRIPT_NAME=/test\nPATH_INFO=/\n")

	h.rewrite("shop", "max_body: 1MiB", "max_body: 2MiB")
	h.rewrite("shop", `PYTHONUNBUFFERED: "1"`, `PYTHONUNBUFFERED: "2"`)
	h.rewrite("stats", "mount: /stats/", "mount: /statistics/")
	if diff := h.command(1, "scgikit", "diff", "--installed", "--stat"); !strings.Contains(diff, "same differs") {
		t.Errorf("diff --installed says\n%s", diff)
	}
	done := h.install(0)
	for _, app := range []string{"blog", "hello", "localcgi", "git"} {
		if strings.Contains(done, app) {
			t.Errorf("the change of shop and stats tells of %s:\n%s", app, done)
		}
	}
	if got, err := h.get("/statistics/"); err != nil || !strings.HasPrefix(got, "200 ") {
		t.Errorf("/statistics/ answers %.200q, %v", got, err)
	}

	file := h.fragment("localcgi")
	text, err := os.ReadFile(file)
	h.must(err)
	h.must(os.WriteFile(file, append(text, "# mine\n"...), 0o644))
	h.rewrite("localcgi", "max_concurrent: 16", "max_concurrent: 15")
	h.rewrite("localcgi", "mount: /local-cgi/", "mount: /other-cgi/")
	h.rewrite("localcgi", "path: /local-cgi/", "path: /other-cgi/")
	h.command(0, "scgikit", "generate", "-q", "--prune")
	edited := h.tree()
	h.command(6, "scgikit", "install", "all", "--yes")
	h.equal("refused", h.tree(), edited)
	h.must(os.WriteFile(file, text, 0o644))
	h.command(0, "scgikit", "rollback", "--yes")
	h.answersAll("rolled back")
	stop()

	h.command(0, "scgikit", "uninstall", "all", "--yes", "--purge")
	h.equal("uninstalled", h.tree(), h.snapshot)
	fmt.Printf("sum: a round of all %d example apps, with %s, inetd and %s\n", len(exampleEdits()), web, starter)
}

// needExamples names what the example apps run with.
func needExamples(t *testing.T) {
	t.Helper()
	for _, name := range []string{"python3", "git", "perl"} {
		need.Program(t, name)
	}
	if _, err := os.Stat("/usr/lib/cgi-bin/awstats.pl"); err != nil {
		need.Missing(t, "awstats")
	}
	if out, err := os.ReadDir("/usr/lib/python3/dist-packages/django"); err != nil || len(out) == 0 {
		need.Missing(t, "django")
	}
}
