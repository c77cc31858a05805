package servertest

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"scgikit/internal/need"
	"scgikit/internal/webserver"
)

// addListener renders an example for daemontools, with a listener in its folder
// in the place of an inetd, or the bridge, or workers.
func (s *stack) addListener(t *testing.T, name, addr string, settings ...string) {
	t.Helper()
	settings = append(settings, "options.daemontools.scgi_run="+programs.ScgiRun, "run.user=www-data", "run.group=www-data")
	network, where, _ := strings.Cut(addr, ":")
	if network == "unix" {
		// The web servers of the tests run as nobody.
		settings = append(settings, "listen.tcp=null", "listen.unix="+where, "listen.user=null", "listen.group=nogroup", "listen.mode=0660")
	} else {
		settings = append(settings, "listen.unix=null", "listen.user=null", "listen.group=null", "listen.mode=null", "listen.tcp="+addr)
	}
	logDir(t, s, name)
	Place(t, s.add(t, name, "nginx lighttpd apache daemontools", settings...), "daemontools", filepath.Join(s.dir, "service"))
}

// TestListenersStack runs a CGI folder at a socket and a WSGI callable at a port,
// under svscan and behind every web server: both per request, by unixserver and
// tcpserver; and both as scgi-run that keeps running, behind nginx.
func TestListenersStack(t *testing.T) {
	t.Run("per request", func(t *testing.T) { listenersStack(t, webserver.SpeakSCGI()) })
	t.Run("resident", func(t *testing.T) {
		listenersStack(t, []webserver.Program{webserver.Nginx}, "run.mode=null", "run.max_concurrent=null")
	})
}

func listenersStack(t *testing.T, servers []webserver.Program, settings ...string) {
	t.Helper()
	need.Root(t)
	for _, name := range []string{"python3", "multilog", "setuidgid", "tcpserver", "unixserver", "getent"} {
		need.Program(t, name)
	}
	s := &stack{dir: Folder(t)}
	cgi, hello := example(t, s.dir, "localcgi"), example(t, s.dir, "hello-wsgi")
	socket, port := filepath.Join(s.dir, "run", "sock"), fmt.Sprintf("127.0.0.1:%d", Ports(t, 1))
	if err := os.MkdirAll(s.logs(), 0o755); err != nil {
		t.Fatal(err)
	}
	s.addListener(t, "localcgi", "unix:"+socket, append(settings, "vars.localcgi="+cgi, "options.daemontools.listener_dir="+filepath.Dir(need.Program(t, "unixserver")))...)
	s.addListener(t, "hello-wsgi", port, append(settings, "vars.hello="+hello, "options.daemontools.listener_dir="+filepath.Dir(need.Program(t, "tcpserver")))...)
	d := Svscan(t, filepath.Join(s.dir, "service"), s.logs())
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(d.Log())
		}
	})
	Until(t, socket+" to be there", func() bool { _, err := os.Stat(socket); return err == nil })
	s.awaitListener(t, port)
	for _, program := range servers {
		t.Run(string(program), func(t *testing.T) {
			base := "http://" + s.serve(t, program)
			for _, tt := range []struct {
				method, path, body string
				status             int
				want               string
			}{
				{http.MethodGet, "/local-cgi/env.py/a%20b/c?q=1", "", 200, "PATH_INFO=/a b/c\n"},
				{http.MethodPost, "/local-cgi/count.py", strings.Repeat("x", 300_000), 200, "300000"},
				{http.MethodGet, "/local-cgi/none.sh", "", 404, ""},
				{http.MethodGet, "/test/a%20b", "", 200, "SCRIPT_NAME=/test\nPATH_INFO=/a b\n"},
			} {
				got := ask(t, tt.method, base+tt.path, tt.body, nil)
				if got.status != tt.status || !strings.Contains(got.body, tt.want) {
					t.Errorf("%s %s: %d %.600q, want %d with %q", tt.method, tt.path, got.status, got.body, tt.status, tt.want)
				}
				for _, variable := range []string{"PROTO=", "UNIXREMOTE", "TCPREMOTE"} {
					if strings.Contains(got.body, "\n"+variable) {
						t.Errorf("%s: the program sees %s", tt.path, variable)
					}
				}
			}
		})
	}
}
