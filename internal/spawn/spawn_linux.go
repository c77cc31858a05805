package spawn

import (
	"errors"
	"os"
	"slices"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Spawner starts programs.
type Spawner struct {
	pid    int
	nofile *syscall.Rlimit // that programs get; nil is the present one
	plain  bool            // starts are ForkExec's
}

// New returns a Spawner. It finds out the limit of open files that this process was
// started with, which Go has raised for itself, and lowers it for a moment to do so:
// no other goroutine may open files meanwhile. From then on programs that are started
// in another way have the raised limit.
func New() *Spawner {
	s := &Spawner{pid: os.Getpid()}
	var now, former syscall.Rlimit
	if !s.works() || syscall.Getrlimit(syscall.RLIMIT_NOFILE, &now) != nil {
		s.plain = true
		return s
	}
	// An exec that fails leaves the limit as the program would have had it.
	_ = syscall.Exec("", []string{""}, nil)
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &former) == nil && former != now {
		s.nofile = &former
		_, _, _ = unix.RawSyscall6(unix.SYS_PRLIMIT64, 0, syscall.RLIMIT_NOFILE, uintptr(unsafe.Pointer(&now)), 0, 0, 0)
	}
	return s
}

// works reports whether a start works here: the kernel may be too old, or a filter of
// system calls may know no clone3, as systemd's with RestrictNamespaces=. It starts what
// does not exist.
func (s *Spawner) works() bool {
	if !hasVfork {
		return false
	}
	_, _, err := s.Start(&Program{Argv: []string{""}})
	return errors.Is(err, syscall.ENOENT)
}

// maxFiles is how many descriptors a program can be given by vfork.
const maxFiles = 4

// child is what the child reads, and where it leaves its error.
type child struct {
	// The structure clone_args of clone3(2), as far as it is needed.
	flags      uint64
	pidfd      *int32
	_          [2]uint64
	exitSignal uint64
	_          [3]uint64 // the stack is the parent's

	path   *byte
	argv   **byte
	env    **byte
	dir    *byte           // nil stays
	nofile *syscall.Rlimit // nil leaves it
	mask   uint64          // of blocked signals: none
	parent int64
	death  int64 // ParentSignal
	count  int64 // of files
	files  [maxFiles]int64
	errno  int64 // negative, as system calls return it
}

// Start starts a program. The second descriptor returned becomes readable when it
// has ended, and is -1 where the kernel has none. Errors are those of execve(2) and
// of what stands before it.
func (s *Spawner) Start(p *Program) (pid, exit int, err error) {
	if s.plain {
		return Plainly(p)
	}
	files, done, err := beyond(p.Files)
	if err != nil {
		return 0, -1, err
	}
	defer done()
	c := &child{
		flags:      unix.CLONE_VM | unix.CLONE_VFORK | unix.CLONE_PIDFD | unix.CLONE_CLEAR_SIGHAND,
		exitSignal: uint64(unix.SIGCHLD),
		mask:       0,
		nofile:     s.nofile,
		parent:     int64(s.pid),
		death:      int64(p.ParentSignal),
		count:      int64(len(files)),
	}
	var fd int32
	c.pidfd = &fd
	for i, file := range files {
		c.files[i] = int64(file)
	}
	if err := c.name(p); err != nil {
		return 0, -1, err
	}
	pid = vfork(c)
	if pid < 0 {
		return 0, -1, syscall.Errno(-pid)
	}
	if c.errno == 0 {
		return pid, int(fd), nil
	}
	unix.Close(int(fd))
	for {
		_, err := syscall.Wait4(pid, nil, 0, nil)
		if !errors.Is(err, syscall.EINTR) {
			return 0, -1, syscall.Errno(-c.errno) //nolint:gosec // a small number
		}
	}
}

// beyond returns descriptors that have no number which one of them is to get, copies
// if need be. Done closes these.
func beyond(fds []int) (files []int, done func(), err error) {
	none := func() {}
	if len(fds) > maxFiles {
		return nil, none, syscall.EINVAL
	}
	if !slices.ContainsFunc(fds, func(fd int) bool { return fd < maxFiles }) {
		return fds, none, nil
	}
	done = func() {
		for _, fd := range files {
			unix.Close(fd)
		}
	}
	for _, fd := range fds {
		copied, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, maxFiles)
		if err != nil {
			done()
			return nil, none, err
		}
		files = append(files, copied)
	}
	return files, done, nil
}

// name sets the strings, as C has them. They are in one piece of memory.
func (c *child) name(p *Program) error {
	size := 0
	lists := [][]string{{p.Path, p.Dir}, p.Argv, p.Env}
	for _, list := range lists {
		for _, text := range list {
			if strings.IndexByte(text, 0) >= 0 {
				return syscall.EINVAL
			}
			size += len(text) + 1
		}
	}
	room := make([]byte, size)
	pointers := make([]*byte, len(p.Argv)+len(p.Env)+2) // each list ends with nil
	store := func(text string) *byte {
		at := &room[0]
		room = room[copy(room, text)+1:]
		return at
	}
	c.path = store(p.Path)
	if dir := store(p.Dir); p.Dir != "" {
		c.dir = dir
	}
	for i, text := range p.Argv {
		pointers[i] = store(text)
	}
	c.argv = &pointers[0]
	pointers = pointers[len(p.Argv)+1:]
	for i, text := range p.Env {
		pointers[i] = store(text)
	}
	c.env = &pointers[0]
	return nil
}

// Plainly starts a program without a Spawner, for those that start one alone. The
// results are those of Start.
func Plainly(p *Program) (pid, exit int, err error) {
	exit = -1
	pid, err = plainly(p, &syscall.SysProcAttr{Setpgid: true, Pdeathsig: p.ParentSignal, PidFD: &exit})
	return pid, exit, err
}
