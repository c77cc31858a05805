package generate_test

import (
	"bufio"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"scgikit/internal/webserver"
)

// fewFronts are left out where a second form of the same server shows nothing
// new.
var fewFronts = []string{"nginx-server", "apache-vhost"}

// TestProtocolMounts has apps at / and at paths with dots, with and without a
// redirect.
func TestProtocolMounts(t *testing.T) {
	mounts := []struct {
		mount, http string
		paths       []path
	}{
		{"/", "", []path{{"/", `app "" "/"`}, {"/a%20b?x=1", `app "" "/a b"`}, {"/x.php", `app "" "/x.php"`}}},
		{"/kb/v2.1/", "", []path{
			{"/kb/v2.1", "308 /kb/v2.1/"},
			{"/kb/v2.1?x=1&y=%20", "308 /kb/v2.1/?x=1&y=%20"},
			{"/kb/v2.1/", `app "/kb/v2.1" "/"`},
			{"/kb/v2.1/?q", `app "/kb/v2.1" "/"`},
			{"/kb/v2.1/a/b", `app "/kb/v2.1" "/a/b"`},
			{"/kb/v2.1/a;p=1", `app "/kb/v2.1" "/a;p=1"`},
			{"/kb/v2.1/%C3%A9", `app "/kb/v2.1" "/é"`},
			{"/kb/v2.1/a%3Fb?c", `app "/kb/v2.1" "/a?b"`},
			{"/kb/v2.1/a%25b", `app "/kb/v2.1" "/a%b"`},
			{"/kb/v2.1/a%252Fb", `app "/kb/v2.1" "/a%2Fb"`},
			{"/kb/v2.1/a+b", `app "/kb/v2.1" "/a+b"`},
			{"/kb/v2x1/x", "404"},
			{"/kb/v2.12", "404"},
			{"/kb/v2.1/../x", "404"},
			{"/kb/v2.1/%2e%2e/x", "404"},
		}},
		{"/test", "  redirect_bare: false\n", []path{
			{"/test", `app "/test" ""`}, {"/test?x=1", `app "/test" ""`}, {"/test/", `app "/test" "/"`}, {"/test/a", `app "/test" "/a"`}, {"/test2", "404"},
		}},
	}
	for _, m := range mounts {
		t.Run("at"+strings.ReplaceAll(m.mount, "/", "_"), func(t *testing.T) {
			forProtocols(t, fewFronts, func(t *testing.T, f *front, p protocol) {
				server := f.start(t, speaking(p.name, app("app", tcp(startSpeaking(t, p.speak, "app", "")), m.mount, m.http)))
				prefix := strings.TrimSuffix(m.mount, "/")
				for _, x := range m.paths {
					want := x.want
					switch {
					case p.name == "ajp": // it says nothing of the mount
						want = strings.Replace(want, fmt.Sprintf("%q \"", prefix), `"" "`+prefix, 1)
					case p.name == "uwsgi" && f.program == webserver.Apache:
						// Apache has no way to say that PATH_INFO is empty.
						want = strings.Replace(want, `"/test" ""`, `"/test" "/"`, 1)
					}
					if got := told(get(t, server.Addr, x.target)); got != want {
						t.Errorf("%s: got %s, want %s", x.target, got, want)
					}
				}
			})
		})
	}
}

