package logread_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"scgikit/internal/logread"
	"scgikit/internal/tai64n"
)

// logger writes a folder as multilog and scgi-run multilog do, one step at a
// time, and lets a reader look between any two of them.
type logger struct {
	t      *testing.T
	dir    string
	random *rand.Rand
	stamps bool
	clock  time.Time

	current *os.File
	written int    // lines
	look    func() // what happens between two steps
	drain   func() // the reader looks for certain
	again   bool   // lines were taken back and written again

	processing bool       // previous is given to a processor
	backlog    []string   // files that wait for it
	files      []*logFile // finished ones, oldest first
	pruned     int        // lines in files that were removed
}

// logFile is a finished file.
type logFile struct {
	name string
	last int // lines up to the end of this file
}

func newLogger(t *testing.T, seed uint64, stamps bool) *logger {
	t.Helper()
	l := &logger{t: t, dir: t.TempDir(), random: rand.New(rand.NewPCG(seed, 7)), stamps: stamps, clock: day, look: func() {}, drain: func() {}}
	l.newCurrent()
	return l
}

func (l *logger) check(err error) {
	l.t.Helper()
	if err != nil {
		l.t.Fatal(err)
	}
}

func (l *logger) path(name string) string { return filepath.Join(l.dir, name) }

// stamp returns the next moment; now and then the same one again, as a batch
// of lines has.
func (l *logger) stamp() string {
	if l.random.IntN(3) > 0 {
		l.clock = l.clock.Add(time.Microsecond)
	}
	return tai64n.Format(l.clock)
}

func (l *logger) nextName(suffix string) string {
	l.clock = l.clock.Add(time.Nanosecond)
	return tai64n.Format(l.clock) + suffix
}

func (l *logger) newCurrent() {
	f, err := os.OpenFile(l.path("current"), os.O_CREATE|os.O_EXCL|os.O_WRONLY|os.O_APPEND, 0o644)
	l.check(err)
	l.current = f
}

// write adds lines, now and then in two pieces.
func (l *logger) write(n int) {
	for range n {
		line := l.stampAll([]string{l.line()})
		if l.random.IntN(8) == 0 {
			cut := l.random.IntN(len(line))
			l.put(line[:cut])
			l.look()
			line = line[cut:]
		}
		l.put(line)
	}
}

func (l *logger) put(text string) {
	_, err := l.current.WriteString(text)
	l.check(err)
}

func (l *logger) rename(from, to string) {
	l.check(os.Rename(l.path(from), l.path(to)))
	l.look()
}

// link gives previous or processed a name of its own.
func (l *logger) link(from string, last int) {
	name := l.nextName(".s")
	l.check(os.Link(l.path(from), l.path(name)))
	l.files = append(l.files, &logFile{name, last})
	l.look()
	l.check(os.Remove(l.path(from)))
	l.look()
}

// rotate makes current previous, or where previous is taken, a file that waits.
func (l *logger) rotate(processor bool) {
	l.check(l.current.Close())
	if l.processing {
		name := l.nextName(".u")
		l.rename("current", name)
		l.newCurrent()
		l.backlog = append(l.backlog, name)
		l.files = append(l.files, &logFile{name, l.written})
		return
	}
	l.rename("current", "previous")
	l.newCurrent()
	l.look()
	if processor {
		l.processing = true
		l.files = append(l.files, &logFile{"previous", l.written})
		return
	}
	l.link("previous", l.written)
}

// process ends the processor's work on previous, and begins that on the next
// file that waits.
func (l *logger) process() {
	if l.again {
		l.drain() // a line that was changed is not known again
		l.again = false
	}
	i := slices.IndexFunc(l.files, func(f *logFile) bool { return f.name == "previous" })
	last := l.files[i].last
	text, err := os.ReadFile(l.path("previous"))
	l.check(err)
	l.check(os.WriteFile(l.path("processed"), bytes.ReplaceAll(text, []byte(" x"), []byte(" p")), 0o644))
	l.look()
	l.check(os.Chmod(l.path("processed"), 0o744))
	l.look()
	l.check(os.Remove(l.path("previous")))
	l.look()
	l.files = slices.Delete(l.files, i, i+1)
	l.link("processed", last)
	slices.SortStableFunc(l.files, func(a, b *logFile) int { return a.last - b.last })
	l.processing = len(l.backlog) > 0
	if l.processing {
		name := l.backlog[0]
		l.backlog = l.backlog[1:]
		l.rename(name, "previous")
		l.files[slices.IndexFunc(l.files, func(f *logFile) bool { return f.name == name })].name = "previous"
	}
}

