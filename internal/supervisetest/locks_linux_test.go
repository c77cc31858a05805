package supervisetest_test

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"scgikit/internal/need"
	"scgikit/internal/servicedir"
	"scgikit/internal/supervisetest"
)

// Each family's supervisor refuses a folder that ours holds.
func TestLockHeld(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		program string
		code    int
		says    string
	}{
		{"supervise", 111, "supervise: fatal: unable to acquire a/supervise/lock: temporary failure\n"},
		{"runsv", 111, "runsv a: fatal: unable to lock supervise/lock: temporary failure\n"},
		{"s6-supervise", 100, "s6-supervise a: fatal: another instance of s6-supervise is already running\n"},
	} {
		for _, dialect := range dialects() {
			t.Run(c.program+" on "+dialect, func(t *testing.T) {
				t.Parallel()
				program := need.Program(t, c.program)
				b := ours(t, dialect, services{"a": service(sleeping)})
				pid := b.started("a", 1)
				before := b.status("a")
				out, code := toolWith(t, b.scan, nil, program, "a")
				if code != c.code || out != c.says {
					t.Errorf("exit %d, %q; want %d, %q", code, out, c.code, c.says)
				}
				if s := b.status("a"); s != before || !supervisetest.Alive(pid) || len(b.lines("a", "starts")) != 1 {
					t.Errorf("the status was %+v, and is %+v", before, s)
				}
				does(t, own("svc"), "-k", b.dir("a"))
				b.started("a", 2)
				b.stop()
			})
		}
	}
}

// Ours leaves a folder alone that another holds, says so once, and takes it over
// when the other is gone.
func TestLockOfOthers(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"supervise", "runsv", "s6-supervise", "ours"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			program := own("supervise")
			if name != "ours" {
				program = need.Program(t, name)
			}
			scan := t.TempDir()
			supervisetest.Make(t, scan, services{"a": service(sleeping), "b": service(sleeping)})
			holder := &box{t, scan, supervisetest.Start(t, filepath.Join(scan, "a"), program)}
			supervisetest.Until(t, "a is started", func() bool { return len(holder.lines("a", "starts")) == 1 })
			first := number(holder.lines("a", "starts")[0])
			b := &box{t, scan, supervisetest.Start(t, scan, own("scgi-run"), "supervise")}
			b.started("b", 1)
			b.says("a: unable to supervise it: is supervised already\n")
			kill(t, b.PID(), "HUP")
			supervisetest.Make(t, b.scan, services{"c": service(sleeping)})
			b.started("c", 1)
			if n := len(b.lines("a", "starts")); n != 1 {
				t.Errorf("a was started %d times", n)
			}
			// The other goes away, and a with it.
			for _, pid := range append(holder.Marked(), holder.Marked()...) {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
			b.is("a", "is taken over", func(s servicedir.Status) bool {
				return s.PID != 0 && s.PID != first && supervisetest.Alive(s.PID) && b.details("a").State == servicedir.Running
			})
			if n := strings.Count(b.printed(), "is supervised already"); n > 2 {
				t.Errorf("it was said %d times", n)
			}
			b.stop()
		})
	}
}

// Two of ours on one scan folder: the second does nothing.
func TestLockTwice(t *testing.T) {
	t.Parallel()
	b := ours(t, "runit", services{"a": {"run": sleeping, "log/run": "#!/bin/sh\nexec multilog t ./main\n"}, "b": service(sleeping)})
	b.started("a", 1)
	b.started("b", 1)
	second := &box{t, b.scan, supervisetest.Start(t, b.scan, own("scgi-run"), "supervise")}
	second.says("a: unable to supervise it: is supervised already\n")
	second.says("b: unable to supervise it: is supervised already\n")
	holdsFor(t, 500*time.Millisecond, "nothing is started twice", func() bool {
		return len(b.lines("a", "starts")) == 1 && len(b.lines("b", "starts")) == 1
	})
	b.stop()
	second.started("a", 2)
	second.started("b", 2)
	second.stop()
}

// The log of a service alone can be held by another too.
func TestLockOfLog(t *testing.T) {
	t.Parallel()
	supervise := need.Program(t, "supervise")
	scan := t.TempDir()
	supervisetest.Make(t, scan, services{"a": {"run": sleeping, "log/run": "#!/bin/sh\nexec cat >/dev/null\n"}})
	holder := supervisetest.Start(t, filepath.Join(scan, "a/log"), supervise)
	supervisetest.Until(t, "the log is held", func() bool { return supervisetest.Supervised(filepath.Join(scan, "a/log")) })
	b := &box{t, scan, supervisetest.Start(t, scan, own("scgi-run"), "supervise")}
	b.says("a: unable to supervise it: is supervised already\n")
	holdsFor(t, 200*time.Millisecond, "a is not started", func() bool { return len(b.lines("a", "starts")) == 0 })
	for _, pid := range holder.Marked() {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	b.started("a", 1)
	b.stop()
}
