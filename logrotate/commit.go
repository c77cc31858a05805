package logrotate

import (
	"errors"

	"golang.org/x/sys/unix"

	"scgikit/internal/djberr"
)

// peeking returns whether input stays in the pipe until it is written.
func (l *Logger) peeking() bool { return l.peeks }

// beginCommit notes in the record what is going to be written.
func (l *Logger) beginCommit() {
	if !l.peeking() {
		return
	}
	l.noteFolders()
	l.record.saveLine(&l.line)
	l.marker = l.record.expect(l.in[l.from:l.pos])
	l.record.begin()
}

// noteFolders notes the size of every current, now and with what is pending.
func (l *Logger) noteFolders() {
	for i, f := range l.folders {
		l.record.setEntry(i, entry{
			dirDev: f.info.dev, dirIno: f.info.ino, currentIno: f.currentIno,
			before: f.bytes, after: f.bytes + int64(f.pending()),
		})
	}
}

// consume takes the input out of the pipe that has been worked on.
func (l *Logger) consume() bool {
	if !l.peeking() {
		return true
	}
	err := error(nil)
	if input := l.in[l.from:l.pos]; len(input) > 0 {
		err = l.source.consume(input, l.marker)
	}
	switch {
	case errors.Is(err, errShort):
		l.warn(robbedMessage)
		l.record.accept()
	case err != nil:
		return l.pause(troubled(err, "take input out of the pipe"))
	case l.pos == l.from:
		l.record.accept()
	}
	l.record.end()
	return true
}

// startRecord makes the record of this run, in the lock file of the first
// folder. Where that can not be, reading is plain.
func (l *Logger) startRecord() {
	if l.source != nil {
		if r, ok := openRecord(l.folders[0].dir, l.folders[0].lock, l.source.identity(), len(l.folders), l.adopted.found); ok {
			l.record, l.peeks = r, true
		} else {
			l.source = nil
		}
	}
	if l.source == nil {
		l.source = plain{l.cfg.Input}
		if !l.shares() {
			l.buffers.Close() // its pipe is of no use
		}
	}
	l.restoreLine()
	if l.peeking() || l.adopted.found {
		l.clearOldRecords()
	}
}

// restoreLine goes on with the line that a killed logger had begun.
func (l *Logger) restoreLine() {
	if !l.adopted.found {
		return
	}
	l.line.started, l.line.long, l.line.ends = l.adopted.line.started, l.adopted.line.long, l.adopted.line.ends
	l.line.head = append(l.line.head[:0], l.adopted.line.head...)
	l.line.selected = 0
	for i, f := range l.folders {
		if f.takes = l.line.long && l.adopted.takes(f.info); f.takes {
			l.line.selected |= 1 << (i & 63)
		}
	}
	if l.peeking() {
		l.saveRestored()
	}
}

// clearOldRecords empties the lock files that hold a record which is not this
// run's: the one that was adopted from another folder than the first would be
// adopted again, and one that did not fit says nothing.
func (l *Logger) clearOldRecords() {
	for i, f := range l.folders {
		if i == 0 && l.peeking() || !holdsRecord(f.lock) {
			continue
		}
		if info, err := statFd(f.lock); err != nil || soleName(f.dir, "lock", info) != nil {
			continue // it is, or may be, somebody else's file
		}
		if err := again(func() error { return unix.Ftruncate(f.lock, 0) }); err != nil {
			l.warn("unable to empty " + f.word + "/lock: " + djberr.Text(err))
		}
	}
}

// saveRestored writes the line that was taken over into the new record.
func (l *Logger) saveRestored() {
	l.noteFolders()
	l.record.saveLine(&l.line)
	l.record.end()
}

// moved notes that current is a new file.
func (r record) moved(f *folder) {
	if r.mem == nil {
		return
	}
	for i, other := range f.log.folders {
		if other == f {
			r.setEntry(i, entry{dirDev: f.info.dev, dirIno: f.info.ino, currentIno: f.currentIno})
		}
	}
}

// abandon goes back to where the commit began.
func (r record) abandon() {
	if r.mem == nil {
		return
	}
	for i := range r.folders() {
		e := r.entry(i)
		e.after = e.before
		r.setEntry(i, e)
	}
	r.setState(r.slot(), phaseIdle)
}

// clearRecord empties the lock file: after a clean end there is nothing to say,
// and other loggers know it empty.
func (l *Logger) clearRecord() {
	if !l.peeking() {
		return
	}
	l.peeks, l.parked = false, false
	l.record.close()
	_ = again(func() error { return unix.Ftruncate(l.folders[0].lock, 0) }) // at worst a record that says nothing
}
