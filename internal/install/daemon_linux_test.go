package install

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"scgikit/internal/loopback"
	"scgikit/internal/need"
)

// TestReadAgain: a daemon that was told to read its files again has done so when
// the step is over, however late it comes to it.
func TestReadAgain(t *testing.T) {
	t.Run("inetd", func(t *testing.T) {
		dir, was := t.TempDir(), twoPorts(t)
		is := was + 1
		conf := filepath.Join(dir, "inetd.conf")
		line := func(port int) {
			text := fmt.Sprintf("127.0.0.1:%d stream tcp nowait root /bin/true true\n", port)
			if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		line(was)
		pid := startDaemon(t, need.Program(t, "inetd"), "-i", conf)
		listens(t, was)
		line(is)
		toldLate(t, pid, &daemon{reads: syscall.SIGHUP})
		if err := dial(is); err != nil {
			t.Errorf("the new line is not there yet: %v", err)
		}
		if err := dial(was); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("the former line is still there: %v", err)
		}
	})

	t.Run("nginx", func(t *testing.T) {
		dir, was := t.TempDir(), twoPorts(t)
		is := was + 1
		conf := filepath.Join(dir, "nginx.conf")
		block := func(port int) {
			text := fmt.Sprintf("daemon off; worker_processes 2; pid %[1]s/pid; error_log %[1]s/log; events {}\n"+
				"http { access_log off; client_body_temp_path %[1]s/b; proxy_temp_path %[1]s/p; fastcgi_temp_path %[1]s/f; uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/s;\n"+
				"server { listen 127.0.0.1:%[2]d; return 200; } }\n", dir, port)
			if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		block(was)
		pid := startDaemon(t, need.Program(t, "nginx"), "-c", conf, "-e", filepath.Join(dir, "log"))
		listens(t, was)
		if err := waitFor(t.Context(), 2*time.Minute, func() error {
			if len(children(pid)) < 2 {
				return errors.New("nginx has no workers")
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		former := children(pid)
		block(is)
		toldLate(t, pid, &daemon{reads: syscall.SIGHUP, workers: true})
		if err := dial(is); err != nil {
			t.Errorf("the new address is not there yet: %v", err)
		}
		if err := outdated(pid, former); err != nil {
			t.Error(err)
		}

		// A port that somebody else has: nginx -t finds nothing, and nginx stays as it is.
		other, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer other.Close()
		block(other.Addr().(*net.TCPAddr).Port)
		r := &Runner{Say: func(format string, args ...any) { t.Errorf(format, args...) }}
		err = r.tell(t.Context(), "nginx", pid, &daemon{reads: syscall.SIGHUP, workers: true, patience: time.Second})
		if err == nil || !strings.Contains(err.Error(), "nginx: process ") || !strings.Contains(err.Error(), "still has the old configuration; its own log says why") {
			t.Errorf("a port that is taken: %v", err)
		}
	})
}

// TestPidFile: a number is taken from a file that nobody else may write, and of a
// process that is the daemon.
func TestPidFile(t *testing.T) {
	sleep := exec.CommandContext(t.Context(), "sleep", "1000")
	if err := sleep.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = sleep.Process.Kill()
		_ = sleep.Wait()
	})
	pid := sleep.Process.Pid
	if err := waitFor(t.Context(), 2*time.Minute, func() error {
		if d := (daemon{names: []string{"sleep"}}); !d.is(pid) {
			return errors.New("sleep has not begun")
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file := func(name string, mode os.FileMode) string {
		file := filepath.Join(dir, name)
		if err := errors.Join(os.WriteFile(file, fmt.Appendf(nil, "%d\n", pid), mode), os.Chmod(file, mode)); err != nil {
			t.Fatal(err)
		}
		return file
	}
	good := file("good", 0o644)
	link, fifo := filepath.Join(dir, "link"), filepath.Join(dir, "fifo")
	if err := errors.Join(os.Symlink(good, link), syscall.Mkfifo(fifo, 0o600)); err != nil {
		t.Fatal(err)
	}
	sleeps := []string{"sleep"}
	for _, c := range []struct {
		file  string
		names []string
		want  int
	}{
		{good, sleeps, pid},
		{good, []string{"inetd"}, 0},
		{file("shared", 0o664), sleeps, 0},
		{link, sleeps, 0},
		{fifo, sleeps, 0},
		{dir, sleeps, 0},
		{filepath.Join(dir, "none"), sleeps, 0},
	} {
		if got := running(daemon{pids: []string{c.file}, names: c.names}); got != c.want {
			t.Errorf("%s of %v: %d, not %d", filepath.Base(c.file), c.names, got, c.want)
		}
	}
}

// toldLate tells a daemon that is stopped, and has it go on when it was told.
func toldLate(t *testing.T, pid int, d *daemon) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	awaitStatus := func(what string, ok func(processStatus) bool) {
		t.Helper()
		err := waitFor(t.Context(), 2*time.Minute, func() error {
			if s, known := statusOf(pid); !known || !ok(s) {
				return errors.New(what)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	awaitStatus("is not stopped", func(s processStatus) bool { return s.state == 'T' })
	done := make(chan error, 1)
	go func() {
		r := &Runner{Say: func(format string, args ...any) { t.Errorf(format, args...) }}
		done <- r.tell(t.Context(), "the daemon", pid, d)
	}()
	awaitStatus("is not told", func(s processStatus) bool { return s.pending>>(d.reads-1)&1 == 1 })
	select {
	case err := <-done:
		t.Errorf("the step is over while the daemon is stopped: %v", err)
		done <- nil
	default:
	}
	if err := syscall.Kill(pid, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func startDaemon(t *testing.T, program string, args ...string) (pid int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGCONT)
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	})
	return cmd.Process.Pid
}

func twoPorts(t *testing.T) (first int) {
	t.Helper()
	first, err := loopback.FreePorts(2)
	if err != nil {
		t.Fatal(err)
	}
	return first
}

func dial(port int) error {
	conn, err := net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", port), 10*time.Second)
	if err != nil {
		return err
	}
	return conn.Close()
}

func listens(t *testing.T, port int) {
	t.Helper()
	if err := waitFor(t.Context(), 2*time.Minute, func() error { return dial(port) }); err != nil {
		t.Fatal(err)
	}
}
