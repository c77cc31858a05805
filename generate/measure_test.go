package generate_test

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"scgikit/generate"
	"scgikit/internal/fileset"
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
	{name: "mod_scgi", program: webserver.Apache, options: "options: {apache: {module: mod_scgi}}\n", modSCGI: true},
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
		file := os.Getenv(modSCGI)
		if file == "" {
			need.Missing(t, "mod_scgi")
		}
		site.Modules = []string{"scgi_module " + file}
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

// residue are the differences between the servers that no configuration
// removes: target, front, what it says instead.
type residue map[string]map[string]string

// blogPaths are what one app at /blog/ has to see.
var blogPaths = []path{
	{"/blog", `308 /blog/`},
	{"/blog?x=1&y=%20", `308 /blog/?x=1&y=%20`},
	{"/blog/", `blog "/blog" "/"`},
	{"/blog/?x=1", `blog "/blog" "/"`},
	{"/blog/a/b", `blog "/blog" "/a/b"`},
	{"/blog/a/b/", `blog "/blog" "/a/b/"`},
	{"/blog/a%20b", `blog "/blog" "/a b"`},
	{"/blog/a%2Fb", `blog "/blog" "/a/b"`},
	{"/blog/a%2fb", `blog "/blog" "/a/b"`},
	{"/blog/a//b", `blog "/blog" "/a/b"`},
	{"//blog/a", `blog "/blog" "/a"`},
	{"/blog//a", `blog "/blog" "/a"`},
	{"/blog/a;p=1", `blog "/blog" "/a;p=1"`},
	{"/blog/%C3%A9", `blog "/blog" "/é"`},
	{"/blog/\xc3\xa9", `blog "/blog" "/é"`},
	{"/blog/%E9", "blog \"/blog\" \"/\ufffd\""}, // JSON replaces the byte
	{"/blog/a+b", `blog "/blog" "/a+b"`},
	{"/blog/x/../y", `blog "/blog" "/y"`},
	{"/blog/./y", `blog "/blog" "/y"`},
	{"/blog/a%3Fb?c", `blog "/blog" "/a?b"`},
	{"/blog/a%23b", `blog "/blog" "/a#b"`},
	{"/blog/a%25b", `blog "/blog" "/a%b"`},
	{"/blog/a%252Fb", `blog "/blog" "/a%2Fb"`},
	{"/blog/a%5Cb", `blog "/blog" "/a\\b"`},
	{"/blog/a%22b'c", `blog "/blog" "/a\"b'c"`},
	{"/blog/a%09b", "blog \"/blog\" \"/a\\tb\""},
	{"/blog/a%0Ab", "blog \"/blog\" \"/a\\nb\""},
	{"/%62log/x", `blog "/blog" "/x"`},
	{"/blog%2Fx", `blog "/blog" "/x"`},
	{"/blog/x.css", `blog "/blog" "/x.css"`},
	{"/blog/x.php", `blog "/blog" "/x.php"`},
	{"/blog/x.inc", `blog "/blog" "/x.inc"`},
	{"/blog/.htaccess", `blog "/blog" "/.htaccess"`},
	{"/blog/a~", `blog "/blog" "/a~"`},
	{"/blog/$x/${y}/%7Bz%7D", `blog "/blog" "/$x/${y}/{z}"`},
	{"/blog/blog/blog", `blog "/blog" "/blog/blog"`},
	{"/blog/?", `blog "/blog" "/"`},
	{"/blog2", "404"},
	{"/blog2/x", "404"},
	{"/blogx", "404"},
	{"/blog;p=1", "404"},
	{"/blog.x", "404"},
	{"/BLOG/x", "404"},
	{"/blog/%2e%2e/blog2", "404"},
	{"/blog/../blog2/x", "404"},
	{"/blog/static/x.css", "200"},
	{"/blog/static/none", "404"},
	{"/blog/staticx", `blog "/blog" "/staticx"`},
	{"/blog/%zz", "400"},
	{"/blog/a%00b", "400"},
	{"/blog/a b", "400"},
	{"/blog/x#frag", `blog "/blog" "/x"`},
	{"/blog/..%2f..%2fetc", "404"},
}

