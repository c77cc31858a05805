package main

import (
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"scgikit/internal/loopback"
	"scgikit/internal/need"
)

// askAt sends a request to an address, and again until somebody listens there.
func askAt(t *testing.T, network, addr string, c call) string {
	t.Helper()
	var conn net.Conn
	eventually(t, "somebody listens", func() (ok bool) {
		var err error
		conn, err = net.Dial(network, addr)
		return err == nil
	})
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	go io.WriteString(conn, c.request())
	raw, err := io.ReadAll(conn)
	if err != nil {
		t.Errorf("the answer does not end: %v, after %.200q", err, raw)
	}
	if c.fastcgi {
		return outputOf(t, string(raw))
	}
	return string(raw)
}

func freeAddr(t *testing.T) string {
	t.Helper()
	addr, err := loopback.Addr()
	if err != nil {
		t.Fatal(err)
	}
	return addr
}

// Several addresses at once, both protocols at each.
func TestListenTCP(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{"hello": helloScript, "large": "#!/bin/sh\necho A: b; echo; head -c 3000000 /dev/zero\n"})
	first, second := freeAddr(t), freeAddr(t)
	cmd := exec.CommandContext(t.Context(), raceRun(t), "bridge", "--listen="+first, "--listen="+second, "--mount=/", dir)
	cmd.Env = append(os.Environ(), noRaceSleep)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for _, addr := range []string{first, second} {
		for _, fast := range []bool{false, true} {
			hello := call{headers: []header{{"SCRIPT_NAME", "/hello"}}, fastcgi: fast}
			if got := askAt(t, "tcp", addr, hello); got != helloAnswer {
				t.Errorf("%s, FastCGI %t: answer %q", addr, fast, got)
			}
			large := call{headers: []header{{"SCRIPT_NAME", "/large"}}, fastcgi: fast}
			if got := askAt(t, "tcp", addr, large); !strings.HasSuffix(got, "\r\n\r\n"+strings.Repeat("\x00", 3_000_000)) {
				t.Errorf("%s, FastCGI %t: answer of %d bytes", addr, fast, len(got))
			}
		}
	}
	out, err := exec.CommandContext(t.Context(), scgiRun(t), "bridge", "--listen="+first, "--mount=/", dir).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "address already in use") {
		t.Errorf("a second one: %q, %v", out, err)
	}
	cmd.Process.Signal(syscall.SIGINT) // as TERM
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

// The sockets of socket activation, all of them.
func TestListenSystemd(t *testing.T) {
	t.Parallel()
	activate := need.Program(t, "systemd-socket-activate")
	dir := folder(t, map[string]string{"hello": helloScript})
	sockets, err := os.MkdirTemp("", "scgi") //nolint:usetesting // the path of a socket has to be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(sockets) })
	path, addr := filepath.Join(sockets, "s"), freeAddr(t)
	cmd := exec.CommandContext(t.Context(), activate, "-l", path, "-l", addr, scgiRun(t), "bridge", "--listen=systemd", "--mount=/", dir)
	cmd.Env = append(os.Environ(), noRaceSleep)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c := call{headers: []header{{"SCRIPT_NAME", "/hello"}}}
	for _, at := range [][2]string{{"unix", path}, {"tcp", addr}, {"unix", path}} {
		if got := askAt(t, at[0], at[1], c); got != helloAnswer {
			t.Errorf("%s: answer %q", at, got)
		}
	}
	cmd.Process.Signal(syscall.SIGTERM)
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(path); err != nil {
		t.Errorf("a socket that is not its own: %v", err)
	}
}

// HUP opens the log anew, also while a script runs.
func TestResidentLogAnew(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{"say": "#!/bin/sh\necho before >&2\ntouch started\nwhile ! test -e go-on; do sleep 0.01; done\necho after >&2; echo A: b; echo\n"})
	log := filepath.Join(t.TempDir(), "log")
	s := startResident(t, call{}, "--mount=/", "--log="+log, dir)
	answer := make(chan string)
	go func() { answer <- s.ask(t, call{headers: []header{{"SCRIPT_NAME", "/say"}}}) }()
	waitForFile(dir + "started")
	contains := func(path, text string) func() bool {
		return func() bool {
			all, _ := os.ReadFile(path)
			return strings.Contains(string(all), text)
		}
	}
	eventually(t, "the first line is logged", contains(log, "]: before\n"))
	if err := os.Rename(log, log+".old"); err != nil {
		t.Fatal(err)
	}
	s.cmd.Process.Signal(syscall.SIGHUP)
	eventually(t, "there is a new log", func() bool {
		_, err := os.Stat(log)
		return err == nil
	})
	write(t, dir+"go-on", "", 0o644)
	<-answer
	s.stop(t)
	if !contains(log, "]: after\n")() || contains(log+".old", "after")() {
		t.Error("the second line is not in the new log")
	}
}

// After 1,000 requests of both protocols, some of which are broken off, there are
// as many descriptors and goroutines as before them.
func TestNothingStaysBehind(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{"hello": helloScript, "slow": "#!/bin/sh\nexec sleep 1000\n"})
	goroutines := func(s *residentServer) int {
		s.cmd.Process.Signal(syscall.SIGQUIT)
		s.cmd.Wait()
		text, err := os.ReadFile(s.log.Name())
		if err != nil {
			t.Fatal(err)
		}
		made := func(by string) int { return strings.Count(string(text), "\ncreated by "+by) }
		resting := strings.Count(string(text), "\nscgikit/bridge.(*crew).work(")
		if resting > 4 {
			t.Errorf("%d goroutines rest:\n%s", resting, text)
		}
		// Others are the run-time's own, and the pace goes on for some seconds.
		return made("scgikit/") + made("sync.") - made("scgikit/bridge.(*host).serve ") - resting
	}
	hello := func(i int) call { return call{headers: []header{{"SCRIPT_NAME", "/hello"}}, fastcgi: i%2 == 1} }
	rest := startResident(t, call{}, "--mount=/", dir)
	rest.ask(t, hello(0))
	s := startResident(t, call{}, "--mount=/", "--queue=1000", dir)
	s.ask(t, hello(0))
	idle := func() bool { return s.sockets(t) == 1 } // that at which it listens
	eventually(t, "the first connection is closed", idle)
	before := s.count(t, "fd")
	var clients sync.WaitGroup
	for client := range 8 {
		clients.Go(func() {
			for i := range 125 {
				c := hello(client)
				if i%25 == 24 { // one that is broken off
					c.headers = []header{{"SCRIPT_NAME", "/slow"}}
					conn := s.connect(t)
					io.WriteString(conn, c.request())
					conn.Close()
					continue
				}
				if got := s.ask(t, c); !strings.Contains(got, "hello\n") {
					t.Errorf("answer %q", got)
				}
			}
		})
	}
	clients.Wait()
	eventually(t, "connections are closed", idle)
	eventually(t, "descriptors are closed", func() bool { return s.count(t, "fd") <= before })
	first, then := goroutines(rest), goroutines(s)
	if first == 0 || then != first {
		t.Errorf("%d goroutines after 1000 requests, %d after one", then, first)
	}
}
