package logrotate

import (
	"golang.org/x/sys/unix"
)

// statusSize is the length of a status file: a line, newlines up to 1000 bytes,
// and one more.
//
// Source: daemontools 0.76, multilog.c.
const statusSize = maxLine + 1

// statusFile keeps the last selected line.
type statusFile struct {
	word    string
	fd      int
	text    [statusSize]byte
	length  int // of the line in text
	pending bool
	same    *statusFile // an earlier action on the same file, which has the line then
	info    fileInfo
}

// openStatuses opens the files of all = actions.
func (l *Logger) openStatuses() error {
	for _, a := range l.cfg.Script.Actions {
		if a.Kind != Status {
			continue
		}
		s := &statusFile{word: a.Word}
		fd, err := openAt(l.cfg.Dir, a.Word, unix.O_WRONLY|unix.O_APPEND|unix.O_CREAT, modeStatus)
		if err != nil {
			return &StartError{"unable to create " + a.Word, err}
		}
		unix.Close(fd)
		if s.fd, s.info, err = openStatus(l.cfg.Dir, a.Word); err != nil {
			return &StartError{"unable to write to " + a.Word, err}
		}
		for _, earlier := range l.statuses {
			if earlier.same == nil && earlier.info.dev == s.info.dev && earlier.info.ino == s.info.ino {
				s.same = earlier
			}
		}
		l.statuses = append(l.statuses, s)
	}
	return nil
}

// openStatus opens a regular file with one name, or a device such as /dev/null.
func openStatus(dir int, name string) (int, fileInfo, error) {
	if info, err := statAt(dir, name); err == nil && info.mode&unix.S_IFMT == unix.S_IFCHR {
		fd, err := openAt(dir, name, unix.O_WRONLY, 0)
		return fd, info, err
	}
	return openRegular(dir, name, unix.O_WRONLY, 0)
}

// note keeps a line until the next write.
func (s *statusFile) note(text []byte) {
	if s.same != nil {
		s = s.same
	}
	s.length = copy(s.text[:maxLine], text)
	s.pending = true
}

// write brings the line to the file: what is behind it there stays.
func (s *statusFile) write() error {
	if !s.pending {
		return nil
	}
	for i := s.length; i < statusSize; i++ {
		s.text[i] = '\n'
	}
	for at := 0; at < statusSize; {
		n := 0
		err := again(func() (err error) {
			n, err = unix.Pwrite(s.fd, s.text[at:], int64(at))
			return err
		})
		if err != nil {
			return troubled(err, "write "+s.word)
		}
		at += n
	}
	s.pending = false
	return nil
}
