package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"scgikit/internal/need"
)

// devProject is a folder of CGI scripts, a program that listens, and what both
// are told: a variable, a file of variables and a secret.
func devProject(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	files := map[string]string{
		"apps/cgi.yaml": `apiVersion: scgikit/v1
name: cgi
type: cgi
run:
  user: www
  umask: "0037"
  limits: {nofile: 88, cpu_seconds: 900}
  env: {GREETING: "a b'c"}
  env_file: ${vars.dir}/env
  secrets: {KEY: {file: "${vars.dir}/key"}}
cgi: {directory: "${vars.dir}/cgi-bin/"}
listen: {unix: /run/cgi.sock}
http:
  mount: /cgi/
  static: [{url: /cgi/static/, dir: "${vars.dir}/static/"}]
vars: {dir: /srv/cgi}
`,
		"apps/echo.yaml": `apiVersion: scgikit/v1
name: echo
type: server
run:
  user: www
  command: [./echo, "${vars.socket}"]
  directory: ${vars.dir}
  stop_timeout: 1h
listen: {unix: "${vars.socket}"}
http: {mount: /echo}
vars: {dir: /srv/echo, socket: /run/echo.sock}
`,
		"env":              "FROM_FILE=x y\n",
		"key":              "s3cret\n",
		"static/x.txt":     "static",
		"cgi-bin/hello.sh": "#!/bin/sh\necho 'to the log' >&2\nprintf 'Content-Type: text/plain\\n\\n'\numask\necho limits $(ulimit -n; ulimit -t; ulimit -c)\nenv | sort\n",
		"cgi-bin/pid.sh":   "#!/bin/sh\necho \"pid $$\" >&2\nprintf 'Content-Type: text/plain\\n\\n'\nexec sleep 1000\n",
		"cgi-bin/post.sh":  "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n%s:' \"$CONTENT_LENGTH\"\ncat\n",
		"echo": `#!/usr/bin/env python3
import os, signal, socket, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN if "IGNORE_TERM" in os.environ else signal.SIG_DFL)
print("pid", os.getpid(), file=sys.stderr, flush=True)
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen()
while True:
    connection, _ = listener.accept()
    data = connection.recv(65536)
    connection.sendall(b"Status: 200 OK\r\nContent-Type: text/plain\r\n\r\n" + data)
    connection.close()
`,
	}
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		mode := os.FileMode(0o600)
		if strings.HasPrefix(text, "#!") {
			mode = 0o700
		}
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// devRun is "scgikit dev" while it runs.
type devRun struct {
	t      *testing.T
	cmd    *exec.Cmd
	url    string
	ended  chan struct{}
	mu     sync.Mutex
	stderr strings.Builder
	more   *sync.Cond
}

// startDev starts the built program on a project.
func startDev(t *testing.T, program, dir string, environ ...string) *devRun {
	t.Helper()
	cmd := exec.Command(program, "-C", dir, "dev", "--log-dir", "logs", "--set", "vars.dir="+dir, "apps")
	cmd.Env = append(os.Environ(), environ...)
	return runDev(t, cmd)
}

// runDev starts a command of dev, on a free port.
func runDev(t *testing.T, cmd *exec.Cmd) *devRun {
	t.Helper()
	cmd.Args = append(cmd.Args, "--addr", "127.0.0.1:0", "-o", "json")
	if os.Getuid() == 0 {
		cmd.Args = append(cmd.Args, "--allow-root")
	}
	d := &devRun{t: t, cmd: cmd, ended: make(chan struct{})}
	d.more = sync.NewCond(&d.mu)
	d.cmd.Stderr = d
	stdout, err := d.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = d.cmd.Process.Kill() // it has ended, unless the test failed
		<-d.ended
		if t.Failed() {
			t.Logf("dev:\n%s", d.text())
		}
	})
	var result devResult
	err = json.NewDecoder(stdout).Decode(&result)
	go func() {
		defer close(d.ended)
		_, _ = io.Copy(io.Discard, stdout)
		_ = d.cmd.Wait() // the exit code is asked for where it matters
	}()
	if err != nil {
		t.Fatalf("no address: %v", err)
	}
	d.url = "http://" + result.Address
	return d
}

// Write takes what dev says.
func (d *devRun) Write(p []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.more.Broadcast()
	return d.stderr.Write(p)
}

func (d *devRun) text() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.stderr.String()
}

// await waits until dev has said something this many times.
func (d *devRun) await(want string, times int) {
	d.t.Helper()
	late := false
	timer := time.AfterFunc(2*time.Minute, func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		late = true
		d.more.Broadcast()
	})
	defer timer.Stop()
	d.mu.Lock()
	defer d.mu.Unlock()
	for strings.Count(d.stderr.String(), want) < times {
		if late {
			d.t.Fatalf("dev does not say %q", want)
		}
		d.more.Wait()
	}
}

