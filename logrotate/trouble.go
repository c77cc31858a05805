package logrotate

import (
	"errors"
	"time"

	"scgikit/internal/djberr"
)

// trouble is something that has to be tried again: what multilog prints as
// "unable to ACTION, pausing: ERROR".
type trouble struct {
	action string
	err    error
}

func (t *trouble) Error() string { return "unable to " + t.action + ", pausing: " + djberr.Text(t.err) }

func (t *trouble) Unwrap() error { return t.err }

// troubled wraps an error in what was being done; nil stays nil.
func troubled(err error, action string) error {
	if err == nil {
		return nil
	}
	return &trouble{action, err}
}

// isTrouble returns whether an error is something to be tried again.
func isTrouble(err error) bool {
	_, ok := errors.AsType[*trouble](err)
	return ok
}

func isStartError(err error) bool {
	_, ok := errors.AsType[*StartError](err)
	return ok
}

// startError makes an error that would be tried again one that a start ends with;
// nil stays nil.
func startError(err error) error {
	if t, ok := errors.AsType[*trouble](err); ok {
		return &StartError{"unable to " + t.action, t.err}
	}
	return err
}

func (l *Logger) warn(message string) {
	if l.cfg.Warn != nil {
		l.cfg.Warn(message)
	}
}

// insist does something until it works, with a pause after each trouble. It is
// for the goroutines that work in the background. It returns false where the log
// is to end and there is trouble: the next start finds what is left.
func (l *Logger) insist(do func() error) bool {
	for {
		err := do()
		if err == nil {
			return true
		}
		l.warn(err.Error())
		if l.pauseOrLeave() {
			return false
		}
	}
}

// pauseOrLeave waits, and returns true at once when the log is to end.
func (l *Logger) pauseOrLeave() (leaving bool) {
	timer := time.NewTimer(pauseTime)
	defer timer.Stop()
	select {
	case <-l.leaving:
		return true
	case <-l.closing:
		return true
	case <-timer.C:
		return false
	}
}
