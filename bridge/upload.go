package bridge

import (
	"errors"
	"io"

	"golang.org/x/sys/unix"
)

// upload is a request body on its way to a script that has been started before
// all of it was there.
//
// What the script does not take at once waits in a file, so the body is always
// taken from the connection as it comes; and the answer is held back until all
// of it has come. nginx stops sending a body when it sees the answer's head:
// without the first rule a script that answers early, and without the second
// one that writes much before it reads, would wait for ever.
type upload struct {
	left  int64 // bytes still to come
	stdin int   // writing end of the script's input, -1 once that is closed
	spool int   // the file, -1 until it is needed
	wrote int64 // bytes put into the file
	gave  int64 // bytes of those that the script has taken
}

// waiting reports whether there are bytes for the script, or its end of input.
func (u *upload) waiting() bool { return u.stdin >= 0 && u.gave < u.wrote }

// moveBody takes body from the connection, if there is some, and gives the
// script what it takes.
func (x *exchange) moveBody(arrived bool) error {
	u := x.upload
	large := newLargeBuffer()
	defer large.release()
	for arrived {
		buf := large[:min(u.left, int64(len(large)))]
		n, err := x.conn.read(buf)
		if err != nil && x.conn.front != nil {
			return x.brokenBody(err)
		}
		if err != nil {
			return refuse(400, x.script.name, "the connection ended inside the request body; the script is ended")
		}
		if n > 0 {
			x.touch()
		}
		u.left -= int64(n)
		if err := u.take(buf[:n]); err != nil {
			return unable(x.script.name, "temporary file for the request body", err)
		}
		// What was received and not looked at wakes nobody.
		arrived = n > 0 && u.left > 0 && x.conn.front != nil && x.conn.front.waiting()
	}
	if u.waiting() {
		moved, err := u.feed(large[:])
		if err != nil {
			return unable(x.script.name, "temporary file for the request body", err)
		}
		if moved {
			x.touch()
		}
	}
	if u.left == 0 && !u.waiting() {
		u.closeInput()
	}
	if u.left == 0 {
		return x.flush() // a head that was held back
	}
	return nil
}

// brokenBody is the refusal for a FastCGI body that has ended early.
func (x *exchange) brokenBody(err error) error {
	switch {
	case x.conn.front.stdinDone:
		return refuse(400, x.script.name, "the request body is shorter than CONTENT_LENGTH; the script is ended")
	case errors.Is(err, io.EOF):
		return refuse(400, x.script.name, "the connection ended inside the request body; the script is ended")
	}
	return x.unwanted(err)
}

// take passes bytes to the script, and the rest to the file.
func (u *upload) take(p []byte) error {
	if u.stdin >= 0 && u.gave == u.wrote {
		p = p[u.give(p):]
	}
	if len(p) == 0 || u.stdin < 0 {
		return nil
	}
	if u.spool < 0 {
		fd, err := openSpool()
		if err != nil {
			return err
		}
		u.spool = fd
	}
	if _, err := unix.Seek(u.spool, u.wrote, 0); err != nil {
		return err
	}
	u.wrote += int64(len(p))
	return writeFull(u.spool, p)
}

// feed passes bytes of the file to the script, by way of buf.
func (u *upload) feed(buf []byte) (moved bool, err error) {
	buf = buf[:min(u.wrote-u.gave, pipeBody)]
	n, err := unix.Pread(u.spool, buf, u.gave)
	if err != nil {
		return false, err
	}
	n = u.give(buf[:n])
	u.gave += int64(n)
	return n > 0, nil
}

// give writes to the script and returns how much it took. A script that has
// closed its input gets no more.
func (u *upload) give(p []byte) int {
	n, err := unix.Write(u.stdin, p)
	if err != nil && !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EINTR) {
		u.closeInput()
	}
	return max(n, 0)
}

func (u *upload) closeInput() { u.stdin = closed(u.stdin) }

// close closes what is open.
func (u *upload) close() {
	u.closeInput()
	if u.spool >= 0 {
		unix.Close(u.spool) // to free a large file may take a while
		u.spool = -1
	}
}
