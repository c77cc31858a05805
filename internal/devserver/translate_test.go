package devserver

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/fcgi"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"scgikit/internal/appfile"
	"scgikit/internal/need"
	"scgikit/internal/scgi"
)

// otherApp is a program that speaks HTTP or FastCGI by Go's own packages.
func otherApp(protocol, addr string) {
	fmt.Fprintln(os.Stderr, "pid", os.Getpid())
	l, err := net.Listen("unix", addr)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	handler := http.HandlerFunc(otherAnswer)
	if protocol == string(appfile.FastCGI) {
		err = fcgi.Serve(l, handler)
	} else {
		err = http.Serve(l, handler)
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func otherAnswer(w http.ResponseWriter, r *http.Request) {
	switch path := r.URL.Path; {
	case strings.HasSuffix(path, "/count"):
		n, err := io.Copy(io.Discard, r.Body)
		fmt.Fprintf(w, "%d of %d, %v", n, r.ContentLength, err)
	case strings.HasSuffix(path, "/unread"):
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(http.StatusSeeOther)
	case strings.HasSuffix(path, "/early"):
		w.Header().Set("Link", "</a>")
		w.WriteHeader(http.StatusEarlyHints)
		io.WriteString(w, "late")
	case strings.HasSuffix(path, "/stream"):
		io.WriteString(w, "one\n")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
		fmt.Fprintln(os.Stderr, "the client has gone")
	case strings.HasSuffix(path, "/long"):
		w.Header().Set("Content-Length", "300000")
		io.WriteString(w, strings.Repeat("x", 300000))
	case strings.HasSuffix(path, "/cut"):
		w.Header().Set("Content-Length", "10")
		io.WriteString(w, "half")
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	default:
		w.Header().Set("X-Kept", "yes")
		w.Header().Add("Set-Cookie", "a=1")
		w.Header().Add("Set-Cookie", "b=2")
		fmt.Fprintf(w, "%s %s host %s type %s\n", r.Method, r.URL.RequestURI(), r.Host, r.Header.Get("Content-Type"))
		var names []string
		for name, values := range r.Header {
			names = append(names, name+"="+strings.Join(values, "|"))
		}
		slices.Sort(names)
		fmt.Fprintln(w, strings.Join(names, "\n"))
		for _, name := range []string{"SERVER_SOFTWARE", "SERVER_NAME", "SCGI"} {
			fmt.Fprintf(w, "%s=%s\n", name, fcgi.ProcessEnv(r)[name])
		}
	}
}

// otherDesc is an app that keeps running and speaks another protocol.
func otherDesc(t *testing.T, name string, protocol appfile.Protocol) *appfile.App {
	t.Helper()
	a := residentDesc(t, name, "/"+name+"/")
	a.Protocol = protocol
	a.Listen.Unix = shortFolder(t) + "/s"
	a.Run.Env = map[string]string{roleVariable: string(protocol)}
	a.Run.Command[1] = a.Listen.Unix
	return a
}

// Programs that speak HTTP or FastCGI are asked in these.
func TestOtherProtocols(t *testing.T) {
	s := startWith(t, func(c *Config) {
		c.ServerFields = []string{"X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Prefix", "X-Real-Ip", "Forwarded"}
	}, otherDesc(t, "http", appfile.HTTP1), otherDesc(t, "fastcgi", appfile.FastCGI))
	for _, app := range []string{"http", "fastcgi"} {
		response, body := s.do("POST", "/"+app+"/a%20b//c?q=%41", "x=1", "Content-Type: text/x", "X-A: 1", "X-A: 2", "Proxy: http://evil.example",
			"X-Forwarded-For: 192.0.2.1", "X-Real-IP: 192.0.2.1", "Forwarded: for=192.0.2.1", "X-Forwarded-Prefix: /evil", "TE: trailers")
		lines := strings.Split(body, "\n")
		if response.StatusCode != 200 || response.Header.Get("X-Kept") != "yes" || len(response.Header["Set-Cookie"]) != 2 {
			t.Errorf("%s: %s %v", app, response.Status, response.Header)
		}
		want := []string{"POST /" + app + "/a%20b//c?q=%41 host localhost:8000 type text/x", "X-A=1, 2"}
		if app == "http" {
			want = append(want, "X-Forwarded-For=127.0.0.1", "X-Forwarded-Host=localhost:8000", "X-Forwarded-Proto=http", "X-Forwarded-Prefix=/http", "Content-Length=3")
		} else {
			want = append(want, "SERVER_SOFTWARE=scgikit-dev", "SERVER_NAME=localhost", "SCGI=")
		}
		for _, line := range want {
			if !slices.Contains(lines, line) {
				t.Errorf("%s: no %q in\n%s", app, line, body)
			}
		}
		if app == "http" && (strings.Contains(body, "192.0.2.1") || strings.Contains(body, "evil") || strings.Contains(body, "Te=")) {
			t.Errorf("what the web server keeps for itself has passed:\n%s", body)
		}
		big := strings.Repeat("b", 2_000_000)
		if _, body := s.do("POST", "/"+app+"/count", big); body != "2000000 of 2000000, <nil>" {
			t.Errorf("%s: %q", app, body)
		}
		if response, body := s.do("POST", "/"+app+"/unread", big); response.StatusCode != 303 || response.Header.Get("Location") != "/elsewhere" {
			t.Errorf("%s: %s %v %q", app, response.Status, response.Header, body)
		}
		if response, body := s.get("/" + app + "/long"); response.ContentLength != 300000 || body != strings.Repeat("x", 300000) {
			t.Errorf("%s: %s, %d bytes", app, response.Status, len(body))
		}
		if response, body := s.do("HEAD", "/"+app+"/x", ""); response.StatusCode != 200 || body != "" {
			t.Errorf("%s: HEAD: %s %q", app, response.Status, body)
		}
	}
	// The end of an answer is one, whenever it comes.
	for n := range 200 {
		for _, app := range []string{"http", "fastcgi"} {
			if response, body := s.get("/" + app + "/count"); response.StatusCode != 200 || !strings.HasPrefix(body, "0 of ") {
				t.Fatalf("%s, request %d: %s %q", app, n, response.Status, body)
			}
		}
	}
	if response, body := s.get("/http/early"); response.StatusCode != 200 || body != "late" {
		t.Errorf("%s %q", response.Status, body)
	}
}

// uWSGI itself is asked in its own protocol.
func TestUWSGI(t *testing.T) {
	program := need.Program(t, "uwsgi")
	desc := otherDesc(t, "uwsgi", appfile.UWSGI)
	desc.Run.Directory = t.TempDir()
	source := filepath.Join(desc.Run.Directory, "app.py")
	text := `def application(environ, start_response):
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    start_response("207 Some", [("Content-Type", "text/plain"), ("X-A", "b")])
    return [("%s|%s|%s|%d" % (environ["SCRIPT_NAME"], environ["PATH_INFO"], environ["QUERY_STRING"], len(body))).encode("latin-1")]
`
	if err := os.WriteFile(source, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	desc.Run.Command = []string{program, "--plugin", "python3", "--socket", desc.Listen.Unix, "--master", "--die-on-term", "--wsgi-file", source}
	s := start(t, desc)
	response, body := s.do("POST", "/uwsgi/a%20b?c=%41", strings.Repeat("b", 300_000))
	if response.StatusCode != 207 || response.Header.Get("X-A") != "b" || body != "/uwsgi|/a b|c=%41|300000" {
		t.Errorf("%s %v %q", response.Status, response.Header, body)
	}
	for range 50 {
		if response, body := s.get("/uwsgi/"); response.StatusCode != 207 || body != "/uwsgi|/||0" {
			t.Fatalf("%s %q", response.Status, body)
		}
	}
	if response, body := s.get("/uwsgi/", "X-Long: "+strings.Repeat("x", 50_000), "X-Longer: "+strings.Repeat("x", 20_000)); response.StatusCode < 400 {
		t.Errorf("%s %q for a request that is too long", response.Status, body)
	}
}

// An answer that breaks off is not taken for a whole one, and one that streams comes
// piece by piece and ends with its client.
func TestOtherProtocolsBreakOff(t *testing.T) {
	desc := otherDesc(t, "http", appfile.HTTP1)
	desc.HTTP.Buffering = false
	s := start(t, desc)
	response, err := http.Get("http://" + s.addr + "/http/cut")
	if err == nil {
		_, err = io.ReadAll(response.Body)
		response.Body.Close()
	}
	if err == nil {
		t.Error("half an answer is a whole one")
	}
	response, err = http.Get("http://" + s.addr + "/http/stream")
	if err != nil {
		t.Fatal(err)
	}
	piece := make([]byte, 4)
	if _, err := io.ReadFull(response.Body, piece); err != nil || string(piece) != "one\n" {
		t.Errorf("%q, %v", piece, err)
	}
	response.Body.Close()
	s.output.await(t, "| the client has gone", 1)
}

// A program that speaks something else than it should, or nothing, has dev's page.
func TestWrongProtocol(t *testing.T) {
	for _, desc := range []*appfile.App{otherDesc(t, "http", appfile.HTTP1), otherDesc(t, "fastcgi", appfile.FastCGI)} {
		// It speaks SCGI, to which the request is none.
		desc.Run.Env[roleVariable] = "resident"
		s := start(t, desc)
		response, body := s.get("/" + desc.Name + "/x")
		if response.StatusCode != 502 || !strings.Contains(body, "bad request:") {
			t.Errorf("%s: %s\n%s", desc.Name, response.Status, body)
		}
		s.stop()
	}
	desc := otherDesc(t, "http", appfile.HTTP1)
	desc.HTTP.Timeouts.Read = 20 * time.Millisecond
	s := start(t, desc)
	// The head has come by then, or the time is over.
	response, err := http.Get("http://" + s.addr + "/http/stream")
	if err == nil {
		_, err = io.ReadAll(response.Body)
		response.Body.Close()
		if err == nil && response.StatusCode != http.StatusGatewayTimeout {
			t.Errorf("%s after the time for reads", response.Status)
		}
	}
}

// No value makes a second line of a head.
func TestHTTPHead(t *testing.T) {
	x := &translation{}
	x.request.Headers = append(x.request.Headers, scgi.Header{Name: "REQUEST_METHOD", Value: "GET"}, scgi.Header{Name: "REQUEST_URI", Value: "/x"},
		scgi.Header{Name: "HTTP_HOST", Value: "h"}, scgi.Header{Name: "HTTP_X_A", Value: "b"})
	if head, err := httpHead(&x.request, nil); err != nil || !strings.HasPrefix(string(head), "GET /x HTTP/1.1\r\nHost: h\r\n") || !strings.HasSuffix(string(head), "\r\nX-A: b\r\n\r\n") {
		t.Errorf("%q, %v", head, err)
	}
	for _, evil := range []string{"a\r\nX-Evil: 1", "a\nX-Evil: 1", "a\rX-Evil: 1"} {
		x.request.Headers[3].Value = evil
		if head, err := httpHead(&x.request, nil); err == nil {
			t.Errorf("%q", head)
		}
	}
}
