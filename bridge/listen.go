package bridge

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// listener is a listening socket.
type listener struct {
	file   *os.File
	raw    syscall.RawConn
	take   func(fd uintptr) (done bool) // what accept does
	took   int
	failed error

	remove func() // removes what it has made; nil if that is nothing
	path   string // of what remove removes
}

// addressError is an address at which nobody can listen.
type addressError struct {
	address, message string
	cause            error // nil if the address itself is wrong
}

func (e *addressError) Error() string {
	text := "listen at " + e.address + ": " + e.message
	if e.cause != nil {
		text += ": " + e.cause.Error()
	}
	return text
}

// listenAll returns the sockets of all addresses, also those made before an error.
func (r *Residence) listenAll() (all []*listener, err error) {
	for _, address := range r.Listen {
		more, err := r.listen(address)
		all = append(all, more...)
		if err != nil {
			return all, err
		}
	}
	return all, nil
}

// listen returns the sockets that an address stands for, also those made before
// an error.
func (r *Residence) listen(address string) ([]*listener, error) {
	if address == "systemd" {
		return activated(address)
	}
	var l *listener
	var err error
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		l, err = r.listenUnix(address, path)
	} else if number, ok := strings.CutPrefix(address, "fd:"); ok {
		fd, bad := strconv.ParseUint(number, 10, 16)
		if bad != nil {
			return nil, &addressError{address, "no number of a descriptor", nil}
		}
		l, err = inherited(address, int(fd))
	} else {
		l, err = r.listenTCP(address)
	}
	if err != nil {
		return nil, err
	}
	return []*listener{l}, nil
}

// activated returns the sockets of systemd's socket activation.
//
// Source: sd_listen_fds(3).
func activated(address string) (all []*listener, err error) {
	n, bad := strconv.Atoi(os.Getenv("LISTEN_FDS"))
	if bad != nil || n < 1 || os.Getenv("LISTEN_PID") != strconv.Itoa(os.Getpid()) {
		return nil, &addressError{address, "LISTEN_FDS and LISTEN_PID name no sockets for this process", nil}
	}
	for fd := 3; fd < 3+n; fd++ {
		l, err := inherited(address, fd)
		if err != nil {
			return all, err
		}
		all = append(all, l)
	}
	return all, nil
}

// inherited takes a listening socket that the starter has left open.
func inherited(address string, fd int) (*listener, error) {
	kind, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE)
	if err != nil {
		return nil, &addressError{address, "descriptor " + itoa(fd), err}
	}
	listening, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
	if kind != unix.SOCK_STREAM || (err == nil && listening == 0) {
		return nil, &addressError{address, "descriptor " + itoa(fd) + " is not a listening stream socket", nil}
	}
	unix.CloseOnExec(fd)
	return newListener(address, fd)
}

// newListener makes a listener of a socket, which it takes over.
func newListener(address string, fd int) (*listener, error) {
	if err := unix.SetNonblock(fd, true); err != nil {
		unix.Close(fd)
		return nil, &addressError{address, "fcntl", err}
	}
	// Accepted sockets have it too. A FastCGI connection is kept, and the end of an answer
	// would wait for the acknowledgement of what was sent before, which comes 40 ms later.
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1) // fails where it is not TCP
	file := os.NewFile(uintptr(fd), address)
	raw, err := file.SyscallConn()
	if err != nil {
		_ = file.Close()
		return nil, &addressError{address, "socket", err}
	}
	l := &listener{file: file, raw: raw}
	l.take = func(fd uintptr) bool {
		l.took, l.failed = accept(int(fd))
		return !errors.Is(l.failed, unix.EAGAIN)
	}
	return l, nil
}

// plainBacklog is how many connections wait in the kernel where nobody says; it
// has a limit of its own.
const plainBacklog = 4096

func (r *Residence) backlog() int {
	if r.Backlog > 0 {
		return r.Backlog
	}
	return plainBacklog
}

