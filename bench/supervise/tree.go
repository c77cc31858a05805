//go:build linux

package main

import (
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"scgikit/bench/measure"
)

// patience is how long something may take that is certain to happen.
const patience = 2 * time.Minute

// tree is a supervisor that runs, with all that it has started.
type tree struct {
	dir  string // of the services
	root *exec.Cmd
	n    int
	took time.Duration // until all services ran
}

// start starts a supervisor on n services and waits until they run.
func (b *bench) start(p peer, n int, program string) (*tree, error) {
	dir, err := os.MkdirTemp(b.dir, "run-")
	if err != nil {
		return nil, err
	}
	t := &tree{dir: dir, n: n}
	argument, err := p.makeFolders(dir, n, program)
	if err != nil {
		return nil, err
	}
	t.root = exec.Command(p.argv[0], append(p.argv[1:], argument)...)
	// The folder is how all of them are found in the end.
	t.root.Env = append(os.Environ(), "SCGIKIT_BENCH="+dir)
	before := now()
	if err := t.root.Start(); err != nil {
		return nil, err
	}
	// The services say themselves when they began; the last one counts.
	last := int64(0)
	for i := 1; i <= n; i++ {
		at, err := t.began(i, 1)
		if err != nil {
			t.end()
			return nil, err
		}
		last = max(last, at)
	}
	t.took = time.Duration(last - before)
	return t, nil
}

// now is the clock of the services, in nanoseconds.
func now() int64 {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts) // it fails for no clock that there is
	return ts.Nano()
}

// began waits until a service has begun so many times, and returns when it did.
func (t *tree) began(i, times int) (int64, error) {
	return moment(filepath.Join(t.dir, serviceName(i), "began"), times)
}

func moment(path string, times int) (int64, error) {
	deadline := time.Now().Add(patience)
	for {
		data, err := os.ReadFile(path)
		if err == nil && len(data) >= 8*times {
			return int64(binary.LittleEndian.Uint64(data[8*(times-1):])), nil //nolint:gosec // a time
		}
		if time.Now().After(deadline) {
			return 0, fmt.Errorf("%s: waited in vain", path)
		}
		time.Sleep(200 * time.Microsecond)
	}
}

// killOne kills a service and returns the milliseconds until the next one of it
// began.
func (t *tree) killOne(i int) (float64, error) {
	path := filepath.Join(t.dir, serviceName(i), "began")
	data, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	times := len(data) / 8
	pid := 0
	for _, p := range t.all() {
		cwd, err := os.Readlink(fmt.Sprintf("/proc/%d/cwd", p))
		if err == nil && cwd == filepath.Dir(path) && isService(p) {
			pid = p
		}
	}
	if pid == 0 {
		return 0, fmt.Errorf("%s: there is no process", path)
	}
	// None of them starts a service twice in a second.
	if age := time.Duration(now() - int64(binary.LittleEndian.Uint64(data[8*(times-1):]))); age < 3*time.Second { //nolint:gosec // a time
		time.Sleep(3*time.Second - age)
	}
	before := now()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		return 0, err
	}
	after, err := moment(path, times+1)
	return float64(after-before) / 1e6, err
}

// flooded waits until the service has printed all, and returns the seconds that
// this took.
func (t *tree) flooded() (float64, error) {
	begin, err := t.began(1, 1)
	if err != nil {
		return 0, err
	}
	end, err := moment(filepath.Join(t.dir, serviceName(1), "done"), 1)
	return float64(end-begin) / 1e9, err
}

// all returns every process that was started by the supervisor, and itself.
func (t *tree) all() []int {
	entries, _ := os.ReadDir("/proc")
	var list []int
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		data, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
		if err == nil && strings.Contains("\x00"+string(data), "\x00SCGIKIT_BENCH="+t.dir+"\x00") {
			list = append(list, pid)
		}
	}
	return list
}

// isService returns whether a process is one of those that are supervised.
func isService(pid int) bool {
	exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
	return err == nil && (filepath.Base(exe) == "tick" || filepath.Base(exe) == "flood")
}

// census is what all processes have that supervise and log.
type census struct{ pss, processes, threads, fds int }

func (t *tree) count() (c census, err error) {
	for _, pid := range t.all() {
		if isService(pid) {
			continue
		}
		memory, err := measure.MemoryOf(pid)
		if err != nil {
			return c, err
		}
		threads, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
		if err != nil {
			return c, err
		}
		fds, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
		if err != nil {
			return c, err
		}
		c.pss += memory.Pss
		c.processes++
		c.threads += len(threads)
		c.fds += len(fds)
	}
	return c, nil
}

// activity is what they have done so far.
type activity struct {
	switches int
	cpu      float64 // seconds
}

func (t *tree) activity() (a activity, err error) {
	for _, pid := range t.all() {
		if isService(pid) {
			continue
		}
		n, err := measure.Switches(pid)
		if err != nil {
			return a, err
		}
		a.switches += n
		data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			return a, err
		}
		_, rest, _ := strings.Cut(string(data), ") ")
		for _, field := range strings.Fields(rest)[11:13] {
			ticks, _ := strconv.Atoi(field)
			a.cpu += float64(ticks) / 100
		}
	}
	return a, nil
}

// end kills all of it.
func (t *tree) end() {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		list := t.all()
		for _, pid := range list {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		if len(list) == 0 {
			break
		}
	}
	_ = t.root.Wait() // it was killed
	_ = os.RemoveAll(t.dir)
}
