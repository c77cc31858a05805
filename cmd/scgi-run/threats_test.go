package main

import (
	"errors"
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

	"golang.org/x/sys/unix"

	"scgikit/internal/need"
)

// threat is a request, as raw bytes, that somebody sends who means harm or does not
// know better, and what has to become of it.
type threat struct {
	name   string
	raw    string
	half   bool   // the client says that it has no more to send
	limit  bool   // a time limit has to pass
	status string // of the answer
	has    string // what the answer contains, lines apart by "|"; after "!" what not
	log    string // what the log says; "" is nothing
}

// threatScripts are the scripts that the requests are for.
var threatScripts = map[string]string{
	"show":    "#!/bin/sh\necho Content-Type: text/plain; echo; env; echo body=$(cat)\n",
	"started": "#!/bin/sh\ntouch was-started\necho A: b; echo\n",
	"plain":   "no script", "hello~": helloScript, ".hidden": helloScript, "setuid": helloScript, "open": helloScript, "sub/tool": helloScript,
	"lost":  "#!/no/such/interpreter\n",
	"crlf":  "#!/bin/sh\r\necho\r\n",
	"bare":  "echo hello\n",
	"empty": "#!/bin/sh\n", "killed": "#!/bin/sh\nkill -9 $$\n", "status": "#!/bin/sh\necho Status: 99; echo\n", "split": "#!/bin/sh\nprintf 'Location: x\\rSet-Cookie: a=b\\n\\n'\n",
	"long":   "#!/bin/sh\necho X: $(head -c 70000 /dev/zero | tr '\\0' x); echo\n",
	"stderr": "#!/bin/sh\necho Status: 200 evil >&2; echo A: b; echo; echo hello; echo evil >&2\n",
	"silent": "#!/bin/sh\nexec sleep 1000\n",
	"fds":    "#!/bin/sh\necho A: b; echo; exec ls /proc/self/fd\n",
	"sigs":   "#!/bin/sh\necho A: b; echo; grep SigIgn /proc/$$/status\n",
}

// want is a request for a script, in a form that is right but for what is added.
func want(script string, more ...header) string {
	return encode(append([]header{{"CONTENT_LENGTH", "0"}, {"SCGI", "1"}, {"REQUEST_METHOD", "GET"}, {"SCRIPT_NAME", "/" + script}}, more...)...)
}

// sized is a request with that CONTENT_LENGTH.
func sized(length, body string) string {
	return encode(header{"CONTENT_LENGTH", length}, header{"SCGI", "1"}, header{"REQUEST_METHOD", "POST"}, header{"SCRIPT_NAME", "/started"}) + body
}

// netstring is a block as it stands, with its right length.
func netstring(block string) string { return strconv.Itoa(len(block)) + ":" + block + "," }

const (
	badRequest = "400 Bad Request"
	forbidden  = "403 Forbidden"
	notFound   = "404 Not Found"
	failed     = "500 Internal Server Error"
	badGateway = "502 Bad Gateway"
	fine       = "200 OK"
)

