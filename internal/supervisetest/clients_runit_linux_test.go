package supervisetest_test

import (
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

// TestRunitVerbs runs every word of sv on our supervisor and on runsvdir: the exit
// code and the text must be the same.
func TestRunitVerbs(t *testing.T) {
	t.Parallel()
	sv := need.Program(t, "sv")
	list := services{
		"a": service(trapping),
		"b": service(obeying),
		"c": {"run": obeying, "down": ""},
		"e": service(trapping),
		"f": service(obeying),
		"g": {"run": obeying, "check": "#!/bin/sh\ntest -e good\n"},
	}
	trace := func(b *box) string {
		var texts []string
		run := func(name string, words ...string) {
			t.Helper()
			if strings.Contains(words[len(words)-1], "restart") {
				nextSecond(t, b, name)
			}
			out, code := tool(t, append(append([]string{sv}, words...), b.dir(name))...)
			texts = append(texts, strings.Join(words, " ")+" "+name+": exit "+itoa(code)+": "+masked(out, b.dir(name)))
		}
		pid := b.started("a", 1)
		b.started("b", 1)
		b.started("e", 1)
		b.started("f", 1)
		b.idle("c")
		for _, c := range []struct{ word, signal string }{
			{"hup", "HUP"}, {"reload", "HUP"}, {"alarm", "ALRM"}, {"interrupt", "INT"}, {"quit", "QUIT"}, {"1", "USR1"}, {"2", "USR2"}, {"cont", "CONT"}, {"term", "TERM"},
		} {
			run("a", c.word)
			b.got("a", c.signal)
		}
		b.is("a", "got TERM", func(s servicedir.Status) bool { return s.GotTERM })
		run("a", "status")
		run("a", "pause")
		supervisetest.Until(t, "a is stopped", func() bool { return stopped(pid) })
		b.is("a", "is paused", func(s servicedir.Status) bool { return s.Paused })
		run("a", "status")
		run("a", "cont")
		b.got("a", "CONT")
		run("a", "-v", "-w1", "stop") // it does not
		b.got("a", "CONT", "TERM")
		run("a", "-w1", "force-stop")
		b.down("a")
		run("a", "-v", "start")
		b.started("a", 2)
		run("a", "-w1", "force-restart")
		b.started("a", 3)
		os.Remove(filepath.Join(b.dir("a"), "got"))
		run("a", "kill")
		b.started("a", 4)

		run("b", "-v", "stop")
		run("b", "-v", "stop")
		run("b", "check")
		run("b", "status")
		run("b", "-v", "up")
		b.started("b", 2)
		run("b", "-v", "restart")
		b.started("b", 3)
		run("b", "-v", "try-restart")
		b.started("b", 4)
		run("b", "-v", "down")
		run("b", "try-restart")
		run("b", "start")
		b.started("b", 5)
		run("b", "force-reload")
		b.is("b", "is up", func(s servicedir.Status) bool { return s.PID != 0 && s.Want == servicedir.WantUp })

		run("c", "status")
		run("c", "-v", "once")
		b.started("c", 1)
		run("c", "status")
		run("c", "term")
		b.idle("c")
		run("c", "status")

		run("f", "-v", "exit")
		run("f", "status")
		run("e", "-w1", "force-shutdown")
		b.unsupervised("e")
		run("e", "status")

		run("g", "-v", "-w1", "check")
		os.WriteFile(filepath.Join(b.dir("g"), "good"), nil, 0o644)
		run("g", "-v", "check")
		run("g", "start")
		return strings.Join(texts, "\n")
	}
	us, them := trace(ours(t, "runit", list)), trace(theirs(t, "runsvdir", list))
	if us != them {
		t.Errorf("ours:\n%s\nrunsvdir:\n%s", us, them)
	}
}

// sv in daemontools' dialect: all but what waits for runit's own words.
func TestRunitVerbsOtherDialects(t *testing.T) {
	t.Parallel()
	sv := need.Program(t, "sv")
	for _, dialect := range []string{"daemontools", "s6"} {
		t.Run(dialect, func(t *testing.T) {
			t.Parallel()
			b := ours(t, dialect, services{"b": service(obeying)})
			b.started("b", 1)
			for _, words := range [][]string{{"status"}, {"-v", "stop"}, {"-v", "start"}, {"-v", "restart"}, {"-v", "down"}, {"-v", "up"}, {"-v", "check"}, {"-v", "force-restart"}} {
				does(t, append(append([]string{sv}, words...), b.dir("b"))...)
			}
			b.stop()
		})
	}
}

// nextSecond waits until a service has been up since another second than this
// one: sv restart takes it for restarted otherwise.
func nextSecond(t *testing.T, b *box, name string) {
	t.Helper()
	since := b.status(name).Since.Unix()
	supervisetest.Until(t, "a second passes", func() bool { return time.Now().Unix() > since })
}

// What sv exits with where there is nothing to command, by both of its names.
func TestRunitExitCodes(t *testing.T) {
	t.Parallel()
	sv := need.Program(t, "sv")
	list := services{"a": service(obeying), "c": {"run": obeying, "down": ""}}
	trace := func(b *box) string {
		links := t.TempDir()
		for _, name := range []string{"a", "c", "missing"} {
			os.Symlink(sv, filepath.Join(links, name))
		}
		var texts []string
		run := func(argv ...string) {
			if argv[len(argv)-1] == "restart" {
				nextSecond(t, b, filepath.Base(argv[0]))
			}
			out, code := toolWith(t, "", []string{"SVDIR=" + b.scan, "SVWAIT=3"}, argv...)
			lines := strings.Split(masked(out, b.scan), "\n")
			slices.Sort(lines) // sv shows them as they come
			texts = append(texts, strings.ReplaceAll(strings.Join(argv, " "), links, "")+": exit "+itoa(code)+": "+strings.Join(lines, "\n"))
		}
		b.started("a", 1)
		b.idle("c")
		run(sv, "status", "a", "c", "missing")
		run(sv, "status", "missing", "nothing")
		run(sv, "stop", "missing")
		run(sv, "bogus", "a")
		run(sv)
		run(sv, "-v", "check", "a")
		run(sv, "stop", "a", "c")
		run(sv, "start", "a", "c")
		b.started("a", 2)
		b.started("c", 1)
		run(sv, "-w", "5", "stop", "c")
		for _, name := range []string{"a", "c", "missing"} {
			for _, word := range []string{"status", "stop", "status", "start", "restart", "reload", "force-stop", "bogus"} {
				run(filepath.Join(links, name), word)
			}
		}
		return strings.Join(texts, "\n")
	}
	us, them := trace(ours(t, "runit", list)), trace(theirs(t, "runsvdir", list))
	if us != them {
		t.Errorf("ours:\n%s\nrunsvdir:\n%s", us, them)
	}
}

// sv shutdown ends a service for good, though its link stays: not as in runit's
// issue 27.
func TestRunitShutdownStays(t *testing.T) {
	t.Parallel()
	sv := need.Program(t, "sv")
	b := ours(t, "runit", services{"a": service(obeying)})
	b.started("a", 1)
	does(t, sv, "-v", "shutdown", b.dir("a"))
	b.unsupervised("a")
	supervisetest.Make(t, b.scan, services{"other": service(sleeping)})
	b.started("other", 1)
	holdsFor(t, 6*time.Second, "a is down and not supervised", func() bool {
		return !supervisetest.Supervised(b.dir("a")) && len(b.lines("a", "starts")) == 1
	})
	kill(t, b.PID(), "HUP")
	b.started("a", 2)
	b.stop()
}

// sv start finds a service that its policy has given up, and one whose next start
// is far away.
func TestRunitStartOfFailed(t *testing.T) {
	t.Parallel()
	sv := need.Program(t, "sv")
	const twice = "#!/bin/sh\necho $$ >>starts\ntest $(wc -l <starts) -lt 2 && exit 1\nexec sleep 100000\n"
	b := ours(t, "runit", services{
		"never": {"run": twice, "restart": "policy never\n"},
		"later": {"run": twice, "restart": "delay 1h\n"},
	})
	b.state("never", servicedir.Failed)
	b.state("later", servicedir.BackOff)
	for _, name := range []string{"never", "later"} {
		does(t, sv, "-v", "start", b.dir(name))
		b.started(name, 2)
	}
	b.stop()
}

// TestRunitText compares what sv status shows step for step under our supervisor
// with what it shows under runit's own.
func TestRunitText(t *testing.T) {
	t.Parallel()
	sv := need.Program(t, "sv")
	trace := func(b *box) string {
		var list []string
		steps(t, b, func(n string) {
			out, code := tool(t, sv, "status", b.dir(n))
			list = append(list, n+": exit "+itoa(code)+": "+masked(out, b.dir(n)))
		})
		return strings.Join(list, "\n")
	}
	list := services{"a": {"run": obeying, "log/run": "#!/bin/sh\nexec cat\n"}, "c": {"run": obeying, "down": ""}}
	us, them := trace(ours(t, "runit", list)), trace(theirs(t, "runsvdir", list))
	if us != them {
		t.Errorf("ours:\n%s\nrunsvdir:\n%s", us, them)
	}
}
