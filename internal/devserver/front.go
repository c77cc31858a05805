package devserver

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"scgikit/internal/appfile"
	"scgikit/internal/scgi"
)

// Front is a web server in the place of the built-in one. It passes the requests
// for an app to a socket of dev's, where they wait while the app is replaced.
type Front interface {
	// Name is the first word of its lines.
	Name() string

	// Dir is a folder for the sockets that the web server may go into.
	Dir() string

	// Serve makes the web server listen on an address and pass requests to the
	// apps; called again, to others. It answers for the hosts that a regular
	// expression matches, without regard to case. Nothing but this changes what
	// it does, and after an error it does what it did before. Lines of its log go
	// to say.
	Serve(ctx context.Context, addr, hosts string, apps []Fronted, say func(string)) error

	// Ended is closed when the web server has ended; Err says how. Both are for
	// after the first Serve.
	Ended() <-chan struct{}
	Err() error

	// Stop ends it.
	Stop()
}

// Fronted is an app, and the socket at which dev takes its requests.
type Fronted struct {
	App    *appfile.App
	Socket string
}

// gateways are the sockets that a Front passes requests to. The loop of watch
// alone changes them, after Run has begun.
type gateways struct {
	server  *Server
	sockets map[string]string // by the name of the app
	number  int
}

// serve makes the Front serve a generation.
func (g *gateways) serve(ctx context.Context, next *generation) error {
	s := g.server
	list := make([]Fronted, 0, len(next.apps))
	for _, a := range next.apps {
		name := a.desc.Name
		if g.sockets[name] == "" {
			// Not the name: a socket's path has room for little.
			path := filepath.Join(s.config.Front.Dir(), strconv.Itoa(g.number))
			if err := g.listen(ctx, name, path); err != nil {
				return err
			}
			g.sockets[name] = path
			g.number++
		}
		list = append(list, Fronted{App: a.desc, Socket: g.sockets[name]})
	}
	front := s.config.Front
	return front.Serve(ctx, s.addr, next.hosts.pattern(), list, func(line string) { s.terminal.line(front.Name(), line) })
}

// listen takes the requests for an app until the context ends.
func (g *gateways) listen(ctx context.Context, name, path string) error {
	listener, err := net.Listen("unix", path)
	if err != nil {
		return err
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return errors.Join(err, listener.Close())
	}
	release := context.AfterFunc(ctx, func() { _ = listener.Close() })
	g.server.backends.Go(func() {
		defer release()
		var requests sync.WaitGroup
		defer requests.Wait()
		for {
			conn, err := listener.Accept()
			if ctx.Err() != nil {
				if err == nil {
					_ = conn.Close()
				}
				return
			}
			if err != nil {
				// Descriptors that are all in use come back.
				g.server.say("%s: %v", name, err)
				select {
				case <-time.After(g.server.config.interval):
				case <-ctx.Done():
				}
				continue
			}
			requests.Go(func() { g.server.passOn(ctx, name, conn) })
		}
	})
	return nil
}

// passage is one request on its way from a Front to an app.
type passage struct {
	server *Server
	front  net.Conn
	began  time.Time
	method string
	uri    string
}

// passOn passes one request of the Front to an app and the answer back, as they
// are: what reaches the app is what this web server sends.
func (s *Server) passOn(ctx context.Context, name string, front net.Conn) {
	release := context.AfterFunc(ctx, func() { _ = front.Close() })
	defer release()
	defer front.Close() //nolint:errcheck // what there was to send is sent
	if err := front.SetReadDeadline(time.Now().Add(headerTimeout)); err != nil {
		return
	}
	request, err := scgi.ReadRequest(front)
	if err != nil {
		if !errors.Is(err, io.EOF) { // no request at all is a look whether dev is there
			s.say("%s: %s sent no SCGI request: %v", name, s.config.Front.Name(), err)
		}
		return
	}
	if err := front.SetReadDeadline(time.Time{}); err != nil {
		return
	}
	p := &passage{server: s, front: front, began: time.Now()}
	p.method, _ = request.Get("REQUEST_METHOD")
	p.uri, _ = request.Get("REQUEST_URI")
	a := s.current.Load().entered(s, name)
	if a == nil {
		p.fail(failed(http.StatusNotFound, "%s is no app any more", name))
		return
	}
	defer a.leave()
	p.exchange(ctx, a, &request)
}

