package logread_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"scgikit/internal/logread"
)

// deadline is a context that ends after a time, whatever happens.
func deadline(t *testing.T, d time.Duration) (context.Context, context.CancelFunc) {
	t.Helper()
	return context.WithTimeout(t.Context(), d)
}

// TestHostileFolder reads a folder in which something else stands in the place
// of every file: it waits for nothing and reads nothing else.
func TestHostileFolder(t *testing.T) {
	t.Parallel()
	secret := filepath.Join(t.TempDir(), "secret")
	put(t, secret, []byte("secret\n"))
	plants := map[string]func(path string) error{
		"a FIFO":            func(path string) error { return syscall.Mkfifo(path, 0o666) },
		"a link":            func(path string) error { return os.Symlink(secret, path) },
		"a link to nothing": func(path string) error { return os.Symlink(secret+"s", path) },
		"a loop":            func(path string) error { return os.Symlink(path, path) },
		"a folder":          func(path string) error { return os.Mkdir(path, 0o755) },
		"a socket": func(path string) error {
			fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
			if err != nil {
				return err
			}
			defer syscall.Close(fd)
			short := filepath.Join(t.TempDir(), "s") // the path of a socket is short
			if err := syscall.Bind(fd, &syscall.SockaddrUnix{Name: short}); err != nil {
				return err
			}
			return os.Rename(short, path)
		},
	}
	for what, plant := range plants {
		for _, follow := range []bool{false, true} {
			dir := files{finished(1, ".s"): "one\n", finished(3, ".s.gz"): "three\n", "lock": ""}.write(t)
			for _, name := range []string{"current", "previous", "processed", finished(2, ".s"), finished(4, ".s.gz"), finished(5, ".u"), finished(6, ".s.zst")} {
				if err := plant(filepath.Join(dir, name)); err != nil {
					t.Fatal(what, err)
				}
			}
			for _, last := range []int{-1, 1, 3} {
				var warned []error
				opt := logread.Options{Last: last, Follow: follow, Warn: func(err error) { warned = append(warned, err) }}
				lines := texts(t, open(t, dir, opt))
				if strings.Contains(strings.Join(lines, " "), "secret") {
					t.Errorf("%s: %q", what, lines)
				}
				if last < 0 {
					same(t, what, lines, []string{"one", "three"})
				}
				for _, err := range warned {
					if !strings.HasSuffix(err.Error(), ": not a regular file, left alone") {
						t.Errorf("%s: %v", what, err)
					}
				}
				if last < 0 && len(warned) < 5 {
					t.Errorf("%s: only %v", what, warned)
				}
			}
		}
	}
}

// TestHugeNames reads a folder full of long and strange names.
func TestHugeNames(t *testing.T) {
	t.Parallel()
	f := files{"current": "two\n", finished(1, ".s"): "one\n"}
	for _, name := range []string{
		strings.Repeat("@", 255), "@" + strings.Repeat("4", 254), finished(2, ".s") + strings.Repeat(".gz", 70), finished(3, ".s\n"), finished(4, ".s "),
		"@\xff\xfe", strings.ToUpper(finished(5, ".S")), finished(6, ""), finished(7, ".gz"), "@400000000000000a3b9aca00.s", "@800000000000000000000000.s",
	} {
		f[name] = "no\n"
	}
	same(t, "strange names", texts(t, open(t, f.write(t), all())), []string{"one", "two"})
}

// TestSwappedFolder goes on in the folder that was opened when its path becomes
// a link to another one.
func TestSwappedFolder(t *testing.T) {
	t.Parallel()
	dir := files{finished(1, ".s"): "one\n", "current": "two\n"}.write(t)
	other := files{finished(1, ".s"): "secret\n", "current": "secret\n"}.write(t)
	s := open(t, dir, all())
	if err := os.Rename(dir, dir+".old"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir + ".old") })
	if err := os.Symlink(other, dir); err != nil {
		t.Fatal(err)
	}
	same(t, "swapped", texts(t, s), []string{"one", "two"})
}

func TestOpenErrors(t *testing.T) {
	t.Parallel()
	dir := files{"current": ""}.write(t)
	if _, err := logread.Open("app", filepath.Join(dir, "none"), all()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no folder: %v", err)
	}
	if _, err := logread.Open("app", filepath.Join(dir, "current"), all()); !errors.Is(err, syscall.ENOTDIR) {
		t.Errorf("a file: %v", err)
	}
	fifo := filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := logread.Open("app", fifo, all()); !errors.Is(err, syscall.ENOTDIR) {
		t.Errorf("a FIFO: %v", err)
	}
}
