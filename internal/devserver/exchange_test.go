package devserver

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"scgikit/internal/appfile"
)

// rawAnswers are what an app may send, by query.
var rawAnswers = map[string]string{
	"plain":            "Status: 200 OK\r\nContent-Type: text/plain\r\n\r\nhello",
	"no-status":        "Content-Type: text/plain\n\nhello",
	"lf":               "Status: 404 Gone Fishing\nContent-Type: text/plain\n\nhello",
	"nph":              "HTTP/1.1 201 Created\r\nContent-Type: text/plain\r\n\r\nhello",
	"lower":            "status: 202\ncontent-type: text/plain\n\nhello",
	"status-last":      "Content-Type: text/plain\nStatus: 203 x\n\nhello",
	"status-bare":      "Status: 404\n\nhello",
	"location":         "Location: /x\n\n",
	"location-abs":     "Location: http://example.org/x\n\n",
	"location-status":  "Status: 303 See Other\nLocation: /x\n\n",
	"location-200":     "Status: 200 OK\nLocation: /x\n\nhello",
	"no-type":          "Status: 200 OK\n\n<html>hello",
	"big":              "X-Big: " + strings.Repeat("x", 5000) + "\n\nhello",
	"connection":       "Connection: keep-alive, X-A\nTransfer-Encoding: chunked\nKeep-Alive: 5\nUpgrade: h2c\nTrailer: X-T\nContent-Type: text/plain\n\nhello",
	"cookies":          "Set-Cookie: a=1\nSet-Cookie: b=2\nContent-Type: text/plain\nContent-Type: text/html\n\nhello",
	"length":           "Content-Length: 5\n\nhello, and more",
	"length-twice":     "Content-Length: 5\nContent-Length: 7\n\nhello",
	"length-bad":       "Content-Length: +5\nContent-Type: text/plain\n\nhello",
	"no-content":       "Status: 204 No Content\n\nhello",
	"not-modified":     "Status: 304 Not Modified\nETag: \"a\"\n\n",
	"accel":            "X-Accel-Redirect: /etc/passwd\nX-Accel-Buffering: no\nContent-Type: text/plain\n\nhello",
	"early":            "Status: 103 Early Hints\nLink: </a>\n\nStatus: 200 OK\nContent-Type: text/plain\n\nhello",
	"empty":            "",
	"no-blank":         "Content-Type: text/plain\n",
	"garbage":          "<html>hello</html>\n",
	"crlf-first":       "\r\nContent-Type: text/plain\r\n\r\nhello",
	"split-cr":         "Location: x\rSet-Cookie: evil=1\n\nhello",
	"split-nul":        "X-A: a\x00b\n\nhello",
	"split-escape":     "X-A: \x1b[31m\n\nhello",
	"bad-name":         "X A: b\n\nhello",
	"bad-status":       "Status: banana\n\nhello",
	"status-99":        "Status: 99 Low\n\nhello",
	"status-2000":      "Status: 2000 High\n\nhello",
	"huge":             "X-Big: " + strings.Repeat("x", 70000) + "\n\nhello",
	"two-answers":      "Content-Type: text/plain\n\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
	"injected-in-page": "<script>alert(1)</script>: x\n\n",
}

