package logrotate

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// guarded calls f. A lock file that somebody cut off under the record that is
// mapped from it makes a store to it a fault, which becomes an error.
func guarded(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		switch fault := recover().(type) {
		case nil:
		case interface {
			runtime.Error
			Addr() uintptr
		}:
			err = fmt.Errorf("the lock file was changed under the logger: %w", fault)
		default:
			panic(fault)
		}
	}()
	return f()
}

// guards returns whether each call is guarded: where others live in the same
// process, or another user may change the file. Else it is for the caller, such
// as Runner, to do so once.
func (l *Logger) guards() bool { return l.shares() || l.cfg.Owner != nil }
