package logrotate

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestNewestOutlivesTotal: a total that nothing fits into leaves the newest file,
// also when the next logger looks.
func TestNewestOutlivesTotal(t *testing.T) {
	t.Parallel()
	l := newTestLog(t)
	l.run([]byte(strings.Repeat("a line\n", 1000)), "s4096", "S1", "./main")
	next := newTestLog(t)
	next.root, next.dir = l.root, l.dir
	next.run([]byte("x\n"), "s4096", "S1", "./main")
	if files := next.files("main"); len(files) != 2 {
		t.Errorf("%d files, want the newest and current", len(files))
	}
}

// TestPackets: a pipe that keeps its packets apart gives every line once.
func TestPackets(t *testing.T) {
	t.Parallel()
	l := newTestLog(t)
	var ends [2]int
	if err := unix.Pipe2(ends[:], unix.O_DIRECT|unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	l.in, l.out = os.NewFile(uintptr(ends[0]), "in"), os.NewFile(uintptr(ends[1]), "out")
	t.Cleanup(func() { l.in.Close(); l.out.Close() })
	want := ""
	for i := range 10 {
		line := strings.Repeat("x", i) + "\n"
		want += line
		if _, err := l.out.WriteString(line); err != nil {
			t.Fatal(err)
		}
	}
	l.run(nil, "./main")
	if got := strings.Join(l.files("main"), ""); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestKilledAtLastLine: a line without newline that the end of the input
// completes is written once, whatever stage a kill hits.
func TestKilledAtLastLine(t *testing.T) {
	t.Parallel()
	for stages := range 20 {
		l := newTestLog(t)
		logger, background := l.openWatched("./main")
		if _, err := l.out.WriteString("a\npart"); err != nil {
			t.Fatal(err)
		}
		l.out.Close()
		for range stages {
			logger.wait, logger.filled = Wait{}, false
			logger.advance()
		}
		crash(logger, background)
		l.run(nil, "./main")
		if got := strings.Join(l.files("main"), ""); got != "a\npart\n" {
			t.Errorf("killed after %d stages: %q", stages, got)
		}
	}
}

// TestLineOutlivesFailedStarts: starts that come no further than recovery leave
// the line that a killed logger had begun to the next one.
func TestLineOutlivesFailedStarts(t *testing.T) {
	t.Parallel()
	l := newTestLog(t)
	logger, background := l.openWatched("n100", "./a", "./b")
	if _, err := l.out.WriteString("one\nhalf"); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		logger.Step()
	}
	crash(logger, background)
	lock, err := os.Open(filepath.Join(l.root, "b", "lock"))
	if err != nil {
		t.Fatal(err)
	}
	if err := lockNow(int(lock.Fd())); err != nil {
		t.Fatal(err)
	}
	script, err := ParseScript([]string{"n100", "./a", "./b"})
	if err != nil {
		t.Fatal(err)
	}
	for range 12 {
		if failed, err := Open(Config{Script: script, Input: int(l.in.Fd()), Dir: l.dir}); err == nil {
			failed.Close()
			t.Fatal("started although a lock is held")
		}
	}
	lock.Close()
	l.run([]byte("-rest\n"), "n100", "./a", "./b")
	for _, folder := range []string{"a", "b"} {
		if got := strings.Join(l.files(folder), ""); got != "one\nhalf-rest\n" {
			t.Errorf("%s: %q", folder, got)
		}
	}
}

// TestForeignCurrentIsNotCut: what a record says is not done to a current that
// another logger has, or that is not as the commit left it.
func TestForeignCurrentIsNotCut(t *testing.T) {
	t.Parallel()
	l := newTestLog(t)
	logger, background := l.openWatched("./a", "./b")
	if _, err := l.out.WriteString("one\n"); err != nil {
		t.Fatal(err)
	}
	for logger.stage != consuming {
		logger.wait, logger.filled = Wait{}, false
		logger.advance()
	}
	crash(logger, background)
	current := filepath.Join(l.root, "b", "current")
	if err := os.WriteFile(current, []byte("one\nof somebody else\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	l.run(nil, "./a", "./b")
	if got, want := l.files("b"), []string{"one\nof somebody else\n", "one\n"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if got := strings.Join(l.files("a"), ""); got != "one\n" {
		t.Errorf("%q, want the line once", got)
	}
}

// TestCloseEndsTheBackground: after Close nothing works on the folder any more,
// though its processor failed and would be tried again; a second Close is none.
func TestCloseEndsTheBackground(t *testing.T) {
	t.Parallel()
	l := newTestLog(t)
	script, err := ParseScript([]string{"s4096", "!exit 1", "./main"})
	if err != nil {
		t.Fatal(err)
	}
	warned := make(chan string, 100)
	logger, err := Open(Config{
		Script: script, Input: int(l.in.Fd()), Dir: l.dir,
		Warn: func(message string) { warned <- message },
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.out.WriteString(strings.Repeat("a line\n", 400)); err != nil {
		t.Fatal(err)
	}
	logger.Step()
	if got := <-warned; got != "processor failed in ./main, pausing" {
		t.Errorf("%q", got)
	}
	logger.Close()
	logger.Close()
	if len(warned) > 0 {
		t.Errorf("after Close: %q", <-warned)
	}
}
