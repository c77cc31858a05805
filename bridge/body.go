package bridge

import (
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"scgikit/internal/nowait"
)

// pipeBody is the longest body that is given to the script in a pipe. It is
// what a pipe holds on Linux; a system that gives less is found out.
const pipeBody = 64 << 10

// openInput makes the script's standard input, and returns how long the body is.
func (x *exchange) openInput(length int64) (stdin int, known int64, err error) {
	if length == unknownLength {
		return x.inputToEnd()
	}
	if !x.opts.StreamBody || length == 0 {
		stdin, err := x.input(length)
		return stdin, length, err
	}
	fds, err := newPipe()
	if err != nil {
		return -1, 0, unable(x.script.name, "pipe", err)
	}
	_ = unix.SetNonblock(fds[1], true)
	x.upload = &upload{left: length, stdin: fds[1], spool: -1}
	return fds[0], length, nil
}

// closeInput closes what openInput has returned.
func (x *exchange) closeInput(stdin int) {
	if x.conn.host == nil || stdin != x.conn.host.null {
		unix.Close(stdin) // of a long body it is a file, whose end may take a while
	}
}

// withLength says how long a body is whose length was not known when the
// environment was made.
func withLength(env []string, length int64) []string {
	const name = "CONTENT_LENGTH="
	if length == 0 || slices.ContainsFunc(env, func(v string) bool { return strings.HasPrefix(v, name) }) {
		return env
	}
	return append(env, name+itoa(length))
}

// input takes a body of that length from the connection and returns what will
// be the script's standard input. Taking all of it first means that a script
// may answer before it reads, or not read at all: nginx stops sending a body
// once it has seen the answer's head, and a script that then waits for the rest
// would wait for ever. It also means that no script starts for half a body, and
// that the input has an end.
func (x *exchange) input(length int64) (stdin int, err error) {
	if length > pipeBody {
		return x.spoolBody(nil, length)
	}
	body := make([]byte, length) // and not more: a client may be slow
	for n := 0; n < len(body); {
		k, err := x.receive(body[n:])
		if err != nil {
			return -1, err
		}
		n += k
	}
	return x.inputOf(body)
}

// inputOf returns an input that holds a body of at most pipeBody bytes.
func (x *exchange) inputOf(body []byte) (stdin int, err error) {
	if len(body) == 0 && x.conn.host != nil {
		return x.conn.host.null, nil
	}
	if len(body) == 0 {
		fd, err := unix.Open(os.DevNull, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			return -1, unable(x.script.name, os.DevNull, err)
		}
		return fd, nil
	}
	fds, err := newPipe()
	if err != nil {
		return -1, unable(x.script.name, "pipe", err)
	}
	defer unix.Close(fds[1])
	_ = unix.SetNonblock(fds[1], true)
	if n, err := unix.Write(fds[1], body); err == nil && n == len(body) {
		return fds[0], nil
	}
	// A user with many pipes gets small ones (pipe(7), pipe-user-pages-soft).
	unix.Close(fds[0])
	return x.spoolBody(body, 0)
}

// inputToEnd is input for a body whose length is known when it is complete, and
// returned.
func (x *exchange) inputToEnd() (stdin int, length int64, err error) {
	fd := -1
	small, large := newSmallBuffer(), (*largeBuffer)(nil)
	defer small.release()
	defer func() { large.release() }()
	buf := small[:]
	have := 0
	for {
		n, err := x.take(buf[have:])
		ended := errors.Is(err, io.EOF) && x.conn.front.stdinDone
		have += n
		length += int64(n)
		switch {
		case ended && fd < 0:
			stdin, err := x.inputOf(buf[:have])
			return stdin, length, err
		case err != nil && !ended:
			closed(fd)
			return -1, 0, x.shortBody(err)
		case length > x.opts.MaxBody:
			closed(fd)
			return -1, 0, tooLong(length, x.opts)
		}
		if have == len(small) && large == nil && !ended {
			large = newLargeBuffer()
			copy(large[:], buf)
			buf = large[:pipeBody]
		}
		if have < len(buf) && !ended {
			continue
		}
		if fd < 0 {
			if fd, err = openSpool(); err != nil {
				return -1, 0, unable(x.script.name, "temporary file for the request body", err)
			}
		}
		err = writeFull(fd, buf[:have])
		have = 0
		if err == nil && ended {
			_, err = unix.Seek(fd, 0, io.SeekStart)
		}
		if err != nil {
			unix.Close(fd)
			return -1, 0, unable(x.script.name, "temporary file for the request body", err)
		}
		if ended {
			return fd, length, nil
		}
	}
}

