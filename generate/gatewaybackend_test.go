package generate_test

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// gatewayBackend is an app that speaks FastCGI or HTTP and answers as the
// backend of SCGI does; more values of X-Answer are
//
//	close      the connection ends without an answer
//	status     the status 201
//	length     a length and no body, as for HEAD
type gatewayBackend struct {
	*backend
	requests atomic.Int64 // with a whole head
}

// startGateway listens on a loopback port, or on a unix socket where a path is
// given, until the test ends.
func startGateway(t testing.TB, protocol, name, socket string) *gatewayBackend {
	t.Helper()
	g := &gatewayBackend{backend: listenAs(t, name, socket)}
	g.wg.Go(func() {
		if protocol == "http" {
			g.serveHTTP()
			return
		}
		for {
			conn, err := g.l.Accept()
			if err != nil {
				return
			}
			g.wg.Go(func() { g.serveFastCGI(conn) })
		}
	})
	t.Cleanup(g.close)
	return g
}

// serveHTTP answers requests with Go's own server. What a CGI program would
// find in its environment stands for the request.
func (g *gatewayBackend) serveHTTP() {
	var open sync.Map
	server := &http.Server{
		ConnState: func(c net.Conn, s http.ConnState) {
			if s == http.StateNew {
				open.Store(c, nil)
			}
		},
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !strings.HasPrefix(r.UserAgent(), "Go-http-client") { // Caddy's health checks
				g.requests.Add(1)
			}
			got := &request{Backend: g.name}
			add := func(name, value string) { got.Params = append(got.Params, [2]string{name, value}) }
			add("REQUEST_METHOD", r.Method)
			add("REQUEST_URI", r.RequestURI)
			add("QUERY_STRING", r.URL.RawQuery)
			add("HTTP_HOST", r.Host)
			for name, values := range r.Header {
				add("HTTP_"+strings.ToUpper(strings.NewReplacer("-", "_").Replace(name)), strings.Join(values, ", "))
			}
			n, err := io.Copy(io.Discard, r.Body)
			if got.Body = int(n); err != nil {
				panic(http.ErrAbortHandler)
			}
			head, body, closed := g.answer(got)
			if closed {
				panic(http.ErrAbortHandler)
			}
			status := http.StatusOK
			for line := range strings.Lines(head) {
				name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
				if name == "Status" {
					_, _ = fmt.Sscan(value, &status)
					continue
				}
				w.Header().Set(name, value)
			}
			w.WriteHeader(status)
			for _, part := range body {
				part(w)
				w.(http.Flusher).Flush()
			}
		}),
	}
	// Close ends it; connections that are kept for later end here.
	_ = server.Serve(g.l)
	open.Range(func(c, _ any) bool { return c.(net.Conn).Close() == nil || true })
}

// The records of FastCGI that are used here.
//
// Source: https://fastcgi-archives.github.io/FastCGI_Specification.html, section 8.
const (
	fcgiBegin, fcgiEnd, fcgiParams, fcgiStdin, fcgiStdout = 1, 3, 4, 5, 6
)

func fcgiRecord(w io.Writer, kind byte, id uint16, data string) {
	head := make([]byte, 8, 8+len(data))
	head[0], head[1] = 1, kind
	binary.BigEndian.PutUint16(head[2:], id)
	binary.BigEndian.PutUint16(head[4:], uint16(len(data)))
	_, _ = w.Write(append(head, data...)) // the server may have gone
}