func (d *devRun) get(path string) string {
	d.t.Helper()
	response, err := http.Get(d.url + path)
	if err != nil {
		d.t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		d.t.Fatal(err)
	}
	return response.Status + "\n" + string(body)
}

// posts has the project's script answer to a body that no pipe holds.
func (d *devRun) posts() {
	d.t.Helper()
	posted, err := http.Post(d.url+"/cgi/post.sh", "text/plain", strings.NewReader(strings.Repeat("x", 300000)))
	if err != nil {
		d.t.Fatal(err)
	}
	defer posted.Body.Close()
	if body, err := io.ReadAll(posted.Body); err != nil || string(body) != "300000:"+strings.Repeat("x", 300000) {
		d.t.Errorf("POST: %.40q of %d bytes, %v", body, len(body), err)
	}
}

// gone waits until every process that said its number has ended.
func (d *devRun) gone() {
	d.t.Helper()
	for _, m := range regexp.MustCompile(` pid ([0-9]+)\n`).FindAllStringSubmatch(d.text(), -1) {
		pid, _ := strconv.Atoi(m[1])
		for deadline := time.Now().Add(2 * time.Minute); running(pid); runtime.Gosched() {
			if time.Now().After(deadline) {
				d.t.Fatalf("process %d still runs", pid)
			}
		}
	}
}

// running reports whether a process is there and not merely unreaped.
func running(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if errors.Is(err, os.ErrNotExist) {
		return runtime.GOOS != "linux"
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(rest, "Z")
}

func (d *devRun) exitCode() int {
	d.t.Helper()
	<-d.ended
	return d.cmd.ProcessState.ExitCode()
}

// TestDev runs the real programs: scgikit dev, scgi-run, sh and Python.
func TestDev(t *testing.T) {
	bin := t.TempDir()
	build := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-o", bin+"/", "scgikit/cmd/scgikit", "scgikit/cmd/scgi-run")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	program := filepath.Join(bin, "scgikit")
	need.Program(t, "python3")
	tests := map[string]func(*testing.T, string){
		"requests":  testDevRequests,
		"interrupt": testDevInterrupt,
		"twice":     testDevTwice,
		"taken":     testDevTaken,
		"bare":      testDevOnABareMachine,
		"edit":      testDevEdit,
		"open":      testDevOpen,
		"fronts":    testDevFronts,
		"request":   testRequestBridge,
		"residents": testDevResidents,

		"front-residents": testDevFrontResidents,
	}
	if runtime.GOOS == "linux" {
		// Only Linux has a signal for the death of the parent.
		tests["killed"] = testDevKilled
		tests["front-killed"] = testDevFrontKilled
		tests["residents-killed"] = testDevKilledResidents
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) { test(t, program) })
	}
}

