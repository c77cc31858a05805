package supervisetest_test

import (
	"strings"
	"testing"

	"scgikit/internal/supervisetest"
)

// A socket that nobody reads is no service manager: the keeper's place is taken.
func TestKeeperKilledUnwatched(t *testing.T) {
	t.Parallel()
	scan := t.TempDir()
	supervisetest.Make(t, scan, services{"a": service(sleeping)})
	b := &box{t, scan, supervisetest.Start(t, scan, "env", "NOTIFY_SOCKET="+scan+".nobody", own("scgi-run"), "supervise")}
	pid := b.started("a", 1)
	worker := 0
	supervisetest.Until(t, "there is a worker", func() bool { worker = supervisetest.Worker(b.PID()); return worker != 0 })
	kill(t, b.PID(), "KILL")
	_ = b.Wait(t) // killed
	supervisetest.Until(t, "it has become the keeper", func() bool { return supervisetest.Worker(worker) != 0 })
	b.command("a", "k")
	b.started("a", 2)
	if supervisetest.Alive(pid) {
		t.Error("the first process runs still")
	}
	kill(t, worker, "TERM")
	supervisetest.Until(t, "all has ended", func() bool { return len(b.Marked()) == 0 })
}

// A folder's name can not write a message of its own.
func TestNamesInMessages(t *testing.T) {
	t.Parallel()
	const name = "a\nsupervise: b: \x1b[2J"
	b := ours(t, "daemontools", services{name: {"run": "no program\n", "down-signal": "x\ny\n"}})
	b.says(`supervise: a\x0asupervise: b: \x1b[2J: unable to start run: permission denied` + "\n")
	for line := range strings.Lines(b.printed()) {
		if !strings.HasPrefix(line, `supervise: a\x0a`) || strings.Contains(line, "\x1b") {
			t.Errorf("it says %q", line)
		}
	}
	b.stop()
}