func threats() []threat {
	list := []threat{
		{name: "httpoxy", raw: want("show", header{"HTTP_PROXY", "http://evil/"}), status: fine, has: "!PROXY"},
		{name: "lengths and codings as fields", raw: want("show", header{"HTTP_CONTENT_LENGTH", "7"}, header{"HTTP_CONTENT_TYPE", "x/y"}, header{"HTTP_TRANSFER_ENCODING", "chunked"}, header{"HTTP_CONNECTION", "close"}), status: fine, has: "!HTTP_CO|HTTP_TR"},
		{name: "names that are none", raw: want("show", header{"HTTP_A=B", "evil"}, header{"HTTP_a", "evil"}, header{"HTTP_A-B", "evil"}, header{"SSL_", "evil"}, header{"REDIRECT_\n", "evil"}, header{"=", "evil"}, header{" ", "evil"}), status: fine, has: "!evil", log: "REDIRECT_\\x0a"},
		{name: "value with a line feed", raw: want("show", header{"HTTP_A", "b\nLD_PRELOAD=x"}, header{"REQUEST_URI", "/\x1b[0m\n"}), status: fine, has: "HTTP_A=b\n"},

		{name: "fields twice", raw: want("show", header{"HTTP_A", "1"}, header{"HTTP_A", "2"}, header{"HTTP_COOKIE", "a=1"}, header{"HTTP_COOKIE", "b=2"}), status: fine, has: "HTTP_A=1, 2\n|HTTP_COOKIE=a=1; b=2\n"},
		{name: "others twice", raw: want("show", header{"SERVER_NAME", "one"}, header{"SERVER_NAME", "two"}), status: fine, has: "SERVER_NAME=two\n", log: "SERVER_NAME"},
		{name: "path twice", raw: want("show", header{"SCRIPT_NAME", "/sub/tool"}), status: fine, has: "hello", log: "SCRIPT_NAME"},
		{name: "two lengths", raw: want("started", header{"CONTENT_LENGTH", "5"}), status: badRequest, log: "CONTENT_LENGTH occurs twice"},
		{name: "two files", raw: want("started", header{"SCRIPT_FILENAME", "/a"}, header{"SCRIPT_FILENAME", "/b"}), status: badRequest, log: "SCRIPT_FILENAME occurs twice"},
		{name: "two users", raw: want("started", header{"REMOTE_USER", "a"}, header{"REMOTE_USER", "b"}), status: badRequest, log: "REMOTE_USER occurs twice"},
		{name: "two methods", raw: want("started", header{"REQUEST_METHOD", "POST"}), status: badRequest, log: "REQUEST_METHOD occurs twice"},
		{name: "no SCGI", raw: netstring("CONTENT_LENGTH\x000\x00REQUEST_METHOD\x00GET\x00"), status: badRequest, log: "no parameter SCGI"},
		{name: "SCGI of tomorrow", raw: encode(header{"CONTENT_LENGTH", "0"}, header{"SCGI", "2"}), status: badRequest, log: "no parameter SCGI"},
		{name: "SCGI twice, other last", raw: want("started", header{"SCGI", "2"}), status: badRequest, log: "no parameter SCGI"},
		{name: "method with a space", raw: want("started", header{"REQUEST_METHOD", "GET /"}), status: badRequest, log: "REQUEST_METHOD"},

		{name: "long body", raw: encode(header{"CONTENT_LENGTH", "3"}, header{"SCGI", "1"}, header{"REQUEST_METHOD", "POST"}, header{"SCRIPT_NAME", "/show"}) + "abcdef", status: fine, has: "body=abc\n|CONTENT_LENGTH=3\n"},
		{name: "a request behind the request", raw: want("show") + want("started"), status: fine, has: "body=\n"},
		{name: "short body", raw: sized("5", "abc"), half: true, status: badRequest, log: "inside the request body"},
		{name: "no body", raw: sized("5", ""), half: true, status: badRequest, log: "inside the request body"},
		{name: "body that stalls", raw: sized("5", "abc"), limit: true, status: "408 Request Timeout", log: "body"},
		{name: "body over the limit", raw: sized("1001", ""), status: "413 Content Too Large", log: "1001 bytes, the limit is 1000"},
		{name: "body of 18 digits", raw: sized("999999999999999999", ""), status: "413 Content Too Large", log: "the limit is 1000"},

		{name: "HTTP", raw: "GET / HTTP/1.1\r\nHost: x\r\n\r\n", status: badRequest, log: "byte 0: this is HTTP"},
		{name: "HTTP/2", raw: "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", status: badRequest, log: "byte 0: this is HTTP"},
		{name: "uwsgi", raw: "\x00\x10\x00\x00", status: badRequest, log: "byte 0: this is uwsgi"},
		{name: "TLS", raw: "\x16\x03\x01\x02\x00\x01", status: badRequest, log: "byte 0: this is TLS"},
		{name: "AJP", raw: "\x12\x34\x00\x01\x0a", status: badRequest, log: "byte 0: this is AJP"},
		{name: "noise", raw: "\xff\xfe\x00", status: badRequest, log: "byte 0: want a digit"},
		{name: "length of nothing", raw: ":", status: badRequest, log: "byte 0: want a digit"},
		{name: "length 0", raw: "0:,", status: badRequest, log: "CONTENT_LENGTH is missing"},
		{name: "leading zero", raw: "024:", status: badRequest, log: "leading zero"},
		{name: "one over the limit", raw: "262145:", status: badRequest, log: "longer than 262144"},
		{name: "length that overflows", raw: "18446744073709551617:", status: badRequest, log: "longer than 262144"},
		{name: "letter in the length", raw: "2x:", status: badRequest, log: "byte 1: want a digit"},
		{name: "no comma", raw: "24:CONTENT_LENGTH\x000\x00SCGI\x001\x00;", status: badRequest, log: "byte 27: want ','"},
		{name: "length one too small", raw: "23:CONTENT_LENGTH\x000\x00SCGI\x001\x00,", status: badRequest, log: "byte 26: want ','"},
		{name: "no NUL at the end", raw: netstring("CONTENT_LENGTH\x000\x00SCGI\x001"), status: badRequest, log: "NUL"},
		{name: "no value", raw: netstring("CONTENT_LENGTH\x000\x00SCGI\x001\x00X\x00"), status: badRequest, log: "parameter without a value"},
		{name: "no name", raw: netstring("CONTENT_LENGTH\x000\x00\x00x\x00SCGI\x001\x00"), status: badRequest, log: "empty parameter name"},
		{name: "nothing but NUL", raw: netstring(strings.Repeat("\x00", 50)), status: badRequest, log: "empty parameter name"},
		{name: "length not first", raw: encode(header{"SCGI", "1"}, header{"CONTENT_LENGTH", "0"}), status: badRequest, log: "not CONTENT_LENGTH"},
		{name: "header of 262144 bytes", raw: want("show", header{"X", strings.Repeat("x", 262144-len("CONTENT_LENGTH0SCGI1REQUEST_METHODGETSCRIPT_NAME/showX")-10)}), status: fine, log: "dropped: X"},
		{name: "variable longer than the system passes on", raw: want("started", header{"HTTP_X", strings.Repeat("x", 200_000)}), status: badRequest, log: "longer than the system passes"},

		{name: "folder left", raw: want("../secret"), status: forbidden, log: ". or .."},
		{name: "folder left and entered", raw: want("sub/../show"), status: forbidden, log: ". or .."},
		{name: "folder left by PATH_INFO", raw: want("", header{"PATH_INFO", "../secret"}), status: forbidden, log: ". or .."},
		{name: "folder left, decoded", raw: encode(header{"CONTENT_LENGTH", "0"}, header{"SCGI", "1"}, header{"REQUEST_METHOD", "GET"}, header{"REQUEST_URI", "/%2e%2e/secret"}), status: forbidden, log: ". or .."},
		{name: "folder left by a file name", raw: want("none", header{"SCRIPT_FILENAME", "/bin/sh"}), status: notFound, log: "no such file"},
		{name: "link out of the folder", raw: want("link"), status: forbidden, log: "a symbolic link"},
		{name: "not there", raw: want("none"), status: notFound, log: "no such file"},
		{name: "the folder", raw: want(""), status: forbidden, log: "names the folder"},
		{name: "not executable", raw: want("plain"), status: forbidden, log: "not executable"},
		{name: "backup", raw: want("hello~"), status: forbidden, log: "backup copy"},
		{name: "hidden", raw: want(".hidden"), status: forbidden, log: "a hidden file"},
		{name: "set-uid", raw: want("setuid"), status: forbidden, log: "set-uid"},
		{name: "written by everybody", raw: want("open"), status: forbidden, log: "can be written by everybody"},
		{name: "NUL in the path", raw: encode(header{"CONTENT_LENGTH", "0"}, header{"SCGI", "1"}, header{"REQUEST_METHOD", "GET"}, header{"REQUEST_URI", "/show%00.txt"}), status: notFound, log: "show%00.txt"},

		{name: "interpreter missing", raw: want("lost"), status: failed, log: `interpreter "/no/such/interpreter"`},
		{name: "interpreter with CR", raw: want("crlf"), status: failed, log: "CR LF"},
		{name: "no interpreter line", raw: want("bare"), status: failed, log: "no #! line"},
		{name: "no output", raw: want("empty"), status: badGateway, log: "no output"},
		{name: "killed before its head", raw: want("killed"), status: badGateway, log: "killed by signal 9"},
		{name: "bad Status", raw: want("status"), status: badGateway, log: "bad status"},
		{name: "injected field", raw: want("split"), status: badGateway, has: "!Set-Cookie", log: "control character"},
		{name: "head over 64 KiB", raw: want("long"), status: badGateway, log: "longer than 65536"},
		{name: "standard error", raw: want("stderr"), status: fine, has: "!evil", log: "]: evil"},
		{name: "no end", raw: want("silent"), limit: true, status: "504 Gateway Timeout", log: "no progress for"},
		// The third is of the folder that is listed.
		{name: "descriptors", raw: want("fds"), status: fine, has: "\r\n\r\n0\n1\n2\n3\n"},
		{name: "ignored signals", raw: want("sigs"), status: fine, has: "0000000000000000"},
	}
	for _, length := range []string{"", "-1", "+1", " 1", "1 ", "0x1", "1e3", "1.0", "1,2", "abc", "\xd9\xa1", strings.Repeat("9", 19), strings.Repeat("0", 19)} {
		list = append(list, threat{name: "length " + strconv.Quote(length), raw: sized(length, ""), status: badRequest, log: "CONTENT_LENGTH is"})
	}
	for _, names := range []string{
		"LD_PRELOAD LD_AUDIT IFS ENV BASH_ENV BASH_FUNC_echo%% SHELLOPTS PS4 PYTHONPATH PYTHONSTARTUP PERL5LIB PERL5OPT RUBYOPT NODE_OPTIONS",
		"GIT_DIR GIT_EXEC_PATH GLIBC_TUNABLES GCONV_PATH LISTEN_FDS LISTEN_PID HOME TMPDIR TZ LANG LC_ALL lower http_proxy",
		"PATH LD_LIBRARY_PATH", // which Apache sends
	} {
		var evil []header
		for name := range strings.FieldsSeq(names) {
			evil = append(evil, header{name, "/evil"})
		}
		log := "dropped: " + names
		if strings.HasPrefix(names, "PATH ") {
			log = ""
		}
		list = append(list, threat{name: "variables " + names, raw: want("show", evil...), status: fine, has: "!/evil", log: log})
	}
	return list
}

