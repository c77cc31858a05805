package servertest

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"scgikit/internal/fileset"
	"scgikit/internal/need"
	"scgikit/internal/webserver"
)

// shape is a request, byte by byte.
type shape struct {
	name  string
	lines []string // without the last two, which end the connection and the head
	body  []string // sent one after the other
}

// shapes are the requests that web servers, or configurations, are known to treat
// differently.
func shapes() []shape {
	var list []shape
	for _, target := range []string{
		"/blog/", "/blog/?x=1", "/blog/a/b", "/blog/a%20b", "/blog/a%2Fb", "/blog/a//b", "//blog/a", "/blog/a;p=1", "/blog/%C3%A9", "/blog/\xc3\xa9", "/blog/a+b",
		"/blog/x/../y", "/blog/./y", "/blog/a%0Ab", "/blog/a%3Fb?c", "/blog/a%25b", "/blog/a%252Fb", "/%62log/x", "/blog%2Fx", "/blog/x.css", "/blog/x.php", "/blog/a?b=%zz", "/blog/a?%41",
		"/blog/a?b?c", "/blog/%zz", "/blog/a%00b", "/blog/..%2f..%2fetc", "/blog/x#frag", "http://localhost:99/blog/a%20b?x",
		// These are of no app, but of the one at "/".
		"/", "/a/b", "/blog2", "/blog2/x", "/blogx", "/blog;p=1", "/BLOG/x", "/blog/%2e%2e/blog2", "/a%20b/c?q",
		// And these of one below the first.
		"/blog/deep/", "/blog/deep/x", "/blog/deeper", "/blog/x/../deep/y",
	} {
		list = append(list, shape{name: "GET " + target, lines: []string{"GET " + target + " HTTP/1.1"}})
	}
	add := func(name, fields string, body ...string) {
		method := "POST"
		if body == nil {
			method = "GET"
		}
		list = append(list, shape{name, append([]string{method + " /blog/h HTTP/1.1"}, strings.Split(fields, "\n")...), body})
	}
	add("Proxy", "Proxy: http://evil.test/")
	add("a field twice", "X-A: 1\nX-A: 2")
	add("Cookie twice", "Cookie: a=1\nCookie: b=2")
	add("underscore", "X-B: good\nX_B: evil")
	add("Authorization", "Authorization: Basic YWRtaW46eA==")
	add("empty field", "X-Empty:")
	add("Content-Type without a body", "Content-Type: text/plain")
	add("hop by hop", "Keep-Alive: x\nTE: trailers\nUpgrade: x\nTrailer: X-T")
	add("forwarded", "X-Forwarded-For: 192.0.2.1\nX-Forwarded-Proto: https\nForwarded: for=192.0.2.1")
	list = append(list,
		shape{name: "HEAD", lines: []string{"HEAD /blog/h HTTP/1.1"}},
		shape{name: "DELETE", lines: []string{"DELETE /blog/h HTTP/1.1"}},
		shape{name: "HTTP/1.0", lines: []string{"GET /blog/h HTTP/1.0"}},
	)
	const kind = "Content-Type: application/x-www-form-urlencoded\nContent-Length: "
	add("body of 0", kind+"0", "")
	add("body", kind+"3", "x=1")
	add("body of 2 MB", kind+"2000000", strings.Repeat("b", 2_000_000))
	add("body in pieces", kind+"10", "aa", "bb", "cc", "dd", "ee")
	add("body in chunks", "Content-Type: text/plain\nTransfer-Encoding: chunked", "3\r\nabc\r\n", "4\r\ndefg\r\n0\r\n\r\n")
	return list
}

// seen is what a script saw of a request, or the status of an answer without one.
type seen struct {
	status int
	env    map[string]string
}

// send sends a request to a web server, and returns the variables that the script
// had.
func (s *shape) send(t *testing.T, source, addr string) seen {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(Patience)); err != nil {
		t.Fatal(err)
	}
	go func() {
		// What is refused may be answered before it has been sent.
		_, err := io.WriteString(conn, strings.Join(s.lines, "\r\n")+"\r\nHost: localhost:99\r\nUser-Agent: parity\r\nConnection: close\r\n\r\n")
		for _, piece := range s.body {
			if err == nil {
				_, err = io.WriteString(conn, piece)
			}
		}
	}()
	method, _, _ := strings.Cut(s.lines[0], " ")
	resp, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		t.Errorf("%s: %q: %v", source, s.name, err)
		return seen{}
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Errorf("%s: %q: %v", source, s.name, err)
	}
	if method == "HEAD" && resp.StatusCode == 200 {
		return seen{env: decodeEnv(resp.Header.Get("X-Env"))}
	}
	if resp.StatusCode != 200 {
		return seen{status: resp.StatusCode}
	}
	return seen{env: decodeEnv(string(text))}
}