// blogResidue was measured with nginx 1.22.1, lighttpd 1.4.69 and Apache 2.4.71.
var blogResidue = residue{
	"/blog/..%2f..%2fetc": {"nginx": "400", "nginx-server": "400"},
	"/blog/a%09b":         {"lighttpd": "400"},
	"/blog/a%0Ab":         {"lighttpd": "400"},
	"/blog/%zz":           {"lighttpd": `blog "/blog" "/%zz"`},
	"/blog/a b":           {"lighttpd": `blog "/blog" "/a b"`},
	"/blog/a%00b":         {"apache": "404", "apache-vhost": "404", "mod_scgi": "404"},
	"/blog/x#frag":        {"apache": "400", "apache-vhost": "400", "mod_scgi": "400"},
}

func TestPaths(t *testing.T) {
	dir := publicDir(t)
	static := filepath.Join(dir, "static")
	writeFile(t, filepath.Join(static, "x.css"), "css\n")
	blog := startBackend(t, "blog", "")
	text := app("blog", tcp(blog), "/blog/", "  static: [{url: /blog/static/, dir: "+static+"/}]\n")
	for i := range fronts {
		f := &fronts[i]
		t.Run(f.name, func(t *testing.T) {
			server := f.start(t, text)
			comparePaths(t, f, server.Addr, blogPaths, blogResidue)
		})
	}
}

func comparePaths(t *testing.T, f *front, addr string, paths []path, rest residue) {
	t.Helper()
	for _, p := range paths {
		want := p.want
		if other, ok := rest[p.target][f.name]; ok {
			want = other
		}
		r := get(t, addr, p.target)
		if got := told(r); got != want {
			t.Errorf("%s: got %s, want %s", p.target, got, want)
		}
		if r.Received == nil {
			continue
		}
		if uri, _ := r.Received.get("REQUEST_URI"); uri != rawURI(p.target) {
			t.Errorf("%s: REQUEST_URI is %q", p.target, uri)
		}
		_, query, _ := strings.Cut(rawURI(p.target), "?")
		if got, _ := r.Received.get("QUERY_STRING"); got != query {
			t.Errorf("%s: QUERY_STRING is %q", p.target, got)
		}
	}
}

// rawURI is what JSON makes of a target that is not UTF-8.
func rawURI(target string) string { return strings.ToValidUTF8(target, "\ufffd") }

func writeFile(t testing.TB, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// forFronts runs a test for every front, but for those named.
func forFronts(t *testing.T, except []string, test func(t *testing.T, f *front)) {
	for i := range fronts {
		f := &fronts[i]
		if !slices.Contains(except, f.name) {
			t.Run(f.name, func(t *testing.T) { test(t, f) })
		}
	}
}

// noUnix are the fronts that speak TCP only.
var noUnix = []string{"mod_scgi"}

func TestMounts(t *testing.T) {
	tests := []struct {
		name   string
		except []string
		text   func(b *backend, static string) string
		paths  []path
	}{
		{
			name:   "whole site on a socket",
			except: noUnix,
			text: func(b *backend, static string) string {
				return app("app", "group: www-data, unix: "+b.addr.String(), "/", "  static: [{url: /static/, dir: "+static+"/}]\n")
			},
			paths: []path{
				{"/", `app "" "/"`},
				{"/?x=1", `app "" "/"`},
				{"/x", `app "" "/x"`},
				{"/x/", `app "" "/x/"`},
				{"/a%2Fb//c", `app "" "/a/b/c"`},
				{"/index.html", `app "" "/index.html"`},
				{"/style.css", `app "" "/style.css"`},
				{"/static", `app "" "/static"`},
				{"/static/x.css", "200"},
				{"/static/none", "404"},
				{"/static/../y", `app "" "/y"`},
			},
		},
		{
			name: "no redirect",
			text: func(b *backend, _ string) string { return app("app", tcp(b), "/test", "  redirect_bare: false\n") },
			paths: []path{
				{"/test", `app "/test" ""`},
				{"/test?x=1", `app "/test" ""`},
				{"/test/", `app "/test" "/"`},
				{"/test/a", `app "/test" "/a"`},
				{"/test//", `app "/test" "/"`},
				{"/test2", "404"},
				{"/testx/y", "404"},
				{"/test/..", "403 or 404"},
			},
		},
		{
			name: "dots and segments",
			text: func(b *backend, _ string) string { return app("app", tcp(b), "/kb/v2.1/", "") },
			paths: []path{
				{"/kb/v2.1", `308 /kb/v2.1/`},
				{"/kb/v2x1", "404"},
				{"/kb/v2.1/x", `app "/kb/v2.1" "/x"`},
				{"/kb/v2x1/x", "404"},
				{"/kb/", "404"},
				{"/kb/v2.1.2/x", "404"},
			},
		},
		{
			name:   "folder of CGI scripts",
			except: noUnix,
			text: func(b *backend, _ string) string {
				return strings.NewReplacer("type: server", "type: cgi", "run: {command: [/srv/x], user: www}", "run: {user: www}\ncgi: {directory: /local/cgi-bin/}").
					Replace(app("app", "group: www-data, unix: "+b.addr.String(), "/local-cgi/", ""))
			},
			paths: []path{
				{"/local-cgi/hello.sh", `app "/local-cgi" "/hello.sh"`},
				{"/local-cgi/hello.sh/extra/p?q=1", `app "/local-cgi" "/hello.sh/extra/p"`},
				{"/local-cgi", `308 /local-cgi/`},
			},
		},
		{
			name: "absolute redirect",
			text: func(b *backend, _ string) string {
				return app("app", tcp(b), "/blog/", "  base_url: http://example.org:81\n")
			},
			paths: []path{{"/blog?x=1", `308 http://example.org:81/blog/?x=1`}, {"/blog", `308 http://example.org:81/blog/`}},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := publicDir(t)
			static := filepath.Join(dir, "static")
			writeFile(t, filepath.Join(static, "x.css"), "css\n")
			socket := ""
			if slices.Contains(test.except, "mod_scgi") {
				socket = filepath.Join(dir, "a.sock")
			}
			text := test.text(startBackend(t, "app", socket), static)
			forFronts(t, test.except, func(t *testing.T, f *front) {
				server := f.start(t, text)
				for _, p := range test.paths {
					if p.want == "403 or 404" {
						if r := get(t, server.Addr, p.target); r.Status != 403 && r.Status != 404 {
							t.Errorf("%s: got %s", p.target, told(r))
						}
						continue
					}
					comparePaths(t, f, server.Addr, []path{p}, nil)
				}
			})
		})
	}
}

