package main

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"scgikit/internal/need"
)

// python is the interpreter for the tests. It is not looked up in PATH, where
// it may be a wrapper that needs more of the environment than apps get.
func python(t *testing.T) string {
	t.Helper()
	if _, err := os.Stat("/usr/bin/python3"); err == nil {
		return "/usr/bin/python3"
	}
	return need.Program(t, "python3")
}

// app is a call of one of the apps in testdata/wsgi.
func app(t *testing.T, name string, c call) call {
	t.Helper()
	dir, err := filepath.Abs("testdata/wsgi")
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"wsgi", "--python", python(t), "--path", dir, "--mount", "/app/", "--env", "TMPDIR=" + t.TempDir(), "--env", "PYTHONDONTWRITEBYTECODE=1"}
	if c.style != "" && c.style != "once" {
		c.resident = true
		args = append(args, "--style", c.style)
	}
	c.args = slices.Concat(args, c.args, []string{name})
	if !hasHeader(c.headers, "SCRIPT_NAME") && !hasHeader(c.headers, "REQUEST_URI") {
		c.headers = append(c.headers, header{"SCRIPT_NAME", "/app"}, header{"PATH_INFO", "/x"})
	}
	return c
}

// eachStyle runs a test for every style.
func eachStyle(t *testing.T, test func(t *testing.T, style string)) {
	t.Helper()
	for _, style := range []string{"once", "prefork", "zygote"} {
		t.Run(style, func(t *testing.T) {
			t.Parallel()
			test(t, style)
		})
	}
}

// What becomes of apps that are right, and of those that are not.
func TestApps(t *testing.T) {
	t.Parallel()
	eachStyle(t, testApps)
}

