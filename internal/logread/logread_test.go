package logread_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"scgikit/internal/logread"
	"scgikit/internal/tai64n"
)

// day is the day of the logs that tests write.
var day = time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)

// at returns a time of that day.
func at(minutes int) time.Time { return day.Add(time.Duration(minutes) * time.Minute) }

// stamped returns a line of a time of that day.
func stamped(minutes int, text string) string { return tai64n.Format(at(minutes)) + " " + text + "\n" }

// finished returns the name of a file that was finished at a time of that day.
func finished(minutes int, suffix string) string { return tai64n.Format(at(minutes)) + suffix }

// files is a log folder: names and contents, unpacked.
type files map[string]string

// write makes a folder; what has a name of a packed file is packed.
func (f files) write(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range f {
		put(t, filepath.Join(dir, name), pack(t, name, text))
	}
	return dir
}

func put(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

func pack(t *testing.T, name, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	var w io.WriteCloser
	switch filepath.Ext(name) {
	case ".gz":
		w = gzip.NewWriter(&b)
	case ".zst":
		z, err := zstd.NewWriter(&b, zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true), zstd.WithWindowSize(1<<17))
		if err != nil {
			t.Fatal(err)
		}
		w = z
	default:
		return []byte(text)
	}
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// open opens a folder, or ends the test.
func open(t *testing.T, dir string, opt logread.Options) *logread.Source {
	t.Helper()
	s, err := logread.Open("app", dir, opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// all is the Options of those who want everything.
func all() logread.Options { return logread.Options{Last: -1} }

// texts reads a log to its end and returns the lines without stamps, each with
// what stands where its newline should be.
func texts(t *testing.T, s *logread.Source) []string {
	t.Helper()
	var out []string
	for {
		line, err := s.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, whole(t, s, line))
	}
}

// whole returns the text of a line, however long.
func whole(t *testing.T, s *logread.Source, line *logread.Line) string {
	t.Helper()
	var b strings.Builder
	b.Write(line.Text)
	openEnd := line.Open
	if line.More {
		for {
			piece, err := s.Rest()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			b.Write(piece)
		}
		openEnd = s.Open()
	}
	if openEnd {
		b.WriteString("<open>")
	}
	return b.String()
}

// same compares lists of lines.
func same(t *testing.T, what string, got, want []string) {
	t.Helper()
	if strings.Join(got, "\n") == strings.Join(want, "\n") && len(got) == len(want) {
		return
	}
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) || got[i] != want[i] {
			t.Errorf("%s: %d lines, want %d; the first difference is at %d: got %.300q, want %.300q", what, len(got), len(want), i, got[i:min(i+5, len(got))], want[i:min(i+5, len(want))])
			return
		}
	}
}

// sample is a log of nine lines in every kind of file.
func sample() files {
	return files{
		finished(10, ".s"):     stamped(1, "one") + stamped(9, "two"),
		finished(20, ".u.gz"):  stamped(11, "three") + stamped(19, "four"),
		finished(30, ".s.zst"): stamped(21, "five") + "no stamp\n",
		"previous":             stamped(31, "seven"),
		"current":              stamped(41, "eight") + stamped(49, "nine"),
		"lock":                 "x", "state": "y", "newstate": "z", "processed": "half",
		"@4000000000000000zzzzzzzz.s": "no name\n", finished(5, ".t"): "no name\n", finished(6, ".s.bz2"): "no name\n",
		finished(7, ".s.gz.gz"): "no name\n", "compressing": "no name\n",
	}
}

func sampleLines() []string {
	return []string{"one", "two", "three", "four", "five", "no stamp", "seven", "eight", "nine"}
}

func TestReadAll(t *testing.T) {
	t.Parallel()
	s := open(t, sample().write(t), all())
	same(t, "all", texts(t, s), sampleLines())
}

func TestLineFields(t *testing.T) {
	t.Parallel()
	s := open(t, sample().write(t), all())
	type fields struct {
		file, stamp string
		stamped     bool
		time        time.Time
	}
	label := func(minutes int) string { return tai64n.Format(at(minutes)) + " " }
	want := []fields{
		{finished(10, ".s"), label(1), true, at(1)},
		{finished(10, ".s"), label(9), true, at(9)},
		{finished(20, ".u.gz"), label(11), true, at(11)},
		{finished(20, ".u.gz"), label(19), true, at(19)},
		{finished(30, ".s.zst"), label(21), true, at(21)},
		{finished(30, ".s.zst"), "", false, at(21)},
		{"previous", label(31), true, at(31)},
		{"current", label(41), true, at(41)},
		{"current", label(49), true, at(49)},
	}
	for i, w := range want {
		line, err := s.Next()
		if err != nil {
			t.Fatal(err)
		}
		got := fields{line.File, string(line.Stamp), line.Stamped, line.Time.UTC()}
		if got != w || line.More || line.Open {
			t.Errorf("line %d is %+v, want %+v", i+1, got, w)
		}
	}
	for range 2 {
		if line, err := s.Next(); !errors.Is(err, io.EOF) {
			t.Errorf("behind the last line are %v, %v", line, err)
		}
	}
}

