//go:build !linux

package logrotate

import (
	"time"

	"golang.org/x/sys/unix"
)

func writeFile(fd int, p []byte) (int, error) { return unix.Write(fd, p) }

func pollNow(fds []unix.PollFd, timeout time.Duration, _ bool) error { return pollLong(fds, timeout) }

func runtimeSignals() bool { return false }
