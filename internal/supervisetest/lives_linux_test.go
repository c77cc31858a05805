package supervisetest_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"scgikit/internal/need"
	"scgikit/internal/servicedir"
	"scgikit/internal/supervisetest"
)

// What ./finish is told: in runit's words or in s6's.
func TestFinishArguments(t *testing.T) {
	t.Parallel()
	const finish = "#!/bin/sh\necho $# $* >>finished\n"
	eachDialect(t, services{"a": {"run": obeying, "finish": finish}}, func(t *testing.T, b *box, dialect string) {
		told := func(n int) string {
			var lines []string
			supervisetest.Until(t, "it has finished", func() bool {
				data, _ := os.ReadFile(filepath.Join(b.dir("a"), "finished"))
				lines = strings.Split(strings.TrimSpace(string(data)), "\n")
				return len(lines) == n && lines[0] != ""
			})
			return lines[n-1]
		}
		pid := b.started("a", 1)
		b.command("a", "1")
		want := "2 7 0"
		if dialect == "s6" {
			want = "4 7 0 a " + itoa(pid)
		}
		if got := told(1); got != want {
			t.Errorf("after exit 7: %q, want %q", got, want)
		}
		pid = b.started("a", 2)
		b.command("a", "k")
		want = "2 -1 9"
		if dialect == "s6" {
			want = "4 256 9 a " + itoa(pid)
		}
		if got := told(2); got != want {
			t.Errorf("after KILL: %q, want %q", got, want)
		}
		b.started("a", 3)
		b.stop()
		want = "2 0 0"
		if dialect == "s6" {
			want = "4 0 0 a "
		}
		if got := told(3); !strings.HasPrefix(got, want) {
			t.Errorf("after TERM: %q, want %q", got, want)
		}
	})
}

// While ./finish runs it is what the status shows, but to daemontools. Its exit
// codes 100 and 125 say not to start the service again, until somebody does.
func TestFinishGivesUp(t *testing.T) {
	t.Parallel()
	for code, dialect := range map[int]string{100: "daemontools", 125: "s6"} {
		t.Run(itoa(code), func(t *testing.T) {
			t.Parallel()
			b := ours(t, dialect, services{"a": {"run": obeying, "finish": "#!/bin/sh\nuntil test -e go; do sleep 0.01; done\nexit " + itoa(code) + "\n"}})
			b.started("a", 1)
			b.command("a", "1")
			b.state("a", servicedir.Finish)
			s := b.status("a")
			if s.Run != servicedir.RunFinish || (s.PID == 0) != (dialect == "daemontools") {
				t.Errorf("%+v", s)
			}
			os.WriteFile(filepath.Join(b.dir("a"), "go"), nil, 0o644)
			d := b.state("a", servicedir.Failed)
			if d.Last.Code != 7 || b.status("a").Want != servicedir.WantDown {
				t.Errorf("%+v %+v", d, b.status("a"))
			}
			holdsFor(t, 1200*time.Millisecond, "it is down", func() bool { return len(b.lines("a", "starts")) == 1 })
			b.command("a", "u")
			b.started("a", 2)
			b.stop()
		})
	}
}

// u, while ./finish runs, starts a service whatever its policy says.
func TestUpWhileFinishing(t *testing.T) {
	t.Parallel()
	b := ours(t, "runit", services{"a": {"run": obeying, "restart": "policy never", "finish": "#!/bin/sh\nuntil test -e go; do sleep 0.01; done\n"}})
	b.started("a", 1)
	b.is("a", "is up", func(s servicedir.Status) bool { return s.PID != 0 })
	kill(t, b.status("a").PID, "USR1")
	b.state("a", servicedir.Finish)
	b.command("a", "u")
	os.WriteFile(filepath.Join(b.dir("a"), "go"), nil, 0o644)
	b.started("a", 2)
	b.stop()
}

