package supervisetest_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"scgikit/internal/need"
	"scgikit/internal/servicedir"
	"scgikit/internal/supervisetest"
)

// TestS6Clients has s6-svc send every letter that it has.
func TestS6Clients(t *testing.T) {
	t.Parallel()
	svc, svok := need.Program(t, "s6-svc"), need.Program(t, "s6-svok")
	eachDialect(t, services{"a": service(trapping), "b": service(sleeping), "c": {"run": sleeping, "down": ""}}, func(t *testing.T, b *box, _ string) {
		pid := b.started("a", 1)
		b.started("b", 1)
		b.idle("c")
		for _, name := range []string{"a", "b", "c"} {
			does(t, svok, b.dir(name))
		}
		for flag, signal := range map[string]string{"-a": "ALRM", "-b": "ABRT", "-q": "QUIT", "-h": "HUP", "-t": "TERM", "-i": "INT", "-1": "USR1", "-2": "USR2", "-y": "WINCH", "-c": "CONT"} {
			does(t, svc, flag, b.dir("a"))
			b.got("a", signal)
		}
		does(t, svc, "-p", b.dir("a"))
		supervisetest.Until(t, "a is stopped", func() bool { return stopped(pid) })
		does(t, svc, "-c", b.dir("a"))
		b.got("a", "CONT")
		does(t, svc, "-k", b.dir("a"))
		b.started("a", 2)
		does(t, svc, "-r", b.dir("b"))
		b.started("b", 2)
		does(t, svc, "-d", b.dir("b"))
		b.down("b")
		does(t, svc, "-O", b.dir("b"))
		does(t, svc, "-o", b.dir("b"))
		b.started("b", 3)
		does(t, svc, "-dx", b.dir("b"))
		b.unsupervised("b")
		if _, code := tool(t, svok, b.dir("b")); code != 1 {
			t.Errorf("s6-svok of what is not supervised: exit %d", code)
		}
		if out, code := tool(t, svc, "-u", b.dir("b")); code != 100 {
			t.Errorf("s6-svc of what is not supervised: exit %d, %s", code, out)
		}
	})
}

// TestS6Text compares what s6-svstat shows step for step under our supervisor with
// what it shows under s6's own: its fields, but those about readiness, which our
// status cannot say.
func TestS6Text(t *testing.T) {
	t.Parallel()
	svstat := need.Program(t, "s6-svstat")
	trace := func(b *box) string {
		var list []string
		s6Steps(t, b, func(n string) {
			fields := does(t, svstat, "-o", "up,wantedup,normallyup,paused,exitcode,signal,signum", b.dir(n))
			text := regexp.MustCompile(`pgid [0-9]+`).ReplaceAllString(does(t, svstat, b.dir(n)), "pgid P")
			text = strings.ReplaceAll(text, "(pid P pgid P)", "(pid P)")
			list = append(list, n+": "+strings.TrimSpace(fields)+" | "+masked(text, b.dir(n)))
		})
		return regexp.MustCompile(`, ready N seconds|ready`).ReplaceAllString(strings.ReplaceAll(strings.Join(list, "\n"), "pid P pgid P", "pid P"), "")
	}
	list := services{"a": service(obeying), "c": {"run": obeying, "down": ""}}
	us, them := trace(ours(t, "s6", list)), trace(theirs(t, "s6-svscan", list))
	if us != them {
		t.Errorf("ours:\n%s\ns6-svscan:\n%s", us, them)
	}
}

// s6Steps are steps with s6's own client: its supervisor's status is not for
// ours to read.
func s6Steps(t *testing.T, b *box, note func(name string)) {
	t.Helper()
	svc, svstat := need.Program(t, "s6-svc"), need.Program(t, "s6-svstat")
	fields := func(name, want string) {
		t.Helper()
		supervisetest.Until(t, name+" is "+want, func() bool {
			out, code := tool(t, svstat, "-o", "up,wantedup,paused", b.dir(name))
			return code == 0 && strings.TrimSpace(out) == want
		})
	}
	starts := func(name string, n int) {
		t.Helper()
		supervisetest.Until(t, name+" is started", func() bool { return len(b.lines(name, "starts")) == n })
	}
	starts("a", 1)
	fields("a", "true true false")
	fields("c", "false false false")
	note("a")
	note("c")
	does(t, svc, "-p", b.dir("a"))
	fields("a", "true true true")
	note("a")
	does(t, svc, "-c", b.dir("a"))
	fields("a", "true true false")
	does(t, svc, "-o", b.dir("a"))
	fields("a", "true false false")
	note("a")
	does(t, svc, "-1", b.dir("a"))
	fields("a", "false false false")
	note("a")
	does(t, svc, "-u", b.dir("a"))
	starts("a", 2)
	fields("a", "true true false")
	does(t, svc, "-o", b.dir("a"))
	fields("a", "true false false")
	does(t, svc, "-k", b.dir("a"))
	fields("a", "false false false")
	note("a")
	does(t, svc, "-u", b.dir("c"))
	starts("c", 1)
	fields("c", "true true false")
	note("c")
	does(t, svc, "-d", b.dir("c"))
	fields("c", "false false false")
	note("c")
}

// s6-svwait finds what is so already.
func TestS6Wait(t *testing.T) {
	t.Parallel()
	svwait := need.Program(t, "s6-svwait")
	mkfifodir := need.Program(t, "s6-mkfifodir")
	b := ours(t, "s6", services{"a": service(sleeping), "c": {"run": sleeping, "down": ""}})
	b.started("a", 1)
	b.idle("c")
	for name, flag := range map[string]string{"a": "-u", "c": "-d"} {
		does(t, mkfifodir, filepath.Join(b.dir(name), "event"))
		does(t, svwait, flag, "-t", "10000", b.dir(name))
	}
	b.stop()
}

// Our clients on s6's supervisor: the letters that both know.
func TestOurClientsOnS6(t *testing.T) {
	t.Parallel()
	b := theirs(t, "s6-svscan", services{"a": service(trapping), "b": service(sleeping)})
	svok := need.Program(t, "s6-svok")
	for _, name := range []string{"a", "b"} {
		supervisetest.Until(t, name+" is started", func() bool {
			_, code := tool(t, svok, b.dir(name))
			return code == 0 && len(b.lines(name, "starts")) == 1
		})
	}
	for flag, signal := range map[string]string{"-h": "HUP", "-a": "ALRM", "-i": "INT", "-t": "TERM", "-c": "CONT"} {
		does(t, own("svc"), flag, b.dir("a"))
		b.got("a", signal)
	}
	pid := number(b.lines("b", "starts")[0])
	does(t, own("svc"), "-d", b.dir("b"))
	supervisetest.Until(t, "b has ended", func() bool { return !supervisetest.Alive(pid) })
	does(t, own("svc"), "-u", b.dir("b"))
	supervisetest.Until(t, "b is started", func() bool { return len(b.lines("b", "starts")) == 2 })
	// There is no ok: for daemontools' clients it is not supervised.
	if _, code := tool(t, own("svok"), b.dir("b")); code != 100 {
		if _, err := os.Stat(filepath.Join(b.dir("b"), servicedir.OK)); err != nil {
			t.Errorf("svok: exit %d", code)
		}
	}
}
