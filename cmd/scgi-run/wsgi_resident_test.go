package main

import (
	"context"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"scgikit/internal/need"
)

// pidApp answers with the process that it runs in, and a version.
const pidApp = `import os

def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"VERSION %d" % os.getpid()]
`

// waitApp answers when there is a file "go-on" in its working directory.
const waitApp = `import os, select

def application(environ, start_response):
    open("started.%d" % os.getpid(), "w").close()
    while not os.path.exists("go-on"):
        select.select([], [], [], 0.01)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"waited"]
`

// plain is a request for an app.
var plain = call{headers: []header{{"SCRIPT_NAME", ""}, {"PATH_INFO", "/"}}}

// startWSGI starts an app that stands in a file mine.py, in a folder of its own,
// which it returns, and waits until it serves.
func startWSGI(t *testing.T, source string, flags ...string) (s *residentServer, dir string) {
	t.Helper()
	dir = folder(t, map[string]string{"mine.py": source})
	args := []string{"--python", python(t), "--path", dir, "--directory", dir, "--env", "PYTHONDONTWRITEBYTECODE=1"}
	s = startProgram(t, call{}, "wsgi", append(append(args, flags...), "mine")...)
	t.Cleanup(func() { s.cmd.Process.Signal(syscall.SIGTERM) })
	probe := s.connect(t)
	probe.CloseWrite()
	io.Copy(io.Discard, probe)
	return s, dir
}

// body asks, and returns what stands behind the head of an answer 200.
func (s *residentServer) body(t *testing.T) string {
	t.Helper()
	return bodyOf(t, s.ask(t, plain))
}

func bodyOf(t *testing.T, raw string) string {
	t.Helper()
	head, body, _ := strings.Cut(raw, "\r\n\r\n")
	if !strings.HasPrefix(head, "Status: 200 OK\r\n") {
		t.Errorf("answer %q", raw)
	}
	return body
}

// load asks from several clients until stop is called, which returns how many
// answers there were. Each must be good.
func (s *residentServer) load(t *testing.T) (stop func() int) {
	t.Helper()
	return load(t, func() { s.body(t) })
}

// load is residentServer.load with one way to ask.
func load(t *testing.T, ask func()) (stop func() int) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var clients sync.WaitGroup
	var mu sync.Mutex
	count := 0
	for range 4 {
		clients.Go(func() {
			for ctx.Err() == nil {
				ask()
				mu.Lock()
				count++
				mu.Unlock()
			}
		})
	}
	return func() int {
		cancel()
		clients.Wait()
		return count
	}
}

// A worker that is killed is replaced, and meanwhile the others serve.
func TestWorkerKilled(t *testing.T) {
	t.Parallel()
	s, _ := startWSGI(t, pidApp, "--workers=2")
	_, pid, _ := strings.Cut(s.body(t), " ")
	number, err := strconv.Atoi(pid)
	if err != nil {
		t.Fatal(err)
	}
	syscall.Kill(number, syscall.SIGKILL)
	eventually(t, "it is dead", func() bool { return !alive(number) })
	seen := map[string]bool{}
	eventually(t, "two other workers serve", func() bool {
		var clients sync.WaitGroup
		var mu sync.Mutex
		for range 8 {
			clients.Go(func() {
				body := s.body(t)
				mu.Lock()
				seen[body] = true
				mu.Unlock()
			})
		}
		clients.Wait()
		return len(seen) >= 2
	})
	if seen["VERSION "+pid] {
		t.Error("the killed worker answers")
	}
	if log := s.stop(t); !strings.Contains(log, "worker "+pid+" ended (signal 9) and is replaced") {
		t.Errorf("log %q", log)
	}
}

// rewrite gives the app another text in one step: a worker may be reading it.
func rewrite(t *testing.T, dir, text string) {
	t.Helper()
	write(t, dir+"mine.py.new", text, 0o644)
	if err := os.Rename(dir+"mine.py.new", dir+"mine.py"); err != nil {
		t.Fatal(err)
	}
}

