package supervise

import (
	"errors"
	"fmt"
	"math"
	"os"
	"runtime"
	"slices"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// spawner starts processes from a thread with a table of descriptors of its own,
// which is all but empty. A child gets a copy of its parent's table and closes
// most of it when it becomes another program; with the thousands of descriptors
// of a thousand services that takes longer than all the rest of a start.
type spawner struct {
	requests chan *spawnRequest
	proc     string // what outside begins with
}

// spawnRequest is a process to be started.
type spawnRequest struct {
	path   string
	argv   []string
	env    []string
	dir    int // descriptor of the folder to start in
	files  []source
	cgroup string // folder of its control group; "" is ours
	done   chan error

	pid int // the result
}

// source is what a descriptor of the child is to be.
type source struct {
	kind sourceKind
	fd   int // of sourceInherited: in the spawner too; of sourceReopen: in the rest of this process
	flag int // of sourceReopen
}

type sourceKind uint8

const (
	sourceClosed    sourceKind = iota
	sourceNull                 // /dev/null
	sourceInherited            // 0, 1 or 2, as we have it
	sourceReopen               // what one of our descriptors is open on, opened anew
)

// newSpawner starts the thread. It lives as long as the process.
func newSpawner() (*spawner, error) {
	// Where /proc is that of another namespace, our number there is another.
	self, err := os.Readlink("/proc/self")
	if err != nil {
		return nil, fmt.Errorf("this needs /proc: %w", err)
	}
	s := &spawner{make(chan *spawnRequest), "/proc/" + self + "/fd/"}
	ready := make(chan error)
	kept, err := pollerDescriptors()
	if err != nil {
		return nil, err
	}
	onThread(func() {
		err := unix.Unshare(unix.CLONE_FILES)
		if err == nil {
			err = closeAllBut(kept)
		}
		null := -1
		if err == nil {
			null, err = unix.Open("/dev/null", unix.O_RDWR|unix.O_CLOEXEC, 0)
		}
		ready <- err
		if err != nil {
			return
		}
		for r := range s.requests {
			r.done <- s.start(r, null)
		}
	})
	if err := <-ready; err != nil {
		return nil, fmt.Errorf("a thread with descriptors of its own: %w", err)
	}
	return s, nil
}

// pollerDescriptors returns those that Go's run-time waits with. Any thread may
// have to, in the middle of an allocation, and the process ends if it cannot.
func pollerDescriptors() ([]int, error) {
	// They are made for the first descriptor that can be waited for.
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer r.Close() //nolint:errcheck // nothing was written
	defer w.Close() //nolint:errcheck // as above
	names, err := listFolder(unix.AT_FDCWD, "/proc/self/fd")
	if err != nil {
		return nil, err
	}
	var kept []int
	for _, name := range names {
		to, err := os.Readlink("/proc/self/fd/" + name)
		if err != nil || to != "anon_inode:[eventpoll]" && to != "anon_inode:[eventfd]" {
			continue
		}
		if fd, err := strconv.Atoi(name); err == nil && fd > 2 {
			kept = append(kept, fd)
		}
	}
	slices.Sort(kept)
	return kept, nil
}

// closeAllBut closes all descriptors from 3 but some.
func closeAllBut(kept []int) error {
	from := 3
	for _, fd := range kept {
		if fd > from {
			if err := unix.CloseRange(uint(from), uint(fd-1), 0); err != nil {
				return err
			}
		}
		from = fd + 1
	}
	return unix.CloseRange(uint(from), math.MaxInt32, 0)
}

// onThread runs f on a thread that no other goroutine will ever run on, and that
// is not the first of the process: what /proc says of the process is that one's.
func onThread(f func()) {
	begun := make(chan struct{})
	go func() {
		runtime.LockOSThread()
		if unix.Gettid() == os.Getpid() {
			// As long as this one is kept, the next is another.
			onThread(f)
			runtime.UnlockOSThread()
			close(begun)
			return
		}
		close(begun)
		f()
	}()
	<-begun
}

// spawn starts a process and returns its id. It is our child, and nobody else
// waits for it, so the id is good until we do.
func (s *spawner) spawn(r *spawnRequest) (int, error) {
	r.done = make(chan error)
	s.requests <- r
	err := <-r.done
	return r.pid, err
}

// start runs on the thread.
func (s *spawner) start(r *spawnRequest, null int) error {
	files := make([]uintptr, len(r.files))
	for i, f := range r.files {
		switch f.kind {
		case sourceClosed:
			files[i] = ^uintptr(0)
		case sourceNull:
			files[i] = uintptr(null)
		case sourceInherited:
			files[i] = uintptr(f.fd)
		case sourceReopen:
			fd, err := unix.Open(s.outside(f.fd), f.flag|unix.O_CLOEXEC, 0)
			if err != nil {
				return err
			}
			defer unix.Close(fd)
			files[i] = uintptr(fd)
		}
	}
	attr := &syscall.ProcAttr{Dir: s.outside(r.dir), Env: r.env, Files: files, Sys: &syscall.SysProcAttr{Setsid: true}}
	if r.cgroup != "" {
		fd, err := unix.Open(r.cgroup, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("control group: %w", err)
		}
		defer unix.Close(fd)
		attr.Sys.UseCgroupFD, attr.Sys.CgroupFD = true, fd
	}
	var err error
	r.pid, err = syscall.ForkExec(r.path, r.argv, attr)
	if errors.Is(err, syscall.ENOENT) && len(r.argv) > 0 {
		// Which of the two that the system means is not to be told apart.
		return fmt.Errorf("%w (the file, or the interpreter that it names)", err)
	}
	return err
}

// outside is a name, for the thread and its children, of a descriptor that the
// rest of this process has.
func (s *spawner) outside(fd int) string { return s.proc + itoa(fd) }
