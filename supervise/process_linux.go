package supervise

import (
	"bytes"
	"errors"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// process is one that was started for a service, known beyond doubt by its
// descriptor.
type process struct {
	pid   int
	pidfd int    // -1 where there is no process
	start uint64 // in clock ticks since boot; with pid and boot id its name
}

// noProcess is none.
func noProcess() process { return process{pidfd: -1} }

// exitStatus is how a process ended.
type exitStatus struct {
	status unix.WaitStatus
	known  bool
}

// errRuns says that a process has not ended, or that nobody has waited for it.
var errRuns = errors.New("has not ended")

// reap returns how a process ended. If it is a child, this is where it is waited
// for; else the kernel tells once its parent has done so. Kernels before 6.15 do
// not; there told is what the keeper has seen, if it has.
//
// Source: linux/include/uapi/linux/pidfd.h, PIDFD_GET_INFO.
func (p process) reap(told map[int]unix.WaitStatus) (exitStatus, error) {
	var status unix.WaitStatus
	for {
		pid, err := unix.Wait4(p.pid, &status, unix.WNOHANG, nil)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err == nil && pid == p.pid:
			return exitStatus{status, true}, nil
		case err == nil:
			return exitStatus{}, errRuns
		}
		break
	}
	if status, ok := exitInfo(p.pidfd); ok {
		return exitStatus{status, true}, nil
	}
	if status, ok := told[p.pid]; ok {
		return exitStatus{status, true}, nil
	}
	ended, reaped := pidfdState(p.pidfd)
	if !ended {
		return exitStatus{}, errRuns
	}
	// Its parent may never wait for it.
	if status, ok := zombieStatus(p.pid, p.start); ok {
		return exitStatus{status, true}, nil
	}
	if !reaped && parentOf(p.pid) == os.Getppid() {
		return exitStatus{}, errRuns // the keeper is about to
	}
	if status, ok := exitInfo(p.pidfd); ok {
		return exitStatus{status, true}, nil
	}
	return exitStatus{}, nil
}

// zombieStatus returns the wait status of a process that nobody has waited for.
// Others than its user and root are told 0 always, which is then not believed.
func zombieStatus(pid int, start uint64) (unix.WaitStatus, bool) {
	fields := stat(pid)
	if len(fields) <= statExit || fields[0] != "Z" || statNumber(fields, statStart) != start {
		return 0, false
	}
	status := unix.WaitStatus(statNumber(fields, statExit)) //nolint:gosec // a wait status
	return status, status != 0 || os.Geteuid() == 0
}

// exitInfo asks the kernel how a process ended.
func exitInfo(pidfd int) (unix.WaitStatus, bool) {
	info := unix.PidfdInfo{Mask: unix.PIDFD_INFO_EXIT}
	if unix.IoctlPidfdInfo(pidfd, &info) != nil || info.Mask&unix.PIDFD_INFO_EXIT == 0 {
		return 0, false
	}
	return unix.WaitStatus(info.Exit_code), true //nolint:gosec // a wait status
}

// pidfdState returns whether a process has ended, and whether it has been waited
// for.
func pidfdState(pidfd int) (ended, reaped bool) {
	fds := []unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}} //nolint:gosec // descriptors are small
	_, err := unix.Poll(fds, 0)
	if err != nil {
		return false, false
	}
	return fds[0].Revents&unix.POLLIN != 0, fds[0].Revents&unix.POLLHUP != 0
}

// signal sends a signal to the process itself.
func (p process) signal(s unix.Signal) error {
	if p.pidfd < 0 {
		return unix.ESRCH
	}
	return unix.PidfdSendSignal(p.pidfd, s, nil, 0)
}

// signalGroup sends a signal to its process group, which is named by its id as
// long as that is not given to another process: as long as it has not been waited
// for, or the group has members.
func (p process) signalGroup(s unix.Signal) error {
	if p.pidfd < 0 || p.pid <= 1 {
		return unix.ESRCH // 0 would be our own group, and -1 everybody
	}
	return unix.Kill(-p.pid, s)
}

// stat returns fields of /proc/PID/stat behind the program's name, the first is
// the state.
func stat(pid int) []string {
	fd, err := unix.Open("/proc/"+strconv.Itoa(pid)+"/stat", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	defer unix.Close(fd)
	var b [1024]byte // it is shorter
	n, err := unix.Read(fd, b[:])
	if err != nil {
		return nil
	}
	data := b[:n]
	i := bytes.LastIndexByte(data, ')')
	return strings.Fields(string(data[i+1:]))
}

// Places in what stat returns.
//
// Source: proc_pid_stat(5).
const (
	statParent  = 1
	statSession = 3
	statStart   = 19
	statExit    = 49
)

func statNumber(fields []string, at int) uint64 {
	if len(fields) <= at {
		return 0
	}
	n, _ := strconv.ParseUint(fields[at], 10, 64)
	return n
}

func parentOf(pid int) int { return int(statNumber(stat(pid), statParent)) } //nolint:gosec // process ids are small

func startOf(pid int) uint64 { return statNumber(stat(pid), statStart) }

// openProcess returns the process with an id if it is the one that began at a
// time: the descriptor first, so that what is then compared is what it holds.
func openProcess(pid int, start uint64) (process, bool) {
	if pid <= 1 {
		return noProcess(), false
	}
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return noProcess(), false
	}
	if startOf(pid) != start {
		unix.Close(fd)
		return noProcess(), false
	}
	return process{pid, fd, start}, true
}

// bootID returns which run of the machine this is; "" where nobody tells.
func bootID() string {
	data, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(data))
}

// pidOf returns which process a pidfd is of; 0 once it has been waited for.
//
// Source: proc_pid_fdinfo(5).
func pidOf(pidfd int) int {
	data, err := os.ReadFile("/proc/self/fdinfo/" + strconv.Itoa(pidfd))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(data), "\nPid:\t")
	line, _, _ := strings.Cut(rest, "\n")
	pid, err := strconv.Atoi(line)
	if err != nil || pid < 0 {
		return 0
	}
	return pid
}

// describeStatus says how a process ended.
func describeStatus(s unix.WaitStatus) string {
	if s.Signaled() {
		return "signal " + strings.TrimPrefix(unix.SignalName(s.Signal()), "SIG")
	}
	return "exit " + strconv.Itoa(s.ExitStatus())
}
