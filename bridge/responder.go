package bridge

import (
	"errors"
	"io"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"scgikit/internal/fastcgi"
	"scgikit/internal/scgi"
)

// unknownLength is the length of a body that ends where its records end: a web
// server that passes a chunked request on as it comes does not know it before.
const unknownLength = -1

// errAborted is a request that the web server does not want answered any more.
var errAborted = errors.New("the web server aborted the request")

// serveFastCGI serves the requests of a connection, one after the other.
func serveFastCGI(conn *connection, deadline time.Time, log *logger, opts *Options) error {
	f := &front{conn: conn}
	conn.front = f
	defer func() {
		f.keep = false // finish says that this was all
		f.close()
	}()
	for {
		req, err := f.request(deadline, opts.HeaderTimeout)
		if errors.Is(err, io.EOF) {
			return nil
		}
		conn.host.began(conn)
		if err == nil && req.ContentLength > opts.MaxBody {
			err = tooLong(req.ContentLength, opts)
		}
		err = answer(conn, &req, err, log, opts)
		f.end(time.Now().Add(lingerTime))
		// What has been refused is in the log.
		if !f.keep || !conn.host.rested(conn) {
			return err
		}
		conn.begun, conn.complete = false, false
		conn.waiter.forget()
		f.rest()
		deadline = time.Now().Add(opts.Timeout)
	}
}

// request receives the parameters of the next request, which is to begin until
// the deadline. A connection that ends before that, or on which nothing begins, is
// io.EOF. Other errors are refusals.
func (f *front) request(deadline time.Time, headerTimeout time.Duration) (req scgi.Request, err error) {
	var block []byte
	for total, seen := 0, false; ; {
		p, err := f.next()
		switch {
		case errors.Is(err, errNothing):
			err = f.wait(deadline)
			if err == nil {
				continue
			}
			if f.id == 0 && (seen || errors.Is(err, errTime)) {
				return req, io.EOF
			}
			f.fail()
			if errors.Is(err, errTime) {
				return req, refuse(408, "", scgi.ErrTimeout.Error())
			}
			return req, refuse(400, "", "read the request: "+err.Error())
		case (errors.Is(err, io.EOF) || errors.Is(err, unix.ECONNRESET)) && f.id == 0 && f.decoder.Clean():
			return req, io.EOF
		case errors.Is(err, io.EOF):
			return req, refuse(400, "", "the connection ended inside the request's parameters")
		case err != nil:
			return req, f.refusal(err)
		}
		switch p.Kind { //nolint:exhaustive // next returns no others but the body
		case fastcgi.Begin:
			block, total, seen = nil, 0, true
			deadline = time.Now().Add(headerTimeout)
		case fastcgi.Abort:
			if p.Last {
				f.end(time.Now().Add(lingerTime))
				if !f.keep {
					return req, io.EOF
				}
				deadline = time.Now().Add(headerTimeout)
			}
		case fastcgi.Params:
			if p.First {
				total += p.Length
			}
			if total > scgi.MaxHeaderBytes {
				return req, refuse(400, "", "not a FastCGI request: parameters longer than "+itoa(scgi.MaxHeaderBytes)+" bytes")
			}
			if p.Length == 0 {
				return parseParams(string(block))
			}
			block = append(block, p.Data...)
		default:
			return req, f.refusal(protocolError("a body before the end of the parameters"))
		}
	}
}

// refusal is the refusal for an error of next.
func (f *front) refusal(err error) error {
	r := &refusal{status: 400, message: "read the request: " + err.Error()}
	if _, ok := errors.AsType[protocolError](err); ok {
		r.message = "not a FastCGI request: " + err.Error()
		f.fail()
	}
	return r
}

// usualParams is how many parameters a web server sends with a request of a browser.
const usualParams = 32

// parseParams reads the parameters. A length that is missing or empty is
// unknownLength: for FastCGI the length of a body is that of its records.
func parseParams(block string) (req scgi.Request, err error) {
	req.ContentLength = unknownLength
	req.Headers = make([]scgi.Header, 0, usualParams)
	for at := 0; at < len(block); {
		name, value, next, err := fastcgi.CutPair(block, at)
		switch {
		case err != nil:
			return req, refuse(400, "", "not a FastCGI request: parameters, "+err.Error())
		case name == "" || hasNUL(name) || hasNUL(value):
			return req, refuse(400, "", "not a FastCGI request: parameters, byte "+itoa(at)+": a name that is empty, or a NUL")
		}
		at = next
		if name == "CONTENT_LENGTH" && value != "" {
			n, ok := scgi.ParseLength(value)
			if !ok {
				return req, refuse(400, "", "not a FastCGI request: CONTENT_LENGTH is not a number of at most 18 digits")
			}
			req.ContentLength = n
		}
		req.Headers = append(req.Headers, scgi.Header{Name: name, Value: value})
	}
	return req, nil
}

func hasNUL(s string) bool { return strings.IndexByte(s, 0) >= 0 }

// wait waits for input.
func (f *front) wait(deadline time.Time) error {
	if err := f.flush(); err != nil {
		return err
	}
	pfds := []unix.PollFd{{Fd: int32(f.conn.in), Events: unix.POLLIN}} //nolint:gosec // a descriptor fits
	if len(f.unsent) > 0 {
		pfds[0].Events |= unix.POLLOUT
	}
	return f.conn.poll(pfds, deadline)
}

// read takes some of the body that has arrived. Nothing yet is 0 and no error,
// the end is io.EOF.
func (f *front) read(buf []byte) (int, error) {
	for {
		switch left := f.decoder.Left(fastcgi.Stdin, f.id); {
		case len(f.content) > 0:
			n := copy(buf, f.content)
			f.content = f.content[n:]
			return n, nil
		case f.stdinDone:
			return 0, io.EOF
		case left > 0 && len(f.buf) == 0:
			// Past the buffer, which is much smaller.
			n, err := f.conn.receive(buf[:min(left, len(buf))])
			if n > 0 {
				_, _, _ = f.decoder.Next(buf[:n]) // all of it is content
			}
			f.ended = f.ended || errors.Is(err, io.EOF)
			return n, err
		}
		p, err := f.next()
		switch {
		case errors.Is(err, errNothing):
			return 0, nil
		case err != nil:
			return 0, err
		case p.Kind == fastcgi.Stdin:
			f.stdinDone = p.Length == 0
			f.content = p.Data
		default:
			if err := f.unwanted(p); err != nil {
				return 0, err
			}
		}
	}
}

// unwanted deals with what a web server may send after the parameters beside the
// body.
func (f *front) unwanted(p fastcgi.Piece) error {
	switch {
	case p.Kind == fastcgi.Abort && p.Last:
		return errAborted
	case p.Kind == fastcgi.Params:
		return protocolError("parameters after their end")
	}
	return nil
}

// watch looks at what arrives while the script runs and its body is complete: an
// abort, or what belongs to no request.
func (f *front) watch() error {
	f.content = nil // more than the length that was said
	for {
		p, err := f.next()
		switch {
		case errors.Is(err, errNothing):
			return nil
		case errors.Is(err, io.EOF):
			f.keep = false
			return nil
		case err != nil:
			return err
		case p.Kind == fastcgi.Stdin:
			f.stdinDone = f.stdinDone || p.Length == 0
		default:
			if err := f.unwanted(p); err != nil {
				return err
			}
		}
	}
}