func testApps(t *testing.T, style string) {
	query := func(text string) call { return call{headers: []header{{"QUERY_STRING", text}}} }
	tests := []struct {
		app    string
		call   call
		status string
		body   string // "*" is any
		fields string
		log    string
		code   int
	}{
		{app: "hello", status: "200 OK", body: "Hello world!\n", fields: "Content-Type: text/plain\r\nContent-Length: 13"},
		{app: "Nested.app", status: "200 OK", body: "Hello world!\n"},
		{app: "valid", status: "200 OK", body: "Hello world!\n"},
		{app: "valid_echo", call: call{body: "a body\n"}, status: "200 OK", body: "a body\n"},
		{app: "valid_error", status: "404 Not Found", body: "written"},
		{app: "hello", call: call{headers: []header{{"REQUEST_METHOD", "HEAD"}}}, status: "200 OK", body: ""},
		{app: "noisy", call: call{body: "the body"}, status: "200 OK", body: "clean", log: "and more\n"},
		{app: "closing", status: "200 OK", body: "ab", log: "closed\n"},
		{app: "generator", status: "200 OK", body: "one two"},
		{app: "late_start", status: "200 OK", body: "late"},
		{app: "empty", status: "204 No Content", body: ""},
		{app: "writer", status: "200 OK", body: "written and returned"},
		{app: "raises", status: "500 Internal Server Error", body: "500 Internal Server Error\n", log: "RuntimeError: no luck today", code: 1},
		{app: "raises_after_start", status: "500 Internal Server Error", body: "500 Internal Server Error\n", log: "RuntimeError: no luck today", code: 1},
		{app: "raises_after_head", status: "200 OK", body: "begun", log: "the answer is cut short", code: 1},
		{app: "raises_in_close", status: "200 OK", body: "whole", log: "no luck in close", code: 1},
		{app: "replaces", status: "503 Service Unavailable", body: "sorry"},
		{app: "replaces_too_late", status: "200 OK", body: "begun", log: "ValueError: too late", code: 1},
		{app: "starts_twice", status: "500 Internal Server Error", body: "*", log: "a second time", code: 1},
		{app: "never_starts", status: "500 Internal Server Error", body: "*", log: "did not call start_response", code: 1},
		{app: "returns_text", status: "500 Internal Server Error", body: "*", log: "must return bytes", code: 1},
		{app: "returns_none", status: "500 Internal Server Error", body: "*", log: "TypeError", code: 1},
		{app: "exits", status: "500 Internal Server Error", body: "*", log: "sys.exit(3)", code: 1},
		{app: "not_callable", status: "500 Internal Server Error", body: "*", log: "not callable", code: 1},
		{app: "missing", status: "500 Internal Server Error", body: "*", log: "AttributeError", code: 1},
		{app: "latin", status: "200 OK", body: "", fields: "X: \xfc\r\n"},
		{app: "bad", call: query("interim"), status: "500 Internal Server Error", body: "*", log: "bad status", code: 1},
		{app: "bad", call: query("digits"), status: "500 Internal Server Error", body: "*", log: "bad status", code: 1},
		{app: "bad", call: query("banana"), status: "500 Internal Server Error", body: "*", log: "bad status", code: 1},
		{app: "bad", call: query("bytes"), status: "500 Internal Server Error", body: "*", log: "status must be str", code: 1},
		{app: "bad", call: query("reason"), status: "500 Internal Server Error", body: "*", log: "bad status", code: 1},
		{app: "bad", call: query("split"), status: "500 Internal Server Error", body: "*", log: "control character", code: 1},
		{app: "bad", call: query("nul"), status: "500 Internal Server Error", body: "*", log: "control character", code: 1},
		{app: "bad", call: query("wide"), status: "500 Internal Server Error", body: "*", log: "Latin-1", code: 1},
		{app: "bad", call: query("name"), status: "500 Internal Server Error", body: "*", log: "bad header name", code: 1},
		{app: "bad", call: query("colon"), status: "500 Internal Server Error", body: "*", log: "bad header name", code: 1},
		{app: "bad", call: query("hop"), status: "500 Internal Server Error", body: "*", log: "not the app's to send", code: 1},
		{app: "bad", call: query("status"), status: "500 Internal Server Error", body: "*", log: "not the app's to send", code: 1},
		{app: "bad", call: query("tuple"), status: "500 Internal Server Error", body: "*", log: "must be a list", code: 1},
		{app: "bad", call: query("number"), status: "500 Internal Server Error", body: "*", log: "must be str", code: 1},
		{app: "bad", call: query("length"), status: "500 Internal Server Error", body: "*", log: "bad Content-Length", code: 1},
		{app: "lengths", call: query("four"), status: "200 OK", body: "four"},
		{app: "lengths", call: query("longer"), status: "200 OK", body: "long", log: "longer than the app's Content-Length"},
		{app: "lengths", call: query("abc"), status: "200 OK", body: "abc", log: "1 bytes shorter"},
		{app: "reads_late", call: call{body: strings.Repeat("b", 1_000_000)}, status: "200 OK", body: strings.Repeat("x", 1_000_000) + " read 1000000"},
		{app: "wraps", status: "200 OK", body: strings.Repeat("f", 1_000_000), fields: "Content-Length: 1000000\r\n"},
		{app: "wraps", call: query("10"), status: "200 OK", body: "ffffffffff", fields: "Content-Length: 10\r\n"},
		{app: "wraps", call: call{headers: []header{{"REQUEST_METHOD", "HEAD"}}}, status: "200 OK", body: ""},
		{app: "wraps_no_file", status: "200 OK", body: "not a file on disk"},
	}
	for _, tt := range tests {
		t.Run(tt.app, func(t *testing.T) {
			t.Parallel()
			tt.call.style = style
			a := app(t, "apps:"+tt.app, tt.call).do(t)
			if a.status != tt.status || a.code != codeOf(tt.code, style != "once") {
				t.Errorf("status %q, exit code %d; answer %.300q, log %q", a.status, a.code, a.raw, a.log)
			}
			if tt.body != "*" && a.body != tt.body {
				t.Errorf("body %.200q (%d bytes), want %.200q", a.body, len(a.body), tt.body)
			}
			if !strings.Contains(a.fields, tt.fields) {
				t.Errorf("head %q, want %q", a.fields, tt.fields)
			}
			if !strings.Contains(a.log, tt.log) || tt.log == "" && a.log != "" {
				t.Errorf("log %q, want %q", a.log, tt.log)
			}
			if strings.Contains(a.raw, "Traceback") || strings.Contains(a.raw, "secret") {
				t.Errorf("the answer tells the client too much: %q", a.raw)
			}
		})
	}
}

// print() and everything else that is not the answer goes to the log, also
// where standard error is the connection.
func TestAppOutput(t *testing.T) {
	a := app(t, "apps:noisy", call{body: "the body"}).do(t)
	for _, want := range []string{"printed\n", "on stderr\n", "on wsgi.errors\n", "from a child\n", "and more\n"} {
		if !strings.Contains(a.log, want) {
			t.Errorf("log %q, want %q", a.log, want)
		}
	}
	if strings.Contains(a.log, "the body") {
		t.Errorf("a child of the app read from the connection: %q", a.log)
	}
	log := filepath.Join(t.TempDir(), "log")
	for _, flags := range [][]string{{"--log", log}, nil} {
		a = app(t, "apps:noisy", call{stderr: socketItself, args: flags}).do(t)
		if a.raw != "Status: 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nclean" {
			t.Errorf("answer %q", a.raw)
		}
	}
	if text, err := os.ReadFile(log); err != nil || !strings.Contains(string(text), "printed\n") {
		t.Errorf("log %q, %v", text, err)
	}
}

