package supervise

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files")

var (
	phaseNames  = []string{"down", "held", "up", "stop", "finish", "pause", "gone"}
	eventNames  = []string{"none", "up", "down", "once", "at-most", "exit", "stop-exit", "restart", "free", "died", "finished", "give-up", "due", "late", "failed"}
	actionNames = []string{"none", "run", "finish", "stop", "kill", "pause", "quiet", "sweep", "leave"}
	wantNames   = []string{"up", "down", "once"}
)

func (m Machine) text() string {
	s := phaseNames[m.Phase] + " want-" + wantNames[m.Want]
	if m.Exiting {
		s += " exiting"
	}
	if m.Failed {
		s += " failed"
	}
	return s
}

// machines returns every state that can be had without ident: from the two that
// a service begins in, by whatever happens.
func machines(rules *[phases][events]rule) []Machine {
	list := []Machine{{Phase: PhaseDown, Want: WantUp}, {Phase: PhaseDown, Want: WantDown}}
	for i := 0; i < len(list); i++ {
		walk(list[i], rules, func(_ Event, _ Guard, next Machine, _ []Action) {
			if !slices.Contains(list, next) {
				list = append(list, next)
			}
		})
	}
	return list
}

// walk calls f with what every event does under every guard.
func walk(m Machine, rules *[phases][events]rule, f func(e Event, g Guard, next Machine, do []Action)) {
	for e := range Event(events) {
		for bits := range 8 {
			g := Guard{Held: bits&1 != 0, Finish: bits&2 != 0, Again: bits&4 != 0}
			next, do := m.Next(e, g, rules)
			f(e, g, next, do)
		}
	}
}

func names(do []Action) string {
	var list []string
	for _, a := range do {
		list = append(list, actionNames[a])
	}
	return strings.Join(list, " ")
}

func hasProcess(p Phase) bool { return p == PhaseUp || p == PhaseStop || p == PhaseFinish }

func TestMachineSteps(t *testing.T) {
	if len(phaseNames) != phases || len(eventNames) != events || len(actionNames) != int(ActLeave)+1 {
		t.Fatal("a name is missing")
	}
	rules := table()
	all := machines(&rules)
	if len(all) < 15 {
		t.Fatalf("only %d states", len(all))
	}
	for _, m := range all {
		walk(m, &rules, func(e Event, g Guard, next Machine, do []Action) {
			t.Helper()
			bad := func(what string) {
				t.Errorf("%s: %s %+v: %s [%s]: %s", m.text(), eventNames[e], g, next.text(), names(do), what)
			}
			did := func(a Action) bool { return slices.Contains(do, a) }
			into := func(p Phase) bool { return next.Phase == p && m.Phase != p }
			if m.Phase == PhaseGone && (next != m || len(do) > 0) {
				bad("it is gone")
			}
			if did(ActRun) != into(PhaseUp) {
				bad("run is started when it becomes up, and only then")
			}
			if did(ActFinish) != into(PhaseFinish) {
				bad("finish is started when it becomes finish")
			}
			if (did(ActRun) || did(ActFinish)) && hasProcess(m.Phase) && e != EventDied {
				bad("a process runs already")
			}
			if did(ActRun) && (e == EventDied || e == EventFinished || e == EventGiveUp || e == EventFailed) {
				bad("there is a pause between an end and a start")
			}
			if did(ActRun) && g.Held {
				bad("it is held")
			}
			if did(ActLeave) != into(PhaseGone) {
				bad("a folder is given back when it is gone")
			}
			if did(ActPause) != into(PhasePause) || into(PhasePause) && next.Want != WantUp {
				bad("only what is to be up is tried again")
			}
			if (did(ActStop) || did(ActKill)) && !hasProcess(m.Phase) {
				bad("there is nothing to end")
			}
			if hasProcess(m.Phase) && !hasProcess(next.Phase) && e != EventDied && e != EventFinished && e != EventGiveUp && e != EventFailed {
				bad("the process has not ended")
			}
			if hasProcess(m.Phase) && !hasProcess(next.Phase) && !did(ActQuiet) {
				bad("its time is still set")
			}
			if m.Exiting && !next.Exiting {
				bad("it was to be left")
			}
			if next.Exiting && !hasProcess(next.Phase) && next.Phase != PhaseGone {
				bad("nothing will make it gone")
			}
			if next.Failed && next.Phase != PhaseDown && next.Phase != PhaseGone {
				bad("failed is a way to be down")
			}
			if next.Phase == PhaseDown && next.Want == WantUp && !next.Failed && (m.Phase != PhaseDown || m.Want != WantUp) {
				bad("it is wanted up, and nothing will start it")
			}
			if !did(ActSweep) && (into(PhaseGone) || into(PhaseDown) && hasProcess(m.Phase) && e != EventFailed && !next.Failed) {
				bad("what it has left behind stays")
			}
		})
	}
}

