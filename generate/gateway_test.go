package generate_test

import (
	"bufio"
	"fmt"
	"maps"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"scgikit/generate"
	"scgikit/internal/diag"
	"scgikit/internal/fileset"
	"scgikit/internal/webserver"
)

// gateways are the ways to configure HAProxy and Caddy, which all have to give
// an app the same request.
var gateways = []front{
	{name: "haproxy", program: webserver.HAProxy},
	{name: "haproxy-frontend", program: webserver.HAProxy, options: "options: {haproxy: {as: frontend, bind: [\"127.0.0.1:80\", \"[::1]:80\"]}}\n"},
	{name: "caddy", program: webserver.Caddy},
	{name: "caddy-site", program: webserver.Caddy, options: "options: {caddy: {as: site}}\n"},
}

// forGateways runs a test for every gateway and protocol.
func forGateways(t *testing.T, test func(t *testing.T, f *front, protocol string)) {
	for i := range gateways {
		for _, protocol := range []string{"fastcgi", "http"} {
			t.Run(gateways[i].name+"/"+protocol, func(t *testing.T) {
				gateways[i].find(t)
				test(t, &gateways[i], protocol)
			})
		}
	}
}

// gatewayApp is a description of an app that speaks the protocol.
func gatewayApp(protocol, name, listen, mount, http string) string {
	return strings.Replace(app(name, listen, mount, http), "type: server\n", "type: server\nprotocol: "+protocol+"\n", 1)
}

// gatewayResidue was measured with HAProxy 2.6.12 and Caddy 2.6.2.
var gatewayResidue = residue{
	// HAProxy resolves no dots, and refuses what would be cut by a log format.
	"/blog/x/../y":        {"haproxy": "400"},
	"/blog/./y":           {"haproxy": "400"},
	"/blog/%2e%2e/blog2":  {"haproxy": "400"},
	"/blog/../blog2/x":    {"haproxy": "400"},
	"/blog/..%2f..%2fetc": {"haproxy": "400"},
	"/blog/a%0Ab":         {"haproxy": "400"},
	"/blog/\xc3\xa9":      {"haproxy": "400"},
	"/blog/%zz":           {"haproxy": "404"},
	"/blog/x#frag":        {"haproxy": "400", "caddy": `blog "/blog" "/x#frag"`},
}

// caddyURIs are the targets that Caddy writes in another way before it passes
// them on.
var caddyURIs = map[string]string{
	"/blog/\xc3\xa9":        "/blog/%C3%A9",
	"/blog/$x/${y}/%7Bz%7D": "/blog/$x/$%7By%7D/%7Bz%7D",
	"/blog/x#frag":          "/blog/x%23frag",
}

func TestGatewayPaths(t *testing.T) {
	forGateways(t, func(t *testing.T, f *front, protocol string) {
		blog := startGateway(t, protocol, "blog", "")
		server := f.start(t, gatewayApp(protocol, "blog", tcp(blog.backend), "/blog/", ""))
		for _, p := range blogPaths {
			want := p.want
			if other, ok := gatewayResidue[p.target][string(f.program)]; ok {
				want = other
			}
			if strings.HasPrefix(p.target, "/blog/static/") || p.target == "/blog/a%00b" && protocol == "http" {
				continue // no folder here; and what is in no environment may be in HTTP
			}
			r := get(t, server.Addr, p.target)
			got := told(r)
			if protocol == "http" && r.Received != nil {
				got = r.Received.Backend
				want, _, _ = strings.Cut(want, " ")
			}
			if got != want {
				t.Errorf("%s: got %s, want %s", p.target, got, want)
			}
			if r.Received == nil {
				continue
			}
			raw := rawURI(p.target)
			if other, ok := caddyURIs[p.target]; ok && f.program == webserver.Caddy {
				raw = other
			}
			if uri, _ := r.Received.get("REQUEST_URI"); uri != raw {
				t.Errorf("%s: REQUEST_URI is %q", p.target, uri)
			}
			_, query, _ := strings.Cut(rawURI(p.target), "?")
			if got, _ := r.Received.get("QUERY_STRING"); got != query {
				t.Errorf("%s: QUERY_STRING is %q", p.target, got)
			}
		}
	})
}

