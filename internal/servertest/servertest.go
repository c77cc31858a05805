// Package servertest runs the real programs that generated files are for:
// svscan, two inetds, xinetd, and scgikit itself, each in a private folder, on loopback,
// and ended by its process id when the test ends.
package servertest

import (
	"bytes"
	"context"
	"fmt"
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

// Patience is how long a test waits for something that must happen. It ends a
// hang; nothing is measured with it.
const Patience = 2 * time.Minute

// Programs are the two programs of this project, built for a test.
type Programs struct {
	Scgikit string
	ScgiRun string
}

// Build builds both programs into a folder.
func Build(ctx context.Context, dir string) (*Programs, error) {
	cmd := exec.CommandContext(ctx, "go", "build", "-o", dir+"/", "scgikit/cmd/scgikit", "scgikit/cmd/scgi-run")
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("go build: %w\n%s", err, out)
	}
	return &Programs{Scgikit: filepath.Join(dir, "scgikit"), ScgiRun: filepath.Join(dir, "scgi-run")}, nil
}

// Run runs scgikit in a folder, and fails the test unless it ends with 0.
func (p *Programs) Run(t testing.TB, dir string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), p.Scgikit, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("scgikit %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// Folder returns a new folder that every user can reach, and that is removed
// when the test ends. The path is short enough for a socket's name.
func Folder(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "scgikit")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// Ports returns the first of n loopback ports in a row that were free a moment
// ago.
func Ports(t testing.TB, n int) int {
	t.Helper()
	first, err := loopback.FreePorts(n)
	if err != nil {
		t.Fatal(err)
	}
	return first
}

// Until asks again and again until done answers true, and fails the test where
// it never does.
func Until(t testing.TB, what string, done func() bool) {
	t.Helper()
	// Not t.Context: that has ended when a cleanup waits for something.
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-ctx.Done():
			t.Fatalf("waited %v for %s", Patience, what)
		case <-tick.C:
		}
	}
}

// Daemon is a running program.
type Daemon struct {
	cmd    *exec.Cmd
	output *syncBuffer
	ended  chan struct{}
}

// Start starts a program that stays in the foreground. It is sent TERM, and
// KILL where that does not end it, when the test ends.
func Start(t testing.TB, dir string, name string, args ...string) *Daemon {
	t.Helper()
	d := &Daemon{cmd: exec.Command(name, args...), output: new(syncBuffer), ended: make(chan struct{})}
	d.cmd.Dir = dir
	d.cmd.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8"}
	d.cmd.Stdout, d.cmd.Stderr = d.output, d.output
	// A child that a service left behind must not keep the test waiting.
	d.cmd.WaitDelay = time.Second
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = d.cmd.Wait() // how it ended is not what is tested
		close(d.ended)
	}()
	t.Cleanup(func() { d.Stop(t) })
	return d
}

// Log returns what the program has printed.
func (d *Daemon) Log() string { return d.output.String() }

// Stop ends the program and waits until it has ended.
func (d *Daemon) Stop(t testing.TB) {
	t.Helper()
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		_ = d.cmd.Process.Signal(sig) // it may have ended already
		select {
		case <-d.ended:
			return
		case <-time.After(Patience / 3):
		}
	}
	t.Errorf("%s does not end", d.cmd.Path)
}

// withLogs returns the command that runs a program with a folder in the place
// of /var/log, in a mount namespace of its own, so that generated files can say
// where logs really go and the machine's own are not touched.
func withLogs(t testing.TB, logs, name string, args ...string) (string, []string) {
	t.Helper()
	const script = `mount --bind "$1" /var/log && shift && exec "$@"`
	prefix := []string{"-m", "--propagation", "private", "sh", "-c", script, "sh", logs, name}
	return need.Program(t, "unshare"), append(prefix, args...)
}

// Svscan runs the real svscan over a folder of services, with logs in the
// place of /var/log. When the test ends,
// the services are ended first, then svscan, then what supervises each log.
func Svscan(t testing.TB, dir, logs string) *Daemon {
	t.Helper()
	svc := need.Program(t, "svc")
	need.Program(t, "supervise")
	name, args := withLogs(t, logs, need.Program(t, "svscan"), dir)
	d := Start(t, dir, name, args...)
	t.Cleanup(func() {
		// svscan first: it would start supervise again.
		d.Stop(t)
		services, err := filepath.Glob(filepath.Join(dir, "*"))
		if err != nil {
			t.Error(err)
		}
		for _, service := range services {
			// The folder may hold what is no service.
			_ = exec.Command(svc, "-dx", service).Run()
			_ = exec.Command(svc, "-dx", service+"/log").Run()
		}
		for _, service := range services {
			for _, s := range []string{service, service + "/log"} {
				Until(t, s+" to end", func() bool { return exec.Command("svok", s).Run() != nil })
			}
		}
	})
	return d
}

// syncBuffer is a bytes.Buffer that may be read while it is written.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
