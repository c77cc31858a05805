//go:build unix && !linux

package devserver

import "syscall"

// processAttributes puts a program in a process group of its own.
func processAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}