// decodeEnv reads "NAME=value" of each variable, with NUL, or in a header "|" after it.
func decodeEnv(text string) map[string]string {
	end := "\x00"
	if !strings.Contains(text, end) {
		end = "|"
	}
	env := make(map[string]string)
	for pair := range strings.SplitSeq(text, end) {
		name, value, ok := strings.Cut(pair, "=")
		if ok && !slices.Contains([]string{"PWD", "OLDPWD", "SHLVL", "_"}, name) { // the shell's own
			env[name] = value
		}
	}
	return env
}

// envScript shows its environment.
const envScript = `#!/bin/sh
if test "$REQUEST_METHOD" = POST; then cat >/dev/null; fi
if test "$REQUEST_METHOD" = HEAD; then
	printf 'X-Env: '; env -0 | tr '\000\n' '|?'; printf '\n\n'; exit
fi
printf 'Content-Type: text/plain\n\n'
exec env -0
`

// parity is the apps at the three mounts, behind all that run scripts.
type parity struct {
	dir    string
	script string // of the app at /blog/
	seen   map[string]map[string]seen
	order  []string
}

func (p *parity) ask(t *testing.T, source, addr string) {
	t.Helper()
	answers := make(map[string]seen)
	for _, s := range shapes() {
		answers[s.name] = s.send(t, source, addr)
	}
	p.seen[source] = answers
	p.order = append(p.order, source)
}

