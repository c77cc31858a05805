package supervise

import (
	"testing"
	"time"
)

func TestPolicyGrows(t *testing.T) {
	p := Policy{Delay: time.Second, MaxDelay: 10 * time.Second, Window: time.Minute}
	var h history
	now := time.Unix(1_800_000_000, 0)
	for i, want := range []time.Duration{1, 2, 4, 8, 10, 10} {
		h.note(now, p)
		if got := p.pause(h); got != want*time.Second {
			t.Errorf("end %d: %s, want %ds", i+1, got, want)
		}
		now = now.Add(p.pause(h))
	}
	// A time without an end of more than the window: as in the beginning.
	h.note(now.Add(p.Window+time.Second), p)
	if got := p.pause(h); got != time.Second {
		t.Errorf("after a good while: %s", got)
	}
}

func TestPolicyNeverOverflows(t *testing.T) {
	p := Policy{Delay: time.Nanosecond, MaxDelay: 1 << 62, Window: 1 << 62}
	h := history{ends: 1 << 30, last: time.Unix(0, 0)}
	if got := p.pause(h); got != p.MaxDelay {
		t.Errorf("%s", got)
	}
	if got := (Policy{MaxDelay: time.Second}).pause(history{ends: 1 << 62}); got != minPause {
		t.Errorf("no delay: %s", got)
	}
}

// Whatever the files say, there is a time between two starts.
func TestPolicyLeast(t *testing.T) {
	for _, p := range []Policy{{}, {Burst: 1}, {Delay: time.Millisecond}, {Delay: time.Millisecond, MaxDelay: 2 * time.Millisecond, Burst: 9}} {
		for _, ends := range []int{0, 1, 5, 50} {
			if got := p.pause(history{ends: ends}); got != minPause {
				t.Errorf("%+v: %s after %d ends", p, got, ends)
			}
		}
	}
}

func TestPolicyFails(t *testing.T) {
	p := Policy{Delay: time.Second, MaxDelay: time.Minute, Burst: 3, Window: 10 * time.Second}
	var h history
	now := time.Unix(1_800_000_000, 0)
	for i := range 3 {
		if p.failing(h) {
			t.Errorf("failing after %d ends", i)
		}
		h.note(now, p)
		now = now.Add(time.Second)
	}
	if !p.failing(h) || p.pause(h) != time.Minute {
		t.Errorf("not failing after three ends: %s", p.pause(h))
	}
	h.note(now.Add(11*time.Second), p)
	if p.failing(h) {
		t.Error("failing after a good while")
	}
}

// A clock that was set back makes no end one of long ago, and none of a row.
func TestPolicyClockBack(t *testing.T) {
	p := Policy{Delay: time.Second, MaxDelay: time.Minute, Burst: 2, Window: time.Minute}
	var h history
	h.note(time.Unix(1_800_000_000, 0), p)
	h.note(time.Unix(1_700_000_000, 0), p)
	if h.ends != 1 || p.failing(h) {
		t.Errorf("%+v", h)
	}
}

func TestPolicyClassic(t *testing.T) {
	p := classic()
	var h history
	for range 100 {
		h.note(time.Unix(1_800_000_000, 0), p)
	}
	if p.failing(h) || p.pause(h) != time.Second || !p.again(true) || !p.again(false) {
		t.Errorf("%+v %s", h, p.pause(h))
	}
}

func TestPolicyAgain(t *testing.T) {
	for _, c := range []struct {
		when             When
		success, failure bool
	}{{Always, true, true}, {OnFailure, false, true}, {Never, false, false}} {
		p := Policy{When: c.when}
		if p.again(true) != c.success || p.again(false) != c.failure {
			t.Errorf("policy %d: %t %t", c.when, p.again(true), p.again(false))
		}
	}
}
