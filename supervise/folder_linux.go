package supervise

import (
	"bytes"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"scgikit/internal/servicedir"
)

func inodeOf(st *unix.Stat_t) inode { return inode{st.Dev, st.Ino} }

// folder is the part of a service that is on disk: descriptors of the folder and
// of what its clients use.
type folder struct {
	id      inode
	dir     int // O_PATH
	super   int // O_PATH, of supervise/
	lock    int
	control int
	ok      int
	told    announced
}

func noFolder() folder { return folder{dir: -1, super: -1, lock: -1, control: -1, ok: -1} }

// errLocked says that another supervisor has the folder.
var errLocked = errors.New("is supervised already")

// openDir opens a folder for names below it.
func openDir(at int, name string) (int, inode, error) {
	fd, err := unix.Openat(at, name, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, inode{}, err
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		unix.Close(fd)
		return -1, inode{}, err
	}
	return fd, inodeOf(&st), nil
}

// prepare opens supervise/ and takes the lock, as far as descriptors for that are
// not there from before.
func (f *folder) prepare() error {
	if err := f.openSuper(); err != nil {
		return err
	}
	if f.lock < 0 {
		return f.takeLock()
	}
	f.dropLost()
	return nil
}

// dropLost closes descriptors from before of what clients do not find any more,
// because somebody has removed or replaced it, to have it made anew. Where another
// supervisor has the lock that is there now, it is left what there is.
func (f *folder) dropLost() {
	if !f.is(f.lock, "lock") {
		next := *f
		if next.takeLock() != nil {
			return
		}
		unix.Close(f.lock)
		f.lock = next.lock
	}
	for name, fd := range map[string]*int{"control": &f.control, "ok": &f.ok} {
		if *fd >= 0 && !f.is(*fd, name) {
			unix.Close(*fd)
			*fd = -1
		}
	}
}

// is returns whether a descriptor is of what has a name in supervise/.
func (f *folder) is(fd int, name string) bool {
	var there, ours unix.Stat_t
	return fd >= 0 && unix.Fstatat(f.super, name, &there, unix.AT_SYMLINK_NOFOLLOW) == nil &&
		unix.Fstat(fd, &ours) == nil && inodeOf(&there) == inodeOf(&ours)
}

// renew makes anew what clients find a service by and do not find any more.
func (s *service) renew() {
	if s.super < 0 || s.machine.Phase == PhaseGone {
		return
	}
	next := s.folder
	err := next.openSuper()
	if err != nil {
		next.super = s.super
	} else if moved := !s.at(next.super); !moved {
		unix.Close(next.super)
		next.super = s.super
	}
	if err == nil && !next.is(next.lock, "lock") {
		err = next.takeLock()
	}
	if err != nil {
		if next.super != s.super {
			unix.Close(next.super)
		}
		if !s.stale {
			s.say("unable to make supervise anew: " + err.Error())
		}
		return
	}
	if !next.is(next.control, "control") {
		next.control = -1
	}
	if !next.is(next.ok, "ok") {
		next.ok = -1
	}
	if next == s.folder && next.control >= 0 && next.ok >= 0 {
		return
	}
	s.sup.post() // before what it is about is closed
	s.sup.ignore(s.control)
	for _, fds := range [][2]int{{s.super, next.super}, {s.lock, next.lock}, {s.control, next.control}, {s.ok, next.ok}} {
		if fds[0] >= 0 && fds[0] != fds[1] {
			unix.Close(fds[0])
		}
	}
	if next.super != s.super {
		s.secret = secret{} // it was in the old one
	}
	s.folder = next
	s.beginFolder()
}

// at returns whether a descriptor is of the folder supervise/ that is used.
func (f *folder) at(super int) bool {
	var there, ours unix.Stat_t
	return unix.Fstat(super, &there) == nil && unix.Fstat(f.super, &ours) == nil && inodeOf(&there) == inodeOf(&ours)
}

// openSuper opens supervise, which may be a link to a place that can be written
// to, and makes it if it is not there. A folder of somebody else's is refused:
// its owner could have our files written elsewhere.
//
// Source: supervise.c in Debian's daemontools 0.76-8; runsv.c of runit 2.1.2.
func (f *folder) openSuper() error {
	fd, _, err := openDir(f.dir, servicedir.Dir)
	if errors.Is(err, unix.ENOENT) {
		if err = unix.Mkdirat(f.dir, servicedir.Dir, 0o700); errors.Is(err, unix.EEXIST) {
			target := make([]byte, unix.PathMax)
			n, err := unix.Readlinkat(f.dir, servicedir.Dir, target)
			if err != nil {
				return fmt.Errorf("supervise: %w", err)
			}
			if err := unix.Mkdirat(f.dir, string(target[:n]), 0o700); err != nil {
				return fmt.Errorf("make %s, where supervise leads to: %w", target[:n], err)
			}
		} else if err != nil {
			return fmt.Errorf("make supervise: %w", err)
		}
		fd, _, err = openDir(f.dir, servicedir.Dir)
	}
	if err != nil {
		return fmt.Errorf("open supervise: %w", err)
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		unix.Close(fd)
		return fmt.Errorf("supervise: %w", err)
	}
	if int(st.Uid) != os.Geteuid() && st.Uid != 0 {
		unix.Close(fd)
		return fmt.Errorf("supervise belongs to user %d; give it to user %d, or remove it", st.Uid, os.Geteuid())
	}
	f.super = fd
	return nil
}

