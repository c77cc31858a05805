//go:build unix && !linux

package devserver

import "syscall"

// processAttributes puts a program in a session of its own, and so in a process
// group of its own.
func processAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setsid: true}
}

// inSession finds nothing: there is no list of processes that all these systems have.
func inSession(int) (found []int, known bool) { return nil, false }

// below finds nothing, as inSession.
func below(...int) (found []int, known bool) { return nil, false }