// The shim is not in the list of processes, and the app has no descriptor of it.
func TestAppProcess(t *testing.T) {
	if !hasProc() {
		need.Missing(t, "proc")
	}
	a := app(t, "apps:process", call{}).do(t)
	if words, files, _ := strings.Cut(a.body, "\n"); len(words) > 1000 || !strings.Contains(words, "app=apps:process") || strings.Contains(files, "scgi_wsgi") {
		t.Errorf("%.2000s", a.body)
	}
}

func TestAppInput(t *testing.T) {
	t.Parallel()
	eachStyle(t, testAppInput)
}

func testAppInput(t *testing.T, style string) {
	const body = "one\ntwo\n\nfour"
	for how, want := range map[string]string{
		"part": "one", "all": body, "pieces": "on|e\ntwo\n\nfour||", "zero": "|" + body, "none": body,
		"line": "one\n|tw|o\n|\n", "lines": "one\n|two\n|\n|four", "hint": "one\n!two\n\nfour", "for": "one\n|two\n|\n|four",
		"mixed": "one\n|t|wo\n|\nfour", "nothing": "ignored",
	} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			a := app(t, "apps:reads", call{style: style, headers: []header{{"QUERY_STRING", how}}, body: body}).do(t)
			if a.body != want || a.code != 0 || a.log != "" {
				t.Errorf("body %q, want %q; log %q", a.body, want, a.log)
			}
		})
	}
	large := strings.Repeat("line\n", 100_000)
	a := app(t, "apps:reads", call{style: style, headers: []header{{"QUERY_STRING", "nothing"}}, body: large}).do(t)
	if a.body != "ignored" {
		t.Errorf("a large body that is not read: answer %q, log %q", a.raw, a.log)
	}
	a = app(t, "apps:reads", call{style: style, headers: []header{{"QUERY_STRING", "for"}}, body: large}).do(t)
	if a.body != strings.TrimSuffix(strings.ReplaceAll(large, "\n", "\n|"), "|") {
		t.Errorf("lines of a large body: %d bytes, log %q", len(a.body), a.log)
	}
}

func TestEnviron(t *testing.T) {
	t.Parallel()
	eachStyle(t, testEnviron)
}

func testEnviron(t *testing.T, style string) {
	a := app(t, "apps:show", call{
		style: style,
		env:   []string{"LANG=C.UTF-8", "SECRET=outer", "PYTHONPATH=/evil"},
		args:  []string{"--env", "DJANGO_SETTINGS_MODULE=x", "--env", "HTTP_SET=by us"},
		headers: []header{
			{"SCRIPT_NAME", "/app"},
			{"PATH_INFO", "/\xc3\xa9\xff"},
			{"QUERY_STRING", "x=%C3%A9"},
			{"REQUEST_SCHEME", "https"},
			{"HTTP_HOST", "example.org:8443"},
			{"HTTP_X", "1"},
			{"HTTP_X", "2"},
			{"HTTP_COOKIE", "a=1"},
			{"HTTP_COOKIE", "b=2"},
			{"CONTENT_TYPE", ""},
			{"REMOTE_USER", ""},
			{"SERVER_NAME", ""},
			{"OWN_PARAMETER", "from the web server"},
			{"HTTP_PROXY", "http://evil/"},
			{"HTTP_CONTENT_LENGTH", "9"},
			{"HTTP_TRANSFER_ENCODING", "chunked"},
			{"PATH", "/evil"},
			{"LD_LIBRARY_PATH", "/evil"},
		},
	}).do(t)
	want := `GATEWAY_INTERFACE='CGI/1.1'
HTTP_COOKIE='a=1; b=2'
HTTP_HOST='example.org:8443'
HTTP_X='1, 2'
OWN_PARAMETER='from the web server'
PATH_INFO='/` + "\xc3\xa9\xff" + `'
QUERY_STRING='x=%C3%A9'
REQUEST_METHOD='GET'
REQUEST_SCHEME='https'
SCRIPT_NAME='/app'
SERVER_NAME='example.org'
SERVER_PORT='8443'
SERVER_PROTOCOL='HTTP/1.1'
version=(1, 0)
url_scheme='https'
multithread=False
multiprocess=True
run_once=True
input_terminated=True
os.environ=['DJANGO_SETTINGS_MODULE', 'HTTP_SET', 'LANG', 'PATH', 'PYTHONDONTWRITEBYTECODE', 'TMPDIR']
sys.argv=['scgi-run']`
	if style == "prefork" {
		want = strings.Replace(want, "run_once=True", "run_once=False", 1)
	}
	if a.body != want {
		t.Errorf("got\n%s\nwant\n%s\nlog %s", a.body, want, a.log)
	}
}

