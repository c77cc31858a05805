package supervise

import "slices"

// Phase is what the process of a service is doing.
type Phase uint8

// The phases.
const (
	PhaseDown   Phase = iota // there is no process, and none is due
	PhaseHeld                // there is none because it waits for other services
	PhaseUp                  // ./run runs
	PhaseStop                // it runs, and was told to end
	PhaseFinish              // ./finish runs
	PhasePause               // it has ended and is started again at a set time
	PhaseGone                // the folder is no longer supervised
)

// phases is how many there are.
const phases = int(PhaseGone) + 1

// Event is what happens to a service.
type Event uint8

// The events: commands first, then what the system does.
const (
	EventNone     Event = iota
	EventUp             // u: to be up
	EventDown           // d: to be down
	EventOnce           // o: to be up until it ends
	EventAtMost         // O of s6: not to be started again; one that is down stays so
	EventExit           // x: not to be supervised once it has ended
	EventStopExit       // x as runit means it: and to be ended
	EventRestart        // r: to be ended and started, from whatever state
	EventFree           // what it waited for is there
	EventDied           // ./run has ended
	EventFinished       // ./finish has ended
	EventGiveUp         // ./finish has ended, and said not to start it again
	EventDue            // the pause is over
	EventLate           // it did not end in the time that it has
	EventFailed         // ./run could not be started
)

// events is how many there are.
const events = int(EventFailed) + 1

// Action is what has to be done about an event, in order.
type Action uint8

// The actions.
const (
	ActNone   Action = iota
	ActRun           // start ./run
	ActFinish        // start ./finish
	ActStop          // send the stop signal and CONT, and set the time for the end
	ActKill          // send KILL to all of its process group
	ActPause         // set the time of the next start
	ActQuiet         // no set time means anything any more
	ActSweep         // end what the service has left behind
	ActLeave         // give the folder back
)

// Want is what the last command wished for.
type Want uint8

// The wishes.
const (
	WantUp Want = iota
	WantDown
	WantOnce
)

// Machine is the state of one service as far as decisions need it.
type Machine struct {
	Phase   Phase
	Want    Want
	Exiting bool // not to be supervised once it is down
	Failed  bool // it is down because of its own end, not for a command
}

// Guard is what decisions also depend on.
type Guard struct {
	Held   bool // a service that it comes after is not ready
	Finish bool // there is a ./finish
	Again  bool // the restart policy lets it start again after this end
}

// step says how a rule goes on.
type step uint8

const (
	stay      step = iota
	toDown         // down
	toStart        // up, or held
	toStop         // told to end
	toFinish       // ./finish if there is one, else as settle
	settle         // where want leads after an end
	toFailed       // down, for good
	toPause        // tried again later, whatever the policy says of ends
	leaveDown      // no process: gone if it is exiting
)

// rule is what an event means in a phase.
type rule struct {
	set     bool // false: the event means nothing here
	want    Want
	command bool // want is set
	exiting bool
	step    step
	do      []Action // before those of the step
}

// wish returns the rule for a command that changes what is wanted.
func wish(want Want, s step, do ...Action) rule {
	return rule{set: true, want: want, command: true, step: s, do: do}
}

func exit(s step) rule { return rule{set: true, exiting: true, step: s} }

func then(s step, do ...Action) rule { return rule{set: true, step: s, do: do} }

