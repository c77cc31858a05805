package logrotate

import (
	"errors"
	"time"

	"golang.org/x/sys/unix"
)

// stage is where a Logger is between two lots of input. Each can be tried again
// after trouble.
type stage int

const (
	reading    stage = iota
	refreshing       // currents that are full get out of the way
	recording        // the record says what comes
	writing          // alerts, status files, folders
	consuming        // the input leaves the pipe
	rotating         // currents that are full now, or asked for, are finished
	draining         // nothing more comes: the finishers have to get ready
	syncing          // currents go to disk and are marked as complete
	done
)

// Step does what can be done without waiting, at most one read, and returns what
// to wait for. With Buffers or an Owner, a lock file that somebody cut off ends
// the log with an error; without, it is a fault of the calling goroutine, see
// Runner.Run.
func (l *Logger) Step() Wait {
	if !l.guards() {
		return l.proceed()
	}
	var wait Wait
	err := guarded(func() error {
		wait = l.proceed()
		return nil
	})
	if err != nil {
		l.err, l.stage, l.aside, l.until = err, done, false, time.Time{}
		l.release()
		return Wait{Done: true}
	}
	return wait
}

// proceed is Step without a guard.
func (l *Logger) proceed() Wait {
	if !l.until.IsZero() {
		// A log that is to stop tries once more at once.
		if time.Now().Before(l.until) && (!l.stopping || l.hurried) {
			return Wait{Until: l.until}
		}
		l.until, l.hurried = time.Time{}, l.stopping
	}
	l.wait, l.filled = Wait{}, false
	if !l.aside || l.resume() {
		for l.advance() {
		}
	}
	l.release()
	return l.wait
}

// advance takes the next stage. It returns false where something has to be
// waited for, which wait then says.
func (l *Logger) advance() bool {
	switch l.stage {
	case reading:
		return l.read()
	case refreshing:
		for _, f := range l.folders {
			if f.fresh && f.pending() > 0 {
				if !f.rotate() {
					return false
				}
				f.fresh = false
			}
		}
		l.stage = recording
	case recording:
		l.beginCommit()
		l.stage = writing
	case writing:
		if !l.write() {
			return false
		}
		l.stage = consuming
	case consuming:
		if !l.consume() {
			return false
		}
		l.stage = rotating
	case rotating:
		if l.parked && !l.unpark() {
			return false
		}
		for _, f := range l.folders {
			if f.due {
				if !f.rotate() {
					return false
				}
				f.due = false
			}
		}
		l.stage = reading
	case draining:
		return l.drain()
	case syncing:
		return l.sync()
	case done:
		l.wait.Done = true
		return false
	}
	return true
}

// read gets input and works on it.
func (l *Logger) read() bool {
	switch {
	case l.line.ends:
		l.begin()
		l.finishLine()
		return true
	case l.pos < l.end && (!l.stopping || !l.peeking() || l.line.started):
		l.begin()
		l.take()
		return true
	case l.stopping && !l.line.started:
		l.stage = draining
		return true
	case l.ended && l.line.started:
		l.begin()
		l.finishLine()
		return true
	case l.ended:
		l.stage = draining
		return true
	case l.rotating:
		l.rotating = false
		for _, f := range l.folders {
			f.due = f.bytes > 0
		}
		l.stage = rotating
		return true
	case l.rotateOld():
		return true
	case l.filled:
		l.wait.Input = true
		return false
	}
	return l.fill()
}

// begin starts a new lot of input.
func (l *Logger) begin() {
	l.attach()
	l.full = false
	l.from = l.pos
	for _, f := range l.folders {
		f.beginBatch()
	}
	l.stage = refreshing
}

// fill reads once.
func (l *Logger) fill() bool {
	l.filled = true
	l.attach()
	room := len(l.in)
	if l.stopping && !l.peeking() {
		room = 1 // nothing may be read that is not written
	}
	n, err := l.source.fill(l.in[:room])
	switch {
	case errors.Is(err, unix.EAGAIN):
		l.wait.Input = true
		return false
	case l.parked && !l.unpark():
		return false // what fill has shown is in the pipe
	case isTrouble(err):
		return l.pause(err)
	case err != nil:
		l.err, l.ended = &errReading{err}, true
	case n == 0:
		l.ended = true
	}
	l.pos, l.from, l.end = 0, 0, n
	if l.stopping {
		l.end = indexNewline(l.in[:n]) + 1
		if l.end == 0 {
			l.end = n
		}
	}
	if n > 0 && l.stampSize > 0 {
		l.cfg.Script.Stamp.put(l.stamp[:], l.now())
	}
	return true
}

// write brings what is pending to where it belongs.
func (l *Logger) write() bool {
	if len(l.alerts) > 0 {
		if l.cfg.Alert != nil {
			l.cfg.Alert(l.alerts)
		}
		l.alerts = l.alerts[:0]
	}
	for _, s := range l.statuses {
		if err := s.write(); err != nil {
			return l.pause(err)
		}
	}
	for _, f := range l.folders {
		if !f.flush() {
			return false
		}
	}
	return true
}

// pause tells about trouble and has the stage tried again later, unless the log
// is to stop and can.
func (l *Logger) pause(err error) bool {
	l.warn(err.Error())
	if l.stopping && l.abandon() {
		l.wait.Done = true
		return false
	}
	l.until = time.Now().Add(pauseTime)
	l.wait.Until = l.until
	return false
}

// abandon ends a log that is to stop while there is trouble, where that loses
// nothing: what is half written is taken back, and its input is still in the
// pipe.
func (l *Logger) abandon() bool {
	if !l.peeking() && (l.stage <= consuming || l.pos < l.end || l.line.started) {
		return false // what was read is in memory only
	}
	if l.stage == writing || l.stage == consuming {
		for _, f := range l.folders {
			before := f.bytes - int64(f.written)
			if f.written == 0 || before < 0 {
				continue
			}
			if unix.Ftruncate(f.current, before) != nil {
				return false
			}
			f.bytes, f.written = before, 0
		}
		l.record.abandon()
	}
	l.err = errTrouble
	l.stage, l.aside = done, false
	return true
}

// drain waits for the finishers.
func (l *Logger) drain() bool {
	for _, f := range l.folders {
		if f.finisher.busy.Load() {
			l.wait.Background = true
			return false
		}
	}
	l.stage = syncing
	return true
}

// sync marks every current as complete.
func (l *Logger) sync() bool {
	for _, f := range l.folders {
		if err := fsync(f.current); err != nil {
			return l.pause(troubled(err, "write "+f.word+"/current to disk"))
		}
		if err := fchmod(f.current, modeFinished); err != nil {
			return l.pause(troubled(err, "set mode of "+f.word+"/current"))
		}
	}
	if l.unfinished.Load() && l.err == nil {
		l.err = errTrouble
	}
	l.clearRecord()
	l.stage = done
	return true
}
