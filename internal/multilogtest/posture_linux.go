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
	var p posture
	for _, task := range tasks {
		// In this order: a signal is no longer pending while it is acted on, but
		// then the thread runs.
		switches, pending := status(task)
		call := blockedIn(task)
		if pending || call == busy || call == ticks && len(tasks) == 1 { // multilog's pauses are ticks
			return posture{}
		}
		if call == ticks {
			continue
		}
		p.rests = p.rests || call == awaitsInput
		p.switches += task + " " + switches
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

// status returns how often a thread gave up the processor, and whether it or
// its process has signals to come.
func status(task string) (switches string, pending bool) {
	data, err := os.ReadFile(task + "/status")
	if err != nil {
		return "", true
	}
	for line := range strings.Lines(string(data)) {
		name, value, _ := strings.Cut(line, ":")
		switch value = strings.TrimSpace(value); name {
		case "SigPnd", "ShdPnd":
			pending = pending || strings.Trim(value, "0") != ""
		case "voluntary_ctxt_switches", "nonvoluntary_ctxt_switches":
			switches += value + " "
		}
	}
	return switches, pending
}
