package main

import (
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"scgikit/internal/need"
)

// bothForms are the forms of bridge: a process for a connection, and one that
// keeps running.
func bothForms(t *testing.T, test func(t *testing.T, resident bool)) {
	t.Helper()
	for name, resident := range map[string]bool{"per request": false, "resident": true} {
		t.Run(name, func(t *testing.T) { test(t, resident) })
	}
}

// codeOf is the exit code of a form whose code for the request is that.
func codeOf(code int, resident bool) int {
	if resident {
		return 0
	}
	return code
}

// beginResident is begin for call.resident.
func (c call) beginResident(t *testing.T) *conversation {
	t.Helper()
	server := startProgram(t, c, c.args[0], c.args[1:]...)
	// Once it has closed a connection that says nothing, it serves.
	probe := server.connect(t)
	probe.CloseWrite()
	io.Copy(io.Discard, probe)
	probe.Close()
	syscall.ForkLock.RLock()
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	unix.CloseOnExec(fd)
	syscall.ForkLock.RUnlock()
	if err == nil {
		err = unix.Connect(fd, &unix.SockaddrUnix{Name: server.path})
	}
	if err == nil {
		err = unix.SetNonblock(fd, true)
	}
	if err != nil {
		t.Fatal(err)
	}
	near := os.NewFile(uintptr(fd), "client")
	t.Cleanup(func() { near.Close() })
	near.SetDeadline(time.Now().Add(patience))
	return &conversation{t: t, conn: near, cmd: server.cmd, log: server.log, resident: true, fastcgi: c.fastcgi}
}

// residentServer is a running bridge that listens.
type residentServer struct {
	cmd  *exec.Cmd
	path string // of its socket
	log  *os.File
}

// startResident starts a bridge on a listening socket that it gets as its
// standard input. What is in c beside the arguments counts.
func startResident(t *testing.T, c call, args ...string) *residentServer {
	t.Helper()
	return startProgram(t, c, "bridge", args...)
}

// startProgram is startResident for any program of scgi-run.
func startProgram(t *testing.T, c call, program string, args ...string) *residentServer {
	t.Helper()
	dir, err := os.MkdirTemp("", "scgi") //nolint:usetesting // the path of a socket has to be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	s := &residentServer{path: filepath.Join(dir, "s")}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: s.path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	socket, err := l.File()
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	defer socket.Close()
	if s.log, err = os.Create(filepath.Join(t.TempDir(), "log")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.log.Close() })
	words := c.command
	if words == nil {
		words = []string{scgiRun(t)}
		if program == "bridge" { // wsgi is Python from its first moments
			words = []string{raceRun(t)}
		}
	}
	words = slices.Concat(words, []string{program, "--listen=fd:0"}, args)
	s.cmd = exec.CommandContext(t.Context(), words[0], words[1:]...)
	s.cmd.Stdin, s.cmd.Stdout, s.cmd.Stderr, s.cmd.ExtraFiles = socket, s.log, s.log, c.files
	s.cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "TMPDIR=" + t.TempDir(), noRaceSleep}, c.env...)
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *residentServer) connect(t *testing.T) *net.UnixConn {
	t.Helper()
	conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: s.path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(patience))
	return conn
}

// ask sends one request and returns the answer.
func (s *residentServer) ask(t *testing.T, c call) string {
	t.Helper()
	raw, err := s.tryAsk(t, c)
	if err != nil {
		t.Errorf("the answer does not end: %v, after %.200q", err, raw)
	}
	return raw
}

// tryAsk is ask for answers that need not end well.
func (s *residentServer) tryAsk(t *testing.T, c call) (string, error) {
	t.Helper()
	conn := s.connect(t)
	defer conn.Close()
	go io.WriteString(conn, c.request())
	raw, err := io.ReadAll(conn)
	return string(raw), err
}