// HUP loads the app anew, and no request fails. An app that can not be loaded
// leaves the old workers at work.
func TestWorkersRenewed(t *testing.T) {
	t.Parallel()
	s, dir := startWSGI(t, pidApp, "--workers=2")
	stop := s.load(t)
	for _, version := range []string{"second", "third"} {
		rewrite(t, dir, strings.Replace(pidApp, "VERSION", version, 1))
		s.cmd.Process.Signal(syscall.SIGHUP)
		both := make(map[string]bool)
		eventually(t, version+" serves in both workers", func() bool {
			if got := s.body(t); strings.HasPrefix(got, version) {
				both[got] = true
			}
			return len(both) == 2
		})
	}
	rewrite(t, dir, "import no_such_module\n")
	s.cmd.Process.Signal(syscall.SIGHUP)
	eventually(t, "the failure is logged", func() bool {
		log, _ := os.ReadFile(s.log.Name())
		return strings.Count(string(log), "the old one stays") == 2
	})
	if got := s.body(t); !strings.HasPrefix(got, "third") {
		t.Errorf("answer %q", got)
	}
	t.Logf("%d requests", stop())
	log := s.stop(t)
	if strings.Count(log, "No module named 'no_such_module'") != 2 {
		t.Errorf("log %q", log)
	}
}

// A worker is replaced after so many requests, without a gap.
func TestMaxRequests(t *testing.T) {
	t.Parallel()
	s, _ := startWSGI(t, pidApp, "--max-requests=20")
	seen := map[string]bool{}
	eventually(t, "five workers have served", func() bool {
		seen[s.body(t)] = true
		return len(seen) >= 5
	})
	if log := s.stop(t); log != "" {
		t.Errorf("log %q", log)
	}
}

// What runs when the end is asked for goes on; what does not end in time is ended.
func TestWorkersEnd(t *testing.T) {
	t.Parallel()
	for _, style := range []string{"prefork", "zygote"} {
		for _, limit := range []string{"30s", "50ms"} {
			t.Run(style+" "+limit, func(t *testing.T) {
				t.Parallel()
				s, dir := startWSGI(t, waitApp, "--style="+style, "--stop-limit="+limit)
				answer := make(chan string)
				go func() { answer <- s.ask(t, plain) }()
				var pid int
				eventually(t, "the app has started", func() bool {
					list, _ := filepath.Glob(dir + "started.*")
					if len(list) == 1 {
						pid, _ = strconv.Atoi(strings.TrimPrefix(filepath.Ext(list[0]), "."))
					}
					return len(list) == 1
				})
				s.cmd.Process.Signal(syscall.SIGTERM)
				if limit == "50ms" {
					if got := <-answer; got != "" {
						t.Errorf("answer %q", got)
					}
				} else {
					eventually(t, "nobody listens", func() bool {
						conn, err := net.Dial("unix", s.path)
						if err == nil {
							conn.Close()
						}
						return err != nil
					})
					write(t, dir+"go-on", "", 0o644)
					if got := <-answer; !strings.HasSuffix(got, "waited") {
						t.Errorf("answer %q", got)
					}
				}
				if err := s.cmd.Wait(); err != nil {
					t.Errorf("the end: %v", err)
				}
				if alive(pid) {
					t.Error("the app runs on")
				}
			})
		}
	}
}

