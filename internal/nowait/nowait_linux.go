package nowait

import (
	"errors"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// none is what the address of an empty slice is.
var none byte

func first(p []byte) unsafe.Pointer {
	if len(p) == 0 {
		return unsafe.Pointer(&none)
	}
	return unsafe.Pointer(&p[0])
}

// outcome makes Go's results of those of a system call.
func outcome(r uintptr, errno syscall.Errno) (int, error) {
	switch errno {
	case 0:
		return int(r), nil
	case syscall.EAGAIN:
		return 0, again
	case syscall.EINTR:
		return 0, interrupted
	}
	return 0, errno
}

// The errors that come often, made once.
var (
	again       error = syscall.EAGAIN
	interrupted error = syscall.EINTR
)

// Unblock makes a descriptor one that does not block.
func Unblock(fd int) error {
	flags, _, errno := unix.RawSyscall(unix.SYS_FCNTL, uintptr(fd), unix.F_GETFL, 0)
	if errno == 0 && flags&unix.O_NONBLOCK == 0 {
		_, _, errno = unix.RawSyscall(unix.SYS_FCNTL, uintptr(fd), unix.F_SETFL, flags|unix.O_NONBLOCK)
	}
	_, err := outcome(0, errno)
	return err
}

// UnblockPipe is Unblock for an end of a new pipe, which has no flags yet.
func UnblockPipe(fd int) error {
	_, _, errno := unix.RawSyscall(unix.SYS_FCNTL, uintptr(fd), unix.F_SETFL, unix.O_NONBLOCK)
	_, err := outcome(0, errno)
	return err
}

// Accept takes a connection that has arrived. It does not block, and is closed in
// programs that are started.
//
// Whoever has the same listening socket, from inetd or systemd, can make it one that
// blocks at any time.
func Accept(listener int) (fd int, err error) {
	if err := Unblock(listener); err != nil {
		return -1, err
	}
	r, _, errno := unix.RawSyscall6(unix.SYS_ACCEPT4, uintptr(listener), 0, 0, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0, 0)
	return outcome(r, errno)
}

// Recv receives what has arrived at a socket.
func Recv(fd int, p []byte, flags int) (int, error) {
	r, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(first(p)), uintptr(len(p)), uintptr(flags|unix.MSG_DONTWAIT), 0, 0)
	return outcome(r, errno)
}

// Send sends what a socket takes.
func Send(fd int, p []byte) (int, error) {
	r, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(first(p)), uintptr(len(p)), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0)
	return outcome(r, errno)
}

// SendBoth sends what a socket takes of p, and of q after it.
func SendBoth(fd int, p, q []byte) (int, error) {
	var parts [2]unix.Iovec
	parts[0].Base, parts[1].Base = (*byte)(first(p)), (*byte)(first(q))
	parts[0].SetLen(len(p))
	parts[1].SetLen(len(q))
	message := unix.Msghdr{Iov: &parts[0]}
	message.SetIovlen(len(parts))
	r, _, errno := unix.RawSyscall(unix.SYS_SENDMSG, uintptr(fd), uintptr(unsafe.Pointer(&message)), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
	return outcome(r, errno)
}

// Read reads from a descriptor that has something, or its end.
func Read(fd int, p []byte) (int, error) {
	r, _, errno := unix.RawSyscall(unix.SYS_READ, uintptr(fd), uintptr(first(p)), uintptr(len(p)))
	return outcome(r, errno)
}

// Splice moves bytes from a pipe to a socket that does not block.
func Splice(from, to, size int) (int, error) {
	r, _, errno := unix.RawSyscall6(unix.SYS_SPLICE, uintptr(from), 0, uintptr(to), 0, uintptr(size), unix.SPLICE_F_MOVE|unix.SPLICE_F_NONBLOCK)
	return outcome(r, errno)
}

// Close closes a pipe, a socket or what stands for a process.
func Close(fd int) { _, _, _ = unix.RawSyscall(unix.SYS_CLOSE, uintptr(fd), 0, 0) }

// Shutdown says that no more will come.
func Shutdown(fd, how int) {
	_, _, _ = unix.RawSyscall(unix.SYS_SHUTDOWN, uintptr(fd), uintptr(how), 0)
}

// Pipe makes a pipe, which is closed in programs that are started.
func Pipe() (fds [2]int, err error) {
	var both [2]int32
	_, _, errno := unix.RawSyscall(unix.SYS_PIPE2, uintptr(unsafe.Pointer(&both)), unix.O_CLOEXEC, 0)
	_, err = outcome(0, errno)
	return [2]int{int(both[0]), int(both[1])}, err
}

// Poll is poll(2) that only looks.
func Poll(pfds []unix.PollFd) (n int, err error) {
	var at unix.Timespec
	r, _, errno := unix.RawSyscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(unsafe.SliceData(pfds))), uintptr(len(pfds)), uintptr(unsafe.Pointer(&at)), 0, 0, 0)
	return outcome(r, errno)
}

