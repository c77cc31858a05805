package logread_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"scgikit/internal/logread"
)

// TestCutLines reads lines that a rotation, or the end of a killed logger, has
// cut.
func TestCutLines(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		files files
		want  []string
	}{
		{"goes on", files{finished(1, ".s"): "one\ntw", "current": "o\nthree\n"}, []string{"one", "two", "three"}},
		{"goes on in a packed file", files{finished(1, ".s.gz"): "one\ntw", finished(2, ".s.zst"): "o", "current": "!\n"}, []string{"one", "two!"}},
		{"over an empty file", files{finished(1, ".s"): "tw", finished(2, ".s"): "", "current": "o\n"}, []string{"two"}},
		{"torn", files{finished(1, ".u"): "one\ntw", "current": "o\nthree\n"}, []string{"one", "two", "three"}},
		{"torn, stamped", files{finished(1, ".u"): stamped(1, "a")[:27], "current": "a\n" + stamped(2, "b")}, []string{"aa", "b"}},
		{"torn, of another logger", files{finished(1, ".u"): stamped(1, "tor")[:28], "current": stamped(2, "b")}, []string{"to<open>", "b"}},
		{"a stamp follows", files{finished(1, ".s"): stamped(1, "a") + "tor", "current": stamped(2, "b")}, []string{"a", "tor<open>", "b"}},
		{"behind a cut stamp", files{finished(1, ".s"): stamped(1, "a")[:20], "current": stamped(1, "a")[20:]}, []string{"a"}},
		{"at the end", files{"current": "one\ntwo"}, []string{"one", "two<open>"}},
		{"at the end, without current", files{finished(1, ".s"): "one"}, []string{"one<open>"}},
		{"empty lines", files{finished(1, ".s"): "\n\n", "current": "\n"}, []string{"", "", ""}},
		{"nothing", files{"current": "", finished(1, ".u"): ""}, nil},
		{"no file", files{}, nil},
		{"any bytes", files{"current": "\x00\xff\r\n@\n@400000\n"}, []string{"\x00\xff\r", "@", "@400000"}},
	}
	for _, tt := range tests {
		dir := tt.files.write(t)
		same(t, tt.name, texts(t, open(t, dir, all())), tt.want)
		for n := range len(tt.want) {
			same(t, fmt.Sprint(tt.name, ", last ", n), texts(t, open(t, dir, logread.Options{Last: n})), tt.want[len(tt.want)-n:])
			opt := logread.Options{Last: n, Match: regexp.MustCompile("")}
			same(t, fmt.Sprint(tt.name, ", last counted ", n), texts(t, open(t, dir, opt)), tt.want[len(tt.want)-n:])
		}
	}
}

// TestRandomLogs compares what is read of random logs with what was written,
// for every number of last lines, and with a pattern.
func TestRandomLogs(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(8, 9))
	for round := range 80 {
		var text []byte
		f := files{}
		begin, number := 0, 0
		for i := range random.IntN(300) {
			line := fmt.Sprint("line ", i, strings.Repeat("-", random.IntN(60)))
			if random.IntN(20) == 0 {
				line += strings.Repeat("=", random.IntN(200_000))
			}
			text = append(text, line+"\n"...)
			if random.IntN(10) == 0 {
				end := len(text) - random.IntN(2)*random.IntN(len(line)) // at the newline or within the line
				if end >= begin {
					f[finished(number, []string{".s", ".s.gz", ".s.zst"}[random.IntN(3)])] = string(text[begin:end])
					begin = end
					number++
				}
			}
		}
		f["current"] = string(text[begin:])
		dir := f.write(t)
		lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
		if len(text) == 0 {
			lines = nil
		}
		same(t, fmt.Sprint("round ", round), texts(t, open(t, dir, all())), lines)
		for range 4 {
			n := random.IntN(len(lines) + 2)
			same(t, fmt.Sprint("round ", round, " last ", n), texts(t, open(t, dir, logread.Options{Last: n})), lines[max(0, len(lines)-n):])
		}
		n := random.IntN(40)
		var odd []string
		for _, line := range lines {
			if strings.Contains(line, "7") {
				odd = append(odd, line)
			}
		}
		opt := logread.Options{Last: n, Match: regexp.MustCompile("7")}
		same(t, fmt.Sprint("round ", round, " last matching ", n), texts(t, open(t, dir, opt)), odd[max(0, len(odd)-n):])
		if t.Failed() {
			return
		}
	}
}