// serveFastCGI answers the requests of one connection, one after the other.
func (g *gatewayBackend) serveFastCGI(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	stop := make(chan struct{})
	defer close(stop)
	g.wg.Go(func() {
		select {
		case <-g.closed:
			_ = conn.Close()
		case <-stop:
		}
	})
	in := bufio.NewReader(conn)
	var params []byte
	got, keep := new(request), false
	for {
		head := make([]byte, 8)
		if _, err := io.ReadFull(in, head); err != nil {
			return // a check for life, or a server that is done
		}
		n, id := int(binary.BigEndian.Uint16(head[4:])), binary.BigEndian.Uint16(head[2:])
		data := make([]byte, n+int(head[6]))
		if _, err := io.ReadFull(in, data); err != nil {
			return
		}
		data = data[:n]
		switch head[1] {
		case fcgiBegin:
			got, keep, params = &request{Backend: g.name}, data[2]&1 == 1, nil
		case fcgiParams:
			params = append(params, data...)
			if n == 0 {
				g.requests.Add(1)
				got.Params = fcgiPairs(params)
			}
		case fcgiStdin:
			if got.Body += n; n > 0 {
				continue
			}
			head, body, closed := g.answer(got)
			if closed {
				return
			}
			fcgiRecord(conn, fcgiStdout, id, head+"\r\n")
			for _, part := range body {
				part(fcgiWriter{conn, id})
			}
			fcgiRecord(conn, fcgiStdout, id, "")
			fcgiRecord(conn, fcgiEnd, id, strings.Repeat("\x00", 8))
			if !keep {
				return
			}
		}
	}
}

type fcgiWriter struct {
	w  io.Writer
	id uint16
}

func (f fcgiWriter) Write(p []byte) (int, error) {
	for rest := string(p); rest != ""; {
		part := rest[:min(len(rest), 60_000)]
		fcgiRecord(f.w, fcgiStdout, f.id, part)
		rest = rest[len(part):]
	}
	return len(p), nil
}

// fcgiPairs reads names and values, each with its length before it.
func fcgiPairs(data []byte) (pairs [][2]string) {
	number := func() int {
		if len(data) > 0 && data[0] < 128 {
			n := int(data[0])
			data = data[1:]
			return n
		}
		if len(data) < 4 {
			data = nil
			return 0
		}
		n := int(binary.BigEndian.Uint32(data) & 0x7fff_ffff)
		data = data[4:]
		return n
	}
	for len(data) > 0 {
		name, value := number(), number()
		if name+value > len(data) {
			return nil
		}
		pairs = append(pairs, [2]string{string(data[:name]), string(data[name : name+value])})
		data = data[name+value:]
	}
	return pairs
}

// answer is the head of the answer as CGI has it, and what is written behind.
func (g *gatewayBackend) answer(got *request) (head string, body []func(io.Writer), closed bool) {
	head = "Status: 200 OK\r\nContent-Type: application/json\r\n"
	say := func(text string) func(io.Writer) { return func(w io.Writer) { _, _ = io.WriteString(w, text) } }
	answer, _ := got.get("HTTP_X_ANSWER")
	switch answer {
	case "redirect":
		return "Status: 302 Found\r\nLocation: /blog/target\r\nContent-Type: text/plain\r\n", []func(io.Writer){say("moved\n")}, false
	case "hidden":
		head += "X-Powered-By: secret\r\nX-Keep: kept\r\n"
	case "names":
		head += namedHeaders()
	case "big":
		head += "X-Big: " + strings.Repeat("b", 5000) + "\r\n"
	case "status":
		head = strings.Replace(head, "200 OK", "201 Created", 1)
	case "length":
		return head + "Content-Length: 100\r\n", nil, false
	case "close":
		return "", nil, true
	case "silence":
		select {
		case <-g.closed:
		case <-time.After(10 * time.Second):
		}
		return "", nil, true
	case "stream":
		wait := func(w io.Writer) {
			select {
			case <-g.release:
			case <-time.After(time.Minute):
			}
			_, _ = io.WriteString(w, "second\n")
		}
		return "Status: 200 OK\r\nContent-Type: text/plain\r\n", []func(io.Writer){say("first\n"), wait}, false
	}
	text, err := json.Marshal(got)
	if err != nil {
		return "", nil, true
	}
	return head, []func(io.Writer){say(string(text))}, false
}
