package crashtest

import (
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

	"scgikit/internal/tai64n"
	"scgikit/logrotate"
)

// clock is a time that a test sets, and how often it was asked for.
type clock struct {
	mu    sync.Mutex
	asked int
	tell  func(asked int) time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked++
	return c.tell(c.asked)
}

// clocks are those that have led loggers astray.
func clocks() map[string]func(asked int) time.Time {
	start := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	random := rand.New(rand.NewPCG(8, 8))
	return map[string]func(asked int) time.Time{
		"goes on": func(n int) time.Time { return start.Add(time.Duration(n) * time.Millisecond) },
		"stands":  func(int) time.Time { return start },
		"set back by an hour": func(n int) time.Time {
			if n > 20 {
				n -= int(time.Hour / time.Second)
			}
			return start.Add(time.Duration(n) * time.Second)
		},
		"set forward and back by a day": func(n int) time.Time {
			return start.Add(time.Duration(n)*time.Millisecond + time.Duration(n/10%2)*24*time.Hour)
		},
		"goes backwards":       func(n int) time.Time { return start.Add(-time.Duration(n) * time.Second) },
		"a second comes twice": func(n int) time.Time { return start.Add(time.Duration(n%10) * 100 * time.Millisecond) },
		"jumps":                func(int) time.Time { return start.Add(time.Duration(random.Int64N(int64(48 * time.Hour)))) },
		"before 1970":          func(n int) time.Time { return time.Unix(-1000-int64(n), 0) },
	}
}

// TestClocks rotates by clocks that do not do what clocks should: the files that
// are kept hold the newest lines, in the order of their names.
//
// It runs alone: a program that another test starts holds the lock of a folder
// between fork and exec, too.
func TestClocks(t *testing.T) {
	for name, tell := range clocks() {
		for _, script := range []string{"t s4096 n5 ./a", "T s4096 n5 R1m ./a", "s4096 n1000 S20k ./a", "s4096 n5 !cat ./a", "s4096 n5 zgzip ./a"} {
			t.Run(name+": "+script, func(t *testing.T) {
				dir := t.TempDir()
				c := &clock{tell: tell}
				lines := 0
				// A restart, too, must not begin with names from before.
				for range 3 {
					lines = rotateBy(t, dir, script, c, lines)
				}
				checkNewest(t, filepath.Join(dir, "a"), short, lines)
				if c.asked > 10_000 {
					t.Errorf("the clock was asked %d times", c.asked)
				}
			})
		}
	}
}

// rotateBy writes 15 KB of lines from a number on, and returns the next.
func rotateBy(t *testing.T, dir, text string, c *clock, line int) int {
	t.Helper()
	script, err := logrotate.ParseScript(split(text))
	if err != nil {
		t.Fatal(err)
	}
	start, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(start)
	runner, err := logrotate.NewRunner()
	if err != nil {
		t.Fatal(err)
	}
	p := newPipe(t)
	l, err := logrotate.Open(logrotate.Config{
		Script: script, Input: int(p.read.Fd()), Dir: start, Now: c.now, Wake: runner.Wake,
		Warn: func(message string) { t.Errorf("warned: %s", message) },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	end := line + 1000
	go func() {
		// Line by line, so that rotations are not all in one lot of input.
		var b []byte
		for n := line; n < end; n++ {
			b = appendLine(b[:0], short, n)
			p.write.Write(b)
		}
		p.write.Close()
	}()
	if err := within(func() error { return runner.Run(l) }); err != nil {
		t.Fatal(err)
	}
	return end
}

// checkNewest asks that the files hold the last lines, without a gap.
func checkNewest(t *testing.T, dir string, s shape, lines int) {
	t.Helper()
	numbers := numbersIn(t, dir, s)
	if len(numbers) == 0 {
		t.Fatal("no line is left")
	}
	for i, n := range numbers {
		if want := lines - len(numbers) + i; n != want {
			t.Fatalf("line %d of the %d that are left is %d, want %d", i, len(numbers), n, want)
		}
	}
}

// TestNamesFromTheFuture finds files that are named for an hour from now, as
// they are after the clock was set back. multilog takes what it writes then for
// the oldest, and removes it.
func TestNamesFromTheFuture(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		words []string
		lossy bool
	}{
		{"multilog", theirs(t, "multilog"), true},
		{"ours", ours(t), false},
	} {
		dir := t.TempDir()
		var label [tai64n.Size]byte
		for i := range 4 {
			tai64n.Put(label[:], time.Now().Add(time.Hour+time.Duration(i)*time.Second))
			write(t, filepath.Join(dir, "a", string(label[:])+".s"), "")
		}
		p := newPipe(t)
		give(t, p, 30_000)
		p.write.Close()
		launch(t, dir, p.read, slices.Concat(test.words, split("s4096 n5 ./a"))...).end(t, 0)
		numbers := numbersIn(t, filepath.Join(dir, "a"), mixed)
		size := 0
		for _, n := range numbers {
			size += len(appendLine(nil, mixed, n))
		}
		if lossy := size < 4*(4096-2000); lossy != test.lossy {
			t.Errorf("%s: %d bytes of the newest lines are left, lossy: want %v", test.name, size, test.lossy)
		}
	}
}

// numbersIn returns the numbers of the whole lines in the files of a folder, in
// the order of the files.
func numbersIn(t *testing.T, dir string, s shape) []int {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "@*"))
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	var all strings.Builder
	for _, name := range append(names, filepath.Join(dir, "current")) {
		all.WriteString(unpacked(t, name))
	}
	var numbers []int
	for line := range strings.Lines(all.String()) {
		n, ok := numberOf([]byte(line))
		if !ok {
			if _, rest, found := strings.Cut(line, " "); found {
				n, ok = numberOf([]byte(rest))
			}
		}
		if ok && strings.HasSuffix(line, string(appendLine(nil, s, n))) {
			numbers = append(numbers, n)
		}
	}
	return numbers
}

// unpacked is what a file holds, or was compressed from.
func unpacked(t *testing.T, name string) string {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := reader(f)
	if err != nil {
		t.Fatal(fmt.Errorf("%s: %w", name, err))
	}
	var b strings.Builder
	if _, err := r.WriteTo(&b); err != nil {
		t.Fatal(fmt.Errorf("%s: %w", name, err))
	}
	return b.String()
}
