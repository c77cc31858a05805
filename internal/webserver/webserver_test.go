package webserver

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"scgikit/internal/fileset"
	"scgikit/internal/need"
)

// fragments are, for each program, a file it takes and several it does not.
var fragments = map[Program]struct {
	place string
	good  string
	bad   map[string]string // file, and a word of the diagnostics
}{
	Nginx: {
		place: PlaceServer,
		good:  "location = /x { return 200 hello; }\n",
		bad: map[string]string{
			"locatoin /x { }\n":                      "unknown directive",
			"location /x { return 200 hello; \n":     "unexpected end of file",
			"location = /x { }\nlocation = /x { }\n": "duplicate location",
			"include /nonexistent/file;\n":           "No such file",
		},
	},
	Lighttpd: {
		place: PlaceServer,
		good:  "server.modules += ( \"mod_redirect\" )\n$HTTP[\"url\"] == \"/x\" { url.redirect = ( \"\" => \"/hello\" ) }\n",
		bad: map[string]string{
			"server.modules += ( \"mod_scgi\" )\nscgi.servr = ( )\n": "unknown config-key: scgi.servr",
			// The program ends with 0 here: the module is not loaded.
			"scgi.server = ( \"/x\" => (( \"host\" => \"127.0.0.1\", \"port\" => 1 )) )\n": "unknown config-key: scgi.server",
			"$HTTP[\"url\"] == \"/x\" {\n":         "parser",
			"server.modules += ( \"mod_none\" )\n": "mod_none",
			"include \"/nonexistent/file\"\n":      "nonexistent",
		},
	},
	Apache: {
		place: PlaceVHost,
		good:  "RedirectMatch 302 \"^/x$\" \"/hello\"\n",
		bad: map[string]string{
			"RedirctMatch 302 \"^/x$\" \"/hello\"\n":                       "Invalid command",
			"<Location \"/x\">\n":                                          "was not closed",
			"<IfModule !none_module>\nError \"needs none\"\n</IfModule>\n": "needs none",
			"Include /nonexistent/file\n":                                  "nonexistent",
		},
	},
	HAProxy: {
		place: PlaceConfig,
		good:  haproxyFrontend + "    http-request redirect location /hello if { path /x }\n",
		bad: map[string]string{
			haproxyFrontend + "    http-requst deny\n":                      "unknown keyword",
			haproxyFrontend + "    http-request deny if { path /x\n":        "missing closing",
			haproxyFrontend + "    use_backend none\n":                      "unable to find required use_backend: 'none'",
			haproxyFrontend + "    http-request deny deny_status 299\n":     "299",
			haproxyFrontend + "    use_backend a if { src /nonexistent }\n": "/nonexistent",
			// The program ends with 0 here.
			haproxyFrontend + "    default_backend b\nbackend b\n    mode http\n    server s 127.0.0.1:1\n": "missing timeouts",
		},
	},
	Caddy: {
		place: PlaceSite,
		good:  "redir /x /hello\n",
		bad: map[string]string{
			"redirr /x /hello\n":         "unrecognized directive",
			"reverse_proxy {\nx y\n}\n":  "unrecognized subdirective",
			"import /nonexistent/file\n": "nonexistent",
		},
	},
}

const haproxyFrontend = "frontend f\n    mode http\n    bind :80\n    timeout client 60s\n"

func program(t *testing.T, p Program) {
	t.Helper()
	if _, ok := Find(p); !ok {
		need.Missing(t, p.Names()[0])
	}
}

func site(t *testing.T, p Program, text string) *Site {
	t.Helper()
	dir := t.TempDir()
	// The server runs as another user where the test is run by root.
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil {
		t.Fatal(err)
	}
	s := &Site{Program: p, Dir: filepath.Join(dir, `a "b" c`), Files: []fileset.File{{Path: string(p) + "/x.conf", Data: []byte(text), Place: fragments[p].place}}}
	return s
}

func TestCheck(t *testing.T) {
	for _, p := range Programs() {
		t.Run(string(p), func(t *testing.T) {
			program(t, p)
			s := site(t, p, fragments[p].good)
			if err := s.Write(); err != nil {
				t.Fatal(err)
			}
			if diagnostics, err := s.Check(t.Context()); err != nil || diagnostics != "" {
				t.Errorf("good file: %v\n%s", err, diagnostics)
			}
			for text, word := range fragments[p].bad {
				s := site(t, p, text)
				if err := s.Write(); err != nil {
					t.Fatal(err)
				}
				diagnostics, err := s.Check(t.Context())
				if err == nil || !strings.Contains(diagnostics, word) {
					t.Errorf("%q: %v, %q is not in\n%s", text, err, word, diagnostics)
				}
			}
		})
	}
}

func TestStartAndStop(t *testing.T) {
	for _, p := range Programs() {
		t.Run(string(p), func(t *testing.T) {
			program(t, p)
			s := site(t, p, fragments[p].good)
			if err := s.Write(); err != nil {
				t.Fatal(err)
			}
			server, err := s.Start(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			resp, err := http.DefaultTransport.RoundTrip(newRequest(t, "http://"+server.Addr+"/x"))
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(resp.Body)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(string(body)+resp.Header.Get("Location"), "hello") {
				t.Errorf("%d %s", resp.StatusCode, body)
			}
			if err := resp.Body.Close(); err != nil {
				t.Error(err)
			}
			pid := server.cmd.Process.Pid
			server.Stop()
			server.Stop()
			if err := syscall.Kill(-pid, 0); !errors.Is(err, syscall.ESRCH) {
				t.Errorf("after Stop the processes are still there: %v", err)
			}
		})
	}
}

func newRequest(t *testing.T, url string) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Close = true
	return req
}

