package crashtest

import (
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// reading waits until a logger has come so far that it reads: current, which a
// clean end leaves 0744, is 0644 again.
func reading(t *testing.T, dir string) {
	t.Helper()
	until(t, "the logger opens "+dir+"/current", func() bool { return reads(dir) })
}

func reads(dir string) bool {
	info, err := os.Stat(filepath.Join(dir, "current"))
	return err == nil && info.Mode() == 0o644
}

// TestEachTermIsNoticed sends SIGTERM right after a line, to an idle logger and
// to one with much to read. Each must end without further input.
func TestEachTermIsNoticed(t *testing.T) {
	dir := t.TempDir()
	p := newPipe(t)
	words := append(ours(t), split("n1000000 ./a")...)
	random := rand.New(rand.NewPCG(3, 3))
	lines := 0
	give := func(n int) {
		var buf []byte
		for ; n > 0; n-- {
			buf = appendLine(buf, short, lines)
			lines++
		}
		if _, err := p.write.Write(buf); err != nil {
			t.Fatal(err)
		}
	}
	for i := range rounds(t, 1000) {
		l := launch(t, dir, p.read, words...)
		reading(t, filepath.Join(dir, "a"))
		switch i % 3 {
		case 0: // right after a line
			give(1)
			<-time.After(time.Duration(random.IntN(200)) * time.Microsecond)
		case 1: // idle
			until(t, "the logger reads", func() bool { return p.unread(t) == 0 })
		case 2: // busy
			if p.unread(t) < 30_000 { // what was left must not fill the pipe
				give(1500)
			}
		}
		l.signal(t, syscall.SIGTERM)
		l.end(t, 0)
	}
	l := launch(t, dir, p.read, words...)
	p.write.Close()
	l.end(t, 0)
	if v := inspect(t, filepath.Join(dir, "a"), expected{shape: short, lines: lines}); !v.ok() {
		t.Errorf("of %d lines %v", lines, v)
	}
}

// termPoints sends SIGTERM before and after each system call that a logger
// makes from its lock on, with a line in the pipe and none to come. It returns
// at how many points the logger did not end by itself within a time.
func termPoints(t *testing.T, command []string, allowed time.Duration) (points, unnoticed int) {
	t.Helper()
	total := 1
	for at := 0; at <= total; at++ {
		dir, err := os.MkdirTemp(t.TempDir(), "")
		if err != nil {
			t.Fatal(err)
		}
		p := newPipe(t)
		if _, err := p.write.WriteString("line\n"); err != nil {
			t.Fatal(err)
		}
		words := slices.Concat(command, split("./a"))
		tr := tracer{dir: dir, input: p.read, words: words, point: at, signal: syscall.SIGTERM, after: unix.SYS_FLOCK}
		ended := make(chan struct{})
		hurried := make(chan struct{})
		tr.started = func(pid int) {
			go func() {
				defer close(hurried)
				hurry(t, p, pid, &tr.sent, allowed, ended)
			}()
		}
		result, err := tr.run()
		close(ended)
		<-hurried
		switch {
		case errors.Is(err, errUnexpected):
			unnoticed++
			t.Logf("TERM at %s: not noticed", result.where)
		case err != nil || result.code != 0:
			t.Fatalf("TERM at %s: exit code %d, %v\n%s", result.where, result.code, err, result.stderr)
		}
		if at == 0 {
			total = result.points
		}
		p.read.Close()
		p.write.Close()
	}
	return total, unnoticed
}

// hurry ends a logger that does not end in time. One that has not come to its
// point when it is idle gets TERM then.
func hurry(t *testing.T, p *pipe, pid int, sent *atomic.Bool, allowed time.Duration, ended chan struct{}) {
	t.Helper()
	idle := 0
	for idle < 20 {
		select {
		case <-ended:
			return
		case <-time.After(time.Millisecond):
		}
		if p.unread(t) == 0 {
			idle++
		}
	}
	if !sent.Load() {
		syscall.Kill(pid, syscall.SIGTERM)
	}
	select {
	case <-ended:
	case <-time.After(allowed):
		syscall.Kill(pid, syscall.SIGKILL)
	}
}

// TestTermAtEachCall leaves no moment for SIGTERM to be lost at.
func TestTermAtEachCall(t *testing.T) {
	t.Parallel()
	points, unnoticed := termPoints(t, ours(t), patience)
	t.Logf("%d points", points)
	if points < 10 || unnoticed > 0 {
		t.Errorf("at %d of %d points TERM was not noticed", unnoticed, points)
	}
}

// TestMultilogMissesTerm shows that the points are those that matter: multilog
// looks whether there was a signal, and then reads.
func TestMultilogMissesTerm(t *testing.T) {
	t.Parallel()
	points, unnoticed := termPoints(t, theirs(t, "multilog"), 500*time.Millisecond)
	if unnoticed == 0 {
		t.Errorf("multilog has noticed TERM at each of %d points", points)
	}
}

// TestPartialLineAtTerm gives a logger the rest of a line after TERM: it takes
// that and no more.
func TestPartialLineAtTerm(t *testing.T) {
	t.Parallel()
	for _, script := range []string{"./a", "s4096 n1000 ./a"} {
		dir := t.TempDir()
		p := newPipe(t)
		words := append(ours(t), split(script)...)
		want := ""
		for i, part := range []string{"one\ntw", "x", string(filler()[:5000])} {
			l := launch(t, dir, p.read, words...)
			reading(t, filepath.Join(dir, "a"))
			p.write.WriteString(part)
			until(t, "the logger reads", func() bool { return p.unread(t) == 0 })
			l.signal(t, syscall.SIGTERM)
			select {
			case <-l.done:
				t.Fatalf("%s: part %d: the logger ended in the middle of a line", script, i)
			case <-time.After(50 * time.Millisecond):
			}
			p.write.WriteString("rest\nnext\nnext")
			l.end(t, 0)
			want += part + "rest\n"
			if got := p.unread(t); got != len("next\nnext") {
				t.Fatalf("%s: part %d: %d bytes are left in the pipe", script, i, got)
			}
			if _, err := p.read.Read(make([]byte, 100)); err != nil {
				t.Fatal(err)
			}
		}
		if got := content(t, filepath.Join(dir, "a")); got != want {
			t.Errorf("%s: %q, want %q", script, got, want)
		}
	}
}

// content is what all files of a folder hold, in order.
func content(t *testing.T, dir string) string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "@*"))
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	all := ""
	for _, name := range append(names, filepath.Join(dir, "current")) {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all += string(data)
	}
	return all
}
