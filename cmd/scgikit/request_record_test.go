package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"scgikit/internal/fastcgi"
	"scgikit/internal/loopback"
)

// byteServer takes one connection after the other, keeps this many bytes of each,
// and answers.
func byteServer(t *testing.T, size int, answer string) (addr string, received <-chan string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
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
			data, _ := io.ReadAll(io.LimitReader(conn, int64(size)))
			requests <- string(data)
			_, _ = io.WriteString(conn, answer)
			// Closing with unread bytes would be a reset.
			_ = conn.(*net.TCPConn).CloseWrite()
			_, _ = io.Copy(io.Discard, conn)
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-done
	})
	return l.Addr().String(), requests
}

const plainAnswer = "Content-Type: text/plain\n\nhello"

func TestRequestRecord(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "request.scgi")
	addr, received := scgiServer(t, "tcp", "127.0.0.1:0", plainAnswer)
	args := []string{addr.String(), "/blog/x", "--mount", "/blog", "-H", "Cookie: a=1", "-d", "body", "--record", file}
	if code, stdout, stderr := runRequest(t, "", args...); code != exitOK || stdout != "hello" || stderr != "" {
		t.Fatalf("exit %d, %q, %q", code, stdout, stderr)
	}
	first := <-received
	info, err := os.Lstat(file)
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	// It is sent again as it is.
	for _, name := range []string{file, "-"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if code, stdout, stderr := runRequest(t, string(text), addr.String(), "--replay", name); code != exitOK || stdout != "hello" || stderr != "" {
			t.Fatalf("exit %d, %q, %q", code, stdout, stderr)
		}
		if again := <-received; again != first {
			t.Errorf("%s: %q, want %q", name, again, first)
		}
	}
	// What is there stays, and so does what a link leads to.
	victim, link := filepath.Join(dir, "victim"), filepath.Join(dir, "link")
	if err := errors.Join(os.WriteFile(victim, []byte("kept"), 0o600), os.Symlink(victim, link), os.Symlink("/no/such/file", filepath.Join(dir, "dangling"))); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{file, link, filepath.Join(dir, "dangling"), dir} {
		args[len(args)-1] = name
		if code, _, stderr := runRequest(t, "", args...); code != exitRefused || !strings.Contains(stderr, "is there already") {
			t.Errorf("%s: exit %d, %q", name, code, stderr)
		}
	}
	args[len(args)-1] = link
	if code, _, stderr := runRequest(t, "", append(args, "--force")...); code != exitOK {
		t.Errorf("exit %d, %q", code, stderr)
	}
	if text, err := os.ReadFile(victim); err != nil || string(text) != "kept" {
		t.Errorf("what the link led to: %q, %v", text, err)
	}
	if text, err := os.ReadFile(link); err != nil || !strings.HasSuffix(string(text), ",body") {
		t.Errorf("%q, %v", text, err)
	}
	// Nobody has to listen, and nothing else is left in the folder.
	args[0], args[len(args)-1] = "127.0.0.1:1", filepath.Join(dir, "unsent")
	if code, _, _ := runRequest(t, "", args...); code != exitFailed {
		t.Errorf("exit %d", code)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 5 {
		t.Errorf("%v, %v", entries, err)
	}
}