// A log that nobody reads any more ends no process and no request, and none of them
// outlives the end.
func TestWSGILogGone(t *testing.T) {
	t.Parallel()
	const source = `import os, time

def application(environ, start_response):
    if environ["PATH_INFO"] == "/raise":
        raise ValueError("told to nobody")
    if environ["PATH_INFO"] == "/hang":
        open("started.%d" % os.getpid(), "w").close()
        time.sleep(1000)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"still here"]
`
	at := func(path string) call { return call{headers: []header{{"SCRIPT_NAME", ""}, {"PATH_INFO", path}}} }
	for _, style := range []string{"prefork", "zygote"} {
		t.Run(style, func(t *testing.T) {
			t.Parallel()
			read, written, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			read.Close()
			defer written.Close()
			dir := folder(t, map[string]string{"mine.py": source})
			s := startProgram(t, call{command: []string{"/bin/sh", "-c", `exec "$@" 2>&3 3>&-`, "sh", scgiRun(t)}, files: []*os.File{written}},
				"wsgi", "--style="+style, "--stop-limit=50ms", "--python", python(t), "--path", dir, "--directory", dir, "mine")
			for range 3 {
				if got := s.ask(t, at("/raise")); !strings.HasPrefix(got, "Status: 500 ") {
					t.Errorf("answer %q", got)
				}
			}
			if got := bodyOf(t, s.ask(t, at("/"))); got != "still here" {
				t.Errorf("answer %q", got)
			}
			hanging := make(chan string)
			go func() { hanging <- s.ask(t, at("/hang")) }()
			var pid int
			eventually(t, "the app has started", func() bool {
				list, _ := filepath.Glob(dir + "started.*")
				if len(list) == 1 {
					pid, _ = strconv.Atoi(strings.TrimPrefix(filepath.Ext(list[0]), "."))
				}
				return len(list) == 1
			})
			s.cmd.Process.Signal(syscall.SIGTERM)
			// Python says with its exit code that it could not write.
			if err := s.cmd.Wait(); err != nil && s.cmd.ProcessState.ExitCode() != 120 {
				t.Errorf("the end: %v", err)
			}
			<-hanging
			eventually(t, "the app has ended", func() bool { return !alive(pid) })
		})
	}
}

// Workers do not outlive a master that is killed; a request that runs is answered.
func TestMasterKilled(t *testing.T) {
	t.Parallel()
	if !hasProc() {
		need.Missing(t, "proc")
	}
	for _, style := range []string{"prefork", "zygote"} {
		t.Run(style, func(t *testing.T) {
			t.Parallel()
			s, dir := startWSGI(t, waitApp, "--style="+style)
			answer := make(chan string)
			go func() { answer <- s.ask(t, plain) }()
			eventually(t, "the app has started", func() bool {
				list, _ := filepath.Glob(dir + "started.*")
				return len(list) == 1
			})
			pids := descendants(s.cmd.Process.Pid)
			s.cmd.Process.Kill()
			s.cmd.Wait()
			write(t, dir+"go-on", "", 0o644)
			if got := <-answer; !strings.HasSuffix(got, "waited") {
				t.Errorf("answer %q", got)
			}
			for _, pid := range pids {
				eventually(t, "worker "+strconv.Itoa(pid)+" has ended", func() bool { return !alive(pid) })
			}
		})
	}
}

// descendants lists the processes below one.
func descendants(pid int) (all []int) {
	tasks, _ := filepath.Glob("/proc/" + strconv.Itoa(pid) + "/task/*/children")
	for _, file := range tasks {
		text, _ := os.ReadFile(file)
		for field := range strings.FieldsSeq(string(text)) {
			child, _ := strconv.Atoi(field)
			all = append(all, child)
			all = append(all, descendants(child)...)
		}
	}
	return all
}

// A changed source is loaded again for the next request, which waits for it. One
// that can not be loaded is a 500, until it is changed.
func TestZygoteReloads(t *testing.T) {
	t.Parallel()
	s, dir := startWSGI(t, pidApp, "--style=zygote")
	first, second := s.body(t), s.body(t)
	if first == second {
		t.Errorf("the same process twice: %s", first)
	}
	stop := s.load(t)
	for _, version := range []string{"second", "third"} {
		rewrite(t, dir, strings.Replace(pidApp, "VERSION", version, 1))
		eventually(t, version+" serves", func() bool { return strings.HasPrefix(s.body(t), version) })
	}
	t.Logf("%d requests", stop())
	write(t, dir+"mine.py", "this is no Python\n", 0o644)
	// A look at the files that took long is not repeated at once.
	eventually(t, "a file that is no Python is a 500", func() bool {
		got := s.ask(t, plain)
		if strings.Contains(got, "SyntaxError") {
			t.Errorf("answer %q", got)
		}
		return strings.HasPrefix(got, "Status: 500 ")
	})
	write(t, dir+"mine.py", strings.Replace(pidApp, "VERSION", "fourth", 1), 0o644)
	eventually(t, "fourth serves", func() bool { return strings.Contains(s.ask(t, plain), "\r\n\r\nfourth") })
	if log := s.stop(t); !strings.Contains(log, "SyntaxError") || !strings.Contains(log, dir+"mine.py has changed") {
		t.Errorf("log %q", log)
	}
}