// A ./finish that does not end is killed after timeout-finish.
func TestFinishTimeout(t *testing.T) {
	t.Parallel()
	b := ours(t, "runit", services{"a": {"run": obeying, "timeout-finish": "100", "finish": "#!/bin/sh\necho $$ >>finishing\nexec sleep 100000\n"}})
	b.started("a", 1)
	b.command("a", "1")
	b.started("a", 2)
	if pid := number(b.lines("a", "finishing")[0]); supervisetest.Alive(pid) {
		t.Error("finish runs")
	}
	b.stop()
}

// A service is ready when it says so on its descriptor, or ./check does; who
// comes after it waits for that.
func TestReadiness(t *testing.T) {
	t.Parallel()
	b := ours(t, "daemontools", services{
		"told":       {"run": "#!/bin/sh\nuntil test -e go; do sleep 0.01; done\necho >&4\nexec sleep 100000\n", "notification-fd": "4"},
		"checked":    {"run": sleeping, "check": "#!/bin/sh\ntest -e go\n"},
		"of-told":    {"run": sleeping, "after": "told\n"},
		"of-checked": {"run": sleeping, "after": "checked\ntold\n"},
		"of-nothing": {"run": sleeping, "after": "nothing\n"},
		"plain":      service(sleeping),
	})
	b.started("plain", 1)
	b.state("plain", servicedir.Running)
	b.state("told", servicedir.Starting)
	b.state("checked", servicedir.Starting)
	for name, waits := range map[string]string{"of-told": "told", "of-checked": "checked", "of-nothing": "nothing"} {
		if d := b.state(name, servicedir.Waiting); d.Waits != waits {
			t.Errorf("%s waits for %q, want %q", name, d.Waits, waits)
		}
	}
	os.WriteFile(filepath.Join(b.dir("told"), "go"), nil, 0o644)
	b.state("told", servicedir.Running)
	b.started("of-told", 1)
	if d := b.state("of-checked", servicedir.Waiting); d.Waits != "checked" {
		t.Errorf("of-checked waits for %q", d.Waits)
	}
	os.WriteFile(filepath.Join(b.dir("checked"), "go"), nil, 0o644)
	b.state("checked", servicedir.Running)
	b.started("of-checked", 1)
	// One that comes late is waited for too.
	supervisetest.Make(t, b.scan, services{"nothing": service(sleeping)})
	b.started("of-nothing", 1)
	b.stop()
}

// start-timeout says how long the others wait for one that never gets ready.
func TestStartTimeout(t *testing.T) {
	t.Parallel()
	b := ours(t, "daemontools", services{
		"never": {"run": sleeping, "notification-fd": "3", "start-timeout": "300ms"},
		"after": {"run": sleeping, "after": "never\n"},
	})
	b.started("after", 1)
	if d := b.details("never"); d.State != servicedir.Starting || d.Ready {
		t.Errorf("%+v", d)
	}
	b.stop()
}

// Services that come after each other do not wait for each other, and who comes
// after one of them waits for it alone. Nobody can wait for itself.
func TestAfterCycle(t *testing.T) {
	t.Parallel()
	b := ours(t, "daemontools", services{
		"a": {"run": sleeping, "after": "b\n"}, "b": {"run": sleeping, "after": "c\n"}, "c": {"run": sleeping, "after": "a\n"},
		"d": {"run": sleeping, "after": "a\n"}, "e": {"run": sleeping, "after": "e\n"},
	})
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		b.started(name, 1)
	}
	if n := strings.Count(b.printed(), "nobody waits"); n > 3 {
		t.Errorf("it is said %d times:\n%s", n, b.printed())
	}
	b.stop()
}