// HandOver listens at IP:PORT or unix:PATH, and makes the socket descriptor 0, on
// which a program that is started in the place of this one finds it, as one that
// inetd starts with wait does. The error wants another address if usage is true.
func (r *Residence) HandOver(address string) (usage bool, err error) {
	var l *listener
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		l, err = r.listenUnix(address, path)
	} else {
		l, err = r.listenTCP(address)
	}
	if err != nil {
		e, ok := errors.AsType[*addressError](err)
		return ok && e.cause == nil, err
	}
	fd := int(l.file.Fd())
	// Not every program expects a descriptor that does not wait.
	if err = unix.SetNonblock(fd, false); err == nil {
		err = moveTo(fd, 0)
	}
	if err != nil {
		return false, &addressError{address, "descriptor 0", err}
	}
	return false, nil
}

// listenTCP listens at an IP address and a port.
func (r *Residence) listenTCP(address string) (*listener, error) {
	numeric := address
	if port, ok := strings.CutPrefix(address, "localhost:"); ok {
		numeric = "127.0.0.1:" + port
	}
	ap, err := netip.ParseAddrPort(numeric)
	if err != nil {
		return nil, &addressError{address, "want ADDRESS:PORT with an IP address, unix:PATH, fd:N or systemd", nil}
	}
	if !ap.Addr().IsLoopback() && !r.Public {
		return nil, &addressError{address, "other machines can reach it, and SCGI has no authentication: use 127.0.0.1, or --public where a firewall stands before it", nil}
	}
	var domain int
	var to unix.Sockaddr
	if ap.Addr().Is4() {
		domain, to = unix.AF_INET, &unix.SockaddrInet4{Port: int(ap.Port()), Addr: ap.Addr().As4()}
	} else {
		domain, to = unix.AF_INET6, &unix.SockaddrInet6{Port: int(ap.Port()), Addr: ap.Addr().As16()}
	}
	fd, err := newSocket(domain)
	if err != nil {
		return nil, &addressError{address, "socket", err}
	}
	// Without it the address stays taken for a while after the end.
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
	if err = unix.Bind(fd, to); err == nil {
		err = unix.Listen(fd, r.backlog())
	}
	if err != nil {
		unix.Close(fd)
		return nil, &addressError{address, "bind", err}
	}
	return newListener(address, fd)
}

func newSocket(domain int) (int, error) {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	fd, err := unix.Socket(domain, unix.SOCK_STREAM, 0)
	if err == nil {
		unix.CloseOnExec(fd)
	}
	return fd, err
}

// listenUnix listens at a socket in the file system. It is made beside its name,
// with its mode and owner, and gets the name when somebody listens: there is no
// moment in which others could reach it, and none without a socket where an old
// one stood.
func (r *Residence) listenUnix(address, path string) (*listener, error) {
	wrong := func(message string, cause error) (*listener, error) {
		return nil, &addressError{address, message, cause}
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return wrong("working directory", err)
	}
	// Clients have to name it as a whole.
	if len(path) >= len(unix.RawSockaddrUnix{}.Path) {
		return wrong("path longer than the system takes for a socket", nil)
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return wrong("folder", bare(err))
	}
	defer dir.Close() //nolint:errcheck // nothing was written
	if message, err := openToOthers(dir); err != nil || message != "" {
		return wrong("folder "+filepath.Dir(path)+message, bare(err))
	}
	// Two that start at a time must not both take the place of an old socket.
	if err := unix.Flock(int(dir.Fd()), unix.LOCK_EX); err != nil {
		return wrong("lock the folder", err)
	}
	// By names in the folder that was looked at, whatever is in its place by now.
	here, err := os.Open(".")
	if err == nil {
		defer here.Close() //nolint:errcheck // nothing was written
		err = dir.Chdir()
	}
	if err != nil {
		return wrong("working directory", bare(err))
	}
	fd, message, err := r.placed(filepath.Base(path))
	if back := here.Chdir(); back != nil && err == nil {
		unix.Close(fd)
		message, err = "working directory", bare(back)
	}
	if err != nil {
		return wrong(message, err)
	}
	l, err := newListener(address, fd)
	if err != nil {
		return nil, err
	}
	own, err := os.Lstat(path)
	l.path = path
	l.remove = func() {
		if now, gone := os.Lstat(path); err == nil && gone == nil && os.SameFile(own, now) {
			_ = os.Remove(path) // a socket without a listener harms nobody
		}
	}
	return l, nil
}

