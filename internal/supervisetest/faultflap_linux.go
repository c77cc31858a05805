package supervisetest

import (
	"os"
	"path/filepath"
	"strings"
	"time"
)

func flapScenarios() []Scenario {
	return []Scenario{
		{"200 services that fail", nil, 1, flap},
		{"a service that fails too often", nil, 1, failing},
	}
}

// flap has many services that cannot run, or end at once, and looks at what that
// costs.
func flap(f *Fault) {
	l := newLoad(f, 1, 2000)
	bad := []Service{
		{"run": "#!/bin/sh\nexit 1\n"},
		{"run": "no program at all\n"},
		{"run": "#!/no/such/interpreter\n"},
		{"note": "no run\n"},
	}
	for i := range 200 {
		bad[i%len(bad)].Write(f, filepath.Join(l.scan, "bad"+itoa(i)))
	}
	l.start()
	Until(f, "the last one has failed", func() bool { return Details(l.dir("bad199")).Starts > 1 })
	worker := l.worker(0)
	for range f.Rounds {
		f.Count.Kills++
		begun, before := time.Now(), ticks(l.keeper)+ticks(worker)
		Until(f, "some seconds have passed", func() bool { return time.Since(begun) > 3*time.Second })
		// 100 ticks are a second.
		used := float64(ticks(l.keeper)+ticks(worker)-before) / 100 / time.Since(begun).Seconds()
		f.Logf("%.0f %% of a processor", 100*used)
		if used > 0.7 {
			f.Errorf("200 services that fail take %.0f %% of a processor", 100*used)
		}
		l.flowing()
		if l.worker(0) != worker {
			f.Errorf("the supervisor has not survived it")
		}
	}
	printed, _ := os.ReadFile(l.sup.Printed)
	for name, want := range map[string]string{"bad1": "permission denied", "bad2": "no such file", "bad3": "no such file"} {
		reason := Details(l.dir(name)).Reason
		if !strings.Contains(reason, want) || !strings.Contains(string(printed), name+": unable to start run: ") {
			f.Errorf("%s: said to be %q", name, reason)
		}
	}
	l.stop()
}

// ticks is how much of a processor a process has used.
func ticks(pid int) int { return statField(pid, 11) + statField(pid, 12) }

// failing has a service end too often, so that it has to wait, and cuts that short.
func failing(f *Fault) {
	l := newLoad(f, 1, 2000)
	l.many["short"] = true
	l.add("short", "-lines 1 -code 1", Service{"restart": "delay 0s\nmax-delay 60s\nburst 3\n"})
	l.start()
	for round := range f.Rounds {
		Until(f, "it is failing", func() bool { return Details(l.dir("short")).State == "failing" })
		d := Details(l.dir("short"))
		if left := d.Next - float64(time.Now().Unix()); left < 50 || left > 61 {
			f.Errorf("the next start is in %.0f s", left)
		}
		if n := len(l.instances("short")); n != 3+round {
			f.Errorf("%d starts, want %d", n, 3+round)
		}
		f.Count.Kills++
		Command(f, l.dir("short"), "u")
		Until(f, "it is started at once", func() bool { return len(l.instances("short")) == 4+round })
	}
	l.stop()
}
