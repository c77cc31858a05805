package supervisetest

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

func killScenarios() []Scenario {
	return []Scenario{
		{"kill the supervisor", nil, 6, func(f *Fault) { killRounds(f, (*load).killWorker) }},
		{"kill the keeper", nil, 6, func(f *Fault) { killRounds(f, (*load).killKeeper) }},
		{"kill both", nil, 4, func(f *Fault) { killRounds(f, (*load).killBoth) }},
		{"ends while there is no supervisor", nil, 2, func(f *Fault) { endsUnseen(f, (*load).withoutSupervisor) }},
		{"ends while there is no keeper", nil, 2, func(f *Fault) { endsUnseen(f, (*load).withoutKeeper) }},
	}
}

// killRounds kills again and again under load.
func killRounds(f *Fault, kill func(l *load)) {
	l := newLoad(f, 4, 10_000)
	// The supervisor writes the lines of a script that does nothing else.
	apart := Service{"log/run": "#!/bin/sh\nexec 2>&1\nexec " + f.Programs.Run + " multilog t s1000000 n1000 ./main\n"}
	l.add("apart0", "-rate 10000", apart)
	l.add("apart1", "-rate 1000", apart)
	l.start()
	for range f.Rounds {
		f.noLater(1200 * time.Millisecond)
		kill(l)
		f.Count.Kills++
	}
	l.flowing()
	l.stop()
}

func (l *load) killWorker() {
	l.f.Helper()
	pid := l.worker(0)
	signalTo(pid, "KILL")
	l.worker(pid)
	if l.f.random.IntN(2) == 0 {
		// Another time in the middle of its start.
		l.f.noLater(20 * time.Millisecond)
		pid = l.worker(0)
		signalTo(pid, "KILL")
		l.worker(pid)
		l.f.Count.Kills++
	}
}

// killKeeper kills the first process; the second takes its place.
func (l *load) killKeeper() {
	l.f.Helper()
	l.flowing() // a supervisor that is still starting would be both
	pid := l.worker(0)
	signalTo(l.keeper, "KILL")
	l.keeper = pid
	l.worker(0)
}

// supervising returns the keeper and the supervisor, whatever becomes which.
func (l *load) supervising() []int {
	var list []int
	for _, pid := range l.sup.Marked() {
		cmdline, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if err == nil && bytes.HasPrefix(cmdline, []byte(l.f.Programs.Run+"\x00supervise\x00")) {
			list = append(list, pid)
		}
	}
	return list
}

// killAll kills both processes and what they become.
func (l *load) killAll() {
	l.f.Helper()
	worker := l.worker(0)
	first, second := l.keeper, worker
	switch l.f.random.IntN(3) {
	case 0:
		signalTo(l.keeper, "STOP")
		first, second = worker, l.keeper
	case 1:
		first, second = worker, l.keeper
	}
	signalTo(first, "KILL")
	if l.f.random.IntN(2) == 0 {
		l.f.noLater(3 * time.Millisecond)
	}
	signalTo(second, "KILL")
	Until(l.f, "both are gone", func() bool {
		list := l.supervising()
		for _, pid := range list {
			signalTo(pid, "KILL")
		}
		return len(list) == 0
	})
}

func (l *load) killBoth() {
	l.f.Helper()
	l.killAll()
	l.f.noLater(100 * time.Millisecond)
	l.again()
	l.worker(0)
}

// withoutSupervisor calls f while the supervisor is dead.
func (l *load) withoutSupervisor(f func()) {
	l.f.Helper()
	pid := l.worker(0)
	signalTo(l.keeper, "STOP")
	signalTo(pid, "KILL")
	Until(l.f, "the supervisor is dead", func() bool { return !Alive(pid) })
	f()
	signalTo(l.keeper, "CONT")
	l.worker(pid)
}

// withoutKeeper calls f while the keeper is dead and the supervisor does not know.
func (l *load) withoutKeeper(f func()) {
	l.f.Helper()
	l.flowing()
	pid := l.worker(0)
	signalTo(pid, "STOP")
	signalTo(l.keeper, "KILL")
	f()
	l.keeper = pid
	signalTo(pid, "CONT")
	l.worker(0)
}

