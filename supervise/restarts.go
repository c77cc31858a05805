package supervise

import "time"

// Restarts is how a program that ends by itself is started again, as the supervisor
// does it for a service, for those who run a program without a folder for it.
type Restarts struct {
	Policy  Policy
	history history
}

// Ended takes an end of the program, which was started at a time, and says whether
// and when it is started again, and whether it ends so often that it is failing.
func (r *Restarts) Ended(now, started time.Time, success bool) (again bool, at time.Time, failing bool) {
	if !r.Policy.again(success) {
		return false, time.Time{}, false
	}
	r.history.note(now, r.Policy)
	if at = started.Add(r.Policy.pause(r.history)); at.Before(now) {
		at = now
	}
	return true, at, r.Policy.failing(r.history)
}