// stop ends it as a supervisor does, and returns its log.
func (s *residentServer) stop(t *testing.T) string {
	t.Helper()
	s.cmd.Process.Signal(syscall.SIGTERM)
	if err := s.cmd.Wait(); err != nil {
		t.Errorf("the end: %v", err)
	}
	text, err := os.ReadFile(s.log.Name())
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// count returns how many entries a folder of /proc has for the process.
func (s *residentServer) count(t *testing.T, what string) int {
	t.Helper()
	if !hasProc() {
		need.Missing(t, "proc")
	}
	list, err := os.ReadDir("/proc/" + strconv.Itoa(s.cmd.Process.Pid) + "/" + what)
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

// sockets returns how many of its descriptors are sockets.
func (s *residentServer) sockets(t *testing.T) (n int) {
	t.Helper()
	if !hasProc() {
		need.Missing(t, "proc")
	}
	links, err := filepath.Glob("/proc/" + strconv.Itoa(s.cmd.Process.Pid) + "/fd/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, link := range links {
		if target, err := os.Readlink(link); err == nil && strings.HasPrefix(target, "socket:") {
			n++
		}
	}
	return n
}

func (s *residentServer) memory(t *testing.T) (kib int) {
	t.Helper()
	text, err := os.ReadFile("/proc/" + strconv.Itoa(s.cmd.Process.Pid) + "/status")
	if err != nil {
		t.Fatal(err)
	}
	_, after, found := strings.Cut(string(text), "\nVmRSS:")
	if !found {
		log, _ := os.ReadFile(s.log.Name())
		t.Fatalf("it has ended: %s\n%s", text, log)
	}
	kib, err = strconv.Atoi(strings.Fields(after)[0])
	if err != nil {
		t.Fatal(err)
	}
	return kib
}

const helloScript = "#!/bin/sh\necho Content-Type: text/plain; echo; echo hello\n"

const helloAnswer = "Status: 200 OK\r\nContent-Type: text/plain\r\n\r\nhello\n"

// 64 clients at a time, over and over: no error, and nothing left open.
func TestManyClients(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{"hello": helloScript})
	s := startResident(t, call{}, "--mount=/", "--max=8", dir)
	c := call{headers: []header{{"SCRIPT_NAME", "/hello"}}}
	s.ask(t, c)
	before := s.count(t, "fd")
	var clients sync.WaitGroup
	for range 64 {
		clients.Go(func() {
			for range 16 {
				if got := s.ask(t, c); got != helloAnswer {
					t.Errorf("answer %q", got)
				}
			}
		})
	}
	clients.Wait()
	eventually(t, "descriptors are closed", func() bool { return s.count(t, "fd") <= before })
	if log := s.stop(t); log != "" {
		t.Errorf("log %q", log)
	}
}

// The folder of scripts is looked at anew for each request, although it stays open.
func TestFolderChanges(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{"hello": helloScript})
	path := strings.TrimSuffix(dir, "/")
	s := startResident(t, call{}, "--mount=/", dir)
	expect := func(want string) {
		t.Helper()
		if got := s.ask(t, call{headers: []header{{"SCRIPT_NAME", "/hello"}}}); !strings.HasPrefix(got, want) {
			t.Errorf("answer %q, want %q", got, want)
		}
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	expect(helloAnswer)
	must(os.Chmod(path, 0o777))
	expect("Status: 403")
	must(os.Chmod(path, 0o755))
	expect(helloAnswer)
	must(os.Rename(path, path+".old"))
	expect("Status: 500")
	must(os.Symlink(path+".old", path))
	expect(helloAnswer)
	must(os.Mkdir(path+".new", 0o755))
	write(t, path+".new/hello", strings.Replace(helloScript, "hello", "new one", 1), 0o755)
	must(os.Symlink(path+".new", path+".link"))
	must(os.Rename(path+".link", path))
	expect("Status: 200 OK\r\nContent-Type: text/plain\r\n\r\nnew one\n")
	must(os.Remove(path + ".new/hello"))
	expect("Status: 404")
	must(os.Symlink(path+".old/hello", path+".new/hello"))
	expect("Status: 403")
	for _, name := range []string{".new", ".old"} {
		must(os.RemoveAll(path + name))
	}
	expect("Status: 500")
	s.stop(t)
}

// More requests than may wait get an answer at once, and that says when to come
// again.
func TestQueueFull(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{"script": "#!/bin/sh\nwhile ! test -e go-on; do sleep 0.01; done\necho A: b; echo; echo hello\n"})
	s := startResident(t, call{}, "--mount=/", "--max=2", "--queue=3", dir)
	c := call{headers: []header{{"SCRIPT_NAME", "/script"}}}
	answers := make(chan string)
	for range 6 {
		go func() { answers <- s.ask(t, c) }()
	}
	if got := <-answers; !strings.HasPrefix(got, "Status: 503 Service Unavailable\r\n") || !strings.Contains(got, "\r\nRetry-After: 1\r\n") {
		t.Errorf("answer %q", got)
	}
	write(t, dir+"go-on", "", 0o644)
	for range 5 {
		if got := <-answers; !strings.HasSuffix(got, "hello\n") {
			t.Errorf("answer %q", got)
		}
	}
	if log := s.stop(t); !strings.Contains(log, "2 scripts run and 3 requests wait already (answered 503)") {
		t.Errorf("log %q", log)
	}
}

