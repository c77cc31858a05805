// Package spawn starts programs, for those that do it for every request.
//
// syscall.ForkExec makes some seventy system calls for a start: most take back,
// one by one, what Go does with signals, and a pipe tells of a failure. On Linux the
// kernel can do the former at once, and the memory that parent and child share until
// the program runs serves for the latter. Where that can not be had, starts are
// syscall.ForkExec's.
package spawn

import "syscall"

// Program says what is started, and with what. It becomes the leader of a process
// group of its own.
type Program struct {
	Path  string
	Argv  []string
	Env   []string
	Dir   string // "" stays in that of this process
	Files []int  // its descriptors 0, 1, 2 …; these here are closed in it
	// ParentSignal is sent to it when the thread that started it ends; 0 is none,
	// and what systems do that have no such thing.
	ParentSignal syscall.Signal
}

// plainly starts a program with syscall.ForkExec.
func plainly(p *Program, sys *syscall.SysProcAttr) (pid int, err error) {
	files := make([]uintptr, len(p.Files))
	for i, fd := range p.Files {
		files[i] = uintptr(fd)
	}
	return syscall.ForkExec(p.Path, p.Argv, &syscall.ProcAttr{Dir: p.Dir, Env: p.Env, Files: files, Sys: sys})
}
