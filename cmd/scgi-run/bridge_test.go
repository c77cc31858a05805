package main

import (
	"crypto/sha256"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"scgikit/internal/need"
)

// endBackground ends a process that a script has left behind.
func endBackground(t *testing.T, pidFile string) {
	t.Helper()
	if text, err := os.ReadFile(pidFile); err == nil {
		if pid, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil {
			syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}

// printEnv is a script that shows its environment, one variable a line, and
// where and how it runs.
const printEnv = `#!/bin/sh
echo Content-Type: text/plain
echo
env | sort
echo "cwd=$(pwd)"
echo "argv0=$0"
echo "args=$#"
for a; do echo "arg=$a"; done
`

// environment runs printEnv and returns its lines.
func environment(t *testing.T, c call) []string {
	t.Helper()
	a := c.do(t)
	if a.status != "200 OK" {
		t.Fatalf("answer %q, log %q", a.raw, a.log)
	}
	return strings.Split(strings.TrimSuffix(a.body, "\n"), "\n")
}

func TestEnvironment(t *testing.T) {
	bothForms(t, func(t *testing.T, resident bool) {
		dir := folder(t, map[string]string{"show": printEnv})
		lines := environment(t, call{
			resident: resident,
			args:     []string{"bridge", "--mount", "/cgi", "--env", "SET=by us", "--env", "REMOTE_USER=forced", "--pass", "GIT_PROJECT_ROOT", dir},
			env: []string{
				"LANG=C", "TZ=UTC", "HOME=/outer", "SECRET=outer", "SHELL=/outer",
			},
			headers: []header{
				{"REQUEST_METHOD", "GET"},
				{"SCRIPT_NAME", "/cgi/show"},
				{"PATH_INFO", "/a b/ü"},
				{"SCRIPT_FILENAME", "proxy:scgi://localhost/cgi/show/a%20b"},
				{"DOCUMENT_ROOT", "/srv/www/"},
				{"PATH_TRANSLATED", "/wrong"},
				{"QUERY_STRING", "x=1&y=%20"},
				{"REMOTE_USER", "from the request"},
				{"REMOTE_ADDR", "192.0.2.1"},
				{"REMOTE_PORT", "999"},
				{"REQUEST_URI", "/cgi/show/a%20b/%C3%BC?x=1"},
				{"GATEWAY_INTERFACE", "CGI/9"},
				{"SERVER_NAME", ""},
				{"HTTPS", ""},
				{"HTTP_HOST", "example.org:8443"},
				{"HTTP_X_TWICE", "1"},
				{"HTTP_X_TWICE", "2"},
				{"HTTP_COOKIE", "a=1"},
				{"HTTP_COOKIE", "b=2"},
				{"HTTP_AUTHORIZATION", "Basic eA=="},
				{"SSL_PROTOCOL", "TLSv1.3"},
				{"REDIRECT_STATUS", "200"},
				{"CONTEXT_PREFIX", "/cgi/"},
				{"GIT_PROJECT_ROOT", "/srv/git"},
				// What must not get through.
				{"HTTP_PROXY", "http://evil/"},
				{"HTTP_CONTENT_LENGTH", "99"},
				{"HTTP_CONTENT_TYPE", "x"},
				{"HTTP_TRANSFER_ENCODING", "chunked"},
				{"HTTP_CONNECTION", "close"},
				{"LD_PRELOAD", "/evil.so"},
				{"LD_LIBRARY_PATH", "/evil"},
				{"PATH", "/evil"},
				{"IFS", "x"},
				{"ENV", "/evil"},
				{"BASH_ENV", "/evil"},
				{"BASH_FUNC_echo%%", "() { evil; }"},
				{"PYTHONPATH", "/evil"},
				{"PERL5LIB", "/evil"},
				{"GIT_DIR", "/evil"},
				{"GLIBC_TUNABLES", "x"},
				{"LISTEN_FDS", "3"},
				{"TZ", "evil"},
				{"lower", "x"},
				{"HTTP_bad-name", "x"},
				{"HTTP_A=B", "x"},
				{"SSL_", "x"},
			},
		})
		want := []string{
			"CONTEXT_PREFIX=/cgi/",
			"DOCUMENT_ROOT=/srv/www/",
			"GATEWAY_INTERFACE=CGI/1.1",
			"GIT_PROJECT_ROOT=/srv/git",
			"HTTP_AUTHORIZATION=Basic eA==",
			"HTTP_COOKIE=a=1; b=2",
			"HTTP_HOST=example.org:8443",
			"HTTP_X_TWICE=1, 2",
			"LANG=C",
			"PATH=" + os.Getenv("PATH"),
			"PATH_INFO=/a b/ü",
			"PATH_TRANSLATED=/srv/www/a b/ü",
			"PWD=" + strings.TrimSuffix(dir, "/"),
			"QUERY_STRING=x=1&y=%20",
			"REDIRECT_STATUS=200",
			"REMOTE_ADDR=192.0.2.1",
			"REMOTE_PORT=999",
			"REMOTE_USER=forced",
			"REQUEST_METHOD=GET",
			"REQUEST_URI=/cgi/show/a%20b/%C3%BC?x=1",
			"SCRIPT_FILENAME=" + dir + "show",
			"SCRIPT_NAME=/cgi/show",
			"SERVER_NAME=example.org",
			"SERVER_PORT=8443",
			"SERVER_PROTOCOL=HTTP/1.1",
			"SERVER_SOFTWARE=scgikit",
			"SET=by us",
			"SSL_PROTOCOL=TLSv1.3",
			"TZ=UTC",
			"cwd=" + strings.TrimSuffix(dir, "/"),
			"argv0=" + dir + "show",
			"args=0",
		}
		got := slices.DeleteFunc(lines, func(line string) bool { // the shell's own
			return strings.HasPrefix(line, "OLDPWD=") || strings.HasPrefix(line, "_=") || strings.HasPrefix(line, "SHLVL=")
		})
		if !slices.Equal(got, want) {
			t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	})
}

func TestEnvPass(t *testing.T) {
	dir := folder(t, map[string]string{"show": printEnv})
	outer := []string{"A=1", "B=2", "LANG=C"}
	for _, tt := range []struct {
		flags []string
		want  []string
	}{
		{nil, []string{"LANG=C"}},
		{[]string{"--env-pass", "A,B"}, []string{"A=1", "B=2"}},
		{[]string{"--env-pass=A", "--env-pass=B,UNSET"}, []string{"A=1", "B=2"}},
		{[]string{"--env-pass="}, nil},
		{[]string{"--env-pass=", "--env-pass", "B"}, []string{"B=2"}},
		{[]string{"--env-pass=A", "--env=A=mine"}, []string{"A=mine"}},
	} {
		lines := environment(t, call{
			args: slices.Concat([]string{"bridge", "--mount=/"}, tt.flags, []string{dir}), env: outer,
			headers: []header{{"SCRIPT_NAME", "/show"}},
		})
		var got []string
		for _, line := range lines {
			if strings.HasPrefix(line, "A=") || strings.HasPrefix(line, "B=") || strings.HasPrefix(line, "LANG=") {
				got = append(got, line)
			}
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%v: got %v, want %v", tt.flags, got, tt.want)
		}
		if !slices.Contains(tt.flags, "--env-pass=") && len(tt.flags) > 0 {
			continue
		}
		if !slices.ContainsFunc(lines, func(line string) bool { return strings.HasPrefix(line, "PATH=/") }) {
			t.Errorf("%v: a script without a PATH", tt.flags)
		}
	}
}

// A length is there if, and only if, there may be a body.
func TestContentLengthVariable(t *testing.T) {
	dir := folder(t, map[string]string{"show": printEnv})
	for _, tt := range []struct{ method, body, want string }{
		{"GET", "", ""}, {"HEAD", "", ""}, {"POST", "", "CONTENT_LENGTH=0"}, {"PUT", "abc", "CONTENT_LENGTH=3"}, {"GET", "abc", "CONTENT_LENGTH=3"},
	} {
		lines := environment(t, call{
			args: []string{"bridge", "--mount=/", dir}, body: tt.body,
			headers: []header{{"SCRIPT_NAME", "/show"}, {"REQUEST_METHOD", tt.method}},
		})
		i := slices.IndexFunc(lines, func(line string) bool { return strings.HasPrefix(line, "CONTENT_LENGTH=") })
		if got := ""; i < 0 && got != tt.want || i >= 0 && lines[i] != tt.want {
			t.Errorf("%s with %q: got line %d of %v, want %q", tt.method, tt.body, i, lines, tt.want)
		}
	}
}

// The query string never becomes an argument, whatever it looks like.
func TestArguments(t *testing.T) {
	dir := folder(t, map[string]string{"show": printEnv})
	for _, query := range []string{"-s", "a+b", "%2d%73", "x"} {
		lines := environment(t, call{
			args:    []string{"bridge", dir + "show", "one", "two words"},
			headers: []header{{"SCRIPT_NAME", "/app"}, {"PATH_INFO", "/x"}, {"QUERY_STRING", query}},
		})
		if got := lines[len(lines)-3:]; !slices.Equal(got, []string{"args=2", "arg=one", "arg=two words"}) {
			t.Errorf("%q: got %v", query, got)
		}
	}
}

// One program for all requests: what it gets told of the path.
func TestSingleProgramPaths(t *testing.T) {
	dir := folder(t, map[string]string{"show": printEnv})
	for _, tt := range []struct {
		name             string
		mount            string
		headers          []header
		script, pathInfo string
	}{
		{"as sent", "", []header{{"SCRIPT_NAME", "/a"}, {"PATH_INFO", "/b"}}, "/a", "/b"},
		{"mount, cut already", "/a/", []header{{"SCRIPT_NAME", "/a"}, {"PATH_INFO", "/b"}}, "/a", "/b"},
		{"mount, all in SCRIPT_NAME", "/a", []header{{"SCRIPT_NAME", "/a/b/c"}}, "/a", "/b/c"},
		{"mount, all in PATH_INFO", "/a", []header{{"SCRIPT_NAME", ""}, {"PATH_INFO", "/a/b/c"}}, "/a", "/b/c"},
		{"mount, nothing behind it", "/a", []header{{"SCRIPT_NAME", "/a"}}, "/a", ""},
		{"mount /", "/", []header{{"SCRIPT_NAME", "/b"}}, "", "/b"},
		{"nginx's usual list", "/a", []header{{"DOCUMENT_URI", "/a/b c"}, {"REQUEST_URI", "/a/b%20c?x"}}, "/a", "/b c"},
		{"REQUEST_URI alone", "/a", []header{{"REQUEST_URI", "/a/b%20%c3%bc%zz%00?x/y"}}, "/a", "/b ü%zz%00"},
		{"absolute form", "/a", []header{{"REQUEST_URI", "http://h/a/b?x"}}, "/a", "/b"},
		{"no mount, REQUEST_URI alone", "", []header{{"REQUEST_URI", "/a/b"}}, "", "/a/b"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			args := []string{"bridge"}
			if tt.mount != "" {
				args = append(args, "--mount", tt.mount)
			}
			lines := environment(t, call{args: append(args, dir+"show"), headers: tt.headers})
			if !slices.Contains(lines, "SCRIPT_NAME="+tt.script) {
				t.Errorf("want SCRIPT_NAME=%s in %v", tt.script, lines)
			}
			if has := slices.Contains(lines, "PATH_INFO="+tt.pathInfo); has != (tt.pathInfo != "") {
				t.Errorf("want PATH_INFO=%s in %v", tt.pathInfo, lines)
			}
		})
	}
	for _, path := range []string{"/a2", "/a2/b", "/A/b", "/b"} {
		a := call{args: []string{"bridge", "--mount", "/a", dir + "show"}, headers: []header{{"SCRIPT_NAME", path}}}.do(t)
		if a.status != "404 Not Found" || !strings.Contains(a.log, "not under the mount") {
			t.Errorf("%s: answer %q, log %q", path, a.raw, a.log)
		}
	}
}

func TestBadRequests(t *testing.T) {
	dir := folder(t, map[string]string{"script": "#!/bin/sh\ntouch started\n"})
	block := func(headers ...header) string {
		all := append([]header{{"CONTENT_LENGTH", "0"}, {"SCGI", "1"}, {"SCRIPT_NAME", "/script"}}, headers...)
		return encode(all...)
	}
	get := header{"REQUEST_METHOD", "GET"}
	tests := []struct{ name, raw, status, log string }{
		{"HTTP", "GET / HTTP/1.1\r\n\r\n", "400 Bad Request", "this is HTTP, not SCGI"},
		{"FastCGI", "\x01\x01\x00\x01\x00\x08\x00\x00", "400 Bad Request", "this is FastCGI"},
		{"uwsgi", "\x00\x10\x00\x00", "400 Bad Request", "this is uwsgi"},
		{"TLS", "\x16\x03\x01\x02\x00\x01", "400 Bad Request", "this is TLS"},
		{"leading zero", "024:", "400 Bad Request", "leading zero"},
		{"sign", "+24:", "400 Bad Request", "byte 0"},
		{"10 MB", "10485760:", "400 Bad Request", "longer than 262144"},
		{"no comma", "24:CONTENT_LENGTH\x000\x00SCGI\x001\x00;", "400 Bad Request", "byte 27: want ','"},
		{"length not first", encode(header{"SCGI", "1"}, header{"CONTENT_LENGTH", "0"}), "400 Bad Request", "not CONTENT_LENGTH"},
		{"length negative", encode(header{"CONTENT_LENGTH", "-1"}, header{"SCGI", "1"}), "400 Bad Request", "CONTENT_LENGTH"},
		{"no SCGI", encode(header{"CONTENT_LENGTH", "0"}), "400 Bad Request", "no parameter SCGI"},
		{"no method", block(), "400 Bad Request", "REQUEST_METHOD"},
		{"bad method", block(header{"REQUEST_METHOD", "GET /"}), "400 Bad Request", "REQUEST_METHOD"},
		{"long method", block(header{"REQUEST_METHOD", strings.Repeat("A", 33)}), "400 Bad Request", "REQUEST_METHOD"},
		{"two methods", block(get, header{"REQUEST_METHOD", "POST"}), "400 Bad Request", "parameter REQUEST_METHOD occurs twice"},
		{"two lengths", block(get, header{"CONTENT_LENGTH", "5"}), "400 Bad Request", "parameter CONTENT_LENGTH occurs twice"},
		{"two users", block(get, header{"REMOTE_USER", "a"}, header{"REMOTE_USER", "b"}), "400 Bad Request", "parameter REMOTE_USER"},
		{"user taken back", block(get, header{"REMOTE_USER", "a"}, header{"REMOTE_USER", ""}), "400 Bad Request", "parameter REMOTE_USER"},
		{"two files", block(get, header{"SCRIPT_FILENAME", "a"}, header{"SCRIPT_FILENAME", "b"}), "400 Bad Request", "parameter SCRIPT_FILENAME"},
		{"line feed in the path", block(get, header{"PATH_INFO", "x\ny"}), "404 Not Found", `/scriptx\x0ay`},
		{"body too long", encode(header{"CONTENT_LENGTH", "1001"}, header{"SCGI", "1"}, get), "413 Content Too Large", "1001 bytes, the limit is 1000"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bothForms(t, func(t *testing.T, resident bool) {
				if resident && tt.name == "FastCGI" {
					return // it speaks that
				}
				a := call{args: []string{"bridge", "--mount=/", "--max-body=1000", dir}, raw: tt.raw, resident: resident}.do(t)
				if a.status != tt.status || !strings.Contains(a.log, tt.log) || a.code != codeOf(1, resident) {
					t.Errorf("answer %q, log %q, exit code %d", a.raw, a.log, a.code)
				}
				if n := strings.Count(a.log, "\n"); n != 1 {
					t.Errorf("%d lines in the log: %q", n, a.log)
				}
				if _, err := os.Stat(dir + "started"); err == nil {
					t.Error("the script was started")
				}
			})
		})
	}
}

// Duplicates that web servers send in normal operation are no reason to refuse.
func TestHarmlessDuplicates(t *testing.T) {
	dir := folder(t, map[string]string{"show": printEnv})
	lines := environment(t, call{args: []string{"bridge", "--mount=/", dir}, raw: encode(
		header{"CONTENT_LENGTH", "0"}, header{"SCGI", "1"},
		header{"REQUEST_METHOD", "GET"}, header{"REQUEST_METHOD", "GET"}, header{"CONTENT_LENGTH", ""}, header{"CONTENT_LENGTH", "0"}, header{"SCGI", "1"},
		header{"SERVER_NAME", "first"}, header{"SERVER_NAME", "last"}, header{"SCRIPT_NAME", "/show"},
	)})
	if !slices.Contains(lines, "SERVER_NAME=last") {
		t.Errorf("got %v", lines)
	}
}

// Somebody who connects and says nothing wants to know whether the socket is
// open: no answer, no log line.
func TestProbe(t *testing.T) {
	bothForms(t, func(t *testing.T, resident bool) {
		talk := call{args: []string{"bridge", "/nowhere/"}, resident: resident}.begin(t)
		talk.conn.Close()
		if a := talk.finish(""); a.code != 0 || a.log != "" {
			t.Errorf("exit code %d, log %q", a.code, a.log)
		}
	})
}

func TestHeaderTimeout(t *testing.T) {
	bothForms(t, func(t *testing.T, resident bool) {
		for _, start := range []string{"", "24:CONT"} {
			talk := call{args: []string{"bridge", "--header-timeout=50ms", "/nowhere/"}, resident: resident}.begin(t)
			io.WriteString(talk.conn, start)
			if a := talk.end(); a.status != "408 Request Timeout" || a.code != codeOf(1, resident) {
				t.Errorf("%q: answer %q, log %q", start, a.raw, a.log)
			}
		}
	})
}

// Bodies of all sizes arrive whole, and the script sees their end.
func TestBodies(t *testing.T) {
	bothForms(t, func(t *testing.T, resident bool) {
		dir := folder(t, map[string]string{"echo": child(t, "echo")})
		whole := make([]byte, 8<<20)
		for i := range whole {
			whole[i] = byte(i >> 8 * i)
		}
		for _, mode := range []string{"--timeout=60s", "--stream-body"} {
			for _, size := range []int{0, 1, 4095, 65535, 65536, 65537, 200_000, 8 << 20} {
				body := string(whole[:size])
				a := call{args: []string{"bridge", "--mount=/", mode, dir}, headers: []header{{"SCRIPT_NAME", "/echo"}}, body: body, resident: resident}.do(t)
				if sha256.Sum256([]byte(a.body)) != sha256.Sum256([]byte(body)) || a.code != 0 {
					t.Errorf("%s, %d bytes: got %d bytes, exit code %d, log %q", mode, size, len(a.body), a.code, a.log)
				}
			}
		}
	})
}

// A script does not start for half a body.
func TestShortBody(t *testing.T) {
	bothForms(t, func(t *testing.T, resident bool) {
		dir := folder(t, map[string]string{"script": "#!/bin/sh\ntouch started\ncat\n"})
		for _, size := range []int{100, 100_000} {
			c := call{args: []string{"bridge", "--mount=/", dir}, headers: []header{{"SCRIPT_NAME", "/script"}}, body: strings.Repeat("x", size), resident: resident}
			talk := c.begin(t)
			request := c.request()
			io.WriteString(talk.conn, request[:len(request)-1])
			if err := syscall.Shutdown(int(talk.conn.Fd()), syscall.SHUT_WR); err != nil {
				t.Fatal(err)
			}
			a := talk.end()
			if a.status != "400 Bad Request" || !strings.Contains(a.log, "inside the request body") {
				t.Errorf("%d bytes: answer %q, log %q", size, a.raw, a.log)
			}
			if _, err := os.Stat(dir + "started"); err == nil {
				t.Error("the script was started")
			}
			a = call{args: []string{"bridge", "--mount=/", "--timeout=50ms", dir}, raw: request[:len(request)-1], resident: resident}.do(t)
			if a.status != "408 Request Timeout" {
				t.Errorf("%d bytes: answer %q, log %q", size, a.raw, a.log)
			}
		}
	})
}

// With --stream-body the script sees the first bytes while the rest is on its
// way, and the answer waits for the rest.
func TestStreamBody(t *testing.T) {
	bothForms(t, func(t *testing.T, resident bool) {
		dir := folder(t, map[string]string{"script": "#!/bin/sh\necho Content-Type: text/plain; echo\nhead -c 3 >first.new; mv first.new first; cat\n"})
		c := call{args: []string{"bridge", "--mount=/", "--stream-body", dir}, headers: []header{{"SCRIPT_NAME", "/script"}}, body: "abcdef", resident: resident}
		talk := c.begin(t)
		request := c.request()
		io.WriteString(talk.conn, request[:len(request)-3])
		waitForFile(dir + "first")
		if text, _ := os.ReadFile(dir + "first"); string(text) != "abc" {
			t.Errorf("the script got %q", text)
		}
		talk.conn.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
		if n, err := talk.conn.Read(make([]byte, 1)); n != 0 || !os.IsTimeout(err) {
			t.Errorf("an answer before the body is complete: %d bytes, %v", n, err)
		}
		talk.conn.SetReadDeadline(time.Now().Add(patience))
		io.WriteString(talk.conn, "def")
		if a := talk.end(); a.status != "200 OK" || a.body != "def" || a.code != 0 {
			t.Errorf("answer %q, log %q", a.raw, a.log)
		}
	})
}

// A script that is silent for too long is ended with all its children, and the
// client is told.
func TestTimeout(t *testing.T) {
	bothForms(t, func(t *testing.T, resident bool) {
		for _, tt := range []struct{ name, script string }{
			{"sleeps", "#!/bin/sh\nsleep 1000 &\necho $! >child.new; mv child.new child\necho $$ >pid.new; mv pid.new pid\nwait\n"},
			{"ignores TERM", "#!/bin/sh\ntrap '' TERM\nsleep 1000 &\necho $! >child.new; mv child.new child\necho $$ >pid.new; mv pid.new pid\nwait; wait\n"},
			{"stopped", "#!/bin/sh\nsleep 1000 &\necho $! >child.new; mv child.new child\necho $$ >pid.new; mv pid.new pid\nkill -STOP $$\n"},
		} {
			t.Run(tt.name, func(t *testing.T) {
				t.Parallel()
				dir := folder(t, map[string]string{"script": tt.script})
				a := call{args: []string{"bridge", "--mount=/", "--timeout=1500ms", dir}, headers: []header{{"SCRIPT_NAME", "/script"}}, resident: resident}.do(t)
				if a.status != "504 Gateway Timeout" || a.code != codeOf(1, resident) || !strings.Contains(a.log, "no progress for 1.5s") {
					t.Errorf("answer %q, log %q, exit code %d", a.raw, a.log, a.code)
				}
				for _, name := range []string{"pid", "child"} {
					pid := readPid(t, dir+name)
					eventually(t, name+" has ended", func() bool { return !alive(pid) })
				}
			})
		}
	})
}

func TestTimeoutAfterHead(t *testing.T) {
	bothForms(t, func(t *testing.T, resident bool) {
		dir := folder(t, map[string]string{"script": child(t, "head-then-silent")})
		a := call{args: []string{"bridge", "--mount=/", "--timeout=300ms", dir}, headers: []header{{"SCRIPT_NAME", "/script"}}, resident: resident}.do(t)
		if a.status != "200 OK" || a.body != "begun" || a.code != codeOf(1, resident) || !strings.Contains(a.log, "no progress") {
			t.Errorf("answer %q, log %q, exit code %d", a.raw, a.log, a.code)
		}
	})
}

// A slow script that goes on is not cut off: the limit is for silence.
func TestTimeoutIsForSilence(t *testing.T) {
	bothForms(t, func(t *testing.T, resident bool) {
		dir := folder(t, map[string]string{"script": "#!/bin/sh\necho A: b; echo; for i in $(seq 25); do sleep 0.1; echo $i; done\n"})
		a := call{args: []string{"bridge", "--mount=/", "--timeout=2s", dir}, headers: []header{{"SCRIPT_NAME", "/script"}}, resident: resident}.do(t)
		if a.code != 0 || !strings.HasSuffix(a.body, "25\n") {
			t.Errorf("answer %q, log %q", a.raw, a.log)
		}
	})
}

// When the client goes, the script goes.
func TestClientGone(t *testing.T) {
	bothForms(t, func(t *testing.T, resident bool) {
		dir := folder(t, map[string]string{"script": child(t, "silent"), "endless": "#!/bin/sh\necho $$ >pid.new; mv pid.new pid\necho A: b; echo; exec cat /dev/zero\n"})
		for _, name := range []string{"script", "endless"} {
			c := call{args: []string{"bridge", "--mount=/", dir}, headers: []header{{"SCRIPT_NAME", "/" + name}}, resident: resident}
			talk := c.begin(t)
			io.WriteString(talk.conn, c.request())
			pid := readPid(t, dir+"pid")
			talk.conn.Close()
			a := talk.finish("")
			if a.code != codeOf(1, resident) || !strings.Contains(a.log, "the client closed the connection") {
				t.Errorf("%s: exit code %d, log %q", name, a.code, a.log)
			}
			if alive(pid) {
				t.Errorf("%s runs on", name)
			}
			os.Remove(dir + "pid")
		}
	})
}

// A web server that has all that the head has announced closes: nginx does. The
// script comes to its end all the same.
func TestClientHasAll(t *testing.T) {
	bothForms(t, func(t *testing.T, resident bool) {
		for method, last := range map[string]string{"GET": "done", "HEAD": "\r\n\r\n"} {
			dir := folder(t, map[string]string{"script": child(t, "announced")})
			c := call{args: []string{"bridge", "--mount=/", dir}, headers: []header{{"SCRIPT_NAME", "/script"}, {"REQUEST_METHOD", method}}, resident: resident}
			talk := c.begin(t)
			io.WriteString(talk.conn, c.request())
			var raw []byte
			for piece := make([]byte, 1); !strings.HasSuffix(string(raw), last); raw = append(raw, piece...) {
				if _, err := talk.conn.Read(piece); err != nil {
					t.Fatalf("%s: %q, %v", method, raw, err)
				}
			}
			talk.conn.Close()
			write(t, dir+"go-on", "", 0o644)
			if a := talk.finish(string(raw)); a.status != "200 OK" || a.code != 0 || a.log != "" {
				t.Errorf("%s: answer %q, exit code %d, log %q", method, a.raw, a.code, a.log)
			}
			if _, err := os.Stat(dir + "ended"); err != nil {
				t.Errorf("%s: the script did not come to its end", method)
			}
		}
	})
}

// A client that has sent everything may say so; that is not the same as going.
func TestHalfClose(t *testing.T) {
	bothForms(t, func(t *testing.T, resident bool) {
		dir := folder(t, map[string]string{"script": "#!/bin/sh\nwhile ! test -e go-on; do sleep 0.01; done\necho A: b; echo; echo hello\n"})
		c := call{args: []string{"bridge", "--mount=/", dir}, headers: []header{{"SCRIPT_NAME", "/script"}}, resident: resident}
		talk := c.begin(t)
		io.WriteString(talk.conn, c.request())
		syscall.Shutdown(int(talk.conn.Fd()), syscall.SHUT_WR)
		syscall.SetNonblock(int(talk.conn.Fd()), true)
		write(t, dir+"go-on", "", 0o644)
		if a := talk.end(); a.body != "hello\n" || a.code != 0 {
			t.Errorf("answer %q, log %q", a.raw, a.log)
		}
	})
}

// The script does not outlive a bridge that is killed.
func TestBridgeKilled(t *testing.T) {
	for _, mode := range []string{"--timeout=60s", confined} {
		dir := folder(t, map[string]string{"script": child(t, "silent")})
		c := call{args: []string{"bridge", "--mount=/", mode, dir}, headers: []header{{"SCRIPT_NAME", "/script"}}}
		talk := c.begin(t)
		io.WriteString(talk.conn, c.request())
		pid := readPid(t, dir+"pid")
		talk.cmd.Process.Kill()
		talk.end()
		eventually(t, "the script has ended", func() bool { return !alive(pid) })
	}
}

// The answer ends when the script closes its output, not when it ends.
func TestAnswerEndsBeforeScript(t *testing.T) {
	bothForms(t, func(t *testing.T, resident bool) {
		dir := folder(t, map[string]string{"script": child(t, "close-output")})
		c := call{args: []string{"bridge", "--mount=/", dir}, headers: []header{{"SCRIPT_NAME", "/script"}}, resident: resident}
		talk := c.begin(t)
		io.WriteString(talk.conn, c.request())
		raw, err := io.ReadAll(talk.conn)
		if err != nil || !strings.HasSuffix(string(raw), "done") {
			t.Errorf("answer %q, %v", raw, err)
		}
		write(t, dir+"go-on", "", 0o644)
		if a := talk.finish(string(raw)); a.code != 0 || a.log != "" {
			t.Errorf("exit code %d, log %q", a.code, a.log)
		}
		if _, err := os.Stat(dir + "ended"); err != nil {
			t.Error("the script did not come to its end")
		}
	})
}

// No descriptor of the starter or the bridge reaches the script.
func TestDescriptors(t *testing.T) {
	if !hasProc() {
		need.Missing(t, "proc")
	}
	dir := folder(t, map[string]string{"script": "#!/bin/sh\necho A: b; echo; exec ls /proc/self/fd\n"})
	extra, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer extra.Close()
	for _, mode := range []string{"--timeout=60s", "--handoff", "--stream-body", confined, "--max=1"} {
		resident := mode == "--max=1"
		a := call{args: []string{"bridge", "--mount=/", mode, dir}, headers: []header{{"SCRIPT_NAME", "/script"}}, body: strings.Repeat("x", 70_000), files: []*os.File{extra, extra, extra}, resident: resident}.do(t)
		if _, open, _ := strings.Cut(a.raw, "\n\n"); !strings.HasSuffix(a.raw, "\n0\n1\n2\n3\n") { // 3 is the folder itself
			t.Errorf("%s: open descriptors %q", mode, open)
		}
	}
}

// Signals that the starter ignores have their default meaning in the script.
func TestSignals(t *testing.T) {
	if !hasProc() {
		need.Missing(t, "proc")
	}
	dir := folder(t, map[string]string{"script": "#!/bin/sh\necho A: b; echo; grep -E '^Sig(Ign|Blk)' /proc/self/status\n"})
	for _, mode := range []string{"--timeout=60s", "--handoff", confined, "--max=1"} {
		a := call{
			resident: mode == "--max=1",
			command:  []string{"/bin/sh", "-c", `trap '' HUP INT QUIT TERM PIPE USR1 USR2 CHLD TSTP TTIN TTOU ALRM; exec "$0" "$@"`, scgiRun(t)},
			args:     []string{"bridge", "--mount=/", mode, dir}, headers: []header{{"SCRIPT_NAME", "/script"}},
		}.do(t)
		if n := strings.Count(a.raw, "0000000000000000"); n != 2 {
			t.Errorf("%s: %q", mode, a.raw)
		}
	}
}

// The Go runtime raises the limit of open files for itself; the script has the
// starter's.
func TestLimitOfOpenFiles(t *testing.T) {
	dir := folder(t, map[string]string{"script": "#!/bin/sh\necho A: b; echo; ulimit -n\n"})
	for _, modes := range [][]string{{}, {"--handoff"}, {confined}, {"--handoff", confined}, {"--max=1"}} {
		a := call{
			resident: slices.Contains(modes, "--max=1"),
			command:  []string{"/bin/sh", "-c", `ulimit -S -n 77; exec "$0" "$@"`, scgiRun(t)},
			args:     slices.Concat([]string{"bridge", "--mount=/"}, modes, []string{dir}), headers: []header{{"SCRIPT_NAME", "/script"}},
		}.do(t)
		if !strings.HasSuffix(a.raw, "\n77\n") {
			t.Errorf("%s: %q", modes, a.raw)
		}
	}
}

// Under inetd standard error is the connection: neither the script's words nor
// ours may come out there.
func TestStandardErrorIsTheConnection(t *testing.T) {
	dir := folder(t, map[string]string{
		"good": "#!/bin/sh\necho oops >&2\necho Content-Type: text/plain; echo; echo hello\n",
		"bad":  "#!/no/such/thing\n",
	})
	for _, mode := range []string{"--timeout=60s", "--handoff"} {
		log := filepath.Join(t.TempDir(), "log")
		for _, flags := range [][]string{nil, {"--log", log}} {
			args := slices.Concat([]string{"bridge", "--mount=/", mode}, flags, []string{dir})
			a := call{args: args, headers: []header{{"SCRIPT_NAME", "/good"}}, stderr: socketItself}.do(t)
			if strings.Contains(a.raw, "oops") || !strings.HasSuffix(a.raw, "hello\n") {
				t.Errorf("%s: answer %q", mode, a.raw)
			}
			a = call{args: args, headers: []header{{"SCRIPT_NAME", "/bad"}}, stderr: socketItself}.do(t)
			if a.status != "500 Internal Server Error" || a.body != "500 Internal Server Error\n" {
				t.Errorf("%s: answer %q", mode, a.raw)
			}
		}
		text, err := os.ReadFile(log)
		if err != nil || !strings.Contains(string(text), "oops\n") || !strings.Contains(string(text), "/no/such/thing") {
			t.Errorf("%s: log %q, %v", mode, text, err)
		}
		if info, err := os.Stat(log); err != nil || info.Mode().Perm()&0o027 != 0 {
			t.Errorf("log file: %v, %v", info.Mode(), err)
		}
	}
}

// What stands where the log should be may have been put there by somebody who
// wants another file written to. The request is served all the same.
func TestLogFileRefused(t *testing.T) {
	dir := folder(t, map[string]string{"script": "#!/bin/sh\necho A: b; echo; echo hello\n"})
	logs := t.TempDir()
	victim := filepath.Join(logs, "victim")
	write(t, victim, "untouched", 0o600)
	os.Symlink(victim, filepath.Join(logs, "link"))
	os.Link(victim, filepath.Join(logs, "hard"))
	syscall.Mkfifo(filepath.Join(logs, "fifo"), 0o600)
	os.Mkdir(filepath.Join(logs, "folder"), 0o700)
	for _, name := range []string{"link", "hard", "fifo", "folder", "missing/log"} {
		a := call{args: []string{"bridge", "--mount=/", "--log", filepath.Join(logs, name), dir}, headers: []header{{"SCRIPT_NAME", "/script"}}}.do(t)
		if a.body != "hello\n" || !strings.Contains(a.log, "log file: open") {
			t.Errorf("%s: answer %q, log %q", name, a.raw, a.log)
		}
	}
	if text, _ := os.ReadFile(victim); string(text) != "untouched" {
		t.Errorf("victim holds %q", text)
	}
}

// A script that floods its standard error does not flood the log.
func TestStandardErrorIsLimited(t *testing.T) {
	dir := folder(t, map[string]string{"script": "#!/bin/sh\necho A: b; echo; yes 0123456789 | head -c 1000000 >&2; echo hello\n"})
	a := call{args: []string{"bridge", "--mount=/", dir}, headers: []header{{"SCRIPT_NAME", "/script"}}}.do(t)
	if a.body != "hello\n" || len(a.log) > 500_000 || strings.Count(a.log, "the rest is not logged") != 1 {
		t.Errorf("body %q, log of %d bytes", a.body, len(a.log))
	}
}

func TestNoAddStatus(t *testing.T) {
	dir := folder(t, map[string]string{"script": "#!/bin/sh\necho Location: /x; echo\n", "status": "#!/bin/sh\necho Status: 404; echo\n"})
	a := call{args: []string{"bridge", "--mount=/", "--no-add-status", dir}, headers: []header{{"SCRIPT_NAME", "/script"}}}.do(t)
	if a.raw != "Location: /x\r\n\r\n" {
		t.Errorf("answer %q", a.raw)
	}
	a = call{args: []string{"bridge", "--mount=/", "--no-add-status", dir}, headers: []header{{"SCRIPT_NAME", "/status"}}}.do(t)
	if a.raw != "Status: 404 Not Found\r\n\r\n" {
		t.Errorf("answer %q", a.raw)
	}
}

// With --handoff the script is the process, with the connection in its hands.
func TestHandoff(t *testing.T) {
	dir := folder(t, map[string]string{"script": "#!/bin/sh\necho Status: 200 OK; echo; head -c 4; echo; pwd; echo $0; exit 7\n"})
	a := call{args: []string{"bridge", "--mount=/", "--handoff", dir}, headers: []header{{"SCRIPT_NAME", "/script"}}, body: "body"}.do(t)
	want := "Status: 200 OK\n\nbody\n" + strings.TrimSuffix(dir, "/") + "\n" + dir + "script\n"
	if a.raw != want || a.code != 7 {
		t.Errorf("answer %q, exit code %d, log %q", a.raw, a.code, a.log)
	}
}

// Over a pair of pipes, as at a shell.
func TestPipes(t *testing.T) {
	dir := folder(t, map[string]string{"echo": child(t, "echo")})
	for _, size := range []int{0, 10, 100_000} {
		c := call{headers: []header{{"SCRIPT_NAME", "/echo"}}, body: strings.Repeat("x", size)}
		cmd := exec.CommandContext(t.Context(), scgiRun(t), "bridge", "--mount=/", dir)
		cmd.Stdin = strings.NewReader(c.request() + "what follows")
		cmd.Env = append(os.Environ(), noRaceSleep)
		out, err := cmd.Output()
		if err != nil || string(out) != "Status: 200 OK\r\nContent-Type: text/plain\r\n\r\n"+c.body {
			t.Errorf("%d bytes: %.200q, %v", size, out, err)
		}
	}
}
