package logrotate

import (
	"errors"
	"os"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Owner is a user that a log is written for by a process that runs as root, as
// "setuidgid USER multilog" would write it. Folders and files that the Logger
// makes are given to that user, and processors run as that user, in the group GID
// and in no other.
//
// That user may do to a log folder what it likes, while the process has root's
// rights. So the Logger goes by descriptors: a log folder, and the folder of a
// status file, must belong to UID, wherever their names lead; and in them it
// writes to and reads from no file that belongs to somebody else, is a link, or
// has a second name. A log folder that is not there is made in Config.Dir or in a
// folder that belongs to UID, and nowhere else. What is trusted is Config.Dir
// itself: only root may be able to change names in it.
type Owner struct{ UID, GID uint32 }

// errOthers is what is wrong with what should be the owner's.
var errOthers = errors.New("belongs to another user")

// give makes a file that this process made the owner's.
func (o *Owner) give(fd int) error {
	if o == nil {
		return nil
	}
	return again(func() error { return unix.Fchown(fd, int(o.UID), int(o.GID)) })
}

// accept returns nil if an open file, which has one name, is the owner's. An
// empty one of this process's user is given: it was made, and a kill may have
// come before it was given.
func (o *Owner) accept(fd int, info fileInfo) error {
	switch {
	case o == nil || info.uid == o.UID:
		return nil
	case info.size == 0 && info.uid == uint32(os.Geteuid()): //nolint:gosec // a user's number
		return o.give(fd)
	}
	return errOthers
}

// acceptFolder returns nil if a folder is the owner's.
func (o *Owner) acceptFolder(info fileInfo) error {
	if o == nil || info.uid == o.UID {
		return nil
	}
	return errOthers
}

// become has a child run as the owner.
func (o *Owner) become(attributes *syscall.SysProcAttr) *syscall.SysProcAttr {
	if o == nil {
		return attributes
	}
	if attributes == nil {
		attributes = new(syscall.SysProcAttr)
	}
	attributes.Credential = &syscall.Credential{Uid: o.UID, Gid: o.GID, Groups: []uint32{o.GID}}
	return attributes
}

// splitName splits a name into a folder and a name in it.
func splitName(word string) (folder, base string) {
	word = strings.TrimRight(word, "/")
	i := strings.LastIndexByte(word, '/')
	switch i {
	case -1:
		return ".", word
	case 0:
		return "/", word[1:]
	}
	return word[:i], word[i+1:]
}

// makeFolder makes a folder that is not there, and gives it to the owner. What is
// wrong shows when the folder is opened.
func (l *Logger) makeFolder(word string) {
	o := l.cfg.Owner
	if o == nil {
		_ = unix.Mkdirat(l.cfg.Dir, word, 0o700)
		return
	}
	above, base := splitName(word)
	parent, info, err := openFolderAt(l.cfg.Dir, above, 0)
	if err != nil {
		return
	}
	defer unix.Close(parent)
	if o.acceptFolder(info) != nil && !l.isDir(info) {
		return
	}
	_ = unix.Mkdirat(parent, base, 0o700)
	dir, info, err := openFolderAt(parent, base, unix.O_NOFOLLOW)
	if err != nil {
		return
	}
	defer unix.Close(dir)
	// It may be another one by now, or one that a kill left before it was given;
	// an empty one in a folder of the owner's is nothing that the owner could not
	// have made.
	if info.uid == uint32(os.Geteuid()) && emptyFolder(dir) { //nolint:gosec // a user's number
		_ = o.give(dir)
	}
}

// isDir returns whether a folder is Config.Dir.
func (l *Logger) isDir(folder fileInfo) bool {
	var st unix.Stat_t
	err := again(func() error { return unix.Fstatat(l.cfg.Dir, ".", &st, 0) })
	info := infoOf(&st)
	return err == nil && info.dev == folder.dev && info.ino == folder.ino
}

// openFolderAt opens a folder.
func openFolderAt(dir int, name string, flags int) (int, fileInfo, error) {
	fd := -1
	err := again(func() (err error) {
		fd, err = unix.Openat(dir, name, flags|unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		return err
	})
	if err != nil {
		return -1, fileInfo{}, err
	}
	info, err := statFd(fd)
	if err != nil {
		unix.Close(fd)
		return -1, fileInfo{}, err
	}
	return fd, info, nil
}

// emptyFolder returns whether nothing is in a folder.
func emptyFolder(dir int) bool {
	var buf [1024]byte
	n, err := unix.ReadDirent(dir, buf[:])
	if err != nil {
		return false
	}
	_, count, _ := unix.ParseDirent(buf[:max(n, 0)], 1, nil)
	return count == 0
}
