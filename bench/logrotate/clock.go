//go:build linux

package main

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// cpuOf returns the processor time that a running process has used, user and
// system.
//
// Source: clock_getcpuclockid(3); linux/posix-timers.h, MAKE_PROCESS_CPUCLOCK
// and CPUCLOCK_SCHED.
func cpuOf(pid int) (time.Duration, error) {
	const scheduled = 2
	var ts unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|scheduled), &ts); err != nil { //nolint:gosec // process numbers are small
		return 0, os.NewSyscallError("clock_gettime", err)
	}
	return time.Duration(ts.Nano()), nil
}
