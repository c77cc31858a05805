package supervisetest_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"scgikit/internal/need"
	"scgikit/internal/servicedir"
	"scgikit/internal/supervisetest"
)

func dialects() []string { return []string{"daemontools", "runit", "s6"} }

// eachDialect runs a test in each dialect, on a supervisor of its own.
func eachDialect(t *testing.T, list services, test func(t *testing.T, b *box, dialect string)) {
	t.Helper()
	for _, dialect := range dialects() {
		t.Run(dialect, func(t *testing.T) {
			t.Parallel()
			b := ours(t, dialect, list)
			test(t, b, dialect)
			if supervisetest.Alive(b.PID()) {
				b.end()
			}
		})
	}
}

// Every letter that sends a signal: it arrives, and says so in the status.
func TestSignalLetters(t *testing.T) {
	t.Parallel()
	eachDialect(t, services{"a": service(trapping)}, func(t *testing.T, b *box, _ string) {
		pid := b.started("a", 1)
		for _, c := range []struct{ letters, signal string }{
			{"h", "HUP"},
			{"a", "ALRM"},
			{"i", "INT"},
			{"q", "QUIT"},
			{"1", "USR1"},
			{"2", "USR2"},
			{"b", "ABRT"},
			{"w", "WINCH"},
			{"y", "WINCH"},
			{"c", "CONT"},
			{"l", "HUP"}, // there is no ./reload
			{"h\n", "HUP"},
			{"zZ?\x00 \xffh", "HUP"},
			{"+h", "HUP"},
		} {
			b.command("a", c.letters)
			b.got("a", c.signal)
			if s := b.status("a"); s.PID != pid || s.Want != servicedir.WantUp || s.GotTERM || s.Paused {
				t.Errorf("%q: status %+v", c.letters, s)
			}
		}
		b.command("a", "t")
		b.got("a", "TERM")
		b.is("a", "got TERM", func(s servicedir.Status) bool { return s.GotTERM && s.Want == servicedir.WantUp })

		b.command("a", "p")
		supervisetest.Until(t, "it is stopped", func() bool { return stopped(pid) })
		b.is("a", "is paused", func(s servicedir.Status) bool { return s.Paused })
		b.command("a", "c")
		b.got("a", "CONT")
		b.is("a", "goes on", func(s servicedir.Status) bool { return !s.Paused && s.PID == pid })

		b.command("a", "k")
		b.started("a", 2)
		if s := b.status("a"); s.Exit != 9 || s.GotTERM {
			t.Errorf("after k: %+v", s)
		}
	})
}

// d ends a service that is paused, and u is up to date with whatever comes.
func TestDownAndUp(t *testing.T) {
	t.Parallel()
	eachDialect(t, services{"a": service(trapping), "b": service(sleeping)}, func(t *testing.T, b *box, _ string) {
		pid := b.started("a", 1)
		b.command("a", "p")
		b.is("a", "is paused", func(s servicedir.Status) bool { return s.Paused })
		b.command("a", "d")
		b.got("a", "CONT", "TERM")
		b.is("a", "is to be down", func(s servicedir.Status) bool {
			return s.PID == pid && s.Want == servicedir.WantDown && s.GotTERM && !s.Paused
		})
		b.command("a", "u")
		b.is("a", "is to be up", func(s servicedir.Status) bool { return s.PID == pid && s.Want == servicedir.WantUp })

		b.started("b", 1)
		b.command("b", "d")
		if s := b.down("b"); s.Want != servicedir.WantDown || s.Exit != 15 {
			t.Errorf("after d: %+v", s)
		}
		b.command("b", "u")
		b.started("b", 2)
		// Many in one read, as they come.
		b.command("b", "dudud")
		if s := b.down("b"); s.Want != servicedir.WantDown {
			t.Errorf("after dudud: %+v", s)
		}
	})
}

// o leaves nothing wished for in daemontools' words, and "down" in runit's.
func TestOnce(t *testing.T) {
	t.Parallel()
	eachDialect(t, services{"a": service(obeying), "b": {"run": obeying, "down": ""}}, func(t *testing.T, b *box, dialect string) {
		want := servicedir.WantOnce
		if dialect == "runit" {
			want = servicedir.WantDown
		}
		pid := b.started("a", 1)
		b.command("a", "o")
		b.is("a", "is up once", func(s servicedir.Status) bool { return s.PID == pid && s.Want == want })
		b.command("a", "1")
		if s := b.down("a"); s.Want != want || s.Exit != 7<<8 {
			t.Errorf("after its end: %+v", s)
		}
		b.down("b")
		b.command("b", "o")
		b.started("b", 1)
		b.is("b", "is up once", func(s servicedir.Status) bool { return s.Want == want })
		b.command("b", "t")
		b.down("b")
		holdsFor(t, 1200*time.Millisecond, "a and b are down", func() bool { return b.status("a").PID == 0 && b.status("b").PID == 0 })
	})
}

