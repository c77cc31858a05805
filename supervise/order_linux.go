package supervise

import (
	"slices"
	"time"
)

// order is what is known of who comes after whom, by the files as they were last
// read.
type order struct {
	circles map[*service]int // the number of the circle that a service is in; nil: to be found out
	end     *countdown       // when all ends
	ending  map[*service]int // its nodes
}

// named returns the service with a name.
func (sup *supervisor) named(name string) *service { return sup.services[sup.scan.present[name]] }

// graph returns the services that are there, numbered, and whom each comes after.
func (sup *supervisor) graph() (map[*service]int, [][]int) {
	nodes := make(map[*service]int, len(sup.list))
	for i, s := range sup.list {
		nodes[s] = i
	}
	next := make([][]int, len(sup.list))
	for i, s := range sup.list {
		for _, name := range s.settings.After {
			if node, ok := nodes[sup.named(name)]; ok {
				next[i] = append(next[i], node)
			}
		}
	}
	return nodes, next
}

// together returns whether services wait for each other in a circle: neither would
// ever start, so neither waits.
func (sup *supervisor) together(a, b *service) bool {
	o := &sup.scan.order
	if o.circles == nil {
		nodes, next := sup.graph()
		o.circles = nodes
		number := circles(next)
		for s, node := range nodes {
			nodes[s] = number[node]
		}
	}
	x, known := o.circles[a]
	y, other := o.circles[b]
	return known && other && x == y
}

// readAfter reads whom a service comes after, where it is about to start or
// somebody asks for another look.
func (s *service) readAfter() {
	var names []string
	r := reader{dir: s.dir}
	r.file("after", func(text string) error { return into(&names, text, parseNames) })
	if !slices.Equal(names, s.settings.After) {
		s.settings.After = names
		s.sup.scan.order.circles = nil
	}
}

// held returns whether a service that is about to start has to wait for another.
func (s *service) held() bool {
	switch s.machine.Phase {
	case PhaseDown, PhaseHeld, PhasePause:
		if s.isLog() {
			return false
		}
		s.readAfter()
		return s.blocked()
	case PhaseUp, PhaseStop, PhaseFinish, PhaseGone:
	}
	return false
}

// blocked is held by the names that are known.
func (s *service) blocked() bool {
	waits, circle := "", false
	for _, name := range s.settings.After {
		other := s.sup.named(name)
		if other == s || other != nil && other.available() {
			continue
		}
		if other != nil && s.sup.together(s, other) {
			circle = true
			continue
		}
		waits = name
		break
	}
	if circle && !s.circle {
		s.say("the services that it comes after come after it: nobody waits")
	}
	s.circle = circle || s.circle && waits != ""
	if s.waits != waits {
		s.waits = waits
		s.touch()
	}
	return waits != ""
}

// available returns whether who comes after it may start.
func (s *service) available() bool {
	if s.machine.Phase != PhaseUp {
		return false
	}
	return s.ready || time.Since(s.lastStart) >= s.settings.StartTimeout
}

// release lets services start that waited, and when all is to end, end that may.
func (sup *supervisor) release() {
	for _, s := range sup.list {
		if s.machine.Phase == PhaseHeld && !s.blocked() {
			sup.apply(s, EventFree)
		}
	}
	if sup.scan.order.end != nil {
		sup.stopNext()
	}
}

// stopNext ends the services whose turn it is.
func (sup *supervisor) stopNext() {
	o := &sup.scan.order
	if o.end == nil {
		nodes, next := sup.graph()
		o.end, o.ending = newCountdown(next), nodes
	}
	for s, node := range o.ending {
		if s.machine.Phase == PhaseGone {
			o.end.end(node)
			delete(o.ending, s)
		}
	}
	for _, s := range slices.Clone(sup.list) {
		node, counted := o.ending[s]
		// One that is only to leave once it ends by itself is ended too.
		told := s.machine.Exiting && s.machine.Phase != PhaseUp
		if !told && (sup.killing || !counted || o.end.free(node)) {
			sup.later(s, EventStopExit)
		}
	}
}