// TestLast asks for every number of last lines, with and without filters.
func TestLast(t *testing.T) {
	t.Parallel()
	dir := sample().write(t)
	withE := []string{"one", "three", "five", "seven", "eight", "nine"}
	for n := range 12 {
		lines := sampleLines()
		opt := logread.Options{Last: n}
		s := open(t, dir, opt)
		want := lines[max(0, len(lines)-n):]
		if s.Pending() != len(want) {
			t.Errorf("last %d: %d lines are pending", n, s.Pending())
		}
		same(t, fmt.Sprint("last ", n), texts(t, s), want)
		opt.Match = regexp.MustCompile("e$|e[a-z]")
		same(t, fmt.Sprint("last ", n, " with e"), texts(t, open(t, dir, opt)), withE[max(0, len(withE)-n):])
		opt = logread.Options{Last: n, Since: at(10), Until: at(41)}
		want = lines[2:8]
		same(t, fmt.Sprint("last ", n, " of some time"), texts(t, open(t, dir, opt)), want[max(0, len(want)-n):])
	}
}

func TestSinceUntil(t *testing.T) {
	t.Parallel()
	dir := sample().write(t)
	lines := sampleLines()
	tests := []struct {
		since, until int // minutes; -1 is none
		want         []string
	}{
		{-1, -1, lines},
		{0, 100, lines},
		{1, -1, lines},
		{2, -1, lines[1:]},
		{10, -1, lines[2:]},
		{11, 11, lines[2:3]},
		{12, 30, lines[3:6]},
		{22, 40, lines[6:7]}, // the line without a stamp is of minute 21
		{42, -1, lines[8:]},
		{50, -1, nil},
		{-1, 0, nil},
		{-1, 9, lines[:2]},
		{-1, 48, lines[:8]},
		{15, 5, nil},
	}
	for _, tt := range tests {
		opt := all()
		if tt.since >= 0 {
			opt.Since = at(tt.since)
		}
		if tt.until >= 0 {
			opt.Until = at(tt.until)
		}
		same(t, fmt.Sprint(tt.since, " to ", tt.until), texts(t, open(t, dir, opt)), tt.want)
	}
}

// TestOldFilesStayClosed makes every file outside of the time a damaged one:
// who opened it would warn. The one that ends the search is opened.
func TestOldFilesStayClosed(t *testing.T) {
	t.Parallel()
	f := files{"current": stamped(999, "current")}
	for i := range 64 {
		f[finished(10*i+10, ".s.gz")] = stamped(10*i+1, fmt.Sprint("line ", i))
	}
	dir := f.write(t)
	for i := range 64 {
		if i < 40 || i > 46 {
			put(t, filepath.Join(dir, finished(10*i+10, ".s.gz")), []byte("damaged"))
		}
	}
	opt := logread.Options{Last: -1, Since: at(401), Until: at(451), Warn: func(err error) { t.Error(err) }}
	same(t, "some time", texts(t, open(t, dir, opt)), []string{"line 40", "line 41", "line 42", "line 43", "line 44", "line 45"})
	put(t, filepath.Join(dir, finished(640, ".s.gz")), pack(t, ".gz", stamped(631, "line 63")))
	opt = logread.Options{Last: 2, Warn: func(err error) { t.Error(err) }}
	same(t, "the last two", texts(t, open(t, dir, opt)), []string{"line 63", "current"})
}

// TestUntilBatch reads a log whose lines have one stamp, although files were
// finished between them.
func TestUntilBatch(t *testing.T) {
	t.Parallel()
	f := files{"current": stamped(1, "last") + stamped(30, "later")}
	var want []string
	for i := range 20 {
		f[finished(2+i, []string{".s", ".s.gz"}[i%2])] = stamped(1, fmt.Sprint("line ", i))
		want = append(want, fmt.Sprint("line ", i))
	}
	f[finished(9, ".s")] = "no stamp\n"
	want[7] = "no stamp"
	dir := f.write(t)
	opt := all()
	opt.Until = at(1)
	want = append(slices.Delete(want, 7, 8), "last")
	same(t, "until", texts(t, open(t, dir, opt)), want)
	opt.Last = 15
	same(t, "the last of them", texts(t, open(t, dir, opt)), want[len(want)-15:])
	opt.Until = at(0)
	same(t, "before", texts(t, open(t, dir, opt)), nil)
}

// TestUnstamped reads a log of a logger that puts no stamps: its lines go by
// the times of their files.
func TestUnstamped(t *testing.T) {
	t.Parallel()
	dir := files{finished(10, ".s"): "a\nb\n", finished(20, ".s"): "c\n", "current": "d\n"}.write(t)
	opt := all()
	opt.Since = at(15)
	same(t, "since", texts(t, open(t, dir, opt)), []string{"c", "d"})
	opt.Since, opt.Until = time.Time{}, at(12)
	same(t, "until", texts(t, open(t, dir, opt)), []string{"a", "b"})
}
