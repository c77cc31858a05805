package devserver

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

// processAttributes puts a program in a session of its own, and so in a process
// group of its own, and has the kernel end it should dev be killed.
func processAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGTERM}
}

// The words of /proc/PID/stat behind the name of the program.
//
// Source: proc(5).
const (
	statState   = 0
	statParent  = 1
	statSession = 3
)

// inSession returns the processes of a session that run: what a program has started,
// and what that has, also where those in between have ended, but for what has made a
// session of its own. Where that is not to be had, known is false.
func inSession(session int) (found []int, known bool) {
	known = eachProcess(func(pid, _, of int) {
		if of == session {
			found = append(found, pid)
		}
	})
	return found, known
}

// below returns the processes that programs have started and that run, and what those
// have; not what has lost its parent, which may have been meant to stay.
func below(programs ...int) (found []int, known bool) {
	children := make(map[int][]int)
	known = eachProcess(func(pid, parent, _ int) { children[parent] = append(children[parent], pid) })
	for _, program := range programs {
		found = append(found, children[program]...)
	}
	for i := 0; i < len(found); i++ {
		found = append(found, children[found[i]]...)
	}
	return found, known
}

// eachProcess calls see for each process that runs, and reports whether there is a list
// of them.
func eachProcess(see func(pid, parent, session int)) (known bool) {
	paths, _ := filepath.Glob("/proc/[0-9]*/stat") // the pattern is a right one
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		// The name stands in brackets, and may hold any.
		words := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
		if len(words) <= statSession || string(words[statState]) == "Z" {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		parent, parentErr := strconv.Atoi(string(words[statParent]))
		session, sessionErr := strconv.Atoi(string(words[statSession]))
		if err == nil && parentErr == nil && sessionErr == nil {
			see(pid, parent, session)
		}
	}
	return len(paths) > 0
}
