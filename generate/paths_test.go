package generate_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"scgikit/internal/fileset"
)

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
	forFronts(t, nil, func(t *testing.T, f *front) {
		server := f.start(t, text)
		comparePaths(t, f, server.Addr, blogPaths, blogResidue)
	})
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
	all := allFronts()
	for i := range all {
		f := &all[i]
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

// TestInsideFolder mounts an app inside a folder that an outer app serves, with
// a folder of its own: neither the outer folder nor its rules reach it.
func TestInsideFolder(t *testing.T) {
	dir := publicDir(t)
	for _, file := range []string{"outer/x.css", "outer/in/x.css", "outer/in/s/x.css", "outer/in/deep/x.css", "inner/x.css", "inner/start"} {
		writeFile(t, filepath.Join(dir, file), file)
	}
	site, in, deep := startBackend(t, "site", ""), startBackend(t, "in", ""), startBackend(t, "deep", "")
	text := app("zsite", tcp(site), "/", "  static: [{url: /f/, dir: "+dir+"/outer/, expires: 1h, index: x.css}]\n  hide_headers: [X-Keep]\n") +
		app("in", tcp(in), "/f/in", "  static: [{url: /f/in/s/, dir: "+dir+"/inner/, index: start}]\n") +
		app("deep", tcp(deep), "/f/in/s/deep/", "  redirect_bare: false\n")
	paths := []path{
		{"/f", `site "" "/f"`},
		{"/f/x.css", "200 outer/x.css"},
		{"/f/in", "308 /f/in/"},
		{"/f/in/x.css", `in "/f/in" "/x.css"`},
		{"/f/in/s/x.css", "200 inner/x.css"},
		{"/f/in/s/", "200 inner/start"},
		{"/f/in/s/deep", `deep "/f/in/s/deep" ""`},
		{"/f/in/s/deep/x.css", `deep "/f/in/s/deep" "/x.css"`},
		{"/f/in/s/deeper", "404"},
	}
	forFronts(t, noUnix, func(t *testing.T, f *front) {
		server := f.start(t, text)
		for _, p := range paths {
			r := get(t, server.Addr, p.target)
			got := told(r)
			if r.Received == nil && r.Status == 200 {
				got += " " + r.Body
			}
			if got != p.want {
				t.Errorf("%s: got %s, want %s", p.target, got, p.want)
			}
			cached := r.Header.Get("Cache-Control") != "" || r.Header.Get("Expires") != ""
			if want := p.want == "200 outer/x.css"; cached != want {
				t.Errorf("%s: browsers may keep it: %v", p.target, cached)
			}
		}
		if r := get(t, server.Addr, "/f/in/x", "X-Answer: hidden"); r.Header.Get("X-Keep") == "" {
			t.Error("/f/in/: a header is hidden that the app at / hides")
		}
	})
}

// TestFileNames renders apps whose names, with the words that files add to
// them, are those of other apps' files.
func TestFileNames(t *testing.T) {
	plain := strings.NewReplacer("OPTIONS\n", "OPTIONS", "REDIRECTS", "pass")
	texts := plain.Replace(app("a", "tcp: \"127.0.0.1:8001\"", "/", "  host: a.test\n") +
		app("a-paths", "tcp: \"127.0.0.1:8002\"", "/", "  host: default\n") +
		app("b", "tcp: \"127.0.0.1:8003\"", "/q/r/", "  host: b.test\n  static: [{url: /s/, dir: /srv/}]\n") +
		app("b-static", "tcp: \"127.0.0.1:8004\"", "/t/", ""))
	for target, options := range map[string]string{"nginx": "options: {nginx: {as: server}}\n", "lighttpd": "", "apache": ""} {
		mustRender(t, target, load(t, strings.ReplaceAll(texts, "OPTIONS", options)))
	}
	mustRender(t, "apache", load(t, strings.ReplaceAll(texts, "OPTIONS", "options: {apache: {as: vhost}}\n")))
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