// What runs when the end is asked for goes on, and what only is connected does
// not.
func TestResidentEnds(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{"script": "#!/bin/sh\ntouch started\nwhile ! test -e go-on; do sleep 0.01; done\necho A: b; echo; echo hello\n"})
	s := startResident(t, call{}, "--mount=/", dir)
	idle := s.connect(t)
	answer := make(chan string)
	go func() { answer <- s.ask(t, call{headers: []header{{"SCRIPT_NAME", "/script"}}}) }()
	waitForFile(dir + "started")
	s.cmd.Process.Signal(syscall.SIGTERM)
	if _, err := io.ReadAll(idle); err != nil {
		t.Errorf("idle connection: %v", err)
	}
	write(t, dir+"go-on", "", 0o644)
	if got := <-answer; !strings.HasSuffix(got, "hello\n") {
		t.Errorf("answer %q", got)
	}
	if err := s.cmd.Wait(); err != nil {
		t.Error(err)
	}
}

// A script that does not end in time is ended, and so is the bridge.
func TestStopLimit(t *testing.T) {
	t.Parallel()
	for name, script := range map[string]string{
		"silent":   child(t, "silent"),
		"answered": "#!/bin/sh\necho A: b; echo; exec >&-; echo $$ >pid.new; mv pid.new pid; exec sleep 1000\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := folder(t, map[string]string{"script": script})
			s := startResident(t, call{}, "--mount=/", "--stop-limit=50ms", dir)
			go s.ask(t, call{headers: []header{{"SCRIPT_NAME", "/script"}}})
			pid := readPid(t, dir+"pid")
			if log := s.stop(t); !strings.Contains(log, "the bridge ends") {
				t.Errorf("log %q", log)
			}
			if alive(pid) {
				t.Error("the script runs on")
			}
		})
	}
}

// Scripts do not outlive a bridge that is killed.
func TestResidentKilled(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{"script": child(t, "silent")})
	s := startResident(t, call{}, "--mount=/", dir)
	go io.WriteString(s.connect(t), call{headers: []header{{"SCRIPT_NAME", "/script"}}}.request())
	pid := readPid(t, dir+"pid")
	s.cmd.Process.Kill()
	s.cmd.Wait()
	eventually(t, "the script has ended", func() bool { return !alive(pid) })
}

// Running scripts take no threads.
func TestThreads(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{"script": "#!/bin/sh\ntouch started.$$\nwhile ! test -e go-on; do sleep 0.1; done\necho A: b; echo; echo hello\n"})
	s := startResident(t, call{}, "--mount=/", "--max=100", dir)
	var clients sync.WaitGroup
	for range 100 {
		clients.Go(func() {
			if got := s.ask(t, call{headers: []header{{"SCRIPT_NAME", "/script"}}}); !strings.HasSuffix(got, "hello\n") {
				t.Errorf("answer %q", got)
			}
		})
	}
	eventually(t, "all scripts run", func() bool {
		started, _ := filepath.Glob(dir + "started.*")
		return len(started) == 100
	})
	// Ten or so, and more where a busy machine makes the run-time start more.
	if n := s.count(t, "task"); n > 50 {
		t.Errorf("%d threads with 100 scripts", n)
	} else {
		t.Logf("%d threads with 100 scripts", n)
	}
	write(t, dir+"go-on", "", 0o644)
	clients.Wait()
	s.stop(t)
}

