//go:build unix && !linux

package bridge

import (
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	socketsHaveInodes = false
	hangUpMeansGone   = false // some systems say so when the other side will send no more
)

func newPipe() (fds [2]int, err error) {
	if err := unix.Pipe(fds[:]); err != nil {
		return fds, err
	}
	unix.CloseOnExec(fds[0])
	unix.CloseOnExec(fds[1])
	return fds, nil
}

func dup2(from, to int) error { return unix.Dup2(from, to) }

func closeInherited() { closeEach() }

// resetSignals makes Go handle the signals that the starter ignores, because
// those that it handles have their default meaning in the script.
func resetSignals(...syscall.Signal) {
	handled := make(chan os.Signal, 1) // nobody reads it: this process goes on
	signal.Notify(handled, syscall.SIGTSTP, syscall.SIGTTIN, syscall.SIGTTOU)
	for _, sig := range [...]syscall.Signal{syscall.SIGHUP, syscall.SIGINT} {
		if signal.Ignored(sig) {
			signal.Notify(handled, sig)
		}
	}
}

// accept takes a connection that has arrived.
func accept(listener int) (fd int, err error) {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	if fd, _, err = unix.Accept(listener); err == nil {
		unix.CloseOnExec(fd)
		err = unix.SetNonblock(fd, true)
	}
	return fd, err
}

// poller and waiter would wait without threads.
type (
	poller struct{}
	waiter struct{}
)

func newPoller() (*poller, error) { return &poller{}, nil }

// waiter returns nil: a connection waits in poll(2) here, with a thread.
func (*poller) waiter() *waiter { return nil }

func (*waiter) poll(pfds []unix.PollFd, deadline time.Time) error { return poll(pfds, deadline) }

func (*poller) drop() {}

func (*waiter) forget() {}

func (*waiter) close() {}

// execUnder sets limits of this process and becomes a program. Beside this
// goroutine nothing runs then that could meet those limits.
func execUnder(limits []Limit, path string, argv, env []string) error {
	runtime.GOMAXPROCS(1)
	if err := setLimits(limits); err != nil {
		return err
	}
	return syscall.Exec(path, argv, env)
}

func addNiceness(n int) error {
	now, err := unix.Getpriority(unix.PRIO_PROCESS, 0)
	if err != nil {
		return err
	}
	return unix.Setpriority(unix.PRIO_PROCESS, 0, now+n)
}

func keepParentSignal() {}

func ownPath() (string, error) { return os.Executable() }

func splice(int, int, int) (int64, error) { return 0, unix.ENOSYS }

func openUnnamed(dir string) (int, error) { return openNamed(dir) }

func openMemory() (int, error) { return -1, unix.ENOSYS }

// memoryFile does not exist here: not every system has such files.
func memoryFile(string) (int, error) { return -1, unix.ENOSYS }
