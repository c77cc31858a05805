package generate_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"scgikit/internal/need"
	"scgikit/internal/scgi"
)

// checkForeign looks for variables of the listeners and the keepers, and for
// descriptors beyond the three.
func checkForeign(t *testing.T, service string, lines []string) {
	t.Helper()
	for _, line := range lines {
		name, _, isVariable := strings.Cut(line, "=")
		for _, foreign := range []string{"PROTO", "TCP", "UNIX", "IPC", "GID", "SUPERVISETEST", "SCGIKIT", "scgikit"} {
			if isVariable && strings.HasPrefix(name, foreign) {
				t.Errorf("%s: the program sees %s", service, line)
			}
		}
		if isVariable && name == "UID" && service != "socket" && service != "kept" {
			t.Errorf("%s: the program sees %s", service, line)
		}
		if fd, ok := strings.CutPrefix(line, "fd "); ok {
			number, target, _ := strings.Cut(fd, " ")
			// One that is gone is the shell's own, of the folder.
			if target != "gone" && !slices.Contains([]string{"0", "1", "2"}, number) && !strings.HasSuffix(target, "/work/facts") {
				t.Errorf("%s: descriptor %s is open", service, fd)
			}
		}
	}
}

// startRequest sends one request, and returns what gives the answer once there is
// one.
func (l *listenedFolders) startRequest(t *testing.T, service, rest string) func() (body string, err error) {
	t.Helper()
	network, addr := l.addr(service)
	conn, err := net.Dial(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(2 * time.Minute)); err != nil {
		t.Fatal(err)
	}
	request := scgi.AppendRequest(nil, []scgi.Header{
		{Name: "CONTENT_LENGTH", Value: "0"},
		{Name: "SCGI", Value: "1"},
		{Name: "REQUEST_METHOD", Value: "GET"},
		{Name: "REQUEST_URI", Value: "/" + service + rest},
		{Name: "SCRIPT_NAME", Value: "/" + service},
		{Name: "PATH_INFO", Value: rest},
	})
	if _, err := conn.Write(request); err != nil {
		t.Fatal(err)
	}
	return func() (string, error) {
		answer, err := io.ReadAll(conn)
		_, body, _ := strings.Cut(string(answer), "\r\n\r\n")
		return body, err
	}
}

// waiting waits until n scripts wait for the file go.
func (l *listenedFolders) waiting(t *testing.T, n int) {
	t.Helper()
	eventually(t, fmt.Sprintf("%d scripts to wait", n), func() bool {
		in, err := os.ReadDir(l.at("in"))
		return err == nil && len(in) == n
	})
}

// checkKilledListener kills a listener while a request is served: another one
// listens at the same place, over what the first has left there, and the request
// is answered; of a bridge that keeps running, it ends.
func checkKilledListener(t *testing.T, l *listenedFolders, service string) {
	t.Helper()
	var answer func() (string, error)
	if service != "port" { // which has one script alone
		answer = l.startRequest(t, service, "/wait")
		l.waiting(t, 1)
	}
	before, file := l.listener(t, service), l.socket(t, service)
	if err := syscall.Kill(before, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "another listener of "+service, func() bool { return l.listener(t, service) != before })
	// What unixserver has started keeps the old socket open: who connects too early
	// waits for that to end.
	eventually(t, "another socket of "+service, func() bool {
		if file == nil {
			return true
		}
		now := l.socket(t, service) // which may have the number of the old one
		return !os.SameFile(file, now) || !now.ModTime().Equal(file.ModTime())
	})
	l.answers(t, service)
	rest := "/facts"
	if service == "port" {
		rest = ""
	}
	network, addr := l.addr(service)
	if got := askSCGI(t, network, addr, "/"+service, rest, ""); !strings.HasPrefix(got, "Status: 200 OK") {
		t.Errorf("%s: after a kill the answer is %q", service, got)
	}
	if answer == nil {
		return
	}
	if service == "kept" {
		if body, _ := answer(); body != "" {
			t.Errorf("the request of the killed bridge: %q", body)
		}
		l.forget(t)
		return
	}
	writeFile(t, l.at("go"), "")
	if body, err := answer(); body != "1" || err != nil {
		t.Errorf("%s: the request of the killed listener: %q, %v", service, body, err)
	}
	l.waiting(t, 0)
	if err := os.Remove(l.at("go")); err != nil {
		t.Fatal(err)
	}
}

// forget removes what a script has left that was ended.
func (l *listenedFolders) forget(t *testing.T) {
	t.Helper()
	in, err := os.ReadDir(l.at("in"))
	if err != nil || len(in) != 1 {
		t.Fatalf("%d scripts: %v", len(in), err)
	}
	pid, err := strconv.Atoi(in[0].Name())
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the end of the script", func() bool { return syscall.Kill(pid, 0) != nil })
	if err := os.Remove(filepath.Join(l.at("in"), in[0].Name())); err != nil {
		t.Fatal(err)
	}
}

// checkConcurrency sends more requests than may be served at once.
func checkConcurrency(t *testing.T, l *listenedFolders) {
	t.Helper()
	var answers []func() (string, error)
	for range 6 {
		answers = append(answers, l.startRequest(t, "socket", "/wait"))
	}
	l.waiting(t, 2)
	writeFile(t, l.at("go"), "")
	most := ""
	for _, answer := range answers {
		body, err := answer()
		if err != nil {
			t.Error(err)
		}
		most = max(most, body)
	}
	if most > "2" { // two have been seen
		t.Errorf("%s at once, want 2", most)
	}
	if err := os.Remove(l.at("go")); err != nil {
		t.Fatal(err)
	}
	// Many more than one user's 40, which s6-ipcserverd allows by default.
	for range 45 {
		answers = append(answers, l.startRequest(t, "other-socket", "/wait"))
	}
	l.waiting(t, 45)
	writeFile(t, l.at("go"), "")
	for _, answer := range answers[6:] {
		if _, err := answer(); err != nil {
			t.Error(err)
		}
	}
	if err := os.Remove(l.at("go")); err != nil {
		t.Fatal(err)
	}
}

// checkStoppedListener stops a service while a request is served, which is
// answered all the same.
func checkStoppedListener(t *testing.T, l *listenedFolders, service string) {
	t.Helper()
	answer := l.startRequest(t, service, "/wait")
	l.waiting(t, 1)
	switch {
	case l.stop != nil:
		l.stop(service)
	case l.target == "daemontools":
		if out, err := exec.CommandContext(t.Context(), need.Program(t, "svc"), "-d", l.service(service)).CombinedOutput(); err != nil {
			t.Fatalf("svc -d: %v: %s", err, out)
		}
	default:
		l.tell(t, "down", service)
	}
	network, addr := l.addr(service)
	eventually(t, "the end of the listener", func() bool {
		conn, err := new(net.Dialer).DialContext(context.Background(), network, addr)
		if err == nil {
			conn.Close()
		}
		return err != nil
	})
	writeFile(t, l.at("go"), "")
	if body, err := answer(); body != "1" || err != nil {
		t.Errorf("%s: the request of the stopped listener: %q, %v", service, body, err)
	}
	if err := os.Remove(l.at("go")); err != nil {
		t.Fatal(err)
	}
}
