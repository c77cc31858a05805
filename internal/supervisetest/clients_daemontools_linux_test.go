package supervisetest_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"scgikit/internal/need"
	"scgikit/internal/servicedir"
	"scgikit/internal/supervisetest"
)

// daemontools is a family of clients: the real ones, or ours.
type daemontools struct{ svc, svok, svstat string }

func realDaemontools(t *testing.T) daemontools {
	t.Helper()
	return daemontools{need.Program(t, "svc"), need.Program(t, "svok"), need.Program(t, "svstat")}
}

func ownDaemontools() daemontools { return daemontools{own("svc"), own("svok"), own("svstat")} }

// TestDaemontoolsClients has each set of clients command each supervisor: what
// they see must not depend on whose is whose.
func TestDaemontoolsClients(t *testing.T) {
	t.Parallel()
	list := services{"a": service(trapping), "b": service(obeying), "c": {"run": sleeping, "down": ""}}
	for _, c := range []struct {
		name  string
		begin func(t *testing.T) *box
		tools func(t *testing.T) daemontools
	}{
		{"the real on ours", func(t *testing.T) *box { t.Helper(); return ours(t, "daemontools", list) }, realDaemontools},
		{"the real on ours in runit's dialect", func(t *testing.T) *box { t.Helper(); return ours(t, "runit", list) }, realDaemontools},
		{"ours on ours", func(t *testing.T) *box { t.Helper(); return ours(t, "daemontools", list) }, func(*testing.T) daemontools { return ownDaemontools() }},
		{"ours on svscan", func(t *testing.T) *box { t.Helper(); return theirs(t, "svscan", list) }, func(*testing.T) daemontools { return ownDaemontools() }},
		{"the real on svscan", func(t *testing.T) *box { t.Helper(); return theirs(t, "svscan", list) }, realDaemontools},
		{"ours on runsvdir", func(t *testing.T) *box { t.Helper(); return theirs(t, "runsvdir", list) }, func(*testing.T) daemontools { return ownDaemontools() }},
		{"ours on our svscan", func(t *testing.T) *box { t.Helper(); return begin(t, list, own("svscan")) }, func(*testing.T) daemontools { return ownDaemontools() }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			tools := c.tools(t)
			driveDaemontools(t, c.begin(t), tools)
		})
	}
}

func driveDaemontools(t *testing.T, b *box, tools daemontools) {
	t.Helper()
	pid := b.started("a", 1)
	b.started("b", 1)
	text := func(name string) string { return masked(does(t, tools.svstat, b.dir(name)), b.dir(name)) }
	shows := func(name string, want ...string) {
		t.Helper()
		supervisetest.Until(t, name+" is shown as "+want[0], func() bool {
			return slices.Contains(want, strings.TrimPrefix(text(name), "DIR: "))
		})
	}
	svc := func(name string, flags ...string) {
		t.Helper()
		does(t, append(append([]string{tools.svc}, flags...), b.dir(name))...)
	}
	for _, name := range []string{"a", "b", "c"} {
		supervisetest.Until(t, name+" is supervised", func() bool { return supervisetest.Supervised(b.dir(name)) })
		does(t, tools.svok, b.dir(name))
	}
	shows("a", "up (pid P) N seconds")
	shows("c", "down N seconds")

	for flag, signal := range map[string]string{"-h": "HUP", "-a": "ALRM", "-i": "INT", "-t": "TERM"} {
		svc("a", flag)
		b.got("a", signal)
	}
	svc("a", "-p")
	supervisetest.Until(t, "a is stopped", func() bool { return stopped(pid) })
	shows("a", "up (pid P) N seconds, paused")
	svc("a", "-c")
	b.got("a", "CONT")
	shows("a", "up (pid P) N seconds")
	svc("a", "-p", "-d")
	b.got("a", "TERM", "CONT")
	shows("a", "up (pid P) N seconds, want down", "up (pid P) N seconds, paused, want down") // runsv leaves the flag
	svc("a", "-u", "-c")
	b.got("a", "CONT")
	shows("a", "up (pid P) N seconds")
	svc("a", "-k")
	b.started("a", 2)

	svc("b", "-dh")
	b.down("b")
	shows("b", "down N seconds, normally up")
	svc("b", "-u")
	b.started("b", 2)

	svc("c", "-o")
	b.started("c", 1)
	svc("c", "-u")
	shows("c", "up (pid P) N seconds, normally down")
	svc("c", "-d")
	shows("c", "down N seconds")
	// x, of a service that is down: every family's svscan or ours may take it again
	// only seconds later.
	svc("c", "-x")
	b.unsupervised("c")
	if out, code := tool(t, tools.svok, b.dir("c")); code != 100 || out != "" {
		t.Errorf("svok of what is not supervised: exit %d, %q", code, out)
	}
}

