package supervisetest

func stopScenarios() []Scenario {
	return []Scenario{
		{"stop the supervisor", nil, 2, stopSupervisor},
		{"stop the keeper", nil, 1, stopKeeper},
		{"kill the keeper of a stopped supervisor", nil, 3, func(f *Fault) {
			killRounds(f, func(l *load) { l.withoutKeeper(func() { f.noLater(100_000_000) }) })
		}},
	}
}

// stopSupervisor stops the supervisor until the pipes are full.
func stopSupervisor(f *Fault) {
	l := newLoad(f, 3, 10_000)
	l.start()
	for range f.Rounds {
		l.flowing()
		pid := l.worker(0)
		signalTo(pid, "STOP")
		for _, name := range l.names {
			Until(f, "the pipe is full", func() bool { return pipeFull(l, name) })
		}
		signalTo(pid, "CONT")
		f.Count.Kills++
	}
	l.flowing()
	l.stop()
}

// stopKeeper stops the keeper while services end and are started.
func stopKeeper(f *Fault) {
	l := newLoad(f, 2, 5_000)
	l.many["short"] = true
	l.add("short", "-lines 1", Service{"restart": "delay 0s\nmax-delay 0s\nburst 0\n"})
	l.start()
	for range f.Rounds {
		l.flowing()
		signalTo(l.keeper, "STOP")
		before := len(l.instances("short"))
		Until(f, "starts go on", func() bool { return len(l.instances("short")) > before+700 })
		l.flowing()
		signalTo(l.keeper, "CONT")
		pid := l.worker(0)
		signalTo(pid, "KILL")
		l.worker(pid)
		f.Count.Kills++
	}
	l.flowing()
	l.stop()
}
