package webserver

import "syscall"

// dieWithThread has the kernel end the program when the thread that starts it ends.
func dieWithThread(a *syscall.SysProcAttr) { a.Pdeathsig = syscall.SIGTERM }
