package bridge

import "golang.org/x/sys/unix"

// OpenBSD has no limit of the whole address space.
//
// Source: https://man.openbsd.org/getrlimit.2
const (
	rlimitMemory    = unix.RLIMIT_DATA
	rlimitProcesses = unix.RLIMIT_NPROC
)
