package devserver

import (
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"

	"scgikit/internal/appfile"
)

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
