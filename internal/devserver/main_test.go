package devserver

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"scgikit/internal/appfile"
	"scgikit/internal/scgi"
)

// roleVariable makes the test binary an app: "resident" listens on the address
// of its first argument, "oneshot" serves one request on descriptors 0 and 1 as
// scgi-run does.
const roleVariable = "DEVSERVER_TEST_ROLE"

// quickExit keeps a program with the race detector from waiting a second at its
// end.
const quickExit = "GORACE=atexit_sleep_ms=0"

func TestMain(m *testing.M) {
	switch os.Getenv(roleVariable) {
	case "resident":
		residentApp()
	case "oneshot":
		oneshotApp()
	case string(appfile.HTTP1), string(appfile.FastCGI):
		otherApp(os.Getenv(roleVariable), os.Args[1])
	case "folder":
		keepFolder(os.Args[1], os.Args[2])
	default:
		code := m.Run()
		if left := leftGoroutines(); left != "" {
			fmt.Fprintf(os.Stderr, "goroutines are left:\n%s\n", left)
			code = 1
		}
		os.Exit(code)
	}
}

// leftGoroutines returns the stacks of goroutines of this package that do not
// end.
func leftGoroutines() string {
	var left string
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); runtime.Gosched() {
		buf := make([]byte, 1<<20)
		left = ""
		for stack := range strings.SplitSeq(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
			if strings.Contains(stack, "devserver.") && !strings.Contains(stack, "devserver.TestMain") {
				left += stack + "\n"
			}
		}
		if left == "" {
			break
		}
	}
	return left
}

// residentApp serves requests until SIGTERM.
func residentApp() {
	fmt.Fprintln(os.Stderr, "pid", os.Getpid())
	network, addr := "tcp", os.Args[1]
	if strings.HasPrefix(addr, "/") {
		network = "unix"
	}
	if slices.Contains(os.Args, "stubborn") {
		signal.Ignore(syscall.SIGTERM)
	}
	if slices.Contains(os.Args, "deaf") {
		select {}
	}
	a := &testApp{release: make(chan struct{})}
	if at := slices.Index(os.Args, "version"); at > 0 {
		a.version = readVersion(os.Args[at+1])
	}
	l, err := net.Listen(network, addr)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	a.listen(l)
}

func (a *testApp) listen(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			os.Exit(1)
		}
		go func() {
			defer conn.Close()
			a.serve(conn)
		}()
	}
}

// readVersion returns what a source holds, and ends the program for one that is
// broken.
func readVersion(path string) string {
	text, err := os.ReadFile(path)
	if err != nil || strings.HasPrefix(string(text), "broken") {
		fmt.Fprintln(os.Stderr, "source is", string(text), err)
		os.Exit(4)
	}
	return string(text)
}

// handed is the word of a bridge that keeps running.
const handed = "--listen=fd:0"

// shortFolder returns a temporary folder whose name leaves room for sockets.
func shortFolder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "devserver-") //nolint:usetesting // the path of a socket has to be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// bridgedApp serves requests at the socket on descriptor 0, as scgi-run does.
func bridgedApp() {
	fmt.Fprintln(os.Stderr, "pid", os.Getpid(), "args", strings.Join(os.Args[1:], " "))
	l, err := net.FileListener(os.Stdin)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(111)
	}
	a := &testApp{release: make(chan struct{}), version: os.Getenv("VERSION")}
	if path := os.Getenv("VERSION_FILE"); path != "" {
		a.version = readVersion(path)
	}
	if os.Getenv("LEAVE") != "" {
		// In a process group of its own, whose leader has ended.
		cmd := exec.Command("/bin/sh", "-c", `sleep 1000 >/dev/null 2>&1 & echo "pid $!" >&2`)
		cmd.Stderr, cmd.SysProcAttr = os.Stderr, &syscall.SysProcAttr{Setpgid: true}
		if err := cmd.Run(); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}
	if os.Getenv("ASK_TWICE") != "" {
		asked := make(chan os.Signal, 2)
		signal.Notify(asked, syscall.SIGTERM)
		go func() {
			<-asked
			fmt.Fprintln(os.Stderr, "first")
			<-asked
			fmt.Fprintln(os.Stderr, "second")
			os.Exit(0)
		}()
	}
	a.listen(l)
}

func oneshotApp() {
	if os.Getenv("DEAF") != "" {
		defer beDeaf()()
	}
	if slices.Contains(os.Args, handed) {
		bridgedApp()
		return
	}
	fmt.Fprintln(os.Stderr, "pid", os.Getpid(), "args", strings.Join(os.Args[1:], " "))
	(&testApp{}).serve(struct {
		io.Reader
		io.Writer
	}{os.Stdin, os.Stdout})
}