// All is ended in the reverse order of its beginning, logs last and with their
// last lines.
func TestStopOrder(t *testing.T) {
	t.Parallel()
	const run = "#!/bin/sh\nname=${PWD##*/}\ntrap 'echo bye; echo $name >>../order; kill $!; exit' TERM\nsleep 100000 &\necho hello\necho $$ >>starts\nwhile :; do wait $!; done\n"
	const log = "#!/bin/sh\nexec multilog ./main\n"
	b := ours(t, "daemontools", services{
		"database": {"run": run, "log/run": log},
		"cache":    {"run": run, "after": "database", "log/run": "#!/bin/sh\necho x >/dev/null\nexec sh -c 'cat >>lines'\n"},
		"web":      {"run": run, "after": "cache\ndatabase", "log/run": log},
	})
	for _, name := range []string{"web", "cache", "database"} {
		b.started(name, 1)
	}
	b.stop()
	order, _ := os.ReadFile(filepath.Join(b.scan, "order"))
	if got := strings.Fields(string(order)); !slices.Equal(got, []string{"web", "cache", "database"}) {
		t.Errorf("ended in the order %q", got)
	}
	for _, name := range []string{"database", "web"} {
		if lines := supervisetest.LogLines(t, filepath.Join(b.dir(name), "log/main")); !slices.Equal(lines, []string{"hello", "bye"}) {
			t.Errorf("%s logged %q", name, lines)
		}
	}
	if lines := b.lines("cache/log", "lines"); !slices.Equal(lines, []string{"hello", "bye"}) {
		t.Errorf("cache logged %q", lines)
	}
}

// The restart policies, and that u cuts a pause short.
func TestRestartPolicies(t *testing.T) {
	t.Parallel()
	const exits = "#!/bin/sh\necho $$ >>starts\nexit $(cat code)\n"
	b := ours(t, "daemontools", services{
		"never":      {"run": exits, "code": "1", "restart": "policy never"},
		"on-failure": {"run": exits, "code": "0", "restart": "policy on-failure"},
		"failing":    {"run": exits, "code": "3", "restart": "delay 10ms\nmax-delay 1h\nburst 3\n"},
		"growing":    {"run": exits, "code": "1", "restart": "policy on-failure\ndelay 20ms\nmax-delay 1h\nburst 0\n"},
		"bad":        {"run": sleeping, "restart": "sometimes\n"},
	})
	b.state("never", servicedir.Failed)
	if d := b.state("on-failure", servicedir.Failed); d.Last.Code != 0 || d.Starts != 1 {
		t.Errorf("%+v", d)
	}
	d := b.state("failing", servicedir.Failing)
	if d.Starts != 3 || d.Last.Code != 3 || d.Next < d.Since+3000 {
		t.Errorf("%+v", d)
	}
	for _, name := range []string{"never", "on-failure", "failing"} {
		n := len(b.lines(name, "starts"))
		b.command(name, "u")
		supervisetest.Until(t, name+" is started at once", func() bool { return len(b.lines(name, "starts")) == n+1 })
	}
	b.state("failing", servicedir.Failing)
	// 20, 40, 80, 160 ms: the fifth start is 300 ms after the first.
	supervisetest.Until(t, "growing has been started five times", func() bool { return len(b.lines("growing", "starts")) >= 5 })
	if d := b.details("bad"); d.Reason != `restart: line "sometimes" is not a word and its value` {
		t.Errorf("bad: %+v", d)
	}
	b.says(`bad: restart: line "sometimes" is not a word and its value`)
	b.stop()
}