func testDevRequests(t *testing.T, program string) {
	dir := devProject(t)
	d := startDev(t, program, withSocket(t, dir))
	request, err := http.NewRequestWithContext(t.Context(), "GET", d.url+"/cgi/hello.sh/a%20b?q=1", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Proxy", "http://evil.example")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	lines := make(map[string]bool)
	for scanner := bufio.NewScanner(response.Body); scanner.Scan(); {
		lines[scanner.Text()] = true
		if strings.HasPrefix(scanner.Text(), "HTTP_PROXY") {
			t.Error(scanner.Text())
		}
	}
	for _, want := range []string{
		"0037", "limits 88 900 0", "GREETING=a b'c", "FROM_FILE=x y", "KEY=s3cret", "GATEWAY_INTERFACE=CGI/1.1", "QUERY_STRING=q=1",
		"SCRIPT_NAME=/cgi/hello.sh", "PATH_INFO=/a b", "REQUEST_URI=/cgi/hello.sh/a%20b?q=1", "HTTP_HOST=" + strings.TrimPrefix(d.url, "http://"),
	} {
		if !lines[want] {
			t.Errorf("the script does not see %q", want)
		}
	}
	d.await("]: to the log", 1)
	d.posts()
	for path, want := range map[string]string{
		"/cgi/static/x.txt":      "200 OK\nstatic",
		"/cgi/none.sh":           "404 Not Found\n",
		"/cgi/..%2fkey":          "404 Not Found\n", // no app has /key
		"/cgi/static/..%2f..%2f": "404 Not Found\n",
		"/echo/x":                "REQUEST_URI\x00/echo/x\x00",
		"/elsewhere":             "no app is mounted at /elsewhere",
	} {
		if got := d.get(path); !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
	text, err := os.ReadFile(filepath.Join(dir, "logs", "cgi.log"))
	if err != nil || !strings.Contains(string(text), "]: to the log\n") {
		t.Errorf("log file: %q, %v", text, err)
	}
	if strings.Contains(d.text(), "s3cret") {
		t.Error("the secret is on stderr")
	}
	_ = d.cmd.Process.Signal(os.Interrupt)
	if code := d.exitCode(); code != 0 {
		t.Errorf("exit %d after Control-C", code)
	}
	d.gone()
}

// withSocket puts the path of this test's socket in the description: --set
// would reach the app that has no such variable, too.
func withSocket(t *testing.T, dir string) string {
	t.Helper()
	path := filepath.Join(dir, "apps", "echo.yaml")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(t.TempDir(), "s")
	if err := os.WriteFile(path, []byte(strings.Replace(string(text), "/run/echo.sock", socket, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// Control-C while requests are being served leaves no process.
func testDevInterrupt(t *testing.T, program string) {
	d := startDev(t, program, withSocket(t, devProject(t)))
	d.await("| * ready on", 1)
	client := make(chan struct{})
	go func() {
		defer close(client)
		// The answer does not matter: dev ends under it.
		if response, err := http.Get(d.url + "/cgi/pid.sh"); err == nil {
			_ = response.Body.Close()
		}
	}()
	d.await("pid.sh[", 1)
	_ = d.cmd.Process.Signal(os.Interrupt)
	if code := d.exitCode(); code != 0 {
		t.Errorf("exit %d", code)
	}
	<-client
	d.gone()
}

// A program that does not listen to SIGTERM ends with the second Control-C.
func testDevTwice(t *testing.T, program string) {
	d := startDev(t, program, withSocket(t, devProject(t)), "IGNORE_TERM=1")
	d.await("| * ready on", 1)
	_ = d.cmd.Process.Signal(os.Interrupt)
	d.await("Control-C again kills what is left", 1)
	_ = d.cmd.Process.Signal(os.Interrupt)
	if code := d.exitCode(); code != 0 {
		t.Errorf("exit %d", code)
	}
	d.gone()
}

// Even where dev is killed, the kernel ends what it started.
func testDevKilled(t *testing.T, program string) {
	d := startDev(t, program, withSocket(t, devProject(t)), "TMPDIR="+tempFolder(t))
	d.await("| * ready on", 1)
	client := make(chan struct{})
	go func() {
		defer close(client)
		if response, err := http.Get(d.url + "/cgi/pid.sh"); err == nil {
			_ = response.Body.Close()
		}
	}()
	d.await("pid.sh[", 1)
	_ = d.cmd.Process.Kill()
	<-d.ended
	<-client
	d.gone()
}

// A port that is taken is an error at once, and nothing is started.
func testDevTaken(t *testing.T, program string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	dir := withSocket(t, devProject(t))
	cmd := exec.CommandContext(t.Context(), program, "-C", dir, "dev", "--addr", l.Addr().String(), "--set", "vars.dir="+dir, "--log-dir", "logs", "--allow-root")
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState.ExitCode() != 1 || !strings.Contains(string(out), l.Addr().String()+" is in use") || !strings.Contains(string(out), "hint: stop what listens there") {
		t.Errorf("%v\n%s", err, out)
	}
	if _, err := os.Stat(filepath.Join(dir, "logs")); err == nil {
		t.Error("logs were opened")
	}
}

func TestDevUsage(t *testing.T) {
	dir := withSocket(t, devProject(t))
	t.Setenv("HOME", filepath.Join(dir, "home"))
	t.Setenv("XDG_STATE_HOME", "")
	root := os.Getuid() == 0
	for want, row := range map[string]struct {
		code exitCode
		args []string
	}{
		"is not host:port":                   {exitUsage, []string{"--allow-root", "--addr", "8000"}},
		"can be reached from other machines": {exitUsage, []string{"--allow-root", "--addr", "0.0.0.0:0"}},
		"speaks ajp":                         {exitFailed, []string{"--allow-root", "--scgi-run", "/bin/true", "--set", "protocol=ajp", "apps/echo.yaml"}},
		"speaks SCGI and FastCGI":            {exitFailed, []string{"--allow-root", "--scgi-run", "/bin/true", "--set", "protocol=http", "apps/cgi.yaml"}},
		"no-such.yaml: no such file":         {exitFailed, []string{"--allow-root", "no-such.yaml"}},
		"does not run apps as root":          {exitRefused, nil},
		"--server caddy: dev runs no such":   {exitUsage, []string{"--allow-root", "--server", "caddy"}},
	} {
		if row.args == nil && !root {
			continue
		}
		code, stdout, stderr := runOnce(t, append([]string{"-C", dir, "dev", "--set", "vars.dir=" + dir}, row.args...)...)
		if code != row.code || stdout != "" || !strings.Contains(stderr, want) {
			t.Errorf("%v: exit %d, %q, %q, want %d, %q", row.args, code, stdout, stderr, row.code, want)
		}
	}
}
