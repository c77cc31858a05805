package logread_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"scgikit/internal/logread"
	"scgikit/internal/tai64n"
)

// following opens a log to follow, and collects what is told of it.
func following(t *testing.T, dir string) (s *logread.Source, told *[]string) {
	t.Helper()
	told = new([]string)
	warn := func(err error) { *told = append(*told, err.Error()) }
	return open(t, dir, logread.Options{Last: -1, Follow: true, Warn: warn}), told
}

// rotate gives current a name and makes another one.
func rotate(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.Rename(filepath.Join(dir, "current"), filepath.Join(dir, name)); err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(dir, "current"), []byte(text))
}

func remove(t *testing.T, dir, name string) {
	t.Helper()
	if err := os.Remove(filepath.Join(dir, name)); err != nil {
		t.Fatal(err)
	}
}

// TestMissed follows a log whose files are removed before they are read: lines
// of which something may be missing are not made one. It is told, once, where
// files were finished since, for which others were removed.
func TestMissed(t *testing.T) {
	t.Parallel()
	now := time.Now()
	soon := func(i int) string { return tai64n.Format(now.Add(time.Duration(i+1)*time.Hour)) + ".s" }
	dir := files{"current": "one\ntw"}.write(t)
	s, told := following(t, dir)
	same(t, "at first", texts(t, s), []string{"one"})
	rotate(t, dir, finished(1, ".s"), "o\nthree\nfo")
	rotate(t, dir, finished(2, ".s"), "ur\nfive\n")
	remove(t, dir, finished(1, ".s"))
	same(t, "behind one that may have been the only one", texts(t, s), []string{"tw<open>", "o", "three", "four", "five"})
	same(t, "told", *told, nil)
	want := []string{dir + ": files were removed before they were read"}
	remove(t, dir, finished(2, ".s"))
	for i, line := range []string{"six", "seven"} {
		if i > 0 {
			remove(t, dir, soon(i-1))
		}
		rotate(t, dir, finished(3+2*i, ".s"), "missed\n")
		rotate(t, dir, finished(4+2*i, ".s"), "missed\n")
		remove(t, dir, finished(3+2*i, ".s"))
		remove(t, dir, finished(4+2*i, ".s"))
		rotate(t, dir, soon(i), line+"\n")
		same(t, "behind a gap", texts(t, s), []string{"missed", line})
		same(t, "told", *told, want)
	}
}

// TestMissedQueued removes a file between the look at the folder and its turn.
func TestMissedQueued(t *testing.T) {
	t.Parallel()
	dir := files{finished(1, ".s"): "one\ntw", finished(2, ".s"): "o\nmissed\nfo", "current": "ur\nfive\n"}.write(t)
	s, told := following(t, dir)
	remove(t, dir, finished(2, ".s"))
	same(t, "without it", texts(t, s), []string{"one", "tw<open>", "ur", "five"})
	same(t, "told", *told, []string{dir + ": files were removed before they were read"})
	s = open(t, files{finished(1, ".s"): "one\n", "current": "two\n"}.write(t), all())
	remove(t, s.Path, finished(1, ".s"))
	same(t, "not followed", texts(t, s), []string{"two"})
}

// TestTornFollowed follows lines that a killed logger had begun, and that the
// next one ends, or not.
func TestTornFollowed(t *testing.T) {
	t.Parallel()
	dir := files{"current": stamped(1, "one") + stamped(2, "two")[:27]}.write(t)
	s, told := following(t, dir)
	same(t, "at first", texts(t, s), []string{"one"})
	rotate(t, dir, finished(3, ".u"), "")
	same(t, "no end yet", texts(t, s), nil)
	put(t, filepath.Join(dir, "current"), []byte("wo\n"+stamped(4, "three")[:28]))
	same(t, "gone on with", texts(t, s), []string{"two"})
	next := stamped(6, "four")
	rotate(t, dir, finished(5, ".u"), next[:10])
	same(t, "a stamp begins", texts(t, s), nil)
	put(t, filepath.Join(dir, "current"), []byte(next))
	same(t, "another line", texts(t, s), []string{"th<open>", "four"})
	rotate(t, dir, finished(7, ".s"), "@no stamp")
	rotate(t, dir, finished(8, ".s"), "\n")
	same(t, "what looks like one", texts(t, s), []string{"@no stamp"})
	if !slices.Equal(*told, nil) {
		t.Error(*told)
	}
}

// TestTornTakenBack follows a killed logger that takes back the second piece of
// a line: it comes once.
func TestTornTakenBack(t *testing.T) {
	t.Parallel()
	const first = "one\nLO"
	dir := files{"current": first + "NG"}.write(t)
	s, told := following(t, dir)
	same(t, "at first", texts(t, s), []string{"one"})
	if err := os.Truncate(filepath.Join(dir, "current"), int64(len(first))); err != nil {
		t.Fatal(err)
	}
	rotate(t, dir, finished(1, ".u"), "NGER\ntwo\n")
	same(t, "written again", texts(t, s), []string{"LONGER", "two"})
	same(t, "told", *told, nil)
	same(t, "read later", texts(t, open(t, dir, all())), []string{"one", "LONGER", "two"})
}

// TestSameStamp: a logger that was killed leaves a file and a line that it had
// begun, with the stamp that the file has; that line begins the next file, which
// comes second, whether it has a name yet or not.
func TestSameStamp(t *testing.T) {
	t.Parallel()
	dir := files{
		finished(1, ".s"): stamped(0, "one"),
		finished(2, ".u"): stamped(1, "two"),
		finished(3, ".s"): stamped(1, "three"),
		finished(4, ".u"): stamped(3, "four"),
		"previous":        stamped(3, "five"),
		"current":         stamped(4, "six"),
	}.write(t)
	same(t, "lines", texts(t, open(t, dir, all())), []string{"one", "two", "three", "four", "five", "six"})
}
