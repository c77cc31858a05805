package logrotate

import (
	"errors"
	"slices"

	"golang.org/x/sys/unix"

	"scgikit/internal/djberr"
)

// adoption is what a killed logger left of the input that this one goes on with.
type adoption struct {
	found  bool
	line   line
	takers []fileInfo // folders that the rest of a long line goes to
	lock   int        // descriptor of the locked lock file with the record
	dir    fileInfo
}

// lockOf hands the lock of a folder over if adopt took it; else -1.
func (a *adoption) lockOf(dir fileInfo) int {
	if !a.found || a.lock < 0 || a.dir.dev != dir.dev || a.dir.ino != dir.ino {
		return -1
	}
	fd := a.lock
	a.lock = -1
	return fd
}

func (a *adoption) close() {
	if a.found && a.lock >= 0 {
		unlock(a.lock)
		a.lock = -1
	}
}

// adopt looks for the record of a logger that was killed on this pipe. What it
// wrote of lines that are still in the pipe is taken away again. This is before
// any folder is recovered, as then the files have other names.
//
// The record is in the first folder of the script that wrote it, which need not
// be the first of this one.
func (l *Logger) adopt() {
	_ = slices.ContainsFunc(l.cfg.Script.folderWords(), l.adoptFrom)
}

func (l *Logger) adoptFrom(word string) bool {
	dir, info, err := l.lookAt(word)
	if err != nil {
		return false
	}
	defer unix.Close(dir)
	lock, lockInfo, err := openRegular(dir, "lock", unix.O_RDWR, 0, l.cfg.Owner)
	if err != nil {
		return false
	}
	// A logger that still runs has its lock, and its record is its own.
	r := record{mem: make([]byte, recordSize)}
	if lockInfo.size < recordSize || lockNow(lock) != nil || !readRecord(lock, r) || !l.fits(r, dir, info) {
		unlock(lock)
		return false
	}
	lost := l.lostPipe(r)
	if r.committing() && !r.consumed() && !lost {
		l.rollBack(r)
	}
	r.settle()
	_, err = unix.Pwrite(lock, r.mem[recordState:recordState+8], recordState)
	if err != nil {
		l.warn("unable to write to " + word + "/lock: " + djberr.Text(err))
	}
	l.adopted = adoption{found: true, lock: lock, dir: info}
	r.loadLine(&l.adopted.line)
	if lost && l.adopted.line.long {
		l.adopted.line = line{} // its head is in the log
	}
	l.adopted.line.ends = l.adopted.line.started && (lost || l.adopted.line.ends)
	for i := range r.folders() {
		if e := r.entry(i); l.adopted.line.selected>>(i&63)&1 != 0 {
			l.adopted.takers = append(l.adopted.takers, fileInfo{dev: e.dirDev, ino: e.dirIno})
		}
	}
	return true
}

// takes returns whether the rest of the line goes to a folder. The scripts of
// two loggers may have the same folders in another order.
func (a *adoption) takes(dir fileInfo) bool {
	return slices.ContainsFunc(a.takers, func(t fileInfo) bool { return t.dev == dir.dev && t.ino == dir.ino })
}

// lookAt opens a folder that is there, and the owner's.
func (l *Logger) lookAt(word string) (int, fileInfo, error) {
	dir, info, err := openFolderAt(l.cfg.Dir, word, 0)
	if err != nil {
		return -1, fileInfo{}, err
	}
	if err := l.cfg.Owner.acceptFolder(info); err != nil {
		unix.Close(dir)
		return -1, fileInfo{}, err
	}
	return dir, info, nil
}

func readRecord(lock int, r record) bool {
	n, err := unix.Pread(lock, r.mem, 0)
	return err == nil && n == recordSize
}

// lostPipe returns whether the record is about another pipe than the input, or,
// where the pipe has a name that outlives what was in it, about another content.
func (l *Logger) lostPipe(r record) bool {
	id, _ := r.identity()
	return id != l.source.identity() || r.committing() && !r.consumed() && l.source.available() < r.input()
}

// fits returns whether a record is of this run of the machine, and of this
// folder as it is: nobody else has logged to it since.
func (l *Logger) fits(r record, dir int, info fileInfo) bool {
	id, ok := r.identity()
	if !ok || id.boot != l.source.identity().boot || r.folders() == 0 {
		return false
	}
	if l.lostPipe(r) && r.committing() && !r.consumed() {
		return false // that input is gone, and what is written of it stays
	}
	e := r.entry(0)
	if e.dirDev != info.dev || e.dirIno != info.ino {
		return false
	}
	current, err := statAt(dir, "current")
	if err == nil && current.ino == e.currentIno {
		return e.is(current)
	}
	// Killed in a rotation: the file has its next name, and nothing was written
	// to a new current.
	if err == nil && current.size > 0 || err != nil && !errors.Is(err, unix.ENOENT) {
		return false
	}
	if previous, err := statAt(dir, "previous"); err == nil {
		return e.is(previous)
	}
	return lastNamed(dir, e)
}

// is returns whether a file is the one that was current, as the commit left it.
func (e entry) is(file fileInfo) bool {
	return file.ino == e.currentIno && e.before <= file.size && file.size <= e.after
}

// lastNamed returns whether the newest finished file is the one that was current.
// Starts that came no further than recovery may have named empty ones after it.
func lastNamed(dir int, e entry) bool {
	f := folder{dir: dir}
	names, err := f.list()
	if err != nil {
		return false
	}
	for _, files := range slices.Backward(inOrder(names)) {
		file, err := statAt(dir, files[0])
		if err == nil && e.is(file) {
			return true
		}
		if err != nil || file.size > 0 {
			return false
		}
	}
	return false
}

// rollBack takes away what a commit wrote, from every folder that is in the
// record and in the script.
func (l *Logger) rollBack(r record) {
	for _, word := range l.cfg.Script.folderWords() {
		dir, info, err := l.lookAt(word)
		if err != nil {
			continue
		}
		for i := range r.folders() {
			if e := r.entry(i); e.dirDev == info.dev && e.dirIno == info.ino {
				l.takeBack(dir, word, e, i > 0)
			}
		}
		unix.Close(dir)
	}
}

// takeBack takes away what a commit wrote to one folder, if current is as that
// left it and no other logger has the folder now. The lock of the first one is
// held already.
func (l *Logger) takeBack(dir int, word string, e entry, takeLock bool) {
	if takeLock {
		lock, err := openAt(dir, "lock", unix.O_RDWR, 0)
		if err != nil {
			return
		}
		defer unlock(lock)
		if lockNow(lock) != nil {
			return
		}
	}
	fd, info, err := openRegular(dir, "current", unix.O_WRONLY, 0, l.cfg.Owner)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	if info.ino != e.currentIno || e.before < 0 || info.size <= e.before || info.size > e.after {
		return
	}
	if err := again(func() error { return unix.Ftruncate(fd, e.before) }); err != nil {
		l.warn("unable to take back the end of " + word + "/current, lines may be there twice: " + djberr.Text(err))
	}
}