// threatFolder makes the scripts, with what must not run around them.
func threatFolder(t *testing.T) string {
	t.Helper()
	top := t.TempDir()
	dir := filepath.Join(top, "cgi")
	for name, text := range threatScripts {
		write(t, filepath.Join(dir, name), text, 0o755)
	}
	write(t, filepath.Join(top, "secret"), helloScript, 0o755)
	for name, mode := range map[string]os.FileMode{"plain": 0o644, "setuid": 0o755 | os.ModeSetuid, "open": 0o757} {
		if err := os.Chmod(filepath.Join(dir, name), mode); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("../secret", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	return dir + "/"
}

// Every threat, sent to a bridge that has to go on serving, and to one that serves
// nothing else.
func TestThreats(t *testing.T) {
	if !hasProc() {
		need.Missing(t, "proc")
	}
	dir := threatFolder(t)
	ignoring := []string{"/bin/sh", "-c", `trap '' HUP INT QUIT TERM PIPE USR1 USR2 CHLD; exec "$0" "$@"`}
	built, own := slices.Concat(ignoring, []string{builtScgiRun(t)}), slices.Concat(ignoring, []string{scgiRun(t)})
	flags := func(limit bool) []string {
		timeout := map[bool]string{false: "30s", true: "500ms"}[limit]
		return []string{"--mount=/", "--max-body=1000", "--timeout=" + timeout, dir}
	}
	s := startResident(t, call{command: own}, flags(false)...)
	hasty := startResident(t, call{command: own}, flags(true)...)
	t.Run("all", func(t *testing.T) {
		for _, tt := range threats() {
			t.Run(tt.name+", resident", func(t *testing.T) {
				server := s
				if tt.limit {
					server = hasty
				}
				before := len(server.text(t))
				conn := server.connect(t)
				tt.check(t, tt.send(t, conn, conn.CloseWrite), func() string { return server.text(t)[before:] }, dir)
			})
			t.Run(tt.name+", per request", func(t *testing.T) {
				t.Parallel()
				talk := call{command: built, args: append([]string{"bridge"}, flags(tt.limit)...)}.begin(t)
				raw := tt.send(t, talk.conn, func() error { return unix.Shutdown(int(talk.conn.Fd()), unix.SHUT_WR) })
				talk.conn.Close()
				log := talk.finish(raw).log
				tt.check(t, raw, func() string { return log }, dir)
			})
		}
	})
	hasty.stop(t)
	if got := s.ask(t, call{headers: []header{{"SCRIPT_NAME", "/sub/tool"}}}); got != helloAnswer {
		t.Errorf("afterwards: %q", got)
	}
	if log := s.stop(t); strings.Contains(log, "goroutine ") || strings.Count(log, "dropped: LD_PRELOAD") != 1 {
		t.Errorf("log %q", log)
	}
	if _, err := os.Stat(dir + "was-started"); err == nil {
		t.Error("a script was started")
	}
}

// builtScgiRun builds scgi-run itself, which starts in a tenth of the time that the
// test binary takes.
func builtScgiRun(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "scgi-run")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-o", path, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return path
}

// text is the log so far.
func (s *residentServer) text(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(s.log.Name())
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// send sends the bytes, and returns the answer.
func (tt *threat) send(t *testing.T, conn io.ReadWriter, closeWrite func() error) (raw string) {
	t.Helper()
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		// What is refused may be closed before all of it is sent.
		_, _ = io.WriteString(conn, tt.raw)
	}()
	if tt.half {
		<-sent
		if err := closeWrite(); err != nil {
			t.Error(err)
		}
	}
	answer, err := io.ReadAll(conn)
	if err != nil && !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the answer does not end: %v, after %.200q", err, answer)
	}
	<-sent
	return string(answer)
}

