package generate_test

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"scgikit/internal/need"
	"scgikit/internal/webserver"
)

// protocol is one that a web server speaks to an app.
type protocol struct {
	name  string
	speak speaker
}

// protocols are all but SCGI, which the other tests are about.
var protocols = []protocol{{"fastcgi", speakFastCGI}, {"uwsgi", speakUWSGI}, {"http", speakHTTP}, {"ajp", speakAJP}}

// speaking makes an app of another protocol of a description.
func speaking(protocol, text string) string {
	return strings.ReplaceAll(text, "\ntype:", "\nprotocol: "+protocol+"\ntype:")
}

// forProtocols runs a test for every front and every protocol that it speaks. The
// short form of the tests takes half of the protocols with each server, FastCGI
// and HTTP or the others, where except names fronts: what is asked there is the
// server's own affair.
func forProtocols(t *testing.T, except []string, test func(t *testing.T, f *front, p protocol)) {
	forFronts(t, append([]string{"mod_scgi"}, except...), func(t *testing.T, f *front) {
		for i, p := range protocols {
			if except != nil && !need.Thorough() && (i+len(f.program)+len(t.Name()))%2 != 0 {
				continue
			}
			if p.name == "ajp" && f.program != webserver.Apache {
				continue // they refuse
			}
			t.Run(p.name, func(t *testing.T) { test(t, f, p) })
		}
	})
}

// shapes are requests to an app at /blog/.
var shapes = map[string]string{
	"mount":         "GET /blog/ HTTP/1.1\r\n",
	"path":          "GET /blog/a/b HTTP/1.1\r\n",
	"slash":         "GET /blog/a%2Fb HTTP/1.1\r\n",
	"space":         "GET /blog/a%20b/%C3%A9 HTTP/1.1\r\n",
	"query":         "GET /blog/x?q=1&r=%20s HTTP/1.1\r\n",
	"post":          "POST /blog/form HTTP/1.1\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n",
	"chunked":       "POST /blog/form HTTP/1.1\r\nTransfer-Encoding: chunked\r\n",
	"head":          "HEAD /blog/x HTTP/1.1\r\n",
	"delete":        "DELETE /blog/x HTTP/1.1\r\n",
	"long header":   "GET /blog/x HTTP/1.1\r\nX-Long: " + strings.Repeat("x", 5000) + "\r\n",
	"authorization": "GET /blog/x HTTP/1.1\r\nAuthorization: Basic YWRtaW46eA==\r\n",
	"proxy":         "GET /blog/x HTTP/1.1\r\nProxy: http://evil.test\r\n",
	"twice":         "GET /blog/x HTTP/1.1\r\nX-A: 1\r\nX-A: 2\r\nCookie: a=1; b=2\r\n",
}

// received sends a request and returns what reached the backend: "" where
// nothing did, then the status.
func received(t *testing.T, addr string, b *backend, head string) (map[string]string, int) {
	t.Helper()
	body := ""
	switch {
	case strings.Contains(head, "chunked"):
		body = "3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n"
	case strings.Contains(head, "Content-Length"):
		body = "abcde"
	}
	before, _ := b.seen()
	status := ask(t, addr, head+"Host: h.test:99\r\nConnection: close\r\n\r\n"+body).Status
	after, last := b.seen()
	if after != before+1 {
		return nil, status
	}
	got := map[string]string{"BODY": fmt.Sprint(last.Body), "CONTENT_LENGTH": "0"}
	for _, p := range last.Params {
		if old := got[p[0]]; old != "" && p[0] != "CONTENT_LENGTH" {
			got[p[0]] = old + ", " + p[1]
			continue
		}
		if p[1] != "" {
			got[p[0]] = p[1]
		}
	}
	return got, status
}

func TestProtocols(t *testing.T) {
	for _, unix := range []bool{false, true} {
		t.Run(fmt.Sprintf("unix-%v", unix), func(t *testing.T) {
			forProtocols(t, nil, func(t *testing.T, f *front, p protocol) {
				socket, other := "", ""
				listen := tcp
				if unix {
					dir := publicDir(t)
					socket, other = filepath.Join(dir, "a b.sock"), filepath.Join(dir, "other.sock")
					listen = func(b *backend) string { return `group: www-data, unix: "` + b.addr.String() + `"` }
				}
				scgi := startSpeaking(t, speakSCGI, "scgi", other)
				b := startSpeaking(t, p.speak, "blog", socket)
				server := f.start(t, speaking(p.name, app("blog", listen(b), "/blog/", "")))
				reference := f.start(t, app("blog", listen(scgi), "/blog/", ""))
				for _, name := range slices.Sorted(maps.Keys(shapes)) {
					want, wantStatus := received(t, reference.Addr, scgi, shapes[name])
					got, status := received(t, server.Addr, b, shapes[name])
					if status != wantStatus {
						t.Errorf("%s: %d, with SCGI %d", name, status, wantStatus)
					}
					for v := range union(want, got) {
						if got[v] != want[v] && !expected(p.name, f.program, name, v) {
							t.Errorf("%s: %s is %.60q, with SCGI %.60q", name, v, got[v], want[v])
						}
					}
				}
			})
		})
	}
}

// different are the variables that are not as with SCGI, and why.
var different = map[string][]string{
	// Every set-up has its own, and every connection.
	"": {"DOCUMENT_ROOT", "PATH_TRANSLATED", "CONTEXT_DOCUMENT_ROOT", "SCRIPT_FILENAME", "REMOTE_PORT", "SERVER_PORT"},
	// SCGI's own name; Apache says GATEWAY_INTERFACE to others.
	"fastcgi": {"SCGI", "GATEWAY_INTERFACE"},
	"uwsgi":   {"SCGI", "GATEWAY_INTERFACE", "CONTEXT_PREFIX"},
	"http": {
		// HTTP has no place for them.
		"SCGI", "GATEWAY_INTERFACE", "CONTEXT_PREFIX", "REDIRECT_STATUS", "REDIRECT_URI", "PATH",
		"SERVER_ADDR", "SERVER_ADMIN", "SERVER_NAME", "SERVER_PROTOCOL", "SERVER_SOFTWARE",
		// The fields themselves, which are variables elsewhere.
		"HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_HOST", "HTTP_X_FORWARDED_PREFIX", "HTTP_X_FORWARDED_PROTO", "HTTP_X_HOST",
		"HTTP_CONTENT_LENGTH", "HTTP_CONTENT_TYPE", "HTTP_CONNECTION",
	},
	// The path is all that says where the app is.
	"ajp": {"SCGI", "GATEWAY_INTERFACE", "CONTEXT_PREFIX", "PATH", "SERVER_ADMIN", "SERVER_SOFTWARE", "SCRIPT_NAME", "PATH_INFO"},
}

// expected reports whether a variable need not be as with SCGI.
func expected(protocol string, program webserver.Program, shape, variable string) bool {
	if protocol == "http" && program == webserver.Lighttpd && shape == "slash" && variable == "REQUEST_URI" {
		return true // its proxy sends what it has made of the path
	}
	return slices.Contains(different[""], variable) || slices.Contains(different[protocol], variable)
}

func union(a, b map[string]string) map[string]string {
	both := maps.Clone(a)
	if both == nil {
		return maps.Clone(b)
	}
	maps.Copy(both, b)
	return both
}
