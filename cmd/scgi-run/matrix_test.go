package main

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// What becomes of scripts that do odd things, and of good ones: each case is
// something that at least one bridge or web server gets wrong.
func TestScripts(t *testing.T) {
	t.Parallel()
	const head = "echo Content-Type: text/plain; echo; "
	sh := func(text string) string { return "#!/bin/sh\n" + text + "\n" }
	large := strings.Repeat("x", 300_000)
	tests := []struct {
		name   string
		script string
		body   string
		status string // the whole first line; "" for an answer without one
		text   string // the whole body, or what it contains after "~"
		fields string // what the head must contain; after "!" what not
		log    string
		code   int
	}{
		{name: "hello", script: sh(head + "echo hello"), status: "200 OK", text: "hello\n", fields: "Content-Type: text/plain\r\n"},
		{name: "reads to the end, no body", script: sh(head + "cat; echo end"), status: "200 OK", text: "end\n"},
		{name: "reads to the end of 10 bytes", script: sh(head + "cat; echo end"), body: "0123456789", status: "200 OK", text: "0123456789end\n"},
		{name: "reads nothing of 1 kB", script: sh(head + "echo hello"), body: large[:1000], status: "200 OK", text: "hello\n"},
		{name: "reads nothing of 300 kB", script: sh(head + "echo hello"), body: large, status: "200 OK", text: "hello\n"},
		{name: "head first, then reads 300 kB", script: child(t, "answer-first"), body: large, status: "200 OK", text: "read 300000"},
		{name: "writes 1 MB before it reads 1 MB", script: child(t, "write-first"), body: strings.Repeat("b", 1<<20), status: "200 OK", text: strings.Repeat("w", 1<<20) + " read 1048576"},
		{name: "standard error", script: sh("echo oops >&2; " + head + "echo hello; printf more >&2"), status: "200 OK", text: "hello\n", fields: "!oops", log: "]: oops\nscript["},
		{name: "background child holds the output", script: sh(head + "echo hello; sleep 1000 & echo $! >pid"), status: "200 OK", text: "hello\n"},
		{name: "background child, no head", script: sh("sleep 1000 & echo $! >pid"), status: "502 Bad Gateway", log: "no output", code: 1},
		{name: "Location path", script: sh("echo Location: /x; echo"), status: "302 Found", fields: "Location: /x\r\n"},
		{name: "Location URL", script: sh("echo Location: http://h/x; echo"), status: "302 Found"},
		{name: "Location and Status", script: sh("echo Location: /x; echo Status: 303 See Other; echo"), status: "303 See Other", fields: "Location: /x\r\n"},
		{name: "Status without a reason", script: sh("echo Status: 404; echo; echo no"), status: "404 Not Found", text: "no\n"},
		{name: "two Status lines", script: sh("echo Status: 201; echo Status: 500; echo"), status: "201 Created", fields: "!500"},
		{name: "HTTP status line", script: sh("printf 'HTTP/1.1 201 Created\\r\\nX: y\\r\\n\\r\\nbody'"), status: "201 Created", text: "body", fields: "X: y\r\n"},
		{name: "early hints", script: sh("echo Status: 103; echo Link: x; echo; echo Status: 200; echo; echo hello"), status: "200 OK", text: "hello\n", fields: "!Link"},
		{name: "no head", script: sh("echo just text; echo; echo more"), status: "502 Bad Gateway", text: "502 Bad Gateway\n", log: "not a header line", code: 1},
		{name: "no empty line", script: sh("echo Content-Type: text/plain"), status: "502 Bad Gateway", log: "ends without an empty line", code: 1},
		{name: "empty", script: sh("exit 0"), status: "502 Bad Gateway", log: "no output", code: 1},
		{name: "empty, exit 3", script: sh("exit 3"), status: "502 Bad Gateway", log: "exit status 3", code: 1},
		{name: "killed before the head", script: sh("kill -9 $$"), status: "502 Bad Gateway", log: "killed by signal 9", code: 1},
		{name: "exit 3 after an answer", script: sh(head + "echo hello; exit 3"), status: "200 OK", text: "hello\n", log: "exit status 3", code: 1},
		{name: "Status banana", script: sh("echo Status: banana; echo"), status: "502 Bad Gateway", log: `bad status "banana"`, code: 1},
		{name: "Status 99", script: sh("echo Status: 99; echo"), status: "502 Bad Gateway", log: "bad status", code: 1},
		{name: "Status 2000", script: sh("echo Status: 2000; echo"), status: "502 Bad Gateway", log: "bad status", code: 1},
		{name: "control character", script: sh("printf 'X: a\\001b\\n\\n'"), status: "502 Bad Gateway", log: "control character", code: 1},
		{name: "bare carriage return", script: sh("printf 'Location: x\\rSet-Cookie: a=b\\n\\n'"), status: "502 Bad Gateway", log: "control character", code: 1},
		{name: "header splitting by CR LF is two fields", script: sh("printf 'Location: x\\r\\nSet-Cookie: a=b\\r\\n\\r\\n'"), status: "302 Found", fields: "Location: x\r\nSet-Cookie: a=b\r\n"},
		{name: "space in a name", script: sh("echo 'X Y: z'; echo"), status: "502 Bad Gateway", log: "bad field name", code: 1},
		{name: "hop-by-hop fields", script: sh("echo Transfer-Encoding: chunked; echo Connection: close; echo Keep-Alive: x; echo X: y; echo; echo hello"), status: "200 OK", text: "hello\n", fields: "!Transfer-Encoding"},
		{name: "field of 9 kB", script: sh("echo X: $(head -c 9000 /dev/zero | tr '\\0' x); echo; echo hello"), status: "200 OK", text: "hello\n", fields: strings.Repeat("x", 9000)},
		{name: "field of 70 kB", script: sh("echo X: $(head -c 70000 /dev/zero | tr '\\0' x); echo; echo hello"), status: "502 Bad Gateway", log: "longer than 65536 bytes", code: 1},
		{name: "Content-Length too large", script: sh("echo Content-Length: 99; echo; echo hello"), status: "200 OK", text: "hello\n", fields: "Content-Length: 99\r\n"},
		{name: "Content-Length twice", script: sh("echo Content-Length: 6; echo Content-Length: 6; echo; echo hello"), status: "200 OK", text: "hello\n"},
		{name: "Content-Length no number", script: sh("echo Content-Length: 6x; echo; echo hello"), status: "502 Bad Gateway", log: "bad Content-Length", code: 1},
		{name: "Content-Length contradictory", script: sh("echo Content-Length: 6; echo Content-Length: 7; echo; echo hello"), status: "502 Bad Gateway", log: `bad Content-Length "7"`, code: 1},
		{name: "interpreter missing", script: "#!/no/such/interpreter -x\n", status: "500 Internal Server Error", text: "500 Internal Server Error\n", log: `interpreter "/no/such/interpreter" of its #! line not found`, code: 1},
		{name: "interpreter with CR", script: "#!/bin/sh\r\necho\r\n", status: "500 Internal Server Error", log: "CR LF", code: 1},
		{name: "no interpreter line", script: "echo hello\n", status: "500 Internal Server Error", log: "no #! line", code: 1},
		{name: "large answer", script: sh(head + "head -c 5000000 /dev/zero"), status: "200 OK", text: strings.Repeat("\x00", 5_000_000)},
		{name: "log lines are one line", script: sh("printf 'a\\033[0mb\\tc\\n' >&2; " + head), status: "200 OK", log: `]: a\x1b[0mb\x09c` + "\n"},
	}
	for _, tt := range tests {
		const resident, fast = "resident", "FastCGI"
		for _, mode := range [][]string{
			nil, {"--stream-body"}, {confined}, {resident}, {resident, "--stream-body"}, {resident, confined}, {fast}, {fast, "--stream-body"},
		} {
			t.Run(tt.name+" "+strings.Join(mode, ""), func(t *testing.T) {
				t.Parallel()
				dir := folder(t, map[string]string{"script": tt.script})
				t.Cleanup(func() { endBackground(t, filepath.Join(dir, "pid")) })
				fastcgi := len(mode) > 0 && mode[0] == fast
				keepsRunning := fastcgi || (len(mode) > 0 && mode[0] == resident)
				if keepsRunning {
					mode = mode[1:]
				}
				a := call{
					args:     slices.Concat([]string{"bridge", "--mount", "/cgi/"}, mode, []string{dir}),
					headers:  []header{{"SCRIPT_NAME", "/cgi/script"}},
					body:     tt.body,
					resident: keepsRunning,
					fastcgi:  fastcgi,
				}.do(t)
				if a.status != tt.status {
					t.Errorf("status %q, want %q; answer %.300q; log %q", a.status, tt.status, a.raw, a.log)
				}
				if tt.text != "" && a.body != tt.text {
					t.Errorf("body %.200q (%d bytes), want %.200q", a.body, len(a.body), tt.text)
				}
				if absent, ok := strings.CutPrefix(tt.fields, "!"); ok && strings.Contains(a.raw, absent) {
					t.Errorf("answer contains %q: %.300q", absent, a.raw)
				} else if !ok && !strings.Contains(a.fields, tt.fields) {
					t.Errorf("head %.300q, want %.300q", a.fields, tt.fields)
				}
				if !strings.Contains(a.log, tt.log) || (tt.log == "" && a.log != "") {
					t.Errorf("log %q, want %q", a.log, tt.log)
				}
				if n := strings.Count(a.log, "(answered"); n > 1 || strings.HasPrefix(tt.status, "5") != (n == 1) {
					t.Errorf("%d reports of an error answer in the log: %q", n, a.log)
				}
				if want := codeOf(tt.code, keepsRunning); a.code != want {
					t.Errorf("exit code %d, want %d", a.code, want)
				}
				if strings.Contains(a.raw, dir) {
					t.Errorf("the answer tells the client a path: %q", a.raw)
				}
			})
		}
	}
}