// What an app must not see is not there, neither on the short way nor on the long one,
// which a name that occurs twice takes.
func TestDropped(t *testing.T) {
	t.Parallel()
	eachStyle(t, testDropped)
}

func testDropped(t *testing.T, style string) {
	source, err := os.ReadFile("../../bridge/wsgi/scgi_wsgi.py")
	if err != nil {
		t.Fatal(err)
	}
	_, list, _ := strings.Cut(string(source), "\nDROPPED = frozenset((")
	list, _, _ = strings.Cut(list, "))")
	names := regexp.MustCompile(`"(\w+)"`).FindAllStringSubmatch(list, -1)
	if len(names) < 9 {
		t.Fatalf("%d names in %q", len(names), list)
	}
	plain := []header{{"SCRIPT_NAME", "/app"}, {"PATH_INFO", "/"}, {"HTTP_SEEN", "x"}}
	for _, name := range names {
		if name[1] != "SCGI" { // which each request has
			plain = append(plain, header{name[1], "evil"})
		}
	}
	for way, headers := range map[string][]header{"short": plain, "long": append([]header{{"HTTP_X", "1"}, {"HTTP_X", "2"}}, plain...)} {
		a := app(t, "apps:show", call{style: style, headers: headers}).do(t)
		if !strings.Contains(a.body, "\nHTTP_SEEN='x'\n") || strings.Contains(a.body, "evil") || strings.Contains(a.body, "SCGI=") {
			t.Errorf("the %s way: %s, log %s", way, a.body, a.log)
		}
	}
}

// SCRIPT_NAME and PATH_INFO, whatever the web server makes of them.
func TestAppPaths(t *testing.T) {
	t.Parallel()
	eachStyle(t, testAppPaths)
}

func testAppPaths(t *testing.T, style string) {
	for _, tt := range []struct {
		name         string
		headers      []header
		script, path string
	}{
		{"cut", []header{{"SCRIPT_NAME", "/app"}, {"PATH_INFO", "/a b"}}, "/app", "/a b"},
		{"not cut", []header{{"SCRIPT_NAME", ""}, {"PATH_INFO", "/app/a"}}, "/app", "/a"},
		{"the mount itself", []header{{"SCRIPT_NAME", "/app"}, {"PATH_INFO", ""}}, "/app", ""},
		{"no PATH_INFO", []header{{"SCRIPT_NAME", "/app/a/b"}, {"REQUEST_URI", "/app/a%20b%zz%E9?x/y"}}, "/app", `/a b%zz\xe9`},
		{"REQUEST_URI alone", []header{{"REQUEST_URI", "/app?x"}}, "/app", ""},
		{"absolute form", []header{{"REQUEST_URI", "http://h/app/a"}}, "/app", "/a"},
		{"no REQUEST_URI", []header{{"SCRIPT_NAME", "/app/a"}}, "/app", "/a"},
		{"not under the mount", []header{{"SCRIPT_NAME", ""}, {"PATH_INFO", "/app2/a"}}, "", "/app2/a"},
		{"SCRIPT_NAME /", []header{{"SCRIPT_NAME", "/"}, {"PATH_INFO", "a"}}, "", "/a"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a := app(t, "apps:show", call{style: style, headers: tt.headers}).do(t)
			body := strings.ReplaceAll(a.body, "\xe9", `\xe9`)
			if !strings.Contains(body, "\nSCRIPT_NAME='"+tt.script+"'\n") || !strings.Contains(body, "\nPATH_INFO='"+tt.path+"'\n") {
				t.Errorf("want %q and %q in %s, log %s", tt.script, tt.path, a.body, a.log)
			}
		})
	}
}

// The shim refuses what the bridge refuses.
func TestAppBadRequests(t *testing.T) {
	t.Parallel()
	eachStyle(t, testAppBadRequests)
}

