package supervise

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// What s6's listeners are told, from state to state.
func TestEventLetters(t *testing.T) {
	is := func(starts int, words ...string) announced {
		a := announced{known: true, starts: starts}
		for _, word := range words {
			switch word {
			case "up":
				a.up = true
			case "ready":
				a.ready = true
			case "finish":
				a.finish = true
			case "failed":
				a.failed = true
			case "gone":
				a.known = false
			}
		}
		return a
	}
	for _, c := range []struct {
		before, now announced
		tells       bool
		want        string
	}{
		{announced{}, is(0), false, "s"},
		{announced{}, is(1, "up", "ready"), false, "su"},
		{announced{}, is(1, "up", "ready"), true, "suU"},
		{is(0), is(1, "up"), true, "u"},
		{is(1, "up"), is(1, "up"), true, ""},
		{is(1, "up"), is(1, "up", "ready"), true, "U"},
		{is(1, "up"), is(1, "up", "ready"), false, "U"}, // by ./check
		{is(1, "up", "ready"), is(1), true, "dD"},
		{is(1, "up", "ready"), is(1, "finish"), true, "d"},
		{is(1, "finish"), is(1), true, "D"},
		{is(1, "finish"), is(1, "failed"), true, "OD"},
		{is(1, "up"), is(1, "failed"), true, "dOD"},
		{is(1, "up", "ready"), is(2, "up"), true, "dDu"},
		{is(1, "finish"), is(2, "up", "ready"), true, "DuU"},
		{is(1), is(2), true, ""}, // it could not be started
		{is(1, "up"), is(1, "gone"), true, "dDx"},
		{is(1), is(1, "gone"), true, "x"},
	} {
		if got := c.before.letters(c.now, c.tells); got != c.want {
			t.Errorf("%+v to %+v: %q, want %q", c.before, c.now, got, c.want)
		}
	}
}

// Hostile folders: nothing is waited for, written to elsewhere, or written to
// without end.
func TestRing(t *testing.T) {
	top := t.TempDir()
	path := func(n int) string { return filepath.Join(top, eventDir, fmt.Sprintf("%s%031d", eventName, n)) }
	f := noFolder()
	dir, _, err := openDir(unix.AT_FDCWD, top)
	if err != nil {
		t.Fatal(err)
	}
	f.dir = dir
	defer f.close()
	f.ring("u") // there is no event/
	if err := os.Mkdir(filepath.Join(top, eventDir), 0o700); err != nil {
		t.Fatal(err)
	}
	fifo := func(path string, heard bool) int {
		t.Helper()
		if err := unix.Mkfifo(path, 0o600); err != nil {
			t.Fatal(err)
		}
		if !heard {
			return -1
		}
		fd, err := unix.Open(path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { unix.Close(fd) })
		return fd
	}
	got := func(fd int) string {
		var b [100]byte
		n, _ := unix.Read(fd, b[:])
		return string(b[:max(n, 0)])
	}
	heard := fifo(path(1), true)
	fifo(path(2), false)
	outside := fifo(filepath.Join(top, "outside"), true)
	other := fifo(filepath.Join(top, eventDir, "other"), true)
	fifo(path(3), true)
	stuffed, err := unix.Open(path(3), unix.O_WRONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(stuffed)
	for err == nil {
		_, err = unix.Write(stuffed, make([]byte, 4096))
	}
	precious := filepath.Join(top, "precious")
	err = errors.Join(os.WriteFile(precious, nil, 0o600), os.Symlink(precious, path(4)), os.Symlink(filepath.Join(top, "outside"), path(5)),
		os.WriteFile(path(6), nil, 0o600), os.Mkdir(path(7), 0o700))
	if err != nil {
		t.Fatal(err)
	}
	f.ring("dD")
	if got := got(heard); got != "dD" {
		t.Errorf("the listener got %q", got)
	}
	if a, b := got(outside), got(other); a != "" || b != "" {
		t.Errorf("others got %q and %q", a, b)
	}
	for _, name := range []string{precious, path(6)} {
		if info, err := os.Stat(name); err != nil || info.Size() != 0 {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
	if _, err := os.Lstat(path(2)); err == nil {
		t.Error("a FIFO that nobody reads is there still")
	}
	// As a link, event/ is not entered.
	if err := errors.Join(os.Rename(filepath.Join(top, eventDir), filepath.Join(top, "away")), os.Symlink("away", filepath.Join(top, eventDir))); err != nil {
		t.Fatal(err)
	}
	f.ring("u")
	if got := got(heard); got != "" {
		t.Errorf("by way of a link: %q", got)
	}
	if err := errors.Join(os.Remove(filepath.Join(top, eventDir)), os.Mkdir(filepath.Join(top, eventDir), 0o700)); err != nil {
		t.Fatal(err)
	}
	for n := range 3 * maxEvents {
		fifo(path(n), false)
	}
	f.ring("u")
	names, err := os.ReadDir(filepath.Join(top, eventDir))
	if err != nil || len(names) != 2*maxEvents {
		t.Errorf("%d are left, %v", len(names), err)
	}
}
