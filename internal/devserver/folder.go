package devserver

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Folder is a private folder of one run, for sockets and for the files of a web
// server. It is locked as long as the run lives, however that ends.
type Folder struct {
	Path string
	lock *os.File // the folder itself
}

// NewFolder makes a folder in another one. Those with the same prefix that runs
// have left behind which were killed are removed.
func NewFolder(base, prefix string) (*Folder, error) {
	// A name in a message is the real one where the base is a link.
	base, err := filepath.EvalSymlinks(base)
	if err != nil {
		return nil, err
	}
	removeStale(base, prefix)
	for {
		path, err := os.MkdirTemp(base, prefix)
		if err != nil {
			return nil, err
		}
		f, err := takeFolder(path)
		switch {
		case err == nil:
			return f, nil
		case !errors.Is(err, errTaken):
			return nil, errors.Join(err, os.RemoveAll(path)) //nolint:gosec // it has just been made
		}
	}
}

// errTaken says that a new folder has been taken for a stale one, in the moment
// before it was locked.
var errTaken = errors.New("somebody else has locked the folder")

// takeFolder locks a new folder.
func takeFolder(path string) (*Folder, error) {
	lock, err := os.Open(path) //nolint:gosec // it has just been made
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errTaken
	}
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		lock.Close() //nolint:errcheck // nothing was written
		if errors.Is(err, unix.EWOULDBLOCK) {
			err = errTaken
		}
		return nil, err
	}
	if !isAt(lock, path) {
		lock.Close() //nolint:errcheck // nothing was written
		return nil, errTaken
	}
	return &Folder{Path: path, lock: lock}, nil
}

// isAt reports whether an open folder is the one that a path leads to.
func isAt(folder *os.File, path string) bool {
	opened, err := folder.Stat()
	if err != nil {
		return false
	}
	there, err := os.Lstat(path) //nolint:gosec // it has just been made
	return err == nil && os.SameFile(opened, there)
}

// Remove takes the folder away with all that is in it.
func (f *Folder) Remove() {
	// What is left of it hurts nobody, and the next run tries again.
	_ = os.RemoveAll(f.Path)
	f.lock.Close() //nolint:errcheck // nothing was written
}

// removeStale removes the folders of runs that were killed: those of this user,
// which nobody else may write to, and which no run has locked. What cannot be
// removed stays.
func removeStale(base, prefix string) {
	root, err := os.OpenRoot(base)
	if err != nil {
		return
	}
	defer root.Close()
	entries, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), prefix) {
			removeIfStale(root, e.Name())
		}
	}
}

// removeIfStale removes one of them. The root keeps links from leading elsewhere.
func removeIfStale(root *os.Root, name string) {
	info, err := root.Lstat(name)
	if err != nil || !isOurs(info) {
		return
	}
	// A FIFO that has taken its place is not to be waited for.
	folder, err := root.OpenFile(name, os.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return
	}
	defer folder.Close() //nolint:errcheck // nothing was written
	opened, err := folder.Stat()
	if err != nil || !os.SameFile(info, opened) {
		return
	}
	if unix.Flock(int(folder.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil {
		_ = root.RemoveAll(name)
	}
}

// isOurs reports whether a folder is this user's, and nobody else may write to it
// or list it. A web server that root starts may pass through.
func isOurs(info fs.FileInfo) bool {
	const others = 0o066
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && info.IsDir() && info.Mode()&others == 0 && int(stat.Uid) == os.Geteuid()
}
