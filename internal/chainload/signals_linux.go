package chainload

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// PlainSignals makes signals end a process that waits, as they end a C program:
// the runtime of Go ignores ALRM, USR1 and others, and says where it is at QUIT.
// Those that the runtime lives by stay with it, and those that the process was
// started without stay ignored as far as the runtime has left them so: HUP, INT
// and the ones of terminals.
//
// On systems other than Linux it does nothing.
func PlainSignals() {
	// A struct sigaction of SIG_DFL, no flags and no mask is nothing but zeros,
	// wherever a system call wants its fields.
	var plain [16]uint64
	const last, maskSize = 64, 8
	for s := unix.SIGHUP; s <= last; s++ {
		switch s {
		case unix.SIGHUP, unix.SIGINT, unix.SIGTSTP, unix.SIGTTIN, unix.SIGTTOU, unix.SIGCONT:
			continue // as they were at the start
		case unix.SIGILL, unix.SIGTRAP, unix.SIGBUS, unix.SIGFPE, unix.SIGSEGV, unix.SIGPROF, unix.SIGURG, 32, 33, 34:
			continue // of the runtime and the C library
		}
		// An error is KILL's or STOP's.
		_, _, _ = unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(s), uintptr(unsafe.Pointer(&plain)), 0, maskSize, 0, 0) //nolint:gosec // there is no call of the library for it
	}
}