// What svc and svstat say of folders that are not supervised, and how svok
// exits, the real ones and ours.
func TestDaemontoolsClientsAlone(t *testing.T) {
	t.Parallel()
	them, us := realDaemontools(t), ownDaemontools()
	top := t.TempDir()
	service(sleeping).Write(t, filepath.Join(top, "plain"))
	os.MkdirAll(filepath.Join(top, "dead/supervise"), 0o700)
	for _, name := range []string{"ok", "control"} {
		if err := unix.Mkfifo(filepath.Join(top, "dead/supervise", name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	os.WriteFile(filepath.Join(top, "file"), nil, 0o644)
	for _, name := range []string{"plain", "dead", "missing", "file"} {
		for what, pair := range map[string][2]string{"svc": {them.svc, us.svc}, "svok": {them.svok, us.svok}, "svstat": {them.svstat, us.svstat}} {
			argv := []string{filepath.Join(top, name)}
			if what == "svc" {
				argv = []string{"-u", argv[0]}
			}
			theirOut, theirCode := tool(t, append([]string{pair[0]}, argv...)...)
			ourOut, ourCode := tool(t, append([]string{pair[1]}, argv...)...)
			if theirOut != ourOut || theirCode != ourCode {
				t.Errorf("%s %s: theirs exit %d, %q; ours exit %d, %q", what, name, theirCode, theirOut, ourCode, ourOut)
			}
		}
	}
}

// svup says by its exit code whether a service is up, under every supervisor.
func TestSvup(t *testing.T) {
	t.Parallel()
	list := services{"a": service(sleeping), "c": {"run": sleeping, "down": ""}}
	for _, program := range []string{"", "svscan", "runsvdir"} {
		t.Run("under "+program, func(t *testing.T) {
			t.Parallel()
			var b *box
			if program == "" {
				b = ours(t, "daemontools", list)
			} else {
				b = theirs(t, program, list)
			}
			b.started("a", 1)
			b.idle("c")
			if _, code := tool(t, own("svup"), b.dir("a")); code != 0 {
				t.Errorf("of what is up: exit %d", code)
			}
			if _, code := tool(t, own("svup"), b.dir("c")); code != 100 {
				t.Errorf("of what is down: exit %d", code)
			}
		})
	}
}

// TestDaemontoolsText compares what svstat shows step for step under our
// supervisor with what it shows under daemontools' own.
func TestDaemontoolsText(t *testing.T) {
	t.Parallel()
	svstat := need.Program(t, "svstat")
	trace := func(b *box) string {
		var list []string
		note := func(n string) {
			list = append(list, n+": "+masked(does(t, svstat, b.dir(n)), b.dir(n)))
		}
		steps(t, b, note)
		return strings.Join(list, "\n")
	}
	list := services{"a": service(obeying), "c": {"run": obeying, "down": ""}}
	us, them := trace(ours(t, "daemontools", list)), trace(theirs(t, "svscan", list))
	if us != them {
		t.Errorf("ours:\n%s\nsvscan:\n%s", us, them)
	}
}

// steps brings services a and c through all that the status can say.
func steps(t *testing.T, b *box, note func(name string)) {
	t.Helper()
	b.started("a", 1)
	b.idle("c")
	both := func() { note("a"); note("c") }
	both()
	b.command("a", "p")
	b.is("a", "is paused", func(s servicedir.Status) bool { return s.Paused })
	note("a")
	b.command("a", "c")
	b.is("a", "goes on", func(s servicedir.Status) bool { return !s.Paused })
	note("a")
	b.command("a", "o")
	b.is("a", "is up once", func(s servicedir.Status) bool { return s.Want != servicedir.WantUp })
	note("a")
	kill(t, b.status("a").PID, "USR1")
	b.down("a")
	note("a")
	b.command("a", "u")
	b.started("a", 2)
	b.command("a", "o")
	b.is("a", "is up once", func(s servicedir.Status) bool { return s.Want != servicedir.WantUp })
	kill(t, b.status("a").PID, "KILL")
	b.down("a")
	note("a")
	b.command("c", "u")
	b.started("c", 1)
	b.is("c", "is wanted up", func(s servicedir.Status) bool { return s.Want == servicedir.WantUp })
	note("c")
	b.command("c", "d")
	b.idle("c")
	both()
}
