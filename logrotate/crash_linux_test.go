package logrotate

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// crash ends a Logger as kill -9 does: whatever is open is closed, nothing is
// tidied up. Work in the background is waited for, because goroutines can not be
// killed.
func crash(l *Logger, background <-chan struct{}) {
	for _, f := range l.folders {
		for f.finisher.busy.Load() {
			<-background
		}
	}
	l.Close()
}

// TestCrashBetweenStages kills a log after every number of stages and lets
// another one go on: every line is there once, in every folder, also the one
// that was incomplete.
func TestCrashBetweenStages(t *testing.T) {
	t.Parallel()
	scripts := [][]string{
		{"s4096", "n100000", "./a"},
		{"t", "s9000", "n100000", "./a"},
		{"s4096", "n100000", "./a", "-*", "+*1*", "s5000", "./b", "+*", "n3000", "./c"},
	}
	for i, words := range scripts {
		for seed := range 4 {
			t.Run(fmt.Sprint(i, " ", seed), func(t *testing.T) {
				t.Parallel()
				crashBetweenStages(t, uint64(seed), words)
			})
		}
	}
}

func crashBetweenStages(t *testing.T, seed uint64, words []string) {
	random := rand.New(rand.NewPCG(seed, 2))
	l := newTestLog(t)
	// A pipe is full when it has no page left, be the pages full or not.
	if _, err := unix.FcntlInt(l.in.Fd(), unix.F_SETPIPE_SZ, largePipe); err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	for i := range 6000 {
		fmt.Fprintf(&text, "%d %s\n", i, strings.Repeat("x", random.IntN(40)*(1+60*(i%97/96))))
	}
	left := text.Bytes()
	crashes, kept := 0, 0
	for len(left) > 0 || l.out != nil {
		logger, background := l.openWatched(words...)
		if !logger.KillSafe() {
			t.Fatal("not kill-safe")
		}
		for range random.IntN(30) {
			left = l.feed(random, left)
			logger.wait, logger.filled = Wait{}, false
			if !logger.advance() && logger.wait.Background {
				<-background
			}
			if logger.stage == done {
				break
			}
		}
		if logger.line.started {
			kept++
		}
		crashes++
		crash(logger, background)
	}
	t.Logf("%d crashes, %d within a line", crashes, kept)
	if crashes < 20 || kept < 3 {
		t.Errorf("%d crashes, %d within a line: too few to tell", crashes, kept)
	}
	l.run(nil, words...)
	for _, word := range words {
		if word[0] == '.' {
			l.checkLines(word, text.String(), words)
		}
	}
}

// openWatched also returns a channel that has a value when the background has
// come along.
func (l *testLog) openWatched(words ...string) (*Logger, <-chan struct{}) {
	background := make(chan struct{}, 1)
	logger := l.open(nil, words...)
	logger.cfg.Wake = func() {
		select {
		case background <- struct{}{}:
		default:
		}
	}
	return logger, background
}

// feed writes a piece of text to the pipe, or closes it.
func (l *testLog) feed(random *rand.Rand, left []byte) []byte {
	if len(left) == 0 {
		if l.out != nil {
			l.out.Close()
			l.out = nil
		}
		return nil
	}
	room, err := unix.IoctlGetInt(int(l.in.Fd()), unix.TIOCINQ)
	if err != nil {
		l.t.Fatal(err)
	}
	n := min(len(left), random.IntN(800)*(random.IntN(5)/4))
	if room > 40000 || n == 0 {
		return left
	}
	if _, err := l.out.Write(left[:n]); err != nil {
		l.t.Fatal(err)
	}
	return left[n:]
}

func (l *testLog) checkLines(word, text string, words []string) {
	l.t.Helper()
	got := strings.Split(strings.TrimSuffix(strings.Join(l.files(word), ""), "\n"), "\n")
	if words[0] == "t" {
		for i := range got {
			got[i] = got[i][min(len(got[i]), 26):]
		}
	}
	var want []string
	for line := range strings.Lines(text) {
		if word != "./b" || strings.Contains(line, "1") {
			want = append(want, strings.TrimSuffix(line, "\n"))
		}
	}
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			l.t.Fatalf("%s: line %d is %q, want %q", word, i, got[i], want[i])
		}
	}
	if len(got) != len(want) {
		l.t.Errorf("%s: %d lines, want %d", word, len(got), len(want))
	}
}

// TestRecordOfOthers: a record is used only where it fits; a lock file that
// holds something else is left as it is.
func TestRecordOfOthers(t *testing.T) {
	l := newTestLog(t)
	main := filepath.Join(l.root, "main")
	if err := os.Mkdir(main, 0o700); err != nil {
		t.Fatal(err)
	}
	lock := filepath.Join(main, "lock")
	if err := os.WriteFile(lock, []byte("somebody's"), 0o600); err != nil {
		t.Fatal(err)
	}
	logger := l.open(nil, "./main")
	if logger.KillSafe() {
		t.Error("kill-safe with a foreign lock file")
	}
	logger.Close()
	if b, err := os.ReadFile(lock); err != nil || string(b) != "somebody's" {
		t.Errorf("lock is now %q, %v", b, err)
	}
}

// TestLineOfLostPipe: what a killed logger had read of a line, from a pipe that
// is gone, is a line of its own.
func TestLineOfLostPipe(t *testing.T) {
	l := newTestLog(t)
	logger, background := l.openWatched("./main")
	if _, err := l.out.WriteString("one\ntw"); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		logger.Step()
	}
	crash(logger, background)
	other := newTestLog(t)
	other.root, other.dir = l.root, l.dir
	other.run([]byte("three\n"), "./main")
	if got, want := other.files("main"), []string{"one\n", "tw\nthree\n"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
