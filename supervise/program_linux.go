package supervise

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// programPatience is how many milliseconds a program may take to answer.
const programPatience = 5000

// checkProgram asks the program that is to take over whether it can. It may be
// anything that somebody has copied there.
func checkProgram(program []string) error {
	var ends [2]int
	if err := unix.Pipe2(ends[:], unix.O_CLOEXEC); err != nil {
		return err
	}
	defer unix.Close(ends[0])
	null, err := unix.Open("/dev/null", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		unix.Close(ends[1])
		return err
	}
	argv := append(append([]string(nil), program...), GenerationFlag)
	pid, err := syscall.ForkExec(program[0], argv, &syscall.ProcAttr{
		Env: os.Environ(), Files: []uintptr{uintptr(null), uintptr(ends[1]), uintptr(null)},
		Sys: &syscall.SysProcAttr{Setsid: true},
	})
	unix.Close(null)
	unix.Close(ends[1])
	if err != nil {
		return err
	}
	answer := readAnswer(ends[0])
	_ = unix.Kill(-pid, unix.SIGKILL) // it has said what it had to say
	for {
		if _, err := unix.Wait4(pid, nil, 0, nil); !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if answer != Generation {
		return fmt.Errorf("it does not answer as a supervisor that can take over: %.40q", answer)
	}
	return nil
}

// readAnswer reads until there is as much as is expected, or no more comes.
func readAnswer(fd int) string {
	var b [len(Generation)]byte
	n := 0
	for n < len(b) {
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}} //nolint:gosec // descriptors are small
		ready, err := unix.Poll(fds, programPatience)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil || ready == 0 {
			break
		}
		m, err := unix.Read(fd, b[n:])
		if err != nil || m <= 0 {
			break
		}
		n += m
	}
	return string(b[:n])
}
