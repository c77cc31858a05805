package supervise

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// systemd is a service manager that holds descriptors for us, a third time: where
// keeper and supervisor are killed together, the next keeper gets them back. Its
// methods do nothing where there is none.
//
// Source: sd_notify(3), sd_pid_notify_with_fds(3), sd_listen_fds(3).
type systemd struct {
	address string
	fd      int
	pid     int
	count   string
	names   string
}

// watched returns whether a service manager starts the keeper again: one reads the
// socket that is named in the environment. The name alone may be left over from
// somebody who has gone, or be a container's.
//
// Source: sd_notify(3).
func watched() bool {
	address := os.Getenv("NOTIFY_SOCKET")
	if address == "" {
		return false
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return true // as far as it can be told
	}
	defer unix.Close(fd)
	return unix.Connect(fd, &unix.SockaddrUnix{Name: socketName(address)}) == nil
}

// socketName is the name of a socket as the kernel has it.
func socketName(address string) string {
	if strings.HasPrefix(address, "@") {
		return "\x00" + address[1:]
	}
	return address
}

// openSystemd takes what is for this process alone out of the environment.
func openSystemd() *systemd {
	s := &systemd{address: os.Getenv("NOTIFY_SOCKET"), fd: -1, count: os.Getenv("LISTEN_FDS"), names: os.Getenv("LISTEN_FDNAMES")}
	s.pid, _ = strconv.Atoi(os.Getenv("LISTEN_PID"))
	for _, name := range []string{"LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PID", "LISTEN_PIDFDID"} {
		_ = os.Unsetenv(name) // it fails for no valid name
	}
	if s.address == "" {
		return s
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return s
	}
	s.fd = fd
	return s
}

// inherited returns the descriptors that systemd held.
func (s *systemd) inherited() []heldFD {
	n, err := strconv.Atoi(s.count)
	if err != nil || s.pid != os.Getpid() || n < 1 || n > 1<<20 {
		return nil
	}
	names := strings.Split(s.names, ":")
	var held []heldFD
	for i := range n {
		fd := 3 + i
		unix.CloseOnExec(fd)
		var h heldFD
		var letter rune
		if i < len(names) {
			_, err = fmt.Sscanf(names[i], "scgikit-%c-%d-%d", &letter, &h.dev, &h.ino)
		}
		if i >= len(names) || err != nil {
			unix.Close(fd)
			continue
		}
		h.kind, h.fd = kind(letter), int32(fd) //nolint:gosec // a letter, a descriptor
		if h.kind == kindRun || h.kind == kindFinish {
			h.pid = int32(pidOf(fd)) //nolint:gosec // process ids are small
		}
		held = append(held, h)
	}
	return held
}

func (s *systemd) notify(text string, fds ...int) {
	if s.fd < 0 {
		return
	}
	var rights []byte
	if len(fds) > 0 {
		rights = unix.UnixRights(fds...)
	}
	// Nothing depends on it: systemd is the third to hold them.
	_ = unix.Sendmsg(s.fd, []byte(text), rights, &unix.SockaddrUnix{Name: socketName(s.address)}, unix.MSG_NOSIGNAL)
}

func fdName(k key) string { return fmt.Sprintf("scgikit-%c-%d-%d", k.kind, k.dev, k.ino) }

// store hands a copy over. FDPOLL=0: systemd would drop a pidfd as soon as the
// process ends, and a pipe with nobody at the other end.
func (s *systemd) store(k key, fd int) {
	if s.fd >= 0 {
		s.notify("FDSTORE=1\nFDPOLL=0\nFDNAME="+fdName(k), fd)
	}
}

func (s *systemd) drop(k key) {
	if s.fd >= 0 {
		s.notify("FDSTOREREMOVE=1\nFDNAME=" + fdName(k))
	}
}

func (s *systemd) ready() {
	s.notify("READY=1\nMAINPID=" + strconv.Itoa(os.Getpid()))
}