// TestParity sends requests of every shape to scripts behind nginx, Lighttpd, Apache
// and dev, in both forms of the bridge, and to scripts that Apache and Lighttpd run
// themselves: what a script sees is equal but for what is written here and in
// docs/limits.md.
func TestParity(t *testing.T) {
	need.Root(t)
	p := &parity{dir: Folder(t), seen: make(map[string]map[string]seen)}
	p.script = filepath.Join(p.dir, "cgi", "blog")
	if err := os.Mkdir(filepath.Join(p.dir, "cgi"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"blog", "root", "deep"} {
		if err := os.WriteFile(filepath.Join(p.dir, "cgi", name), []byte(envScript), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	root := filepath.Join(p.dir, "root")
	if err := os.Mkdir(root, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, f := range []form{resident, perRequest} {
		pr := newProject(t)
		pr.root = root
		for name, mount := range map[string]string{"blog": "/blog/", "root": "/", "deep": "/blog/deep/"} {
			script := filepath.Join(p.dir, "cgi", name)
			pr.describeAt(name, mount, cgiScript(script), "")
			pr.start(t, name, f, "bridge", "--mount="+mount, script)
		}
		pr.generate(t)
		for _, program := range webserver.SpeakSCGI() {
			if !f.askedBehind(program) {
				continue
			}
			p.ask(t, string(program)+", "+string(f), pr.serve(t, program))
		}
		if f == resident {
			p.ask(t, "dev", startDev(t, pr.dir))
		}
	}
	p.ask(t, "mod_cgid of Apache", p.reference(t, webserver.Apache, root, "LoadModule cgid_module /usr/lib/apache2/modules/mod_cgid.so\nScriptSock cgid.sock\nAllowEncodedSlashes On\nScriptAlias /blog \""+p.script+"\"\n<Directory \""+filepath.Dir(p.script)+"\">\nRequire all granted\n</Directory>\n"))
	p.ask(t, "mod_cgi of Lighttpd", p.reference(t, webserver.Lighttpd, root, `server.modules += ("mod_alias", "mod_cgi")
$HTTP["url"] =~ "^/blog(/|$)" {
	alias.url = ("/blog" => "`+p.script+`")
	cgi.assign = ("" => "")
}
`))
	p.compare(t)
}

// startDev runs scgikit dev on a project.
func startDev(t *testing.T, dir string) (addr string) {
	t.Helper()
	addr = "127.0.0.1:" + strconv.Itoa(Ports(t, 1))
	d := Start(t, dir, programs.Scgikit, "dev", "--allow-root", "--addr", addr, "--log-dir", filepath.Join(dir, "devlog"), "-f", filepath.Join(dir, "scgikit.yaml"))
	Until(t, "dev to listen", func() bool {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(d.Log())
		}
	})
	return addr
}

// reference starts a web server that runs the script itself.
func (p *parity) reference(t *testing.T, program webserver.Program, root, conf string) (addr string) {
	t.Helper()
	need.Program(t, program.Names()[0])
	site := &webserver.Site{
		Program: program, Dir: filepath.Join(p.dir, string(program)), Root: root,
		Files: []fileset.File{{Path: "cgi.conf", Place: webserver.PlaceServer, Data: []byte(conf)}},
	}
	if err := site.Write(); err != nil {
		t.Fatal(err)
	}
	return started(t, site)
}

// difference is one that is known, and why it is so. Each has to be met.
type difference struct {
	sources  string // how they begin, with "|" between several; "" is all
	shape    string // "" is all
	variable string // "status" is that of an answer without a script
	why      string
}

const (
	mod   = "mod_cgid|mod_cgi of"
	anyOf = ""
)

func differences() []difference {
	lighttpds, apaches := "lighttpd|mod_cgi of", "apache|mod_cgid"
	return []difference{
		{anyOf, "", "SERVER_SOFTWARE", "each names itself"},
		{anyOf, "", "SERVER_PORT", "each has its own; Apache says what stands in Host"},
		{anyOf, "", "REMOTE_PORT", "a new one for each connection"},
		{anyOf, "", "PATH", "that of what starts the script"},
		{mod, "", "LANG", "not passed on"},
		{mod, "", "HTTP_CONNECTION", "hop by hop; the bridge drops it"},
		{mod, "hop by hop", "HTTP_KEEP_ALIVE", "hop by hop; the bridge drops it"},
		{"mod_cgi of|dev", "hop by hop", "HTTP_UPGRADE", "hop by hop; dropped"},
		{"dev", "hop by hop", "HTTP_TE", "hop by hop; dropped"},
		{"dev", "hop by hop", "HTTP_TRAILER", "hop by hop; dropped"},

		{apaches, "", "SERVER_ADMIN", "Apache only"},
		{apaches, "", "CONTEXT_PREFIX", "Apache only"},
		{apaches, "", "CONTEXT_DOCUMENT_ROOT", "Apache only"},
		{"mod_cgid", "", "SERVER_SIGNATURE", "Apache only"},
		{lighttpds, "", "REDIRECT_STATUS", "Lighttpd only"},
		{lighttpds, "", "REDIRECT_URI", "Lighttpd only, where it has changed the path"},
		{"dev", "", "DOCUMENT_ROOT", "it has none"},
		{"dev", "", "PATH_TRANSLATED", "it has no document root"},
		{"mod_cgi of", "", "DOCUMENT_ROOT", "the alias is one"},
		{"mod_cgi of", "", "PATH_TRANSLATED", "derived from it"},

		{lighttpds, "GET /blog/a%0Ab", "status", "400: no control characters in a path"},
		{lighttpds, "GET /blog/%zz", "status", "passed as it is"},
		{lighttpds, "GET /blog/a?b=%zz", "QUERY_STRING", "b=%25zz"},
		{lighttpds, "GET /blog/a?%41", "QUERY_STRING", "A"},
		{lighttpds, "underscore", "HTTP_X_B", "the field with _ as well"},
		{apaches, "GET /blog/a%00b", "status", "404 for 400"},
		{apaches, "GET /blog/x#frag", "status", "400: no fragment"},
		{apaches, "GET http://localhost:99/blog/a%20b?x", "REQUEST_URI", "the whole URL"},
		{apaches, "Cookie twice", "HTTP_COOKIE", "joined with a comma"},
		{"apache", "body in chunks", "status", "411 of mod_proxy_scgi"},
		{"lighttpd|apache", "GET /blog/..%2f..%2fetc", "status", "resolved, and so of the app at /, for 400"},
		{mod, "GET /blog/..%2f..%2fetc", "status", "resolved, and so 404, for 400"},

		{"mod_cgid", "Authorization", "HTTP_AUTHORIZATION", "not without CGIPassAuth, which is generated"},
		{"mod_cgid", "empty field", "HTTP_X_EMPTY", "an empty value; to the bridge it is none"},
		{"mod_cgid", "body in chunks", "CONTENT_LENGTH", "not known before"},
		{"mod_cgid", "body in chunks", "HTTP_TRANSFER_ENCODING", "the script has to know it"},
		{"mod_cgid", "DELETE", "CONTENT_LENGTH", "none for 0"},
		{"mod_cgi of", "", "CONTENT_LENGTH", "0 for none"},
		{"mod_cgi of", "", "HTTP_CONTENT_LENGTH", "as well as CONTENT_LENGTH"},
	}
}

// is reports whether it is about that.
func (d *difference) is(source, shape, variable string) bool {
	begins := func(prefix string) bool { return strings.HasPrefix(source, prefix) }
	return d.variable == variable && (d.shape == "" || d.shape == shape) && slices.ContainsFunc(strings.Split(d.sources, "|"), begins)
}

// compare compares everything with nginx and the resident form.
func (p *parity) compare(t *testing.T) {
	known := differences()
	met := make([]bool, len(known))
	differs := func(source, shape, variable, a, b string) {
		i := slices.IndexFunc(known, func(d difference) bool { return d.is(source, shape, variable) })
		if i < 0 {
			t.Errorf("%s: %q: %s is %s there, and %s behind nginx", source, shape, variable, b, a)
			return
		}
		met[i] = true
	}
	base := p.seen[p.order[0]]
	equal, compared := 0, 0
	for _, source := range p.order[1:] {
		for _, s := range shapes() {
			want, got := base[s.name], p.seen[source][s.name]
			if strings.HasPrefix(source, "mod_") && want.status == 0 && want.env["SCRIPT_FILENAME"] != p.script {
				continue // of an app that is not there
			}
			if want.status != got.status {
				differs(source, s.name, "status", strconv.Itoa(want.status), strconv.Itoa(got.status))
				continue
			}
			names := maps.Clone(want.env)
			if names == nil {
				continue
			}
			maps.Copy(names, got.env)
			for _, name := range slices.Sorted(maps.Keys(names)) {
				a, inA := want.env[name]
				b, inB := got.env[name]
				compared++
				if inA == inB && a == b {
					equal++
					continue
				}
				differs(source, s.name, name, fmt.Sprintf("%q (%t)", a, inA), fmt.Sprintf("%q (%t)", b, inB))
			}
		}
	}
	for i := range known {
		if !met[i] {
			t.Errorf("not met any more: %+v", known[i])
		}
	}
	t.Logf("%d requests to each of %v: %d variables, of which %d are equal", len(base), p.order, compared, equal)
	p.checkBase(t, base)
}

// checkBase requires of what all others are compared with that it is right.
func (p *parity) checkBase(t *testing.T, base map[string]seen) {
	t.Helper()
	for name, want := range map[string]string{
		"GATEWAY_INTERFACE": "CGI/1.1", "REQUEST_METHOD": "POST", "REQUEST_URI": "/blog/h", "SCRIPT_NAME": "/blog", "PATH_INFO": "/h", "QUERY_STRING": "",
		"SCRIPT_FILENAME": p.script, "DOCUMENT_ROOT": filepath.Join(p.dir, "root"), "PATH_TRANSLATED": filepath.Join(p.dir, "root", "h"),
		"CONTENT_LENGTH": "3", "CONTENT_TYPE": "application/x-www-form-urlencoded", "HTTP_HOST": "localhost:99", "HTTP_USER_AGENT": "parity",
		"REMOTE_ADDR": "127.0.0.1", "REQUEST_SCHEME": "http", "SERVER_ADDR": "127.0.0.1", "SERVER_NAME": "localhost", "SERVER_PROTOCOL": "HTTP/1.1",
	} {
		if got, ok := base["body"].env[name]; got != want || !ok {
			t.Errorf("%s is %q (%t), want %q", name, got, ok, want)
		}
	}
	for shape, length := range map[string]string{"body of 2 MB": "2000000", "body in pieces": "10", "body in chunks": "7", "body of 0": "0", "HEAD": ""} {
		if got := base[shape].env["CONTENT_LENGTH"]; got != length {
			t.Errorf("%s: CONTENT_LENGTH is %q", shape, got)
		}
	}
	for shape, s := range base {
		if _, ok := s.env["HTTP_PROXY"]; ok {
			t.Errorf("%s: HTTP_PROXY", shape)
		}
		if _, ok := s.env["SCRIPT_NAME"]; !ok && s.status == 0 {
			t.Errorf("%s: neither a script nor a status", shape)
		}
	}
}
