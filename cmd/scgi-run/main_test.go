package main

import (
	"bufio"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"scgikit/internal/scgi"
	"scgikit/internal/selftest"
)

// patience is how long a test waits for what must come. It is spent only where
// something hangs.
const patience = 2 * time.Minute

// noRaceSleep keeps a program with the race detector from sleeping for a second
// before it ends.
const noRaceSleep = "GORACE=atexit_sleep_ms=0"

// The test binary is the program as well, under its name, and the CGI script,
// as the interpreter of a #! line.
func TestMain(m *testing.M) {
	if name := filepath.Base(os.Args[0]); name == "scgi-run" || find(programs(), name) != nil {
		os.Exit(choose(os.Args))
	}
	if len(os.Args) > 1 {
		if child, ok := strings.CutPrefix(os.Args[1], "cgi:"); ok {
			syscall.Exit(runChild(child)) // without the race detector's sleep
		}
	}
	os.Exit(selftest.Tests{M: m}.Run())
}

// header is a request parameter.
type header struct{ Name, Value string }

// encode returns a header block as it is, right or wrong.
func encode(headers ...header) string {
	list := make([]scgi.Header, len(headers))
	for i, h := range headers {
		list[i] = scgi.Header(h)
	}
	return string(scgi.AppendRequest(nil, list))
}

// call is one request to scgi-run over a socket pair.
type call struct {
	args    []string
	headers []header // REQUEST_METHOD is added
	body    string
	raw     string // instead of headers and body
	env     []string
	stderr  *os.File // default is a file, which becomes answer.log
	command []string // what comes before scgi-run's arguments, instead of scgi-run
	files   []*os.File
	// resident starts the form of bridge or wsgi that keeps running, on a socket of
	// its own, and ends it after the answer. Its exit code is then not the request's.
	resident bool
	fastcgi  bool   // the protocol, of a resident one
	style    string // of wsgi; "" is once
}

// answer is what came back.
type answer struct {
	raw    string // all of it
	status string // "200 OK", from a first line "Status: …"
	fields string // the lines of the head, each with its end
	body   string
	code   int // exit code of scgi-run
	log    string
}

// conversation is a call in progress.
type conversation struct {
	t    *testing.T
	conn *os.File
	cmd  *exec.Cmd
	log  *os.File

	resident bool
	fastcgi  bool
}

// begin starts scgi-run on one end of a connection.
func (c call) begin(t *testing.T) *conversation {
	t.Helper()
	if c.resident {
		return c.beginResident(t)
	}
	// No program that another test starts meanwhile may get a copy.
	syscall.ForkLock.RLock()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	unix.CloseOnExec(fds[0])
	unix.CloseOnExec(fds[1])
	syscall.ForkLock.RUnlock()
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.SetNonblock(fds[0], true); err != nil {
		t.Fatal(err)
	}
	near, far := os.NewFile(uintptr(fds[0]), "client"), os.NewFile(uintptr(fds[1]), "server")
	defer far.Close()
	t.Cleanup(func() { near.Close() })
	near.SetDeadline(time.Now().Add(patience))

	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { log.Close() })
	words := c.command
	if words == nil {
		words = []string{scgiRun(t)}
	}
	cmd := exec.CommandContext(t.Context(), words[0], append(words[1:], c.args...)...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = far, far, log
	if c.stderr != nil {
		cmd.Stderr = c.stderr
	}
	if c.stderr == socketItself {
		cmd.Stderr = far
	}
	cmd.ExtraFiles = c.files
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "TMPDIR=" + t.TempDir(), noRaceSleep}, c.env...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return &conversation{t: t, conn: near, cmd: cmd, log: log}
}

// socketItself as call.stderr makes the connection standard error, as inetd does.
var socketItself = new(os.File)

// request returns the bytes to send.
func (c call) request() string {
	if c.raw != "" {
		return c.raw
	}
	method := "GET"
	if c.body != "" {
		method = "POST"
	}
	headers := []header{{"CONTENT_LENGTH", strconv.Itoa(len(c.body))}, {"SCGI", "1"}}
	if !hasHeader(c.headers, "REQUEST_METHOD") {
		headers = append(headers, header{"REQUEST_METHOD", method})
	}
	if c.fastcgi {
		return fastcgiRequest(1, false, append(headers, c.headers...), c.body)
	}
	return encode(append(headers, c.headers...)...) + c.body
}

func hasHeader(headers []header, name string) bool {
	for _, h := range headers {
		if h.Name == name {
			return true
		}
	}
	return false
}

// do sends the request as nginx does: it stops sending when it sees the start
// of the answer, never says that it has no more to send, and closes when the
// answer ends.
func (c call) do(t *testing.T) answer {
	t.Helper()
	talk := c.begin(t)
	go io.WriteString(talk.conn, c.request())
	return talk.end()
}