// TestNested mounts three apps inside each other: the longest mount wins, and
// nothing of an outer app's settings reaches an inner one.
func TestNested(t *testing.T) {
	dir := publicDir(t)
	static := filepath.Join(dir, "static")
	writeFile(t, filepath.Join(static, "x.css"), "css\n")
	site, blog, admin := startBackend(t, "site", ""), startBackend(t, "blog", ""), startBackend(t, "admin", "")
	text := app("zsite", tcp(site), "/", "  deny: [127.0.0.1]\n  max_body: 1KiB\n  hide_headers: [X-Keep]\n") +
		app("blog", tcp(blog), "/blog/", "  params: {BLOG: \"1\"}\n  max_body: 2KiB\n  static: [{url: /blog/static/, dir: "+static+"/, expires: 1h}]\n") +
		app("admin", tcp(admin), "/blog/admin", "  redirect_bare: false\n  max_body: 4KiB\n")
	paths := []path{
		{"/", "403"},
		{"/x", "403"},
		{"/blog2", "403"},
		{"/blog", "308 /blog/"},
		{"/blog/", `blog "/blog" "/"`},
		{"/blog/x", `blog "/blog" "/x"`},
		{"/blog/admin2", `blog "/blog" "/admin2"`},
		{"/blog/administrator/x", `blog "/blog" "/administrator/x"`},
		{"/blog/static/x.css", "200"},
		{"/blog/admin", `admin "/blog/admin" ""`},
		{"/blog/admin/", `admin "/blog/admin" "/"`},
		{"/blog/admin/x", `admin "/blog/admin" "/x"`},
		{"/blog/admin/static/x.css", `admin "/blog/admin" "/static/x.css"`},
		{"/blog//admin/%78", `admin "/blog/admin" "/x"`},
	}
	forFronts(t, nil, func(t *testing.T, f *front) {
		server := f.start(t, text)
		comparePaths(t, f, server.Addr, paths, nil)
		for target, want := range map[string]bool{"/blog/x": true, "/blog/admin/x": f.modSCGI, "/blog/admin": f.modSCGI} {
			if _, got := get(t, server.Addr, target).Received.get("BLOG"); got != want {
				t.Errorf("%s: parameter of /blog/ is there: %v", target, got)
			}
		}
		for _, limit := range []struct {
			target string
			size   int
			want   int
		}{{"/blog/x", 2048, 200}, {"/blog/x", 2049, 413}, {"/blog/admin/x", 4096, 200}, {"/blog/admin/x", 4097, 413}} {
			if r := post(t, server.Addr, limit.target, limit.size); r.Status != limit.want {
				t.Errorf("%d bytes to %s: %d, want %d", limit.size, limit.target, r.Status, limit.want)
			}
		}
		if r := get(t, server.Addr, "/blog/x", "X-Answer: hidden"); r.Header.Get("X-Keep") == "" && !f.modSCGI {
			t.Error("/blog/: a header is hidden that the app at / hides")
		}
	})
}

