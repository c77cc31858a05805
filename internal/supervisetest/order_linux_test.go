package supervisetest_test

import (
	"fmt"
	"testing"
	"time"

	"scgikit/internal/servicedir"
	"scgikit/internal/supervisetest"
)

// A long chain of services ends one by one, and no slower for its length.
func TestStopChain(t *testing.T) {
	t.Parallel()
	const n = 250
	list := services{}
	for i := range n {
		s := supervisetest.Service{"run": "#!/bin/sh\nexec sleep 100000\n"}
		if i > 0 {
			s["after"] = fmt.Sprintf("s%03d\n", i-1)
		}
		list[fmt.Sprintf("s%03d", i)] = s
	}
	b := ours(t, "daemontools", list)
	b.is(fmt.Sprintf("s%03d", n-1), "is up", func(s servicedir.Status) bool { return s.PID != 0 })
	begun := time.Now()
	b.stop()
	// Half a minute and more where each step looks at all again.
	if took := time.Since(begun); took > 15*time.Second {
		t.Errorf("%d services took %s to end", n, took)
	}
	t.Logf("%d services took %s to end", n, time.Since(begun))
}

// Of services in a circle each waits for what is outside, and none for the others.
func TestCircleWaitsOutside(t *testing.T) {
	t.Parallel()
	b := ours(t, "daemontools", services{
		"a": {"run": sleeping, "after": "b\nbase\n"}, "b": {"run": sleeping, "after": "a\n"}, "base": {"run": sleeping, "down": ""},
	})
	b.started("b", 1)
	supervisetest.Until(t, "a waits for base", func() bool { d := b.details("a"); return d.State == servicedir.Waiting && d.Waits == "base" })
	b.command("base", "u")
	b.started("a", 1)
	b.stop()
}

// A service that waits finds out about another list of names when somebody asks
// for another look.
func TestAfterReadAgain(t *testing.T) {
	t.Parallel()
	b := ours(t, "daemontools", services{"a": {"run": sleeping, "after": "nothing\n"}})
	b.state("a", servicedir.Waiting)
	supervisetest.Service{"after": "other\n"}.Write(t, b.dir("a"))
	kill(t, b.PID(), "HUP")
	supervisetest.Until(t, "it waits for the other", func() bool { return b.details("a").Waits == "other" })
	supervisetest.Service{"after": ""}.Write(t, b.dir("a"))
	kill(t, b.PID(), "ALRM")
	b.started("a", 1)
	b.stop()
}