// TestProtocolSettings asks for what the fields under http promise.
func TestProtocolSettings(t *testing.T) {
	for _, instances := range []int{1, 2} {
		t.Run(fmt.Sprint(instances), func(t *testing.T) {
			forProtocols(t, fewFronts, func(t *testing.T, f *front, p protocol) {
				dir := publicDir(t)
				writeFile(t, filepath.Join(dir, "static", "x.css"), "css\n")
				socket := dir + "/b.sock"
				if instances > 1 {
					startSpeaking(t, p.speak, "app", dir+"/b-2.sock")
					socket = dir + "/b-1.sock"
				}
				b := startSpeaking(t, p.speak, "app", socket)
				settings := "  max_body: 100KiB\n  hide_headers: [X-Powered-By]\n  timeouts: {read: 1s}\n  static: [{url: /blog/static/, dir: " + dir + "/static/}]\n"
				params := p.name == "fastcgi" || p.name == "uwsgi"
				if params {
					settings += "  params: {SITE: a b}\n"
				}
				text := func(http string) string {
					text := speaking(p.name, app("app", "group: www-data, unix: "+dir+"/b.sock", "/blog/", settings+http))
					return strings.Replace(text, "command:", fmt.Sprintf("instances: %d, command:", instances), 1)
				}
				server := f.start(t, text(""))
				if r := get(t, server.Addr, "/blog/x", "X-Answer: big"); r.Status != 200 || len(r.Header.Get("X-Big")) != 5000 {
					t.Errorf("header of 5,000 bytes: %d, %d bytes", r.Status, len(r.Header.Get("X-Big")))
				}
				if r := get(t, server.Addr, "/blog/x", "X-Answer: hidden"); r.Header.Get("X-Powered-By") != "" || r.Header.Get("X-Keep") != "kept" {
					t.Errorf("X-Powered-By %q, X-Keep %q", r.Header.Get("X-Powered-By"), r.Header.Get("X-Keep"))
				}
				if r := post(t, server.Addr, "/blog/form", 3, "X-Answer: redirect"); r.Status != 302 || strings.TrimPrefix(r.Header.Get("Location"), "http://h.test:99") != "/blog/target" {
					t.Errorf("POST answered by a relative redirect: %d, Location %q", r.Status, r.Header.Get("Location"))
				}
				for size, want := range map[int]int{0: 200, 1: 200, 9000: 200, 100 << 10: 200, 100<<10 + 1: 413} {
					r := post(t, server.Addr, "/blog/x", size)
					if r.Status != want || want == 200 && r.Received.Body != size {
						t.Errorf("body of %d bytes: %d %+v", size, r.Status, r.Received)
					}
				}
				if r := get(t, server.Addr, "/blog/static/x.css"); r.Body != "css\n" {
					t.Errorf("static file: %d %q", r.Status, r.Body)
				}
				if got := get(t, server.Addr, "/blog/x").Received.all("SITE"); params && !slices.Equal(got, []string{"a b"}) {
					t.Errorf("parameter: %q", got)
				}
				if r := get(t, server.Addr, "/blog/x", "X-Answer: silence"); r.Status < 500 {
					t.Errorf("no answer in time: %d", r.Status)
				}
				closed := f.start(t, text("  deny: [127.0.0.1]\n"))
				before, _ := b.seen()
				for _, target := range []string{"/blog/", "/blog/x", "/blog/static/x.css"} {
					if r := get(t, closed.Addr, target); r.Status != 403 {
						t.Errorf("denied: %s: %d", target, r.Status)
					}
				}
				if after, _ := b.seen(); after != before {
					t.Error("a denied request reached the app")
				}
			})
		})
	}
}

// TestProtocolStreaming reads the first line of an answer whose second one is
// not written yet.
func TestProtocolStreaming(t *testing.T) {
	forProtocols(t, fewFronts, func(t *testing.T, f *front, p protocol) {
		b := startSpeaking(t, p.speak, "app", "")
		server := f.start(t, speaking(p.name, app("app", tcp(b), "/blog/", "  buffering: false\n")))
		streams(t, server.Addr, b)
	})
}