// A service that does not end on its stop signal is killed after timeout-kill, and
// so is what it has left behind, wherever that has gone.
func TestTimeoutKill(t *testing.T) {
	t.Parallel()
	setsid := need.Program(t, "setsid")
	strays := fmt.Sprintf(`#!/bin/sh
trap '' TERM
%[1]s sh -c 'trap "" TERM; echo $$ >>strays; while :; do sleep 1; done' &
(%[1]s sh -c '(trap "" TERM HUP; sh -c "echo \$\$ >>strays; while :; do sleep 1; done") &' &)
until test "$(cat strays | wc -l)" -ge 2; do sleep 0.01; done
echo $$ >>starts
while :; do sleep 1; done
`, setsid)
	b := ours(t, "daemontools", services{"a": {"run": strays, "timeout-kill": "100"}, "b": {"run": strays}})
	pid := b.started("a", 1)
	other := b.started("b", 1)
	for _, stray := range b.lines("a", "strays") {
		if !supervisetest.Alive(number(stray)) {
			t.Fatalf("stray %s has ended", stray)
		}
	}
	b.command("a", "d")
	if s := b.down("a"); s.Exit != 9 {
		t.Errorf("%+v", s)
	}
	for _, p := range append(b.lines("a", "strays"), itoa(pid)) {
		supervisetest.Until(t, "process "+p+" has ended", func() bool { return !supervisetest.Alive(number(p)) })
	}
	// Without the file nobody is killed, until all is to end.
	b.command("b", "d")
	b.is("b", "got TERM", func(s servicedir.Status) bool { return s.GotTERM })
	holdsFor(t, 300*time.Millisecond, "b runs", func() bool { return supervisetest.Alive(other) })
	b.command("b", "k")
	b.down("b")
	for _, p := range b.lines("b", "strays") {
		if !supervisetest.Alive(number(p)) {
			t.Errorf("stray %s of b has ended", p)
		}
	}
	b.stop()
}

// down-signal, reload-signal and ./reload.
func TestOwnSignals(t *testing.T) {
	t.Parallel()
	b := ours(t, "daemontools", services{
		"a": {"run": trapping, "down-signal": "USR2", "reload-signal": "SIGUSR1"},
		"b": {"run": trapping, "reload": "#!/bin/sh\necho $1 >>reloaded\n"},
	})
	b.started("a", 1)
	pid := b.started("b", 1)
	b.command("a", "l")
	b.got("a", "USR1")
	b.command("a", "d")
	b.got("a", "USR2", "CONT")
	if s := b.status("a"); s.GotTERM {
		t.Errorf("%+v", s)
	}
	b.command("b", "l\n")
	supervisetest.Until(t, "b is reloaded", func() bool { return len(b.lines("b", "reloaded")) == 1 })
	if got := b.lines("b", "reloaded"); got[0] != itoa(pid) || len(b.lines("b", "got")) > 0 {
		t.Errorf("reload %q, signals %q", got, b.lines("b", "got"))
	}
	for name, want := range map[string]string{"a": "signal USR1", "b": "command"} {
		if d := b.details(name); d.Reload != want {
			t.Errorf("%s: reload is %q", name, d.Reload)
		}
	}
	b.end()
}

// runit's control scripts: in order, before what they are for, and in the place
// of the signal where they exit with 0.
func TestControlScripts(t *testing.T) {
	t.Parallel()
	script := func(name string, code int) string {
		return fmt.Sprintf("#!/bin/sh\nsleep 0.05\necho %s >>control.log\nexit %d\n", name, code)
	}
	list := services{
		"a": {"run": trapping, "control/h": script("h", 0), "control/a": script("a", 1), "control/t": script("t", 0), "control/d": script("d", 0), "control/1": "not a script"},
		"b": {"run": trapping, "control/t": script("t", 1), "control/x": script("x", 1), "control/d": script("d", 0), "control/u": script("u", 0), "down": ""},
	}
	eachDialect(t, list, func(t *testing.T, b *box, _ string) {
		b.started("a", 1)
		ran := func(name string, want ...string) {
			t.Helper()
			supervisetest.Until(t, fmt.Sprintf("%s has run %q", name, want), func() bool { return slices.Equal(b.lines(name, "control.log"), want) })
			os.Remove(filepath.Join(b.dir(name), "control.log"))
		}
		b.command("a", "ha1i")
		b.got("a", "ALRM", "USR1", "INT")
		ran("a", "h", "a")
		b.command("a", "t")
		ran("a", "t")
		b.command("a", "d")
		ran("a", "t", "d")
		b.got("a", "CONT")
		b.is("a", "is to be down", func(s servicedir.Status) bool { return s.Want == servicedir.WantDown && !s.GotTERM })

		b.down("b")
		b.command("b", "u")
		b.started("b", 1)
		ran("b", "u")
		b.command("b", "d")
		b.got("b", "TERM", "CONT")
		ran("b", "t", "d")
	})
}