// TestLongLine reads a line that is far longer than what may be held of it,
// across files.
func TestLongLine(t *testing.T) {
	// Not beside others: what they have in memory counts, too.
	const size = 16 << 20
	long := strings.Repeat("0123456789abcdef", size/16)
	dir := files{
		finished(1, ".s"):     "before\n" + long,
		finished(2, ".s.gz"):  long,
		finished(3, ".s.zst"): long,
		"current":             long + "\nafter\n",
	}.write(t)
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	s := open(t, dir, all())
	if line, err := s.Next(); err != nil || string(line.Text) != "before" {
		t.Fatal(line, err)
	}
	line, err := s.Next()
	if err != nil || !line.More || line.File != finished(1, ".s") {
		t.Fatal(line, err)
	}
	total := len(line.Text)
	for {
		piece, err := s.Rest()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil || len(piece) == 0 {
			t.Fatal(len(piece), err)
		}
		total += len(piece)
	}
	if total != 4*size || s.Open() {
		t.Errorf("%d bytes of %d", total, 4*size)
	}
	if line, err := s.Next(); err != nil || string(line.Text) != "after" {
		t.Fatal(line, err)
	}
	runtime.ReadMemStats(&after)
	// The lines have 64 MiB.
	if used := after.HeapInuse; used > before.HeapInuse+48<<20 {
		t.Errorf("the heap grew from %d to %d", before.HeapInuse, used)
	}
	// Who does not read the rest gets the next line all the same.
	s = open(t, dir, logread.Options{Last: 2})
	if line, err := s.Next(); err != nil || !line.More {
		t.Fatal(line, err)
	}
	same(t, "behind it", texts(t, s), []string{"after"})
}

// TestDamaged cuts packed files and turns bits in them: there is an error with
// the file's name, what can be read before is there, and all of the other files.
func TestDamaged(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	for i := range 20000 {
		fmt.Fprintf(&text, "%s %d\n", strings.Repeat("x", i%50), i*7919%10007)
	}
	random := rand.New(rand.NewPCG(1, 1))
	for _, suffix := range []string{".s.gz", ".s.zst"} {
		name := finished(2, suffix)
		whole := pack(t, name, text.String())
		cut := [][]byte{nil, whole[:1], whole[:len(whole)/2], whole[:len(whole)-1], []byte("no packed file\n"), append(slices.Clip(whole), "x"...)}
		for range 10 {
			turned := bytes.Clone(whole)
			turned[len(turned)/4+random.IntN(len(turned)/2)] ^= 1 << random.IntN(8)
			cut = append(cut, turned)
		}
		for i, data := range cut {
			dir := files{finished(1, ".s"): "one\n", "current": "two\n"}.write(t)
			put(t, filepath.Join(dir, name), data)
			var warned []error
			opt := all()
			opt.Warn = func(err error) { warned = append(warned, err) }
			lines := texts(t, open(t, dir, opt))
			if len(warned) != 1 {
				t.Fatalf("%s %d: %v", suffix, i, warned)
			}
			damaged, ok := errors.AsType[*logread.FileError](warned[0])
			if !ok || damaged.Path != filepath.Join(dir, name) || !strings.HasPrefix(damaged.Error(), damaged.Path+": ") {
				t.Errorf("%s %d: %v", suffix, i, warned[0])
			}
			if lines[0] != "one" || lines[len(lines)-1] != "two" {
				t.Errorf("%s %d: the other files are missing: %.100q", suffix, i, lines)
			}
			if i == 5 && suffix == ".s.gz" && !strings.HasSuffix(warned[0].Error(), "other data behind the end of what is packed") {
				t.Error(warned[0])
			}
			if (i == 3 || i == 5) && len(lines) < 1000 {
				t.Errorf("%s: only %d lines of what is there", suffix, len(lines))
			}
		}
	}
}