func TestGatewayParameters(t *testing.T) {
	forGateways(t, func(t *testing.T, f *front, protocol string) {
		lines := "  hide_headers: [X-Powered-By]\n"
		if protocol == "fastcgi" {
			lines += "  params: {SITE_NAME: a b}\n"
		}
		blog := startGateway(t, protocol, "blog", filepath.Join(publicDir(t), "a.sock"))
		server := f.start(t, gatewayApp(protocol, "blog", "group: www-data, unix: "+blog.addr.String(), "/blog/", lines))
		long := strings.Repeat("l", 5000)
		r := get(t, server.Addr, "/blog/x?q=1", "Proxy: http://evil.test", "X-A: 1", "X-A: 2", "X-Long: "+long, "Authorization: Basic YWRtaW46eA==",
			"Content_Length: 99999", "X_Forwarded_For: 192.0.2.1", "X-Forwarded-For: 192.0.2.1", "X-Forwarded-Host: evil.test", "X-Forwarded-Proto: https",
			"X-Forwarded-Prefix: /evil", "X-Forwarded-Port: 1", "X-Real-IP: 192.0.2.1", "Forwarded: for=192.0.2.1").Received
		if r == nil {
			t.Fatal("no answer from the app")
		}
		want := map[string]string{
			"REQUEST_METHOD": "GET", "HTTP_HOST": "h.test:99", "HTTP_AUTHORIZATION": "Basic YWRtaW46eA==", "HTTP_PROXY": "", "HTTP_X_LONG": long,
			"HTTP_X_A": "1, 2", "HTTP_X_FORWARDED_FOR": "127.0.0.1", "HTTP_X_FORWARDED_HOST": "h.test:99", "HTTP_X_FORWARDED_PROTO": "http",
			"HTTP_X_FORWARDED_PREFIX": "/blog", "HTTP_X_FORWARDED_PORT": "", "HTTP_X_REAL_IP": "", "HTTP_FORWARDED": "", "HTTP_CONTENT_LENGTH": "",
		}
		if protocol == "fastcgi" {
			maps.Copy(want, map[string]string{
				"SITE_NAME": "a b", "SERVER_NAME": "h.test", "SERVER_PROTOCOL": "HTTP/1.1", "REMOTE_ADDR": "127.0.0.1", "REMOTE_USER": "", "AUTH_TYPE": "",
				"GATEWAY_INTERFACE": "CGI/1.1", "CONTENT_LENGTH": "0", "SCRIPT_NAME": "/blog", "PATH_INFO": "/x", "QUERY_STRING": "q=1",
			})
		}
		for name, value := range want {
			if got := strings.Join(r.all(name), ", "); got != value {
				t.Errorf("%s is %.80q, want %.80q", name, got, value)
			}
		}
		for _, p := range r.Params {
			// HAProxy gives a repeated field as two parameters.
			if n := len(r.all(p[0])); n != 1 && p[0] != "HTTP_X_A" {
				t.Errorf("%s is there %d times", p[0], n)
			}
		}
		if got := r.all("HTTP_CONTENT_LENGTH"); len(got) > 0 {
			t.Errorf("HTTP_CONTENT_LENGTH: %q", got)
		}
	})
}

func TestGatewayAnswers(t *testing.T) {
	forGateways(t, func(t *testing.T, f *front, protocol string) {
		blog := startGateway(t, protocol, "blog", "")
		server := f.start(t, gatewayApp(protocol, "blog", tcp(blog.backend), "/blog/", "  hide_headers: [X-Powered-By]\n  buffering: false\n  max_body: 3MiB\n"))
		if r := post(t, server.Addr, "/blog/form", 3, "X-Answer: redirect"); r.Status != 302 || r.Header.Get("Location") != "/blog/target" {
			t.Errorf("POST answered by a relative redirect: %d, Location %q", r.Status, r.Header.Get("Location"))
		}
		if r := get(t, server.Addr, "/blog/x", "X-Answer: big"); r.Status != 200 || len(r.Header.Get("X-Big")) != 5000 {
			t.Errorf("header of 5,000 bytes: %d, %d bytes", r.Status, len(r.Header.Get("X-Big")))
		}
		if r := get(t, server.Addr, "/blog/x", "X-Answer: status"); r.Status != 201 || r.Header.Get("Status") != "" {
			t.Errorf("status: %d, Status %q", r.Status, r.Header.Get("Status"))
		}
		r := get(t, server.Addr, "/blog/x", "X-Answer: hidden")
		if r.Header.Get("X-Powered-By") != "" || r.Header.Get("X-Keep") != "kept" {
			t.Errorf("X-Powered-By %q, X-Keep %q", r.Header.Get("X-Powered-By"), r.Header.Get("X-Keep"))
		}
		// An app may answer HEAD with a body, or with its length alone.
		for _, answer := range []string{"redirect", "length"} {
			r := ask(t, server.Addr, "HEAD /blog/x HTTP/1.1\r\nHost: h\r\nConnection: close\r\nX-Answer: "+answer+"\r\n\r\n")
			if want := map[string]int{"redirect": 302, "length": 200}[answer]; r.Status != want || r.Body != "" {
				t.Errorf("HEAD, %s: %d %q", answer, r.Status, r.Body)
			}
			if length := r.Header.Get("Content-Length"); answer == "length" && length != "100" {
				t.Errorf("HEAD: Content-Length %q", length)
			}
		}
		for _, size := range []int{0, 1, 5000, 3 << 20} {
			r := post(t, server.Addr, "/blog/x", size)
			if r.Received == nil || r.Received.Body != size {
				t.Errorf("body of %d bytes: %d %+v", size, r.Status, r.Received)
			}
		}
		// With fastcgi, HAProxy answers behind the last byte alone.
		size := 100
		if f.program == webserver.HAProxy {
			size = 3<<20 + 1
		}
		if r := ask(t, server.Addr, fmt.Sprintf("POST /blog/x HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", 3<<20+1, strings.Repeat("x", size))); r.Status != 413 {
			t.Errorf("one byte too many: %d", r.Status)
		}
		gatewayChunked(t, f, protocol, server.Addr)
		gatewayStream(t, blog, server.Addr)
	})
}