// Once it is to be down, nothing but a command starts it.
func TestMachineStaysDown(t *testing.T) {
	rules := table()
	for _, begin := range machines(&rules) {
		for _, command := range []Event{EventDown, EventAtMost, EventExit, EventStopExit} {
			if command != EventDown && hasProcess(begin.Phase) {
				continue
			}
			m, _ := begin.Next(command, Guard{}, &rules)
			seen := []Machine{m}
			for i := 0; i < len(seen); i++ {
				walk(seen[i], &rules, func(e Event, _ Guard, next Machine, do []Action) {
					t.Helper()
					if e >= EventUp && e <= EventRestart {
						return
					}
					if slices.Contains(do, ActRun) {
						t.Errorf("%s, %s: started again by %s in %s", begin.text(), eventNames[command], eventNames[e], seen[i].text())
					}
					if !slices.Contains(seen, next) {
						seen = append(seen, next)
					}
				})
			}
		}
	}
}

// up follows what happens by itself until it is up. A service that was asked for
// is started whatever its policy says of its end.
func up(m Machine, rules *[phases][events]rule) Machine {
	for range 10 {
		e := map[Phase]Event{PhaseHeld: EventFree, PhaseStop: EventDied, PhaseFinish: EventFinished, PhasePause: EventDue}[m.Phase]
		if e == EventNone {
			break
		}
		m, _ = m.Next(e, Guard{Finish: true, Again: true}, rules)
	}
	return m
}

func TestMachineCanAlwaysBeStarted(t *testing.T) {
	rules := table()
	for _, begin := range machines(&rules) {
		if begin.Phase == PhaseGone || begin.Exiting {
			continue
		}
		for _, held := range []bool{false, true} {
			for _, command := range []Event{EventUp, EventRestart} {
				m, _ := begin.Next(command, Guard{Held: held}, &rules)
				if m = up(m, &rules); m.Phase != PhaseUp && (command != EventRestart || m.Phase != PhaseStop) || m.Want != WantUp || m.Failed {
					t.Errorf("%s, %s: ends in %s", begin.text(), eventNames[command], m.text())
				}
			}
			m, _ := begin.Next(EventOnce, Guard{Held: held}, &rules)
			if m.Want != WantOnce {
				t.Errorf("%s, once: %s", begin.text(), m.text())
			}
			if m = up(m, &rules); m.Phase != PhaseUp && begin.Phase != PhaseStop && begin.Phase != PhaseFinish {
				t.Errorf("%s, once: ends in %s", begin.text(), m.text())
			}
		}
	}
}

// Whatever its process and its ./finish do, what is exiting is gone with them.
func TestMachineExitingEnds(t *testing.T) {
	rules := table()
	for _, begin := range machines(&rules) {
		for _, command := range []Event{EventExit, EventStopExit} {
			for bits := range 8 {
				g := Guard{Held: bits&1 != 0, Finish: bits&2 != 0, Again: bits&4 != 0}
				for _, end := range [][2]Event{{EventDied, EventFinished}, {EventDied, EventGiveUp}, {EventFailed, EventDied}} {
					m, do := begin.Next(command, g, &rules)
					if command == EventStopExit && (begin.Phase == PhaseUp || begin.Phase == PhaseStop) && !slices.Contains(do, ActStop) {
						t.Errorf("%s: it is not told to end", begin.text())
					}
					for _, e := range append(end[:], EventFinished) {
						m, _ = m.Next(e, g, &rules)
					}
					if m.Phase != PhaseGone {
						t.Errorf("%s, %s, %s: ends in %s", begin.text(), eventNames[command], eventNames[end[1]], m.text())
					}
				}
			}
		}
	}
}

func TestMachineTable(t *testing.T) {
	rules := table()
	var b strings.Builder
	b.WriteString("# What an event does to a service that is wanted up, and under which guards:\n# held by another service, has a ./finish, its policy lets it start again.\n")
	for phase := range Phase(phases) {
		for e := range Event(events) {
			results := map[string][]string{}
			var order []string
			for bits := range 8 {
				g := Guard{Held: bits&1 != 0, Finish: bits&2 != 0, Again: bits&4 != 0}
				m := Machine{Phase: phase, Want: WantUp}
				next, do := m.Next(e, g, &rules)
				if next == m && len(do) == 0 {
					continue
				}
				result := fmt.Sprintf("%-28s %s", next.text(), names(do))
				if results[result] == nil {
					order = append(order, result)
				}
				results[result] = append(results[result], fmt.Sprintf("%c%c%c", "-h"[bits&1], "-f"[bits>>1&1], "-a"[bits>>2&1]))
			}
			for _, result := range order {
				guards := strings.Join(results[result], " ")
				if len(results[result]) == 8 {
					guards = "always"
				}
				line := fmt.Sprintf("%-7s %-10s -> %s", phaseNames[phase], eventNames[e], result)
				fmt.Fprintf(&b, "%s\n", strings.TrimRight(fmt.Sprintf("%-75s if %s", line, guards), " "))
			}
		}
	}
	const golden = "testdata/machine.txt"
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil || string(want) != b.String() {
		t.Errorf("%v: go test ./supervise -update writes it anew\n%s", err, b.String())
	}
}
