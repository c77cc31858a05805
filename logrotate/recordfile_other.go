//go:build !linux

package logrotate

import "golang.org/x/sys/unix"

// Records are used on Linux only.

func allocate(int, int64) error { return unix.ENOTSUP }

func mappable(int) bool { return false }
