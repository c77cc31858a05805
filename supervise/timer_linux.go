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

// timer is a time that may have been changed since: due of the service says.
type timer struct {
	at   time.Time
	s    *service
	kind timerKind
}

// timers are times, the next first.
type timers []timer

func (t timers) Len() int { return len(t) }

func (t timers) Less(i, j int) bool { return t[i].at.Before(t[j].at) }

func (t timers) Swap(i, j int) { t[i], t[j] = t[j], t[i] }

// Push and Pop are for package heap.
func (t *timers) Push(x any) { *t = append(*t, x.(timer)) }

// Pop is for package heap.
func (t *timers) Pop() any {
	last := (*t)[len(*t)-1]
	(*t)[len(*t)-1] = timer{}
	*t = (*t)[:len(*t)-1]
	return last
}

// set sets the time of a kind for a service; the zero time is none.
func (t *timers) set(s *service, kind timerKind, at time.Time) {
	s.due[kind] = at
	if !at.IsZero() {
		heap.Push(t, timer{at, s, kind})
	}
}

// next returns the first time that is still set.
func (t *timers) next() (time.Time, bool) {
	for len(*t) > 0 {
		first := (*t)[0]
		if first.s.due[first.kind].Equal(first.at) {
			return first.at, true
		}
		heap.Pop(t)
	}
	return time.Time{}, false
}

// take returns one that is due, and takes it out.
func (t *timers) take(now time.Time) (timer, bool) {
	at, ok := t.next()
	if !ok || at.After(now) {
		return timer{}, false
	}
	first := heap.Pop(t).(timer)
	first.s.due[first.kind] = time.Time{}
	return first, true
}

func itoa(n int) string { return strconv.Itoa(n) }