func TestReplayRefusesWhatIsNotWhole(t *testing.T) {
	const block = "CONTENT_LENGTH\x005\x00SCGI\x001\x00"
	whole := fmt.Sprintf("%d:%s,hello", len(block), block)
	begin := string(fastcgi.AppendBegin(nil, 1))
	record := func(kind fastcgi.Kind, text string) string {
		return string(fastcgi.AppendHead(nil, kind, 1, len(text))) + text
	}
	fcgi := begin + record(fastcgi.Params, "x") + record(fastcgi.Params, "") + record(fastcgi.Stdin, strings.Repeat("y", 20000)) + record(fastcgi.Stdin, "")
	file := filepath.Join(t.TempDir(), "request")
	for text, want := range map[string]string{
		"":                             "it is empty",
		whole[:len(whole)-2]:           "the body of its SCGI request ends 2 bytes early",
		whole + "more":                 "it has 4 bytes after its SCGI request",
		whole[:12]:                     "it ends inside the parameters",
		whole[:2]:                      "it ends inside the parameters",
		"999999999:":                   "no SCGI or FastCGI request: ",
		"GET / HTTP/1.1\r\n\r\n":       "no SCGI or FastCGI request: ",
		"\x7fELF":                      "no SCGI or FastCGI request: ",
		"0:,":                          "no SCGI or FastCGI request: ",
		fcgi[:5]:                       "it ends inside a record of FastCGI",
		fcgi[:len(fcgi)-8]:             "it ends inside a FastCGI request",
		fcgi[:len(fcgi)-100]:           "it ends inside a FastCGI request",
		fcgi + begin:                   "it has more after its FastCGI request",
		fcgi[:16] + "\x02" + fcgi[17:]: "not a record of FastCGI version 1",
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		code, stdout, stderr := runRequest(t, "", "127.0.0.1:1", "--replay", file)
		if code != exitFailed || stdout != "" || !strings.Contains(stderr, want) || !strings.Contains(stderr, "--raw sends it all the same") {
			t.Errorf("%.20q: exit %d, %q, want %q", text, code, stderr, want)
		}
	}
	for _, text := range []string{whole, fcgi} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if code, _, stderr := runRequest(t, "", "127.0.0.1:1", "--replay", file); code != exitFailed || !strings.Contains(stderr, "connection refused") {
			t.Errorf("%.20q: exit %d, %q", text, code, stderr)
		}
	}
	// With --raw anything is sent, and whatever comes back is printed.
	text := whole[:len(whole)-2]
	addr, received := byteServer(t, len(text), "\x01?")
	code, stdout, stderr := runRequest(t, text, addr, "--replay", "-", "--raw")
	if got := <-received; code != exitOK || stdout != "\x01?" || got != text {
		t.Errorf("exit %d, %q, %q; sent %q", code, stdout, stderr, got)
	}
}

func TestRequestFastCGI(t *testing.T) {
	record := func(kind fastcgi.Kind, text string) string {
		return string(fastcgi.AppendHead(nil, kind, 1, len(text))) + text
	}
	end := string(fastcgi.AppendEnd(nil, 1, fastcgi.Complete))
	failed := []byte(end)
	failed[11] = 3
	big := strings.Repeat("x", 100000)
	for name, row := range map[string]struct {
		answer string
		code   exitCode
		stdout string
		stderr string
	}{
		"whole":     {record(fastcgi.Stdout, "Status: 201 Made\n\nhe") + record(fastcgi.Stderr, "one\ntw\x1b") + record(fastcgi.Stderr, "o") + record(fastcgi.Stdout, "llo") + end, exitOK, "hello", "the app says: one\nscgikit: the app says: tw\\x1bo\n"},
		"exit":      {record(fastcgi.Stdout, plainAnswer) + string(failed), exitOK, "hello", "the app ended the request with 3, not 0"},
		"cut":       {record(fastcgi.Stdout, plainAnswer), exitFailed, "hello", "the answer broke off: unexpected EOF"},
		"refused":   {string(fastcgi.AppendEnd(nil, 1, fastcgi.Overloaded)), exitFailed, "", "the app is overloaded"},
		"scgi":      {plainAnswer, exitFailed, "", "not a record of FastCGI version 1"},
		"no answer": {end, exitFailed, "", "no response head"},
	} {
		addr, received := byteServer(t, 100, row.answer)
		code, stdout, stderr := runRequest(t, "", addr, "/x", "--protocol", "fastcgi", "-d", big)
		if code != row.code || stdout != row.stdout || !strings.Contains(stderr, row.stderr) {
			t.Errorf("%s: exit %d, %q, %q", name, code, stdout, stderr)
		}
		if got := <-received; !strings.HasPrefix(got, string(fastcgi.AppendBegin(nil, 1))) || !strings.Contains(got, "CONTENT_LENGTH100000") || strings.Contains(got, "SCGI1") {
			t.Errorf("%s: sent %q", name, got)
		}
	}
}

func TestRequestTimes(t *testing.T) {
	addr, _ := scgiServer(t, "tcp", "127.0.0.1:0", plainAnswer)
	code, stdout, stderr := runRequest(t, "", addr.String(), "/", "--time")
	if code != exitOK || stdout != "hello" || !strings.Contains(stderr, "time: connected after ") || !strings.Contains(stderr, "all 31 bytes after ") {
		t.Errorf("exit %d, %q, %q", code, stdout, stderr)
	}
	code, stdout, stderr = runRequest(t, "", addr.String(), "/", "--time", "-o", "json")
	var got answerJSON
	if err := json.Unmarshal([]byte(stdout), &got); err != nil || code != exitOK || stderr != "" {
		t.Fatalf("exit %d, %v, %q", code, err, stderr)
	}
	if w := got.Time; w == nil || w.Connected < 0 || w.FirstByte < w.Connected || w.Total < w.FirstByte || w.Total == 0 {
		t.Errorf("%+v", got.Time)
	}
}

