package supervise

import "time"

// When is which ends of a service lead to a new start.
type When uint8

// The policies.
const (
	Always When = iota
	OnFailure
	Never
)

// Policy is how a service is started again.
type Policy struct {
	When     When
	Delay    time.Duration // from one start to the next
	MaxDelay time.Duration // what Delay grows to, twice as long after each end; 0: it does not grow
	Burst    int           // so many ends within Window make a service failing: tried again each MaxDelay; 0: never
	Window   time.Duration
}

// classic is what daemontools does, for folders that do not say otherwise: once
// a second, for ever.
func classic() Policy { return Policy{Delay: time.Second} }

// again returns whether a service that ended is started again.
func (p Policy) again(success bool) bool {
	switch p.When {
	case Always:
		return true
	case OnFailure:
		return !success
	case Never:
	}
	return false
}

// history is what a Policy looks at: the ends of a service that nobody asked for.
type history struct {
	ends int       // in a row, each less than Window after the one before
	last time.Time // of them
}

// note adds an end.
func (h *history) note(now time.Time, p Policy) {
	if p.MaxDelay == 0 {
		*h = history{}
		return
	}
	if age := now.Sub(h.last); age < 0 || age > p.Window {
		h.ends = 0
	}
	h.ends, h.last = h.ends+1, now
}

// failing returns whether a service ends too often.
func (p Policy) failing(h history) bool { return p.Burst > 0 && h.ends >= p.Burst }

// minPause is the least time from one start to the next of a service that ends by
// itself, whatever its policy says: starting it is not to be all that there is
// time for.
const minPause = 100 * time.Millisecond

// pause returns the time from the last start to the next one.
func (p Policy) pause(h history) time.Duration {
	if p.failing(h) {
		return max(p.MaxDelay, minPause)
	}
	pause := p.Delay
	for i := 1; i < h.ends && 0 < pause && pause < p.MaxDelay; i++ {
		pause *= 2
	}
	if p.MaxDelay > 0 {
		pause = min(pause, p.MaxDelay)
	}
	return max(pause, minPause)
}
