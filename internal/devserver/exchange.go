package devserver

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"scgikit/internal/scgi"
)

// copyBuffer is the size of one read of an answer, and so of what a flush sends.
const copyBuffer = 32 << 10

// exchange is one request passed to an app and its answer passed back.
type exchange struct {
	server *Server
	app    *app
	w      *recorder
	r      *http.Request
	params []scgi.Header
	body   *spooled
}

// run passes the request on. It returns a failure while nothing is answered
// yet; an answer that breaks off later ends the handler with
// http.ErrAbortHandler, so that the client sees that it is cut.
func (x *exchange) run() *failure {
	var request bytes.Buffer
	if err := scgi.WriteRequest(&request, x.params, x.body.size); err != nil {
		return failed(http.StatusRequestHeaderFieldsTooLarge, "the request can not be passed on: %v", err)
	}
	timeouts := x.app.desc.HTTP.Timeouts
	conn, err := x.app.backend.connect(x.r.Context(), timeouts.Connect)
	if err != nil {
		return x.app.unavailable(err)
	}
	// A client that goes away takes its request with it.
	release := context.AfterFunc(x.r.Context(), conn.end)
	defer release()

	// The sender reads the body, so it must have ended when this returns. It
	// does not half-close the connection, because the web servers do not.
	var sender sync.WaitGroup
	sender.Go(func() {
		// Where this fails the app has stopped reading; what it answers counts.
		_, _ = io.Copy(&pacedWriter{conn: conn, limit: timeouts.Send}, io.MultiReader(&request, x.body))
	})
	defer sender.Wait()
	defer conn.end()

	answer := bufio.NewReaderSize(&pacedReader{conn: conn, limit: timeouts.Read}, copyBuffer)
	status, _, header, err := scgi.ReadResponseHead(answer)
	if err != nil {
		if x.r.Context().Err() != nil {
			x.abort("the client has gone")
		}
		// The program is done with the request, one way or another.
		conn.end()
		return x.app.noAnswer(conn, err)
	}
	x.head(status, header)
	if err := x.copy(answer, header); err != nil {
		x.abort("the answer broke off: " + err.Error() + x.unread(err))
	}
	return nil
}

// unread explains a reset connection.
func (x *exchange) unread(err error) string {
	if x.body.size > 0 && errors.Is(err, syscall.ECONNRESET) {
		return "; a program that ends before it has read the whole request body causes that"
	}
	return ""
}

// abort ends the handler in a way that the client notices.
func (x *exchange) abort(why string) {
	x.w.cut = true
	if x.r.Context().Err() == nil {
		x.app.log.say("%s %s: %s", x.r.Method, x.r.RequestURI, why)
	}
	panic(http.ErrAbortHandler)
}

// head sends the response head. Fields about the connection, which is dev's
// own, and those that are for the web server do not pass.
func (x *exchange) head(status int, header []scgi.Header) {
	out := x.w.Header()
	// net/http guesses a type where there is none; the web servers do not.
	out["Content-Type"] = nil
	for _, f := range header {
		name := http.CanonicalHeaderKey(f.Name)
		if _, ok := scgi.ParseLength(f.Value); x.hides(name) || (name == "Content-Length" && !ok) {
			continue
		}
		if len(out[name]) == 0 || !onlyOnce(name) {
			out.Add(name, f.Value)
		}
	}
	x.w.WriteHeader(status)
}

// onlyOnce reports whether a second field of this name would make two answers
// of one: the first counts.
func onlyOnce(name string) bool {
	return name == "Content-Length" || name == "Content-Type" || name == "Location"
}

// hides reports whether a field of the answer, in canonical form, does not
// reach the browser. X-Accel-Redirect and its kin tell nginx what to do; dev
// does not follow them.
func (x *exchange) hides(name string) bool {
	same := func(other string) bool { return strings.EqualFold(other, name) }
	desc := &x.app.desc.HTTP
	if isHopByHop(name) || slices.ContainsFunc(desc.HideHeaders, same) {
		return true
	}
	if !strings.HasPrefix(name, "X-Accel-") || slices.ContainsFunc(desc.PassHeaders, same) {
		return false
	}
	if name == "X-Accel-Redirect" {
		x.app.log.say("%s %s: dev does not follow X-Accel-Redirect", x.r.Method, x.r.RequestURI)
	}
	return true
}

// copy passes the body of the answer on, each piece at once where the app
// streams. It ends with the declared length: what an app sends beyond that, or
// after a head that has no body (204, 304), is dropped, as nginx and Lighttpd
// do.
func (x *exchange) copy(answer io.Reader, header []scgi.Header) error {
	if length, ok := scgi.ParseLength(x.w.Header().Get("Content-Length")); ok {
		answer = io.LimitReader(answer, length)
	}
	flush := !x.app.desc.HTTP.Buffering || x.unbuffered(header)
	control := http.NewResponseController(x.w)
	buf := make([]byte, copyBuffer)
	for {
		if flush {
			// Before the first read too: an event stream may have nothing to
			// say for a while.
			if err := control.Flush(); err != nil {
				return err
			}
		}
		n, err := answer.Read(buf)
		if n > 0 {
			if _, werr := x.w.Write(buf[:n]); errors.Is(werr, http.ErrBodyNotAllowed) {
				return nil
			} else if werr != nil {
				return werr
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// unbuffered reports whether the answer asks for streaming itself, as nginx
// lets it.
func (x *exchange) unbuffered(header []scgi.Header) bool {
	return slices.ContainsFunc(header, func(f scgi.Header) bool {
		return strings.EqualFold(f.Name, "X-Accel-Buffering") && strings.EqualFold(f.Value, "no")
	})
}

func isTimeout(err error) bool {
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded)
}

// pacedReader gives each read a time of its own, as the web servers' read
// time-outs do.
type pacedReader struct {
	conn  net.Conn
	limit time.Duration
}

func (p *pacedReader) Read(b []byte) (int, error) {
	if err := p.conn.SetReadDeadline(time.Now().Add(p.limit)); err != nil {
		return 0, err
	}
	return p.conn.Read(b)
}

// pacedWriter gives each write a time of its own.
type pacedWriter struct {
	conn  net.Conn
	limit time.Duration
}

// Write writes in pieces, so that a slow reader of a large body is not taken
// for a dead one.
func (p *pacedWriter) Write(b []byte) (int, error) {
	written := 0
	for piece := range slices.Chunk(b, copyBuffer) {
		if err := p.conn.SetWriteDeadline(time.Now().Add(p.limit)); err != nil {
			return written, err
		}
		n, err := p.conn.Write(piece)
		written += n
		if err != nil {
			return written, err
		}
	}
	return written, nil
}
