package logrotate

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// lowerPriority gives the calling thread the lowest priority: on Linux, nice is
// a thread's.
//
// Source: setpriority(2), "C library/kernel differences".
func lowerPriority() {
	// It can not fail, and a compression with the usual priority is one too.
	_ = unix.Setpriority(unix.PRIO_PROCESS, 0, 19)
}

// dieWithUs lets a child be killed when the thread that started it ends, such
// as with a logger that is killed: the next one starts a compression anew.
func dieWithUs() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