// TestStartFails expects the reason of a server that does not start.
func TestStartFails(t *testing.T) {
	for _, p := range Programs() {
		t.Run(string(p), func(t *testing.T) {
			program(t, p)
			s := site(t, p, "???\n")
			if err := s.Write(); err != nil {
				t.Fatal(err)
			}
			server, err := s.Start(t.Context())
			if err == nil {
				server.Stop()
				t.Fatal("it started")
			}
			if !strings.Contains(err.Error(), "x.conf") {
				t.Errorf("the reason is not in: %v", err)
			}
		})
	}
}

// TestContext ends a server with its context.
func TestContext(t *testing.T) {
	for _, p := range Programs() {
		t.Run(string(p), func(t *testing.T) {
			program(t, p)
			s := site(t, p, fragments[p].good)
			if err := s.Write(); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			server, err := s.Start(ctx)
			if err != nil {
				cancel()
				t.Fatal(err)
			}
			cancel()
			<-server.ended
			server.Stop()
			if err := syscall.Kill(-server.cmd.Process.Pid, 0); !errors.Is(err, syscall.ESRCH) {
				t.Errorf("the processes are still there: %v", err)
			}
		})
	}
}

// TestStubs includes files that exist on the target machine only.
func TestStubs(t *testing.T) {
	for p, text := range map[Program]string{
		Nginx:    "location /x { include /etc/none/extra.conf; include \"/etc/none/a \\\"b\\\".conf\"; }\n",
		Lighttpd: "$HTTP[\"url\"] == \"/x\" {\ninclude \"/etc/none/extra.conf\"\ninclude \"/etc/none/a \\\"b\\\".conf\"\n}\n",
		Apache:   "<Location /x>\nInclude /etc/none/extra.conf\nInclude \"/etc/none/a \\\"b\\\".conf\"\n</Location>\n",
	} {
		t.Run(string(p), func(t *testing.T) {
			program(t, p)
			s := site(t, p, text)
			s.Stubs = []string{"/etc/none/extra.conf", `/etc/none/a "b".conf`}
			if err := s.Write(); err == nil {
				t.Error("a folder whose path needs quotes can not be put into other words")
			}
			s.Dir = filepath.Join(filepath.Dir(s.Dir), "plain")
			if err := s.Write(); err != nil {
				t.Fatal(err)
			}
			if diagnostics, err := s.Check(t.Context()); err != nil {
				t.Errorf("%v\n%s", err, diagnostics)
			}
		})
	}
}

// TestPlaces writes a file that is no configuration, and points to it.
func TestPlaces(t *testing.T) {
	s := site(t, Apache, "Alias /x /usr/none/mount/blog/app\n<Directory /usr/none/mount/blog>\n</Directory>\n")
	s.Binary, s.Dir = "/nonexistent", filepath.Join(filepath.Dir(s.Dir), "plain")
	s.Files = append(s.Files, fileset.File{Path: "apache/mount/blog/app", Place: "/usr/none/mount/blog/app", Data: []byte("/usr/none/mount/blog/app\n")})
	if err := s.Write(); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(s.Dir, "files/apache/x.conf"))
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(s.Dir, "files/apache/mount/blog")
	if want := "Alias /x " + dir + "/app\n<Directory " + dir + ">\n</Directory>\n"; string(data) != want {
		t.Errorf("got\n%swant\n%s", data, want)
	}
	if data, err := os.ReadFile(filepath.Join(dir, "app")); err != nil || string(data) != "/usr/none/mount/blog/app\n" {
		t.Errorf("the file: %q, %v", data, err)
	}
}

func TestListenOn(t *testing.T) {
	conf := "upstream a {\n    server 127.0.0.1:1;\n}\n\nserver {\n    listen 80 default_server;\n    listen [::]:80 default_server;\n    root /x;\n}\n"
	want := "upstream a {\n    server 127.0.0.1:1;\n}\n\nserver {\n    listen 127.0.0.1:9 default_server;\n\n    root /x;\n}\n"
	if got := string(listenOn([]byte(conf), "127.0.0.1:9", "")); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	location := "location / {\n    listen 80;\n}\n"
	if got := string(listenOn([]byte(location), "127.0.0.1:9", "")); got != location {
		t.Errorf("outside of a server block: %s", got)
	}
}

func TestNotFound(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	s := &Site{Program: Program("none"), Dir: t.TempDir()}
	if _, err := s.Check(t.Context()); !errors.Is(err, ErrNotFound) {
		t.Errorf("Check: %v", err)
	}
	if err := s.Write(); err == nil {
		t.Error("Write takes a program that does not exist")
	}
	if err := (&Site{Program: Nginx, Dir: "relative"}).Write(); err == nil {
		t.Error("Write takes a relative folder")
	}
}
