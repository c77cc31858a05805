package bridge

import (
	"errors"
	"os"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// poller waits as poll(2) does, but without a thread: with the run-time's own
// poller, in which an epoll descriptor stands for all descriptors of a
// connection.
//
// The epoll descriptor tells only that something has changed; poll(2) with no
// wait then says whether it is what was asked for. So a descriptor is added once,
// changed if more of its events matter than before, and leaves by being closed.
//
// Source: epoll(7), "edge-triggered"; os.NewFile about descriptors that do not
// block.
type poller struct {
	epoll *os.File
	raw   syscall.RawConn
	fd    int
	added []unix.EpollEvent
}

func newPoller() (*poller, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		unix.Close(fd)
		return nil, os.NewSyscallError("fcntl", err)
	}
	p := &poller{epoll: os.NewFile(uintptr(fd), "epoll"), fd: fd}
	if p.raw, err = p.epoll.SyscallConn(); err == nil {
		// Fails if the run-time does not poll it, and so would block.
		err = p.epoll.SetReadDeadline(time.Time{})
	}
	if err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

func (p *poller) close() { _ = p.epoll.Close() }

// poll waits until one of the descriptors has something to say, or errTime.
func (p *poller) poll(pfds []unix.PollFd, deadline time.Time) error {
	var ready bool
	var err error
	if !time.Now().Before(deadline) {
		if ready, err = pollNow(pfds); !ready && err == nil {
			err = errTime
		}
		return err
	}
	for i := range pfds {
		if err := p.add(pfds[i]); err != nil {
			return err
		}
	}
	if err := p.epoll.SetReadDeadline(deadline); err != nil {
		return err
	}
	// It looks first, and then waits.
	failed := p.raw.Read(func(uintptr) bool {
		ready, err = pollNow(pfds)
		return ready || err != nil
	})
	if errors.Is(failed, os.ErrDeadlineExceeded) {
		return errTime
	}
	return errors.Join(err, failed)
}

// add adds a descriptor with its events.
func (p *poller) add(pfd unix.PollFd) error {
	if pfd.Fd < 0 {
		return nil
	}
	// The bits of events are those of poll(2).
	events := uint32(pfd.Events) //nolint:gosec // as said
	i := slices.IndexFunc(p.added, func(e unix.EpollEvent) bool { return e.Fd == pfd.Fd })
	how := unix.EPOLL_CTL_MOD
	switch {
	case i < 0:
		how = unix.EPOLL_CTL_ADD
		i = len(p.added)
		p.added = append(p.added, unix.EpollEvent{Events: unix.EPOLLET, Fd: pfd.Fd})
	case p.added[i].Events&events == events:
		return nil
	}
	p.added[i].Events |= events
	err := unix.EpollCtl(p.fd, how, int(pfd.Fd), &p.added[i])
	if errors.Is(err, unix.EEXIST) { // it was forgotten, and is open
		err = unix.EpollCtl(p.fd, unix.EPOLL_CTL_MOD, int(pfd.Fd), &p.added[i])
	}
	return os.NewSyscallError("epoll_ctl", err)
}

// forget forgets descriptors, which have been closed; others are added anew.
func (p *poller) forget() {
	p.added = p.added[:0]
}

// pollNow is poll(2) without a wait.
func pollNow(pfds []unix.PollFd) (ready bool, err error) {
	for {
		n, err := unix.Poll(pfds, 0)
		if !errors.Is(err, unix.EINTR) {
			return n > 0, err
		}
	}
}
