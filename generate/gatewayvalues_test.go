package generate_test

import (
	"fmt"
	"net/http"
	"net/http/fcgi"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"scgikit/generate"
	"scgikit/internal/webserver"
)

func TestGatewayAccess(t *testing.T) {
	tests := map[string]int{
		"  deny: [127.0.0.0/8, 192.0.2.0/24]\n":                   403,
		"  deny: [192.0.2.0/24, \"2001:db8::/32\", \"::/0\"]\n":   200,
		"  allow: [192.0.2.0/24, \"::/0\"]\n":                     403,
		"  allow: [192.0.2.0/24, 127.0.0.1]\n":                    200,
		"  allow: [127.0.0.0/8]\n  deny: [127.0.0.1]\n":           403,
		"  allow: [0.0.0.0/0, \"::/0\"]\n  deny: [127.0.0.2]\n":   200,
		"  deny: [0.0.0.0/0]\n":                                   403,
		"  deny: [" + networks(200) + "]\n  allow: [127.0.0.1]\n": 200,
	}
	for _, f := range []*front{&gateways[0], &gateways[2]} {
		t.Run(f.name, func(t *testing.T) {
			f.find(t)
			blog := startGateway(t, "fastcgi", "blog", "")
			for rules, want := range tests {
				server := f.start(t, gatewayApp("fastcgi", "blog", tcp(blog.backend), "/blog/", rules))
				if r := get(t, server.Addr, "/blog/x"); r.Status != want {
					t.Errorf("%s: %d, want %d", rules, r.Status, want)
				}
			}
		})
	}
}

// gatewayUsers are the hashes of "x", by crypt(3) and with the least rounds of
// bcrypt.
var gatewayUsers = map[webserver.Program]string{
	webserver.HAProxy: "$$6$$rounds=1000$$saltsalt$$w9KQdgZ0Ki6LoC1UHsgXGBQaO4XJhW7upynW4LSaoTX6YuFX0KIqzhQcvdJFwTJS.I2sYmby8LApILDV7m1xF/",
	webserver.Caddy:   "$$2b$$04$$abcdefghijklmnopqrstuuPp7HPfoAs8I2dCQCQ/fW7zEJv8I8C8e",
}

func TestGatewayUsers(t *testing.T) {
	for _, f := range []*front{&gateways[0], &gateways[2]} {
		t.Run(f.name, func(t *testing.T) {
			f.find(t)
			blog := startGateway(t, "fastcgi", "blog", "")
			users := fmt.Sprintf("options: {%s: {users: {\"a b\": %q}}}\n", f.program, gatewayUsers[f.program])
			text := strings.Replace(gatewayApp("fastcgi", "blog", tcp(blog.backend), "/blog/", ""), "OPTIONS\n", users, 1)
			server := f.start(t, text)
			if r := get(t, server.Addr, "/blog/x"); r.Status != 401 || !strings.HasPrefix(r.Header.Get("WWW-Authenticate"), "Basic realm=\"blog\"") {
				t.Errorf("without a name: %d, %q", r.Status, r.Header.Get("WWW-Authenticate"))
			}
			if r := get(t, server.Addr, "/blog/x", "Authorization: Basic YSBiOnk="); r.Status != 401 {
				t.Errorf("with a wrong password: %d", r.Status)
			}
			r := get(t, server.Addr, "/blog/x", "Authorization: Basic YSBiOng=")
			if r.Received == nil {
				t.Fatalf("with the right password: %d", r.Status)
			}
			if user, _ := r.Received.get("REMOTE_USER"); user != "a b" {
				t.Errorf("REMOTE_USER is %q", user)
			}
		})
	}
}

// TestGatewayStatic has Caddy serve files.
func TestGatewayStatic(t *testing.T) {
	dir := publicDir(t)
	for file, text := range map[string]string{
		"a b/index.html": "index\n", "a b/x?y%z.css": "css\n", "a b/sub/index.html": "sub\n", "docs/start.html": "start\n", "docs/index.html": "wrong\n", "secret": "secret\n",
	} {
		writeFile(t, filepath.Join(dir, file), text)
	}
	for _, f := range []*front{&gateways[2], &gateways[3]} {
		t.Run(f.name, func(t *testing.T) {
			f.find(t)
			blog := startGateway(t, "http", "blog", "")
			server := f.start(t, gatewayApp("http", "blog", tcp(blog.backend), "/blog/",
				fmt.Sprintf("  static:\n    - {url: /blog/s/, dir: %q, expires: 1h}\n    - {url: /blog/s/docs/, dir: %q, index: start.html}\n", dir+"/a b/", dir+"/docs/")))
			for target, want := range map[string]string{"/blog/s/x%3Fy%25z.css": "css\n", "/blog/s/": "index\n", "/blog/s/sub/": "sub\n", "/blog/s/docs/": "start\n"} {
				r := get(t, server.Addr, target)
				if r.Status != 200 || r.Body != want {
					t.Errorf("%s: %d %q", target, r.Status, r.Body)
				}
				if cached := r.Header.Get("Cache-Control") == "max-age=3600"; cached == strings.Contains(target, "docs") {
					t.Errorf("%s: Cache-Control %q", target, r.Header.Values("Cache-Control"))
				}
			}
			if r := get(t, server.Addr, "/blog/s/none"); r.Status != 404 || r.Header.Get("Cache-Control") != "" {
				t.Errorf("a file that is not there: %d, Cache-Control %q", r.Status, r.Header.Get("Cache-Control"))
			}
			for _, target := range []string{"/blog/s../secret", "/blog/s/../../secret", "/blog/s/%2e%2e/secret", "/blog/s/..%2fsecret", "/blog/S/x.css"} {
				if r := get(t, server.Addr, target); strings.Contains(r.Body, "secret\n") || r.Body == "css\n" {
					t.Errorf("%s leaves its folder", target)
				}
			}
		})
	}
}

