package supervisetest_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"scgikit/internal/need"
	"scgikit/internal/servicedir"
	"scgikit/internal/supervisetest"
)

// waiting starts s6-svwait, which makes event/ where it is missing, and waits until
// it listens: the FIFO is made by s6-ftrigrd, which may end, and remove its FIFO, after
// an s6-svwait before, so that the number of FIFOs says nothing. What waiting returns
// waits for the end, and gives the exit code.
func (b *box) waiting(name, flag string) func() int {
	b.t.Helper()
	cmd := exec.CommandContext(b.t.Context(), need.Program(b.t, "s6-svwait"), "-t", "20000", flag, b.dir(name))
	fifos := filepath.Join(b.dir(name), "event/ftrig1*")
	before, _ := filepath.Glob(fifos)
	if err := cmd.Start(); err != nil {
		b.t.Fatal(err)
	}
	supervisetest.Until(b.t, "it listens", func() bool {
		now, _ := filepath.Glob(fifos)
		return slices.ContainsFunc(now, func(fifo string) bool { return !slices.Contains(before, fifo) })
	})
	return func() int {
		_ = cmd.Wait() // the exit code says it
		return cmd.ProcessState.ExitCode()
	}
}

// s6-svwait waits for what our services do.
func TestS6WaitEvents(t *testing.T) {
	t.Parallel()
	b := ours(t, "s6", services{
		"a":   {"run": sleeping, "down": "", "finish": "#!/bin/sh\nwhile [ -e hold ]; do sleep 0.01; done\n", "hold": ""},
		"b":   {"run": "#!/bin/sh\necho $$ >>starts\nwhile [ ! -e go ]; do sleep 0.01; done\necho >&3\nexec sleep 100000\n", "notification-fd": "3\n", "down": ""},
		"bad": {"run": "#!/bin/sh\nwhile [ ! -e go ]; do sleep 0.01; done\n", "finish": "#!/bin/sh\nexit 125\n"},
	})
	b.down("a")
	done := b.waiting("a", "-u")
	does(t, "s6-svc", "-u", b.dir("a"))
	if code := done(); code != 0 {
		t.Errorf("-u: exit %d", code)
	}
	b.started("a", 1)
	// It is so already.
	does(t, "s6-svwait", "-t", "20000", "-u", b.dir("a"))
	down, gone := b.waiting("a", "-d"), b.waiting("a", "-D")
	does(t, "s6-svc", "-d", b.dir("a"))
	if code := down(); code != 0 {
		t.Errorf("-d: exit %d", code)
	}
	if b.status("a").Run != servicedir.RunFinish {
		t.Error("finish does not run")
	}
	os.Remove(filepath.Join(b.dir("a"), "hold"))
	if code := gone(); code != 0 {
		t.Errorf("-D: exit %d", code)
	}

	b.down("b")
	done = b.waiting("b", "-U")
	does(t, "s6-svc", "-u", b.dir("b"))
	b.started("b", 1)
	if err := os.WriteFile(filepath.Join(b.dir("b"), "go"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if code := done(); code != 0 {
		t.Errorf("-U: exit %d", code)
	}

	// Who waits for what will never come is told so.
	done = b.waiting("bad", "-U")
	if err := os.WriteFile(filepath.Join(b.dir("bad"), "go"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if code := done(); code != 1 {
		t.Errorf("-U of what fails: exit %d", code)
	}
	b.stop()
}

// s6-svlisten1 runs a command and waits for what comes of it; s6-ftrig-listen1
// waits for the letters themselves, as far as the supervisor's end and the next.
func TestS6ListenEvents(t *testing.T) {
	t.Parallel()
	listen1 := need.Program(t, "s6-svlisten1")
	b := ours(t, "daemontools", services{"a": service(sleeping)})
	first := b.started("a", 1)
	does(t, listen1, "-t", "20000", "-d", b.dir("a"), own("svc"), "-d", b.dir("a"))
	does(t, listen1, "-t", "20000", "-u", b.dir("a"), own("svc"), "-u", b.dir("a"))
	if second := b.started("a", 2); second == first {
		t.Error("it was not started again")
	}
	out := does(t, need.Program(t, "s6-ftrig-listen1"), "-t", "20000", filepath.Join(b.dir("a"), "event"), "dDx", own("svc"), "-dx", b.dir("a"))
	if strings.TrimSpace(out) == "" {
		t.Errorf("it says %q", out)
	}
	b.stop()
}
