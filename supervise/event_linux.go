package supervise

import (
	"strings"

	"golang.org/x/sys/unix"
)

// announced is what those were told last who listen to a service in the way of s6.
type announced struct {
	known  bool // anything at all
	up     bool
	ready  bool
	finish bool
	failed bool
	starts int
}

// letters are what s6-supervise tells from one state to another: s it is
// supervised, u it was started, U it says that it is ready, d it has ended, O it
// will not be started again though it is wanted up, D ./finish has ended too, x it
// is not supervised any more. tells says that it has a way to say that it is ready.
//
// Source: https://skarnet.org/software/s6/s6-supervise.html
func (a announced) letters(now announced, tells bool) string {
	again := now.starts != a.starts
	b := ""
	if !a.known {
		b = "s"
	}
	if a.up && (again || !now.up) {
		b += "d"
	}
	if (a.up || a.finish) && (again || !now.up && !now.finish) {
		if now.failed && !a.failed {
			b += "O"
		}
		b += "D"
	}
	switch {
	case now.up && (again || !a.up):
		b += "u"
		if now.ready && tells {
			b += "U"
		}
	case now.up && now.ready && !a.ready:
		b += "U"
	}
	if !now.known {
		b += "x"
	}
	return b
}

// announce tells those who listen what has happened since the last time. That is
// nothing most times.
func (s *service) announce() {
	if s.dir < 0 || s.ok < 0 && !s.told.known {
		return // who hears of it is to find it supervised
	}
	p := s.machine.Phase
	now := announced{
		known: p != PhaseGone, up: p == PhaseUp || p == PhaseStop, finish: p == PhaseFinish,
		failed: s.machine.Failed, starts: s.starts, ready: s.ready,
	}
	if now == s.told || !now.known && !s.told.known {
		return
	}
	letters := s.told.letters(now, s.settings.Notify >= 0)
	s.told = now
	if letters != "" {
		s.ring(letters)
	}
}

const (
	eventDir   = "event"
	eventName  = "ftrig1:@" // and a label and a random word
	eventSize  = 39
	maxEvents  = 100   // FIFOs that are written to
	maxDirents = 64000 // bytes of the list of names
)

// ring writes to the FIFOs in event/ that wait for it, as s6's ftrigw does: those
// that nobody reads are removed, those that are full have a reader who does not.
// Nothing is waited for, and no link is followed.
//
// Source: ftrigw_notifyb_nosig.c of s6 2.11.
func (f *folder) ring(letters string) {
	fd, err := unix.Openat(f.dir, eventDir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return // nobody listens
	}
	defer unix.Close(fd)
	var b [4096]byte
	left := maxEvents
	for read := 0; read < maxDirents && left > 0; {
		n, err := unix.ReadDirent(fd, b[:])
		if err != nil || n <= 0 {
			return
		}
		read += n
		_, _, names := unix.ParseDirent(b[:n], -1, nil)
		for _, name := range names {
			if strings.HasPrefix(name, eventName) && len(name) == eventSize && left > 0 {
				left--
				ringOne(fd, name, letters)
			}
		}
	}
}

func ringOne(dir int, name, letters string) {
	var st unix.Stat_t
	if unix.Fstatat(dir, name, &st, unix.AT_SYMLINK_NOFOLLOW) != nil || st.Mode&unix.S_IFMT != unix.S_IFIFO {
		return
	}
	fd, err := unix.Openat(dir, name, unix.O_WRONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err == unix.ENXIO {
		_ = unix.Unlinkat(dir, name, 0) // the next one finds it there too
		return
	}
	if err != nil {
		return
	}
	defer unix.Close(fd)
	if unix.Fstat(fd, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFIFO {
		_, _ = unix.Write(fd, []byte(letters)) // it may be full
	}
}
