package crashtest

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// TestKillInRecovery kills a logger that has nothing but the beginning of a line,
// and its successor at each system call of its start. That line is in no file
// then, and in the pipe no more.
func TestKillInRecovery(t *testing.T) {
	t.Parallel()
	for _, before := range []string{"", "whole\n"} {
		total := killInRecovery(t, before, 1<<30) // none is so far: all points are passed
		for at := 1; at <= total; at++ {
			killInRecovery(t, before, at)
		}
		if total < 30 {
			t.Errorf("only %d points", total)
		}
	}
}

// killInRecovery returns the number of points that the second logger has passed.
func killInRecovery(t *testing.T, before string, at int) int {
	t.Helper()
	dir, err := os.MkdirTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	p := newPipe(t)
	defer p.read.Close()
	defer p.write.Close()
	words := slices.Concat(ours(t), split("t n1000 ./a"))
	if _, err := p.write.WriteString(before + "begun"); err != nil {
		t.Fatal(err)
	}
	l := launch(t, dir, p.read, words...)
	until(t, "the logger reads", func() bool { return p.unread(t) == 0 && reads(filepath.Join(dir, "a")) })
	l.signal(t, syscall.SIGKILL)
	l.end(t, -int(syscall.SIGKILL))

	// All there is to come is there, so that the second logger, if it is not
	// killed, ends by itself.
	if _, err := p.write.WriteString(" line\nnext\n"); err != nil {
		t.Fatal(err)
	}
	p.write.Close()
	tr := tracer{
		dir: dir, input: p.read, words: words, point: at, signal: syscall.SIGKILL, after: unix.SYS_FLOCK,
		started: func(int) {},
	}
	result, err := tr.run()
	if err != nil || !result.died && result.code != 0 {
		t.Fatalf("%s: exit code %d, %v\n%s", result.where, result.code, err, result.stderr)
	}
	launch(t, dir, p.read, words...).end(t, 0)
	got := unstamped(t, content(t, filepath.Join(dir, "a")))
	if want := before + "begun line\nnext\n"; got != want {
		t.Errorf("killed at %s: %q, want %q", result.where, got, want)
	}
	return result.points
}

// unstamped takes the stamps of lines away, which must be there.
func unstamped(t *testing.T, text string) string {
	t.Helper()
	var b []byte
	for line := range strings.Lines(text) {
		if len(line) <= stampLength || line[0] != '@' || line[stampLength-1] != ' ' {
			t.Errorf("no stamp: %q", line)
			continue
		}
		b = append(b, line[stampLength:]...)
	}
	return string(b)
}
