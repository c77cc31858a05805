package generate_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"scgikit/internal/servertest"
	"scgikit/internal/supervisetest"
)

// enterOpenRC makes the machine, with scripts in its init.d.
func (m *initMachine) enterOpenRC(t *testing.T, scripts map[string][]byte) {
	t.Helper()
	for name, data := range scripts {
		writeProgram(t, filepath.Join(m.dir, "init.d", name), string(data))
	}
	m.enter = servertest.EnterOpenRC(t, filepath.Join(m.dir, "init.d"))
}

// TestOpenRC runs the generated scripts with the real openrc-run and
// supervise-daemon.
func TestOpenRC(t *testing.T) {
	t.Parallel()
	m, scripts := newInitMachine(t, "openrc", false)
	m.enterOpenRC(t, scripts)
	const full = "/etc/init.d/full-app"
	child := func(service string) string {
		return filepath.Join(m.inside("/run/openrc/options"), service, "child_pid")
	}
	m.does(t, 3, full, "status")
	m.does(t, 0, full, "start")
	pid := m.pid(t, child("full-app"), "serve")
	t.Cleanup(func() { m.kill(pid) })
	requireText(t, filepath.Join(m.work, "serves"), "")
	m.checkProcess(t, pid)
	m.checkLog(t)
	m.does(t, 0, full, "status")
	m.does(t, 0, full, "start")
	if again := m.pid(t, child("full-app"), "serve"); again != pid {
		t.Errorf("a second start makes another process: %d, %d", pid, again)
	}
	m.does(t, 0, full, "reload")
	requireText(t, filepath.Join(m.work, "signals"), "USR1\n")

	// It is started again, as it was, with the same log.
	m.kill(pid)
	again := pid
	eventually(t, "another process", func() bool {
		again = m.pid(t, child("full-app"), "serve")
		return again != pid
	})
	t.Cleanup(func() { m.kill(again) })
	m.checkProcess(t, again)
	eventually(t, "its lines in the log", func() bool {
		data, _ := os.ReadFile(filepath.Join(m.log, "full/current"))
		return strings.Count(string(data), "started as a  b\n") == 2
	})
	m.does(t, 0, full, "stop")
	requireText(t, filepath.Join(m.work, "signals"), "USR1\nQUIT\n")
	if supervisetest.Alive(again) {
		t.Error("it runs after its stop")
	}
	m.loggerEnds(t, "full-app")
	m.does(t, 3, full, "status")

	m.does(t, 0, "/etc/init.d/stubborn", "start")
	stubborn := m.pid(t, child("stubborn"), "stubborn")
	t.Cleanup(func() { m.kill(stubborn) })
	m.checkStubborn(t, stubborn, func() { m.does(t, 0, "/etc/init.d/stubborn", "stop") })

	m.checkBridge(t, func() { m.does(t, 0, "/etc/init.d/bridge", "start") }, func() { m.does(t, 0, "/etc/init.d/bridge", "stop") })

	if err := os.Remove(filepath.Join(m.work, "broken")); err != nil {
		t.Fatal(err)
	}
	if out := m.does(t, 1, "/etc/init.d/broken", "start"); !strings.Contains(out, "work  dir/broken is no program") {
		t.Errorf("without its program: %s", out)
	}
}
