package generate_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"scgikit/internal/need"
	"scgikit/internal/webserver"
)

// modSCGI names the variable with the path of a mod_scgi.so, to measure that as
// well; no system packages it.
const modSCGI = "SCGIKIT_MOD_SCGI"

// front is a web server with one way to configure it.
type front struct {
	name    string
	program webserver.Program
	options string // lines of YAML for every app: "  nginx: {as: server}"
	modSCGI bool
}

// fronts are all ways that have to give an app the same request.
var fronts = []front{
	{name: "nginx", program: webserver.Nginx},
	{name: "nginx-server", program: webserver.Nginx, options: "options: {nginx: {as: server}}\n"},
	{name: "lighttpd", program: webserver.Lighttpd},
	{name: "apache", program: webserver.Apache},
	{name: "apache-vhost", program: webserver.Apache, options: "options: {apache: {as: vhost}}\n"},
}

// modFront is one more, where there is a mod_scgi.so.
var modFront = front{name: "mod_scgi", program: webserver.Apache, options: "options: {apache: {module: mod_scgi}}\n", modSCGI: true}

// allFronts are the fronts that this machine can have.
func allFronts() []front {
	if os.Getenv(modSCGI) == "" {
		return fronts
	}
	return append(slices.Clone(fronts), modFront)
}

func (f *front) find(t testing.TB) {
	t.Helper()
	for _, name := range f.program.Names() {
		if _, ok := need.Find(name); ok {
			return
		}
	}
	need.Missing(t, f.program.Names()[0])
}

// start renders the apps and starts the server until the test ends. In text,
// OPTIONS stands for the front's own lines and REDIRECTS for the value of
// http.relative_redirects that it can have.
func (f *front) start(t testing.TB, text string) *webserver.Server {
	t.Helper()
	site := f.site(t, text)
	server, err := site.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		server.Stop()
		if t.Failed() {
			t.Logf("%s log:\n%s", f.name, server.Logs())
		}
	})
	return server
}

// site renders the apps and lets the program check them.
func (f *front) site(t testing.TB, text string) *webserver.Site {
	t.Helper()
	f.find(t)
	site := &webserver.Site{Program: f.program, Dir: filepath.Join(publicDir(t), f.name)}
	redirects := "pass"
	if f.modSCGI {
		site.Modules = []string{"scgi_module " + os.Getenv(modSCGI)}
		redirects = "internal"
	}
	text = strings.NewReplacer("OPTIONS\n", f.options, "REDIRECTS", redirects).Replace(text)
	site.Files = mustRender(t, string(f.program), load(t, text)).Files()
	if err := site.Write(); err != nil {
		t.Fatal(err)
	}
	if diagnostics, err := site.Check(t.Context()); err != nil || diagnostics != "" {
		t.Fatalf("%s: %v\n%s", f.name, err, diagnostics)
	}
	return site
}

// publicDir returns a folder that a server started by root, which serves as
// another user, can enter.
func publicDir(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	if os.Geteuid() == 0 {
		for _, d := range []string{dir, filepath.Dir(dir)} {
			if err := os.Chmod(d, 0o755); err != nil {
				t.Fatal(err)
			}
		}
	}
	return dir
}

// app is a description of a resident app, with further lines for http.
func app(name, listen, mount, http string) string {
	return "---\napiVersion: scgikit/v1\nname: " + name + "\ntype: server\nrun: {command: [/srv/x], user: www}\nOPTIONS\nlisten: {" + listen +
		"}\nhttp:\n  mount: " + mount + "\n  relative_redirects: REDIRECTS\n" + http
}

func tcp(b *backend) string { return `tcp: "` + b.addr.String() + `"` }

// path is one request target and what has to become of it: "name SCRIPT_NAME
// PATH_INFO" with the backend's name, or the status, and for a redirect the
// Location.
type path struct{ target, want string }

// told is what a reply says, in the words of path.want. An empty PATH_INFO and
// a missing one are the same.
func told(r reply) string {
	if r.Received == nil {
		if location := r.Header.Get("Location"); location != "" {
			return fmt.Sprintf("%d %s", r.Status, strings.TrimPrefix(location, "http://h.test:99"))
		}
		return fmt.Sprint(r.Status)
	}
	script, _ := r.Received.get("SCRIPT_NAME")
	info, _ := r.Received.get("PATH_INFO")
	return fmt.Sprintf("%s %q %q", r.Received.Backend, script, info)
}
