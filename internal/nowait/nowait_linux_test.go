package nowait

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

func TestSplice(t *testing.T) {
	a, b := pair(t)
	pipe, err := Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer Close(pipe[0])
	for _, fd := range pipe {
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); flags&unix.FD_CLOEXEC == 0 || err != nil {
			t.Errorf("programs inherit an end: %#x, %v", flags, err)
		}
	}
	if _, err := Splice(pipe[0], a, 1<<20); !errors.Is(err, unix.EAGAIN) {
		t.Errorf("of an empty pipe: %v", err)
	}
	text := strings.Repeat("x", 4096)
	if _, err := unix.Write(pipe[1], []byte(text)); err != nil {
		t.Fatal(err)
	}
	if n, err := Splice(pipe[0], a, 1<<20); n != len(text) || err != nil {
		t.Errorf("moved %d, %v", n, err)
	}
	buf := make([]byte, 8192)
	if n, err := Recv(b, buf, 0); string(buf[:n]) != text || err != nil {
		t.Errorf("received %d bytes, %v", n, err)
	}
	Close(pipe[1])
	if n, err := Splice(pipe[0], a, 1<<20); n != 0 || err != nil {
		t.Errorf("at the end it moved %d, %v", n, err)
	}
}

func TestEpoll(t *testing.T) {
	a, b := pair(t)
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	defer Close(epoll)
	event := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLET, Fd: 42}
	if err := EpollCtl(epoll, unix.EPOLL_CTL_ADD, b, &event); err != nil {
		t.Fatal(err)
	}
	if err := EpollCtl(epoll, unix.EPOLL_CTL_ADD, b, &event); !errors.Is(err, unix.EEXIST) {
		t.Errorf("added twice: %v", err)
	}
	events := make([]unix.EpollEvent, 4)
	if n, err := EpollWait(epoll, events); n != 0 || err != nil {
		t.Errorf("got %d, %v", n, err)
	}
	if _, err := Send(a, []byte("x")); err != nil {
		t.Fatal(err)
	}
	if n, err := EpollWait(epoll, events); n != 1 || err != nil || events[0].Fd != 42 || events[0].Events != unix.EPOLLIN {
		t.Errorf("got %d, %v, %+v", n, err, events[0])
	}
}

func TestAccept(t *testing.T) {
	listener, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer Close(listener)
	address := &unix.SockaddrUnix{Name: t.TempDir() + "/s"}
	if err := errors.Join(unix.Bind(listener, address), unix.Listen(listener, 1)); err != nil {
		t.Fatal(err)
	}
	if _, err := Accept(listener); !errors.Is(err, unix.EAGAIN) {
		t.Errorf("nobody has connected: %v", err)
	}
	// Somebody else who has the socket makes it one that blocks: for a while here.
	short := &unix.Timeval{Usec: 1000}
	if err := errors.Join(unix.SetsockoptTimeval(listener, unix.SOL_SOCKET, unix.SO_RCVTIMEO, short), unix.SetNonblock(listener, false)); err != nil {
		t.Fatal(err)
	}
	if _, err := Accept(listener); !errors.Is(err, unix.EAGAIN) {
		t.Errorf("nobody has connected: %v", err)
	}
	if flags, err := unix.FcntlInt(uintptr(listener), unix.F_GETFL, 0); flags&unix.O_NONBLOCK == 0 || err != nil {
		t.Errorf("it waits, with flags %#x, %v", flags, err)
	}
	client, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer Close(client)
	if err := unix.Connect(client, address); err != nil {
		t.Fatal(err)
	}
	fd, err := Accept(listener)
	if err != nil {
		t.Fatal(err)
	}
	defer Close(fd)
	status, _ := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
	if status&unix.O_NONBLOCK == 0 || flags&unix.FD_CLOEXEC == 0 || err != nil {
		t.Errorf("its flags are %#x and %#x, %v", status, flags, err)
	}
}

// Kernels before 4.11 have no statx, and some filters of system calls do not know it.
func TestStatWithoutStatx(t *testing.T) {
	dir := t.TempDir()
	if err := os.Symlink(dir, filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	for _, refused := range []syscall.Errno{unix.ENOSYS, unix.EPERM} {
		failed := make(chan error)
		go func() {
			runtime.LockOSThread() // the filter is for a thread, which ends with this
			failed <- func() error {
				if err := withoutStatx(refused); err != nil {
					return err
				}
				for _, follow := range []bool{false, true} {
					look := os.Lstat
					if follow {
						look = os.Stat
					}
					info, err := look(filepath.Join(dir, "link"))
					if err != nil {
						return err
					}
					if got, err := Stat(Here, filepath.Join(dir, "link"), follow); got != StatusOf(info) || err != nil {
						t.Errorf("follow %v: got %+v, %v, want %+v", follow, got, err, StatusOf(info))
					}
				}
				if _, err := Stat(Here, filepath.Join(dir, "none"), true); !errors.Is(err, unix.ENOENT) {
					t.Errorf("there is none, and got %v", err)
				}
				return nil
			}()
		}()
		if err := <-failed; err != nil {
			t.Fatal(err)
		}
	}
}

// withoutStatx has statx refused to this thread.
func withoutStatx(refused syscall.Errno) error {
	program := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0}, // the number
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jf: 1, K: unix.SYS_STATX},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(refused)},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	filter := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	return unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&filter)), 0, 0)
}
