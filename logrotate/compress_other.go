//go:build !linux

package logrotate

import "syscall"

// lowerPriority does nothing: nice is a whole process's here.
func lowerPriority() {}

// dieWithUs is nothing here. A child that outlives its logger writes to a file
// that has no name, and ends.
func dieWithUs() *syscall.SysProcAttr { return nil }