// A body without an end, or one that nobody writes, ends the command.
func TestRequestBodiesWithoutEnd(t *testing.T) {
	if _, err := spoolBody(t.Context(), "standard input", 1<<20, func() (io.Reader, error) { return os.Open("/dev/zero") }); err == nil || !strings.Contains(err.Error(), "standard input has more than 1 MiB") {
		t.Errorf("endless: %v", err)
	}
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	code, _, stderr := runRequest(t, "", "127.0.0.1:1", "/", "-d", "@"+fifo, "--timeout", "20ms")
	if code != exitFailed || !strings.Contains(stderr, fifo+": did not end in time") {
		t.Errorf("exit %d, %q", code, stderr)
	}
	// So that the read that was left behind ends.
	writer, err := os.OpenFile(fifo, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	writer.Close()
	// A file that is cut while it is sent is no whole request.
	body := &requestBody{name: "file", from: strings.NewReader("short"), size: 10}
	if err := body.copyTo(&firstError{w: io.Discard}); err == nil || !strings.Contains(err.Error(), "file has become shorter while it was sent: 5 bytes, not 10") {
		t.Errorf("cut: %v", err)
	}
}

// A terminal gets text, whatever the pieces that it comes in.
func TestBodyOnATerminal(t *testing.T) {
	const text, want = "a\té\x1b[31m\n日本\xff\r\u202e\u009b!\n\xe6", "a\té\\x1b[31m\n日本\\xff\\x0d\\u202e\\u009b!\n\\xe6"
	for size := 1; size <= len(text); size++ {
		var out bytes.Buffer
		b := &bodyWriter{w: &out, terminal: true}
		for at := 0; at < len(text); at += size {
			piece := text[at:min(at+size, len(text))]
			if n, err := b.Write([]byte(piece)); n != len(piece) || err != nil {
				t.Fatal(n, err)
			}
			if len(b.cut) >= utf8.UTFMax {
				t.Fatalf("%d bytes are kept", len(b.cut))
			}
		}
		if err := b.end(); err != nil || out.String() != want {
			t.Errorf("pieces of %d: %q, %v, want %q", size, out.String(), err, want)
		}
	}
}

// testRequestBridge asks the real bridge in both protocols, and gives it a
// recorded request on its standard input.
func testRequestBridge(t *testing.T, program string) {
	dir := t.TempDir()
	script := filepath.Join(dir, "echo.sh")
	if err := os.WriteFile(script, []byte("#!/bin/sh\nprintf 'Status: 201 Made\\nX-Path: %s\\n\\n' \"$PATH_INFO\"\ncat\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	addr, err := loopback.Addr()
	if err != nil {
		t.Fatal(err)
	}
	bridge := exec.Command(filepath.Join(filepath.Dir(program), "scgi-run"), "bridge", "--listen", addr, "--mount", "/cgi", dir+"/")
	bridge.Stderr = os.Stderr
	if err := bridge.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = bridge.Process.Signal(syscall.SIGTERM)
		_ = bridge.Wait()
	})
	recorded := filepath.Join(dir, "recorded")
	for _, protocol := range []string{"scgi", "fastcgi"} {
		args := []string{"request", addr, "/cgi/echo.sh/a%20b", "--mount", "/cgi", "-i", "-d", "hello", "--protocol", protocol, "--record", recorded + "." + protocol, "--force"}
		const want = "Status: 201 Made\nX-Path: /a b\n\nhello"
		for deadline := time.Now().Add(30 * time.Second); ; {
			out, err := exec.CommandContext(t.Context(), program, args...).Output()
			if string(out) == want {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s: %q, %v", protocol, out, err)
			}
		}
		out, err := exec.CommandContext(t.Context(), program, "request", addr, "-i", "--replay", recorded+"."+protocol).CombinedOutput()
		if err != nil || string(out) != want {
			t.Errorf("%s, replayed: %q, %v", protocol, out, err)
		}
	}
}
