package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// becomeWith gets descriptors with their names over a socket and becomes a program
// that has them as systemd hands them over.
//
// Source: sd_listen_fds(3).
func becomeWith(path string, argv []string) error {
	if len(argv) == 0 {
		return errors.New("a program is needed")
	}
	socket, err := unix.Socket(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	if err := unix.Connect(socket, &unix.SockaddrUnix{Name: path}); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	var fds []int
	var names []string
	for {
		var name, rights [256]byte
		n, rn, _, _, err := unix.Recvmsg(socket, name[:], rights[:], unix.MSG_CMSG_CLOEXEC)
		if err != nil {
			return err
		}
		if n == 0 {
			break
		}
		control, err := unix.ParseSocketControlMessage(rights[:rn])
		if err != nil || len(control) != 1 {
			return fmt.Errorf("a message with %d parts: %w", len(control), err)
		}
		got, err := unix.ParseUnixRights(&control[0])
		if err != nil {
			return err
		}
		fds, names = append(fds, got...), append(names, string(name[:n]))
	}
	// High up first, so that none is in the way of another.
	for i, fd := range fds {
		if fds[i], err = unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3+len(fds)+64); err != nil {
			return err
		}
	}
	for i, fd := range fds {
		if err := unix.Dup3(fd, 3+i, 0); err != nil {
			return err
		}
	}
	env := os.Environ()
	if len(fds) > 0 {
		env = append(env, "LISTEN_PID="+strconv.Itoa(os.Getpid()), "LISTEN_FDS="+strconv.Itoa(len(fds)), "LISTEN_FDNAMES="+strings.Join(names, ":"))
	}
	return syscall.Exec(argv[0], argv, env)
}