// kill ends the logger, and starts another one. Now and then it dies while it
// writes lines that are still in its input: they are taken back and written
// again, with stamps of their own.
func (l *logger) kill() {
	if l.processing {
		return // a new one would take previous, which the end of the test covers
	}
	var batch []string
	for range l.random.IntN(3) * l.random.IntN(20) {
		batch = append(batch, l.line())
	}
	before, err := l.current.Seek(0, io.SeekEnd)
	l.check(err)
	text := []byte(l.stampAll(batch))
	for rest := text[:l.random.IntN(len(text)+1)]; len(rest) > 0; {
		n := 1 + l.random.IntN(len(rest))
		l.put(string(rest[:n]))
		l.look()
		rest = rest[n:]
	}
	l.check(l.current.Truncate(before))
	l.check(l.current.Close())
	l.look()
	name := l.nextName(".u")
	l.rename("current", name)
	l.files = append(l.files, &logFile{name, l.written - len(batch)})
	l.newCurrent()
	l.look()
	l.again = l.again || len(batch) > 0
	again := l.stampAll(batch)
	cut := l.random.IntN(len(again) + 1)
	l.put(again[:cut])
	l.look()
	l.put(again[cut:])
}

// line returns the next line, without a stamp.
func (l *logger) line() string {
	l.written++
	return fmt.Sprintf("line %d%s\n", l.written-1, strings.Repeat(" x", l.random.IntN(8)))
}

func (l *logger) stampAll(lines []string) string {
	var b strings.Builder
	for _, line := range lines {
		if l.stamps {
			b.WriteString(l.stamp() + " ")
		}
		b.WriteString(line)
	}
	return b.String()
}

// compress packs one of the finished files.
func (l *logger) compress() {
	i := slices.IndexFunc(l.files, func(f *logFile) bool { return strings.HasSuffix(f.name, ".s") })
	if i < 0 {
		return
	}
	f := l.files[i]
	text, err := os.ReadFile(l.path(f.name))
	l.check(err)
	packed := f.name + []string{".gz", ".zst"}[l.random.IntN(2)]
	l.check(os.WriteFile(l.path("compressing"), pack(l.t, packed, string(text)), 0o600))
	l.rename("compressing", packed)
	l.check(os.Remove(l.path(f.name)))
	f.name = packed
}

// prune removes old files, but none with lines that nobody has read, nor an
// empty one that nobody may have looked at.
func (l *logger) prune(keep, read int) {
	for len(l.files) > keep && l.files[0].last <= read && strings.HasPrefix(l.files[0].name, "@") && !slices.Contains(l.backlog, l.files[0].name) {
		if l.files[0].last == l.pruned && l.pruned == read {
			return
		}
		l.check(os.Remove(l.path(l.files[0].name)))
		l.pruned = l.files[0].last
		l.files = l.files[1:]
	}
}

// step does one of the things that loggers do.
func (l *logger) step(processor bool, read int) {
	switch l.random.IntN(10) {
	case 0, 1, 2:
		l.write(l.random.IntN(30))
	case 3, 4:
		if len(l.backlog) < 4 {
			l.rotate(processor)
		}
	case 5, 6:
		if l.processing {
			l.process()
		}
	case 7:
		l.kill()
	case 8:
		l.compress()
	case 9:
		l.prune(1+l.random.IntN(6), read)
	}
}

// TestFollow reads logs while they are written, rotated, processed, compressed
// and pruned: every line comes once, in order, whenever the reader looks.
func TestFollow(t *testing.T) {
	t.Parallel()
	for seed := range uint64(80) {
		for _, variant := range []struct{ stamps, processor bool }{{true, false}, {false, false}, {true, true}} {
			followOnce(t, seed, variant.stamps, variant.processor)
			if t.Failed() {
				return
			}
		}
	}
}

func followOnce(t *testing.T, seed uint64, stamps, processor bool) {
	t.Helper()
	l := newLogger(t, seed, stamps)
	for range l.random.IntN(20) {
		l.step(processor, 0)
	}
	var got []string
	s := open(t, l.dir, logread.Options{Last: -1, Follow: true, Warn: func(err error) { t.Error(err) }})
	l.drain = func() {
		for {
			line, err := s.Next()
			if errors.Is(err, io.EOF) {
				return
			}
			l.check(err)
			if line.Stamped != stamps {
				t.Errorf("stamped: %t: %q", line.Stamped, line.Text)
			}
			got = append(got, whole(t, s, line))
		}
	}
	l.look = func() {
		if l.random.IntN(4) == 0 {
			l.drain()
		}
	}
	for range 60 {
		l.step(processor, len(got))
		l.look()
	}
	l.drain()
	if len(got) != l.written {
		t.Errorf("seed %d, stamps %t, processor %t: %d lines of %d", seed, stamps, processor, len(got), l.written)
	}
	for i, line := range got {
		if number := strings.Fields(line)[1]; number != fmt.Sprint(i) {
			t.Fatalf("seed %d, stamps %t, processor %t: line %d is %q, after %q", seed, stamps, processor, i, line, got[max(0, i-3):i])
		}
	}
	s.Close()
	l.current.Close()
}
