package crashtest

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"scgikit/internal/need"
)

// patience is how long a test waits for what must come. It is spent only where
// something hangs.
const patience = 2 * time.Minute

// programDir is the folder of the program, once a test has asked for it.
var programDir string

// TestMain removes the program that the tests have built. Most of the tests that
// run in parallel wait for a program that waits for better times: more of them
// than there are processors go well together.
func TestMain(m *testing.M) {
	flag.Set("test.parallel", "8") // what the command line says comes later
	code := m.Run()
	if programDir != "" {
		os.RemoveAll(programDir)
	}
	os.Exit(code)
}

// build makes scgi-run, once for all tests, as it is shipped: a test of the
// moments at which it can be killed is not to be about the race detector.
var build = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "scgikit-crashtest-")
	if err != nil {
		return "", err
	}
	programDir = dir
	// Tests run it as another user, too.
	if err := os.Chmod(dir, 0o755); err != nil {
		return "", err
	}
	program := filepath.Join(dir, "scgi-run")
	cmd := exec.Command("go", "build", "-buildvcs=false", "-ldflags", "-s -w", "-o", program, "./cmd/scgi-run")
	cmd.Dir = "../.."
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return program, nil
})

// ours is the command of the program under test, to which a script is added.
func ours(t *testing.T) []string {
	t.Helper()
	program, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return []string{program, "multilog"}
}

// theirs is the command of another rotator.
func theirs(t *testing.T, name string) []string {
	t.Helper()
	return []string{need.Program(t, name)}
}

// rounds scales a number of repetitions.
func rounds(t *testing.T, n int) int {
	t.Helper()
	if factor := need.Rounds(t); factor > 0 {
		return n * factor
	}
	return (n + 1) / 2
}

// split returns the words of a script, which spaces separate. A tab stands for
// a space within a word.
func split(script string) []string {
	words := strings.Split(script, " ")
	for i, word := range words {
		words[i] = strings.ReplaceAll(word, "\t", " ")
	}
	return words
}

// logger is a program that reads a pipe.
type logger struct {
	cmd    *exec.Cmd
	stderr *output
	done   chan error // gets the result of Wait
}

// output is what a program has written on stderr so far.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// launch starts a command in a folder with one end of a pipe, or anything
// else, as its standard input.
func launch(t *testing.T, dir string, input *os.File, words ...string) *logger {
	t.Helper()
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Dir, cmd.Stdin = dir, input
	return run(t, cmd)
}

func run(t *testing.T, cmd *exec.Cmd) *logger {
	t.Helper()
	l := &logger{cmd: cmd, stderr: new(output), done: make(chan error, 1)}
	cmd.Stderr = l.stderr
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = new(syscall.SysProcAttr)
	}
	cmd.SysProcAttr.Setpgid = true
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		l.done <- cmd.Wait()
		close(ended)
	}()
	t.Cleanup(func() {
		select {
		case <-ended:
		default: // the test has failed
			syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		}
	})
	return l
}

// signal sends a signal; the program must be there to get it.
func (l *logger) signal(t *testing.T, s syscall.Signal) {
	t.Helper()
	if err := l.cmd.Process.Signal(s); err != nil {
		t.Fatalf("%v: the program has ended before: %v\n%s", s, err, l.stderr)
	}
}

// end waits until the program has ended, and fails unless it did so in the
// given way: an exit code, or a signal as a negative number.
func (l *logger) end(t *testing.T, want int) {
	t.Helper()
	if got := l.wait(t); got != want {
		t.Fatalf("%v: ended with %d, want %d\n%s", l.cmd.Args, got, want, l.stderr)
	}
}

func (l *logger) wait(t *testing.T) int {
	t.Helper()
	err := within(func() error { return <-l.done })
	if errors.Is(err, errPatience) {
		t.Fatalf("%v: still running\n%s", l.cmd.Args, l.stderr)
	}
	status, ok := l.cmd.ProcessState.Sys().(syscall.WaitStatus)
	if !ok {
		t.Fatal(err)
	}
	if status.Signaled() {
		return -int(status.Signal())
	}
	return status.ExitStatus()
}

// errPatience is the end of a test's patience.
var errPatience = errors.New("nothing has happened for " + patience.String())

// within returns what f returns, or errPatience.
func within(f func() error) error {
	done := make(chan error, 1)
	go func() { done <- f() }()
	select {
	case err := <-done:
		return err
	case <-time.After(patience):
		return errPatience
	}
}

// until polls for what must become true.
func until(t *testing.T, what string, true func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !true(); {
		if time.Now().After(end) {
			t.Fatalf("waited in vain: %s", what)
		}
		<-time.After(time.Millisecond)
	}
}
