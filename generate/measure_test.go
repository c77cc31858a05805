package generate_test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"scgikit/generate"
	"scgikit/internal/need"
	"scgikit/internal/webserver"
)

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
		streams(t, server.Addr, blog)
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
		{"  allow: [0.0.0.0/0, \"::/0\"]\n", 200},
		{"  deny: [0.0.0.0/0, \"::/0\"]\n", 403},
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
		deadline := time.Now().Add(2 * time.Minute)
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
	for _, read := range []string{"1s", "500ms"} {
		t.Run(read, func(t *testing.T) {
			text := app("blog", tcp(blog), "/blog/", "  timeouts: {read: "+read+", connect: 2s}\n")
			forFronts(t, nil, func(t *testing.T, f *front) {
				t.Parallel()
				server := f.start(t, text)
				// The backend never answers, so that any answer is the timeout's.
				if r := get(t, server.Addr, "/blog/x", "X-Answer: silence"); r.Status < 500 {
					t.Errorf("status %d", r.Status)
				}
			})
		})
	}
}

// TestIPv6 has a backend that listens on an IPv6 address.
func TestIPv6(t *testing.T) {
	if l, err := net.Listen("tcp", "[::1]:0"); err != nil {
		need.Missing(t, "an IPv6 address: "+err.Error())
	} else if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	text := app("blog", tcp(startBackend(t, "blog", "[::1]:0")), "/blog/", "")
	forFronts(t, nil, func(t *testing.T, f *front) {
		server := f.start(t, text)
		if got := told(get(t, server.Addr, "/blog/x")); got != `blog "/blog" "/x"` {
			t.Error(got)
		}
	})
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
				site := &webserver.Site{Program: program, Dir: filepath.Join(publicDir(t), "w"), Files: set.Files(), Stubs: []string{"/etc/apache2/big-app.secret"}}
				if strings.Contains(string(set.Txtar()), "SCGIMount") {
					file := os.Getenv(modSCGI)
					if file == "" {
						return // no system packages the module
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
