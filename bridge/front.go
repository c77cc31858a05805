package bridge

import (
	"errors"
	"io"
	"time"

	"golang.org/x/sys/unix"

	"scgikit/internal/fastcgi"
)

// front is what a connection has beside its descriptor when the web server speaks
// FastCGI: where its input stands, and what is to be sent.
//
// It is a Responder, for one request at a time, on connections that may be kept.
//
// Source: the FastCGI 1.0 specification.
type front struct {
	conn    *connection
	decoder fastcgi.Decoder
	buf     []byte       // input that was received and not looked at
	content []byte       // of the body, looked at and not taken; in the same memory
	small   *smallBuffer // what buf is in; nil while there is none
	scratch []byte       // content of a record that is needed as a whole
	ended   bool         // no more input will come

	id        uint16 // of the present request; 0 is none
	keep      bool   // the web server closes the connection, or goes on
	stdinDone bool   // the body is complete

	unsent []byte // records, or the rest of one
}

// maxValues is the longest record that asks for values: there are three names.
const maxValues = 256

// maxUnsent is how many replies wait for a web server that does not take them.
const maxUnsent = 4 << 10

// errNothing is that nothing has arrived.
var errNothing = errors.New("nothing has arrived")

// protocolError is a stream that is none of FastCGI, or not of a web server. What
// follows in it means nothing.
type protocolError string

func (e protocolError) Error() string { return string(e) }

// next returns the next piece of a record that is about the present request, or
// begins one. It deals with all others. Errors are errNothing, io.EOF, a
// protocolError and the system's.
func (f *front) next() (fastcgi.Piece, error) {
	for {
		p, n, err := f.decoder.Next(f.buf)
		if err != nil {
			return p, protocolError(err.Error())
		}
		if n == 0 {
			if err := f.fill(); err != nil {
				return p, err
			}
			continue
		}
		f.buf = f.buf[n:]
		if own, err := f.sort(p); own || err != nil {
			return p, err
		}
	}
}

// fill receives input, at most a small buffer at a time. A body goes
// past it. While nothing comes, and that may be long, it has none.
func (f *front) fill() error {
	if f.ended {
		return io.EOF
	}
	if f.small == nil {
		f.small = newSmallBuffer()
	}
	have := copy(f.small[:], f.buf)
	n, err := f.conn.receive(f.small[have:])
	f.buf = f.small[:have+n]
	switch {
	case errors.Is(err, io.EOF):
		f.ended = true
	case err == nil && n == 0:
		if have == 0 {
			f.close()
		}
		return errNothing
	}
	return err
}

// waiting reports whether there is input that was received and not looked at.
func (f *front) waiting() bool { return len(f.content)+len(f.buf) > 0 }

// fail notes that no further request can be found in the input.
func (f *front) fail() { f.ended, f.keep = true, false }

// rest forgets what the next request does not need. What is left of this one's body is
// none of the next one's.
func (f *front) rest() { f.content, f.scratch = nil, nil }

// close gives the memory for input back. What is in it is lost.
func (f *front) close() {
	f.small.release()
	f.small, f.buf, f.content = nil, nil, nil
}

// sort reports whether a piece is the present request's, and deals with it if it
// is not. Records of requests that are not running are to be ignored; they may be
// the rest of a body that was refused.
func (f *front) sort(p fastcgi.Piece) (own bool, err error) {
	switch {
	case p.Kind == 0 && p.ID == 0 && !p.First && p.Data == nil: // padding
		return false, nil
	case p.ID == 0:
		return false, f.manage(p)
	case p.Kind == fastcgi.Begin:
		return f.begin(p)
	case p.ID != f.id:
		return false, nil
	case p.Kind == fastcgi.Params, p.Kind == fastcgi.Stdin, p.Kind == fastcgi.Abort:
		return true, nil
	}
	return false, protocolError("a record of kind " + itoa(int(p.Kind)) + ", which no web server sends to a responder")
}

// collect gathers the content of a record that is needed as a whole.
func (f *front) collect(p fastcgi.Piece, most int) error {
	if p.First {
		f.scratch = f.scratch[:0]
		if p.Length > most {
			return protocolError("a record of kind " + itoa(int(p.Kind)) + " with " + itoa(p.Length) + " bytes")
		}
	}
	f.scratch = append(f.scratch, p.Data...)
	return nil
}