// spoolBody writes a body to a file without a name: first what is here already,
// then the rest from the connection.
func (x *exchange) spoolBody(have []byte, rest int64) (stdin int, err error) {
	fd, err := openSpool()
	if err != nil {
		return -1, unable(x.script.name, "temporary file for the request body", err)
	}
	if err = writeFull(fd, have); err == nil {
		err = x.copyBody(fd, rest)
	}
	if err == nil {
		_, err = unix.Seek(fd, 0, io.SeekStart)
	}
	if err != nil {
		unix.Close(fd)
		if _, ok := errors.AsType[*refusal](err); !ok {
			err = unable(x.script.name, "temporary file for the request body", err)
		}
		return -1, err
	}
	return fd, nil
}

// copyBody moves that many bytes from the connection to a file.
func (x *exchange) copyBody(fd int, left int64) error {
	var buf []byte // for as long as the client likes
	if left < int64(len(largeBuffer{})) {
		buf = make([]byte, left)
	} else {
		large := newLargeBuffer()
		defer large.release()
		buf = large[:]
	}
	for left > 0 {
		n, err := x.receive(buf[:min(left, int64(len(buf)))])
		if err != nil {
			return err
		}
		if err := writeFull(fd, buf[:n]); err != nil {
			return err
		}
		left -= int64(n)
	}
	return nil
}

// receive reads some of the body, waiting for it at most Timeout.
func (x *exchange) receive(buf []byte) (int, error) {
	n, err := x.take(buf)
	if err != nil {
		return 0, x.shortBody(err)
	}
	return n, nil
}

// take is receive with the errors as they are.
func (x *exchange) take(buf []byte) (int, error) {
	deadline := time.Now().Add(x.opts.Timeout)
	for {
		n, err := x.conn.read(buf)
		switch {
		case n > 0:
			return n, nil
		case err != nil:
			return 0, err
		}
		err = x.conn.poll([]unix.PollFd{{Fd: int32(x.conn.in), Events: unix.POLLIN}}, deadline) //nolint:gosec // a descriptor fits
		if err != nil {
			return 0, err
		}
	}
}

// shortBody is the refusal for a body that did not come.
func (x *exchange) shortBody(err error) error {
	if errors.Is(err, errAborted) {
		return refuse(0, x.script.name, err.Error()+"; the script was not started")
	}
	if broken, ok := errors.AsType[protocolError](err); ok {
		x.conn.front.fail()
		return refuse(400, x.script.name, "request body: "+broken.Error())
	}
	if errors.Is(err, errTime) {
		return refuse(408, x.script.name, "the request body did not arrive in time; the script was not started")
	}
	if x.conn.front != nil && x.conn.front.stdinDone {
		return refuse(400, x.script.name, "the request body is shorter than CONTENT_LENGTH; the script was not started")
	}
	return refuse(400, x.script.name, "the connection ended inside the request body; the script was not started")
}

// read takes what has arrived of the body, without blocking if the connection is
// a socket. Nothing yet is 0 and no error, the end is io.EOF.
func (c *connection) read(buf []byte) (int, error) {
	if c.front != nil {
		return c.front.read(buf)
	}
	return c.receive(buf)
}

// receive is read for the bytes of the connection.
func (c *connection) receive(buf []byte) (int, error) {
	for {
		var n int
		var err error
		if c.socket {
			n, err = nowait.Recv(c.in, buf, 0)
		} else {
			n, err = unix.Read(c.in, buf)
		}
		switch {
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EAGAIN):
			return 0, nil
		case err != nil:
			return 0, err
		case n == 0:
			return 0, io.EOF
		default:
			return n, nil
		}
	}
}

func writeFull(fd int, p []byte) error {
	for len(p) > 0 {
		n, err := unix.Write(fd, p)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return err
		}
		p = p[max(n, 0):]
	}
	return nil
}

// openSpool opens a file that has no name, in the folder for temporary files.
func openSpool() (int, error) {
	folders := []string{os.Getenv("TMPDIR"), "/tmp", "/var/tmp"}
	var last error
	for _, dir := range folders {
		if dir == "" {
			continue
		}
		fd, err := openUnnamed(dir)
		if err == nil {
			return fd, nil
		}
		last = err
	}
	// A sandbox may have no folder to write to.
	if fd, err := openMemory(); err == nil {
		return fd, nil
	}
	return -1, last
}

// openNamed is openUnnamed for systems and file systems that know only files
// with names.
func openNamed(dir string) (int, error) {
	f, err := os.CreateTemp(dir, "scgi-run-")
	if err != nil {
		return -1, err
	}
	defer func() { _ = f.Close() }()
	if err := os.Remove(f.Name()); err != nil { //nolint:gosec // the name is CreateTemp's
		return -1, err
	}
	return unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 3)
}
