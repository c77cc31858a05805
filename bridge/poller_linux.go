package bridge

import (
	"errors"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"scgikit/internal/nowait"
)

// poller lets all connections wait without threads: an epoll descriptor stands for
// all their descriptors in the run-time's own poller.
//
// It tells only that something has changed; poll(2) with no wait then says whether
// it is what was asked for. So a descriptor is added once, changed if more of its
// events matter than before, and leaves by being closed.
//
// Source: epoll(7), "edge-triggered"; os.NewFile about descriptors that do not
// block.
type poller struct {
	file *os.File
	raw  syscall.RawConn
	fd   int

	mu      sync.Mutex
	waiters []*waiter // by number; nil are free
	free    []*waiter
	alarm   *time.Timer
	ringsAt time.Time // when alarm does; the zero time is never
}

// waiter is what a connection waits with.
type waiter struct {
	poller *poller
	number int32
	wake   chan struct{}     // full if something has changed
	until  time.Time         // the deadline; under the lock of poller
	added  []unix.EpollEvent // by descriptor; Fd is that
}

// alarmPause is the time between two looks at the deadlines.
const alarmPause = 2 * time.Millisecond

func newPoller() (*poller, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		unix.Close(fd)
		return nil, os.NewSyscallError("fcntl", err)
	}
	p := &poller{file: os.NewFile(uintptr(fd), "epoll"), fd: fd}
	if p.raw, err = p.file.SyscallConn(); err == nil {
		// Fails if the run-time does not poll it, and so would block.
		err = p.file.SetReadDeadline(time.Time{})
	}
	if err != nil {
		_ = p.file.Close()
		return nil, err
	}
	p.alarm = time.AfterFunc(time.Hour, p.ring)
	p.alarm.Stop()
	go p.run()
	return p, nil
}

// run wakes waiters for as long as the process lives.
func (p *poller) run() {
	events := make([]unix.EpollEvent, 64)
	_ = p.raw.Read(func(uintptr) bool {
		for {
			n, err := nowait.EpollWait(p.fd, events)
			if err != nil && !errors.Is(err, unix.EINTR) {
				return true
			}
			p.wake(events[:n])
			if n < len(events) {
				return false
			}
		}
	})
}

func (p *poller) wake(events []unix.EpollEvent) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range events {
		// It may be another one by now that has the number: it looks in vain.
		if number := int(events[i].Fd); number < len(p.waiters) && p.waiters[number] != nil {
			p.waiters[number].awake()
		}
	}
}

// awake ends the waiter's wait, or its next one.
func (w *waiter) awake() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// ring wakes waiters whose time has come, and sets the alarm for the next one.
func (p *poller) ring() {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	p.ringsAt = time.Time{}
	for _, w := range p.waiters {
		switch {
		case w == nil || w.until.IsZero():
		case !now.Before(w.until):
			w.until = time.Time{}
			w.awake()
		case p.ringsAt.IsZero() || w.until.Before(p.ringsAt):
			p.ringsAt = w.until
		}
	}
	if !p.ringsAt.IsZero() {
		p.alarm.Reset(max(p.ringsAt.Sub(now), alarmPause))
	}
}

// wakeAt has a waiter woken at a time. Deadlines come in the order of requests, mostly,
// and hardly any is reached: so one alarm is there for all, and the one that has been
// set is early enough for those that come later.
func (p *poller) wakeAt(w *waiter, until time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	w.until = until
	if p.ringsAt.IsZero() || until.Before(p.ringsAt) {
		p.ringsAt = until
		p.alarm.Reset(time.Until(until))
	}
}

// waiter returns a waiter.
func (p *poller) waiter() *waiter {
	p.mu.Lock()
	defer p.mu.Unlock()
	if last := len(p.free) - 1; last >= 0 {
		w := p.free[last]
		p.free = p.free[:last]
		p.waiters[w.number] = w
		return w
	}
	number := int32(len(p.waiters)) //nolint:gosec // there are no more than descriptors
	w := &waiter{poller: p, number: number, wake: make(chan struct{}, 1)}
	p.waiters = append(p.waiters, w)
	return w
}

// close gives the waiter back.
func (w *waiter) close() {
	w.forget()
	w.poller.mu.Lock()
	defer w.poller.mu.Unlock()
	w.until = time.Time{}
	w.poller.waiters[w.number] = nil
	w.poller.free = append(w.poller.free, w)
}

// drop gives memory back, if nothing waits.
func (p *poller) drop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.free) == len(p.waiters) {
		p.free, p.waiters = nil, nil
	}
}

// poll waits until one of the descriptors has something to say, or errTime.
func (w *waiter) poll(pfds []unix.PollFd, deadline time.Time) error {
	now := time.Now()
	known := !now.Before(deadline) // whether something can be there that wakes nobody
	for i := range pfds {
		added, err := w.add(pfds[i])
		if err != nil {
			return err
		}
		known = known || !added
	}
	for {
		if known {
			if ready, err := pollNow(pfds); ready || err != nil {
				return err
			}
			if now = time.Now(); !now.Before(deadline) {
				return errTime
			}
		}
		known = true
		w.poller.wakeAt(w, deadline)
		<-w.wake
	}
}

// add adds a descriptor with its events.
func (w *waiter) add(pfd unix.PollFd) (added bool, err error) {
	if pfd.Fd < 0 {
		return true, nil
	}
	// The bits of events are those of poll(2).
	events := uint32(pfd.Events) //nolint:gosec // as said
	i := slices.IndexFunc(w.added, func(e unix.EpollEvent) bool { return e.Fd == pfd.Fd })
	how := unix.EPOLL_CTL_MOD
	switch {
	case i < 0:
		how = unix.EPOLL_CTL_ADD
		i = len(w.added)
		w.added = append(w.added, unix.EpollEvent{Events: unix.EPOLLET, Fd: pfd.Fd})
	case w.added[i].Events&events == events:
		return false, nil
	}
	w.added[i].Events |= events
	event := unix.EpollEvent{Events: w.added[i].Events, Fd: w.number}
	err = nowait.EpollCtl(w.poller.fd, how, int(pfd.Fd), &event)
	if errors.Is(err, unix.EEXIST) { // it was forgotten, and is open
		err = nowait.EpollCtl(w.poller.fd, unix.EPOLL_CTL_MOD, int(pfd.Fd), &event)
	}
	return how == unix.EPOLL_CTL_ADD, os.NewSyscallError("epoll_ctl", err)
}

// forget forgets descriptors, which have been closed; others are added anew.
func (w *waiter) forget() {
	w.added = w.added[:0]
}

// pollNow is poll(2) without a wait.
func pollNow(pfds []unix.PollFd) (ready bool, err error) {
	for {
		n, err := nowait.Poll(pfds)
		if !errors.Is(err, unix.EINTR) {
			return n > 0, err
		}
	}
}