// TestIndependence renders apps alone and together: the files of one do not
// depend on the others.
func TestIndependence(t *testing.T) {
	texts := []string{
		app("site", "tcp: \"127.0.0.1:8001\"", "/", ""),
		app("blog", "tcp: \"127.0.0.1:8002\"", "/blog/", "  static: [{url: /blog/static/, dir: /srv/}]\n"),
		app("admin", "tcp: \"127.0.0.1:8003\"", "/blog/admin/", "  params: {A: b}\n"),
	}
	plain := strings.NewReplacer("OPTIONS\n", "", "REDIRECTS", "pass")
	for _, target := range []string{"nginx", "lighttpd", "apache"} {
		together := mustRender(t, target, load(t, plain.Replace(strings.Join(texts, ""))))
		alone := new(fileset.Set)
		for _, text := range texts {
			if err := alone.Merge(mustRender(t, target, load(t, plain.Replace(text)))); err != nil {
				t.Fatal(err)
			}
		}
		if string(together.Txtar()) != string(alone.Txtar()) {
			t.Errorf("%s: files differ\n%s", target, firstDifference(string(alone.Txtar()), string(together.Txtar())))
		}
	}
}

func TestParameters(t *testing.T) {
	blog := startBackend(t, "blog", "")
	text := app("blog", tcp(blog), "/blog/", "  params: {SITE_NAME: a b, EMPTY: \"\"}\n  hide_headers: [X-Powered-By]\n")
	forFronts(t, nil, func(t *testing.T, f *front) {
		server := f.start(t, text)
		r := get(t, server.Addr, "/blog/x?q=1", "Proxy: http://evil.test", "X-A: 1", "X-A: 2", "Cookie: a=1", "Cookie: b=2",
			"Authorization: Basic YWRtaW46eA==", "Content_Length: 99999", "X-Answer: hidden").Received
		if r == nil {
			t.Fatal("no answer from the app")
		}
		_, port, _ := net.SplitHostPort(server.Addr)
		for name, want := range map[string]string{
			"REQUEST_METHOD": "GET", "SERVER_PROTOCOL": "HTTP/1.1", "REMOTE_ADDR": "127.0.0.1", "SERVER_NAME": "h.test",
			"HTTP_HOST": "h.test:99", "HTTP_AUTHORIZATION": "Basic YWRtaW46eA==", "SITE_NAME": "a b", "EMPTY": "", "SCGI": "1",
			"HTTP_PROXY": "", "REMOTE_USER": "", "HTTP_CONTENT_TYPE": "", "HTTP_TRANSFER_ENCODING": "",
		} {
			if got, _ := r.get(name); got != want {
				t.Errorf("%s is %q, want %q", name, got, want)
			}
		}
		// Apache takes the port from the Host header.
		if got, _ := r.get("SERVER_PORT"); got != port && got != "99" {
			t.Errorf("SERVER_PORT is %q", got)
		}
		if r.Params[0] != [2]string{"CONTENT_LENGTH", "0"} || len(r.all("CONTENT_LENGTH")) != 1 {
			t.Errorf("begins with %v; CONTENT_LENGTH: %q", r.Params[0], r.all("CONTENT_LENGTH"))
		}
		// nginx before 1.23.0 sends a name twice.
		if got := strings.Join(r.all("HTTP_X_A"), ", "); got != "1, 2" {
			t.Errorf("HTTP_X_A is %q", got)
		}
		if got := strings.ReplaceAll(strings.Join(r.all("HTTP_COOKIE"), "; "), ", ", "; "); got != "a=1; b=2" {
			t.Errorf("HTTP_COOKIE is %q", got)
		}
		// A name with "_" looks like the one with "-" to the app; two servers
		// pass both, and the app sees the last one.
		b := strings.Join(get(t, server.Addr, "/blog/x", "X-B: good", "X_B: evil").Received.all("HTTP_X_B"), ", ")
		if want := map[string]string{"lighttpd": "good, evil", "mod_scgi": "good, evil"}[f.name]; b != want && (want != "" || b != "good") {
			t.Errorf("X-B and X_B: %q", b)
		}
		for _, name := range []string{"SCRIPT_NAME", "PATH_INFO", "QUERY_STRING", "REQUEST_URI", "SCGI", "REQUEST_METHOD"} {
			if got := r.all(name); len(got) != 1 {
				t.Errorf("%s is there %d times: %q", name, len(got), got)
			}
		}
	})
}