// beDeaf takes no TERM any more, unless only its child is to be so, and starts a program
// that does not either, in a process group of its own. wait waits for that.
func beDeaf() (wait func()) {
	if os.Getenv("DEAF") != "child" {
		signal.Ignore(syscall.SIGTERM)
	}
	cmd := exec.Command("/bin/sh", "-c", `trap "" TERM; echo "pid $$" >&2; echo "deaf child" >&2; while :; do sleep 1000; done`)
	cmd.Stderr, cmd.SysProcAttr = os.Stderr, &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(111)
	}
	return func() { _ = cmd.Wait() }
}

// testApp answers by PATH_INFO; what it does not know it answers with the
// parameters as JSON.
type testApp struct {
	release chan struct{}
	version string
}

func (a *testApp) serve(conn io.ReadWriter) {
	request, err := scgi.ReadRequest(conn)
	if err != nil {
		fmt.Fprintln(os.Stderr, "bad request:", err)
		return
	}
	body := io.LimitReader(conn, request.ContentLength)
	info, _ := request.Get("PATH_INFO")
	query, _ := request.Get("QUERY_STRING")
	switch info {
	case "/count":
		sum := sha256.New()
		n, _ := io.Copy(sum, body)
		fmt.Fprintf(conn, "Content-Type: text/plain\n\n%d %s", n, hex.EncodeToString(sum.Sum(nil)))
	case "/echo-late": // answers before it reads, as git-http-backend does
		io.WriteString(conn, "Content-Type: application/octet-stream\n\n")
		io.Copy(conn, body)
	case "/unread":
		// One byte, so that the rest has arrived when the connection closes.
		io.CopyN(io.Discard, body, 1)
		io.WriteString(conn, "Content-Type: text/plain\n\nhello")
	case "/raw":
		io.Copy(io.Discard, body)
		io.WriteString(conn, rawAnswers[query])
	case "/bytewise":
		for _, c := range []byte("Status: 201 Made\r\nX-A: b\r\n\r\nbody") {
			conn.Write([]byte{c})
		}
	case "/stream":
		io.WriteString(conn, "Content-Type: text/event-stream\n\none\n")
		<-a.release
		io.WriteString(conn, "two\n")
	case "/release":
		close(a.release)
		io.WriteString(conn, "Status: 204\n\n")
	case "/silent":
		fmt.Fprintln(os.Stderr, "silent")
		io.Copy(io.Discard, conn)
	case "/half":
		io.WriteString(conn, "Content-Type: text/plain\n\nhalf")
		fmt.Fprintln(os.Stderr, "half sent")
		io.Copy(io.Discard, conn)
	case "/version":
		io.Copy(io.Discard, body)
		io.WriteString(conn, "Content-Type: text/plain\n\n"+a.version)
	case "/until": // a file is there
		io.WriteString(conn, "Content-Type: text/plain\n\nbegin ")
		for {
			if _, err := os.Stat(query); err == nil {
				break
			}
			runtime.Gosched()
		}
		io.WriteString(conn, "end")
	case "/die":
		fmt.Fprintln(os.Stderr, "dying of <b>shame</b>\x1b[31m")
		os.Exit(3)
	default:
		io.Copy(io.Discard, body)
		io.WriteString(conn, "Content-Type: application/json\n\n")
		json.NewEncoder(conn).Encode(request.Headers)
	}
}

// site is a running server for a test.
type site struct {
	t      *testing.T
	server *Server
	addr   string
	output *transcript
	stop   func()
	hurry  chan struct{}
}

// start serves apps until the test ends, and then looks for processes that are
// left.
func start(t *testing.T, apps ...*appfile.App) *site {
	t.Helper()
	return startWith(t, func(*Config) {}, apps...)
}

func startWith(t *testing.T, change func(*Config), apps ...*appfile.App) *site {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	s := &site{t: t, output: newTranscript(), hurry: make(chan struct{})}
	config := Config{
		Apps: apps, Addr: "127.0.0.1:0", ScgiRun: self, Output: s.output,
		Environ: append(os.Environ(), roleVariable+"=oneshot", quickExit),
		Folder:  shortFolder(t),
		Bridge: func(a *appfile.App, _ []string) ([]string, bool, error) {
			if a.Run.Mode == appfile.RunResident {
				return []string{"bridge", handed, a.Name}, true, nil
			}
			return []string{"bridge", a.Name}, false, nil
		},
	}
	change(&config)
	s.server, err = New(config)
	if err != nil {
		t.Fatal(err)
	}
	s.addr = s.server.Addr()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.server.Run(ctx, s.hurry) }()
	s.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
		for _, pid := range s.output.pids() {
			if alive(pid) {
				t.Errorf("process %d is left", pid)
			}
		}
	})
	t.Cleanup(func() {
		s.stop()
		if t.Failed() {
			t.Logf("output:\n%s", s.output)
		}
	})
	return s
}

