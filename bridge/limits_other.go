//go:build unix && !linux && !openbsd && !solaris

package bridge

import "golang.org/x/sys/unix"

const (
	rlimitMemory    = unix.RLIMIT_AS
	rlimitProcesses = unix.RLIMIT_NPROC
)
