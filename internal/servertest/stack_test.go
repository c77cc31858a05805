package servertest

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"scgikit/internal/fileset"
	"scgikit/internal/need"
	"scgikit/internal/webserver"
)

var programs *Programs

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "scgikit-bin")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	// Every user must be able to start what inetd starts.
	if err := os.Chmod(dir, 0o755); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if programs, err = Build(context.Background(), dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// example returns the folder of an example, copied to where every user may
// read it.
func example(t *testing.T, dir, name string) string {
	t.Helper()
	dest := filepath.Join(dir, "src", name)
	if err := os.MkdirAll(filepath.Dir(dest), 0o755); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("cp", "-R", filepath.Join("..", "..", "examples", name), dest).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if out, err := exec.Command("chmod", "-R", "go+rX,go-w", dest).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return dest
}

// stack is the example apps running under real starters, and the files for
// the web servers in front of them.
type stack struct {
	dir   string
	web   []fileset.File
	inetd string // configuration lines
	addrs []string
	root  string // document root of the web servers; "" is one for each
}

// add renders one example with settings for this machine.
func (s *stack) add(t *testing.T, name, targets string, settings ...string) []fileset.File {
	t.Helper()
	out := filepath.Join(s.dir, "deploy", name)
	args := []string{"generate", "--out-dir", out, "-f", filepath.Join(s.dir, "src", name, "scgikit.yaml")}
	// All of them behind one server, whatever its name.
	settings = append(settings, "http.host=null", "options.nginx.as=location")
	for _, setting := range settings {
		args = append(args, "--set", setting)
	}
	programs.Run(t, s.dir, append(args, strings.Fields(targets)...)...)
	files := Deployed(t, out)
	for i := range files {
		switch files[i].Target {
		case "nginx", "lighttpd", "apache":
			s.web = append(s.web, files[i])
		}
	}
	return files
}

// addInetd renders an example for a super-server and notes where it listens.
func (s *stack) addInetd(t *testing.T, inetd Inetd, name, addr string, settings ...string) {
	t.Helper()
	wrappers := filepath.Join(s.dir, "wrappers")
	logDir(t, s, name)
	settings = slices.Concat(settings, inetd.settings(programs.ScgiRun, wrappers), []string{"run.user=www-data", "run.group=www-data"})
	network, where, _ := strings.Cut(addr, ":")
	if network == "unix" {
		// The web servers of the tests run as nobody.
		settings = append(settings, "listen.tcp=null", "listen.unix="+where, "listen.user=null", "listen.group=nogroup", "listen.mode=0660")
		s.addrs = append(s.addrs, addr)
	} else {
		settings = append(settings, "listen.unix=null", "listen.user=null", "listen.group=null", "listen.mode=null", "listen.tcp="+addr)
		s.addrs = append(s.addrs, addr)
	}
	files := s.add(t, name, "nginx lighttpd apache "+inetd.target(), settings...)
	for i := range files {
		f := &files[i]
		switch {
		case f.Target != inetd.target():
		case f.Kind == fileset.Dir && network == "unix":
			if err := os.MkdirAll(filepath.Dir(where), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(filepath.Dir(where), f.Mode); err != nil {
				t.Fatal(err)
			}
			own(t, filepath.Dir(where), f.User, f.Group)
		case f.Place == "inetd.conf" || f.Place == "xinetd.d":
			s.inetd += string(f.Data)
		case f.Kind == fileset.Regular:
			Place(t, files[i:i+1], inetd.target(), wrappers)
		}
	}
}

// logs is the folder that stands in the place of /var/log.
func (s *stack) logs() string { return filepath.Join(s.dir, "log") }

// logDir makes the log folder of an app, as an installation does.
func logDir(t *testing.T, s *stack, name string) {
	t.Helper()
	path := filepath.Join(s.logs(), "scgikit", name)
	if err := os.MkdirAll(path, 0o755); err != nil {
		t.Fatal(err)
	}
	own(t, path, "www-data", "www-data")
}

// start returns the six examples under svscan and the super-server.
func start(t *testing.T, inetd Inetd) *stack {
	t.Helper()
	need.Root(t)
	for _, name := range []string{"python3", "git", "multilog", "setuidgid"} {
		need.Program(t, name)
	}
	for name, file := range map[string]string{
		"git-http-backend": "/usr/lib/git-core/git-http-backend",
		"awstats":          "/usr/lib/cgi-bin/awstats.pl",
		"cgit":             "/usr/lib/cgit/cgit.cgi",
	} {
		if _, err := os.Stat(file); err != nil {
			need.Missing(t, name)
		}
	}
	inetd.Program(t)
	s := &stack{dir: Folder(t)}
	src := make(map[string]string)
	for _, name := range []string{"blog", "localcgi", "hello-wsgi", "stats", "git"} {
		src[name] = example(t, s.dir, name)
	}
	address := func(name string) string {
		if inetd == OpenBSD && name != "stats" {
			return "unix:" + filepath.Join(s.dir, "run", name, "sock")
		}
		return fmt.Sprintf("127.0.0.1:%d", Ports(t, 1))
	}
	s.addInetd(t, inetd, "localcgi", address("localcgi"), "vars.localcgi="+src["localcgi"])
	s.addInetd(t, inetd, "hello-wsgi", address("hello-wsgi"), "vars.hello="+src["hello-wsgi"])
	awstats(t, src["stats"])
	s.addInetd(t, inetd, "stats", address("stats"), "vars.stats="+src["stats"])
	repository(t, src["git"])
	s.addInetd(t, inetd, "git", address("git"), "vars.git="+src["git"])
	cgit(t, s.dir, src["git"])
	s.addInetd(t, inetd, "cgit", address("cgit"))
	inetd.Start(t, s.dir, s.logs(), s.inetd, s.addrs...)

	blog := "127.0.0.1:" + strconv.Itoa(Ports(t, 1))
	files := s.add(t, "blog", "nginx lighttpd apache daemontools",
		"vars.blog="+src["blog"], "listen.tcp="+blog, "run.user=www-data")
	services := filepath.Join(s.dir, "service")
	Place(t, files, "daemontools", services)
	Svscan(t, services, s.logs())
	s.awaitListener(t, blog)
	return s
}

func (s *stack) awaitListener(t *testing.T, addr string) {
	t.Helper()
	Until(t, addr+" to listen", func() bool {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			return false
		}
		conn.Close()
		return true
	})
}

// reply is what a client got.
type reply struct {
	status int
	header http.Header
	body   string
}

// ask sends one request; redirects are not followed, so that they can be seen.
func ask(t *testing.T, method, url, body string, header http.Header) reply {
	t.Helper()
	var r io.Reader
	if body != "" {
		r = strings.NewReader(body)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, url, r)
	if err != nil {
		t.Fatal(err)
	}
	maps.Copy(req.Header, header)
	client := &http.Client{
		Timeout:       Patience,
		Transport:     &http.Transport{DisableKeepAlives: true, DisableCompression: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatalf("%s %s: %v", method, url, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("%s %s: %v", method, url, err)
	}
	return reply{resp.StatusCode, resp.Header, string(text)}
}

// TestStack runs every example behind every web server, from generated files
// alone: a resident app under svscan, supervise and multilog; a CGI folder, a
// WSGI callable, AWStats and git-http-backend under two inetds and xinetd.
func TestStack(t *testing.T) {
	for _, inetd := range []Inetd{OpenBSD, Inetutils, Xinetd} {
		t.Run(string(inetd), func(t *testing.T) {
			s := start(t, inetd)
			environments := make(map[string]map[string]string)
			for _, program := range webserver.SpeakSCGI() {
				t.Run(string(program), func(t *testing.T) {
					environments[string(program)] = behind(t, s, program)
				})
			}
			compareEnvironments(t, environments)
			if t.Failed() {
				for _, file := range glob(t, filepath.Join(s.logs(), "scgikit", "*", "*")) {
					text, err := os.ReadFile(file)
					t.Logf("%s: %s %v", file, text, err)
				}
			}
			logged(t, s)
		})
	}
}

func glob(t *testing.T, pattern string) []string {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// serve runs a web server on the files of the stack, and returns its address.
func (s *stack) serve(t *testing.T, program webserver.Program) (addr string) {
	t.Helper()
	need.Program(t, program.Names()[0])
	site := &webserver.Site{
		Program: program, Dir: filepath.Join(s.dir, string(program)), Files: s.web, Root: s.root,
		Replace: map[string]string{"/usr/share/scgikit/mount-point": filepath.Join(s.dir, "mount-point")},
	}
	if err := os.WriteFile(filepath.Join(s.dir, "mount-point"), []byte("never served\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := site.Write(); err != nil {
		t.Fatal(err)
	}
	if diagnostics, err := site.Check(t.Context()); err != nil {
		t.Fatalf("%v\n%s", err, diagnostics)
	}
	return started(t, site)
}

// started runs a web server on a site that is written, and returns its address.
func started(t *testing.T, site *webserver.Site) (addr string) {
	t.Helper()
	server, err := site.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		server.Stop()
		if t.Failed() {
			t.Log(server.Logs())
		}
	})
	return server.Addr
}

// behind asks every app through one web server, and returns the environment
// that a CGI script has there.
func behind(t *testing.T, s *stack, program webserver.Program) map[string]string {
	t.Helper()
	addr := s.serve(t, program)
	base := "http://" + addr

	for _, tt := range []struct {
		name, method, path, body string
		status                   int
		want                     string // in the body
		location                 string
	}{
		{name: "resident app", path: "/blog/", status: 200, want: "Hello"},
		{name: "bare mount", path: "/blog?x=1", status: 308, location: "/blog/?x=1"},
		{name: "static file", path: "/blog/static/blog.css", status: 200, want: "{"},
		{name: "relative redirect", method: "POST", path: "/blog/comment", body: "text=hi", status: 302, location: "./"},
		{name: "another prefix", path: "/blog2/x", status: 404},
		{name: "CGI script", path: "/local-cgi/hello.sh", status: 200, want: "Hello"},
		{name: "CGI script, extra path", path: "/local-cgi/env.py/a%20b/c?q=1", status: 200, want: "PATH_INFO=/a b/c\n"},
		{name: "CGI script without Status", path: "/local-cgi/nostatus.sh", status: 200},
		{name: "CGI script, body", method: "POST", path: "/local-cgi/count.py", body: strings.Repeat("x", 300_000), status: 200, want: "300000"},
		{name: "no CGI script", path: "/local-cgi/none.sh", status: 404},
		{name: "WSGI", path: "/test/a%20b", status: 200, want: "SCRIPT_NAME=/test\nPATH_INFO=/a b\n"},
		{name: "WSGI beside the mount", path: "/test2", status: 404},
		{name: "AWStats", path: "/stats/?configdir=" + filepath.Join(s.dir, "src", "stats"), status: 200, want: "Statistics for"},
		{name: "cgit", path: "/cgit/hello.git/tree/README", status: 200, want: "Cloned through git-http-backend."},
		{name: "cgit, static file", path: "/cgit-css/cgit.css", status: 200, want: "cgit"},
		{name: "git", path: "/git/hello.git/info/refs?service=git-upload-pack", status: 200, want: "refs/heads/"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			method := tt.method
			if method == "" {
				method = http.MethodGet
			}
			got := ask(t, method, base+tt.path, tt.body, nil)
			location := got.header.Get("Location")
			if got.status != tt.status || !strings.Contains(got.body, tt.want) {
				t.Errorf("%s %s: %d %.600q, want %d with %q", method, tt.path, got.status, got.body, tt.status, tt.want)
			}
			if tt.location != "" && location != tt.location && location != base+tt.location {
				t.Errorf("%s %s: Location %q, want %q", method, tt.path, location, tt.location)
			}
		})
	}
	t.Run("git clone", func(t *testing.T) {
		dest := filepath.Join(t.TempDir(), "clone")
		cmd := exec.CommandContext(t.Context(), "git", "clone", "-q", base+"/git/hello.git", dest)
		cmd.Env = append(os.Environ(), "GIT_TERMINAL_PROMPT=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git clone: %v\n%s", err, out)
		}
		if text, err := os.ReadFile(filepath.Join(dest, "README")); err != nil || !strings.Contains(string(text), "Cloned") {
			t.Errorf("README of the clone: %q, %v", text, err)
		}
	})

	got := ask(t, http.MethodPost, base+"/local-cgi/env.py/more%2Fpath?a=b%20c", "x=1", http.Header{
		"Proxy":        {"http://evil.example/"},
		"Content-Type": {"application/x-www-form-urlencoded"},
		"Cookie":       {"a=1"},
		"X-Probe":      {"seen"},
	})
	environment := make(map[string]string)
	for line := range strings.Lines(got.body) {
		name, value, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		if ok {
			environment[name] = value
		}
	}
	if _, ok := environment["HTTP_PROXY"]; ok {
		t.Error("a Proxy header became HTTP_PROXY")
	}
	if environment["HTTP_HOST"] != addr {
		t.Errorf("HTTP_HOST is %q, want %q", environment["HTTP_HOST"], addr)
	}
	return environment
}

// logged checks that what the resident app wrote went through multilog.
func logged(t *testing.T, s *stack) {
	t.Helper()
	stamped := regexp.MustCompile(`(?m)^@[0-9a-f]{24} .*/blog`)
	Until(t, "stamped lines in the blog's log", func() bool {
		text, err := os.ReadFile(filepath.Join(s.dir, "service", "blog", "log", "main", "current"))
		return err == nil && stamped.Match(text)
	})
}