func TestAnswers(t *testing.T) {
	blog := startBackend(t, "blog", "")
	text := app("blog", tcp(blog), "/blog/", "  hide_headers: [X-Powered-By]\n")
	forFronts(t, nil, func(t *testing.T, f *front) {
		server := f.start(t, text)
		if !f.modSCGI { // it would ask the app for the target itself, with the length of the form
			r := post(t, server.Addr, "/blog/form", 3, "X-Answer: redirect")
			if r.Status != 302 || strings.TrimPrefix(r.Header.Get("Location"), "http://h.test:99") != "/blog/target" {
				t.Errorf("POST answered by a relative redirect: %d, Location %q", r.Status, r.Header.Get("Location"))
			}
		}
		if r := get(t, server.Addr, "/blog/x", "X-Answer: big"); r.Status != 200 || len(r.Header.Get("X-Big")) != 5000 {
			t.Errorf("header of 5,000 bytes: %d, %d bytes", r.Status, len(r.Header.Get("X-Big")))
		}
		r := get(t, server.Addr, "/blog/x", "X-Answer: hidden")
		if r.Header.Get("X-Powered-By") != "" || r.Header.Get("X-Keep") != "kept" {
			t.Errorf("X-Powered-By %q, X-Keep %q", r.Header.Get("X-Powered-By"), r.Header.Get("X-Keep"))
		}
	})
}

func TestBodies(t *testing.T) {
	blog := startBackend(t, "blog", "")
	text := app("blog", tcp(blog), "/blog/", "  max_body: 3MiB\n")
	forFronts(t, nil, func(t *testing.T, f *front) {
		server := f.start(t, text)
		for _, size := range []int{0, 1, 5000, 3 << 20} {
			r := post(t, server.Addr, "/blog/x", size)
			if r.Received == nil || r.Received.Body != size {
				t.Errorf("body of %d bytes: %d %+v", size, r.Status, r.Received)
			}
		}
		if r := post(t, server.Addr, "/blog/x", 3<<20+1); r.Status != 413 {
			t.Errorf("one byte too many: %d", r.Status)
		}
		r := ask(t, server.Addr, "POST /blog/x HTTP/1.1\r\nHost: h\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n")
		if f.program == webserver.Apache {
			// Both modules of Apache want to know the length.
			if r.Status != 411 {
				t.Errorf("chunked body: %d", r.Status)
			}
			return
		}
		if r.Received == nil || r.Received.Body != 7 {
			t.Errorf("chunked body: %d %+v", r.Status, r.Received)
		}
	})
}

// TestStreaming reads the first line of an answer whose second one is not
// written yet.
func TestStreaming(t *testing.T) {
	blog := startBackend(t, "blog", "")
	text := app("blog", tcp(blog), "/blog/", "  buffering: false\n")
	forFronts(t, nil, func(t *testing.T, f *front) {
		server := f.start(t, text)
		conn, err := net.Dial("tcp", server.Addr)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
		fmt.Fprint(conn, "GET /blog/events HTTP/1.1\r\nHost: h\r\nConnection: close\r\nX-Answer: stream\r\n\r\n")
		in := bufio.NewReader(conn)
		released := false
		for line := ""; line != "second\n"; {
			if line, err = in.ReadString('\n'); err != nil {
				blog.release <- struct{}{}
				t.Fatalf("after %q: %v", line, err)
			}
			if line == "first\n" {
				blog.release <- struct{}{}
				released = true
			}
		}
		if !released {
			t.Error("the second line came before the first")
		}
	})
}

