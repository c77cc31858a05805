package generate_test

import (
	"net"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"scgikit/internal/need"
)

// TestS6rcListeners compiles definitions with listeners, and has the real s6-rc
// bring them up and down: what TestListeners asks of folders, asked of these.
func TestS6rcListeners(t *testing.T) {
	t.Parallel()
	s6rcProgram(t, "s6-rc-compile")
	need.Root(t)
	for _, program := range []string{
		"tcpserver", "unixserver", "s6-ipcserverd", "s6-ipcserver-socketbinder", "getent", "s6-svscan", "s6-svc", "s6-svstat", "s6-envdir", "s6-envuidgid",
		"s6-applyuidgid", "s6-setuidgid", "s6-log", "python3",
	} {
		need.Program(t, program)
	}
	l, set := renderListened(t, keeper{target: "s6-rc"}, buildSCGIRun(t, publicDir(t)))
	l.target = "s6" // which keeps what s6-rc has brought up
	live := &liveS6rc{dir: l.dir, work: l.work, logs: filepath.Join(l.dir, "logs"), live: filepath.Join(l.dir, "live")}
	kept := filepath.Join(l.dir, "kept")
	for _, d := range []string{live.logs, kept} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	live.initialize(t, moveLogs(t, set, live.logs), l.scan, "")
	l.stop = func(service string) { live.must(t, "-d", "change", service) }
	// The folders as those of s6 look: with the state and the log inside.
	l.scan = kept
	for _, service := range listenedServices {
		folder := filepath.Join(live.live, "servicedirs", service+".srv")
		for name, to := range map[string]string{
			"supervise": filepath.Join(folder, "supervise"), "notification-fd": filepath.Join(folder, "notification-fd"), "log/main": filepath.Join(live.logs, service),
		} {
			link := filepath.Join(l.service(service), name)
			if err := os.MkdirAll(filepath.Dir(link), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(to, link); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Cleanup(func() {
		if !t.Failed() {
			return
		}
		for _, service := range listenedServices {
			data, _ := os.ReadFile(filepath.Join(live.logs, service, "current"))
			t.Logf("%s:\n%s", service, data)
		}
	})
	// It is up when it listens, where the listener can say so.
	live.must(t, append([]string{"-u", "change"}, listenedServices[:]...)...)
	for _, service := range listenedServices {
		l.answers(t, service)
	}
	checkSockets(t, l)
	checkListenReadiness(t, l)
	checkFacts(t, l)
	for _, service := range []string{"socket", "port", "other-socket", "kept"} {
		checkKilledListener(t, l, service)
	}
	checkSockets(t, l)
	checkConcurrency(t, l)
	checkStoppedListener(t, l, "kept")
	checkStoppedListener(t, l, "socket")
	if up := live.up(t); slices.Contains(up, "socket.srv") || !slices.Contains(up, "port.srv") {
		t.Errorf("%q are up behind the end of socket", up)
	}
	live.must(t, "-da", "change")
	if up := live.up(t); len(up) > 0 {
		t.Errorf("%q are up in the end", up)
	}
	for _, service := range listenedServices {
		network, addr := l.addr(service)
		if conn, err := net.Dial(network, addr); err == nil {
			conn.Close()
			t.Errorf("%s listens in the end", service)
		}
	}
}
