package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"scgikit/bridge"
	"scgikit/internal/fastcgi"
	"scgikit/internal/need"
)

// tellApp answers with what the app finds itself in.
const tellApp = `import os, resource, sys, threading

def application(environ, start_response):
    mask = os.umask(0); os.umask(mask)
    told = {
        "where": [environ.get("SCRIPT_NAME", ""), environ.get("PATH_INFO", "")],
        "body": len(environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))),
        "env": sorted(set(os.environ) - {"LC_CTYPE", "UWSGI_RELOADS", "UWSGI_ORIGINAL_PROC_NAME"}),
        "umask": oct(mask), "files": resource.getrlimit(resource.RLIMIT_NOFILE)[1], "cwd": os.getcwd(),
        "nice": os.nice(0), "path": [p for p in sys.path if p.startswith("/tmp")], "prefix": sys.prefix, "threads": environ["wsgi.multithread"],
    }
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [("%s=%s\n" % pair).encode() for pair in told.items()]
`

// startUWSGI is startWSGI with uwsgi.
func startUWSGI(t *testing.T, source string, flags ...string) (s *residentServer, dir string) {
	t.Helper()
	need.Program(t, "uwsgi")
	if python(t) != "/usr/bin/python3" {
		need.Missing(t, "python3")
	}
	return startWSGI(t, source, append([]string{"--server=uwsgi", "--stop-limit=3s"}, flags...)...)
}

// uwsgi serves in what the flags say, behind the socket that is there.
func TestUWSGI(t *testing.T) {
	t.Parallel()
	s, dir := startUWSGI(t, tellApp, "--workers=2", "--threads=2", "--umask=0077", "--limit=nofile=200", "--nice=3", "--env=SHOP=a b", "--mount=/shop")
	headers := []header{{"SCRIPT_NAME", "/shop"}, {"PATH_INFO", "/x"}, {"HTTP_COOKIE", strings.Repeat("c", 50_000)}}
	for i := range 200 { // more than uwsgi takes by itself
		headers = append(headers, header{fmt.Sprintf("HTTP_X_%d", i), "x"})
	}
	c := call{headers: headers, body: strings.Repeat("b", 300_000)}
	got := bodyOf(t, s.ask(t, c))
	for _, line := range []string{
		"where=['/shop', '/x']", "body=300000", "umask=0o77", "files=200", "nice=3", "threads=True",
		"cwd=" + strings.TrimSuffix(dir, "/"), "env=['PATH', 'PYTHONDONTWRITEBYTECODE', 'SHOP']",
	} {
		if !strings.Contains(got, line+"\n") {
			t.Errorf("%s is not in\n%s", line, got)
		}
	}
	s.stop(t)
}

// The web server may speak any protocol that uwsgi has. HTTP has no SCRIPT_NAME.
func TestUWSGIProtocols(t *testing.T) {
	t.Parallel()
	pairs := [][2]string{{"REQUEST_METHOD", "GET"}, {"SCRIPT_NAME", "/shop"}, {"PATH_INFO", "/x"}, {"QUERY_STRING", ""}, {"REQUEST_URI", "/shop/x"}, {"SERVER_NAME", "a"}, {"SERVER_PORT", "80"}, {"SERVER_PROTOCOL", "HTTP/1.1"}}
	for protocol, speak := range map[string]func(t *testing.T, conn *net.UnixConn) string{
		"http": func(t *testing.T, conn *net.UnixConn) string {
			t.Helper()
			io.WriteString(conn, "GET /shop/x HTTP/1.0\r\nHost: a\r\n\r\n")
			return readAll(t, conn)
		},
		"uwsgi": func(t *testing.T, conn *net.UnixConn) string {
			t.Helper()
			var block []byte
			for _, pair := range pairs {
				for _, word := range pair {
					block = binary.LittleEndian.AppendUint16(block, uint16(len(word)))
					block = append(block, word...)
				}
			}
			conn.Write(append([]byte{0, byte(len(block)), byte(len(block) >> 8), 0}, block...))
			return readAll(t, conn)
		},
		"fastcgi": func(t *testing.T, conn *net.UnixConn) string {
			t.Helper()
			var headers []header
			for _, pair := range pairs {
				headers = append(headers, header{pair[0], pair[1]})
			}
			io.WriteString(conn, fastcgiRequest(1, false, headers, ""))
			return readAll(t, &fastcgi.Answer{Source: conn, ID: 1})
		},
	} {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			s, _ := startUWSGI(t, tellApp, "--protocol="+protocol, "--mount=/shop")
			if got := speak(t, s.connect(t)); !strings.Contains(got, " 200 OK\r\n") || !strings.Contains(got, "where=['/shop', '/x']\n") {
				t.Errorf("%q", got)
			}
			s.stop(t)
		})
	}
}