// alive reports whether a process runs; one that waits to be reaped does not.
func alive(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return !errors.Is(err, os.ErrNotExist) || runtime.GOOS != "linux"
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(rest, "Z")
}

// raw sends bytes as they are and returns everything that comes back.
func (s *site) raw(request string) string {
	s.t.Helper()
	conn, err := net.Dial("tcp", s.addr)
	if err != nil {
		s.t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(2 * time.Minute))
	if _, err := io.WriteString(conn, request); err != nil {
		s.t.Fatal(err)
	}
	answer, err := io.ReadAll(conn)
	if err != nil {
		s.t.Fatal(err)
	}
	return string(answer)
}

// get asks for a raw target, with fields as "Name: value", and returns the
// answer and its body.
func (s *site) get(target string, fields ...string) (*http.Response, string) {
	s.t.Helper()
	return s.do("GET", target, "", fields...)
}

func (s *site) do(method, target, body string, fields ...string) (*http.Response, string) {
	s.t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nConnection: close\r\n", method, target)
	if !slices.ContainsFunc(fields, func(f string) bool { return strings.HasPrefix(f, "Host:") }) {
		b.WriteString("Host: localhost:8000\r\n")
	}
	if body != "" {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(body))
	}
	for _, f := range fields {
		b.WriteString(f + "\r\n")
	}
	answer := s.raw(b.String() + "\r\n" + body)
	r := bufio.NewReader(strings.NewReader(answer))
	response, err := http.ReadResponse(r, &http.Request{Method: method})
	if err != nil {
		s.t.Fatalf("%s %s: %v\n%s", method, target, err, answer)
	}
	defer response.Body.Close()
	got, err := io.ReadAll(response.Body)
	if err != nil {
		s.t.Fatalf("%s %s: %v\n%s", method, target, err, answer)
	}
	if rest, _ := io.ReadAll(r); len(rest) > 0 {
		s.t.Fatalf("%s %s: more than one answer: %q", method, target, rest)
	}
	return response, string(got)
}

// params asks for a target that the app answers with what it was sent.
func (s *site) params(target string, fields ...string) map[string]string {
	s.t.Helper()
	response, body := s.get(target, fields...)
	if response.StatusCode != http.StatusOK {
		s.t.Fatalf("%s: %s\n%s", target, response.Status, body)
	}
	return decodeParams(s.t, body)
}

func decodeParams(t *testing.T, body string) map[string]string {
	t.Helper()
	var list []scgi.Header
	if err := json.Unmarshal([]byte(body), &list); err != nil {
		t.Fatalf("%v in %q", err, body)
	}
	got := make(map[string]string)
	for _, h := range list {
		if _, twice := got[h.Name]; twice {
			t.Errorf("%s was sent twice", h.Name)
		}
		got[h.Name] = h.Value
	}
	return got
}

// transcript keeps what the server writes, and wakes who waits for a line.
type transcript struct {
	mu   sync.Mutex
	text bytes.Buffer
	more *sync.Cond
}

func newTranscript() *transcript {
	t := new(transcript)
	t.more = sync.NewCond(&t.mu)
	return t
}

func (t *transcript) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.more.Broadcast()
	return t.text.Write(p)
}

func (t *transcript) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.String()
}

// await waits until the text holds a string this many times.
func (t *transcript) await(tb testing.TB, want string, times int) {
	tb.Helper()
	late := false
	timer := time.AfterFunc(2*time.Minute, func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		late = true
		t.more.Broadcast()
	})
	defer timer.Stop()
	t.mu.Lock()
	defer t.mu.Unlock()
	for strings.Count(t.text.String(), want) < times {
		if late {
			tb.Fatalf("%q did not come %d times:\n%s", want, times, t.text.String())
		}
		t.more.Wait()
	}
}

// pids returns the processes that said theirs.
func (t *transcript) pids() []int {
	var list []int
	for _, m := range regexp.MustCompile(`\| pid ([0-9]+)`).FindAllStringSubmatch(t.String(), -1) {
		pid, _ := strconv.Atoi(m[1])
		list = append(list, pid)
	}
	return list
}
