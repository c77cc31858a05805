package supervisetest_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"scgikit/internal/need"
	"scgikit/internal/servicedir"
	"scgikit/internal/supervisetest"
)

// bin is the folder of scgi-run and of links to it. TestMain sets it.
var bin string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "supervisetest")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	path, err := supervisetest.Build(dir)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	for _, name := range []string{"svscan", "supervise", "svc", "svok", "svstat", "svup"} {
		if err := os.Symlink(path, filepath.Join(dir, name)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	bin = dir
	return m.Run()
}

// own is the path of one of our programs.
func own(name string) string { return filepath.Join(bin, name) }

// Services that tests run. Each writes its process id to the file starts.
const (
	// sleeping ends on every signal that ends processes.
	sleeping = "#!/bin/sh\necho $$ >>starts\nexec sleep 100000\n"
	// trapping writes down the signals that it gets, and ends on KILL alone.
	trapping = `#!/bin/sh
for s in HUP ALRM INT TERM QUIT USR1 USR2 WINCH ABRT CONT; do trap "echo $s >>got" $s; done
sleep 100000 &
echo $! >>children
echo $$ >>starts
while :; do wait $!; done
`
	// obeying writes them down, and ends on USR1 with 7 and on TERM with 0.
	obeying = `#!/bin/sh
for s in HUP ALRM INT; do trap "echo $s >>got" $s; done
trap 'echo TERM >>got; kill $!; exit 0' TERM
trap 'kill $!; exit 7' USR1
sleep 100000 &
echo $$ >>starts
while :; do wait $!; done
`
)

// service is a service with nothing but ./run.
func service(run string) supervisetest.Service { return supervisetest.Service{"run": run} }

type services = map[string]supervisetest.Service

// box is a supervisor and its folder.
type box struct {
	t    *testing.T
	scan string
	*supervisetest.Supervisor
}

// ours starts our supervisor.
func ours(t *testing.T, dialect string, list services, flags ...string) *box {
	t.Helper()
	return begin(t, list, append([]string{own("scgi-run"), "supervise", "--dialect", dialect}, flags...)...)
}

// theirs starts a supervisor of the families.
func theirs(t *testing.T, program string, list services) *box {
	t.Helper()
	return begin(t, list, need.Program(t, program))
}

func begin(t *testing.T, list services, argv ...string) *box {
	t.Helper()
	scan := filepath.Join(t.TempDir(), "scan")
	if err := os.Mkdir(scan, 0o755); err != nil {
		t.Fatal(err)
	}
	supervisetest.Make(t, scan, list)
	return &box{t, scan, supervisetest.Start(t, scan, argv...)}
}

// stop ends our supervisor, and asks that nothing is left.
func (b *box) stop() {
	b.t.Helper()
	kill(b.t, b.PID(), "TERM")
	if err := b.Wait(b.t); err != nil {
		b.t.Errorf("the supervisor: %v", err)
	}
	if left := b.Marked(); len(left) > 0 {
		b.t.Errorf("it has left %v", left)
	}
}

// end ends it at once: services that are told to end and do not are killed.
func (b *box) end() {
	b.t.Helper()
	supervisetest.Until(b.t, "the supervisor ends", func() bool {
		_ = syscall.Kill(b.PID(), syscall.SIGTERM)
		<-time.After(100 * time.Millisecond)
		return !supervisetest.Alive(b.PID())
	})
	if left := b.Marked(); len(left) > 0 {
		b.t.Errorf("it has left %v", left)
	}
}

func (b *box) dir(name string) string { return filepath.Join(b.scan, name) }

func (b *box) status(name string) servicedir.Status { return supervisetest.Status(b.dir(name)) }

func (b *box) details(name string) servicedir.Detail { return supervisetest.Details(b.dir(name)) }

// is waits until a service's status is as it should be.
func (b *box) is(name, what string, holds func(s servicedir.Status) bool) servicedir.Status {
	b.t.Helper()
	var s servicedir.Status
	supervisetest.Until(b.t, name+" "+what, func() bool { s = b.status(name); return holds(s) })
	return s
}

// state waits until our supervisor says that a service is in a state.
func (b *box) state(name string, want servicedir.State) servicedir.Detail {
	b.t.Helper()
	var d servicedir.Detail
	supervisetest.Until(b.t, name+" is "+string(want), func() bool { d = b.details(name); return d.State == want })
	return d
}

// started waits until a service has written down that it was started for the nth
// time, and is what runs. It returns its process.
func (b *box) started(name string, n int) int {
	b.t.Helper()
	pid := 0
	supervisetest.Until(b.t, fmt.Sprintf("start %d of %s", n, name), func() bool {
		starts := b.lines(name, "starts")
		if len(starts) < n {
			return false
		}
		fmt.Sscan(starts[len(starts)-1], &pid)
		s := b.status(name)
		return len(starts) == n && s.PID == pid
	})
	return pid
}

// down waits until a service is down, with nothing of it running.
func (b *box) down(name string) servicedir.Status {
	b.t.Helper()
	return b.is(name, "is down", func(s servicedir.Status) bool { return s.PID == 0 && s.Run == servicedir.RunDown && !s.Since.IsZero() })
}

// idle waits until a service that is not to be started is down, and can be
// commanded: the last thing that a supervisor does with it.
func (b *box) idle(name string) servicedir.Status {
	b.t.Helper()
	s := b.down(name)
	supervisetest.Until(b.t, name+" is supervised", func() bool { return supervisetest.Supervised(b.dir(name)) })
	return s
}

// lines returns the lines of a file in a service folder.
func (b *box) lines(name, file string) []string {
	data, _ := os.ReadFile(filepath.Join(b.dir(name), file))
	return strings.Fields(string(data))
}

// got waits until a service has got signals, in whatever order, and forgets them.
func (b *box) got(name string, want ...string) {
	b.t.Helper()
	slices.Sort(want)
	var have []string
	supervisetest.Until(b.t, fmt.Sprintf("%s gets %q", name, want), func() bool {
		have = b.lines(name, "got")
		slices.Sort(have)
		return len(have) >= len(want)
	})
	if !slices.Equal(have, want) {
		b.t.Errorf("%s got %q, want %q", name, have, want)
	}
	os.Remove(filepath.Join(b.dir(name), "got"))
}

// stopped returns whether a process is stopped.
func stopped(pid int) bool {
	data, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, rest, _ := strings.Cut(string(data), ") ")
	return strings.HasPrefix(rest, "T")
}

func (b *box) command(name, letters string) {
	b.t.Helper()
	supervisetest.Until(b.t, name+" is supervised", func() bool { return supervisetest.Supervised(b.dir(name)) })
	supervisetest.Command(b.t, b.dir(name), letters)
}

// unsupervised waits until clients find a folder unsupervised.
func (b *box) unsupervised(name string) {
	b.t.Helper()
	supervisetest.Until(b.t, name+" is not supervised", func() bool { return !supervisetest.Supervised(b.dir(name)) })
}

// printed returns what the supervisor has printed.
func (b *box) printed() string {
	data, _ := os.ReadFile(b.Printed)
	return string(data)
}

// says waits until the supervisor has printed something.
func (b *box) says(text string) {
	b.t.Helper()
	supervisetest.Until(b.t, "the supervisor says "+text, func() bool { return strings.Contains(b.printed(), text) })
}

// holdsFor asks that something stays as it is for a while. It shows what should
// not happen at all; a machine that is slow hides it, and breaks no test.
func holdsFor(t *testing.T, wait time.Duration, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(wait); time.Now().Before(deadline); <-time.After(10 * time.Millisecond) {
		if !holds() {
			t.Fatalf("%s: no longer", what)
		}
	}
}

// tool runs a client to its end. It returns what it prints and its exit code.
func tool(t *testing.T, argv ...string) (string, int) {
	t.Helper()
	return toolWith(t, "", nil, argv...)
}

func toolWith(t *testing.T, dir string, env []string, argv ...string) (string, int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), supervisetest.Patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if failed, ok := errors.AsType[*exec.ExitError](err); err != nil && (!ok || failed.ExitCode() < 0) {
		t.Fatalf("%q: %v\n%s", argv, err, out)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// does runs a client and asks that it succeeds.
func does(t *testing.T, argv ...string) string {
	t.Helper()
	out, code := tool(t, argv...)
	if code != 0 {
		t.Errorf("%q: exit %d: %s", argv, code, out)
	}
	return out
}

var (
	pids    = regexp.MustCompile(`\bpid [0-9]+`)
	seconds = regexp.MustCompile(`\b[0-9]+( seconds|s\b)`)
)

// masked takes out of a text what is never the same.
func masked(text, dir string) string {
	text = strings.ReplaceAll(text, dir, "DIR")
	return seconds.ReplaceAllString(pids.ReplaceAllString(strings.TrimSpace(text), "pid P"), "N$1")
}

// kill sends a signal by its name to a process.
func kill(t *testing.T, pid int, signal string) {
	t.Helper()
	if pid < 2 {
		t.Fatalf("signal %s to no process", signal)
	}
	if err := syscall.Kill(pid, unix.SignalNum("SIG"+signal)); err != nil {
		t.Errorf("signal %s to process %d: %v", signal, pid, err)
	}
}
