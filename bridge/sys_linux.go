package bridge

import (
	"io"
	"math"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"scgikit/internal/nowait"
)

// socketsHaveInodes: two descriptors lead to the same socket if, and only if,
// they have the same inode number.
const socketsHaveInodes = true

// hangUpMeansGone: POLLHUP on a socket says that the other side has closed, and
// not only that it will send no more.
//
// Source: unix_poll in net/unix/af_unix.c, tcp_poll in net/ipv4/tcp.c.
const hangUpMeansGone = true

func newPipe() (fds [2]int, err error) {
	return nowait.Pipe()
}

func dup2(from, to int) error {
	if from == to {
		return nil
	}
	return unix.Dup3(from, to, 0)
}

// closeInherited closes, in programs started from here, whatever the starter
// left open beyond standard error.
func closeInherited() {
	if unix.CloseRange(3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC) != nil {
		closeEach()
	}
}

// resetSignals gives signals that the starter ignores their default meaning,
// for this process and the script: a shell without job control starts programs
// in the background with SIGINT ignored, and posix_spawn of glibc leaves the two
// signals that it keeps for itself (32 and 33) ignored; what is ignored stays so
// across exec. Go resets the signals that it handles; these it leaves as they
// are. A zeroed structure is the default action on every architecture. A signal
// that Go handles for this process must be among those that are left out: it would
// not be handled any more.
//
// Source: glibc sysdeps/unix/sysv/linux/spawni.c, __spawni_child.
func resetSignals(but ...syscall.Signal) {
	var action [64]byte
	size := uintptr(8) // of the kernel's set of signals
	if strings.HasPrefix(runtime.GOARCH, "mips") {
		size = 16
	}
	for _, sig := range [...]syscall.Signal{unix.SIGHUP, unix.SIGINT, unix.SIGTSTP, unix.SIGTTIN, unix.SIGTTOU, unix.SIGCHLD, 32, 33} {
		if slices.Contains(but, sig) {
			continue
		}
		_, _, _ = unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(sig), uintptr(unsafe.Pointer(&action)), 0, size, 0, 0) //nolint:gosec // the kernel only reads it
	}
	var none unix.Sigset_t
	_ = unix.PthreadSigmask(unix.SIG_SETMASK, &none, nil)
}

// accept takes a connection that has arrived.
func accept(listener int) (fd int, err error) {
	return nowait.Accept(listener)
}

// The numbers of limits.
const (
	rlimitMemory    = unix.RLIMIT_AS
	rlimitProcesses = unix.RLIMIT_NPROC
)

// execUnder sets limits of this process and becomes a program.
//
// Under a small limit of memory or processes the Go runtime ends the process as
// soon as it wants more of either, for whatever runs beside this goroutine. So
// nothing may run beside it, and nothing may be allocated, between the two: one
// processor is left to the runtime, which this goroutine holds, because raw
// system calls do not give it up; and syscall.Exec, which allocates, is not used.
func execUnder(limits []Limit, path string, argv, env []string) error {
	file, err := unix.BytePtrFromString(path)
	if err != nil {
		return err
	}
	args, err := syscall.SlicePtrFromStrings(argv)
	if err != nil {
		return err
	}
	vars, err := syscall.SlicePtrFromStrings(env)
	if err != nil {
		return err
	}
	runtime.GOMAXPROCS(1)
	// What else syscall.Exec does is to give the program the soft limit of open
	// files that Go has raised for itself. It does that also where it fails.
	_ = syscall.Exec("", []string{""}, nil)
	if err := setLimits(limits); err != nil {
		return err
	}
	_, _, errno := syscall.RawSyscall(syscall.SYS_EXECVE, uintptr(unsafe.Pointer(file)), //nolint:gosec // the kernel only reads them
		uintptr(unsafe.Pointer(&args[0])), uintptr(unsafe.Pointer(&vars[0]))) //nolint:gosec // as above
	return errno
}

// addNiceness makes this thread nicer, and what it starts. The system call
// counts from 20 downwards.
//
// Source: getpriority(2), C library/kernel differences.
func addNiceness(n int) error {
	raw, err := unix.Getpriority(unix.PRIO_PROCESS, 0)
	if err != nil {
		return err
	}
	return unix.Setpriority(unix.PRIO_PROCESS, 0, 20-raw+n)
}

// keepParentSignal asks for the signal of childAttributes for this thread.
//
// Source: PR_SET_PDEATHSIG in prctl(2); a thread does not get it from another.
func keepParentSignal() {
	_ = unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(syscall.SIGTERM), 0, 0, 0)
}

// ownPath leads to this program also after another was put in its place.
func ownPath() (string, error) { return "/proc/self/exe", nil }

// splice moves bytes from a pipe to a socket inside the kernel.
func splice(from, to, size int) (int64, error) {
	n, err := nowait.Splice(from, to, size)
	return int64(n), err
}

func openUnnamed(dir string) (int, error) {
	fd, err := unix.Open(dir, unix.O_TMPFILE|unix.O_RDWR|unix.O_EXCL|unix.O_CLOEXEC, 0o600)
	if err == nil {
		return fd, nil
	}
	return openNamed(dir)
}

func openMemory() (int, error) {
	return unix.MemfdCreate("scgi-run-body", unix.MFD_CLOEXEC)
}

// memoryFile returns a descriptor, which the next program inherits, of a file
// that holds a text, at its start.
func memoryFile(text string) (int, error) {
	fd, err := unix.MemfdCreate("scgi_wsgi.py", 0)
	if err != nil {
		return -1, err
	}
	for rest := []byte(text); len(rest) > 0 && err == nil; {
		var n int
		n, err = unix.Write(fd, rest)
		rest = rest[max(n, 0):]
	}
	if err == nil {
		_, err = unix.Seek(fd, 0, io.SeekStart)
	}
	if err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}