// check looks at an answer, and waits for the log.
func (tt *threat) check(t *testing.T, raw string, log func() string, dir string) {
	t.Helper()
	if !strings.HasPrefix(raw, "Status: "+tt.status+"\r\n") {
		t.Errorf("answer %.300q, want %s; log %q", raw, tt.status, log())
	}
	if absent, not := strings.CutPrefix(tt.has, "!"); not {
		for text := range strings.SplitSeq(absent, "|") {
			if strings.Contains(raw, text) {
				t.Errorf("answer %q has %q", raw, text)
			}
		}
	} else {
		for text := range strings.SplitSeq(tt.has, "|") {
			if !strings.Contains(raw, text) {
				t.Errorf("answer %q has no %q", raw, text)
			}
		}
	}
	if tt.status != fine && (strings.Contains(raw, dir) || strings.Contains(raw, "/")) && !strings.Contains(raw, "text/plain") {
		t.Errorf("the answer tells of this machine: %q", raw)
	}
	eventually(t, tt.log+" in the log", func() bool { return strings.Contains(log(), tt.log) })
	if tt.log == "" && log() != "" {
		t.Errorf("log %q", log())
	}
}

// A request that ends at any of its bytes is answered, or forgotten, and never half
// obeyed.
func TestTruncatedRequests(t *testing.T) {
	dir := folder(t, map[string]string{"started": threatScripts["started"]})
	request := sized("3", "ab")
	bothForms(t, func(t *testing.T, resident bool) {
		step := 1
		var s *residentServer
		if resident {
			s = startResident(t, call{}, "--mount=/", dir)
		} else {
			step = 13
		}
		for end := 1; end <= len(request); end += step {
			tt := threat{raw: request[:end], half: true}
			var raw string
			if resident {
				conn := s.connect(t)
				raw = tt.send(t, conn, conn.CloseWrite)
				conn.Close()
			} else {
				talk := call{args: []string{"bridge", "--mount=/", dir}}.begin(t)
				raw = tt.send(t, talk.conn, func() error { return unix.Shutdown(int(talk.conn.Fd()), unix.SHUT_WR) })
				talk.conn.Close()
				talk.finish(raw)
			}
			if !strings.HasPrefix(raw, "Status: 400 ") {
				t.Errorf("%q: answer %q", request[:end], raw)
			}
		}
		if resident {
			s.stop(t)
		}
	})
	if _, err := os.Stat(dir + "was-started"); err == nil {
		t.Error("the script was started")
	}
}