// begin deals with the begin of a request.
func (f *front) begin(p fastcgi.Piece) (own bool, err error) {
	if p.First && p.Length != fastcgi.BeginSize {
		return false, protocolError("a request begins with " + itoa(p.Length) + " bytes instead of 8")
	}
	if err := f.collect(p, fastcgi.BeginSize); err != nil || !p.Last {
		return false, err
	}
	b := fastcgi.ParseBegin(f.scratch)
	switch {
	case p.ID == f.id:
		return false, protocolError("a request begins twice")
	case f.id != 0:
		return false, f.reply(fastcgi.AppendEnd(nil, p.ID, fastcgi.CantMultiply))
	case b.Role != fastcgi.Responder:
		if err := f.reply(fastcgi.AppendEnd(nil, p.ID, fastcgi.UnknownRole)); err != nil {
			return false, err
		}
		if !b.Keep {
			return false, protocolError("a request for role " + itoa(b.Role) + ": only a responder (1) is here")
		}
		return false, nil
	}
	f.id, f.keep, f.stdinDone = p.ID, b.Keep, false
	return true, nil
}

// manage deals with a record about the connection.
func (f *front) manage(p fastcgi.Piece) error {
	if p.Kind != fastcgi.Values {
		if p.First {
			return f.reply(fastcgi.AppendUnknown(nil, p.Kind))
		}
		return nil
	}
	if err := f.collect(p, maxValues); err != nil || !p.Last {
		return err
	}
	var pairs []byte
	asked := string(f.scratch)
	for at := 0; at < len(asked); {
		name, _, next, err := fastcgi.CutPair(asked, at)
		if err != nil {
			return protocolError("values asked for: " + err.Error())
		}
		at = next
		switch name {
		case "FCGI_MAX_CONNS", "FCGI_MAX_REQS":
			pairs = fastcgi.AppendPair(pairs, name, itoa(f.conn.host.res.Connections))
		case "FCGI_MPXS_CONNS":
			pairs = fastcgi.AppendPair(pairs, name, "0")
		}
	}
	return f.reply(append(fastcgi.AppendHead(nil, fastcgi.ValuesResult, 0, len(pairs)), pairs...))
}

// reply sends a record that is no part of an answer. Who does not take such
// records does not get more of them.
func (f *front) reply(record []byte) error {
	if len(f.unsent) > maxUnsent+fastcgi.MaxContent {
		return protocolError("replies are not taken")
	}
	f.unsent = append(f.unsent, record...)
	return f.flush()
}

// flush sends what can be sent of what is unsent.
func (f *front) flush() error {
	for len(f.unsent) > 0 {
		n, err := f.conn.send(f.unsent, nil)
		if err != nil {
			return err
		}
		if n == 0 {
			return nil
		}
		f.unsent = f.unsent[n:]
	}
	f.unsent = nil
	return nil
}

// write sends output. What it has taken may be unsent for a part.
func (f *front) write(p []byte) (int, error) {
	if f.id == 0 {
		return 0, io.ErrClosedPipe
	}
	if err := f.flush(); err != nil || len(f.unsent) > 0 {
		return 0, err
	}
	p = p[:min(len(p), fastcgi.MaxContent)]
	head := fastcgi.AppendHead(make([]byte, 0, 8), fastcgi.Stdout, f.id, len(p))
	n, err := f.conn.send(head, p)
	if err != nil || n == 0 {
		return 0, err
	}
	f.conn.begun = true
	if n < len(head) {
		f.unsent = append(f.unsent, head[n:]...)
	}
	f.unsent = append(f.unsent, p[max(n-len(head), 0):]...)
	return len(p), nil
}

// end ends the answer. A web server that does not take it until the deadline is
// left alone.
func (f *front) end(deadline time.Time) {
	if f.id == 0 {
		return
	}
	f.unsent = fastcgi.AppendHead(f.unsent, fastcgi.Stdout, f.id, 0)
	f.unsent = fastcgi.AppendEnd(f.unsent, f.id, fastcgi.Complete)
	f.id = 0
	for f.flush() == nil {
		if len(f.unsent) == 0 {
			return
		}
		if f.conn.poll([]unix.PollFd{{Fd: int32(f.conn.out), Events: unix.POLLOUT}}, deadline) != nil { //nolint:gosec // a descriptor fits
			break
		}
	}
	f.keep = false
}
