package main

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"scgikit/internal/need"
)

// requests is how many a test makes: few, or with CRASHTEST_ROUNDS so many times as
// that says.
func requests(t *testing.T, few, many int) int {
	t.Helper()
	if factor := need.Rounds(t); factor > 0 {
		return many * factor
	}
	return few
}

// abortScripts are scripts to be left alone in the middle of something.
func abortScripts() map[string]string {
	return map[string]string{
		"hello":    helloScript,
		"echo":     "#!/bin/sh\necho A: b; echo; exec cat\n",
		"large":    "#!/bin/sh\necho A: b; echo; exec head -c 2000000 /dev/zero\n",
		"slow":     "#!/bin/sh\nsleep 0.01; echo A: b; echo; echo begun; sleep 0.01; echo done\n",
		"stderr":   "#!/bin/sh\necho oops >&2; echo A: b; echo; echo hello; echo more >&2\n",
		"announce": "#!/bin/sh\necho Content-Length: 6; echo; echo hello; echo more; echo more >&2\n",
		"failing":  "#!/bin/sh\nexit 3\n",
		"silent":   "#!/bin/sh\nexec sleep 1000\n",
		"children": "#!/bin/sh\nsleep 1000 & sleep 1000 & wait\n",
	}
}

// endless are those that end only if the client has gone.
func endless(name string) bool { return name == "silent" || name == "children" }

// aborter makes requests and breaks them off.
type aborter struct{ names []string }

func newAborter() *aborter {
	a := &aborter{}
	for name := range abortScripts() {
		a.names = append(a.names, name)
	}
	slices.Sort(a.names) // so that a seed says what happens
	return a
}

// plan is one request, and where it ends.
type plan struct {
	name    string
	request string
	send    int           // bytes of it
	read    int           // bytes of the answer; -1 is all
	wait    time.Duration // for more of the answer, before the end
	half    bool          // the client says that it has no more to send
	reset   bool          // it ends a TCP connection by a reset
}

func (a *aborter) plan(r *rand.Rand, fastcgi bool) plan {
	p := plan{name: a.names[r.IntN(len(a.names))], read: -1, half: r.IntN(3) == 0, reset: r.IntN(2) == 0}
	c := call{headers: []header{{"SCRIPT_NAME", "/" + p.name}}, fastcgi: fastcgi}
	switch r.IntN(3) {
	case 0:
		c.body = strings.Repeat("b", r.IntN(2000)+1)
	case 1:
		c.body = strings.Repeat("b", r.IntN(300_000)+1)
	}
	p.request = c.request()
	p.send = len(p.request)
	switch r.IntN(6) {
	case 0, 1: // in the request
		p.send, p.read = r.IntN(len(p.request)), 0
	case 2: // at once after it
		p.read = 0
	case 3: // in the answer
		p.read = r.IntN(100) * r.IntN(10_000)
	case 4: // some time after it
		p.read, p.wait = 0, time.Duration(r.IntN(20_000))*time.Microsecond
	}
	if endless(p.name) && p.read != 0 {
		p.read, p.wait = 0, 5*time.Millisecond
	}
	return p
}

// run does what the plan says, and reports whether the answer has been read to its end.
func (p *plan) run(conn io.ReadWriter, setDeadline func(time.Time) error, closeWrite func() error) (whole bool) {
	var writing sync.WaitGroup
	writing.Go(func() {
		// The other side may end the connection first.
		_, _ = io.WriteString(conn, p.request[:p.send])
		if p.half && p.send == len(p.request) {
			_ = closeWrite()
		}
	})
	defer writing.Wait()
	switch {
	case p.read < 0:
		_, err := io.Copy(io.Discard, conn)
		return err == nil
	case p.read > 0:
		_, err := io.CopyN(io.Discard, conn, int64(p.read))
		if errors.Is(err, io.EOF) {
			return true
		}
	case p.wait > 0:
		_ = setDeadline(time.Now().Add(p.wait))
		_, _ = io.Copy(io.Discard, conn)
	default:
		writing.Wait()
	}
	_ = setDeadline(time.Now()) // which ends a write that waits
	return false
}

// marked returns the processes that have a variable in their environment, by what
// they are.
func marked(t *testing.T, variable string) (list []string) {
	t.Helper()
	entries, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		environ, err := os.ReadFile(entry)
		if err == nil && bytes.Contains(environ, []byte(variable)) {
			command, _ := os.ReadFile(filepath.Join(filepath.Dir(entry), "cmdline"))
			list = append(list, filepath.Base(filepath.Dir(entry))+": "+strings.ReplaceAll(string(command), "\x00", " "))
		}
	}
	return list
}

// childrenOf returns the children of a process, the dead ones as well.
func childrenOf(t *testing.T, pid int) (list []string) {
	t.Helper()
	entries, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		stat, _ := os.ReadFile(entry) // it may be gone
		_, after, _ := strings.Cut(string(stat), ") ")
		if fields := strings.Fields(after); len(fields) > 1 && fields[1] == strconv.Itoa(pid) {
			list = append(list, string(stat))
		}
	}
	return list
}