func TestResponseHeads(t *testing.T) {
	s := start(t, residentDesc(t, "blog", "/blog/"))
	for _, want := range []struct {
		query  string
		status int
		body   string
		fields map[string]string
	}{
		{"plain", 200, "hello", map[string]string{"Content-Type": "text/plain"}},
		{"no-status", 200, "hello", nil},
		{"lf", 404, "hello", nil},
		{"nph", 201, "hello", nil},
		{"lower", 202, "hello", map[string]string{"Content-Type": "text/plain"}},
		{"status-last", 203, "hello", nil},
		{"status-bare", 404, "hello", nil},
		{"location", 302, "", map[string]string{"Location": "/x"}},
		{"location-abs", 302, "", map[string]string{"Location": "http://example.org/x"}},
		{"location-status", 303, "", map[string]string{"Location": "/x"}},
		{"location-200", 200, "hello", map[string]string{"Location": "/x"}},
		{"no-type", 200, "<html>hello", map[string]string{"Content-Type": ""}},
		{"big", 200, "hello", map[string]string{"X-Big": strings.Repeat("x", 5000)}},
		{"connection", 200, "hello", map[string]string{"Keep-Alive": "", "Upgrade": "", "Trailer": "", "Connection": "close"}},
		{"cookies", 200, "hello", map[string]string{"Set-Cookie": "a=1|b=2", "Content-Type": "text/plain"}},
		{"length", 200, "hello", map[string]string{"Content-Length": "5"}},
		{"length-twice", 200, "hello", map[string]string{"Content-Length": "5"}},
		{"length-bad", 200, "hello", nil},
		{"no-content", 204, "", nil},
		{"not-modified", 304, "", map[string]string{"Etag": `"a"`}},
		{"accel", 200, "hello", map[string]string{"X-Accel-Redirect": "", "X-Accel-Buffering": ""}},
		{"early", 200, "hello", map[string]string{"Link": ""}},
		{"two-answers", 200, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", nil},
	} {
		response, body := s.get("/blog/raw?" + want.query)
		if response.StatusCode != want.status || body != want.body {
			t.Errorf("%s: %s %.80q, want %d %q", want.query, response.Status, body, want.status, want.body)
		}
		for name, value := range want.fields {
			if got := strings.Join(response.Header[name], "|"); name != "Connection" && got != value {
				t.Errorf("%s: %s is %.80q, want %.80q", want.query, name, got, value)
			}
		}
	}
	for _, query := range []string{
		"empty", "no-blank", "garbage", "crlf-first", "split-cr", "split-nul", "split-escape", "bad-name", "bad-status", "status-99", "status-2000", "huge", "injected-in-page",
	} {
		response, body := s.get("/blog/raw?" + query)
		if response.StatusCode != 502 || !strings.Contains(body, "scgikit dev") || response.Header["Set-Cookie"] != nil {
			t.Errorf("%s: %s %.80q, want dev's page for 502", query, response.Status, body)
		}
		if strings.Contains(body, "<script") || strings.Contains(body, "\x1b") {
			t.Errorf("%s: the page passes on %q", query, body)
		}
	}
	response, body := s.get("/blog/bytewise")
	if response.StatusCode != 201 || body != "body" || response.Header.Get("X-A") != "b" {
		t.Errorf("bytewise: %s %q", response.Status, body)
	}
	response, body = s.do("HEAD", "/blog/raw?length", "")
	if response.StatusCode != 200 || body != "" || response.ContentLength != 5 {
		t.Errorf("HEAD: %s %q length %d", response.Status, body, response.ContentLength)
	}
	// A POST answered by a relative redirect reaches the browser as one.
	response, _ = s.do("POST", "/blog/raw?location", "a=1")
	if response.StatusCode != 302 || response.Header.Get("Location") != "/x" {
		t.Errorf("POST: %s %q", response.Status, response.Header.Get("Location"))
	}
}

func TestHiddenAndPassedFields(t *testing.T) {
	desc := residentDesc(t, "blog", "/blog/")
	desc.HTTP.HideHeaders = []string{"content-type"}
	desc.HTTP.PassHeaders = []string{"x-accel-redirect"}
	s := start(t, desc)
	response, _ := s.get("/blog/raw?accel")
	want := map[string]string{"Content-Type": "", "X-Accel-Redirect": "/etc/passwd", "X-Accel-Buffering": ""}
	for name, value := range want {
		if got := response.Header.Get(name); got != value {
			t.Errorf("%s: %q, want %q", name, got, value)
		}
	}
}

func TestRequestHeaders(t *testing.T) {
	desc := residentDesc(t, "blog", "/blog/")
	desc.HTTP.Params = map[string]string{"SITE": "main", "SERVER_NAME": "fixed.example"}
	s := start(t, desc)
	got := s.params("/blog/x?y",
		"Host: localhost:8000", "Proxy: http://evil.example", "X-A: 1", "X-A: 2", "Cookie: a=1", "Cookie: b=2",
		"X-B: dash", "X_B: underscore", "Content_Length: 99", "Authorization: Basic YTpi", "Content-Type: text/odd",
		"Keep-Alive: 5", "TE: trailers", "X-Empty:", "X-Quote: a\"b'c$d", "Accept: */*", "X.Dot: 1")
	want := map[string]string{
		"CONTENT_LENGTH": "0", "SCGI": "1", "GATEWAY_INTERFACE": "CGI/1.1", "SERVER_SOFTWARE": Software,
		"REQUEST_METHOD": "GET", "REQUEST_URI": "/blog/x?y", "QUERY_STRING": "y", "SCRIPT_NAME": "/blog", "PATH_INFO": "/x",
		"SERVER_PROTOCOL": "HTTP/1.1", "REQUEST_SCHEME": "http", "SERVER_NAME": "fixed.example", "SERVER_ADDR": "127.0.0.1",
		"REMOTE_ADDR": "127.0.0.1", "CONTENT_TYPE": "text/odd", "SITE": "main",
		"HTTP_HOST": "localhost:8000", "HTTP_X_A": "1, 2", "HTTP_COOKIE": "a=1; b=2", "HTTP_X_B": "dash",
		"HTTP_AUTHORIZATION": "Basic YTpi", "HTTP_X_EMPTY": "", "HTTP_X_QUOTE": `a"b'c$d`, "HTTP_ACCEPT": "*/*",
	}
	_, want["SERVER_PORT"], _ = net.SplitHostPort(s.addr)
	want["REMOTE_PORT"] = got["REMOTE_PORT"]
	if got["REMOTE_PORT"] == "" {
		t.Error("REMOTE_PORT is missing")
	}
	if !maps.Equal(got, want) {
		for _, name := range slices.Sorted(maps.Keys(got)) {
			if v, ok := want[name]; !ok || v != got[name] {
				t.Errorf("%s is %q, want %q", name, got[name], v)
			}
			delete(want, name)
		}
		for name, value := range want {
			t.Errorf("%s is missing, want %q", name, value)
		}
	}
}

// A client that names no length, or another one, does not choose
// CONTENT_LENGTH, and hostile fields end in a 400 or in nothing.
func TestHostileRequests(t *testing.T) {
	s := start(t, residentDesc(t, "blog", "/blog/"))
	for _, request := range []string{
		"GET /blog/ HTTP/1.1\r\nHost: localhost\r\nX-A: a\x00b\r\n\r\n",
		"GET /blog/ HTTP/1.1\r\nHost: localhost\r\nX A: b\r\n\r\n",
		"GET /blog/ HTTP/1.1\r\nHost: localhost\r\nHost: 127.0.0.1\r\n\r\n",
		"GET /blog/ HTTP/1.1\r\n\r\n",
		"POST /blog/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
		"POST /blog/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\nhello",
		"POST /blog/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: +5\r\n\r\nhello",
		"GET /blog/\x01 HTTP/1.1\r\nHost: localhost\r\n\r\n",
		"GET /blog/a b HTTP/1.1\r\nHost: localhost\r\n\r\n",
		"GET /blog/ HTTP/1.1\r\nHost: local host\r\n\r\n",
	} {
		answer := s.raw(request)
		if !strings.HasPrefix(answer, "HTTP/1.1 400 ") || strings.Count(answer, "HTTP/1.1 ") != 1 {
			t.Errorf("%q: %.80q, want one 400", request, answer)
		}
	}
	for _, method := range []string{"TRACE", "CONNECT"} {
		if response, _ := s.do(method, "/blog/", ""); response.StatusCode != 405 {
			t.Errorf("%s: %s, want 405", method, response.Status)
		}
	}
	response, body := s.do("FOO", "/blog/", "")
	if got := decodeParams(t, body); response.StatusCode != 200 || got["REQUEST_METHOD"] != "FOO" {
		t.Errorf("FOO: %s %v", response.Status, got)
	}
	response, body = s.get("/blog/", "X-Long: "+strings.Repeat("x", maxHeaderBytes+8192))
	if response.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("long header: %s %.80q", response.Status, body)
	}
}