// A service that cannot be started is not tried again where it was wanted once.
func TestOnceCannotStart(t *testing.T) {
	t.Parallel()
	b := ours(t, "daemontools", services{"a": {"run": "#!/nonexistent/sh\n", "down": ""}})
	b.down("a")
	b.command("a", "o")
	b.says("a: unable to start run")
	holdsFor(t, 1500*time.Millisecond, "it says so once", func() bool { return strings.Count(b.printed(), "unable to start run") == 1 })
	b.command("a", "u")
	supervisetest.Until(t, "it is tried again", func() bool { return strings.Count(b.printed(), "unable to start run") >= 3 })
	b.stop()
}

// x by itself: daemontools waits for the service to end, runit ends it.
func TestExit(t *testing.T) {
	t.Parallel()
	eachDialect(t, services{"a": service(obeying), "b": service(obeying), "c": {"run": obeying, "down": ""}}, func(t *testing.T, b *box, dialect string) {
		pid := b.started("a", 1)
		b.started("b", 1)
		b.command("a", "x")
		if dialect != "runit" {
			supervisetest.Until(t, "it is to be left", func() bool { return b.details("a").Want == "exit" })
			holdsFor(t, 300*time.Millisecond, "it runs", func() bool { return supervisetest.Alive(pid) && len(b.lines("a", "got")) == 0 })
			b.command("a", "1")
		}
		b.unsupervised("a")
		if supervisetest.Alive(pid) {
			t.Error("a runs")
		}
		if dialect == "runit" {
			b.got("a", "TERM")
		}
		// In company all mean the same, and one that is down is left at once.
		b.command("b", "dx")
		b.command("c", "x")
		for _, name := range []string{"b", "c"} {
			b.unsupervised(name)
			if s := b.status(name); s.PID != 0 {
				t.Errorf("%s: %+v", name, s)
			}
		}
	})
}

// ox and encore's lx never end a service that runs.
func TestExitWithCompany(t *testing.T) {
	t.Parallel()
	eachDialect(t, services{"a": service(obeying), "b": service(obeying)}, func(t *testing.T, b *box, _ string) {
		pids := map[string]int{"a": b.started("a", 1), "b": b.started("b", 1)}
		b.command("a", "ox")
		b.command("b", "lx")
		for name, pid := range pids {
			supervisetest.Until(t, "it is to be left", func() bool { return b.details(name).Want == "exit" })
			holdsFor(t, 200*time.Millisecond, "it runs", func() bool { return supervisetest.Alive(pid) && len(b.lines(name, "got")) == 0 })
			b.command(name, "t")
			b.unsupervised(name)
		}
	})
}

// A folder that was given back and still has its name: daemontools' svscan takes
// it again at its next look, five seconds later. The others leave it until its
// name is made again or somebody asks for a look.
func TestGivenBack(t *testing.T) {
	t.Parallel()
	for _, dialect := range dialects() {
		t.Run(dialect, func(t *testing.T) {
			t.Parallel()
			away := filepath.Join(t.TempDir(), "a")
			service(sleeping).Write(t, away)
			b := ours(t, dialect, nil)
			link := func() {
				os.Remove(b.dir("a"))
				if err := os.Symlink(away, b.dir("a")); err != nil {
					t.Fatal(err)
				}
			}
			link()
			b.started("a", 1)
			b.command("a", "dx")
			b.unsupervised("a")
			if dialect == "daemontools" {
				began := time.Now()
				b.started("a", 2)
				if took := time.Since(began); took < 3*time.Second {
					t.Errorf("taken again after %s", took)
				}
				b.stop()
				return
			}
			// Other changes do not count.
			supervisetest.Make(t, b.scan, services{"other": service(sleeping)})
			b.started("other", 1)
			holdsFor(t, 300*time.Millisecond, "it is left", func() bool { return !supervisetest.Supervised(away) })
			link()
			b.started("a", 2)
			b.command("a", "dx")
			b.unsupervised("a")
			kill(t, b.PID(), "HUP")
			b.started("a", 3)
			b.command("a", "dx")
			b.unsupervised("a")
			kill(t, b.PID(), "ALRM")
			b.started("a", 4)
			b.stop()
		})
	}
}

