package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"scgikit/internal/scgi"
)

// scgiServer answers every connection with bytes as they are, and keeps what it
// was sent: parameters, one a line, an empty line, and the body.
func scgiServer(t *testing.T, network, addr, answer string) (listening net.Addr, received <-chan string) {
	t.Helper()
	l, err := net.Listen(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	requests := make(chan string, 8)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			text, err := receiveSCGI(conn)
			if err != nil {
				text = err.Error()
			}
			requests <- text
			// The client may be gone; what it printed is what is tested.
			_, _ = io.WriteString(conn, answer)
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-done
	})
	return l.Addr(), requests
}

func receiveSCGI(conn net.Conn) (string, error) {
	request, err := scgi.ReadRequest(conn)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for _, h := range request.Headers {
		fmt.Fprintf(&b, "%s=%s\n", h.Name, h.Value)
	}
	b.WriteString("\n")
	_, err = io.CopyN(&b, conn, request.ContentLength)
	return b.String(), err
}

// runRequest runs one command line in this process.
func runRequest(t *testing.T, stdin string, args ...string) (code exitCode, stdout, stderr string) {
	t.Helper()
	var out, talk bytes.Buffer
	home := t.TempDir()
	e := &env{
		stdin: strings.NewReader(stdin), stdout: &out, stderr: &talk,
		lookup: func(name string) (string, bool) { return home, name == "HOME" },
	}
	code = e.execute(t.Context(), append([]string{"-C", home, "request"}, args...))
	return code, out.String(), talk.String()
}