func readAll(t *testing.T, from io.Reader) string {
	t.Helper()
	var b bytes.Buffer
	if _, err := io.Copy(&b, from); err != nil {
		t.Errorf("%v after %q", err, b.String())
	}
	return b.String()
}

// HUP loads the app anew, and no request fails, but for one that uwsgi itself loses:
// a worker that has accepted a connection and is told to end before it has noted so
// closes it, in one of some fifteen reloads.
func TestUWSGIRenewed(t *testing.T) {
	t.Parallel()
	const workers = 2
	log := filepath.Join(t.TempDir(), "log")
	s, dir := startUWSGI(t, pidApp, "--workers="+strconv.Itoa(workers), "--log="+log)
	var lost atomic.Int32
	body := func() string {
		raw, err := s.tryAsk(t, plain)
		if raw == "" && errors.Is(err, syscall.ECONNRESET) {
			lost.Add(1)
			return ""
		}
		if err != nil {
			t.Errorf("the answer does not end: %v, after %.200q", err, raw)
		}
		return bodyOf(t, raw)
	}
	stop := load(t, func() { body() })
	// A worker that has not begun would not hear of HUP.
	served := make(map[string]bool)
	eventually(t, "both workers serve", func() bool {
		served[body()] = true
		return len(served) == workers
	})
	if n := lost.Load(); n > 0 {
		t.Errorf("%d requests failed before HUP", n)
	}
	rewrite(t, dir, strings.Replace(pidApp, "VERSION", "second", 1))
	if err := os.Rename(log, log+".old"); err != nil {
		t.Fatal(err)
	}
	s.cmd.Process.Signal(syscall.SIGHUP)
	eventually(t, "the second serves", func() bool { return strings.HasPrefix(body(), "second") })
	if n := stop(); n == 0 {
		t.Error("no request meanwhile")
	}
	if n := lost.Load(); n > workers {
		t.Errorf("%d requests failed", n)
	}
	eventually(t, "the log is opened anew", func() bool { text, _ := os.ReadFile(log); return len(text) > 0 })
	if left := s.stop(t); left != "" {
		t.Errorf("beside the log: %q", left)
	}
}

// What runs when the end is asked for goes on; what does not end in time is ended.
func TestUWSGIEnds(t *testing.T) {
	t.Parallel()
	for _, limit := range []string{"30s", "50ms"} {
		t.Run(limit, func(t *testing.T) {
			t.Parallel()
			s, dir := startUWSGI(t, waitApp, "--stop-limit="+limit)
			answer := make(chan string)
			go func() { answer <- s.ask(t, plain) }()
			eventually(t, "the app has started", func() bool {
				list, _ := filepath.Glob(dir + "started.*")
				return len(list) == 1
			})
			s.cmd.Process.Signal(syscall.SIGTERM)
			if limit != "50ms" {
				eventually(t, "the end is on its way", func() bool {
					text, _ := os.ReadFile(s.log.Name())
					return bytes.Contains(text, []byte("graceful shutdown"))
				})
				write(t, dir+"go-on", "", 0o644)
			}
			if got := <-answer; strings.HasSuffix(got, "waited") != (limit != "50ms") {
				t.Errorf("answer %q", got)
			}
			if err := s.cmd.Wait(); err != nil {
				t.Errorf("the end: %v", err)
			}
		})
	}
}

// TERM ends it also while it loads the app, which may take its time.
func TestUWSGILoading(t *testing.T) {
	t.Parallel()
	need.Program(t, "uwsgi")
	dir := folder(t, map[string]string{"mine.py": "import time\nopen('loading', 'w').close()\ntime.sleep(1000)\n"})
	s := startProgram(t, call{}, "wsgi", "--server=uwsgi", "--path", dir, "--directory", dir, "mine")
	eventually(t, "the app is being loaded", func() bool {
		_, err := os.Stat(dir + "loading")
		return err == nil
	})
	s.cmd.Process.Signal(syscall.SIGTERM)
	if err := s.cmd.Wait(); s.cmd.ProcessState.ExitCode() != bridge.UWSGIEnded {
		t.Errorf("the end: %v", err)
	}
}

