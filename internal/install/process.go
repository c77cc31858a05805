package install

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// What the system says of processes.

// pidIn reads a number from a file that root alone can write, or who runs this; 0 is
// none.
func pidIn(file string) int {
	f, err := os.OpenFile(file, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return 0
	}
	defer f.Close() //nolint:errcheck // nothing was written
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() || info.Mode().Perm()&0o022 != 0 {
		return 0
	}
	if st, ok := info.Sys().(*syscall.Stat_t); !ok || st.Uid != 0 && int(st.Uid) != os.Geteuid() {
		return 0
	}
	text, err := io.ReadAll(io.LimitReader(f, 64))
	if err != nil {
		return 0
	}
	pid, _ := strconv.Atoi(strings.TrimSpace(string(text)))
	return pid
}

type processStatus struct {
	state   byte   // as ps shows it: S waits
	pending uint64 // signals that are not handled yet, 1<<(number-1)
}

// statusOf reads what a process does.
//
// Source: proc_pid_status(5).
func statusOf(pid int) (status processStatus, ok bool) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return processStatus{}, false
	}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":\t")
		switch {
		case name == "State" && value != "":
			status.state, ok = value[0], true
		case name == "SigPnd", name == "ShdPnd":
			set, _ := strconv.ParseUint(value, 16, 64)
			status.pending |= set
		}
	}
	return status, ok
}

// children returns the processes that the first thread of a process has started.
func children(pid int) []int {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		return nil
	}
	var pids []int
	for field := range strings.FieldsSeq(string(text)) {
		if child, err := strconv.Atoi(field); err == nil {
			pids = append(pids, child)
		}
	}
	return pids
}

// commandLine returns the command line of a process, on Linux.
func commandLine(pid int) []string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil || len(text) == 0 {
		return nil
	}
	return strings.Split(strings.TrimSuffix(string(text), "\x00"), "\x00")
}

// arguments returns the command line without the program.
func arguments(pid int) []string {
	if argv := commandLine(pid); len(argv) > 0 {
		return argv[1:]
	}
	return nil
}