func TestAccess(t *testing.T) {
	dir := publicDir(t)
	writeFile(t, filepath.Join(dir, "static", "x.css"), "css\n")
	blog := startBackend(t, "blog", "")
	tests := []struct {
		rules string
		want  int
	}{
		{"  deny: [127.0.0.1]\n", 403},
		{"  deny: [127.0.0.0/8, 192.0.2.0/24]\n", 403},
		{"  deny: [192.0.2.0/24, \"2001:db8::/32\"]\n", 200},
		{"  allow: [192.0.2.0/24]\n", 403},
		{"  allow: [192.0.2.0/24, 127.0.0.1]\n", 200},
		{"  allow: [127.0.0.0/8]\n  deny: [127.0.0.1]\n", 403},
		{"  allow: [127.0.0.0/8]\n  deny: [127.0.0.2/31]\n", 200},
	}
	for _, test := range tests {
		t.Run(strings.Join(strings.Fields(test.rules), " "), func(t *testing.T) {
			text := app("blog", tcp(blog), "/blog/", test.rules+"  static: [{url: /blog/static/, dir: "+dir+"/static/}]\n")
			forFronts(t, nil, func(t *testing.T, f *front) {
				server := f.start(t, text)
				for _, target := range []string{"/blog/", "/blog/x", "/blog/static/x.css"} {
					if r := get(t, server.Addr, target); r.Status != test.want {
						t.Errorf("%s: %d, want %d", target, r.Status, test.want)
					}
				}
			})
		})
	}
}

func TestStatic(t *testing.T) {
	dir := publicDir(t)
	for file, text := range map[string]string{
		"a b/index.html": "index\n", "a b/x.css": "css\n", "a b/sub/index.html": "sub\n",
		"docs/start.html": "start\n", "docs/index.html": "wrong\n", "secret": "secret\n",
	} {
		writeFile(t, filepath.Join(dir, file), text)
	}
	blog := startBackend(t, "blog", "")
	text := app("blog", tcp(blog), "/blog/", fmt.Sprintf("  static:\n    - {url: /blog/s/, dir: %q, expires: 1h}\n    - {url: /blog/s/docs/, dir: %q, index: start.html}\n    - {url: /pub/, dir: %q}\n",
		dir+"/a b/", dir+"/docs/", dir+"/a b/"))
	text = strings.Replace(text, "{url: /pub/", "{expires: 1h, url: /pub/", 1)
	forFronts(t, nil, func(t *testing.T, f *front) {
		server := f.start(t, text)
		for target, want := range map[string]string{
			"/blog/s/x.css": "css\n", "/blog/s/": "index\n", "/blog/s/sub/": "sub\n", "/blog/s/docs/": "start\n", "/pub/x.css": "css\n",
		} {
			r := get(t, server.Addr, target)
			if r.Status != 200 || r.Body != want {
				t.Errorf("%s: %d %q", target, r.Status, r.Body)
			}
			cached := strings.Contains(strings.Join(r.Header.Values("Cache-Control"), ", "), "max-age=3600")
			if cached == strings.Contains(target, "docs") {
				t.Errorf("%s: Cache-Control %q", target, r.Header.Values("Cache-Control"))
			}
		}
		for _, target := range []string{"/blog/s../secret", "/blog/s/../../secret", "/blog/s/%2e%2e/secret", "/pub../secret", "/blog/s/..%2fsecret"} {
			if r := get(t, server.Addr, target); strings.Contains(r.Body, "secret\n") {
				t.Errorf("%s leaves its folder", target)
			}
		}
	})
}

// TestBalance has three backends, one of them dead.
func TestBalance(t *testing.T) {
	for _, method := range []string{"round-robin", "least-conn", "ip-hash"} {
		t.Run(method, func(t *testing.T) {
			dir := publicDir(t)
			for _, i := range []int{1, 3} {
				startBackend(t, fmt.Sprint(i), fmt.Sprintf("%s/b-%d.sock", dir, i))
			}
			text := strings.Replace(app("app", "group: www-data, unix: "+dir+"/b.sock", "/blog/", "  balance: {method: "+method+"}\n"),
				"command:", "instances: 3, command:", 1)
			except := []string{"mod_scgi"}
			if method == "ip-hash" {
				except = append(except, "apache", "apache-vhost")
			}
			forFronts(t, except, func(t *testing.T, f *front) {
				server := f.start(t, text)
				seen := make(map[string]int)
				for i := range 12 {
					r := get(t, server.Addr, "/blog/x")
					if i%2 == 1 {
						r = post(t, server.Addr, "/blog/x", 100)
					}
					if r.Received == nil {
						t.Errorf("request %d: %d", i, r.Status)
						continue
					}
					seen[r.Received.Backend]++
				}
				// One after the other, every backend has the least connections.
				if method == "round-robin" && len(seen) != 2 || method == "ip-hash" && len(seen) != 1 {
					t.Errorf("requests by backend: %v", seen)
				}
			})
		})
	}
}