// gatewayChunked sends bodies without a length: HAProxy measures none, and Caddy
// tells a fastcgi app of none.
func gatewayChunked(t *testing.T, f *front, protocol, addr string) {
	t.Helper()
	head := "POST /blog/x HTTP/1.1\r\nHost: h\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
	r := ask(t, addr, head+"3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n")
	if f.program == webserver.HAProxy || protocol == "fastcgi" {
		if r.Status != 411 {
			t.Errorf("chunked body: %d", r.Status)
		}
		return
	}
	if r.Received == nil || r.Received.Body != 7 {
		t.Errorf("chunked body: %d %+v", r.Status, r.Received)
	}
	if r := ask(t, addr, head+fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", 3<<20+1, strings.Repeat("x", 3<<20+1))); r.Status != 413 {
		t.Errorf("one byte too many, chunked: %d", r.Status)
	}
}

// gatewayStream reads the first line of an answer whose second one is not
// written yet.
func gatewayStream(t *testing.T, g *gatewayBackend, addr string) {
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
			g.release <- struct{}{}
			t.Fatalf("after %q: %v", line, err)
		}
		if line == "first\n" {
			g.release <- struct{}{}
			released = true
		}
	}
	if !released {
		t.Error("the second line came before the first")
	}
}

// TestGatewayFailover has two backends, one of them dead: a GET is answered by
// the other one. A POST is never sent twice.
func TestGatewayFailover(t *testing.T) {
	forGateways(t, func(t *testing.T, f *front, protocol string) {
		socket := publicDir(t) + "/b.sock"
		text := strings.Replace(gatewayApp(protocol, "blog", "group: www-data, unix: "+socket, "/blog/", ""), "command:", "instances: 2, command:", 1)
		alive := startGateway(t, protocol, "2", strings.Replace(socket, "b.sock", "b-2.sock", 1))
		server := f.start(t, text)
		for i := range 8 {
			if r := get(t, server.Addr, "/blog/x"); r.Received == nil {
				t.Errorf("GET %d: %d", i, r.Status)
			}
			if r := post(t, server.Addr, "/blog/x", 100); r.Received == nil && (f.program == webserver.HAProxy || r.Status != 502) {
				t.Errorf("POST %d: %d", i, r.Status)
			}
		}
		before := alive.requests.Load()
		if r := post(t, server.Addr, "/blog/x", 100, "X-Answer: close"); r.Status != 502 && r.Status != 503 {
			t.Errorf("POST that is not answered: %d", r.Status)
		}
		if n := alive.requests.Load() - before; n > 1 {
			t.Errorf("the POST was sent %d times", n)
		}
	})
}

// TestGatewayBalance asks backends that all run.
func TestGatewayBalance(t *testing.T) {
	for _, method := range []string{"round-robin", "least-conn", "ip-hash"} {
		t.Run(method, func(t *testing.T) {
			forGateways(t, func(t *testing.T, f *front, protocol string) {
				if f.program == webserver.Caddy && protocol == "fastcgi" && method != "round-robin" {
					return // refused
				}
				dir := publicDir(t)
				for i := range 3 {
					startGateway(t, protocol, fmt.Sprint(i+1), fmt.Sprintf("%s/b-%d.sock", dir, i+1))
				}
				server := f.start(t, strings.Replace(gatewayApp(protocol, "blog", "group: www-data, unix: "+dir+"/b.sock", "/blog/", "  balance: {method: "+method+"}\n"),
					"command:", "instances: 3, command:", 1))
				seen := make(map[string]int)
				for range 12 {
					r := post(t, server.Addr, "/blog/x", 10)
					if r.Received == nil {
						t.Fatalf("%s: %d", method, r.Status)
					}
					seen[r.Received.Backend]++
				}
				if method == "round-robin" && len(seen) != 3 || method == "ip-hash" && len(seen) != 1 {
					t.Errorf("%s: requests by backend: %v", method, seen)
				}
			})
		})
	}
}