// TestGrowing follows lines that come in pieces, and a file that is cut off.
func TestGrowing(t *testing.T) {
	t.Parallel()
	dir := files{"current": "one\ntw"}.write(t)
	s := open(t, dir, logread.Options{Last: -1, Follow: true})
	file, err := os.OpenFile(filepath.Join(dir, "current"), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	add := func(text string) {
		if _, err := file.WriteString(text); err != nil {
			t.Fatal(err)
		}
	}
	same(t, "at first", texts(t, s), []string{"one"})
	add("o")
	same(t, "within a line", texts(t, s), nil)
	add("\nthree\n")
	same(t, "at its end", texts(t, s), []string{"two", "three"})
	long := strings.Repeat("x", 3<<20)
	add(long)
	// What is longer than may be held is shown as it comes.
	same(t, "a long line", texts(t, s), []string{long + "<open>"})
	add("y\nz\n")
	same(t, "its end", texts(t, s), []string{"y", "z"})
	if err := file.Truncate(0); err != nil {
		t.Fatal(err)
	}
	same(t, "cut off", texts(t, s), nil)
	add("new\n")
	same(t, "begun anew", texts(t, s), []string{"new"})
}

// TestFolderReplaced follows a log whose folder is moved away and made again.
func TestFolderReplaced(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "log")
	fresh := func(texts map[string]string) {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		for name, text := range texts {
			put(t, filepath.Join(dir, name), []byte(text))
		}
	}
	fresh(map[string]string{"current": "one\n"})
	s := open(t, dir, logread.Options{Last: 0, Follow: true})
	same(t, "at first", texts(t, s), nil)
	if err := os.Rename(dir, dir+".old"); err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(dir+".old", "current"), []byte("one\ntwo\n"))
	same(t, "moved away", texts(t, s), []string{"two"})
	fresh(map[string]string{finished(1, ".s"): "three\n", "current": "four\n"})
	same(t, "made again", texts(t, s), []string{"three", "four"})
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	same(t, "removed", texts(t, s), nil)
	fresh(map[string]string{"current": "five\n"})
	same(t, "made a third time", texts(t, s), []string{"five"})
}

// TestNotYet follows a folder that has no current yet.
func TestNotYet(t *testing.T) {
	t.Parallel()
	dir := files{finished(1, ".s"): "one\n"}.write(t)
	s := open(t, dir, logread.Options{Last: -1, Follow: true})
	same(t, "at first", texts(t, s), []string{"one"})
	put(t, filepath.Join(dir, finished(2, ".s")), []byte("two\n"))
	same(t, "without current", texts(t, s), nil)
	put(t, filepath.Join(dir, "current"), []byte("three\n"))
	same(t, "with current", texts(t, s), []string{"two", "three"})
}

// TestMerge merges logs by time. Lines without stamps stay where they are.
func TestMerge(t *testing.T) {
	t.Parallel()
	logs := []string{
		stamped(1, "a1") + "a1 more\n" + stamped(5, "a5") + stamped(5, "a5 again") + stamped(4, "a4 late"),
		"b before\n" + stamped(1, "b1") + stamped(3, "b3") + "b3 more\n" + "b3 more\n",
		stamped(2, "c2") + stamped(5, "c5"),
		"",
	}
	var sources []*logread.Source
	for _, text := range logs {
		sources = append(sources, open(t, files{"current": text}.write(t), all()))
	}
	var got []string
	for m := logread.NewMerger(sources); ; {
		s, line, err := m.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, whole(t, s, line))
	}
	same(t, "merged", got, []string{"b before", "a1", "a1 more", "b1", "c2", "b3", "b3 more", "b3 more", "a5", "a5 again", "a4 late", "c5"})
}

// TestWatcher waits for a line, a new folder and the end.
func TestWatcher(t *testing.T) {
	t.Parallel()
	dir := files{"current": ""}.write(t)
	s := open(t, dir, logread.Options{Last: -1, Follow: true})
	w := logread.NewWatcher([]*logread.Source{s})
	defer w.Close()
	for i := range 20 {
		line := fmt.Sprint("line ", i)
		done := make(chan error, 1)
		go func() {
			file, err := os.OpenFile(filepath.Join(dir, "current"), os.O_WRONLY|os.O_APPEND, 0)
			if err == nil {
				_, err = file.WriteString(line + "\n")
				file.Close()
			}
			done <- err
		}()
		var got []string
		for len(got) == 0 {
			if err := w.Wait(t.Context()); err != nil {
				t.Fatal(err)
			}
			got = texts(t, s)
		}
		same(t, line, got, []string{line})
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := deadline(t, 10*time.Millisecond)
	defer cancel()
	for w.Wait(ctx) == nil {
		texts(t, s)
	}
}
