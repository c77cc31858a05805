package bridge

import "golang.org/x/sys/unix"

const (
	rlimitMemory    = unix.RLIMIT_AS
	rlimitProcesses = -1 // there is none
)
