//go:build unix

package scgi

import (
	"errors"
	"io"
	"time"

	"golang.org/x/sys/unix"

	"scgikit/internal/nowait"
)

// ErrTimeout is a request whose header block was not complete in time.
var ErrTimeout = errors.New("the request's header block did not arrive in time")

// Receive reads one request's header block from a file descriptor, and not one
// byte more, so that whoever gets the descriptor next finds the body on it.
//
// On a stream socket that takes two system calls when the request has arrived:
// one looks at the netstring's length and leaves it there, the other takes the
// block. On a pipe or a file the length is read byte by byte.
//
// The deadline is for the whole block, so that a client that sends one byte now
// and then does not hold it up. Receive does not change the descriptor's flags.
// Errors are those of ReadRequest, ErrTimeout, and the system's.
func Receive(fd int, deadline time.Time) (Request, error) {
	return ReceiveWaiting(fd, deadline, nil)
}

// ReceiveWaiting is Receive that waits for a readable descriptor by calling
// wait, which returns ErrTimeout at the deadline; nil waits in poll(2), and with
// it a thread.
func ReceiveWaiting(fd int, deadline time.Time, wait func(deadline time.Time) error) (Request, error) {
	in := &descriptor{fd: fd, deadline: deadline, socket: true, waiting: wait}
	prefix, length, err := in.prefix()
	if err != nil {
		return Request{}, err
	}
	block, err := in.block(prefix + length + 1)
	if err != nil {
		return Request{}, err
	}
	return parseBlock(block[prefix:], in.taken-len(block)+prefix)
}

// descriptor reads from a file descriptor that may or may not be a socket, with
// a deadline.
type descriptor struct {
	fd       int
	deadline time.Time
	socket   bool // until a call says otherwise
	taken    int  // bytes consumed
	waiting  func(deadline time.Time) error
}

// prefix finds the netstring's length and returns it with the number of bytes
// that still stand before the block.
func (d *descriptor) prefix() (size, length int, err error) {
	buf := make([]byte, maxPrefix)
	have := 0 // consumed bytes at the start of buf
	for {
		n, err := d.peek(buf[have:])
		if err == io.EOF && have > 0 { //nolint:errorlint // peek returns it unwrapped
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return 0, 0, err
		}
		length, size, err := parsePrefix(buf[:have+n])
		if err == nil && d.socket {
			return size - have, length, nil
		}
		if err == nil { // bytes of a pipe are consumed one by one, so nothing is left over
			return 0, length, nil
		}
		if !errors.Is(err, io.ErrUnexpectedEOF) {
			return 0, 0, err
		}
		// A correct beginning: take it, or the next look would return at once
		// with the same bytes, for as long as the rest is on its way.
		if d.socket {
			if err := d.full(buf[have : have+n]); err != nil {
				return 0, 0, err
			}
		}
		have += n
	}
}

// peek returns bytes that a socket has for us without taking them; of a pipe it
// takes one.
func (d *descriptor) peek(buf []byte) (int, error) {
	if d.socket {
		n, err := d.retry(func() (int, error) {
			return nowait.Recv(d.fd, buf, unix.MSG_PEEK)
		})
		if !errors.Is(err, unix.ENOTSOCK) {
			return n, err
		}
		d.socket = false
	}
	n, err := d.read(buf[:1])
	d.taken += n
	return n, err
}

// block reads that many bytes. A length is easily said: memory is taken as the
// bytes arrive.
func (d *descriptor) block(size int) ([]byte, error) {
	const first = 16 << 10
	have := 0
	buf := make([]byte, min(size, first))
	for {
		if err := d.full(buf[have:]); err != nil {
			return nil, err
		}
		if have = len(buf); have == size {
			return buf, nil
		}
		longer := make([]byte, min(size, 2*have))
		copy(longer, buf)
		buf = longer
	}
}

// full reads until buf is full.
func (d *descriptor) full(buf []byte) error {
	for len(buf) > 0 {
		n, err := d.read(buf)
		if err == io.EOF { //nolint:errorlint // read returns it unwrapped
			return io.ErrUnexpectedEOF
		}
		if err != nil {
			return err
		}
		d.taken += n
		buf = buf[n:]
	}
	return nil
}

func (d *descriptor) read(buf []byte) (int, error) {
	return d.retry(func() (int, error) {
		if d.socket {
			return nowait.Recv(d.fd, buf, 0)
		}
		if err := d.wait(); err != nil { // the descriptor may block
			return 0, err
		}
		return unix.Read(d.fd, buf)
	})
}

// retry calls until there is data, an end (io.EOF), an error or no time left.
func (d *descriptor) retry(call func() (int, error)) (int, error) {
	for {
		n, err := call()
		switch {
		case err == nil && n == 0:
			return 0, io.EOF
		case err == nil:
			return n, nil
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EAGAIN):
			if err := d.wait(); err != nil {
				return 0, err
			}
		default:
			return 0, err
		}
	}
}

// wait returns when there is something to read, or ErrTimeout.
func (d *descriptor) wait() error {
	if d.waiting != nil {
		return d.waiting(d.deadline)
	}
	fds := []unix.PollFd{{Fd: int32(d.fd), Events: unix.POLLIN}} //nolint:gosec // a descriptor fits
	for {
		left := time.Until(d.deadline)
		if left <= 0 {
			return ErrTimeout
		}
		// Round up, so that the last wait does not end just before the deadline.
		n, err := unix.Poll(fds, int((left+time.Millisecond-1)/time.Millisecond))
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return err
		case n > 0:
			return nil
		}
	}
}
