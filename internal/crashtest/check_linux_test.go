package crashtest

import (
	"bufio"
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
)

// expected says what a folder must hold.
type expected struct {
	shape    shape
	stamped  bool
	selected func(line []byte) bool // nil is every line
	lines    int                    // 0 to lines-1 were written
	size     int64                  // no file may be longer; 0 is not checked
	upper    bool                   // finished files ending in .s have gone through "tr a-z A-Z"
	foreign  bool                   // other programs' files: names and rests are not checked
}

// verdict is what is wrong with a log.
type verdict struct {
	lost, doubled, damaged int
	first                  string // the first thing that is wrong, for people
	files                  int    // finished ones
}

func (v verdict) ok() bool { return v.lost == 0 && v.doubled == 0 && v.damaged == 0 && v.first == "" }

func (v verdict) String() string {
	return fmt.Sprintf("%d lost, %d doubled, %d damaged, in %d files; first: %s", v.lost, v.doubled, v.damaged, v.files, v.first)
}

func (v *verdict) note(format string, args ...any) {
	if v.first == "" {
		v.first = fmt.Sprintf(format, args...)
	}
}

// finished matches the names of finished files.
var finished = regexp.MustCompile(`^(@[0-9a-f]{24})\.[su](\.gz|\.zst)?$`)

// inspect reads a folder whose logger has ended well, and compares.
func inspect(t *testing.T, dir string, want expected) verdict {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var v verdict
	names, stems := []string{}, map[string]bool{}
	for _, e := range entries {
		m := finished.FindStringSubmatch(e.Name())
		switch {
		case m != nil:
			names = append(names, e.Name())
			if stems[m[1]] {
				v.note("two files with the stamp %s", m[1])
			}
			stems[m[1]] = true
		case !want.foreign && !slices.Contains([]string{"current", "lock", "state"}, e.Name()):
			v.note("%s is left", e.Name())
		}
	}
	v.files = len(names)
	names = append(names, "current")
	c := checker{want: want, verdict: &v}
	for _, name := range names {
		c.file(t, dir, name)
	}
	c.end()
	if !want.foreign {
		checkRest(t, dir, &v)
	}
	return v
}

// checkRest looks at what a clean end promises besides the lines.
func checkRest(t *testing.T, dir string, v *verdict) {
	t.Helper()
	for name, mode := range map[string]os.FileMode{"current": 0o744, "lock": 0o600} {
		info, err := os.Lstat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode() != mode {
			v.note("%s has mode %v, not %v", name, info.Mode(), mode)
		}
		if name == "lock" && info.Size() != 0 {
			v.note("lock holds %d bytes after a clean end", info.Size())
		}
	}
}

// checker compares the lines of files, put together, with those expected.
type checker struct {
	want    expected
	verdict *verdict
	next    int    // number of the line that must come, or count of lines that are all the same
	part    []byte // of a line whose end is in the next file
	line    []byte // scratch
}

func (c *checker) file(t *testing.T, dir, name string) {
	t.Helper()
	f, err := os.Open(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := reader(f)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	counted := &counter{r: r}
	lines := bufio.NewReaderSize(counted, 256<<10)
	for {
		text, err := lines.ReadSlice('\n')
		if c.want.upper && strings.HasSuffix(name, ".s") {
			c.lower(name, text)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			c.part = append(c.part, text...)
		case err == nil && len(c.part) > 0:
			c.part = append(c.part, text...)
			c.see(name, c.part)
			c.part = c.part[:0]
		case err == nil:
			c.see(name, text)
		case errors.Is(err, io.EOF):
			c.part = append(c.part, text...)
			if c.want.size > 0 && counted.n > c.want.size {
				c.verdict.note("%s has %d bytes, more than %d", name, counted.n, c.want.size)
			}
			return
		default:
			t.Fatalf("%s: %v", name, err)
		}
	}
}

// reader reads what a file holds, or was compressed from.
func reader(f *os.File) (*bufio.Reader, error) {
	if !strings.HasSuffix(f.Name(), ".gz") {
		return bufio.NewReaderSize(f, 256<<10), nil
	}
	r, err := gzip.NewReader(f)
	return bufio.NewReaderSize(r, 256<<10), err
}

// counter counts what is read through it.
type counter struct {
	r io.Reader
	n int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// lower undoes "tr a-z A-Z", which must have been done.
func (c *checker) lower(name string, text []byte) {
	for i, b := range text {
		switch {
		case 'a' <= b && b <= 'z':
			c.verdict.damaged++
			c.verdict.note("%s did not go through the processor", name)
			return
		case 'A' <= b && b <= 'Z':
			text[i] = b + 'a' - 'A'
		}
	}
}

// stampLength is that of a TAI64N label and a space.
const stampLength = 26

// see compares one line with its newline.
func (c *checker) see(name string, line []byte) {
	if c.want.stamped {
		if len(line) <= stampLength || line[0] != '@' || line[stampLength-1] != ' ' {
			c.damaged(name, line)
			return
		}
		line = line[stampLength:]
	}
	n := c.next
	if c.want.shape != same {
		var ok bool
		if n, ok = numberOf(line); !ok || n >= c.want.lines {
			c.damaged(name, line)
			return
		}
	}
	c.line = appendLine(c.line[:0], c.want.shape, n)
	switch {
	case !bytes.Equal(line, c.line), c.want.selected != nil && !c.want.selected(c.line):
		c.damaged(name, line)
	case n < c.next:
		c.verdict.doubled++
		c.verdict.note("%s: line %d again, %d was expected", name, n, c.next)
	default:
		c.skipTo(name, n)
		c.next = n + 1
	}
}

func (c *checker) damaged(name string, line []byte) {
	c.verdict.damaged++
	c.verdict.note("%s: damaged line %.80q of %d bytes, %d was expected", name, line, len(line), c.next)
}

// skipTo counts the lines before n as lost.
func (c *checker) skipTo(name string, n int) {
	before := c.verdict.lost
	for ; c.next < n; c.next++ {
		if c.want.selected != nil {
			if c.line = appendLine(c.line[:0], c.want.shape, c.next); !c.want.selected(c.line) {
				continue
			}
		}
		c.verdict.lost++
	}
	if c.verdict.lost > before {
		c.verdict.note("%s: %d lines are missing before line %d", name, c.verdict.lost-before, n)
	}
}

func (c *checker) end() {
	if len(c.part) > 0 {
		c.damaged("the end", c.part)
	}
	if c.want.shape == same && c.next > c.want.lines {
		c.verdict.doubled += c.next - c.want.lines
		c.verdict.note("%d lines, %d were written", c.next, c.want.lines)
	}
	c.skipTo("the end", c.want.lines)
}