// TestBackendComesBack takes the only backend away and brings it back: the
// server says so at once, and forgets it at once.
func TestBackendComesBack(t *testing.T) {
	forFronts(t, noUnix, func(t *testing.T, f *front) {
		socket := filepath.Join(publicDir(t), "a.sock")
		first := startBackend(t, "first", socket)
		server := f.start(t, app("app", "group: www-data, unix: "+socket, "/blog/", ""))
		if r := get(t, server.Addr, "/blog/x"); r.Received == nil {
			t.Fatalf("before: %d", r.Status)
		}
		first.close()
		if r := get(t, server.Addr, "/blog/x"); r.Status != 502 && r.Status != 503 {
			t.Errorf("without a backend: %d", r.Status)
		}
		startBackend(t, "second", socket)
		deadline := time.Now().Add(3 * time.Second)
		if f.program != webserver.Lighttpd {
			deadline = time.Now() // lighttpd looks again after a second
		}
		for {
			r := get(t, server.Addr, "/blog/x")
			if r.Received != nil && r.Received.Backend == "second" {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("with a new backend: %d", r.Status)
			}
			<-time.After(50 * time.Millisecond)
		}
	})
}

// TestReadTimeout has a backend that never answers.
func TestReadTimeout(t *testing.T) {
	blog := startBackend(t, "blog", "")
	text := app("blog", tcp(blog), "/blog/", "  timeouts: {read: 1s, connect: 2s}\n")
	forFronts(t, nil, func(t *testing.T, f *front) {
		t.Parallel()
		server := f.start(t, text)
		start := time.Now()
		r := get(t, server.Addr, "/blog/x", "X-Answer: silence")
		if took := time.Since(start); r.Status < 500 || took > 8*time.Second {
			t.Errorf("%d after %v", r.Status, took)
		}
	})
}