// streams asks for an answer whose second line its backend writes when the first has
// come.
func streams(t *testing.T, addr string, b *backend) {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(2 * time.Minute))
	fmt.Fprint(conn, "GET /blog/events HTTP/1.1\r\nHost: h\r\nConnection: close\r\nX-Answer: stream\r\n\r\n")
	in := bufio.NewReader(conn)
	released := false
	for line := ""; line != "second\n"; {
		if line, err = in.ReadString('\n'); err != nil {
			b.release <- struct{}{}
			t.Fatalf("after %q: %v", line, err)
		}
		if line == "first\n" {
			b.release <- struct{}{}
			released = true
		}
	}
	if !released {
		t.Error("the second line came before the first")
	}
}

// TestProtocolFailover has two backends, and takes one away: no GET fails for
// it, and no POST reaches the app twice.
func TestProtocolFailover(t *testing.T) {
	forProtocols(t, fewFronts, func(t *testing.T, f *front, p protocol) {
		dir := publicDir(t)
		var backends []*backend
		for i := range 2 {
			backends = append(backends, startSpeaking(t, p.speak, fmt.Sprint(i), fmt.Sprintf("%s/b-%d.sock", dir, i+1)))
		}
		text := strings.Replace(app("app", "group: www-data, unix: "+dir+"/b.sock", "/blog/", ""), "command:", "instances: 2, command:", 1)
		server := f.start(t, speaking(p.name, text))
		total := func() int {
			first, _ := backends[0].seen()
			second, _ := backends[1].seen()
			return first + second
		}
		seen := make(map[string]bool)
		for range 8 {
			seen[get(t, server.Addr, "/blog/x").Received.Backend] = true
		}
		if len(seen) != 2 {
			t.Errorf("answered by %v", seen)
		}
		// Both read the request, and end the connection without an answer.
		before := total()
		if r := post(t, server.Addr, "/blog/form", 10, "X-Answer: die"); r.Status < 500 {
			t.Errorf("POST without an answer: %d", r.Status)
		}
		// Apache takes the end of a FastCGI connection for a backend that is down,
		// and asks the other one: a warning says so.
		if n := total() - before; n != 1 && (f.program != webserver.Apache || p.name != "fastcgi") {
			t.Errorf("a POST reached the app %d times", n)
		}
		if p.name == "fastcgi" && f.program == webserver.Apache {
			// Both are out for now.
			server = f.start(t, speaking(p.name, text))
		}
		backends[0].close()
		for i := range 12 {
			before := total()
			r := get(t, server.Addr, "/blog/x")
			if i%2 == 1 {
				r = post(t, server.Addr, "/blog/x", 100)
			}
			if r.Status != 200 || total()-before != 1+i%2 {
				t.Errorf("request %d with one backend: %d, %d reached it", i, r.Status, total()-before)
			}
		}
	})
}

// TestProtocolComesBack takes the only backend away and brings it back.
func TestProtocolComesBack(t *testing.T) {
	forProtocols(t, append([]string{"lighttpd"}, fewFronts...), func(t *testing.T, f *front, p protocol) {
		socket := filepath.Join(publicDir(t), "a.sock")
		first := startSpeaking(t, p.speak, "first", socket)
		server := f.start(t, speaking(p.name, app("app", "group: www-data, unix: "+socket, "/blog/", "")))
		first.close()
		if r := get(t, server.Addr, "/blog/x"); r.Status != 502 && r.Status != 503 {
			t.Errorf("without a backend: %d", r.Status)
		}
		startSpeaking(t, p.speak, "second", socket)
		if r := get(t, server.Addr, "/blog/x"); r.Received == nil || r.Received.Backend != "second" {
			t.Errorf("with a new backend: %d", r.Status)
		}
	})
}

