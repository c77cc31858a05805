package devserver

import (
	"context"
	"fmt"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"scgikit/internal/appfile"
)

const (
	// closeGrace is how long a program may run on after its connection is
	// closed: it sees the end of file and should end by itself.
	closeGrace = 2 * time.Second

	// overtime is added to run.request_timeout, which the bridge keeps itself,
	// before dev steps in.
	overtime = 5 * time.Second
)

// oneshot is an app that a super-server would start for each request: a program
// gets the connection as descriptors 0 and 1, as from inetd, and serves one
// SCGI request. Unlike under inetd its standard error is the log.
type oneshot struct {
	desc    *appfile.App
	program program
	spawner *spawner
	slots   chan struct{} // as many as run.max_concurrent

	mu      sync.Mutex
	closing chan struct{} // closed when run is about to end
	running sync.WaitGroup
	hurry   <-chan struct{}
}

func newOneshot(desc *appfile.App, p *program, s *spawner) *oneshot {
	return &oneshot{
		desc: desc, program: *p, spawner: s,
		slots:   make(chan struct{}, desc.Run.MaxConcurrent),
		closing: make(chan struct{}),
	}
}

// run waits for the end, and for the programs that still run then.
func (o *oneshot) run(ctx context.Context, hurry <-chan struct{}) {
	<-ctx.Done()
	o.mu.Lock()
	o.hurry = hurry
	close(o.closing)
	o.mu.Unlock()
	o.running.Wait()
}

// facts returns nothing: what there is to say is about one request's program.
func (o *oneshot) facts() []fact { return nil }

func (o *oneshot) keepsAddress() bool { return false }

// connect starts the program, once there are fewer than run.max_concurrent.
func (o *oneshot) connect(ctx context.Context, limit time.Duration) (*link, error) {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case o.slots <- struct{}{}:
	case <-timer.C:
		return nil, &downError{reason: fmt.Sprintf("%s serves %d requests already (run.max_concurrent)", o.desc.Name, cap(o.slots)), retry: time.Second}
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	l, err := o.start()
	if err != nil {
		<-o.slots
		return nil, &downError{reason: fmt.Sprintf("%s can not start: %v", o.desc.Name, err)}
	}
	return l, nil
}

// start makes a pair of connected sockets and a program on one of them.
func (o *oneshot) start() (*link, error) {
	ours, theirs, err := socketPair()
	if err != nil {
		return nil, err
	}
	defer theirs.Close() //nolint:errcheck // our copy of the child's end
	p := o.program
	p.conn = theirs

	// The lock keeps a start from slipping in behind run's last look.
	o.mu.Lock()
	defer o.mu.Unlock()
	select {
	case <-o.closing:
		ours.Close() //nolint:errcheck // nothing was sent
		return nil, context.Canceled
	default:
	}
	proc, err := o.spawner.start(&p)
	if err != nil {
		ours.Close() //nolint:errcheck // nothing was sent
		return nil, err
	}
	conn := &closeNotifier{Conn: ours, closed: make(chan struct{})}
	o.running.Go(func() { o.watch(proc, conn.closed) })
	return &link{Conn: conn, gone: proc.done, how: func() string { return proc.how }}, nil
}

// watch waits for the program and ends it where it does not end by itself: in
// run.request_timeout, soon after its connection is closed, or with dev.
func (o *oneshot) watch(proc *process, closed <-chan struct{}) {
	defer func() { <-o.slots }()
	limit := time.NewTimer(o.desc.Run.RequestTimeout + overtime)
	defer limit.Stop()
	closing := o.closing
	for {
		select {
		case <-proc.done:
			proc.sweep(nil)
			return
		case <-closed:
			closed = nil
			limit.Reset(closeGrace)
			continue
		case <-limit.C:
			proc.stop(syscall.SIGTERM, o.desc.Run.StopTimeout, closing)
			return
		case <-closing:
			o.mu.Lock()
			hurry := o.hurry
			o.mu.Unlock()
			proc.stop(syscall.SIGTERM, o.desc.Run.StopTimeout, hurry)
			return
		}
	}
}

// closeNotifier is a connection that tells when it is closed.
type closeNotifier struct {
	net.Conn
	once   sync.Once
	closed chan struct{}
}

func (c *closeNotifier) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.Conn.Close()
}

// socketPair returns two connected stream sockets, one for us and one for a
// child.
func socketPair() (ours net.Conn, theirs *os.File, err error) {
	// Not every system takes SOCK_CLOEXEC here, so no child may start between
	// the two calls.
	syscall.ForkLock.RLock()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err == nil {
		syscall.CloseOnExec(fds[0])
		syscall.CloseOnExec(fds[1])
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	near := os.NewFile(uintptr(fds[0]), "socketpair")
	theirs = os.NewFile(uintptr(fds[1]), "socketpair")
	ours, err = net.FileConn(near)
	near.Close() //nolint:errcheck // FileConn has a copy
	if err != nil {
		theirs.Close() //nolint:errcheck // nothing was sent
		return nil, nil, err
	}
	return ours, theirs, nil
}
