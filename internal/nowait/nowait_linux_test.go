package nowait

import (
	"errors"
	"strings"
	"testing"

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
