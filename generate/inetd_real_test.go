package generate_test

import (
	"bytes"
	"context"
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

	"scgikit/internal/fileset"
	"scgikit/internal/need"
	"scgikit/internal/scgi"
	"scgikit/internal/servertest"
)

// buildSCGIRun builds scgi-run where every user can start it.
func buildSCGIRun(t *testing.T, dir string) string {
	t.Helper()
	path := filepath.Join(dir, "scgi-run")
	cmd := exec.CommandContext(t.Context(), need.Program(t, "go"), "build", "-buildvcs=false", "-o", path, "scgikit/cmd/scgi-run")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build scgi-run: %v\n%s", err, out)
	}
	return path
}

// startInetd runs an inetd in the foreground with a configuration of our own,
// until the test ends, and waits until it listens at an address.
func startInetd(t *testing.T, words []string, network, addr string) {
	t.Helper()
	var output bytes.Buffer
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), words[0], words[1:]...)
	cmd.Stdout, cmd.Stderr = &output, &output
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Error(err)
		}
		_ = cmd.Wait() // a signal ended it
		if t.Failed() {
			t.Logf("%s:\n%s", words[0], output.Bytes())
		}
	})
	eventually(t, words[0]+" at "+addr, func() bool {
		conn, err := net.Dial(network, addr)
		if err == nil {
			err = conn.Close()
		}
		return err == nil
	})
}

// askSCGI sends one request, as a web server does that has an app at a mount,
// and returns the whole answer.
func askSCGI(t *testing.T, network, addr, mount, rest, body string) string {
	t.Helper()
	conn, err := net.Dial(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err = conn.SetDeadline(time.Now().Add(2 * time.Minute)); err != nil {
		t.Fatal(err)
	}
	method := "GET"
	if body != "" {
		method = "POST"
	}
	request := scgi.AppendRequest(nil, []scgi.Header{
		{Name: "CONTENT_LENGTH", Value: fmt.Sprint(len(body))},
		{Name: "SCGI", Value: "1"},
		{Name: "REQUEST_METHOD", Value: method},
		{Name: "REQUEST_URI", Value: mount + rest},
		{Name: "SERVER_PROTOCOL", Value: "HTTP/1.1"},
		{Name: "SCRIPT_NAME", Value: mount},
		{Name: "PATH_INFO", Value: rest},
		{Name: "QUERY_STRING", Value: ""},
	})
	if _, err = conn.Write(append(request, body...)); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	return string(answer)
}

// cgiScript says what it is and what it was given, and writes a warning to
// where the answer must not have it.
const cgiScript = `#!/bin/sh
echo "a warning" >&2
printf 'Content-Type: text/plain\r\n\r\n'
echo "uid=$(id -u) gid=$(id -g) dir=$(pwd)"
echo "script=$SCRIPT_NAME info=$PATH_INFO value=$VALUE key=$KEY file=$FROM_FILE"
echo "umask=$(umask) nice=$(nice)" $(ulimit -c; ulimit -n; ulimit -t; ulimit -v)
cat
`

// realInetd is a generated set-up under a real inetd.
type realInetd struct {
	dir, conf, network, addr string
}

// describe returns a folder of scripts for an inetd; more adds to run.
func (r *realInetd) describe(t *testing.T, dialect, listen, more, scgiRun string) string {
	t.Helper()
	username, group := someUser(t)
	return fmt.Sprintf(`apiVersion: scgikit/v1
name: files
type: cgi
run:
  user: %s
  group: %s
  env: {VALUE: v1}
%s
cgi: {directory: %s}
listen: %s
log: {dir: %s}
http: {mount: /files/}
options: {inetd: {dialect: %s, scgi_run: %s, wrapper_dir: %s}}
`, username, group, more, yamlText(filepath.Join(r.dir, "cgi")+"/"), listen, logPlace, dialect, yamlText(scgiRun), yamlText(r.dir))
}

// installInetd puts the files where the line says they are.
func (r *realInetd) install(t *testing.T, set *fileset.Set) {
	t.Helper()
	for _, f := range set.Files() {
		name := strings.TrimPrefix(f.Path, f.Target+"/")
		if f.Kind == fileset.Dir {
			name = strings.TrimPrefix(f.Place, r.dir)
		}
		if err := installFile(filepath.Join(r.dir, name), f); err != nil {
			t.Fatal(err)
		}
	}
	r.conf = filepath.Join(r.dir, "files.conf")
	r.prepare(t)
}

// prepare makes the script, and the folder of its log.
func (r *realInetd) prepare(t *testing.T) {
	t.Helper()
	writeProgram(t, filepath.Join(r.dir, "cgi/env.sh"), cgiScript)
	username, group := someUser(t)
	id := ids(t, username, group)
	if err := os.MkdirAll(filepath.Join(r.dir, "log"), 0o755); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() == 0 {
		if err := os.Chown(filepath.Join(r.dir, "log"), id[0], id[1]); err != nil {
			t.Fatal(err)
		}
	}
}

// check asks for the script and requires the exact answer: its variables, and
// what it finds itself in.
func (r *realInetd) check(t *testing.T, rest, setting string) {
	t.Helper()
	username, group := someUser(t)
	id := ids(t, username, group)
	body := strings.Repeat("0123456789", 30_000)
	answer := askSCGI(t, r.network, r.addr, "/files", "/env.sh/more/path", body)
	head, got, _ := strings.Cut(answer, "\r\n\r\n")
	if !strings.HasPrefix(head, "Status: 200 OK\r\n") || !strings.Contains(head, "Content-Type: text/plain") || strings.Contains(head, "warning") {
		t.Errorf("the head is %q", head)
	}
	want := fmt.Sprintf("uid=%d gid=%d dir=%s\nscript=/files/env.sh info=/more/path %s\n%s\n%s",
		id[0], id[1], filepath.Join(r.dir, "cgi"), rest, setting, body)
	if got != want {
		t.Errorf("the body is\n%.300q, want\n%.300q", got, want)
	}
	log := filepath.Join(r.dir, "log/files.log")
	eventually(t, "the warning in the log", func() bool {
		data, err := os.ReadFile(log)
		return err == nil && bytes.Contains(data, []byte("a warning"))
	})
}

// With moreSetting in run, a program finds itself in fullSetting; core is in
// blocks of 512 bytes and memory in kibibytes.
const moreSetting = `  umask: "0037"
  limits: {nofile: 77, core: 1MiB, cpu_seconds: 99, memory: 2GiB, nproc: 5000}
  nice: 3
`

func fullSetting(t *testing.T) string {
	t.Helper()
	return fmt.Sprintf("umask=0037 nice=%d 2048 77 99 2097152", ownNiceness(t)+3)
}

// plainSetting is what a program finds itself in by default: what the
// description says by default, and the rest from inetd.
func plainSetting(t *testing.T) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "sh", "-c", "echo $(ulimit -t; ulimit -v)").Output()
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("umask=0027 nice=%d 0 %d %s", ownNiceness(t), openFiles(t), strings.TrimSpace(string(out)))
}