func TestRequestSends(t *testing.T) {
	file := filepath.Join(t.TempDir(), "body")
	if err := os.WriteFile(file, []byte("from\na file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	addr, received := scgiServer(t, "tcp", "127.0.0.1:0", "Content-Type: text/plain\n\nhello")
	for name, want := range map[string]struct {
		args  []string
		lines string // each must be there
	}{
		"plain": {
			[]string{"/a%20b/c?x=1&y=%20"},
			"CONTENT_LENGTH=0|SCGI=1|REQUEST_METHOD=GET|REQUEST_URI=/a%20b/c?x=1&y=%20|QUERY_STRING=x=1&y=%20|SCRIPT_NAME=|PATH_INFO=/a b/c|GATEWAY_INTERFACE=CGI/1.1|HTTP_HOST=localhost|SERVER_NAME=localhost|SERVER_PORT=80|REMOTE_ADDR=127.0.0.1|SERVER_SOFTWARE=scgikit-request",
		},
		"mount": {
			[]string{"/blog/x/../y", "--mount", "/blog/", "--host", "Shop.example:81"},
			"REQUEST_URI=/blog/x/../y|SCRIPT_NAME=/blog|PATH_INFO=/y|HTTP_HOST=Shop.example:81|SERVER_NAME=shop.example|SERVER_PORT=81",
		},
		"bare mount": {[]string{"/blog", "--mount", "/blog"}, "SCRIPT_NAME=/blog|PATH_INFO="},
		"headers": {
			[]string{"/", "-H", "X-A: 1", "-H", "x-a:2", "-H", "Cookie: a=1", "-H", "Cookie: b=2", "-H", "Host: other.example"},
			"HTTP_X_A=1, 2|HTTP_COOKIE=a=1; b=2|HTTP_HOST=other.example",
		},
		"data":   {[]string{"/", "-d", "a=1&b=2"}, "CONTENT_LENGTH=7|REQUEST_METHOD=POST|CONTENT_TYPE=application/x-www-form-urlencoded||a=1&b=2"},
		"file":   {[]string{"/", "-d", "@" + file, "-X", "PUT", "-H", "Content-Type: text/plain"}, "CONTENT_LENGTH=12|REQUEST_METHOD=PUT|CONTENT_TYPE=text/plain||from|a file|"},
		"stdin":  {[]string{"/", "-d", "@-"}, "CONTENT_LENGTH=8|REQUEST_METHOD=POST||on stdin"},
		"params": {[]string{"/", "--param", "REMOTE_USER=ann", "--param", "PATH_INFO=/other", "--param", "EMPTY="}, "REMOTE_USER=ann|PATH_INFO=/other|EMPTY="},
	} {
		code, stdout, stderr := runRequest(t, "on stdin", append([]string{addr.String()}, want.args...)...)
		if code != exitOK || stdout != "hello" || stderr != "" {
			t.Errorf("%s: exit %d, %q, %q", name, code, stdout, stderr)
			continue
		}
		got := "\n" + <-received + "\n"
		for line := range strings.SplitSeq(want.lines, "|") {
			if !strings.Contains(got, "\n"+line+"\n") {
				t.Errorf("%s: no line %q in %s", name, line, got)
			}
		}
		if strings.Contains(got, "HTTP_PROXY") {
			t.Errorf("%s: HTTP_PROXY in %s", name, got)
		}
	}
}

func TestRequestPrints(t *testing.T) {
	const ok, notFound = "Status: 200 OK\r\nX-A: b\r\n\r\nhello", "Status: 404 Gone Fishing\nContent-Type: text/plain\n\nno"
	for name, want := range map[string]struct {
		answer string
		args   []string
		code   exitCode
		stdout string
		stderr string // part of it
	}{
		"body":           {ok, nil, exitOK, "hello", ""},
		"head":           {ok, []string{"-i"}, exitOK, "Status: 200 OK\nX-A: b\n\nhello", ""},
		"raw":            {ok, []string{"--raw"}, exitOK, ok, ""},
		"status":         {notFound, nil, exitOK, "no", ""},
		"fail":           {notFound, []string{"--fail"}, exitFailed, "no", "the status is 404 Gone Fishing"},
		"location":       {"Location: /x\n\n", []string{"-i"}, exitOK, "Status: 302 Found\nLocation: /x\n\n", ""},
		"empty":          {"", nil, exitFailed, "", "no answer that a web server would accept: no response head"},
		"garbage":        {"<html>", nil, exitFailed, "", "no response head"},
		"garbage line":   {"<html>\n\n", nil, exitFailed, "", "byte 0: not a header line"},
		"raw garbage":    {"<html>", []string{"--raw"}, exitOK, "<html>", ""},
		"raw empty":      {"", []string{"--raw"}, exitFailed, "", "the answer is empty"},
		"control":        {"X-A: \x1b[31m\n\n", nil, exitFailed, "", "control character"},
		"binary":         {"X-A: b\n\n\xff\x00", nil, exitOK, "\xff\x00", ""},
		"json garbage":   {"<html>", []string{"-o", "json"}, exitFailed, `"message": "no answer that`, "no response head"},
		"raw with json":  {ok, []string{"--raw", "-o", "json"}, exitUsage, `"exit": 2`, "--raw prints"},
		"raw with head":  {ok, []string{"--raw", "-i"}, exitUsage, "", "--raw prints"},
		"hint for trash": {"<html>", nil, exitFailed, "", "hint: see what came: --raw"},
	} {
		addr, _ := scgiServer(t, "unix", filepath.Join(t.TempDir(), "s"), want.answer)
		code, stdout, stderr := runRequest(t, "", append([]string{"unix:" + addr.String(), "/"}, want.args...)...)
		if code != want.code || !strings.Contains(stderr, want.stderr) || (want.stderr == "" && stderr != "") {
			t.Errorf("%s: exit %d, %q, want %d, %q", name, code, stderr, want.code, want.stderr)
		}
		if exact := stdout == want.stdout; !exact && (code == exitOK || !strings.Contains(stdout, want.stdout)) {
			t.Errorf("%s: stdout %q, want %q", name, stdout, want.stdout)
		}
	}
}

func TestRequestJSON(t *testing.T) {
	for answer, want := range map[string]answerJSON{
		"Status: 201 Made\nSet-Cookie: a=1\nSet-Cookie: b=2\n\n<é>": {Status: 201, Reason: "Made", Headers: []answerField{{"Set-Cookie", "a=1"}, {"Set-Cookie", "b=2"}}, Body: "<é>"},
		"Status: 204\n\n":  {Status: 204, Reason: "No Content", Headers: []answerField{}},
		"X-A: b\n\n\xff\n": {Status: 200, Reason: "OK", Headers: []answerField{{"X-A", "b"}}, BodyBase64: "/wo="},
	} {
		addr, _ := scgiServer(t, "tcp", "127.0.0.1:0", answer)
		code, stdout, stderr := runRequest(t, "", addr.String(), "/", "-o", "json")
		var got answerJSON
		if err := json.Unmarshal([]byte(stdout), &got); err != nil || code != exitOK || stderr != "" {
			t.Errorf("%q: exit %d, %v, %q", answer, code, err, stderr)
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%q: %+v, want %+v", answer, got, want)
		}
	}
}

// An app that says nothing does not hold the command up.
func TestRequestTimeout(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	code, _, stderr := runRequest(t, "", l.Addr().String(), "/", "--timeout", "30ms")
	if code != exitFailed || !strings.Contains(stderr, "did not answer within 30ms") {
		t.Errorf("exit %d, %q", code, stderr)
	}
}

func TestRequestUsage(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	for want, row := range map[string]struct {
		code exitCode
		args []string
	}{
		`request wants ADDR [PATH], and got 1 argument`:  {exitUsage, []string{"127.0.0.1:1"}},
		`"localhost" is not an address`:                  {exitUsage, []string{"localhost", "/"}},
		`fd:x names no descriptor`:                       {exitUsage, []string{"fd:x", "/"}},
		`fd:60000 is no connected socket`:                {exitUsage, []string{"fd:60000", "/"}},
		`"x": the request target is not a path`:          {exitUsage, []string{"127.0.0.1:1", "x"}},
		`"/%zz": the path holds a %`:                     {exitUsage, []string{"127.0.0.1:1", "/%zz"}},
		`the path /blog2/x is not below --mount /blog/`:  {exitUsage, []string{"127.0.0.1:1", "/blog2/x", "--mount", "/blog/"}},
		`-H "X A: b" is not NAME: VALUE`:                 {exitUsage, []string{"127.0.0.1:1", "/", "-H", "X A: b"}},
		`-H "X-A" is not NAME: VALUE`:                    {exitUsage, []string{"127.0.0.1:1", "/", "-H", "X-A"}},
		`-H "X-A: b\r\nX-B: c" is not`:                   {exitUsage, []string{"127.0.0.1:1", "/", "-H", "X-A: b\r\nX-B: c"}},
		`-H "X-A: \x1b[31m" is not`:                      {exitUsage, []string{"127.0.0.1:1", "/", "-H", "X-A: \x1b[31m"}},
		`--host "a\r\nX: b" is no host`:                  {exitUsage, []string{"127.0.0.1:1", "/", "--host", "a\r\nX: b"}},
		`--host "a b" is no host`:                        {exitUsage, []string{"127.0.0.1:1", "/", "-H", "Host: a b"}},
		`"/a b": the request target holds a blank`:       {exitUsage, []string{"127.0.0.1:1", "/a b"}},
		`"/a\r\nb": the request target holds a blank or`: {exitUsage, []string{"127.0.0.1:1", "/a\r\nb"}},
		`--protocol http: request speaks no such`:        {exitUsage, []string{"127.0.0.1:1", "/", "--protocol", "http"}},
		`the path of a socket has at most 107 bytes`:     {exitUsage, []string{"unix:/" + strings.Repeat("x", 107), "/"}},
		`--replay sends a request as it is, so --data`:   {exitUsage, []string{"127.0.0.1:1", "--replay", "x", "-d", "y"}},
		`request wants ADDR [PATH], and got 2 arguments`: {exitUsage, []string{"127.0.0.1:1", "/", "--replay", "x"}},
		`/dev is a folder`:                               {exitFailed, []string{"127.0.0.1:1", "/", "-d", "@/dev"}},
		`-X "GET /" is not a method`:                     {exitUsage, []string{"127.0.0.1:1", "/", "-X", "GET /"}},
		`--param "USER" is not NAME=VALUE`:               {exitUsage, []string{"127.0.0.1:1", "/", "--param", "USER"}},
		`--param CONTENT_LENGTH: the protocol sets it`:   {exitUsage, []string{"127.0.0.1:1", "/", "--param", "CONTENT_LENGTH=5"}},
		`"A": header can not be sent over SCGI`:          {exitUsage, []string{"127.0.0.1:1", "/", "--param", "A=\x00"}},
		`open /no/such/file: no such file`:               {exitFailed, []string{"127.0.0.1:1", "/", "-d", "@/no/such/file"}},
		`connect: connection refused`:                    {exitFailed, []string{closed.Addr().String(), "/"}},
		`hint: does the app run, and listen there?`:      {exitFailed, []string{closed.Addr().String(), "/"}},
		`dial unix /no/such/socket: connect: no such fi`: {exitFailed, []string{"unix:/no/such/socket", "/"}},
	} {
		code, stdout, stderr := runRequest(t, "", row.args...)
		if code != row.code || stdout != "" || !strings.Contains(stderr, want) {
			t.Errorf("%v: exit %d, %q, %q, want %d, %q", row.args, code, stdout, stderr, row.code, want)
		}
	}
}