func TestAbsoluteForm(t *testing.T) {
	s := start(t, residentDesc(t, "blog", "/blog/"))
	got := s.params("http://localhost:9/blog/x?y", "Host: other.example")
	if got["REQUEST_URI"] != "/blog/x?y" || got["PATH_INFO"] != "/x" || got["HTTP_HOST"] != "localhost:9" {
		t.Errorf("got %v", got)
	}
	// What counts is the host that the app is told.
	if response, _ := s.get("http://other.example/blog/x", "Host: localhost"); response.StatusCode != http.StatusMisdirectedRequest {
		t.Errorf("foreign host: %s", response.Status)
	}
}

func TestHostCheck(t *testing.T) {
	shop := oneshotDesc("shop", "/shop/")
	shop.HTTP.Host = appfile.StringList{"shop.example.org", "*.shop.example"}
	s := start(t, oneshotDesc("blog", "/blog/"), shop)
	for host, status := range map[string]int{
		"localhost": 200, "LOCALHOST:8000": 200, "localhost.": 200, "127.0.0.1:1": 200, "127.9.9.9": 200, "[::1]:8000": 200, "[::1]": 200,
		"shop.example.org": 200, "a.b.shop.example": 200,
		"shop.example": 421, "evil.example": 421, "localhost.evil.example": 421, "xlocalhost": 421, "127.0.0.1.evil.example": 421,
		"192.0.2.1": 421, "0.0.0.0": 421, "[fe80::1]": 421,
	} {
		if response, body := s.get("/blog/", "Host: "+host); response.StatusCode != status {
			t.Errorf("%s: %s, want %d\n%s", host, response.Status, status, body)
		}
	}
	// HTTP/1.0 has no Host; no browser speaks it.
	if answer := s.raw("GET /blog/ HTTP/1.0\r\n\r\n"); !strings.HasPrefix(answer, "HTTP/1.0 200 ") {
		t.Errorf("HTTP/1.0: %.40q", answer)
	}
	if response, _ := s.get("/shop/", "Host: shop.example.org"); response.StatusCode != 200 {
		t.Errorf("shop under its name: %s", response.Status)
	}
}