// The letters of s6 that have no like elsewhere.
func TestS6Letters(t *testing.T) {
	t.Parallel()
	eachDialect(t, services{"a": service(sleeping), "b": service(trapping), "c": {"run": sleeping, "down": ""}}, func(t *testing.T, b *box, _ string) {
		b.started("a", 1)
		b.command("a", "r")
		b.started("a", 2)
		b.command("a", "D")
		b.down("a")
		if _, err := os.Stat(filepath.Join(b.dir("a"), "down")); err != nil {
			t.Error(err)
		}
		b.command("a", "O")
		b.command("a", "U")
		b.started("a", 3)
		if _, err := os.Stat(filepath.Join(b.dir("a"), "down")); err == nil {
			t.Error("the file down is there still")
		}
		b.command("a", "Q")
		supervisetest.Until(t, "down is there", func() bool { _, err := os.Stat(filepath.Join(b.dir("a"), "down")); return err == nil })
		b.command("a", "t")
		b.down("a")

		pid := b.started("b", 1)
		b.command("b", "P")
		var child int
		supervisetest.Until(t, "the group is stopped", func() bool {
			child = number(b.lines("b", "children")[0])
			return stopped(pid) && stopped(child)
		})
		b.command("b", "C")
		supervisetest.Until(t, "the group goes on", func() bool { return !stopped(pid) && !stopped(child) })
		b.command("b", "K")
		b.started("b", 2)
		supervisetest.Until(t, "its child has ended", func() bool { return !supervisetest.Alive(child) })

		// O starts nothing.
		b.idle("c")
		b.command("c", "O")
		b.is("c", "is to be down", func(s servicedir.Status) bool { return s.Want == servicedir.WantDown })
		holdsFor(t, 200*time.Millisecond, "c is down", func() bool { return b.status("c").PID == 0 })
	})
}

// Encore's prefixes: what follows L is for the log.
func TestEncorePrefixes(t *testing.T) {
	t.Parallel()
	b := ours(t, "daemontools", services{"a": {"run": sleeping, "log/run": "#!/bin/sh\nexec cat >>lines\n"}})
	pid := b.started("a", 1)
	b.is("a/log", "is up", func(s servicedir.Status) bool { return s.PID != 0 })
	b.command("a", "Ld")
	b.down("a/log")
	if s := b.status("a"); s.PID != pid {
		t.Errorf("%+v", s)
	}
	b.command("a", "ldLu")
	b.down("a")
	b.is("a/log", "is up", func(s servicedir.Status) bool { return s.PID != 0 })
	b.stop()
}

// A service can have a dialect of its own.
func TestOwnDialect(t *testing.T) {
	t.Parallel()
	b := ours(t, "daemontools", services{"a": {"run": obeying, "dialect": "runit\n"}, "b": service(obeying)})
	b.started("a", 1)
	b.started("b", 1)
	b.command("a", "x")
	b.unsupervised("a")
	b.got("a", "TERM")
	if text, err := os.ReadFile(filepath.Join(b.dir("b"), "supervise/stat")); err == nil {
		t.Errorf("a service of daemontools has runit's stat: %q", text)
	}
	b.stop()
}

func TestUnknownDialect(t *testing.T) {
	t.Parallel()
	out, code := tool(t, own("scgi-run"), "supervise", "--dialect", "perp", t.TempDir())
	if code != 100 || !strings.Contains(out, `"perp" is no dialect; write daemontools, runit or s6`) {
		t.Errorf("exit %d: %s", code, out)
	}
}

// The two files of runit that scripts read say what runsv's say.
func TestRunitFiles(t *testing.T) {
	t.Parallel()
	runsvdir := need.Program(t, "runsvdir")
	list := services{"a": service(trapping), "b": {"run": sleeping, "down": ""}}
	check := func(b *box) {
		pid := b.started("a", 1)
		note := func(name, letters, want string) {
			t.Helper()
			if letters != "" {
				b.command(name, letters)
			}
			process := itoa(pid) + "\n"
			if name == "b" {
				process = ""
			}
			supervisetest.Until(t, name+" is "+want, func() bool {
				text, err := os.ReadFile(filepath.Join(b.dir(name), "supervise/stat"))
				id, idErr := os.ReadFile(filepath.Join(b.dir(name), "supervise/pid"))
				return err == nil && idErr == nil && string(text) == want+"\n" && string(id) == process
			})
		}
		note("a", "", "run")
		note("a", "p", "run, paused")
		note("a", "c", "run")
		note("a", "t", "run, got TERM")
		note("a", "d", "run, got TERM, want down")
		note("a", "o", "run, got TERM, want down")
		note("a", "u", "run, got TERM")
		note("a", "x", "run, got TERM, want exit")
		note("b", "", "down")
	}
	check(ours(t, "runit", list))
	check(begin(t, list, runsvdir))
}
