package logrotate

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// testLog is a Logger in a folder of its own, on a pipe that outlives it.
type testLog struct {
	t       *testing.T
	root    string
	dir     int
	in, out *os.File // ends of the pipe
	now     func() time.Time
	plain   bool
	buffers *Buffers // nil is own ones
	owner   *Owner
}

func newTestLog(t *testing.T) *testLog {
	t.Helper()
	root := t.TempDir()
	dir, err := unix.Open(root, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(dir) })
	in, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close(); out.Close() })
	return &testLog{t: t, root: root, dir: dir, in: in, out: out}
}

func (l *testLog) open(runner *Runner, words ...string) *Logger {
	l.t.Helper()
	script, err := ParseScript(words)
	if err != nil {
		l.t.Fatal(err)
	}
	cfg := Config{
		Script: script, Input: int(l.in.Fd()), Dir: l.dir, Now: l.now, Plain: l.plain, Buffers: l.buffers, Owner: l.owner,
		Warn: func(message string) { l.t.Error("unexpected: " + message) },
	}
	if runner != nil {
		cfg.Wake = runner.Wake
	}
	logger, err := Open(cfg)
	if err != nil {
		l.t.Fatal(err)
	}
	return logger
}

// run logs input to its end.
func (l *testLog) run(input []byte, words ...string) {
	l.t.Helper()
	runner, err := NewRunner()
	if err != nil {
		l.t.Fatal(err)
	}
	logger := l.open(runner, words...)
	defer runner.Close()
	var writer sync.WaitGroup
	writer.Go(func() {
		_, _ = l.out.Write(input)
		_ = l.out.Close()
	})
	if err := runner.Run(logger); err != nil {
		l.t.Error(err)
	}
	writer.Wait()
	logger.Close()
}

// files returns the contents of the finished files, oldest first, and current.
func (l *testLog) files(folder string) []string {
	l.t.Helper()
	entries, err := os.ReadDir(filepath.Join(l.root, folder))
	if err != nil {
		l.t.Fatal(err)
	}
	var files []string
	for _, name := range append(names(entries), "current") {
		b, err := os.ReadFile(filepath.Join(l.root, folder, name))
		if err != nil {
			l.t.Fatal(err)
		}
		files = append(files, string(b))
	}
	return files
}

func names(entries []os.DirEntry) []string {
	var names []string
	for _, e := range entries {
		if finishedName(e.Name()) {
			names = append(names, e.Name())
		}
	}
	return names
}

// rotated says where the clean rule ends files: at the first newline at or
// behind size - 2000, else at size.
func rotated(text string, size int) []string {
	var files []string
	for {
		end := strings.IndexByte(text[min(len(text), size-tolerance-1):], '\n') + size - tolerance
		switch {
		case end >= size-tolerance && end <= size && len(text) >= end:
		case len(text) > size:
			end = size
		default:
			return append(files, text)
		}
		files = append(files, text[:end])
		text = text[end:]
	}
}

// randomText makes lines of all lengths that matter.
func randomText(random *rand.Rand, lines int) []byte {
	var b bytes.Buffer
	for i := range lines {
		length := random.IntN(100)
		switch random.IntN(20) {
		case 0:
			length = 990 + random.IntN(20)
		case 1:
			length = random.IntN(3000)
		case 2:
			length = 0
		case 3:
			if i%10 == 0 {
				length = random.IntN(30000)
			}
		}
		for j := range length {
			b.WriteByte("abcdefghijklmnop"[(i+j)&15])
		}
		b.WriteByte('\n')
	}
	return b.Bytes()
}

// TestRotation compares the files with the rule, for scripts that take lines in
// bulk and for scripts that look at each.
func TestRotation(t *testing.T) {
	t.Parallel()
	for seed := range 8 {
		for _, look := range []bool{false, true} {
			for _, stamp := range []string{"", "t", "T"} {
				t.Run(fmt.Sprint(seed, look, stamp), func(t *testing.T) {
					t.Parallel()
					testRotation(t, uint64(seed), look, stamp)
				})
			}
		}
	}
}

func testRotation(t *testing.T, seed uint64, look bool, stamp string) {
	random := rand.New(rand.NewPCG(seed, 1))
	text := randomText(random, 2000)
	size := minSize + random.IntN(30000)
	l := newTestLog(t)
	l.now = func() time.Time { return time.Unix(1e9, 0) }
	l.plain = seed%3 == 0
	words := []string{fmt.Sprintf("s%d", size), "n100000"}
	if stamp != "" {
		words = slices.Insert(words, 0, stamp)
	}
	if look {
		words = append(words, "-x")
	}
	l.run(text, append(words, "./main")...)
	var label [maxStamp]byte
	s := map[string]Stamp{"": NoStamp, "t": TAI64N, "T": ISO8601}[stamp]
	s.put(label[:], time.Unix(1e9, 0))
	prefix := string(label[:s.size()])
	stamped := prefix + strings.ReplaceAll(strings.TrimSuffix(string(text), "\n"), "\n", "\n"+prefix) + "\n"
	got, want := l.files("main"), rotated(stamped, size)
	if !slices.Equal(got, want) {
		t.Errorf("size %d: %d files of lengths %v, want %d of %v", size, len(got), lengths(got), len(want), lengths(want))
	}
}

func lengths(files []string) []int {
	var n []int
	for _, f := range files {
		n = append(n, len(f))
	}
	return n
}

// TestNoAllocation: between two rotations nothing is allocated, so that the
// collector never runs.
func TestNoAllocation(t *testing.T) {
	for _, words := range [][]string{
		{"t", "s16777215", "./main"},
		{"s16777215", "./main"},
		{"T", "s16777215", "-*", "+* x*", "./main", "s16777215", "./other", "=status", "e"},
	} {
		testNoAllocation(t, nil, words)
		buffers := NewBuffers()
		testNoAllocation(t, buffers, words)
		testNoAllocation(t, buffers, words)
		buffers.Close()
	}
}

func testNoAllocation(t *testing.T, buffers *Buffers, words []string) {
	t.Helper()
	l := newTestLog(t)
	l.buffers = buffers
	logger := l.open(nil, words...)
	defer logger.Close()
	text := bytes.Repeat([]byte("x and more\nanother line\n\n"), 200)
	allocations := testing.AllocsPerRun(100, func() {
		if _, err := l.out.Write(text); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			logger.Step()
		}
	})
	if allocations > 0 {
		t.Errorf("%v, shared buffers %v: %v allocations", words, buffers != nil, allocations)
	}
}