// openToOthers says what is wrong with a folder in which others could put
// something else in the place of a socket, before it has its owner and its mode.
func openToOthers(dir *os.File) (string, error) {
	info, err := dir.Stat()
	if err != nil {
		return "", err
	}
	sticky := info.Mode()&os.ModeSticky != 0
	if info.Mode().Perm()&0o002 != 0 && !sticky {
		return " can be written by everybody", nil
	}
	byGroup := info.Mode().Perm()&0o020 != 0 && !sticky
	if st, ok := info.Sys().(*syscall.Stat_t); ok && os.Geteuid() == 0 && (st.Uid != 0 || byGroup && st.Gid != 0) {
		return " can be written by others than root, who makes the socket: use a folder of root's", nil
	}
	return "", nil
}

// placed makes a listening socket of that name in the working directory. message
// says what an error is about.
func (r *Residence) placed(name string) (fd int, message string, err error) {
	if err := mayReplace(name); err != nil {
		return -1, "not replaced", err
	}
	if fd, err = newSocket(unix.AF_UNIX); err != nil {
		return -1, "socket", err
	}
	if err := r.place(fd, "."+itoa(os.Getpid()), name); err != nil {
		unix.Close(fd)
		return -1, "bind", err
	}
	return fd, "", nil
}

// place binds a socket to a name, and renames it when it is complete.
func (r *Residence) place(fd int, beside, path string) error {
	_ = os.Remove(beside) // of a process that had our number, and was killed
	before := unix.Umask(0o177)
	err := unix.Bind(fd, &unix.SockaddrUnix{Name: beside})
	unix.Umask(before)
	if err != nil {
		return err
	}
	if r.UID >= 0 || r.GID >= 0 {
		err = os.Lchown(beside, r.UID, r.GID)
	}
	if err == nil {
		err = os.Chmod(beside, os.FileMode(r.Mode))
	}
	if err == nil {
		err = unix.Listen(fd, r.backlog())
	}
	if err == nil {
		err = os.Rename(beside, path)
	}
	if err != nil {
		_ = os.Remove(beside)
	}
	return err
}

// mayReplace is why what stands at a path is not to be replaced. It is to be if
// it is a socket at which nobody listens any more.
func mayReplace(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil
	case err != nil:
		return bare(err)
	case info.Mode()&os.ModeSocket == 0:
		return errors.New("there is a file that is not a socket")
	}
	fd, err := newSocket(unix.AF_UNIX)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	_ = unix.SetNonblock(fd, true) // a full queue is somebody who listens
	err = unix.Connect(fd, &unix.SockaddrUnix{Name: path})
	if errors.Is(err, unix.ECONNREFUSED) || errors.Is(err, unix.ENOENT) {
		return nil
	}
	if err == nil || errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EPROTOTYPE) {
		return errors.New("somebody listens there already")
	}
	return errors.New("look whether somebody listens there: " + err.Error())
}

// bare is an error without the path, which the message has already.
func bare(err error) error {
	if e, ok := errors.AsType[*os.PathError](err); ok {
		return e.Err
	}
	return err
}

// accept waits for a connection. There may be one call at a time.
func (l *listener) accept() (fd int, err error) {
	if err := l.raw.Read(l.take); err != nil {
		return -1, err
	}
	return l.took, l.failed
}

// close stops listening. Who has connected and was not accepted is sent away.
func (l *listener) close() {
	if l.remove != nil {
		l.remove()
		l.remove = nil
	}
	_ = l.file.Close()
}

// isPassing reports whether the next accept may do better.
//
// Source: accept(2), "Error handling".
func isPassing(err error) bool {
	switch {
	case errors.Is(err, unix.EINTR), errors.Is(err, unix.ECONNABORTED), errors.Is(err, unix.EPROTO), errors.Is(err, unix.EPERM),
		errors.Is(err, unix.ENETDOWN), errors.Is(err, unix.EHOSTUNREACH), errors.Is(err, unix.ENETUNREACH):
		return true
	}
	return isShortage(err)
}

func isShortage(err error) bool {
	return errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE) || errors.Is(err, unix.ENOMEM) || errors.Is(err, unix.ENOBUFS)
}