// ownNiceness is that of programs that the tests start.
func ownNiceness(t *testing.T) int {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "nice").Output()
	n := 0
	if err == nil {
		_, err = fmt.Sscan(string(out), &n)
	}
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// ownUmask is the umask that the tests' own programs start with.
func ownUmask(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("sh", "-c", "umask").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// openFiles is the limit that the tests' own programs start with.
func openFiles(t *testing.T) int {
	t.Helper()
	out, err := exec.Command("sh", "-c", "ulimit -n").Output()
	n := 0
	if err == nil {
		_, err = fmt.Sscan(string(out), &n)
	}
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// hardOpenFiles is the limit up to which they may raise it.
func hardOpenFiles(t *testing.T) int {
	t.Helper()
	out, err := exec.Command("sh", "-c", "ulimit -Hn").Output()
	n := 0
	if err == nil {
		_, err = fmt.Sscan(string(out), &n)
	}
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// settings are descriptions' further lines in run, and what comes of them.
func settings(t *testing.T) map[string][2]string {
	t.Helper()
	return map[string][2]string{"plain": {"", plainSetting(t)}, "full": {moreSetting, fullSetting(t)}}
}

// line makes the set-up whose line starts scgi-run itself.
func (r *realInetd) line(t *testing.T, dialect, more, scgiRun string) {
	t.Helper()
	set := mustRender(t, "inetd", load(t, r.describe(t, dialect, fmt.Sprintf("{tcp: %q}", r.addr), more, scgiRun)))
	if _, ok := set.Get("inetd/files"); ok {
		t.Error("there is a script, and nothing needs one")
	}
	r.install(t, moveLogs(t, set, filepath.Join(r.dir, "log")))
}

// TestOpenBSDInetdPort starts scgi-run straight from the line.
func TestOpenBSDInetdPort(t *testing.T) {
	t.Parallel()
	inetd := need.Program(t, "inetd")
	scgiRun := buildSCGIRun(t, publicDir(t))
	for name, setting := range settings(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := &realInetd{dir: publicDir(t), network: "tcp", addr: fmt.Sprintf("127.0.0.1:%d", servertest.Ports(t, 1))}
			r.line(t, "openbsd", setting[0], scgiRun)
			startInetd(t, []string{inetd, "-d", r.conf}, r.network, r.addr)
			r.check(t, "value=v1 key= file=", setting[1])
		})
	}
}

// TestOpenBSDInetdSocket goes through a script, with everything that a line
// can not carry, and a socket that its folder guards.
func TestOpenBSDInetdSocket(t *testing.T) {
	t.Parallel()
	inetd := need.Program(t, "inetd")
	r := &realInetd{dir: publicDir(t), network: "unix"}
	r.addr = filepath.Join(r.dir, "run/socket")
	secret, envFile := filepath.Join(r.dir, "key"), filepath.Join(r.dir, "env")
	writeFile(t, secret, "s 3\n")
	writeFile(t, envFile, "FROM_FILE=f 4\n")
	_, group := someUser(t)
	more := moreSetting + fmt.Sprintf("  env_file: %s\n  secrets: {KEY: {file: %s}}", envFile, secret)
	set := mustRender(t, "inetd", load(t, r.describe(t, "openbsd", fmt.Sprintf("{unix: %q, group: %s}", r.addr, group), more, buildSCGIRun(t, r.dir))))
	r.install(t, moveLogs(t, set, filepath.Join(r.dir, "log")))
	startInetd(t, []string{inetd, "-d", r.conf}, r.network, r.addr)
	r.check(t, "value=v1 key=s 3 file=f 4", fullSetting(t))
	socket, err := os.Stat(r.addr)
	if err != nil || socket.Mode().Perm() != 0o666 {
		t.Errorf("the socket has mode %v (%v); 0666 is what the folder is for", socket.Mode(), err)
	}
	if folder, err := os.Stat(filepath.Dir(r.addr)); err != nil || folder.Mode().Perm() != 0o750 {
		t.Errorf("the folder has mode %v (%v)", folder.Mode(), err)
	}
}

// TestOpenBSDInetdWSGI calls a Python callable, once for each request.
func TestOpenBSDInetdWSGI(t *testing.T) {
	t.Parallel()
	inetd := need.Program(t, "inetd")
	const python = "/usr/bin/python3" // one that every user may run, unlike those in a home
	if _, err := os.Stat(python); err != nil {
		need.Missing(t, "python3")
	}
	r := &realInetd{dir: publicDir(t), network: "tcp", addr: fmt.Sprintf("127.0.0.1:%d", servertest.Ports(t, 1))}
	username, group := someUser(t)
	app := filepath.Join(r.dir, "app")
	writeFile(t, filepath.Join(app, "hello.py"), `import os
import resource

def application(environ, start_response):
    print("to the log")
    start_response("201 Created", [("Content-Type", "text/plain")])
    body = environ["wsgi.input"].read()
    facts = [os.getuid(), os.getcwd(), environ["SCRIPT_NAME"], environ["PATH_INFO"], os.environ["VALUE"], len(body)]
    facts += ["%04o" % os.umask(0), os.nice(0), *resource.getrlimit(resource.RLIMIT_CORE), *resource.getrlimit(resource.RLIMIT_NOFILE)]
    return [" ".join(map(str, facts)).encode()]
`)
	set := mustRender(t, "inetd", load(t, fmt.Sprintf(`apiVersion: scgikit/v1
name: files
type: wsgi
run: {user: %s, group: %s, directory: %s, env: {VALUE: "a-b"}, umask: "0037", nice: 3, limits: {nofile: 77}}
wsgi: {module: "hello:application", python: %s}
listen: {tcp: %q}
log: {dir: %s}
http: {mount: /hello}
options: {inetd: {dialect: openbsd, scgi_run: %s, wrapper_dir: %s}}
`, username, group, yamlText(app), yamlText(python), r.addr, logPlace, yamlText(buildSCGIRun(t, r.dir)), yamlText(r.dir))))
	if _, ok := set.Get("inetd/files"); ok {
		t.Error("there is a script, and nothing needs one")
	}
	r.install(t, moveLogs(t, set, filepath.Join(r.dir, "log")))
	startInetd(t, []string{inetd, "-d", r.conf}, r.network, r.addr)
	answer := askSCGI(t, r.network, r.addr, "/hello", "/x/y", strings.Repeat("0123456789", 30_000))
	want := fmt.Sprintf("%d %s /hello /x/y a-b 300000 0037 %d 0 0 77 77", ids(t, username, group)[0], app, ownNiceness(t)+3)
	if head, body, _ := strings.Cut(answer, "\r\n\r\n"); !strings.HasPrefix(head, "Status: 201 Created\r\n") || body != want {
		t.Errorf("the answer is %q, want %q", answer, want)
	}
	eventually(t, "the line in the log", func() bool {
		data, err := os.ReadFile(filepath.Join(r.dir, "log/files.log"))
		return err == nil && bytes.Contains(data, []byte("to the log"))
	})
}

// TestInetutilsInetd runs a generated set-up under GNU inetutils, straight from
// the line.
func TestInetutilsInetd(t *testing.T) {
	t.Parallel()
	inetd := need.Program(t, "inetutils-inetd")
	scgiRun := buildSCGIRun(t, publicDir(t))
	for name, setting := range settings(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := &realInetd{dir: publicDir(t), network: "tcp", addr: fmt.Sprintf("127.0.0.1:%d", servertest.Ports(t, 1))}
			r.line(t, "inetutils", setting[0], scgiRun)
			startInetd(t, []string{inetd, "-d", "-p" + filepath.Join(r.dir, "pid"), r.conf}, r.network, r.addr)
			r.check(t, "value=v1 key= file=", setting[1])
		})
	}
}
