//go:build unix && !linux

package nowait

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"
)

// Unblock makes a descriptor one that does not block.
func Unblock(fd int) error { return unix.SetNonblock(fd, true) }

// Recv receives what has arrived at a socket.
func Recv(fd int, p []byte, flags int) (int, error) {
	n, _, err := unix.Recvfrom(fd, p, flags|unix.MSG_DONTWAIT)
	return n, err
}

// Send sends what a socket takes.
func Send(fd int, p []byte) (int, error) {
	return unix.SendmsgN(fd, p, nil, nil, unix.MSG_DONTWAIT)
}

// SendBoth sends what a socket takes of p, and of q after it.
func SendBoth(fd int, p, q []byte) (int, error) {
	return unix.SendmsgBuffers(fd, [][]byte{p, q}, nil, nil, unix.MSG_DONTWAIT)
}

// Read reads from a descriptor that has something, or its end.
func Read(fd int, p []byte) (int, error) { return unix.Read(fd, p) }

// Close closes a pipe or a socket.
func Close(fd int) { _ = unix.Close(fd) }

// Shutdown says that no more will come.
func Shutdown(fd, how int) { _ = unix.Shutdown(fd, how) }

// Poll is poll(2) that only looks.
func Poll(pfds []unix.PollFd) (n int, err error) { return unix.Poll(pfds, 0) }

// Reap takes the status of a child, if it has ended; else the number is 0.
func Reap(pid int) (ended int, status syscall.WaitStatus, err error) {
	ended, err = syscall.Wait4(pid, &status, syscall.WNOHANG, nil)
	return ended, status, err
}

// Here stands for the working directory in Stat.
const Here = unix.AT_FDCWD

// Stat looks at what has a name in an open folder, or, with Here, a path. With follow
// it goes through a link at the end.
func Stat(folder int, name string, follow bool) (Status, error) {
	flags := 0
	if !follow {
		flags = unix.AT_SYMLINK_NOFOLLOW
	}
	var st unix.Stat_t
	for {
		err := unix.Fstatat(folder, name, &st, flags)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return Status{}, err
		}
		return Status{Mode: uint32(st.Mode), UID: st.Uid, Inode: uint64(st.Ino), Device: uint64(st.Dev)}, nil //nolint:gosec,unconvert // the types differ between systems
	}
}