func TestHostsChooseApps(t *testing.T) {
	one, two, any := oneshotDesc("one", "/"), oneshotDesc("two", "/"), oneshotDesc("any", "/any/")
	one.HTTP.Host = appfile.StringList{"one.example"}
	two.HTTP.Host = appfile.StringList{"two.example"}
	s := start(t, one, two, any)
	for _, want := range []struct{ host, target, args string }{
		{"one.example", "/", "bridge one"},
		{"two.example:8000", "/x", "bridge two"},
		{"two.example", "/any/", "bridge any"},
		{"localhost", "/", "bridge one"},
	} {
		before := strings.Count(s.output.String(), "args "+want.args)
		s.params(want.target, "Host: "+want.host)
		s.output.await(t, "args "+want.args, before+1)
	}
	places := s.server.Places()
	_, port, _ := net.SplitHostPort(s.addr)
	want := []Place{
		{App: "one", URL: "http://127.0.0.1:" + port + "/", Description: "one"},
		{App: "two", URL: "http://two.example:" + port + "/", Description: "two", Host: "two.example"},
		{App: "any", URL: "http://127.0.0.1:" + port + "/any/", Description: "any"},
	}
	if !slices.Equal(places, want) {
		t.Errorf("Places: %+v, want %+v", places, want)
	}
}