// Clients that break off at any moment leave nothing behind in a bridge that keeps
// running: no process, no zombie, no descriptor, no file; and it serves on.
// CRASHTEST_ROUNDS=10 makes 10,000 requests.
func TestAbortingClients(t *testing.T) {
	dir := folder(t, abortScripts())
	temp := t.TempDir()
	addr := freeAddr(t)
	mark := "ABORTS=" + filepath.Base(dir)
	s := startResident(t, call{env: []string{"TMPDIR=" + temp}}, "--listen="+addr, "--mount=/", "--env="+mark, "--max=8", "--timeout=20s", "--header-timeout=10s", dir)
	hello := call{headers: []header{{"SCRIPT_NAME", "/hello"}}}
	s.ask(t, hello)
	descriptors, memory := s.count(t, "fd"), s.memory(t)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	const clients = 16
	var running sync.WaitGroup
	var mu sync.Mutex
	whole, total := 0, requests(t, 400, 1000)
	for client := range clients {
		running.Go(func() {
			r := rand.New(rand.NewPCG(seed, uint64(client)))
			a := newAborter()
			for range total / clients {
				p := a.plan(r, r.IntN(3) == 0)
				if s.abort(t, addr, &p, r.IntN(2) == 0) {
					mu.Lock()
					whole++
					mu.Unlock()
				}
			}
		})
	}
	running.Wait()
	t.Logf("%d requests, of which %d were answered to their end", total/clients*clients, whole)
	if whole == 0 {
		t.Error("none was answered to its end")
	}
	eventually(t, "no script is left", func() bool {
		return len(childrenOf(t, s.cmd.Process.Pid)) == 0 && len(marked(t, "\x00"+mark+"\x00")) == 0
	})
	eventually(t, "descriptors are closed", func() bool { return s.count(t, "fd") <= descriptors })
	if left, err := os.ReadDir(temp); err != nil || len(left) != 0 {
		t.Errorf("temporary files: %v, %v", left, err)
	}
	if got := s.ask(t, hello); got != helloAnswer {
		t.Errorf("answer %q", got)
	}
	t.Logf("%d descriptors before and %d after; %d KiB before, %d KiB after; %d threads", descriptors, s.count(t, "fd"), memory, s.memory(t), s.count(t, "task"))
	if log := s.stop(t); strings.Contains(log, "goroutine ") || strings.Contains(log, "too many open files") {
		t.Errorf("log %.3000s", log)
	}
}

// abort makes a request at the socket, or over TCP.
func (s *residentServer) abort(t *testing.T, addr string, p *plan, tcp bool) (whole bool) {
	t.Helper()
	network, where := "unix", s.path
	if tcp {
		network, where = "tcp", addr
		// That a client has gone is to be seen by a reset, or when an answer can not be
		// sent; see docs/limits.md.
		p.reset = p.reset || endless(p.name)
	}
	conn, err := net.Dial(network, where)
	if err != nil {
		t.Error(err)
		return false
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Error(err)
	}
	closeWrite := func() error { return conn.(interface{ CloseWrite() error }).CloseWrite() }
	whole = p.run(conn, conn.SetDeadline, closeWrite)
	if c, ok := conn.(*net.TCPConn); ok && p.reset && !whole {
		if err := c.SetLinger(0); err != nil {
			t.Error(err)
		}
	}
	return whole
}

// The same for the form that is a process for each connection: each ends.
// CRASHTEST_ROUNDS=10 makes 1,000 requests.
func TestAbortingClientsPerRequest(t *testing.T) {
	dir := folder(t, abortScripts())
	temp := t.TempDir()
	mark := "ABORTS=" + filepath.Base(dir)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	args := []string{"bridge", "--mount=/", "--env=" + mark, "--timeout=20s", dir}
	const clients = 4
	total := requests(t, 40, 100)
	var running sync.WaitGroup
	for client := range clients {
		running.Go(func() {
			r := rand.New(rand.NewPCG(seed, uint64(client)))
			a := newAborter()
			for range total / clients {
				p := a.plan(r, false)
				talk := call{args: args, env: []string{"TMPDIR=" + temp, "OUTER" + mark}}.begin(t)
				p.run(talk.conn, talk.conn.SetDeadline, func() error { return nil })
				talk.conn.Close()
				if a := talk.finish(""); a.code < 0 || a.code > 1 {
					t.Errorf("%s: exit code %d, log %q", p.name, a.code, a.log)
				}
			}
		})
	}
	running.Wait()
	t.Logf("%d requests", total/clients*clients)
	eventually(t, "no process is left", func() bool { return len(marked(t, mark+"\x00")) == 0 })
	if left, err := os.ReadDir(temp); err != nil || len(left) != 0 {
		t.Errorf("temporary files: %v, %v", left, err)
	}
}