// TestGatewayAwkward puts every awkward value in a parameter and in the name of
// a socket: what is not refused reaches the app as it was.
func TestGatewayAwkward(t *testing.T) {
	values := append(slices.Clone(awkward), strings.Repeat("x", 4000), strings.Repeat("é", 2000), "a  b", "  ", "%[src]", "%%", `\"`, "a`b")
	for _, f := range []*front{&gateways[0], &gateways[2]} {
		t.Run(f.name, func(t *testing.T) {
			f.find(t)
			target, _ := generate.Lookup(string(f.program))
			dir, blog := publicDir(t), startGateway(t, "fastcgi", "blog", "")
			tried := func(text, path, value string) bool {
				project, problems := tryLoad(strings.NewReplacer("OPTIONS\n", "", "REDIRECTS", "pass").Replace(text))
				if !problems.HasErrors() {
					_, problems = render(t, target, project)
				}
				if problems.HasErrors() {
					namesField(t, problems, path, value)
				}
				return !problems.HasErrors()
			}
			lines, sockets, want := "", "", make(map[string]string)
			for i, value := range values {
				name := fmt.Sprintf("P%d", i)
				line := "    " + name + ": " + yamlText(value) + "\n"
				if tried(gatewayApp("fastcgi", "blog", tcp(blog.backend), "/blog/", "  params:\n"+line), "http.params."+name, value) && len(value) < 4000 {
					want[name] = value
					lines += line
				}
				socket := filepath.Join(dir, fmt.Sprintf("%d-", i)+value)
				if !usable(value) || len(socket) > 100 {
					continue
				}
				one := gatewayApp("fastcgi", fmt.Sprintf("s%d", i), "group: www-data, unix: "+yamlText(socket), fmt.Sprintf("/s%d/", i), "")
				if tried(one, "listen.unix", value) {
					startGateway(t, "fastcgi", value, socket)
					sockets += one
				}
			}
			if len(want) < 40 || strings.Count(sockets, "---\n") < 40 {
				t.Errorf("only %d values and %d sockets are carried", len(want), strings.Count(sockets, "---\n"))
			}
			server := f.start(t, gatewayApp("fastcgi", "blog", tcp(blog.backend), "/blog/", "  params:\n"+lines)+sockets)
			r := get(t, server.Addr, "/blog/x")
			if r.Received == nil {
				t.Fatalf("%d", r.Status)
			}
			for name, value := range want {
				if got := r.Received.all(name); !slices.Equal(got, []string{value}) {
					t.Errorf("parameter %q reaches the app as %q", value, got)
				}
			}
			for i, value := range values {
				if !strings.Contains(sockets, fmt.Sprintf("name: s%d\n", i)) {
					continue
				}
				if r := get(t, server.Addr, fmt.Sprintf("/s%d/x", i)); r.Received == nil || r.Received.Backend != value {
					t.Errorf("socket %q: %d", value, r.Status)
				}
			}
		})
	}
}

// TestGatewayGoFastCGI has the FastCGI server of Go's standard library as app.
func TestGatewayGoFastCGI(t *testing.T) {
	for _, f := range []*front{&gateways[0], &gateways[2]} {
		t.Run(f.name, func(t *testing.T) {
			f.find(t)
			b := listenAs(t, "go", "")
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				_ = fcgi.Serve(b.l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					fmt.Fprintf(w, "%s %s %s", r.Method, r.URL, fcgi.ProcessEnv(r)["GREETING"])
				}))
			}()
			t.Cleanup(func() { _ = b.l.Close(); <-ended })
			server := f.start(t, gatewayApp("fastcgi", "blog", tcp(b), "/blog/", "  params: {GREETING: hello}\n"))
			for range 3 {
				if r := get(t, server.Addr, "/blog/a%20b?x=1"); r.Status != 200 || !strings.HasSuffix(r.Body, "/blog/a%20b?x=1 hello") {
					t.Errorf("%d %q", r.Status, r.Body)
				}
			}
		})
	}
}