func TestBodies(t *testing.T) {
	s := start(t, residentDesc(t, "resident", "/resident/"), oneshotDesc("oneshot", "/oneshot/"))
	random := rand.NewChaCha8([32]byte{1})
	big := make([]byte, 2<<20)
	random.Read(big)
	for _, mount := range []string{"/resident", "/oneshot"} {
		for _, size := range []int{0, 1, 4096, memoryBody - 1, memoryBody, memoryBody + 1, len(big)} {
			sum := sha256.Sum256(big[:size])
			want := fmt.Sprintf("%d %s", size, hex.EncodeToString(sum[:]))
			for _, chunked := range []bool{false, true} {
				body := io.Reader(strings.NewReader(string(big[:size])))
				if chunked {
					// Pieces, and no length that could be seen.
					body = io.MultiReader(body)
				}
				response, err := http.Post("http://"+s.addr+mount+"/count", "application/octet-stream", body)
				if err != nil {
					t.Fatal(err)
				}
				got, err := io.ReadAll(response.Body)
				response.Body.Close()
				if err != nil || string(got) != want {
					t.Errorf("%s: %d bytes, chunked %v: got %q, %v, want %q", mount, size, chunked, got, err, want)
				}
			}
		}
		// The app answers while it is still being sent the body.
		response, err := http.Post("http://"+s.addr+mount+"/echo-late", "", strings.NewReader(string(big)))
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil || string(got) != string(big) {
			t.Errorf("%s: echo of %d bytes is %d bytes, %v", mount, len(big), len(got), err)
		}
	}
}

// A body that arrives in pieces is declared with its full length.
func TestSlowBody(t *testing.T) {
	s := start(t, residentDesc(t, "blog", "/blog/"))
	read, write := io.Pipe()
	request, err := http.NewRequestWithContext(t.Context(), "POST", "http://"+s.addr+"/blog/x", read)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for range 5 {
			io.WriteString(write, "piece")
		}
		write.Close()
	}()
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	got := decodeParams(t, string(body))
	if got["CONTENT_LENGTH"] != "25" || got["HTTP_TRANSFER_ENCODING"] != "" {
		t.Errorf("got %v", got)
	}
}

func TestBodyLimit(t *testing.T) {
	desc := residentDesc(t, "blog", "/blog/")
	desc.HTTP.MaxBody = 10
	large := residentDesc(t, "large", "/large/")
	large.HTTP.MaxBody = memoryBody + 10
	s := start(t, desc, large)
	for _, want := range []struct {
		target string
		size   int
		status int
	}{
		{"/blog/count", 10, 200},
		{"/blog/count", 11, 413},
		{"/large/count", memoryBody + 10, 200},
		{"/large/count", memoryBody + 11, 413},
	} {
		body := strings.Repeat("x", want.size)
		if response, _ := s.do("POST", want.target, body); response.StatusCode != want.status {
			t.Errorf("%s: %d bytes: %s, want %d", want.target, want.size, response.Status, want.status)
		}
		response, err := http.Post("http://"+s.addr+want.target, "", io.MultiReader(strings.NewReader(body)))
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != want.status {
			t.Errorf("%s: %d bytes, chunked: %s, want %d", want.target, want.size, response.Status, want.status)
		}
	}
}

// A client that asks before it sends gets its answer, and is not asked to send.
func TestExpectContinue(t *testing.T) {
	desc := residentDesc(t, "blog", "/blog/")
	desc.HTTP.MaxBody = 5
	s := start(t, desc)
	const head = "POST /blog/count HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Length: "
	if answer := s.raw(head + "6\r\n\r\n"); !strings.HasPrefix(answer, "HTTP/1.1 413 ") {
		t.Errorf("too large: %.60q", answer)
	}
	if answer := s.raw(head + "5\r\n\r\nhello"); !strings.HasPrefix(answer, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 ") {
		t.Errorf("allowed: %.60q", answer)
	}
}

