package supervisetest

import (
	"os"
	"path/filepath"
)

func folderScenarios() []Scenario {
	return []Scenario{
		{"folder moved away and made anew", nil, 2, func(f *Fault) { newFolder(f, os.Rename) }},
		{"folder removed and made anew", nil, 2, func(f *Fault) {
			newFolder(f, func(dir, _ string) error { return os.RemoveAll(dir) })
		}},
		{"sv shutdown", nil, 1, shutdownOne},
	}
}

// newFolder does to a service what a package upgrade does: its folder goes away,
// and another comes with its name. The service runs on, and is commanded there.
func newFolder(f *Fault, away func(dir, to string) error) {
	l := newLoad(f, 2, 5_000)
	name := "upgraded"
	l.logs[name] = filepath.Join(f.TempDir(), "log")
	files := Service{"log/run": "#!/bin/sh\nexec multilog t s1000000 n1000 " + l.logs[name] + "\n"}
	l.add(name, "-rate 5000", files)
	files["run"] = "#!/bin/sh\nexec " + l.actor(name, "-rate 5000") + "\n"
	l.start()
	for round := range f.Rounds {
		Until(f, "it can be commanded", func() bool { return Supervised(l.dir(name)) && Details(l.dir(name)).PID != 0 })
		pid := Details(l.dir(name)).PID
		l.flowing()
		next := filepath.Join(f.TempDir(), name)
		files.Write(f, next)
		if err := away(l.dir(name), filepath.Join(f.TempDir(), "away")); err != nil {
			f.Fatal(err)
		}
		if f.random.IntN(2) == 0 {
			f.noLater(100_000_000)
		}
		if err := os.Rename(next, l.dir(name)); err != nil {
			f.Fatal(err)
		}
		f.Count.Kills++
		Until(f, "it can be commanded in its new folder", func() bool { return Supervised(l.dir(name)) && Details(l.dir(name)).PID != 0 })
		if now := Details(l.dir(name)).PID; now != pid {
			f.Errorf("process %d became %d", pid, now)
		}
		l.flowing()
		if round%2 == 1 {
			l.killBoth()
			l.flowing()
		}
		Command(f, l.dir(name), "d")
		Until(f, "it is down", func() bool { return Details(l.dir(name)).PID == 0 && !Alive(pid) })
		Command(f, l.dir(name), "u")
		l.starts[name]++
	}
	l.running()
	l.stop()
}

// shutdownOne is sv shutdown: the service and its log end, and nobody starts them
// again although the folder is there.
func shutdownOne(f *Fault) {
	l := newLoad(f, 1, 5_000)
	l.add("over", "-rate 5000", Service{"dialect": "runit\n", "log/dialect": "runit\n"})
	l.start()
	l.flowing()
	Command(f, l.dir("over"), "x")
	f.Count.Kills++
	Until(f, "it is not supervised", func() bool { return !Supervised(l.dir("over")) && !Supervised(filepath.Join(l.dir("over"), "log")) })
	// The scan folder is looked at for another one, and so after it.
	l.add("another", "-rate 5000")
	l.running()
	l.flowingOnly([]string{"line0", "another"})
	if Supervised(l.dir("over")) {
		f.Errorf("it is supervised again")
	}
	l.stop()
}
