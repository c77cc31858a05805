package logrotate

import (
	"errors"
	"time"

	"golang.org/x/sys/unix"
)

// flush writes what is pending to current. It returns false after trouble.
func (f *folder) flush() bool {
	for f.pending() > 0 {
		// Only a current that was taken over nearly full ends within what is
		// pending.
		if f.bytes >= f.Size && !f.rotate() {
			return false
		}
		p := f.borrowed
		if f.written < len(f.out) {
			p = f.out[f.written:]
		} else {
			p = p[f.written-len(f.out):]
		}
		n, err := writeFile(f.current, p[:min(int64(len(p)), f.Size-f.bytes)])
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return f.log.pause(troubled(err, "write to "+f.word+"/current"))
		}
		f.written += n
		f.bytes += int64(n)
		if f.RotateAfter > 0 && f.since.IsZero() {
			f.since = f.log.now()
		}
	}
	// Where a file ended within what was pending, the next has only the rest.
	f.due = f.due && f.full(f.bytes)
	return true
}

// rotate gives current to the finisher and opens a new one. It returns false
// where it has to be called again: after trouble, or because the finisher has
// not come along.
func (f *folder) rotate() bool {
	if f.renamed < 0 && !f.moveCurrent() {
		return false
	}
	fd, err := createNew(f.dir, "current", unix.O_WRONLY|unix.O_APPEND, f.log.cfg.Owner)
	if err != nil {
		return f.log.pause(troubled(err, "create "+f.word+"/current"))
	}
	info, err := statFd(fd)
	if err != nil {
		_ = unlinkIfThere(f.dir, "current")
		unix.Close(fd)
		return f.log.pause(troubled(err, "stat "+f.word+"/current"))
	}
	f.current, f.currentIno, f.bytes, f.since = fd, info.ino, 0, time.Time{}
	f.log.record.moved(f)
	f.finisher.add(f.renamed)
	f.renamed = -1
	return true
}

// moveCurrent renames current to previous.
func (f *folder) moveCurrent() bool {
	if f.finisher.busy.Load() {
		f.log.wait.Background = true
		return false
	}
	// Beside a current that was ended cleanly there may be a previous that
	// nobody looked at; to rename over it would lose it.
	if err := f.finisher.name("previous", ".u"); err != nil {
		return f.log.pause(err)
	}
	err := again(func() error { return unix.Renameat(f.dir, "current", f.dir, "previous") })
	if err != nil {
		return f.log.pause(troubled(err, "rename current to previous in directory "+f.word))
	}
	f.renamed, f.current = f.current, -1
	return true
}

// rotateOld has every current finished that has reached its age. It returns
// whether there is one, and otherwise adds the next time to wait.
func (l *Logger) rotateOld() bool {
	any := false
	for _, f := range l.folders {
		if f.RotateAfter == 0 || f.since.IsZero() || f.bytes == 0 {
			continue
		}
		left := f.since.Add(f.RotateAfter).Sub(l.now())
		if left <= 0 {
			f.due, any = true, true
			l.stage = rotating
			continue
		}
		if at := time.Now().Add(left); l.wait.Until.IsZero() || at.Before(l.wait.Until) {
			l.wait.Until = at
		}
	}
	return any
}
