package multilogtest

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// rests says whether a process waits for input, and for nothing else: no signal
// is pending, all threads are blocked, one of them on a descriptor. They are
// looked at one after the other, so it also has to be true that none of them ran
// in the meantime, and that none is new.
func rests(pid int) bool {
	threads, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		return false
	}
	runs := make([]string, len(threads))
	if len(threads) > 1 {
		for i, thread := range threads {
			runs[i] = switches(pid, thread)
		}
	}
	// A signal is no longer pending while it is acted on, but then a thread runs.
	if signalled(pid) {
		return false
	}
	waits, clock := false, clockThread(pid, threads)
	for i, thread := range threads {
		switch blockedIn(fmt.Sprintf("/proc/%d/task/%s", pid, thread.Name())) {
		case busy:
			return false
		case ticks:
			// multilog's pause; and a thread of Go's that is about to take work
			// over from another sleeps for a moment too.
			if i != clock {
				return false
			}
			runs[i] = ""
		case awaitsInput:
			waits = true
		case awaitsTask:
		}
	}
	return waits && !dies(pid) && unchanged(pid, threads, runs)
}

// dies says whether a signal has ended a process that is not gone yet: it may be
// blocked on its way, after the signal is no longer pending, and is still shown
// in the system call that the signal found it in.
//
// Source: linux/include/linux/sched.h, PF_EXITING, PF_DUMPCORE, PF_SIGNALED;
// proc_pid_stat(5), flags.
func dies(pid int) bool {
	const exiting, dumpsCore, killedBySignal = 0x4, 0x200, 0x400
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return true
	}
	fields := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:]))
	if len(fields) < 7 {
		return true
	}
	flags, err := strconv.ParseUint(fields[6], 10, 64)
	return err != nil || flags&(exiting|dumpsCore|killedBySignal) != 0
}

// clockThread returns which of the threads is the Go runtime's own that wakes by
// the clock, or -1: the first that a Go program starts.
//
// Source: runtime/proc.go of Go, main and sysmon.
func clockThread(pid int, threads []os.DirEntry) int {
	clock, first := -1, math.MaxInt
	for i, thread := range threads {
		id, err := strconv.Atoi(thread.Name())
		if err != nil || id == pid {
			continue
		}
		if id < pid {
			id += math.MaxInt32 // the numbers have begun again from the lowest
		}
		if id < first {
			clock, first = i, id
		}
	}
	return clock
}

// unchanged says whether there are the same threads as before, and none of them
// ran; those without a text may have.
func unchanged(pid int, threads []os.DirEntry, runs []string) bool {
	if len(threads) == 1 {
		return true
	}
	for i, thread := range threads {
		if runs[i] != "" && switches(pid, thread) != runs[i] {
			return false
		}
	}
	now, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	return err == nil && len(now) == len(threads) && now[len(now)-1].Name() == threads[len(threads)-1].Name()
}

// switches tells how often a thread was given a processor: another text than
// before if it was again.
//
// Source: linux/Documentation/scheduler/sched-stats.rst.
func switches(pid int, thread os.DirEntry) string {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/schedstat", pid, thread.Name()))
	if err != nil {
		return "gone"
	}
	return string(data)
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
	if err != nil || !sleeps(task) {
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

// sleeps says whether a thread is asleep. One that was woken, and that no
// processor has taken up yet, is still shown in its system call.
//
// Source: proc_pid_stat(5), state; linux/include/linux/sched.h, TASK_WAKING,
// which is shown as R.
func sleeps(task string) bool {
	data, err := os.ReadFile(task + "/stat")
	if err != nil {
		return false
	}
	_, state, _ := bytes.Cut(data[bytes.LastIndexByte(data, ')')+1:], []byte(" "))
	return len(state) > 0 && state[0] == 'S'
}

// signalled says whether a process has signals to come.
//
// Source: proc_pid_status(5).
func signalled(pid int) bool {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return true
	}
	_, rest, _ := strings.Cut(string(data), "\nShdPnd:\t")
	pending, _, _ := strings.Cut(rest, "\n")
	return strings.Trim(pending, "0") != ""
}
