package chainload

import (
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// fghackCopies is how often the child has the end of the pipe besides the
// first: a daemon that closes some descriptors at its start closes not all.
const fghackCopies = 30

// FGHack runs "child…" and waits until it and everything that it has started
// has ended, by a pipe that all of them have open. It returns the exit code of
// child.
//
// Source: https://cr.yp.to/daemontools/fghack.html
func FGHack(args []string) (code int, err error) {
	const program = "fghack"
	if len(args) == 0 {
		return 0, usage("fghack: usage: fghack child")
	}
	PlainSignals()
	reader, writers, err := openPipe()
	if err != nil {
		return 0, fatal(program, "unable to create pipe: ", err)
	}
	var pid int
	r := newRequest(args, os.Environ())
	err = r.try(func(path string) (bool, error) {
		var err error
		pid, err = syscall.ForkExec(path, r.argv, &syscall.ProcAttr{Env: r.env, Files: []uintptr{0, 1, 2}})
		return err == nil, err
	})
	switch {
	case err == nil:
	case errors.Is(err, syscall.EAGAIN), errors.Is(err, syscall.ENOMEM): // no program was tried; there was no process for it
		return 0, fatal(program, "unable to fork: ", err)
	default:
		return 0, fatal(program, "unable to run "+args[0]+": ", err)
	}
	for _, fd := range writers {
		unix.Close(fd)
	}
	drain(reader)
	return wait(program, pid)
}

// openPipe returns the end of a pipe that stays here and the descriptors that
// the child inherits. Their numbers are others than in the original, because the
// runtime of Go has some open that the child does not get.
func openPipe() (reader int, writers []int, err error) {
	var ends [2]int
	if err := unix.Pipe(ends[:]); err != nil {
		return 0, nil, err
	}
	unix.CloseOnExec(ends[0])
	writers = append(writers, ends[1])
	// Starting the child takes a pipe of its own; the original does without.
	const spare = 2
	for range fghackCopies + spare {
		if fd, err := unix.Dup(ends[1]); err == nil {
			writers = append(writers, fd)
		}
	}
	for range min(spare, len(writers)-1) {
		unix.Close(writers[len(writers)-1])
		writers = writers[:len(writers)-1]
	}
	return ends[0], writers, nil
}

// drain reads until nobody has the pipe open.
func drain(fd int) {
	var b [512]byte
	for {
		n, err := unix.Read(fd, b[:])
		if n <= 0 && err != unix.EINTR {
			return
		}
	}
}

func wait(program string, pid int) (code int, err error) {
	var status unix.WaitStatus
	for {
		_, err := unix.Wait4(pid, &status, 0, nil)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return 0, fatal(program, "wait failed: ", err)
		}
		break
	}
	if status.Signaled() {
		return 0, fatal(program, "child crashed", nil)
	}
	return status.ExitStatus(), nil
}