// table returns the rules.
//
// Source: supervise.c of daemontools 0.76, doit; runsv.c of runit 2.1.2; for
// restart and the pause, ours.
func table() [phases][events]rule {
	return [phases][events]rule{
		PhaseDown: {
			EventUp:       wish(WantUp, toStart),
			EventDown:     wish(WantDown, stay),
			EventOnce:     wish(WantOnce, toStart),
			EventAtMost:   wish(WantDown, stay),
			EventRestart:  wish(WantUp, toStart),
			EventExit:     exit(leaveDown),
			EventStopExit: exit(leaveDown),
		},
		PhaseHeld: {
			EventUp:       wish(WantUp, stay),
			EventDown:     wish(WantDown, toDown),
			EventOnce:     wish(WantOnce, stay),
			EventAtMost:   wish(WantDown, toDown),
			EventRestart:  wish(WantUp, stay),
			EventExit:     exit(leaveDown),
			EventStopExit: exit(leaveDown),
			EventFree:     then(toStart),
		},
		PhaseUp: {
			EventUp:       wish(WantUp, stay),
			EventDown:     wish(WantDown, toStop, ActStop),
			EventOnce:     wish(WantOnce, stay),
			EventAtMost:   wish(WantOnce, stay),
			EventRestart:  wish(WantUp, toStop, ActStop),
			EventExit:     exit(stay),
			EventStopExit: {set: true, exiting: true, step: toStop, do: []Action{ActStop}},
			EventDied:     then(toFinish, ActQuiet),
			EventFailed:   then(toPause, ActQuiet),
			EventLate:     then(stay, ActKill),
		},
		PhaseStop: {
			EventUp:       wish(WantUp, stay),
			EventDown:     wish(WantDown, stay, ActStop),
			EventOnce:     wish(WantOnce, stay),
			EventAtMost:   wish(WantOnce, stay),
			EventRestart:  wish(WantUp, stay),
			EventExit:     exit(stay),
			EventStopExit: {set: true, exiting: true, do: []Action{ActStop}},
			EventDied:     then(toFinish, ActQuiet),
			EventFailed:   then(toPause, ActQuiet), // it was told to end before that was seen
			EventLate:     then(stay, ActKill),
		},
		PhaseFinish: {
			EventUp:       wish(WantUp, stay),
			EventDown:     wish(WantDown, stay),
			EventOnce:     wish(WantOnce, stay),
			EventAtMost:   wish(WantOnce, stay),
			EventRestart:  wish(WantUp, stay),
			EventExit:     exit(stay),
			EventStopExit: exit(stay),
			EventFinished: then(settle, ActQuiet),
			EventGiveUp:   then(toFailed, ActQuiet),
			EventLate:     then(stay, ActKill),
		},
		PhasePause: {
			EventUp:       wish(WantUp, toStart, ActQuiet),
			EventDown:     wish(WantDown, toDown, ActQuiet),
			EventOnce:     wish(WantOnce, toStart, ActQuiet),
			EventAtMost:   wish(WantDown, toDown, ActQuiet),
			EventRestart:  wish(WantUp, toStart, ActQuiet),
			EventExit:     {set: true, exiting: true, step: leaveDown, do: []Action{ActQuiet}},
			EventStopExit: {set: true, exiting: true, step: leaveDown, do: []Action{ActQuiet}},
			EventDue:      then(toStart),
		},
		PhaseGone: {},
	}
}

// Next returns the state after an event, and what has to be done about it. An
// event that means nothing in a phase changes nothing: the process that ended was
// another one, the time that was set is not any more.
func (m Machine) Next(e Event, g Guard, rules *[phases][events]rule) (Machine, []Action) {
	r := rules[m.Phase][e]
	if !r.set {
		return m, nil
	}
	do := slices.Clone(r.do)
	if r.command {
		m.Want, m.Failed = r.want, false
	}
	m.Exiting = m.Exiting || r.exiting
	next := r.step
	if next == toFinish {
		if g.Finish {
			m.Phase = PhaseFinish
			return m, append(do, ActFinish)
		}
		next = settle
	}
	if next == settle {
		next = m.settled(g)
		if next == toDown {
			do = append(do, ActSweep)
		}
	}
	switch next {
	case stay, toFinish, settle:
	case toDown:
		m.Phase = PhaseDown
	case toFailed:
		m.Phase, m.Failed = PhaseDown, true
		if m.Exiting {
			return m.leave(do)
		}
		do = append(do, ActSweep)
	case toStart:
		m.Phase = PhaseHeld
		if !g.Held {
			m.Phase = PhaseUp
			do = append(do, ActRun)
		}
	case toStop:
		m.Phase = PhaseStop
	case toPause:
		if m.Exiting {
			return m.leave(do)
		}
		m.Phase = PhaseDown
		if m.Want == WantUp {
			m.Phase = PhasePause
			do = append(do, ActPause)
		}
	case leaveDown:
		return m.leave(do)
	}
	return m, do
}

// settled says where a service goes when it has ended, and ./finish with it.
func (m Machine) settled(g Guard) step {
	switch {
	case m.Exiting:
		return leaveDown
	case m.Want != WantUp:
		return toDown
	case !g.Again:
		return toFailed
	default:
		return toPause
	}
}

func (m Machine) leave(do []Action) (Machine, []Action) {
	m.Phase = PhaseGone
	return m, append(do, ActSweep, ActLeave)
}
