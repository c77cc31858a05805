package devserver

import (
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/netip"
	"os"
	"time"

	"scgikit/internal/appfile"
)

// ServeHTTP answers one request as the generated web servers would, and writes
// one line about it.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	seen := &recorder{ResponseWriter: w}
	name := "dev"
	// Deferred, because a cut answer ends the handler with a panic.
	defer func() { s.access(name, r, seen, time.Since(began)) }()
	target, err := ParseTarget(r.RequestURI)
	if err != nil {
		s.fail(seen, r, failed(http.StatusBadRequest, "%v", err))
		return
	}
	m, f := s.find(r, target)
	if f != nil {
		s.fail(seen, r, f)
		return
	}
	name = m.app.desc.Name
	if f := s.serve(seen, r, target, m); f != nil {
		// A client that asks first ("Expect: 100-continue") has sent nothing.
		if f.status == http.StatusRequestEntityTooLarge && r.Header.Get("Expect") == "" {
			defer linger(seen, r)
		}
		s.fail(seen, r, f)
	}
}

// find returns what a request leads to at the moment.
func (s *Server) find(r *http.Request, target Target) (match, *failure) {
	g := s.current.Load()
	if !g.hosts.allows(r.Host) {
		return match{}, failed(http.StatusMisdirectedRequest, "dev does not answer for the host %q", r.Host).
			withHint("ask for localhost or 127.0.0.1, or put the name in http.host of an app; other names are refused because any page on the internet can point one here")
	}
	m, ok := g.routes.find(hostName(r.Host), target.Path)
	if !ok {
		return match{}, failed(http.StatusNotFound, "no app is mounted at %s", target.Path)
	}
	return m, nil
}

// enter is find for a request that has come as a whole, and counts it as one of
// the app, which leave ends. While apps are replaced, it goes to those that come.
func (s *Server) enter(r *http.Request, target Target) (match, *failure) {
	for {
		m, f := s.find(r, target)
		if f != nil {
			return match{}, f
		}
		if m.static != nil || m.bare {
			f := failed(http.StatusServiceUnavailable, "the description has changed while the request came; ask again")
			f.retry = time.Second
			return match{}, f
		}
		// One that takes no more requests has a successor already.
		if m.app.enter() {
			return m, nil
		}
	}
}

// The limits of linger, as nginx has them but for the bytes.
const (
	lingerTime  = 5 * time.Second
	lingerBytes = 64 << 20
)

// linger reads on after an early answer: closing a connection that holds unread
// bytes resets it, and the browser would show that in place of the answer.
func linger(w http.ResponseWriter, r *http.Request) {
	control := http.NewResponseController(w)
	// Where any of this fails the connection is closed as it is.
	if control.Flush() == nil && control.SetReadDeadline(time.Now().Add(lingerTime)) == nil {
		_, _ = io.CopyN(io.Discard, r.Body, lingerBytes)
	}
}

// serve answers a request for an app. Nothing is written yet where it returns a
// failure.
func (s *Server) serve(w *recorder, r *http.Request, t Target, m match) *failure {
	if m.bare {
		redirect(w, http.StatusPermanentRedirect, m.script+"/", t.Query)
		return nil
	}
	if why := m.app.access.refuses(remoteIP(r)); why != "" {
		return failed(http.StatusForbidden, "%s", why)
	}
	switch {
	case m.static != nil:
		return m.static.serve(w, r, t, m.pathInfo)
	case r.Method == http.MethodTrace || r.Method == http.MethodConnect:
		return failed(http.StatusMethodNotAllowed, "dev does not pass %s on", r.Method)
	}
	// Without this net/http may close the body once there is an answer.
	if err := http.NewResponseController(w).EnableFullDuplex(); err != nil {
		return failed(http.StatusInternalServerError, "%v", err)
	}
	limit := bodyLimit(m.app.desc)
	if r.ContentLength > limit {
		return tooLarge(m.app.desc)
	}
	body, err := spool(r.Body, limit)
	if err != nil {
		return bodyFailure(m.app.desc, err)
	}
	defer body.Close() //nolint:errcheck // an unlinked temporary file
	// Only now, so that a long upload keeps no program from being replaced.
	m, f := s.enter(r, t)
	if f != nil {
		return f
	}
	defer m.app.leave()
	x := &exchange{server: s, app: m.app, w: w, r: r, body: body}
	x.params = Params(r, t, Mount{Script: m.script, PathInfo: m.pathInfo, Params: m.app.desc.HTTP.Params})
	return x.run()
}

// bodyLimit returns http.max_body, which has 0 for no limit.
func bodyLimit(desc *appfile.App) int64 {
	if desc.HTTP.MaxBody == 0 {
		return math.MaxInt64 - 1 // one more is what tells a longer body
	}
	return int64(desc.HTTP.MaxBody)
}

func tooLarge(desc *appfile.App) *failure {
	return failed(http.StatusRequestEntityTooLarge, "the request body is larger than http.max_body of %s, %v", desc.Name, desc.HTTP.MaxBody)
}

// bodyFailure tells a body that is too large from one that did not arrive and
// one that could not be kept.
func bodyFailure(desc *appfile.App, err error) *failure {
	switch _, local := errors.AsType[*os.PathError](err); {
	case errors.Is(err, errTooLarge):
		return tooLarge(desc)
	case local:
		return failed(http.StatusInternalServerError, "the request body can not be kept: %v", err)
	}
	return failed(http.StatusBadRequest, "the request body did not arrive: %v", err)
}

// remoteIP returns the client's address, or the zero Addr, which no network
// contains.
func remoteIP(r *http.Request) netip.Addr {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return netip.Addr{}
	}
	return ip
}

// recorder remembers what was answered.
type recorder struct {
	http.ResponseWriter
	status int
	bytes  int64
	cut    bool // the answer was not sent to its end
}

// Unwrap gives http.ResponseController what is below.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(p []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	n, err := r.ResponseWriter.Write(p)
	r.bytes += int64(n)
	return n, err
}

// access writes the line about one request.
func (s *Server) access(name string, r *http.Request, seen *recorder, took time.Duration) {
	note := ""
	if seen.cut {
		note = " (cut)"
	}
	s.terminal.line(name, fmt.Sprintf("%s %s %d %d bytes in %v%s", r.Method, r.RequestURI, seen.status, seen.bytes, took.Round(100*time.Microsecond), note))
}
