package devserver

import (
	"time"

	"scgikit/internal/appfile"
)

// restarts decides when a program that ended is started again, by run.restart:
// the pause doubles from delay to max_delay, and is max_delay once the program
// has ended burst times within window ("failing"). A program that ran for a
// whole window begins anew.
type restarts struct {
	rule  appfile.Restart
	ends  []time.Time // within window, oldest first
	pause time.Duration
}

// verdict is what becomes of a program that ended.
type verdict struct {
	again   bool
	after   time.Duration
	failing bool
}

// ended records an end at a time, after the program ran for a while, and says
// what to do.
func (r *restarts) ended(now time.Time, ran time.Duration, clean bool) verdict {
	switch r.rule.Policy {
	case appfile.RestartNever:
		return verdict{}
	case appfile.RestartOnFailure:
		if clean {
			return verdict{}
		}
	case appfile.RestartAlways:
	}
	if ran >= r.rule.Window {
		r.ends, r.pause = nil, 0
	}
	for len(r.ends) > 0 && now.Sub(r.ends[0]) >= r.rule.Window {
		r.ends = r.ends[1:]
	}
	r.ends = append(r.ends, now)
	r.pause = min(max(2*r.pause, r.rule.Delay), r.rule.MaxDelay)
	if len(r.ends) >= r.rule.Burst {
		return verdict{again: true, after: r.rule.MaxDelay, failing: true}
	}
	return verdict{again: true, after: r.pause}
}