// The lines of a log are written by the supervisor where log/run only becomes a
// multilog; else log/run is a process. Clients see no difference.
func TestLogs(t *testing.T) {
	t.Parallel()
	svstat := need.Program(t, "svstat")
	const run = "#!/bin/sh\nn=1\ntrap 'n=$((n+1)); echo line $n' HUP\ntrap 'echo bye; kill $!; exit' TERM\nsleep 100000 &\necho line 1\necho $$ >>starts\nwhile :; do wait $!; done\n"
	for _, c := range []struct {
		name, needs, log, lines string
		inside                  bool
		flags                   []string
	}{
		{"multilog", "multilog", "#!/bin/sh\nexec multilog ./main\n", "log/main", true, nil},
		{"multilog outside", "multilog", "#!/bin/sh\nexec multilog ./main\n", "log/main", false, []string{"--log-processes"}},
		{"multilog by another script", "multilog", "#!/bin/sh\nexec 2>&1\nexec multilog ./main\n", "log/main", false, nil},
		{"own multilog", "sh", "#!/bin/sh\nexec " + own("scgi-run") + " multilog ./main\n", "log/main", true, nil},
		{"svlogd", "svlogd", "#!/bin/sh\nmkdir -p main\nexec svlogd ./main\n", "log/main", false, nil},
		{"s6-log", "s6-log", "#!/bin/sh\nexec s6-log ./main\n", "log/main", false, nil},
		{"shell", "sh", "#!/bin/sh\nmkdir -p main\nexec cat >>main/current\n", "log/main", false, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			need.Program(t, c.needs)
			b := ours(t, "daemontools", services{"a": {"run": run, "log/run": c.log}}, c.flags...)
			pid := b.started("a", 1)
			worker := supervisetest.Worker(b.PID())
			log := b.is("a/log", "is up", func(s servicedir.Status) bool { return s.PID != 0 }).PID
			if inside := log == worker; inside != c.inside {
				t.Errorf("the log is process %d, the supervisor %d", log, worker)
			}
			logged := func(want ...string) {
				t.Helper()
				var got []string
				supervisetest.Until(t, fmt.Sprintf("the log has %q", want), func() bool {
					got = supervisetest.LogLines(t, filepath.Join(b.dir("a"), c.lines))
					return len(got) >= len(want)
				})
				if !slices.Equal(got, want) {
					t.Errorf("the log has %q, want %q", got, want)
				}
			}
			logged("line 1")
			if out := masked(does(t, svstat, b.dir("a/log")), b.dir("a/log")); out != "DIR: up (pid P) N seconds" {
				t.Errorf("svstat: %q", out)
			}
			svc := func(flag, name string) { t.Helper(); does(t, own("svc"), flag, b.dir(name)) }
			// The log is ended and started; what comes meanwhile stays in the pipe.
			b.reads("a/log")
			svc("-d", "a/log")
			b.down("a/log")
			svc("-h", "a")
			if out := masked(does(t, svstat, b.dir("a/log")), b.dir("a/log")); out != "DIR: down N seconds, normally up" {
				t.Errorf("svstat: %q", out)
			}
			svc("-u", "a/log")
			logged("line 1", "line 2")
			before := b.reads("a/log").Since
			svc("-t", "a/log")
			b.is("a/log", "is started again", func(s servicedir.Status) bool { return s.PID != 0 && s.Since.After(before) })
			svc("-h", "a")
			logged("line 1", "line 2", "line 3")
			if c.inside {
				svc("-a", "a/log")
				supervisetest.Until(t, "the log is rotated", func() bool {
					list, _ := filepath.Glob(filepath.Join(b.dir("a"), c.lines, "@*"))
					return len(list) == 1
				})
			}
			if !supervisetest.Alive(pid) || len(b.lines("a", "starts")) != 1 {
				t.Error("the service was ended")
			}
			b.stop()
			logged("line 1", "line 2", "line 3", "bye")
		})
	}
}

