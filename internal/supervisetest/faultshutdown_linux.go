package supervisetest

import (
	"path/filepath"
	"slices"
	"strings"
)

func shutdownScenarios() []Scenario {
	return []Scenario{
		{"end under load", nil, 2, endUnderLoad},
		{"kill the keeper during the end", nil, 2, func(f *Fault) { killDuringEnd(f, (*load).killKeeperOfEnd) }},
		{"kill the supervisor during the end", nil, 2, func(f *Fault) { killDuringEnd(f, (*load).killWorker) }},
		{"signals at the start", nil, 5, signalsAtStart},
		{"process 1", []string{"unshare", "root"}, 1, processOne},
	}
}

// endUnderLoad ends everything while lines come; a second TERM ends who ignores
// the first.
func endUnderLoad(f *Fault) {
	for range f.Rounds {
		l := newLoad(f, 4, 10_000)
		l.add("stubborn", "-rate 1000 -stubborn")
		l.start()
		l.flowing()
		Command(f, l.dir("line0"), "x") // it is to leave once it ends, which it does not
		l.endTwice(func() {})
		l.count()
		f.Count.Kills++
	}
}

// endTwice has all end but the service that ignores it, and then that too.
func (l *load) endTwice(between func()) {
	l.f.Helper()
	signalTo(l.keeper, "TERM")
	for _, name := range l.names {
		if name != "stubborn" {
			Until(l.f, name+" ends", func() bool { return !Supervised(l.dir(name)) })
		}
	}
	between()
	if !Supervised(l.dir("stubborn")) || len(l.instances("stubborn")) != 1 {
		l.f.Errorf("the service that ignores TERM has ended")
	}
	l.worker(0)
	Until(l.f, "the second TERM is obeyed", func() bool {
		// It may meet a process that is about to become the keeper.
		if Details(l.dir("stubborn")).PID != 0 {
			signalTo(l.keeper, "TERM")
		}
		return len(l.sup.Marked()) == 0
	})
	if l.keeper == l.sup.PID() {
		if err := l.sup.Wait(l.f); err != nil {
			l.f.Errorf("the supervisor has ended: %v", err)
		}
	}
}

func killDuringEnd(f *Fault, kill func(l *load)) {
	for range f.Rounds {
		l := newLoad(f, 3, 10_000)
		l.add("stubborn", "-rate 1000 -stubborn")
		l.start()
		l.flowing()
		l.endTwice(func() { kill(l) })
		l.count()
		f.Count.Kills++
	}
}

// signalsAtStart sends signals that are for the supervisor from before there is one
// until it obeys: none may end it, and none is lost.
func signalsAtStart(f *Fault) {
	for range f.Rounds {
		l := newLoad(f, 3, 10_000)
		l.start()
		l.flowing()
		former := l.worker(0)
		signalTo(former, "KILL")
		Until(f, "there is a supervisor", func() bool {
			signalTo(l.keeper, "HUP")
			next := Worker(l.keeper)
			return next != 0 && next != former
		})
		for range 20 {
			signalTo(l.keeper, "HUP")
		}
		l.flowing()
		if printed := readFile(l.sup.Printed); strings.Contains(string(printed), "the supervisor has ended") {
			f.Errorf("a signal that came early has ended a supervisor:\n%s", printed)
		}
		signalTo(l.worker(0), "KILL")
		signalTo(l.keeper, "TERM")
		if err := l.sup.Wait(f); err != nil {
			f.Errorf("it has ended: %v", err)
		}
		Until(f, "nothing is left", func() bool { return len(l.sup.Marked()) == 0 })
		l.count()
		f.Count.Kills += 2
	}
}

func (l *load) killKeeperOfEnd() {
	l.f.Helper()
	pid := l.worker(0)
	signalTo(l.keeper, "KILL")
	l.keeper = pid
	l.worker(0)
}

// processOne runs as process 1 of a namespace: orphans are waited for, TERM ends
// all.
func processOne(f *Fault) {
	for range f.Rounds {
		l := newLoad(f, 2, 5_000)
		l.add("parent", "-rate 1000 -children 20 -strays 3")
		l.sup = Start(f, l.scan, "unshare", "--pid", "--fork", "--mount-proc", "--kill-child", f.Programs.Run, "supervise")
		Until(f, "it runs", func() bool {
			if list := Children(l.sup.PID()); len(list) == 1 {
				l.keeper = list[0]
			}
			return l.keeper != 0 && Worker(l.keeper) != 0
		})
		l.running()
		l.flowing()
		Until(f, "orphans are waited for", func() bool {
			return !slices.ContainsFunc(Children(l.keeper), zombie) && len(orphans(l.keeper)) == 3
		})
		l.killWorker()
		l.flowing()
		signalTo(l.keeper, "TERM")
		if err := l.sup.Wait(f); err != nil {
			f.Errorf("it has ended: %v", err)
		}
		Until(f, "nothing is left", func() bool { return len(l.sup.Marked()) == 0 })
		l.count()
		f.Count.Kills++
	}
}

// orphans returns the processes that have come to a keeper.
func orphans(keeper int) []int {
	var list []int
	for _, pid := range Children(keeper) {
		if strings.Contains(string(readFile(filepath.Join("/proc", itoa(pid), "cmdline"))), "-stray") {
			list = append(list, pid)
		}
	}
	return list
}

func zombie(pid int) bool {
	_, rest, _ := strings.Cut(string(readFile(filepath.Join("/proc", itoa(pid), "stat"))), ") ")
	return strings.HasPrefix(rest, "Z")
}
