package supervisetest

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

func stopScenarios() []Scenario {
	return []Scenario{
		{"stop the supervisor", nil, 2, stopSupervisor},
		{"clock set while there is none", nil, 4, clockSet},
		{"stop the keeper", nil, 1, stopKeeper},
		{"kill the keeper of a stopped supervisor", nil, 3, func(f *Fault) {
			killRounds(f, func(l *load) { l.withoutKeeper(func() { f.noLater(100 * time.Millisecond) }) })
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
	const shorts = 10 // each is started ten times a second
	for i := range shorts {
		name := "short" + strconv.Itoa(i)
		l.many[name] = true
		l.add(name, "-lines 1", Service{"restart": "delay 0s\nmax-delay 0s\nburst 0\n"})
	}
	starts := func() (n int) {
		for i := range shorts {
			n += len(l.instances("short" + strconv.Itoa(i)))
		}
		return n
	}
	l.start()
	for range f.Rounds {
		l.flowing()
		signalTo(l.keeper, "STOP")
		before := starts()
		// More than there is room for in the socket to the keeper.
		Until(f, "starts go on", func() bool { return starts() > before+500 })
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

// clockSet starts the supervisor with times in its files that a clock an hour
// before ours has written, or one after it.
func clockSet(f *Fault) {
	l := newLoad(f, 2, 5_000)
	l.many["short"], l.short["short"] = true, true
	l.add("short", "-lines 1 -code 1", Service{"restart": "delay 500ms\nmax-delay 1s\nburst 0\n"})
	l.start()
	for round := range f.Rounds {
		l.flowing()
		l.killAll()
		step := time.Hour
		if round%2 == 1 {
			step = -time.Hour
		}
		for _, name := range l.names {
			shiftTimes(f, filepath.Join(l.dir(name), "supervise/scgikit.json"), step)
		}
		f.Count.Kills++
		l.again()
		l.worker(0)
		l.flowingOnly(l.names[:2])
		before, begun := len(l.instances("short")), time.Now()
		Until(f, "starts go on", func() bool { return len(l.instances("short")) > before+1 })
		if took := time.Since(begun); took > 10*time.Second {
			f.Errorf("two starts took %s", took)
		}
	}
	l.stop()
}

// shiftTimes moves what is a time in nanoseconds in the file with the details.
func shiftTimes(f *Fault, path string, by time.Duration) {
	f.Helper()
	words := strings.Split(string(readFile(path)), " ")
	for i, word := range words {
		if n, err := strconv.ParseInt(word, 10, 64); err == nil && len(word) == 19 {
			words[i] = strconv.FormatInt(n+int64(by), 10)
		}
	}
	if err := os.WriteFile(path, []byte(strings.Join(words, " ")), 0o600); err != nil {
		f.Fatal(err)
	}
}