// Connections that say nothing take little memory.
func TestIdleConnections(t *testing.T) {
	s := startResident(t, call{}, "--mount=/", "--max=8", "/nowhere/")
	s.ask(t, call{headers: []header{{"SCRIPT_NAME", "/x"}}})
	threads, first := s.count(t, "task"), s.memory(t)
	for range 1000 {
		io.WriteString(s.connect(t), "24:")
	}
	eventually(t, "all connections are taken", func() bool { return s.count(t, "fd") > 1000 })
	t.Logf("%d KiB with none, %d KiB with 1000 connections; %d threads, then %d", first, s.memory(t), threads, s.count(t, "task"))
	s.stop(t)
}

// An answer ends although the log takes nothing.
func TestLogThatIsFull(t *testing.T) {
	for name, script := range map[string]string{
		"status": "exit 3",
		"stderr": "printf 'no end of a line' >&2",
	} {
		t.Run(name, func(t *testing.T) {
			out, log, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer out.Close()
			log.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
			if _, err := log.Write(make([]byte, 4<<20)); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Fatalf("a pipe that takes all of it, or %v", err)
			}
			c := call{command: []string{"/bin/sh", "-c", `exec "$@" 2>&3`, "sh", raceRun(t)}, files: []*os.File{log}}
			// What it leaves behind has the output open until the script has ended.
			s := startResident(t, c, "--mount=/", folder(t, map[string]string{
				"script": "#!/bin/sh\necho Content-Type: text/plain; echo; echo all\nsleep 1 2>/dev/null &\n" + script + "\n",
			}))
			log.Close()
			if raw := s.ask(t, call{headers: []header{{"SCRIPT_NAME", "/script"}}}); !strings.HasSuffix(raw, "all\n") {
				t.Errorf("answer %q", raw)
			}
			go io.Copy(io.Discard, out)
			s.stop(t)
		})
	}
}

// A socket with its mode, in the place of one that nobody listens at; a file, and
// a socket of somebody else, stay.
func TestUnixSocket(t *testing.T) {
	dir, err := os.MkdirTemp("", "scgi") //nolint:usetesting // the path of a socket has to be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := filepath.Join(dir, "s")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	scripts := folder(t, map[string]string{"hello": helloScript})
	refused := func(want string, args ...string) {
		t.Helper()
		out, err := exec.CommandContext(t.Context(), scgiRun(t), append([]string{"bridge", "--mount=/"}, args...)...).CombinedOutput()
		if err == nil || !strings.Contains(string(out), want) {
			t.Errorf("%v: %q, %v", args, out, err)
		}
	}
	refused("somebody listens there already", "--listen=unix:"+path, scripts)
	l.Close() // the socket stays
	own := strconv.Itoa(os.Getuid()) + ":" + strconv.Itoa(os.Getgid())
	cmd := exec.CommandContext(t.Context(), scgiRun(t), "bridge", "--listen=unix:"+path, "--socket-mode=0640", "--socket-owner="+own, "--mount=/", scripts)
	cmd.Env = append(os.Environ(), noRaceSleep)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s := &residentServer{cmd: cmd, path: path}
	eventually(t, "it listens", func() bool {
		conn, err := net.Dial("unix", path)
		if err != nil {
			return false
		}
		conn.Close()
		return true
	})
	if got := s.ask(t, call{headers: []header{{"SCRIPT_NAME", "/hello"}}}); got != helloAnswer {
		t.Errorf("answer %q", got)
	}
	if info, err := os.Lstat(path); err != nil || info.Mode() != os.ModeSocket|0o640 {
		t.Errorf("socket: %v, %v", info.Mode(), err)
	}
	refused("somebody listens there already", "--listen=unix:"+path, scripts)
	cmd.Process.Signal(syscall.SIGTERM)
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	if list, _ := os.ReadDir(dir); len(list) != 0 {
		t.Errorf("left behind: %v", list)
	}
	write(t, path, "a file", 0o644)
	refused("not a socket", "--listen=unix:"+path, scripts)
	long := filepath.Join(dir, strings.Repeat("x", 120))
	if err := os.Mkdir(long, 0o755); err != nil {
		t.Fatal(err)
	}
	refused("longer than the system takes", "--listen=unix:"+long+"/s", scripts)
	refused("other machines can reach it", "--listen=0.0.0.0:0", scripts)
	refused("want ADDRESS:PORT", "--listen=:8040", scripts)
	refused("descriptor 1", "--listen=fd:1", scripts)
	refused("name no sockets", "--listen=systemd", scripts)
	refused("belongs to --listen", "--max=3", scripts)
}
