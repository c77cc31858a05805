package logread

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// errNotRegular is the error for what is no file of bytes.
var errNotRegular = errors.New("not a regular file, left alone")

// fileID tells a file from every other one, as long as it is held open.
type fileID struct{ dev, ino uint64 }

// folder is a log folder that is held open.
type folder struct {
	path string
	dir  *os.File
	id   fileID
}

func openFolder(path string) (*folder, error) {
	dir, err := os.OpenFile(path, os.O_RDONLY|unix.O_DIRECTORY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(dir.Fd()), &st); err != nil {
		_ = dir.Close() // opened for reading
		return nil, &fs.PathError{Op: "stat", Path: path, Err: err}
	}
	return &folder{path: path, dir: dir, id: idOf(&st)}, nil
}

func (f *folder) close() { _ = f.dir.Close() } // opened for reading

func idOf(st *unix.Stat_t) fileID {
	return fileID{uint64(st.Dev), uint64(st.Ino)} //nolint:unconvert // the types differ between systems; it is only compared
}

func isRegular(st *unix.Stat_t) bool { return uint32(st.Mode)&unix.S_IFMT == unix.S_IFREG } //nolint:unconvert // as above

// stat returns what stands under a name, without following a link.
func (f *folder) stat(name string) (*unix.Stat_t, error) {
	var st unix.Stat_t
	err := again(func() error { return unix.Fstatat(int(f.dir.Fd()), name, &st, unix.AT_SYMLINK_NOFOLLOW) })
	return &st, err
}

// current returns which file is current, if any.
func (f *folder) current() (id fileID, ok bool) {
	st, err := f.stat("current")
	if err != nil {
		return fileID{}, false
	}
	return idOf(st), true
}

// held is a file that is open, so that its fileID stays its own.
type held struct {
	*os.File
	name string
	id   fileID
	size int64 // when it was opened
	mode uint32
}

// open opens a regular file.
func (f *folder) open(name string) (*held, error) {
	// To open a device can do something: look first.
	st, err := f.stat(name)
	if err != nil {
		return nil, err
	}
	if !isRegular(st) {
		return nil, errNotRegular
	}
	fd := -1
	err = again(func() (err error) {
		fd, err = unix.Openat(int(f.dir.Fd()), name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
		return err
	})
	if errors.Is(err, unix.ELOOP) {
		return nil, errNotRegular
	}
	if err != nil {
		return nil, err
	}
	if err := again(func() error { return unix.Fstat(fd, st) }); err != nil {
		unix.Close(fd)
		return nil, err
	}
	if !isRegular(st) {
		unix.Close(fd)
		return nil, errNotRegular
	}
	return &held{os.NewFile(uintptr(fd), name), name, idOf(st), st.Size, uint32(st.Mode)}, nil //nolint:unconvert // as above
}

// links returns how many names a held file has.
func (h *held) links() uint64 {
	var st unix.Stat_t
	if err := unix.Fstat(int(h.Fd()), &st); err != nil {
		return 0
	}
	return uint64(st.Nlink) //nolint:unconvert // as above
}

// empty reports whether nothing is in a held file.
func (h *held) empty() bool {
	info, err := h.Stat()
	return err == nil && info.Size() == 0
}

// list returns the finished files, oldest first. While a file gets a name, one
// scan of a folder may see neither the old name nor the new one; the next one
// sees the new one.
func (f *folder) list() ([]entry, error) {
	first, err := f.scan()
	if err == nil {
		var second []entry
		second, err = f.scan()
		first = append(first, second...)
	}
	if err != nil {
		return nil, fmt.Errorf("read the folder %s: %w", f.path, err)
	}
	return inOrder(first), nil
}

func (f *folder) scan() ([]entry, error) {
	fd := -1
	err := again(func() (err error) {
		fd, err = unix.Openat(int(f.dir.Fd()), ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		return err
	})
	if err != nil {
		return nil, err
	}
	dir := os.NewFile(uintptr(fd), f.path)
	defer dir.Close() //nolint:errcheck // opened for reading
	var entries []entry
	for {
		names, err := dir.Readdirnames(1000)
		for _, name := range names {
			if e, ok := parseName(name); ok {
				entries = append(entries, e)
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return entries, nil
		case err != nil:
			return nil, err
		}
	}
}

// again repeats a system call that a signal interrupted.
func again(call func() error) error {
	for {
		if err := call(); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}