// Whoever can connect has uwsgi run programs, so that it takes no port, but for HTTP.
func TestUWSGIPorts(t *testing.T) {
	t.Parallel()
	need.Program(t, "uwsgi")
	cmd := exec.CommandContext(t.Context(), scgiRun(t), "wsgi", "--server=uwsgi", "--listen=127.0.0.1:0", "mine")
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState.ExitCode() != 100 || !strings.Contains(string(out), "whoever can connect to uwsgi there has it run programs") {
		t.Errorf("%v: %s", err, out)
	}
}

// Workers do not outlive a master that is killed.
func TestUWSGIMasterKilled(t *testing.T) {
	t.Parallel()
	if !hasProc() {
		need.Missing(t, "proc")
	}
	s, _ := startUWSGI(t, pidApp, "--workers=2")
	s.body(t)
	eventually(t, "two workers", func() bool { return len(descendants(s.cmd.Process.Pid)) == 2 })
	pids := descendants(s.cmd.Process.Pid)
	s.cmd.Process.Kill()
	s.cmd.Wait()
	for _, pid := range pids {
		eventually(t, fmt.Sprintf("worker %d has ended", pid), func() bool { return !alive(pid) })
	}
}

// Folders with names that uwsgi has a meaning for are taken as they are, or refused.
func TestUWSGIPaths(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{"there": ""})
	for _, name := range []string{"a*", "ab", "c?[d]", `e\f`, "g%d", "h i=j,k:l"} {
		if err := os.MkdirAll(dir+name, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	s, _ := startUWSGI(t, tellApp, "--path="+dir+"a*", "--path="+dir+"c?[d]", "--path="+dir+`e\f`, "--path="+dir+"g%d", "--path="+dir+"h i=j,k:l")
	got := s.body(t)
	for _, name := range []string{"a*", "c?[d]", `e\\f`, "g%d", "h i=j,k:l"} {
		if !strings.Contains(got, "'"+dir+name+"/'") {
			t.Errorf("%s is not in\n%s", name, got)
		}
	}
	if strings.Contains(got, dir+"ab/") {
		t.Errorf("a* is a pattern:\n%s", got)
	}
	s.stop(t)
	for _, name := range []string{"$(PATH)", "@(/etc/hostname)", "%(x)"} {
		cmd := exec.CommandContext(t.Context(), scgiRun(t), "wsgi", "--server=uwsgi", "--listen=unix:"+dir+"s", "--path="+dir+name, "mine")
		out, err := cmd.CombinedOutput()
		if cmd.ProcessState.ExitCode() != 111 || !strings.Contains(string(out), name+": uwsgi would put something else") {
			t.Errorf("%s: %v: %s", name, err, out)
		}
	}
}

// A virtual environment is that of its interpreter; another one can not be had.
func TestUWSGIVirtualEnvironment(t *testing.T) {
	t.Parallel()
	venv := folder(t, map[string]string{"pyvenv.cfg": "home = /usr/bin\n"})
	if err := os.MkdirAll(venv+"bin", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/usr/bin/python3", venv+"bin/python3"); err != nil {
		t.Fatal(err)
	}
	s, _ := startUWSGI(t, tellApp, "--python="+venv+"bin/python3")
	if got := s.body(t); !strings.Contains(got, "prefix="+strings.TrimSuffix(venv, "/")+"\n") {
		t.Errorf("%s is not the prefix:\n%s", venv, got)
	}
	s.stop(t)

	write(t, venv+"pyvenv.cfg", "home = /usr/bin\nversion = 2.7.18\n", 0o644)
	cmd := exec.CommandContext(t.Context(), scgiRun(t), "wsgi", "--server=uwsgi", "--listen=unix:"+filepath.Join(venv, "s"), "--python="+venv+"bin/python3", "mine")
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState.ExitCode() != 111 || !strings.Contains(string(out), "is for Python 2.7, and the machine's uwsgi has ") {
		t.Errorf("%v: %s", err, out)
	}

	other := filepath.Join(t.TempDir(), "python3")
	write(t, other, "", 0o755)
	cmd = exec.CommandContext(t.Context(), scgiRun(t), "wsgi", "--server=uwsgi", "--listen=unix:"+filepath.Join(venv, "s"), "--python="+other, "mine")
	out, err = cmd.CombinedOutput()
	if cmd.ProcessState.ExitCode() != 111 || !strings.Contains(string(out), "uwsgi has an interpreter of its own") {
		t.Errorf("%v: %s", err, out)
	}
}
