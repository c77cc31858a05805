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
	statSession = 3
)

// inSession returns the processes of a session that run: what a program has started,
// and what that has, also where those in between have ended, but for what has made a
// session of its own. Where that is not to be had, known is false.
func inSession(session int) (found []int, known bool) {
	paths, _ := filepath.Glob("/proc/[0-9]*/stat") // the pattern is a right one
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		// The name stands in brackets, and may hold any.
		words := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
		if len(words) <= statSession || string(words[statSession]) != strconv.Itoa(session) || string(words[statState]) == "Z" {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path))); err == nil {
			found = append(found, pid)
		}
	}
	return found, len(paths) > 0
}
