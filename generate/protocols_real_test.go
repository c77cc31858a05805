package generate_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/fcgi"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"scgikit/internal/loopback"
	"scgikit/internal/need"
)

// TestRealApps has programs that others wrote behind every web server: uWSGI
// with a WSGI callable, and the servers of Go's library for FastCGI and HTTP.
func TestRealApps(t *testing.T) {
	apps := map[string]func(t *testing.T) (addr string){
		"uwsgi": startUWSGI,
		"fastcgi": func(t *testing.T) string {
			return startGo(t, fcgi.Serve)
		},
		"http": func(t *testing.T) string { return startGo(t, http.Serve) },
	}
	for protocol, start := range apps {
		t.Run(protocol, func(t *testing.T) {
			addr := start(t)
			forFronts(t, append([]string{"mod_scgi"}, fewFronts...), func(t *testing.T, f *front) {
				server := f.start(t, speaking(protocol, app("app", "tcp: "+addr, "/app/", "")))
				for _, x := range []struct{ head, want string }{
					{"GET /app/ HTTP/1.1\r\n", `GET "/app" "/" "" 0`},
					{"GET /app/a%20b/c?q=1 HTTP/1.1\r\n", `GET "/app" "/a b/c" "q=1" 0`},
					{"POST /app/form HTTP/1.1\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n", `POST "/app" "/form" "" 5`},
				} {
					body := ""
					if strings.HasPrefix(x.head, "POST") {
						body = "abcde"
					}
					r := ask(t, server.Addr, x.head+"Host: h.test:99\r\nConnection: close\r\n\r\n"+body)
					if r.Status != 200 || r.Body != x.want+" h.test:99" {
						t.Errorf("%.40q: %d %q, want %q", x.head, r.Status, r.Body, x.want)
					}
				}
			})
		})
	}
}

// startGo serves with a server of Go's library, which shows an app the whole path
// alone.
func startGo(t *testing.T, serve func(net.Listener, http.Handler) error) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			n, _ := io.Copy(io.Discard, r.Body)
			fmt.Fprintf(w, "%s %q %q %q %d %s", r.Method, r.URL.Path[:4], r.URL.Path[4:], r.URL.RawQuery, n, r.Host)
		}))
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-done
	})
	return l.Addr().String()
}

const wsgiApp = `import json
def application(environ, start_response):
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    quote = json.dumps
    text = "%s %s %s %s %d %s" % (environ["REQUEST_METHOD"], quote(environ["SCRIPT_NAME"]), quote(environ["PATH_INFO"]),
                                  quote(environ["QUERY_STRING"]), len(body), environ["HTTP_HOST"])
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [text.encode()]
`

// startUWSGI runs the real uWSGI until the test ends.
func startUWSGI(t *testing.T) string {
	t.Helper()
	program := need.Program(t, "uwsgi")
	dir := publicDir(t)
	writeFile(t, filepath.Join(dir, "app.py"), wsgiApp)
	addr, err := loopback.Addr()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, program, "--plugin", "python3", "--socket", addr, "--wsgi-file", filepath.Join(dir, "app.py"), "--need-app", "--die-on-term")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1")
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	cmd.WaitDelay = time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // how it ends is not what is tested
		close(ended)
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
		if t.Failed() {
			t.Log(log.String())
		}
	})
	for tick := time.NewTicker(20 * time.Millisecond); ; <-tick.C {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			_ = conn.Close()
			return addr
		}
		select {
		case <-ended:
			t.Fatalf("uwsgi ended: %s", log.String())
		default:
		}
	}
}
