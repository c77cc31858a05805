package crashtest

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// victim is what lies outside of a log folder and must stay as it is: a folder
// with the files that a logger would write to, had it been led there.
type victim struct {
	dir    string
	before string
}

// entries are the names that a logger uses in its folder. The last is that of a
// finished file.
func entries() []string {
	return []string{"current", "previous", "processed", "state", "newstate", "lock", "compressing", "@400000006b0000000000000c.s"}
}

func newVictim(t *testing.T) *victim {
	t.Helper()
	v := &victim{dir: t.TempDir()}
	for i, name := range entries() {
		// The x bit, as a current that a logger would go on with has it.
		if err := os.WriteFile(filepath.Join(v.dir, name), []byte("do not touch "+name), 0o600|os.FileMode(i%2)<<6); err != nil {
			t.Fatal(err)
		}
	}
	v.before = v.look(t)
	return v
}

// file is the path of one of the files.
func (v *victim) file(name string) string { return filepath.Join(v.dir, name) }

// look describes everything about the files but the number of their names,
// which who plants them changes.
func (v *victim) look(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(v.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		st, ok := info.Sys().(*syscall.Stat_t)
		if !ok {
			return fmt.Errorf("%s: no stat", path)
		}
		fmt.Fprintf(&b, "%s %v %d:%d %v %x\n", d.Name(), info.Mode(), st.Uid, st.Gid, info.ModTime(), sha256.Sum256(data))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// touched says how the files differ from what they were; "" if they do not.
func (v *victim) touched(t *testing.T) string {
	t.Helper()
	if now := v.look(t); now != v.before {
		return "before:\n" + v.before + "now:\n" + now
	}
	return ""
}

// naive rotates as a program would that knows nothing of those who share its
// folder: by path.
func naive(dir string, rotations int) {
	file := func(name string) string { return filepath.Join(dir, name) }
	os.WriteFile(file("lock"), nil, 0o600)
	os.WriteFile(file("state"), nil, 0o644)
	for range rotations {
		if f, err := os.OpenFile(file("current"), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644); err == nil {
			f.WriteString("line\n")
			f.Close()
		}
		os.Chmod(file("current"), 0o744)
		os.Rename(file("current"), file("previous"))
		os.WriteFile(file("processed"), []byte("LINE\n"), 0o644)
		os.WriteFile(file("newstate"), nil, 0o644)
	}
}