func TestHosts(t *testing.T) {
	blog := startBackend(t, "blog", "")
	for _, host := range []string{"h.test", "[h.test, x.test]", "\"*.test\"", "[\"*.w.test\", h.test]"} {
		text := app("blog", tcp(blog), "/blog/", "  host: "+host+"\n")
		t.Run(host, func(t *testing.T) {
			forFronts(t, []string{"nginx", "apache", "mod_scgi"}, func(t *testing.T, f *front) {
				site := f.site(t, text)
				// Some other site that takes what no block names.
				other := map[webserver.Program]fileset.File{
					webserver.Nginx:  {Path: "nginx/0.server.conf", Place: "http", Data: []byte("server {\n    listen 80 default_server;\n    return 404;\n}\n")},
					webserver.Apache: {Path: "apache/0.vhost.conf", Place: "server", Data: []byte("<VirtualHost *:80>\n    ServerName none.test\n    RedirectMatch 404 .\n</VirtualHost>\n")},
				}
				if file, ok := other[f.program]; ok {
					site.Files = append(site.Files, file)
					if err := site.Write(); err != nil {
						t.Fatal(err)
					}
				}
				server, err := site.Start(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(server.Stop)
				if got := told(get(t, server.Addr, "/blog/x")); got != `blog "/blog" "/x"` {
					t.Errorf("h.test: %s", got)
				}
				if r := ask(t, server.Addr, "GET /blog/x HTTP/1.1\r\nHost: evil-h.testing\r\nConnection: close\r\n\r\n"); r.Status != 404 {
					t.Errorf("another host: %d", r.Status)
				}
			})
		})
	}
}

// TestQueries records what a query becomes; lighttpd decodes what needs no
// escape, and escapes a lone percent sign.
func TestQueries(t *testing.T) {
	blog := startBackend(t, "blog", "")
	text := app("blog", tcp(blog), "/blog/", "")
	changed := residue{"a=%zz": {"lighttpd": "a=%25zz"}, "%41": {"lighttpd": "A"}}
	forFronts(t, nil, func(t *testing.T, f *front) {
		server := f.start(t, text)
		for _, query := range []string{"a=b&c=d", "a=%20b", "a=%2F", "?x", "a=b;c", "%C3%A9", "a=%zz", "%41", "x=$y", "+"} {
			want := query
			if other, ok := changed[query][f.name]; ok {
				want = other
			}
			if got, _ := get(t, server.Addr, "/blog/x?"+query).Received.get("QUERY_STRING"); got != want {
				t.Errorf("?%s: QUERY_STRING is %q, want %q", query, got, want)
			}
		}
	})
}

// TestAbsoluteForm sends the whole URL as request target, as a proxy would.
func TestAbsoluteForm(t *testing.T) {
	blog := startBackend(t, "blog", "")
	text := app("blog", tcp(blog), "/blog/", "")
	forFronts(t, nil, func(t *testing.T, f *front) {
		server := f.start(t, text)
		if got := told(get(t, server.Addr, "http://h.test:99/blog/a%20b?x")); got != `blog "/blog" "/a b"` {
			t.Error(got)
		}
	})
}

// TestInternalRedirects has Apache resolve a relative redirect itself, where
// the description asks for that; the other servers do not.
func TestInternalRedirects(t *testing.T) {
	blog := startBackend(t, "blog", "")
	f := &fronts[3]
	for redirects, want := range map[string]string{"pass": "200 /blog/target", "internal": `blog "/blog" "/target"`} {
		server := f.start(t, strings.ReplaceAll(app("blog", tcp(blog), "/blog/", ""), "REDIRECTS", redirects))
		// Without a Status line: with one, even Apache passes the answer on.
		if got := told(get(t, server.Addr, "/blog/x?once", "X-Answer: local")); got != want {
			t.Errorf("%s: got %s, want %s", redirects, got, want)
		}
	}
}

// TestRegexpNeighbours puts regular expressions of another site beside an app
// in one server block: they must not take its requests.
func TestRegexpNeighbours(t *testing.T) {
	f := &fronts[0]
	root := startBackend(t, "root", "")
	blog := startBackend(t, "blog", "")
	text := app("root", tcp(root), "/", "") + app("blog", tcp(blog), "/blog/", "")
	site := f.site(t, text)
	site.Files = append(site.Files, fileset.File{Path: "nginx/0.conf", Place: "server", Data: []byte("location ~ \\.(css|php)$ { return 410; }\n")})
	if err := site.Write(); err != nil {
		t.Fatal(err)
	}
	server, err := site.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	comparePaths(t, f, server.Addr, []path{{"/blog/x.css", `blog "/blog" "/x.css"`}, {"/x.php", `root "" "/x.php"`}}, nil)
}

// TestRealParsers lets the real programs read every description in
// testdata/apps that is rendered for them.
func TestRealParsers(t *testing.T) {
	for _, program := range webserver.Programs() {
		inputs, err := filepath.Glob(filepath.Join("testdata", string(program), "*.txtar"))
		if err != nil || len(inputs) == 0 {
			t.Fatalf("no golden files of %s: %v", program, err)
		}
		for _, input := range inputs {
			name := strings.TrimSuffix(filepath.Base(input), ".txtar")
			t.Run(string(program)+"/"+name, func(t *testing.T) {
				f := &front{program: program}
				f.find(t)
				text, err := os.ReadFile(filepath.Join("testdata", "apps", name+".yaml"))
				if err != nil {
					t.Fatal(err)
				}
				target, _ := generate.Lookup(string(program))
				set, problems := render(t, target, load(t, string(text)))
				if problems.HasErrors() {
					return // what is refused has no files
				}
				site := &webserver.Site{Program: program, Dir: filepath.Join(publicDir(t), "w"), Files: set.Files()}
				if strings.Contains(string(set.Txtar()), "SCGIMount") {
					file := os.Getenv(modSCGI)
					if file == "" {
						need.Missing(t, "mod_scgi")
					}
					site.Modules = []string{"scgi_module " + file}
				}
				if err := site.Write(); err != nil {
					t.Fatal(err)
				}
				diagnostics, err := site.Check(t.Context())
				// Apache warns of a document root that is not on this machine.
				if err != nil || diagnostics != "" && !strings.Contains(diagnostics, "AH00112") {
					t.Errorf("%v\n%s", err, diagnostics)
				}
			})
		}
	}
}
