package bridge

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// A folder that is kept open has been closed when nobody uses it any more: it would
// keep a file system from being unmounted.
func TestOpenFolders(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cgi")
	if err := os.Mkdir(path, 0o755); err != nil {
		t.Fatal(err)
	}
	var kept openFolders
	get := func() *folder {
		f, err := kept.folder(path, &Options{}, quiet)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	open := func(f *folder) bool {
		var st unix.Stat_t
		return unix.Fstat(f.fd, &st) == nil && st.Ino == f.status.Inode
	}
	first, again := get(), get()
	if first != again {
		t.Error("it has been opened twice")
	}
	kept.done(first)
	kept.done(again)
	if !open(first) {
		t.Error("it is not kept open")
	}
	kept.drop()
	if open(first) {
		t.Error("it is open after it was dropped")
	}

	used := get()
	kept.drop()
	kept.drop()
	if !open(used) {
		t.Error("it was closed while it is used")
	}
	kept.done(used)
	if open(used) {
		t.Error("it is open after its last use")
	}

	old, other := get(), get()
	if err := os.Rename(path, path+".old"); err != nil {
		t.Fatal(err)
	}
	if _, err := kept.folder(path, &Options{}, quiet); err == nil {
		t.Error("a folder that is gone was opened")
	}
	if err := os.Mkdir(path, 0o755); err != nil {
		t.Fatal(err)
	}
	kept.done(old)
	if !open(old) {
		t.Error("it was closed while it is used")
	}
	replaced := get()
	kept.done(other)
	if open(old) || !open(replaced) {
		t.Errorf("the former one is open: %v, the present one: %v", open(old), open(replaced))
	}
	kept.done(replaced)
	kept.drop()
	if open(replaced) {
		t.Error("it is open after it was dropped")
	}
}
