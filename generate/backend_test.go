package generate_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// request is what a backend received: the parameters in order, and the body.
type request struct {
	Backend string
	Params  [][2]string
	Body    int // bytes that arrived
}

// get returns the last value of a parameter, which is what a program sees that
// puts them in a map.
func (r *request) get(name string) (value string, ok bool) {
	for _, p := range r.Params {
		if p[0] == name {
			value, ok = p[1], true
		}
	}
	return value, ok
}

func (r *request) all(name string) []string {
	var values []string
	for _, p := range r.Params {
		if p[0] == name {
			values = append(values, p[1])
		}
	}
	return values
}

// backend is a server that answers with the request it got, as JSON, in the
// protocol that it is started with; the header X-Answer asks for something else:
//
//	redirect   302 with a relative Location
//	local      a relative Location without a Status, at the query "once"
//	hidden     the headers X-Powered-By and X-Keep
//	names      a header for each of awkwardHeaders, and their neighbours
//	big        a header of 5,000 bytes
//	stream     one line, then another when the test says so (see release)
//	silence    nothing
//	die        nothing, and the connection ends
type backend struct {
	name    string
	speak   speaker
	addr    net.Addr
	l       net.Listener
	wg      sync.WaitGroup
	release chan struct{}
	closed  chan struct{}
	once    sync.Once

	mu       sync.Mutex
	requests int      // that were read
	last     *request // of them
}

// startBackend starts an SCGI server.
func startBackend(t testing.TB, name, socket string) *backend {
	t.Helper()
	return startSpeaking(t, speakSCGI, name, socket)
}

// startSpeaking listens on a loopback port, or on a unix socket where a path is
// given, until the test ends.
func startSpeaking(t testing.TB, speak speaker, name, socket string) *backend {
	t.Helper()
	b := listenAs(t, name, socket)
	b.speak = speak
	b.wg.Go(func() {
		for {
			conn, err := b.l.Accept()
			if err != nil {
				return
			}
			b.wg.Go(func() { b.serve(conn) })
		}
	})
	t.Cleanup(b.close)
	return b
}

