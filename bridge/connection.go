package bridge

import (
	"errors"
	"time"

	"golang.org/x/sys/unix"

	"scgikit/internal/nowait"
	"scgikit/internal/scgi"
)

var errNotPlain = errors.New("not a plain file with one name")

// lingerTime bounds the wait for the client to close after the answer.
const lingerTime = 2 * time.Second

// connection is the web server's end of the request.
type connection struct {
	in, out  int  // file descriptors; the same socket, or a pair of anything
	socket   bool // in and out are one socket
	begun    bool // part of an answer is on its way
	complete bool // the present request's body has been received
	shut     bool // nothing can be sent any more
	done     bool // finish has been called

	waiter *waiter // nil waits in poll(2), and with it a thread
	host   *host   // nil if this process serves this connection alone
	// Under the lock of host: where it is in the list of those that are open, and
	// whether the present request's header block is here.
	place    int
	received bool

	front *front // nil unless the web server speaks FastCGI
}

// openConnection looks at what the process was started with. A socket on file
// descriptor 0 is the connection in both directions, wherever 1 leads: systemd
// may have it in the journal.
func openConnection() *connection {
	var st unix.Stat_t
	if unix.Fstat(0, &st) == nil && fileType(&st) == unix.S_IFSOCK {
		return &connection{in: 0, out: 0, socket: true}
	}
	return &connection{in: 0, out: 1}
}

func fileType(st *unix.Stat_t) uint32 {
	return uint32(st.Mode) & unix.S_IFMT //nolint:unconvert // the type differs between systems
}

// is reports whether a file descriptor may lead to the client. Linux gives
// every socket an inode number of its own; elsewhere any socket may be it. A
// descriptor that is not open counts as one that must be replaced.
func (c *connection) is(fd int) bool {
	var st, own unix.Stat_t
	if unix.Fstat(fd, &st) != nil {
		return true
	}
	if unix.Fstat(c.out, &own) != nil || fileType(&st) != fileType(&own) {
		return false
	}
	if c.socket && !socketsHaveInodes {
		return true
	}
	return st.Dev == own.Dev && st.Ino == own.Ino && fileType(&st) != unix.S_IFCHR
}

// moveTo makes a file descriptor the one with that number, and open in
// programs started from here.
func moveTo(fd, number int) error { return dup2(fd, number) }

// nonBlocking prepares the connection for the loop around poll. Only a socket
// is changed: a pipe or a terminal may be shared with somebody else.
func (c *connection) nonBlocking() {
	if c.socket && c.host == nil {
		_ = unix.SetNonblock(c.in, true)
	}
}

// request receives a request's header block.
func (c *connection) request(deadline time.Time) (scgi.Request, error) {
	if c.waiter == nil {
		return scgi.Receive(c.in, deadline)
	}
	return scgi.ReceiveWaiting(c.in, deadline, func(deadline time.Time) error {
		err := c.poll([]unix.PollFd{{Fd: int32(c.in), Events: unix.POLLIN}}, deadline) //nolint:gosec // a descriptor fits
		if errors.Is(err, errTime) {
			return scgi.ErrTimeout
		}
		return err
	})
}

// write sends what it can of an answer without blocking. The connection must be
// writable if it is not a socket. FastCGI may have taken more than it has sent: see
// unsent.
func (c *connection) write(p []byte) (int, error) {
	if c.front != nil {
		return c.front.write(p)
	}
	return c.send(p, nil)
}

// unsent reports whether bytes that write has taken are still to be sent.
func (c *connection) unsent() bool { return c.front != nil && len(c.front.unsent) > 0 }

// send sends what it can of p, and of q after it, without blocking. Both can be
// given only to a socket.
func (c *connection) send(p, q []byte) (int, error) {
	for {
		var n int
		var err error
		switch {
		case c.socket && q != nil:
			n, err = nowait.SendBoth(c.out, p, q)
		case c.socket:
			n, err = nowait.Send(c.out, p)
		default:
			n, err = unix.Write(c.out, p)
		}
		switch {
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EAGAIN):
			return 0, nil
		case err != nil:
			return 0, err
		default:
			c.begun = c.begun || (n > 0 && c.front == nil) // its answers are not all that is sent
			return n, nil
		}
	}
}

// writeAll sends all of p, or gives up at the deadline.
func (c *connection) writeAll(p []byte, deadline time.Time) error {
	for len(p) > 0 {
		if err := c.poll([]unix.PollFd{{Fd: int32(c.out), Events: unix.POLLOUT}}, deadline); err != nil { //nolint:gosec // a descriptor fits
			return err
		}
		n, err := c.write(p)
		if err != nil {
			return err
		}
		p = p[n:]
	}
	return nil
}

