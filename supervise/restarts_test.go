package supervise

import (
	"testing"
	"time"
)

func TestRestarts(t *testing.T) {
	r := Restarts{Policy: Policy{Delay: time.Second, MaxDelay: 5 * time.Second, Burst: 4, Window: time.Minute}}
	now := time.Unix(1_800_000_000, 0)
	for i, s := range []struct {
		ran     time.Duration // before the end
		want    time.Duration // from the end to the next start
		failing bool
	}{
		{0, time.Second, false},
		{0, 2 * time.Second, false},
		{time.Second, 3 * time.Second, false}, // four from the start
		{6 * time.Second, 0, true},            // what it ran is more than the pause
		{0, 5 * time.Second, true},            // failing
		{2 * time.Minute, 0, false},           // a good while forgives all
		{time.Second / 2, 3 * time.Second / 2, false},
	} {
		started := now
		now = now.Add(s.ran)
		again, at, failing := r.Ended(now, started, false)
		if !again || at.Sub(now) != s.want || failing != s.failing {
			t.Errorf("end %d: again %t, in %s, failing %t; want %s, %t", i+1, again, at.Sub(now), failing, s.want, s.failing)
		}
		now = at
	}
	for _, row := range []struct {
		when           When
		success, again bool
	}{{Always, true, true}, {Always, false, true}, {OnFailure, true, false}, {OnFailure, false, true}, {Never, true, false}, {Never, false, false}} {
		r := Restarts{Policy: Policy{When: row.when}}
		if again, _, _ := r.Ended(now, now, row.success); again != row.again {
			t.Errorf("%+v: %t", row, again)
		}
	}
}
