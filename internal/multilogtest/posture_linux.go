package multilogtest

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// posture is what the threads of a process do.
type posture struct {
	rests    bool   // they all wait, one of them for a descriptor, and no signal is pending
	certain  bool   // what is waited for is input, and there is one thread alone
	switches string // how often they gave up the processor: equal twice, nothing happened in between
}

// look finds out what a process does.
func look(pid int) posture {
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", pid))
	if err != nil {
		return posture{}
	}
	// In this order: a signal is no longer pending while it is acted on, but then
	// the thread runs.
	if signalled(pid) {
		return posture{}
	}
	var p posture
	for _, task := range tasks {
		call := blockedIn(task)
		if call == busy || call == ticks && len(tasks) == 1 { // multilog's pauses are ticks
			return posture{}
		}
		if call == ticks {
			continue
		}
		p.rests = p.rests || call == awaitsInput
		if len(tasks) > 1 {
			p.switches += task + " " + switches(task)
		}
	}
	p.certain = p.rests && len(tasks) == 1
	return p
}

// call is a kind of system call that a thread is blocked in.
type call int

const (
	busy        call = iota
	awaitsInput      // read of descriptor 0, poll
	awaitsTask       // another thread
	ticks            // a clock: the Go runtime's own thread does that
)

// blockedIn looks at what a thread is blocked in. The calls of old that new
// machines do not have are known by their number here.
func blockedIn(task string) call {
	data, err := os.ReadFile(task + "/syscall")
	if err != nil {
		return busy
	}
	fields := strings.Fields(string(data))
	number, err := strconv.Atoi(fields[0])
	if err != nil {
		return busy // "running"
	}
	old := map[string][]int{"amd64": {7, 23, 232}}[runtime.GOARCH] // poll, select, epoll_wait
	switch {
	case number == unix.SYS_READ && len(fields) > 1 && fields[1] == "0x0",
		number == unix.SYS_PPOLL, number == unix.SYS_PSELECT6, number == unix.SYS_EPOLL_PWAIT,
		slices.Contains(old, number):
		return awaitsInput
	case number == unix.SYS_FUTEX:
		return awaitsTask
	case number == unix.SYS_NANOSLEEP, number == unix.SYS_CLOCK_NANOSLEEP:
		return ticks
	default:
		return busy
	}
}

// switches tells how often a thread was given a processor: another text than
// before if it was again.
//
// Source: linux/Documentation/scheduler/sched-stats.rst.
func switches(task string) string {
	data, err := os.ReadFile(task + "/schedstat")
	if err != nil {
		return statusLine(task+"/status", "voluntary_ctxt_switches")
	}
	return string(data)
}

// signalled says whether a process has signals to come.
func signalled(pid int) bool {
	return strings.Trim(statusLine(fmt.Sprintf("/proc/%d/status", pid), "ShdPnd"), "0") != ""
}

// statusLine returns a value of a status file.
//
// Source: proc_pid_status(5).
func statusLine(file, name string) string {
	data, err := os.ReadFile(file)
	if err != nil {
		return "gone"
	}
	_, rest, _ := strings.Cut(string(data), "\n"+name+":\t")
	value, _, _ := strings.Cut(rest, "\n")
	return value
}
