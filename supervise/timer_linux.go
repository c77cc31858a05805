package supervise

import (
	"container/heap"
	"strconv"
	"time"
)

// timerKind is what is due for a service at a time.
type timerKind uint8

// The times of a service.
const (
	timerMachine timerKind = iota // EventDue or EventLate
	timerReady                    // ./check is asked again
	timerStart                    // who comes after it waits no longer
	timerLog                      // the engine of its log goes on
	timerKinds
)

// timer is what is due at a time.
type timer struct {
	at   time.Time
	s    *service
	kind timerKind
}

// timers are times, the next first.
type timers []timer

func (t timers) Len() int { return len(t) }

func (t timers) Less(i, j int) bool { return t[i].at.Before(t[j].at) }

func (t timers) Swap(i, j int) {
	t[i], t[j] = t[j], t[i]
	t.place(i)
	t.place(j)
}

// place notes where a time is, so that it can be changed: each service has one of
// each kind at most.
func (t timers) place(i int) { t[i].s.timers[t[i].kind] = i + 1 }

// Push and Pop are for package heap.
func (t *timers) Push(x any) {
	*t = append(*t, x.(timer))
	t.place(len(*t) - 1)
}

// Pop is for package heap.
func (t *timers) Pop() any {
	last := (*t)[len(*t)-1]
	last.s.timers[last.kind] = 0
	(*t)[len(*t)-1] = timer{}
	*t = (*t)[:len(*t)-1]
	return last
}

// set sets the time of a kind for a service; the zero time is none.
func (t *timers) set(s *service, kind timerKind, at time.Time) {
	i := s.timers[kind] - 1
	switch {
	case at.IsZero() && i >= 0:
		heap.Remove(t, i)
	case at.IsZero():
	case i >= 0:
		(*t)[i].at = at
		heap.Fix(t, i)
	default:
		heap.Push(t, timer{at, s, kind})
	}
}

// of returns the time of a kind for a service, if there is one.
func (t timers) of(s *service, kind timerKind) (time.Time, bool) {
	i := s.timers[kind] - 1
	if i < 0 {
		return time.Time{}, false
	}
	return t[i].at, true
}

// next returns the first time.
func (t timers) next() (time.Time, bool) {
	if len(t) == 0 {
		return time.Time{}, false
	}
	return t[0].at, true
}

// take returns one that is due, and takes it out.
func (t *timers) take(now time.Time) (timer, bool) {
	at, ok := t.next()
	if !ok || at.After(now) {
		return timer{}, false
	}
	return heap.Pop(t).(timer), true
}

func itoa(n int) string { return strconv.Itoa(n) }