func testAppBadRequests(t *testing.T, style string) {
	name, code := "broken:app", 1 // which is not loaded before there is a request
	if style != "once" {
		name, code = "apps:hello", 0
	}
	get, scgi := header{"REQUEST_METHOD", "GET"}, header{"SCGI", "1"}
	for _, tt := range []struct{ name, raw, status, log string }{
		{"HTTP", "GET / HTTP/1.1\r\n\r\n", "400 Bad Request", "this is HTTP"},
		{"TLS", "\x16\x03\x01", "400 Bad Request", "TLS"},
		{"leading zero", "024:", "400 Bad Request", "leading zero"},
		{"sign", "+24:", "400 Bad Request", "starts with"},
		{"empty", ":", "400 Bad Request", "starts with"},
		{"too long", "262145:", "400 Bad Request", "longer than 262144"},
		{"far too long", "99999999999:", "400 Bad Request", "longer than 262144"},
		{"nothing inside", "0:,", "400 Bad Request", "not CONTENT_LENGTH"},
		{"no comma", "24:CONTENT_LENGTH\x000\x00SCGI\x001\x00;", "400 Bad Request", "no comma"},
		{"odd count", "26:CONTENT_LENGTH\x000\x00SCGI\x001\x00X\x00,", "400 Bad Request", "without a value"},
		{"empty name", encode(header{"CONTENT_LENGTH", "0"}, header{"", "x"}, scgi, get), "400 Bad Request", "empty parameter name"},
		{"length not first", encode(scgi, header{"CONTENT_LENGTH", "0"}, get), "400 Bad Request", "not CONTENT_LENGTH"},
		{"length negative", encode(header{"CONTENT_LENGTH", "-1"}, scgi, get), "400 Bad Request", "CONTENT_LENGTH is"},
		{"length of 19 digits", encode(header{"CONTENT_LENGTH", "1000000000000000000"}, scgi, get), "400 Bad Request", "CONTENT_LENGTH is"},
		{"no SCGI", encode(header{"CONTENT_LENGTH", "0"}, get), "400 Bad Request", "no parameter SCGI"},
		{"no method", encode(header{"CONTENT_LENGTH", "0"}, scgi), "400 Bad Request", "REQUEST_METHOD"},
		{"two lengths", encode(header{"CONTENT_LENGTH", "0"}, scgi, get, header{"CONTENT_LENGTH", "5"}), "400 Bad Request", "occurs twice"},
		{"two users", encode(header{"CONTENT_LENGTH", "0"}, scgi, get, header{"REMOTE_USER", "a"}, header{"REMOTE_USER", "b"}), "400 Bad Request", "occurs twice"},
		{"body too long", encode(header{"CONTENT_LENGTH", "1001"}, scgi, get), "413 Content Too Large", "1001 bytes, the limit is 1000"},
		{"too slow", "24:CONT", "408 Request Timeout", "did not arrive in time"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a := app(t, name, call{style: style, raw: tt.raw, args: []string{"--max-body=1000", "--header-timeout=500ms"}}).do(t)
			if a.status != tt.status || !strings.Contains(a.log, tt.log) || a.code != code || strings.Count(a.log, "\n") != 1 {
				t.Errorf("answer %q, log %q, exit code %d", a.raw, a.log, a.code)
			}
		})
	}
	talk := app(t, name, call{style: style}).begin(t)
	talk.conn.Close()
	if a := talk.finish(""); a.code != 0 || a.log != "" {
		t.Errorf("somebody who only connects: exit code %d, log %q", a.code, a.log)
	}
}

func TestAppLoad(t *testing.T) {
	a := app(t, "broken:app", call{}).do(t)
	if a.status != "500 Internal Server Error" || !strings.Contains(a.log, "No module named 'no_such_module'") || a.code != 1 {
		t.Errorf("answer %q, log %q", a.raw, a.log)
	}
	a = call{args: []string{"wsgi", "--python", "/no/such/python", "apps:hello"}, headers: []header{{"SCRIPT_NAME", "/"}}}.do(t)
	if a.status != "500 Internal Server Error" || !strings.Contains(a.log, "run /no/such/python: no such file") || a.code != 111 {
		t.Errorf("answer %q, log %q, exit code %d", a.raw, a.log, a.code)
	}
	// Modules of the standard library can not be replaced from the working
	// directory, with or without variables for Python.
	dir := t.TempDir()
	for _, name := range []string{"select", "time", "tempfile", "os", "traceback", "_socket", "faulthandler"} {
		write(t, filepath.Join(dir, name+".py"), "raise RuntimeError('planted')\n", 0o644)
	}
	write(t, filepath.Join(dir, "sub/mine.py"), "def application(environ, start_response):\n    start_response('200 OK', [])\n    return [b'mine']\n", 0o644)
	for _, env := range []string{"X=y", "PYTHONUNBUFFERED=1"} {
		a = call{
			command: []string{"/bin/sh", "-c", `cd "$0" && exec "$@"`, dir, scgiRun(t)},
			args:    []string{"wsgi", "--python", python(t), "--path", dir + "/sub", "--env", env, "mine"}, headers: []header{{"SCRIPT_NAME", "/x"}},
		}.do(t)
		if a.body != "mine" {
			t.Errorf("%s: answer %q, log %q", env, a.raw, a.log)
		}
	}
}