// TestProtocolsNested mounts apps of different protocols inside each other, in
// every order: each gets its own requests, and nothing of another's settings.
func TestProtocolsNested(t *testing.T) {
	dir := publicDir(t)
	for _, file := range []string{"out/x.css", "mid/x.css"} {
		writeFile(t, filepath.Join(dir, file), file)
	}
	all := append([]protocol{{"scgi", speakSCGI}}, protocols...)
	for _, outer := range all {
		for _, inner := range all {
			if outer.name == inner.name {
				continue // TestNested has it
			}
			t.Run(outer.name+"-"+inner.name, func(t *testing.T) {
				forFronts(t, append([]string{"mod_scgi"}, fewFronts...), func(t *testing.T, f *front) {
					if f.program != webserver.Apache && (outer.name == "ajp" || inner.name == "ajp") {
						return
					}
					text := speaking(outer.name, app("zout", tcp(startSpeaking(t, outer.speak, "out", "")), "/", "  static: [{url: /far/static/, dir: "+dir+"/out/}]\n  hide_headers: [X-Keep]\n")) +
						speaking(inner.name, app("mid", tcp(startSpeaking(t, inner.speak, "mid", "")), "/blog/", "  static: [{url: /blog/static/, dir: "+dir+"/mid/}]\n")) +
						speaking(outer.name, app("in", tcp(startSpeaking(t, outer.speak, "in", "")), "/blog/in", "  redirect_bare: false\n"))
					server := f.start(t, text)
					for target, want := range map[string]string{
						"/": "out", "/x": "out", "/blog2": "out", "/blog": "308", "/blog/": "mid", "/blog/x": "mid", "/blog/inner": "mid", "/blog/in": "in", "/blog/in/": "in",
						"/blog/in/x": "in", "/far/static/x.css": "out/x.css", "/blog/static/x.css": "mid/x.css",
					} {
						r := get(t, server.Addr, target)
						got := r.Body
						if r.Received != nil {
							got = r.Received.Backend
						} else if r.Status != 200 {
							got = fmt.Sprint(r.Status)
						}
						if got != want {
							t.Errorf("%s: %s, want %s", target, got, want)
						}
						if r.Received == nil {
							continue
						}
						prefix, _ := r.Received.get("HTTP_X_FORWARDED_PREFIX")
						http := inner.name == "http" && want == "mid" || outer.name == "http" && want != "mid"
						if wantPrefix := map[string]string{"mid": "/blog", "in": "/blog/in"}[want]; http && prefix != wantPrefix || !http && prefix != "" {
							t.Errorf("%s: X-Forwarded-Prefix is %q", target, prefix)
						}
					}
					if r := get(t, server.Addr, "/blog/x", "X-Answer: hidden"); r.Header.Get("X-Keep") == "" {
						t.Error("/blog/: a header is hidden that the app at / hides")
					}
				})
			})
		}
	}
}

// TestSecret has an AJP app get a secret that stands in no generated file.
func TestSecret(t *testing.T) {
	const secret = "k3y-of-the-connector"
	for _, instances := range []int{1, 2} {
		dir := publicDir(t)
		for i := range instances {
			name := dir + "/a.sock"
			if instances > 1 {
				name = fmt.Sprintf("%s/a-%d.sock", dir, i+1)
			}
			startSpeaking(t, speakAJP, "app", name)
		}
		writeFile(t, filepath.Join(dir, "secret"), "Define SCGIKIT_AJP_MY_APP "+secret+"\n")
		f := fronts[3]
		f.options = "options: {apache: {ajp_secret: " + dir + "/secret}}\n"
		text := strings.Replace(app("my-app", "group: www-data, unix: "+dir+"/a.sock", "/blog/", ""), "command:", fmt.Sprintf("instances: %d, command:", instances), 1)
		site := f.site(t, speaking("ajp", text))
		for _, file := range site.Files {
			if strings.Contains(string(file.Data), secret) {
				t.Errorf("the secret stands in %s", file.Path)
			}
		}
		server, err := site.Start(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(server.Stop)
		r := get(t, server.Addr, "/blog/x")
		if r.Received == nil {
			t.Fatalf("%d", r.Status)
		}
		if got, _ := r.Received.get("AJP_SECRET"); got != secret {
			t.Errorf("%d instances: the app got %q", instances, got)
		}
	}
}
