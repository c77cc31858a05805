package logread

import (
	"context"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// notices is what the system tells of changes in folders.
//
// Source: inotify(7).
type notices struct {
	fd      int // of file; File.Fd would make it one that blocks
	file    *os.File
	watched map[*folder]bool
}

// newNotices returns nil where the system has no inotify left, or a folder can
// not be watched.
func newNotices(sources []*Source) *notices {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil
	}
	n := &notices{fd, os.NewFile(uintptr(fd), "inotify"), make(map[*folder]bool)}
	if !n.watch(sources) {
		n.close()
		return nil
	}
	return n
}

// watch adds the folders that are not watched yet: those that took the place of
// another. The held folder is named through its descriptor, because its path
// may lead elsewhere by now.
func (n *notices) watch(sources []*Source) bool {
	const changes = unix.IN_MODIFY | unix.IN_CREATE | unix.IN_MOVED_TO | unix.IN_ATTRIB | unix.IN_DELETE_SELF | unix.IN_MOVE_SELF
	for _, s := range sources {
		if n.watched[s.folder] {
			continue
		}
		path := "/proc/self/fd/" + strconv.Itoa(int(s.folder.dir.Fd()))
		if _, err := unix.InotifyAddWatch(n.fd, path, changes|unix.IN_ONLYDIR); err != nil {
			return false
		}
		n.watched[s.folder] = true
	}
	return true
}

// wait returns when there was a change, after a time, or at the context's end.
func (n *notices) wait(ctx context.Context, atMost time.Duration) {
	// These fail only for a file that can not be waited for: wait ends at once
	// then, and the next one, and the log is still read.
	_ = n.file.SetReadDeadline(time.Now().Add(atMost))
	release := context.AfterFunc(ctx, func() { _ = n.file.SetReadDeadline(time.Now()) })
	defer release()
	buf := make([]byte, 16<<10)
	// What the notices say does not matter, and if the queue overflowed neither.
	_, _ = n.file.Read(buf)
}

func (n *notices) close() { _ = n.file.Close() } // nothing was written