// reads waits until a logger is up, and at rest in a read: multilog 0.76 does not hear a
// TERM that comes between its look for one and the read.
func (b *box) reads(name string) servicedir.Status {
	b.t.Helper()
	return b.is(name, "reads", func(s servicedir.Status) bool {
		stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.PID))
		_, rest, _ := strings.Cut(string(stat), ") ")
		return s.PID != 0 && strings.HasPrefix(rest, "S ")
	})
}

// svc -dx on both ends a service and its log for good.
func TestLogExit(t *testing.T) {
	t.Parallel()
	for _, log := range []string{"#!/bin/sh\nexec multilog t ./main\n", "#!/bin/sh\nexec cat >/dev/null\n"} {
		t.Run(strings.Fields(log)[2], func(t *testing.T) {
			t.Parallel()
			b := ours(t, "s6", services{"a": {"run": sleeping, "log/run": log}})
			b.started("a", 1)
			b.is("a/log", "is up", func(s servicedir.Status) bool { return s.PID != 0 })
			does(t, own("svc"), "-dx", b.dir("a"), b.dir("a/log"))
			b.unsupervised("a")
			b.unsupervised("a/log")
			supervisetest.Until(t, "nothing of it runs", func() bool { return len(b.Marked()) == 2 })
			kill(t, b.PID(), "HUP")
			b.started("a", 2)
			b.stop()
		})
	}
}

// In runit's dialect x means nothing to a log.
func TestLogExitRunit(t *testing.T) {
	t.Parallel()
	b := ours(t, "runit", services{"a": {"run": sleeping, "log/run": "#!/bin/sh\nexec cat >/dev/null\n"}})
	b.started("a", 1)
	pid := b.is("a/log", "is up", func(s servicedir.Status) bool { return s.PID != 0 }).PID
	b.command("a/log", "x")
	b.command("a/log", "h")
	again := b.is("a/log", "is started again", func(s servicedir.Status) bool { return s.PID != 0 && s.PID != pid }).PID
	b.command("a", "x")
	b.unsupervised("a")
	b.unsupervised("a/log")
	if supervisetest.Alive(again) {
		t.Error("the log runs")
	}
	b.stop()
}

// A log that does not end at the end of its input is killed where it has a
// timeout-kill.
func TestLogTimeoutKill(t *testing.T) {
	t.Parallel()
	b := ours(t, "runit", services{"a": {"run": sleeping, "log/run": "#!/bin/sh\nexec sleep 100000\n", "log/timeout-kill": "100"}})
	b.started("a", 1)
	b.is("a/log", "is up", func(s servicedir.Status) bool { return s.PID != 0 })
	b.stop()
}

// A run that is not there is tried again each second, and found when it is.
func TestRunMissing(t *testing.T) {
	t.Parallel()
	b := ours(t, "daemontools", services{"a/data": {"x": ""}})
	b.says("a: unable to start run: no such file or directory (the file, or the interpreter that it names)\n")
	d := b.state("a", servicedir.BackOff)
	if !strings.HasPrefix(d.Reason, "unable to start run: ") {
		t.Errorf("%+v", d)
	}
	service(sleeping).Write(t, b.dir("a"))
	b.started("a", 1)
	if d := b.state("a", servicedir.Running); d.Reason != "" {
		t.Errorf("%+v", d)
	}
	b.stop()
}
