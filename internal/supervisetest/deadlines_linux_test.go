package supervisetest_test

import (
	"testing"
	"time"

	"scgikit/internal/servicedir"
	"scgikit/internal/supervisetest"
)

// To be told again to end gives a service no more time to do so.
func TestToldAgain(t *testing.T) {
	t.Parallel()
	b := ours(t, "daemontools", services{"a": {"run": trapping, "timeout-kill": "700\n"}})
	pid := b.started("a", 1)
	supervisetest.Until(t, "it is killed", func() bool {
		supervisetest.Command(t, b.dir("a"), "d")
		<-time.After(100 * time.Millisecond)
		return !supervisetest.Alive(pid)
	})
	b.down("a")
	b.stop()
}

// A policy without a pause still leaves time for everything else, and a start that
// was asked for comes at once.
func TestLeastPause(t *testing.T) {
	t.Parallel()
	b := ours(t, "daemontools", services{
		"quick": {"run": "#!/bin/sh\necho $$ >>starts\n", "restart": "delay 0s\nburst 0\n"},
		"a":     {"run": sleeping, "restart": "delay 1h\nmax-delay 1h\n"},
	})
	begun := time.Now()
	supervisetest.Until(t, "it is started 6 times", func() bool { return len(b.lines("quick", "starts")) >= 6 })
	n := len(b.lines("quick", "starts"))
	if most := int(time.Since(begun)/(100*time.Millisecond)) + 2; n > most {
		t.Errorf("%d starts in %s", n, time.Since(begun))
	}
	b.command("quick", "d")
	b.started("a", 1)
	b.command("a", "r")
	b.started("a", 2)
	b.is("quick", "is down", func(s servicedir.Status) bool { return s.Want == servicedir.WantDown && s.PID == 0 })
	b.stop()
}
