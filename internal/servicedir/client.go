package servicedir

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// ErrNotSupervised is found by errors.Is in the errors of a service folder that
// no supervisor has.
var ErrNotSupervised = errors.New("supervise not running")

// notSupervised is ErrNotSupervised with what it was concluded from: a FIFO that
// is not there (ENOENT), or that nobody reads (ENXIO).
type notSupervised struct{ *fs.PathError }

func (e notSupervised) Error() string { return e.Path + ": " + ErrNotSupervised.Error() }

func (notSupervised) Is(target error) bool { return target == ErrNotSupervised }

func (e notSupervised) Unwrap() error { return e.PathError }

// Send writes letters into the control FIFO of a service folder, all in one
// write, as a supervisor reads them: "u" for up, "d" for down and the others of
// svc. A supervisor ignores letters that it does not know. Where the FIFO is
// full, Send waits until the supervisor has read.
//
// The error is a *fs.PathError of "open" or "write" with an errno; it is
// ErrNotSupervised as well where no supervisor has the folder. A folder that does
// not exist is a *fs.PathError of "stat".
//
// Source: daemontools 0.76 svc.c.
func Send(dir, letters string) error {
	path := filepath.Join(dir, Control)
	fd, err := openFIFO(dir, path)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	// Nothing else is written to, wherever its owner has a link lead.
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return &fs.PathError{Op: "write", Path: path, Err: err}
	}
	if st.Mode&unix.S_IFMT != unix.S_IFIFO {
		return &fs.PathError{Op: "write", Path: path, Err: ErrNoFIFO}
	}
	if err := unix.SetNonblock(fd, false); err != nil {
		return &fs.PathError{Op: "write", Path: path, Err: err}
	}
	for rest := []byte(letters); len(rest) > 0; {
		n, err := unix.Write(fd, rest)
		switch {
		case err == unix.EINTR:
		case err != nil:
			return &fs.PathError{Op: "write", Path: path, Err: err}
		default:
			rest = rest[n:]
		}
	}
	return nil
}

// ErrNoFIFO says that something else is in the place of a FIFO.
var ErrNoFIFO = errors.New("not a FIFO; remove it")

// Supervised reports whether a supervisor has a service folder. A folder that
// does not exist is an error, as is a FIFO that may not be opened: a
// *fs.PathError with an errno.
//
// Source: daemontools 0.76 svok.c.
func Supervised(dir string) (bool, error) {
	fd, err := openFIFO(dir, filepath.Join(dir, OK))
	if errors.Is(err, ErrNotSupervised) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	unix.Close(fd)
	return true, nil
}

// Read returns what the status file of a service folder says. It asks first
// whether the folder is supervised, because the file outlives the supervisor;
// the error is ErrNotSupervised then.
//
// Other errors are a *fs.PathError of "open" or "read" with an errno, or with
// ErrFormat for a file that is no status.
//
// Source: daemontools 0.76 svstat.c.
func Read(dir string) (Status, error) {
	fd, err := openFIFO(dir, filepath.Join(dir, OK))
	if err != nil {
		return Status{}, err
	}
	unix.Close(fd)
	path := filepath.Join(dir, Stat)
	if fd, err = open(path, unix.O_RDONLY); err != nil {
		return Status{}, err
	}
	defer unix.Close(fd)
	var b [2 * Size]byte
	n, err := unix.Read(fd, b[:])
	if err != nil {
		return Status{}, &fs.PathError{Op: "read", Path: path, Err: err}
	}
	s, err := ParseStatus(b[:n])
	if err != nil {
		return Status{}, &fs.PathError{Op: "read", Path: path, Err: err}
	}
	return s, nil
}

// NormallyUp reports whether a service is started with its supervisor, which is
// where the folder has no file "down". The error is a *fs.PathError of "stat".
func NormallyUp(dir string) (bool, error) {
	var st unix.Stat_t
	path := filepath.Join(dir, DownFile)
	switch err := stat(path, &st); {
	case err == nil:
		return false, nil
	case errors.Is(err, unix.ENOENT):
		return true, nil
	default:
		return false, &fs.PathError{Op: "stat", Path: path, Err: err}
	}
}

func stat(path string, st *unix.Stat_t) error {
	for {
		if err := unix.Stat(path, st); err != unix.EINTR {
			return err
		}
	}
}

// openFIFO opens a FIFO of a service folder for writing, without waiting for
// its reader.
func openFIFO(dir, path string) (fd int, err error) {
	fd, err = open(path, unix.O_WRONLY)
	var failed *fs.PathError
	if !errors.As(err, &failed) {
		return fd, err
	}
	switch {
	case errors.Is(failed.Err, unix.ENOENT):
		if _, err := os.Stat(dir); err != nil {
			return -1, err
		}
		return -1, notSupervised{failed}
	case errors.Is(failed.Err, unix.ENXIO):
		return -1, notSupervised{failed}
	}
	return -1, err
}

func open(path string, mode int) (fd int, err error) {
	for {
		fd, err = unix.Open(path, mode|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		if err == nil {
			return fd, nil
		}
		if err != unix.EINTR {
			return -1, &fs.PathError{Op: "open", Path: path, Err: err}
		}
	}
}