// TestGatewayNested mounts three apps inside each other, and others on hosts of
// their own.
func TestGatewayNested(t *testing.T) {
	forGateways(t, func(t *testing.T, f *front, protocol string) {
		text := ""
		for _, a := range []struct{ name, mount, http string }{
			{"zsite", "/", "  max_body: 1KiB\n"}, {"blog", "/blog/", "  max_body: 2KiB\n"}, {"admin", "/blog/admin", "  redirect_bare: false\n"},
		} {
			b := startGateway(t, protocol, a.name, "")
			text += gatewayApp(protocol, a.name, tcp(b.backend), a.mount, a.http)
		}
		server := f.start(t, text)
		for _, p := range []path{
			{"/", `zsite "" "/"`},
			{"/a%2Fb//c", `zsite "" "/a/b/c"`},
			{"/blog2", `zsite "" "/blog2"`},
			{"/BLOG/x", `zsite "" "/BLOG/x"`},
			{"/blog", "308 /blog/"},
			{"/blog/", `blog "/blog" "/"`},
			{"/blog/admin2", `blog "/blog" "/admin2"`},
			{"/blog/Admin/x", `blog "/blog" "/Admin/x"`},
			{"/blog/admin", `admin "/blog/admin" ""`},
			{"/blog/admin?x", `admin "/blog/admin" ""`},
			{"/blog/admin/", `admin "/blog/admin" "/"`},
			{"/blog//admin/%78", `admin "/blog/admin" "/x"`},
		} {
			r := get(t, server.Addr, p.target)
			got, want := told(r), p.want
			if protocol == "http" && r.Received != nil {
				got = r.Received.Backend
				want, _, _ = strings.Cut(want, " ")
			}
			if got != want {
				t.Errorf("%s: got %s, want %s", p.target, got, want)
			}
		}
		for target, want := range map[string]int{"/x": 413, "/blog/x": 200} {
			if r := post(t, server.Addr, target, 2000); r.Status != want {
				t.Errorf("2,000 bytes to %s: %d, want %d", target, r.Status, want)
			}
		}
	})
}

func TestGatewayHosts(t *testing.T) {
	for _, f := range []*front{&gateways[0], &gateways[1], &gateways[3]} {
		t.Run(f.name, func(t *testing.T) {
			f.find(t)
			text := ""
			for _, a := range []struct{ name, mount, host string }{{"any", "/", ""}, {"wild", "/m/", "  host: \"*.w.test\"\n"}, {"exact", "/m/", "  host: [b.test, \"::1\"]\n"}} {
				text += gatewayApp("http", a.name, tcp(startGateway(t, "http", a.name, "").backend), a.mount, a.host)
			}
			server := f.start(t, text)
			for host, want := range map[string]string{
				"other.test": "any", "x.w.test": "wild", "x.w.test:80": "wild", "B.test": "exact", "[::1]:80": "exact", "b.test.evil": "any", "xb.test": "any", "w.test": "any", "": "any",
			} {
				r := ask(t, server.Addr, "GET /m/x HTTP/1.1\r\nHost: "+host+"\r\nConnection: close\r\n\r\n")
				if r.Received == nil || r.Received.Backend != want {
					t.Errorf("%s: %d %+v, want %s", host, r.Status, r.Received, want)
				}
			}
			if r := ask(t, server.Addr, "GET /m/x HTTP/1.0\r\n\r\n"); r.Received == nil || r.Received.Backend != "any" {
				t.Errorf("without a host: %d", r.Status)
			}
		})
	}
}

// TestGatewayProtocols refuses what the two do not speak, at the field that
// says it.
func TestGatewayProtocols(t *testing.T) {
	for _, protocol := range []string{"scgi", "uwsgi", "ajp"} {
		text := strings.NewReplacer("OPTIONS\n", "", "REDIRECTS", "pass").Replace(gatewayApp(protocol, "blog", `tcp: "127.0.0.1:8000"`, "/blog/", ""))
		project := load(t, text)
		for _, name := range []string{"haproxy", "caddy"} {
			target, _ := generate.Lookup(name)
			set, problems := new(generate.Renderer).Render(target, project, project.Apps)
			if set != (*fileset.Set)(nil) || len(problems) != 1 || problems[0].Path != "protocol" || problems[0].Severity != diag.Error || problems[0].Hint == "" {
				t.Errorf("%s for %s: %v", protocol, name, problems)
			}
		}
	}
}