// What a request imports is there for the next one, and with --no-reload nothing
// is loaded again.
func TestZygoteLearns(t *testing.T) {
	t.Parallel()
	s, dir := startWSGI(t, `import sys

def application(environ, start_response):
    known = b"known" if "later" in sys.modules else b"new"
    import later
    start_response("200 OK", [])
    return [known]
`, "--style=zygote", "--no-reload")
	write(t, dir+"later.py", "", 0o644)
	if got := s.body(t); got != "new" {
		t.Errorf("the first one: %q", got)
	}
	eventually(t, "the module is known", func() bool { return s.body(t) == "known" })
	write(t, dir+"mine.py", pidApp, 0o644)
	if got := s.body(t); got != "known" {
		t.Errorf("after a change: %q", got)
	}
	if log := s.stop(t); log != "" {
		t.Errorf("log %q", log)
	}
}

// The app is asked once before it serves.
func TestWarm(t *testing.T) {
	t.Parallel()
	for _, style := range []string{"prefork", "zygote"} {
		t.Run(style, func(t *testing.T) {
			t.Parallel()
			s, _ := startWSGI(t, `paths = []

def application(environ, start_response):
    paths.append(environ["PATH_INFO"])
    start_response("200 OK", [])
    return ["|".join(paths).encode()]
`, "--style="+style, "--warm=/warm?x")
			if got := s.body(t); got != "/warm|/" {
				t.Errorf("asked for %q", got)
			}
			if log := s.stop(t); log != "" {
				t.Errorf("log %q", log)
			}
		})
	}
}

// More requests than children may run wait for their turn.
func TestZygoteMax(t *testing.T) {
	t.Parallel()
	s, dir := startWSGI(t, waitApp, "--style=zygote", "--max=3")
	answers := make(chan string)
	for range 6 {
		go func() { answers <- s.ask(t, plain) }()
	}
	started := func() int {
		list, _ := filepath.Glob(dir + "started.*")
		return len(list)
	}
	eventually(t, "three run", func() bool { return started() >= 3 })
	if n := started(); n > 3 {
		t.Errorf("%d run", n)
	}
	write(t, dir+"go-on", "", 0o644)
	for range 6 {
		if got := <-answers; !strings.HasSuffix(got, "waited") {
			t.Errorf("answer %q", got)
		}
	}
	s.stop(t)
}

// An app that can not be loaded is tried again, and meanwhile there is an answer.
func TestWorkerCanNotLoad(t *testing.T) {
	t.Parallel()
	for _, style := range []string{"prefork", "zygote"} {
		t.Run(style, func(t *testing.T) {
			t.Parallel()
			s, dir := startWSGI(t, "from there import application\n", "--style="+style)
			if got := s.ask(t, plain); !strings.HasPrefix(got, "Status: 500 Internal Server Error\r\n") || strings.Contains(got, "there") {
				t.Errorf("answer %q", got)
			}
			write(t, dir+"there.py", pidApp, 0o644)
			eventually(t, "the app serves", func() bool { return strings.HasPrefix(s.ask(t, plain), "Status: 200 ") })
			if log := s.stop(t); !strings.Contains(log, "No module named 'there'") || !strings.Contains(log, "the app is not loaded (answered 500)") {
				t.Errorf("log %q", log)
			}
		})
	}
}