// endsUnseen has services end while nobody can see it: how is known afterwards.
func endsUnseen(f *Fault, without func(l *load, f func())) {
	l := newLoad(f, 2, 5_000)
	never := Service{"restart": "policy never\n"}
	l.add("seven", "-rate 1000", never)
	Make(f, l.scan, map[string]Service{"segv": {"run": "#!/bin/sh\nexec sleep 100000\n", "restart": "policy never\n"}})
	l.start()
	for round := range f.Rounds {
		var seven, segv int
		Until(f, "both run", func() bool {
			seven, segv = Details(l.dir("seven")).PID, Details(l.dir("segv")).PID
			return seven != 0 && segv != 0 && len(l.instances("seven")) == round+1 && isProgram(segv, "sleep")
		})
		without(l, func() {
			signalTo(seven, "USR1")
			signalTo(segv, "SEGV")
			Until(f, "both have ended", func() bool { return !Alive(seven) && !Alive(segv) })
		})
		f.Count.Kills++
		for name, want := range map[string]string{"seven": "7 ", "segv": "-1 SEGV"} {
			got := ""
			Until(f, name+" is seen to have ended", func() bool {
				d := Details(l.dir(name))
				got = fmt.Sprintf("%d %s", d.Last.Code, d.Last.Signal)
				if d.Last.Unknown {
					got = "unknown"
				}
				return d.PID == 0 && d.State == "failed"
			})
			if got != want {
				f.Count.Unknown++
				f.Errorf("%s has ended with %q, want %q", name, got, want)
			}
		}
		if round+1 < f.Rounds {
			l.starts["seven"]++
			Command(f, l.dir("seven"), "u")
			Command(f, l.dir("segv"), "u")
		}
	}
	l.stop()
}

// isProgram returns whether a process has become a program.
func isProgram(pid int, name string) bool {
	path, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
	if err != nil {
		return false
	}
	data, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return filepath.Base(path) == name || bytes.HasPrefix(data, []byte(name+"\x00"))
}

func spawnScenarios() []Scenario {
	return []Scenario{
		{"kill the supervisor during starts", nil, 12, func(f *Fault) { spawnRounds(f, false, (*load).killWorkerAnytime) }},
		{"kill the keeper during starts", nil, 6, func(f *Fault) { spawnRounds(f, false, (*load).killKeeperAnytime) }},
		{"kill both during starts", nil, 6, func(f *Fault) { spawnRounds(f, true, (*load).killBoth) }},
	}
}

// spawnRounds kills while services end and are started as fast as they can. Where
// both processes are killed, nobody has the pipe of a service that ends then.
func spawnRounds(f *Fault, both bool, kill func(l *load)) {
	l := newLoad(f, 1, 1000)
	at := Service{"restart": "delay 0s\nmax-delay 0s\nburst 0\n"}
	for i := range 4 {
		name := fmt.Sprintf("short%d", i)
		l.many[name], l.short[name] = true, both
		l.add(name, "-lines 3 -code 1", at)
	}
	l.many["finish"], l.short["finish"] = true, both
	l.add("finish", "-lines 3", at, Service{"finish": "#!/bin/sh\nexit 0\n"})
	l.start()
	for range f.Rounds {
		f.noLater(200 * time.Millisecond)
		kill(l)
		f.Count.Kills++
	}
	l.flowing()
	before := len(l.instances("short0"))
	Until(f, "starts go on", func() bool { return len(l.instances("short0")) > before+3 })
	l.stop()
}

func (l *load) killWorkerAnytime() {
	l.f.Helper()
	pid := l.worker(0)
	l.f.noLater(50 * time.Millisecond)
	signalTo(pid, "KILL")
	l.worker(pid)
}

func (l *load) killKeeperAnytime() {
	l.f.Helper()
	pid := l.worker(0)
	before := len(l.instances("short0"))
	Until(l.f, "the supervisor works", func() bool { return len(l.instances("short0")) > before })
	signalTo(l.keeper, "KILL")
	l.keeper = pid
	l.worker(0)
}

// controlScenarios are what must be found: a fault run that never sees anything
// shows nothing.
func controlScenarios() []Scenario {
	return []Scenario{{"control: a supervisor that forgets", nil, 1, forget}}
}

// forget takes away what the next supervisor knows services by, so that it
// starts a second copy of each, as the families' supervisors do.
func forget(f *Fault) {
	quiet := &Fault{T: tolerant{f.T}, Programs: f.Programs, Rounds: f.Rounds, random: f.random}
	l := newLoad(quiet, 2, 2000)
	l.start()
	l.killAll()
	f.Count.Kills++
	for _, name := range l.names {
		_ = os.Remove(filepath.Join(l.dir(name), "supervise/scgikit.json"))
	}
	l.again()
	for _, name := range l.names {
		Until(quiet, "there is a copy of "+name, func() bool { return len(linesOf(filepath.Join(l.state, name+".copies"))) > 0 })
	}
	l.worker(0)
	signalTo(l.keeper, "TERM")
	_ = l.sup.Wait(quiet)
	for range 100 { // the first copies are nobody's
		for _, pid := range l.sup.Marked() {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
	for _, name := range l.names {
		l.inspect(name)
	}
	if c := quiet.Count; c.Copies != 2 || c.Restarted != 2 {
		f.Errorf("two copies were not noticed: %s", c)
	}
}

// tolerant is a test that expects errors.
type tolerant struct{ T }

func (t tolerant) Errorf(format string, args ...any) { t.Logf("as expected: "+format, args...) }
