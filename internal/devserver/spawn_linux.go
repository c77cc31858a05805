package devserver

import "syscall"

// processAttributes puts a program in a process group of its own and has the
// kernel end it should dev be killed.
func processAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}