// end reads the answer up to its end and waits for scgi-run.
func (talk *conversation) end() answer {
	talk.t.Helper()
	raw, err := io.ReadAll(talk.conn)
	if err != nil && !errors.Is(err, syscall.ECONNRESET) {
		talk.cmd.Process.Kill()
		talk.t.Errorf("the answer does not end: %v, after %.200q", err, raw)
	}
	talk.conn.Close()
	if talk.fastcgi {
		return talk.finish(outputOf(talk.t, string(raw)))
	}
	return talk.finish(string(raw))
}

func (talk *conversation) finish(raw string) answer {
	talk.t.Helper()
	if talk.resident {
		talk.cmd.Process.Signal(syscall.SIGTERM)
	}
	err := talk.cmd.Wait()
	a := answer{raw: raw, code: talk.cmd.ProcessState.ExitCode()}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		talk.t.Fatal(err)
	}
	head, body, _ := strings.Cut(raw, "\r\n\r\n")
	a.fields, a.body = head+"\r\n", body
	if first, ok := strings.CutPrefix(head, "Status: "); ok {
		a.status, a.fields, _ = strings.Cut(first+"\r\n", "\r\n")
	}
	log, err := os.ReadFile(talk.log.Name())
	if err != nil {
		talk.t.Fatal(err)
	}
	a.log = string(log)
	return a
}

// scgiRun returns a path of the test binary that makes it scgi-run.
func scgiRun(t *testing.T) string {
	t.Helper()
	return link(t, "scgi-run")
}

// raceRun is scgiRun with the race detector, for what keeps running.
func raceRun(t *testing.T) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return linkTo(t, self, "scgi-run")
}

func link(t *testing.T, name string) string {
	t.Helper()
	return linkTo(t, selftest.Program(t), name)
}

func linkTo(t *testing.T, self, name string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.Symlink(self, path); err != nil {
		t.Fatal(err)
	}
	return path
}

// folder makes a folder of scripts, and returns its path with a slash.
func folder(t *testing.T, scripts map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range scripts {
		write(t, filepath.Join(dir, name), text, 0o755)
	}
	return dir + "/"
}

func write(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil { // whatever the umask
		t.Fatal(err)
	}
}

// child returns the text of a script that is a part of the test binary.
func child(t *testing.T, name string) string {
	t.Helper()
	return "#!" + selftest.Program(t) + " cgi:" + name + "\n"
}

// runChild is the CGI script of that name.
func runChild(name string) int {
	const head = "Content-Type: text/plain\n\n"
	switch name {
	case "echo": // the body, to its end
		os.Stdout.WriteString(head)
		if _, err := io.Copy(os.Stdout, os.Stdin); err != nil {
			return 1
		}
	case "write-first": // 1 MB out before anything is read
		out := bufio.NewWriter(os.Stdout)
		out.WriteString(head + strings.Repeat("w", 1<<20))
		out.Flush()
		n, _ := io.Copy(io.Discard, os.Stdin)
		os.Stdout.WriteString(" read " + strconv.FormatInt(n, 10))
	case "answer-first": // the head before anything is read
		os.Stdout.WriteString(head)
		n, _ := io.Copy(io.Discard, os.Stdin)
		os.Stdout.WriteString("read " + strconv.FormatInt(n, 10))
	case "close-output": // an answer that ends before the script does
		os.Stdout.WriteString(head + "done")
		os.Stdout.Close()
		mark("started")
		waitForFile("go-on")
		mark("ended")
	case "announced": // an answer of a length that it says, and more work, and more output
		os.Stdout.WriteString("Content-Length: 4\n" + head + "done")
		waitForFile("go-on")
		if _, err := os.Stdout.WriteString(strings.Repeat("x", 100_000)); err != nil {
			return 1
		}
		mark("ended")
	case "silent":
		mark("pid", strconv.Itoa(os.Getpid()))
		forever()
	case "head-then-silent":
		os.Stdout.WriteString(head + "begun")
		forever()
	default:
		return 99
	}
	return 0
}

// mark writes a file in the working directory, which is the script's own.
func mark(name string, text ...string) {
	temporary := name + ".new"
	os.WriteFile(temporary, []byte(strings.Join(text, "")), 0o644)
	os.Rename(temporary, name)
}

// waitForFile returns when a file is there.
func waitForFile(path string) {
	for end := time.Now().Add(patience); time.Now().Before(end); pause() {
		if _, err := os.Stat(path); err == nil {
			return
		}
	}
}

// eventually waits until a condition holds.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); pause() {
		if condition() {
			return
		}
	}
	t.Fatalf("not within %v: %s", patience, what)
}

func forever() {
	for {
		unix.Poll(nil, -1)
	}
}

// pause is the time between two looks at something that sends no signal.
func pause() { unix.Poll(nil, 5) }

// alive reports whether a process runs; a zombie does not.
func alive(pid int) bool {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return syscall.Kill(pid, 0) == nil && !hasProc()
	}
	_, after, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(after, "Z")
}

func hasProc() bool {
	_, err := os.Stat("/proc/self/stat")
	return err == nil
}

// readPid waits for a file with a process number.
func readPid(t *testing.T, path string) int {
	t.Helper()
	waitForFile(path)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	return pid
}