// refuse logs an error, once, and answers with its status if no answer has
// begun.
func (c *connection) refuse(err error, log *logger) {
	r, ok := errors.AsType[*refusal](err)
	if !ok {
		r = &refusal{status: 500, message: err.Error()}
	}
	if r.reported {
		return
	}
	r.reported = true
	text := r.message
	answers := r.status != 0 && !c.begun && (c.front == nil || c.front.id != 0)
	if answers {
		text += " (answered " + itoa(r.status) + ")"
	}
	log.line(failure, r.script, text)
	if answers {
		// The client may be gone; then there is nobody to tell.
		_ = c.writeAll(errorAnswer(r.status), time.Now().Add(lingerTime))
	}
}

// errorAnswer is a response that says what went wrong in the status's own words
// and nothing about this machine.
func errorAnswer(status int) []byte {
	line := itoa(status) + " " + scgi.Reason(status)
	answer := "Status: " + line + "\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: " + itoa(len(line)+1) + "\r\n"
	if status == 503 {
		answer += "Retry-After: 1\r\n"
	}
	return []byte(answer + "\r\n" + line + "\n")
}

// endAnswer says that no more will come.
func (c *connection) endAnswer() {
	if c.front != nil {
		c.front.end(time.Now().Add(lingerTime))
		if c.front.keep {
			return
		}
	}
	switch {
	case c.shut:
	case c.socket:
		nowait.Shutdown(c.out, unix.SHUT_WR)
	default:
		_ = unix.Close(c.out)
	}
	c.shut = true
}

// finish ends the answer so that the client gets all of it: it says that no
// more will come, then takes in what the client still sends until the client
// closes. Closing with unread bytes would reset the connection instead, and an
// answer that is still on its way would be lost; a client that is still sending
// may not even look for it. The order matters as well: nginx closes when it has
// seen the end, not before. A client that has sent all it had to is not waited for.
func (c *connection) finish() {
	if c.done {
		return
	}
	c.done = true
	if c.host != nil && !c.shut && c.allIsHere() {
		return // it is closed at once, which says it as well
	}
	c.endAnswer()
	if !c.socket {
		return
	}
	c.discard(time.Now().Add(lingerTime))
	if c.host != nil {
		return // which closes it
	}
	// Nothing is gained by an error here. The number stays taken, so that no
	// later file becomes the standard input of anything.
	null, err := unix.Open("/dev/null", unix.O_RDWR, 0)
	if err != nil {
		_ = unix.Close(c.in)
		return
	}
	for fd := range 2 {
		_ = dup2(null, fd)
	}
}

// allIsHere reports whether the client has sent what it has announced and no more.
func (c *connection) allIsHere() bool {
	if !c.complete || c.front != nil && !c.front.stdinDone {
		return false
	}
	var buf [1]byte
	n, _ := nowait.Recv(c.in, buf[:], 0)
	c.complete = n <= 0 // else who knows how much more there is
	return c.complete
}

// discard reads until the other side closes, or has nothing more to send, or the
// deadline.
func (c *connection) discard(deadline time.Time) {
	waits := !c.complete || c.front != nil && !c.front.stdinDone
	var buf [512]byte // mostly there is nothing but the end
	for {
		n, err := nowait.Recv(c.in, buf[:], 0)
		switch {
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EAGAIN) && !waits:
			return
		case errors.Is(err, unix.EAGAIN):
			if c.poll([]unix.PollFd{{Fd: int32(c.in), Events: unix.POLLIN}}, deadline) != nil { //nolint:gosec // a descriptor fits
				return
			}
		case err != nil || n == 0 || time.Now().After(deadline):
			return
		default:
			waits = true // this was not announced, and who knows how much it is
		}
	}
}

// errTime is a deadline that has passed.
var errTime = errors.New("timed out")

// poll waits until one of the descriptors has something to say, or errTime.
func (c *connection) poll(pfds []unix.PollFd, deadline time.Time) error {
	if c.waiter != nil {
		return c.waiter.poll(pfds, deadline)
	}
	return poll(pfds, deadline)
}

// poll is connection.poll that keeps its thread while it waits.
// Call it with pfds that keep their results where those matter.
func poll(pfds []unix.PollFd, deadline time.Time) error {
	for {
		left := max(time.Until(deadline), 0)
		n, err := unix.Poll(pfds, int((left+time.Millisecond-1)/time.Millisecond))
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return err
		case n > 0:
			return nil
		case left == 0:
			return errTime
		}
	}
}
