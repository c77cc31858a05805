//go:build unix && !linux

package webserver

import "syscall"

// dieWithThread does nothing: not every system can.
func dieWithThread(*syscall.SysProcAttr) {}