// entered returns the app of a name, with this request counted, or nil.
func (g *generation) entered(s *Server, name string) *app {
	for {
		var found *app
		for _, a := range g.apps {
			if a.desc.Name == name {
				found = a
			}
		}
		if found == nil || found.enter() {
			return found
		}
		g = s.current.Load()
	}
}

// exchange sends the request and passes the answer back.
func (p *passage) exchange(ctx context.Context, a *app, request *scgi.Request) {
	conn, err := a.backend.connect(ctx, a.desc.HTTP.Timeouts.Connect)
	if err != nil {
		p.fail(a.unavailable(err))
		return
	}
	var sender sync.WaitGroup
	defer sender.Wait()
	// Both ends, so that the sender sees it.
	defer func() { conn.end(); _ = p.front.Close() }()
	sender.Go(func() {
		// Where this fails the app has stopped reading; what it answers counts.
		_, err := conn.Write(scgi.AppendRequest(nil, request.Headers))
		if err == nil {
			_, _ = io.CopyN(conn, p.front, request.ContentLength)
		}
		// Web servers do not half-close: one that closes is gone, and its request
		// goes with it.
		_, _ = io.Copy(io.Discard, p.front)
		conn.end()
	})
	var raw bytes.Buffer
	status, _, _, err := scgi.ReadResponseHead(bufio.NewReaderSize(io.TeeReader(conn, &raw), copyBuffer))
	if err != nil {
		conn.end()
		p.fail(a.noAnswer(conn, err))
		return
	}
	n := int64(raw.Len())
	if _, err = p.front.Write(raw.Bytes()); err == nil {
		var more int64
		more, err = io.Copy(p.front, conn)
		n += more
	}
	p.access(a.desc.Name, status, n, err)
}

// fail answers with the page of a failure.
func (p *passage) fail(f *failure) {
	header, body := p.server.errorPage(f, p.method, "")
	var b bytes.Buffer
	fmt.Fprintf(&b, "Status: %d %s\r\n", f.status, http.StatusText(f.status))
	// The fields are ours: one line each.
	_ = header.Write(&b)
	b.WriteString("\r\n")
	b.Write(body)
	_, err := p.front.Write(b.Bytes())
	name := "dev"
	if f.app != nil {
		name = f.app.desc.Name
	}
	p.access(name, f.status, int64(b.Len()), err)
	// A connection that is closed with unread bytes in it is reset.
	if c, ok := p.front.(*net.UnixConn); ok && err == nil && c.CloseWrite() == nil && c.SetReadDeadline(time.Now().Add(lingerTime)) == nil {
		_, _ = io.CopyN(io.Discard, c, lingerBytes)
	}
}

func (p *passage) access(name string, status int, n int64, err error) {
	note := ""
	if err != nil {
		note = " (cut)"
	}
	p.server.terminal.line(name, fmt.Sprintf("%s %s %d %d bytes in %v%s", p.method, p.uri, status, n, time.Since(p.began).Round(100*time.Microsecond), note))
}

// pattern returns a regular expression for the Host fields that are answered, as
// PCRE of nginx, Lighttpd and Apache reads it, to be matched without regard to
// case. It holds neither backslash nor dollar, which these read themselves.
func (h hostRule) pattern() string {
	options := []string{"", "localhost"}
	if h.anyIP {
		options = append(options, "[0-9.]+", "[[][0-9a-f:.]+[]]")
	} else {
		options = append(options, "127[.][0-9]+[.][0-9]+[.][0-9]+", "[[]::1[]]")
	}
	for _, name := range append([]string{h.self}, h.names...) {
		if name != "" {
			options = append(options, literal(name))
		}
	}
	return "^(" + strings.Join(options, "|") + ")[.]?(:[0-9]+)?(?!.)"
}

// literal returns an expression for a host name, or for all below "*.".
func literal(name string) string {
	var b strings.Builder
	if rest, ok := strings.CutPrefix(name, "*"); ok {
		b.WriteString("[a-z0-9._-]+")
		name = rest
	}
	for _, c := range strings.ToLower(name) {
		switch {
		case c == '-' || ('0' <= c && c <= '9') || ('a' <= c && c <= 'z'):
			b.WriteRune(c)
		case c == '.' || c == '_':
			b.WriteString("[" + string(c) + "]")
		default:
			return "(?!)" // no name that a browser sends
		}
	}
	return b.String()
}
