package supervisetest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

func limitScenarios() []Scenario {
	return []Scenario{
		{"no descriptors for the supervisor", nil, 2, func(f *Fault) { noDescriptors(f, false) }},
		{"no descriptors for the keeper", nil, 2, func(f *Fault) { noDescriptors(f, true) }},
		{"no processes", []string{"strace"}, 1, func(f *Fault) { noForks(f, "EAGAIN") }},
		{"no process for the supervisor", []string{"strace"}, 2, noSupervisor},
		{"no memory for a process", []string{"strace"}, 1, func(f *Fault) { noForks(f, "ENOMEM") }},
	}
}

// limitDescriptors lets a process have a few more descriptors than it has, or
// again as many as it likes.
func limitDescriptors(f *Fault, pid int, limited bool) {
	f.Helper()
	limit := unix.Rlimit{Cur: 4096, Max: 4096}
	if limited {
		limit.Cur = 0
		for exists("/proc/" + itoa(pid) + "/fd/" + itoa(int(limit.Cur))) {
			limit.Cur++
		}
		limit.Cur += 2
	}
	if err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, &limit, nil); err != nil {
		f.Fatal(err)
	}
}

// noDescriptors adds services while there are no descriptors for them.
func noDescriptors(f *Fault, keeper bool) {
	l := newLoad(f, 3, 5_000)
	l.start()
	for round := range min(f.Rounds, 20) { // each adds two services
		l.flowing()
		pid := l.worker(0)
		if keeper {
			pid = l.keeper
		}
		limitDescriptors(f, pid, true)
		names := []string{"late" + itoa(2*round), "late" + itoa(2*round+1)}
		for _, name := range names {
			l.add(name, "-rate 1000")
		}
		f.Count.Kills++
		if keeper {
			l.flowingOnly(l.names[:3]) // else a log may need one for its next file
			// What it could not take it does not have: the next supervisor finds
			// the services by what was written down.
			l.running()
			Until(f, "it says so", func() bool { return l.said("unable to hold a descriptor") })
			worker := l.worker(0)
			signalTo(worker, "KILL")
			Until(f, "the supervisor is dead", func() bool { return !Alive(worker) })
		} else {
			Until(f, "it says so", func() bool { return l.said("too many open files") })
		}
		limitDescriptors(f, pid, false)
		l.worker(0)
		l.running()
	}
	l.flowing()
	l.stop()
}

// flowingOnly waits until lines of some services are taken.
func (l *load) flowingOnly(names []string) {
	l.f.Helper()
	all := l.names
	l.names = names
	l.flowing()
	l.names = all
}

// said returns whether the supervisor has said something.
func (l *load) said(text string) bool {
	data, _ := os.ReadFile(l.sup.Printed)
	return strings.Contains(strings.ToLower(string(data)), text)
}

// noForks lets every start of a process fail.
func noForks(f *Fault, errno string) {
	l := newLoad(f, 2, 5_000)
	l.start()
	l.flowing()
	for round := range f.Rounds {
		again := withoutForks(f, l.worker(0), errno)
		f.Count.Kills++
		name := "late" + itoa(round)
		l.add(name, "-rate 1000")
		Until(f, "it says so", func() bool { return l.said(name + ": unable to start run: ") })
		l.flowingOnly(l.names[:2])
		again()
		l.running()
	}
	l.flowing()
	l.stop()
}

// withoutForks lets every start of a process by another one fail, until what it
// returns is called.
func withoutForks(f *Fault, pid int, errno string) (again func()) {
	f.Helper()
	trace := filepath.Join(f.TempDir(), "trace")
	cmd := exec.Command("strace", "-f", "-qq", "-o", trace, "-e", "trace=clone,clone3,fork,vfork",
		"-e", "inject=clone,clone3,fork,vfork:error="+errno, "-p", itoa(pid))
	if err := cmd.Start(); err != nil {
		f.Fatal(err)
	}
	Until(f, "strace is there", func() bool { return traced(pid) })
	return func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	}
}

// noSupervisor lets the keeper start none.
func noSupervisor(f *Fault) {
	l := newLoad(f, 2, 5_000)
	l.start()
	for range f.Rounds {
		l.flowing()
		worker := l.worker(0)
		again := withoutForks(f, l.keeper, "EAGAIN")
		signalTo(worker, "KILL")
		f.Count.Kills++
		Until(f, "it says so", func() bool { return l.said("unable to start the supervisor, trying again: ") })
		Until(f, "the pipe is full", func() bool { return pipeFull(l, "line0") })
		again()
		l.worker(worker)
	}
	l.flowing()
	l.stop()
}

// traced returns whether all threads of a process are traced.
func traced(pid int) bool {
	list, _ := os.ReadDir("/proc/" + itoa(pid) + "/task")
	for _, e := range list {
		data, err := os.ReadFile("/proc/" + itoa(pid) + "/task/" + e.Name() + "/status")
		if err != nil || strings.Contains(string(data), "\nTracerPid:\t0\n") {
			return false
		}
	}
	return len(list) > 0
}