// Clients that announce much and send little, a byte now and then, have a deadline for
// all of it, take no memory for what they have announced, and take nobody's turn.
func TestSlowClients(t *testing.T) {
	dir := folder(t, map[string]string{"hello": helloScript})
	s := startResident(t, call{}, "--mount=/", "--max=1", "--header-timeout=3s", dir)
	c := call{headers: []header{{"SCRIPT_NAME", "/hello"}}}
	s.ask(t, c)
	before := s.memory(t)
	const clients = 300
	var slow []io.ReadWriter
	for range clients {
		conn := s.connect(t)
		if _, err := io.WriteString(conn, "262144:CONTENT_LENGTH\x00"); err != nil {
			t.Fatal(err)
		}
		slow = append(slow, conn)
	}
	eventually(t, "all are taken", func() bool { return s.count(t, "fd") > clients })
	if grown := s.memory(t) - before; grown > clients*128 { // they have announced 256 KiB each, and the race detector takes some for each byte
		t.Errorf("%d KiB more for %d clients", grown, clients)
	}
	if got := s.ask(t, c); got != helloAnswer {
		t.Errorf("answer %q", got)
	}
	// One byte more, again and again, wins no time.
	ended := make(chan string)
	go func() {
		raw, _ := io.ReadAll(slow[0]) // it may be reset
		ended <- string(raw)
	}()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case raw := <-ended:
			if !strings.HasPrefix(raw, "Status: 408 ") {
				t.Errorf("answer %q", raw)
			}
			s.stop(t)
			return
		case <-tick.C:
			_, _ = io.WriteString(slow[0], "x") // it may have been answered
		}
	}
}