// An app that ends with the body unread resets its connection. Web servers cut
// such an answer short; dev does too, and says why.
func TestUnreadBody(t *testing.T) {
	s := start(t, residentDesc(t, "blog", "/blog/"))
	response, err := http.Post("http://"+s.addr+"/blog/unread", "", strings.NewReader("a=1"))
	if err == nil {
		_, err = io.ReadAll(response.Body)
		response.Body.Close()
	}
	if err == nil {
		t.Error("the answer looks whole")
	}
	s.output.await(t, "before it has read the whole request body", 1)
}

// A body that ends early does not reach the app.
func TestCutBody(t *testing.T) {
	s := start(t, oneshotDesc("blog", "/blog/"))
	conn, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	io.WriteString(conn, "POST /blog/count HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nshort")
	conn.(*net.TCPConn).CloseWrite()
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != 400 || strings.Contains(s.output.String(), "| pid ") {
		t.Errorf("%s\n%s", response.Status, s.output)
	}
}

// What an app sends while it works reaches the browser at once.
func TestStreaming(t *testing.T) {
	desc := residentDesc(t, "blog", "/blog/")
	desc.HTTP.Buffering = false
	s := start(t, desc)
	response, err := http.Get("http://" + s.addr + "/blog/stream")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	lines := bufio.NewReader(response.Body)
	if line, err := lines.ReadString('\n'); line != "one\n" {
		t.Fatalf("got %q, %v", line, err)
	}
	if release, _ := s.get("/blog/release"); release.StatusCode != 204 {
		t.Fatal(release.Status)
	}
	if line, err := lines.ReadString('\n'); line != "two\n" {
		t.Fatalf("got %q, %v", line, err)
	}
}

func TestReadTimeout(t *testing.T) {
	for _, desc := range []*appfile.App{residentDesc(t, "blog", "/blog/"), oneshotDesc("blog", "/blog/")} {
		desc.HTTP.Timeouts.Read = 50 * time.Millisecond
		s := start(t, desc)
		response, body := s.get("/blog/silent")
		if response.StatusCode != 504 || !strings.Contains(body, "http.timeouts.read") {
			t.Errorf("%s: %s\n%s", desc.Type, response.Status, body)
		}
		s.stop()
	}
}

// Once the head is out, the only honest end is a cut connection.
func TestReadTimeoutAfterHead(t *testing.T) {
	desc := residentDesc(t, "blog", "/blog/")
	desc.HTTP.Timeouts.Read = time.Second
	s := start(t, desc)
	s.output.await(t, "ready on", 1)
	response, err := http.Get("http://" + s.addr + "/blog/half")
	if err == nil {
		_, err = io.ReadAll(response.Body)
		response.Body.Close()
	}
	if err == nil {
		t.Error("half an answer looks like a whole one")
	}
	s.output.await(t, "(cut)", 1)
}

// A client that goes away takes the program that serves it along.
func TestClientGone(t *testing.T) {
	s := start(t, oneshotDesc("blog", "/blog/"))
	ctx, cancel := context.WithCancel(t.Context())
	request, err := http.NewRequestWithContext(ctx, "GET", "http://"+s.addr+"/blog/silent", nil)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if response, err := http.DefaultClient.Do(request); err == nil {
			response.Body.Close()
			t.Error("an answer")
		}
	}()
	s.output.await(t, "| silent", 1)
	cancel()
	<-done
	s.output.await(t, "(cut)", 1)
	for deadline := time.Now().Add(20 * time.Second); alive(s.output.pids()[0]); {
		if time.Now().After(deadline) {
			t.Fatal("the program still runs")
		}
	}
}