// Clients that abort at random leave nothing behind.
func TestWorkersAborted(t *testing.T) {
	t.Parallel()
	if !hasProc() {
		need.Missing(t, "proc")
	}
	const source = `def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    yield b"x" * 100000
    yield environ["wsgi.input"].read()
`
	for style, rounds := range map[string]int{"prefork": 300, "zygote": 60} {
		t.Run(style, func(t *testing.T) {
			t.Parallel()
			s, _ := startWSGI(t, source, "--style="+style)
			bodyOf(t, s.ask(t, plain))
			one := func() bool { return len(descendants(s.cmd.Process.Pid)) == 1 } // the worker, or the zygote
			eventually(t, "the first request's child has ended", one)
			pids := append([]int{s.cmd.Process.Pid}, descendants(s.cmd.Process.Pid)...)
			open := func() (all []int) {
				for _, pid := range pids {
					list, _ := os.ReadDir("/proc/" + strconv.Itoa(pid) + "/fd")
					all = append(all, len(list))
				}
				return all
			}
			before := open()
			request := call{headers: plain.headers, body: strings.Repeat("b", 200_000)}.request()
			random := rand.New(rand.NewPCG(1, 2))
			for range rounds {
				conn := s.connect(t)
				if random.IntN(2) == 0 {
					conn.Write([]byte(request[:random.IntN(len(request))]))
				} else {
					go io.WriteString(conn, request)
					io.CopyN(io.Discard, conn, random.Int64N(1000))
				}
				conn.Close()
			}
			if got := bodyOf(t, s.ask(t, call{headers: plain.headers, body: "end"})); !strings.HasSuffix(got, "xend") {
				t.Errorf("the last answer: %d bytes", len(got))
			}
			eventually(t, "children have ended", one)
			if after := open(); len(after) != len(before) || after[0] != before[0] || after[1] != before[1] {
				t.Errorf("descriptors before %v, after %v", before, after)
			}
			s.stop(t)
		})
	}
}

// Several addresses, with the socket's mode; what was made is removed at the end,
// and HUP opens the log anew.
func TestWSGIListens(t *testing.T) {
	t.Parallel()
	for _, style := range []string{"prefork", "zygote"} {
		t.Run(style, func(t *testing.T) {
			t.Parallel()
			dir, err := os.MkdirTemp("", "scgi") //nolint:usetesting // the path of a socket has to be short
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { os.RemoveAll(dir) })
			probe, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			tcp := probe.Addr().String()
			probe.Close()
			path, log := filepath.Join(dir, "s"), filepath.Join(dir, "log")
			write(t, filepath.Join(dir, "mine.py"), "print('loaded')\n"+pidApp, 0o644)
			cmd := exec.CommandContext(t.Context(), scgiRun(t), "wsgi", "--listen=unix:"+path, "--listen="+tcp, "--socket-mode=0600",
				"--python", python(t), "--style", style, "--path", dir, "--env", "PYTHONDONTWRITEBYTECODE=1", "--log", log, "mine")
			cmd.Env = append(os.Environ(), noRaceSleep)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			waitForFile(path)
			if info, err := os.Lstat(path); err != nil || info.Mode() != os.ModeSocket|0o600 {
				t.Errorf("socket: %v, %v", info, err)
			}
			for _, network := range []string{"unix", "tcp", "unix", "tcp"} {
				address := map[string]string{"unix": path, "tcp": tcp}[network]
				conn, err := net.Dial(network, address)
				if err != nil {
					t.Fatal(err)
				}
				conn.SetDeadline(time.Now().Add(patience))
				io.WriteString(conn, plain.request())
				raw, err := io.ReadAll(conn)
				if err != nil || !strings.HasPrefix(bodyOf(t, string(raw)), "VERSION ") {
					t.Errorf("%s: %q, %v", network, raw, err)
				}
				conn.Close()
			}
			if err := os.Rename(log, log+".1"); err != nil {
				t.Fatal(err)
			}
			cmd.Process.Signal(syscall.SIGHUP)
			eventually(t, "the new log has a line", func() bool {
				text, _ := os.ReadFile(log)
				return strings.Contains(string(text), "loaded\n")
			})
			cmd.Process.Signal(syscall.SIGTERM)
			if err := cmd.Wait(); err != nil {
				t.Error(err)
			}
			if _, err := os.Lstat(path); !os.IsNotExist(err) {
				t.Errorf("the socket stays: %v", err)
			}
		})
	}
}