// listenAs is a backend that nobody serves yet.
func listenAs(t testing.TB, name, socket string) *backend {
	t.Helper()
	network, addr := "tcp", "127.0.0.1:0"
	if strings.HasPrefix(socket, "[") { // an IPv6 address
		addr, socket = socket, ""
	} else if socket != "" {
		network, addr = "unix", socket
	}
	l, err := net.Listen(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	if socket != "" {
		// The server under test runs as another user.
		if err := os.Chmod(socket, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return &backend{name: name, addr: l.Addr(), l: l, release: make(chan struct{}, 8), closed: make(chan struct{})}
}

func (b *backend) close() {
	b.once.Do(func() {
		close(b.closed)
		_ = b.l.Close() // nothing waits to be written
	})
	b.wg.Wait()
}

func (b *backend) serve(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(2 * time.Minute))
	in := bufio.NewReader(conn)
	got, out, err := b.speak(in, conn)
	if err != nil {
		return // a check for life, or a server that gave up
	}
	got.Backend = b.name
	b.mu.Lock()
	b.requests, b.last = b.requests+1, got
	b.mu.Unlock()
	answer, _ := got.get("HTTP_X_ANSWER")
	if answer == "die" {
		return
	}
	defer func() { _ = out.Close() }()
	head := "Status: 200 OK\r\nContent-Type: application/json\r\n"
	switch answer {
	case "redirect":
		fmt.Fprint(out, "Status: 302 Found\r\nLocation: /blog/target\r\nContent-Type: text/plain\r\n\r\nmoved\n")
		return
	case "local":
		// The server asks again with the same headers.
		if query, _ := got.get("QUERY_STRING"); query == "once" {
			fmt.Fprint(out, "Location: /blog/target\r\n\r\n")
			return
		}
	case "hidden":
		head += "X-Powered-By: secret\r\nX-Keep: kept\r\n"
	case "names":
		head += namedHeaders()
	case "big":
		head += "X-Big: " + strings.Repeat("b", 5000) + "\r\n"
	case "silence":
		select {
		case <-b.closed:
		case <-time.After(10 * time.Second):
		}
		return
	case "stream":
		fmt.Fprint(out, "Status: 200 OK\r\nContent-Type: text/plain\r\n\r\nfirst\n")
		select {
		case <-b.release:
		case <-time.After(10 * time.Second):
		}
		fmt.Fprint(out, "second\n")
		return
	}
	text, err := json.Marshal(got)
	if err != nil {
		return
	}
	fmt.Fprintf(out, "%s\r\n%s", head, text)
}

// seen returns how many requests the backend has read, and the last of them.
func (b *backend) seen() (n int, last *request) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.requests, b.last
}

// readSCGI reads one request: a netstring of names and values, then as many
// bytes as CONTENT_LENGTH says.
func readSCGI(in *bufio.Reader) (*request, error) {
	digits, err := in.ReadString(':')
	if err != nil {
		return nil, err
	}
	size, err := strconv.Atoi(strings.TrimSuffix(digits, ":"))
	if err != nil {
		return nil, err
	}
	block := make([]byte, size+1)
	if _, err := io.ReadFull(in, block); err != nil {
		return nil, err
	}
	fields := bytes.Split(bytes.TrimSuffix(block, []byte("\x00,")), []byte{0})
	got := new(request)
	for i := 0; i+1 < len(fields); i += 2 {
		got.Params = append(got.Params, [2]string{string(fields[i]), string(fields[i+1])})
	}
	return got, got.readBody(in)
}

// readBody reads as many bytes as CONTENT_LENGTH says.
func (r *request) readBody(in io.Reader) error {
	length, _ := r.get("CONTENT_LENGTH")
	n, err := strconv.Atoi(length)
	if err != nil {
		return err
	}
	body, err := io.CopyN(io.Discard, in, int64(n))
	r.Body = int(body)
	return err
}

// add appends a parameter.
func (r *request) add(name, value string) { r.Params = append(r.Params, [2]string{name, value}) }

// reply is a server's answer to a raw request.
type reply struct {
	Status   int
	Header   http.Header
	Body     string
	Received *request // what the backend got, where the answer came from it
}

// ask sends the bytes of one request and reads the answer.
func ask(t testing.TB, addr, raw string) reply {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(2 * time.Minute))
	// A server may answer, and close, before it has read all of a request.
	if _, err := io.WriteString(conn, raw); err != nil && !errors.Is(err, syscall.EPIPE) && !errors.Is(err, syscall.ECONNRESET) {
		t.Fatal(err)
	}
	method, _, _ := strings.Cut(raw, " ")
	resp, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		t.Fatalf("answer to %.60q: %v", raw, err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("body of the answer to %.60q: %v", raw, err)
	}
	r := reply{Status: resp.StatusCode, Header: resp.Header, Body: string(body)}
	if resp.Header.Get("Content-Type") == "application/json" && len(body) > 0 {
		r.Received = new(request)
		if err := json.Unmarshal(body, r.Received); err != nil {
			t.Fatalf("%v in %.200q", err, body)
		}
	}
	return r
}

// get asks for a raw request target, with further header lines.
func get(t testing.TB, addr, target string, headers ...string) reply {
	t.Helper()
	return ask(t, addr, "GET "+target+" HTTP/1.1\r\nHost: h.test:99\r\nConnection: close\r\n"+lines(headers)+"\r\n")
}

// post sends a body of n bytes.
func post(t testing.TB, addr, target string, n int, headers ...string) reply {
	t.Helper()
	return ask(t, addr, fmt.Sprintf("POST %s HTTP/1.1\r\nHost: h.test:99\r\nConnection: close\r\nContent-Length: %d\r\n%s\r\n%s",
		target, n, lines(headers), strings.Repeat("x", n)))
}

func lines(headers []string) string {
	var b strings.Builder
	for _, h := range headers {
		b.WriteString(h + "\r\n")
	}
	return b.String()
}
