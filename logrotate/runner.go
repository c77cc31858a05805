package logrotate

import (
	"errors"
	"math"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Runner is the loop for one Logger. Its methods but Run are for any goroutine.
type Runner struct {
	stop, rotate   atomic.Bool
	wakeIn, wakeup int // ends of a pipe: a byte in it ends every wait
	signalled      bool
}

// NewRunner makes a Runner. Its Wake is for Config.Wake.
func NewRunner() (*Runner, error) {
	var ends [2]int
	if err := unix.Pipe(ends[:]); err != nil {
		return nil, err
	}
	r := &Runner{wakeIn: ends[0], wakeup: ends[1], signalled: runtimeSignals()}
	for _, fd := range ends {
		unix.CloseOnExec(fd)
		if err := unix.SetNonblock(fd, true); err != nil {
			r.Close()
			return nil, err
		}
	}
	return r, nil
}

// Close gives the pipe back. Nothing may be asked of the Runner any more.
func (r *Runner) Close() {
	unix.Close(r.wakeIn)
	unix.Close(r.wakeup)
}

// Stop ends the log after the line that has begun.
func (r *Runner) Stop() {
	r.stop.Store(true)
	r.Wake()
}

// Rotate finishes every current that is not empty.
func (r *Runner) Rotate() {
	r.rotate.Store(true)
	r.Wake()
}

// Wake ends a wait. A byte that finds no room is not needed: others are there.
func (r *Runner) Wake() { _, _ = unix.Write(r.wakeup, []byte{0}) }

// Run has the Logger work until it is done. A lock file that somebody cut off
// under the record that is mapped from it ends the log with an error.
func (r *Runner) Run(l *Logger) error {
	return guarded(func() error { return r.loop(l) })
}

func (r *Runner) loop(l *Logger) error {
	fds := [2]unix.PollFd{
		{Fd: int32(r.wakeIn), Events: unix.POLLIN},    //nolint:gosec // descriptors are small
		{Fd: int32(l.cfg.Input), Events: unix.POLLIN}, //nolint:gosec // descriptors are small
	}
	for {
		if r.stop.Load() {
			l.Stop()
		}
		if r.rotate.CompareAndSwap(true, false) {
			l.Rotate()
		}
		wait := l.Step()
		if wait.Done {
			return l.Err()
		}
		watched := fds[:1]
		if wait.Input {
			watched = fds[:]
		}
		timeout := time.Duration(-1)
		if !wait.Until.IsZero() {
			timeout = max(time.Until(wait.Until), 0)
		}
		fds[0].Revents, fds[1].Revents = 0, 0
		if err := pollNow(watched, timeout, r.signalled && wait.Input); err != nil {
			return err
		}
		if fds[0].Revents != 0 {
			r.drainWakes()
		}
	}
}

// drainWakes empties the pipe. What the bytes were for was set before they were
// written, and is looked at after this.
func (r *Runner) drainWakes() {
	var b [64]byte
	for {
		if n, err := unix.Read(r.wakeIn, b[:]); n < len(b) || err != nil {
			return
		}
	}
}

// pollLong waits as long as it takes.
func pollLong(fds []unix.PollFd, timeout time.Duration) error {
	_, err := unix.Poll(fds, milliseconds(timeout))
	if errors.Is(err, unix.EINTR) {
		return nil
	}
	return err
}

// milliseconds rounds up, so that a wait is not over too early again and again.
func milliseconds(d time.Duration) int {
	if d < 0 {
		return -1
	}
	return int(min((d+time.Millisecond-1)/time.Millisecond, math.MaxInt32))
}