func TestAppTimeout(t *testing.T) {
	t.Parallel()
	eachStyle(t, testAppTimeout)
}

func testAppTimeout(t *testing.T, style string) {
	for _, name := range []string{"sleeps", "spins", "sleeps_after_head"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := app(t, "apps:"+name, call{style: style, args: []string{"--timeout=1500ms"}})
			a := c.do(t)
			if want := "504 Gateway Timeout"; a.status != want && name != "sleeps_after_head" {
				t.Errorf("answer %q", a.raw)
			}
			if name == "sleeps_after_head" && a.body != "begun" {
				t.Errorf("answer %q", a.raw)
			}
			if a.code != codeOf(1, style != "once") || !strings.Contains(a.log, "no progress for 1.5s") || !strings.Contains(a.log, "apps.py") {
				t.Errorf("exit code %d, log %q", a.code, a.log)
			}
			if name == "sleeps" {
				i := slices.IndexFunc(c.args, func(s string) bool { return strings.HasPrefix(s, "TMPDIR=") })
				pid := readPid(t, strings.TrimPrefix(c.args[i], "TMPDIR=")+"/pid")
				eventually(t, "the app's child has ended", func() bool { return !alive(pid) })
			}
		})
	}
}

func TestAppClientGone(t *testing.T) {
	t.Parallel()
	eachStyle(t, testAppClientGone)
}

func testAppClientGone(t *testing.T, style string) {
	c := app(t, "apps:large", call{style: style})
	talk := c.begin(t)
	io.WriteString(talk.conn, c.request())
	if _, err := io.ReadFull(talk.conn, make([]byte, 200_000)); err != nil {
		t.Fatal(err)
	}
	talk.conn.Close()
	if a := talk.finish(""); a.code != 0 || !strings.Contains(a.log, "the client closed the connection") || strings.Contains(a.log, "Traceback") {
		t.Errorf("exit code %d, log %q", a.code, a.log)
	}
}

func TestDjango(t *testing.T) {
	t.Parallel()
	if err := exec.CommandContext(t.Context(), python(t), "-I", "-c", "import django").Run(); err != nil {
		need.Missing(t, "django")
	}
	eachStyle(t, testDjango)
}

func testDjango(t *testing.T, style string) {
	get := func(path string, more ...header) answer {
		return app(t, "site_django:application", call{style: style, headers: append([]header{{"SCRIPT_NAME", "/app"}, {"PATH_INFO", path}, {"HTTP_HOST", "example.org:81"}}, more...)}).do(t)
	}
	if a := get("/", header{"QUERY_STRING", "q=%C3%A9"}); a.body != "GET /app/form 'é' '/app'" {
		t.Errorf("answer %q, log %s", a.raw, a.log)
	}
	if a := get("/none"); a.status != "404 Not Found" {
		t.Errorf("answer %q, log %s", a.raw, a.log)
	}
	a := app(t, "site_django:application", call{
		style:   style,
		headers: []header{{"SCRIPT_NAME", "/app"}, {"PATH_INFO", "/form"}, {"CONTENT_TYPE", "application/x-www-form-urlencoded"}, {"HTTP_HOST", "example.org"}},
		body:    "name=x",
	}).do(t)
	if a.status != "302 Found" || !regexp.MustCompile(`(?m)^Location: target\?name=x\r$`).MatchString(a.fields) {
		t.Errorf("answer %q, log %s", a.raw, a.log)
	}
	file, err := os.ReadFile("testdata/wsgi/site_django.py")
	if err != nil {
		t.Fatal(err)
	}
	if a := get("/file"); a.body != string(file) {
		t.Errorf("answer %q, log %s", a.raw, a.log)
	}
}
