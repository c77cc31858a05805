package logrotate

import (
	"errors"

	"golang.org/x/sys/unix"
)

// Modes of files in a folder.
//
// Source: daemontools 0.76, multilog.c.
const (
	modeLock     = 0o600
	modeStatus   = 0o600
	modeWritten  = 0o644 // of current, while lines are written to it, and of the others
	modeFinished = 0o744 // the x bit says: complete, and on disk
	finishedBit  = 0o100
)

// errNotRegular is what is wrong with a FIFO, folder or device where a file
// should be, or with a file that has a second name.
var errNotRegular = errors.New("not a regular file with one name")

// fileInfo is what we ask about a file.
type fileInfo struct {
	dev, ino uint64
	size     int64
	mode     uint32
	links    uint64
	uid      uint32
}

func infoOf(st *unix.Stat_t) fileInfo {
	return fileInfo{
		dev: uint64(st.Dev), ino: uint64(st.Ino), size: int64(st.Size), //nolint:unconvert // other systems have other types
		mode: uint32(st.Mode), links: uint64(st.Nlink), uid: st.Uid, //nolint:unconvert // other systems have other types
	}
}

func (i fileInfo) regular() bool { return i.mode&unix.S_IFMT == unix.S_IFREG }

// statAt asks about a name in a folder, not following a link.
func statAt(dir int, name string) (fileInfo, error) {
	var st unix.Stat_t
	err := again(func() error { return unix.Fstatat(dir, name, &st, unix.AT_SYMLINK_NOFOLLOW) })
	return infoOf(&st), err
}

func statFd(fd int) (fileInfo, error) {
	var st unix.Stat_t
	err := again(func() error { return unix.Fstat(fd, &st) })
	return infoOf(&st), err
}

// openAt opens a name in a folder. It follows no link and waits for nobody: a
// planted FIFO is opened and then refused by the caller's look at what it is.
func openAt(dir int, name string, flags int, mode uint32) (int, error) {
	fd := -1
	err := again(func() (err error) {
		fd, err = unix.Openat(dir, name, flags|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC|unix.O_NOCTTY, mode)
		return err
	})
	return fd, err
}

// openRegular opens a name in a folder if it is a regular file with one name,
// and the owner's. Nothing may be done to the file by opening it: O_TRUNC comes too early.
func openRegular(dir int, name string, flags int, mode uint32, owner *Owner) (int, fileInfo, error) {
	fd, err := openAt(dir, name, flags, mode)
	if err != nil {
		return -1, fileInfo{}, err
	}
	info, err := statFd(fd)
	if err == nil {
		err = soleName(dir, name, info)
	}
	if err == nil {
		err = owner.accept(fd, info)
	}
	if err != nil {
		unix.Close(fd)
		return -1, fileInfo{}, err
	}
	return fd, info, nil
}

// soleName returns nil if an open file is a regular one with this name and no
// other; errNotRegular or, where the name is gone, ENOENT if not. It asks by the
// name: who links somebody's file here, and takes the link away once it is open,
// leaves that file with one name, too, but not with this one.
func soleName(dir int, name string, file fileInfo) error {
	named, err := statAt(dir, name)
	if err == nil && (!named.regular() || named.dev != file.dev || named.ino != file.ino || named.links != 1) {
		err = errNotRegular
	}
	return err
}

// createNew makes a file that was not there, with the mode of what is written,
// for the owner.
func createNew(dir int, name string, flags int, owner *Owner) (int, error) {
	fd, err := openAt(dir, name, flags|unix.O_CREAT|unix.O_EXCL, 0o600)
	if err != nil {
		return -1, err
	}
	err = owner.give(fd)
	if err == nil {
		err = fchmod(fd, modeWritten)
	}
	if err != nil {
		// Left there, it would be in the way of the next try.
		_ = unlinkIfThere(dir, name)
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// again calls f until no signal interrupts it.
func again(f func() error) error {
	for {
		if err := f(); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

func fchmod(fd int, mode uint32) error {
	return again(func() error { return unix.Fchmod(fd, mode) })
}

func fsync(fd int) error {
	return again(func() error { return unix.Fsync(fd) })
}

// syncFolder writes the names of a folder to disk. Some file systems have no
// such thing for folders; then there is nothing that could be done.
func syncFolder(dir int) error {
	err := fsync(dir)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOTSUP) || errors.Is(err, unix.EBADF) {
		return nil
	}
	return err
}

// unlinkIfThere removes a name; one that is not there is removed already.
func unlinkIfThere(dir int, name string) error {
	err := again(func() error { return unix.Unlinkat(dir, name, 0) })
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	return err
}
