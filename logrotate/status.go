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
	text    []byte // statusSize bytes, or nil until there is a line
	length  int    // of the line in text
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
		if err := l.openStatus(s); err != nil {
			return err
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

// openStatus makes and opens the file of a = action.
func (l *Logger) openStatus(s *statusFile) error {
	dir, name, owner := l.cfg.Dir, s.word, l.cfg.Owner
	if owner != nil {
		above, base := splitName(s.word)
		fd, info, err := openFolderAt(dir, above, 0)
		if err != nil {
			return &StartError{"unable to open directory " + above, err}
		}
		defer unix.Close(fd)
		if err := owner.acceptFolder(info); err != nil {
			return &StartError{"unable to write to directory " + above, err}
		}
		dir, name = fd, base
	}
	fd, err := openAt(dir, name, unix.O_WRONLY|unix.O_APPEND|unix.O_CREAT, modeStatus)
	if err != nil {
		return &StartError{"unable to create " + s.word, err}
	}
	unix.Close(fd)
	if s.fd, s.info, err = openStatusAt(dir, name, owner); err != nil {
		return &StartError{"unable to write to " + s.word, err}
	}
	return nil
}

// openStatusAt opens a regular file with one name, or a device such as /dev/null.
// A device is no owner's.
func openStatusAt(dir int, name string, owner *Owner) (int, fileInfo, error) {
	if info, err := statAt(dir, name); err == nil && owner == nil && info.mode&unix.S_IFMT == unix.S_IFCHR {
		fd, err := openAt(dir, name, unix.O_WRONLY, 0)
		return fd, info, err
	}
	return openRegular(dir, name, unix.O_WRONLY, 0, owner)
}

// note keeps a line until the next write.
func (s *statusFile) note(text []byte) {
	if s.same != nil {
		s = s.same
	}
	if s.text == nil {
		s.text = make([]byte, statusSize)
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