// takeLock takes the lock in both of the ways that others look for: flock, which
// daemontools and runit take, and a record lock, which s6 does. Both belong to the
// descriptor, and so to whoever holds it.
func (f *folder) takeLock() error {
	fd, err := unix.Openat(f.super, "lock", unix.O_RDWR|unix.O_CREAT|unix.O_APPEND|unix.O_CLOEXEC|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0o600)
	if err != nil {
		return fmt.Errorf("open supervise/lock: %w", err)
	}
	err = unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB)
	if err == nil {
		err = unix.FcntlFlock(uintptr(fd), unix.F_OFD_SETLK, &unix.Flock_t{Type: unix.F_WRLCK})
	}
	if err != nil {
		unix.Close(fd)
		if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EACCES) {
			return errLocked
		}
		return fmt.Errorf("lock supervise/lock: %w", err)
	}
	f.lock = fd
	return nil
}

// openFIFO opens control or ok, and makes it if it is not there. The mode of one
// that is there stays: it says who may command the service. It is open for
// reading and writing, so that reading never comes to an end.
func (f *folder) openFIFO(name string) (int, error) {
	if err := unix.Mkfifoat(f.super, name, 0o600); err != nil && !errors.Is(err, unix.EEXIST) {
		return -1, fmt.Errorf("make supervise/%s: %w", name, err)
	}
	fd, err := unix.Openat(f.super, name, unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0)
	if err != nil {
		return -1, fmt.Errorf("open supervise/%s: %w", name, err)
	}
	var st unix.Stat_t
	if err = unix.Fstat(fd, &st); err == nil && st.Mode&unix.S_IFMT != unix.S_IFIFO {
		err = errors.New("it is there, and no FIFO; remove it")
	}
	if err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("supervise/%s: %w", name, err)
	}
	return fd, nil
}

// fifoOf returns which FIFO a descriptor is of, zero for anything else.
func fifoOf(fd int) inode {
	var st unix.Stat_t
	if unix.Fstat(fd, &st) != nil || st.Mode&unix.S_IFMT != unix.S_IFIFO {
		return inode{}
	}
	return inodeOf(&st)
}

// has returns whether there is a file.
func (f *folder) has(name string) bool {
	var st unix.Stat_t
	return unix.Fstatat(f.dir, name, &st, 0) == nil
}

// executable returns whether there is a file that can be run.
func (f *folder) executable(name string) bool {
	var st unix.Stat_t
	return unix.Fstatat(f.dir, name, &st, 0) == nil && st.Mode&unix.S_IFMT == unix.S_IFREG && st.Mode&0o111 != 0
}

// write puts data over what is in a file in supervise/, by one call. If that is
// longer, data has spaces put before its newline, or where it has none, its end.
func (f *folder) write(name string, data []byte) error {
	fd, err := unix.Openat(f.super, name, unix.O_WRONLY|unix.O_CREAT|unix.O_CLOEXEC|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0o644)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	if last := len(data) - 1; st.Size > int64(len(data)) && st.Size <= maxSmallFile && data[last] == '\n' {
		data = append(data[:last:last], bytes.Repeat([]byte(" "), int(st.Size)-len(data))...)
		data = append(data, '\n')
	}
	if _, err = unix.Pwrite(fd, data, 0); err == nil && st.Size > int64(len(data)) {
		err = unix.Ftruncate(fd, int64(len(data)))
	}
	return err
}

// close gives all descriptors back, and with the lock the folder.
func (f *folder) close() {
	for _, fd := range []*int{&f.ok, &f.control, &f.lock, &f.super, &f.dir} {
		if *fd >= 0 {
			unix.Close(*fd)
			*fd = -1
		}
	}
}

// listFolder returns the names in a folder.
func listFolder(at int, name string) ([]string, error) {
	fd, err := unix.Openat(at, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), name)
	names, err := f.Readdirnames(-1)
	return names, errors.Join(err, f.Close())
}