// Reap takes the status of a child, if it has ended; else the number is 0.
func Reap(pid int) (ended int, status syscall.WaitStatus, err error) {
	var word int32
	r, _, errno := unix.RawSyscall6(unix.SYS_WAIT4, uintptr(pid), uintptr(unsafe.Pointer(&word)), unix.WNOHANG, 0, 0, 0)
	ended, err = outcome(r, errno)
	return ended, syscall.WaitStatus(word), err //nolint:gosec // its bits are wanted
}

// EpollCtl is epoll_ctl(2).
func EpollCtl(epoll, how, fd int, event *unix.EpollEvent) error {
	_, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_CTL, uintptr(epoll), uintptr(how), uintptr(fd), uintptr(unsafe.Pointer(event)), 0, 0)
	_, err := outcome(0, errno)
	return err
}

// EpollWait is epoll_wait(2) that only looks.
func EpollWait(epoll int, events []unix.EpollEvent) (n int, err error) {
	r, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(epoll), uintptr(unsafe.Pointer(unsafe.SliceData(events))), uintptr(len(events)), 0, 0, 0)
	return outcome(r, errno)
}

// Here stands for the working directory in Stat.
const Here = unix.AT_FDCWD

// Stat looks at what has a name in an open folder, or, with Here, a path. With follow
// it goes through a link at the end.
func Stat(folder int, name string, follow bool) (Status, error) {
	var room [128]byte // enough, as a rule, and not on the heap
	path := append(append(room[:0], name...), 0)
	if strings.IndexByte(name, 0) >= 0 {
		return Status{}, syscall.EINVAL
	}
	flags := unix.AT_STATX_SYNC_AS_STAT
	if !follow {
		flags |= unix.AT_SYMLINK_NOFOLLOW
	}
	const wanted = unix.STATX_TYPE | unix.STATX_MODE | unix.STATX_UID | unix.STATX_INO
	var st unix.Statx_t
	for {
		_, _, errno := unix.RawSyscall6(unix.SYS_STATX, uintptr(folder), uintptr(first(path)), uintptr(flags), wanted, uintptr(unsafe.Pointer(&st)), 0)
		switch errno {
		case 0:
			return Status{
				Mode: uint32(st.Mode), UID: st.Uid, Inode: st.Ino,
				Device: unix.Mkdev(st.Dev_major, st.Dev_minor),
			}, nil
		case syscall.EINTR:
		case syscall.ENOSYS, syscall.EPERM:
			// The kernel is older than 4.11, or a filter of system calls is that knows
			// only those.
			return olderStat(folder, name, flags)
		default:
			return Status{}, errno
		}
	}
}

// olderStat is Stat without statx(2).
func olderStat(folder int, name string, flags int) (Status, error) {
	var st unix.Stat_t
	for {
		err := unix.Fstatat(folder, name, &st, flags)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return Status{}, err
		}
		return Status{Mode: st.Mode, UID: st.Uid, Inode: st.Ino, Device: uint64(st.Dev)}, nil //nolint:unconvert // the type differs between architectures
	}
}
