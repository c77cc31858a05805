package logrotate

import (
	"os"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// rawSyscall makes a system call that waits for nothing, without telling the
// scheduler: handing the processor to another thread and back costs more than
// the calls themselves where lines trickle in.
//
//go:uintptrescapes
func rawSyscall(number, a, b, c, d, e, f uintptr) (int, unix.Errno) {
	for {
		n, _, errno := syscall.RawSyscall6(number, a, b, c, d, e, f)
		if errno != unix.EINTR {
			return int(n), errno
		}
	}
}

// errnoError returns nil for no error. The usual error is not allocated anew.
func errnoError(errno unix.Errno) error {
	switch errno {
	case 0:
		return nil
	case unix.EAGAIN:
		return unix.EAGAIN
	}
	return errno
}

// writeFile writes to a file, whose pages are in memory, by a raw system call. A
// disk that is slow enough for the kernel to hold writers back holds back what
// else this process does in the runtime too; that is the finisher's work.
func writeFile(fd int, p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	n, _, errno := syscall.RawSyscall(unix.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(&p[0])), uintptr(len(p))) //nolint:gosec // write(2) needs the address
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

// shortPoll is how long a raw poll may last: at 10 ms the runtime begins to
// wonder about a thread that does not come back.
const shortPoll = 8 * time.Millisecond

// pollNow waits for one of the descriptors like poll(2), first without the
// scheduler's help, because what comes soon comes cheaper so, then with it. A
// negative timeout is for ever. A signal ends it like a timeout.
//
// A timer for each wait would cost a tenth of what a line costs where lines
// trickle in. So where the runtime sends signals, the first wait has none: once
// a thread has not come back for 10 ms, the runtime sends it SIGURG, again and
// again until it does.
//
// Source: runtime/proc.go of Go, retake and preemptone.
func pollNow(fds []unix.PollFd, timeout time.Duration, signalled bool) error {
	if signalled && timeout < 0 {
		if n, errno := rawPoll(fds, nil); n > 0 || errno != unix.EINTR {
			return errnoError(errno)
		}
	}
	short := shortPoll
	if timeout >= 0 {
		short = min(short, timeout)
	}
	ts := unix.NsecToTimespec(int64(short))
	n, errno := rawPoll(fds, &ts)
	if errno != 0 && errno != unix.EINTR {
		return errno
	}
	if n > 0 || errno == unix.EINTR || short == timeout {
		return nil
	}
	return pollLong(fds, timeout)
}

func rawPoll(fds []unix.PollFd, timeout *unix.Timespec) (int, unix.Errno) {
	n, _, errno := syscall.RawSyscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(&fds[0])), uintptr(len(fds)), uintptr(unsafe.Pointer(timeout)), 0, 0, 0) //nolint:gosec // ppoll(2) needs the addresses
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}

// runtimeSignals returns whether the runtime interrupts threads that do not come
// back: neither GODEBUG nor who started this process has turned that off.
func runtimeSignals() bool {
	var blocked unix.Sigset_t
	if unix.PthreadSigmask(unix.SIG_BLOCK, nil, &blocked) != nil {
		return false
	}
	const bits = 8 * unsafe.Sizeof(blocked.Val[0])
	urgent := uint(unix.SIGURG) - 1
	if blocked.Val[urgent/uint(bits)]>>(urgent%uint(bits))&1 != 0 {
		return false
	}
	return !strings.Contains(os.Getenv("GODEBUG"), "asyncpreemptoff")
}
