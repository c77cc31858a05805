package supervisetest_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"scgikit/internal/supervisetest"
)

// Nobody reads what is said any more: the family's usual readproctitle has ended.
func TestBrokenOutput(t *testing.T) {
	t.Parallel()
	scan := t.TempDir()
	supervisetest.Make(t, scan, services{"a": {"run": obeying}})
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(own("scgi-run"), "supervise", scan)
	cmd.Stdout, cmd.Stderr = writer, writer
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	writer.Close()
	supervisetest.Until(t, "a runs", func() bool { return supervisetest.Details(filepath.Join(scan, "a")).State == "running" })
	reader.Close()
	// Each of these is something to say.
	bad := supervisetest.Service{"run": "#!/no/such/interpreter\n"}
	bad.Write(t, filepath.Join(scan, "b"))
	supervisetest.Until(t, "b has failed", func() bool { return supervisetest.Details(filepath.Join(scan, "b")).Starts > 1 })
	if err := syscall.Kill(supervisetest.Worker(cmd.Process.Pid), syscall.SIGABRT); err != nil {
		t.Error(err)
	}
	supervisetest.Until(t, "it goes on", func() bool { return supervisetest.Details(filepath.Join(scan, "b")).Starts > 3 })
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

// Commands that come while a start fails hurt nobody else: a process that there
// is not is not killed.
func TestCommandsWhileFailing(t *testing.T) {
	t.Parallel()
	b := ours(t, "daemontools", services{
		"a": {"run": obeying},
		"m": {"run": "#!/no/such/interpreter\n", "timeout-kill": "1\n", "down": ""},
	})
	pid := b.started("a", 1)
	worker := supervisetest.Worker(b.PID())
	for range 20 {
		b.command("m", "ud"+strings.Repeat("U", 200)+"d")
	}
	supervisetest.Until(t, "all is obeyed", func() bool {
		d := b.details("m")
		return d.Starts > 1 && d.Want == "down"
	})
	if b.status("a").PID != pid || supervisetest.Worker(b.PID()) != worker {
		t.Errorf("a is %d, the supervisor %d; were %d, %d", b.status("a").PID, supervisetest.Worker(b.PID()), pid, worker)
	}
	b.end()
}

// A scan folder that was moved away is no reason to leave what runs alone.
func TestScanFolderGone(t *testing.T) {
	t.Parallel()
	b := ours(t, "daemontools", services{"a": {"run": obeying}})
	pid := b.started("a", 1)
	moved := b.scan + ".moved"
	if err := os.Rename(b.scan, moved); err != nil {
		t.Fatal(err)
	}
	kill(t, supervisetest.Worker(b.PID()), "KILL")
	b.says("no such file or directory; going on with the services that run")
	dir := filepath.Join(moved, "a")
	supervisetest.Command(t, dir, "1")
	supervisetest.Until(t, "a is started again", func() bool {
		now := supervisetest.Status(dir).PID
		return now != 0 && now != pid
	})
	kill(t, b.PID(), "TERM")
	if err := b.Wait(t); err != nil {
		t.Error(err)
	}
	if left := b.Marked(); len(left) > 0 {
		t.Errorf("it has left %v", left)
	}
	os.RemoveAll(moved)
}

// What is in the place of the program may be no program, or another one.
func TestWrongProgram(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{"rubbish": "rubbish", "another": "#!/bin/sh\nexit 0\n", "nothing to be run": ""} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			program := filepath.Join(t.TempDir(), "scgi-run")
			if err := os.Link(own("scgi-run"), program); err != nil {
				t.Fatal(err)
			}
			b := begin(t, services{"a": {"run": obeying}}, program, "supervise")
			pid := b.started("a", 1)
			mode := os.FileMode(0o755)
			if text == "" {
				mode = 0o644
			}
			if err := os.WriteFile(program+".new", []byte(text), mode); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(program+".new", program); err != nil {
				t.Fatal(err)
			}
			kill(t, b.PID(), "USR2")
			b.says("is not to be become")
			former, worker := supervisetest.Worker(b.PID()), 0
			kill(t, former, "KILL")
			supervisetest.Until(t, "there is a supervisor again", func() bool {
				worker = supervisetest.Worker(b.PID())
				// The other program is tried some times first.
				return worker != 0 && worker != former && executable(worker) == executable(b.PID())
			})
			// The keeper's end is the supervisor's business.
			kill(t, b.PID(), "KILL")
			supervisetest.Until(t, "there is a keeper again", func() bool { return supervisetest.Worker(worker) != 0 })
			if now := b.status("a").PID; now != pid {
				t.Errorf("a is %d, was %d", now, pid)
			}
			b.command("a", "1")
			b.started("a", 2)
			supervisetest.Until(t, "all ends", func() bool {
				_ = syscall.Kill(worker, syscall.SIGTERM)
				return len(b.Marked()) == 0
			})
		})
	}
}

func executable(pid int) string {
	path, _ := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
	return path
}

// A keeper whose supervisor cannot be started can be ended all the same.
func TestEndAlone(t *testing.T) {
	t.Parallel()
	b := begin(t, services{"a": {"run": obeying}}, "/bin/sh", "-c", `ulimit -n 9; exec "$0" supervise "$1"`, own("scgi-run"))
	supervisetest.Until(t, "supervisors end at once", func() bool { return strings.Count(b.printed(), "\n") > 3 })
	supervisetest.Until(t, "it ends", func() bool {
		_ = syscall.Kill(b.PID(), syscall.SIGTERM)
		return !supervisetest.Alive(b.PID())
	})
}
