// Package logrotate writes lines to folders of rotated files in the language
// and with the disk format of multilog.
//
// A Logger carries out a Script on what it reads from one descriptor. Step waits
// for no input and for no time, only for the disk: it does what can be done now
// and says what to wait for, so that one loop can serve one log or a hundred.
// Runner is the loop for one.
//
// Source: https://cr.yp.to/daemontools/multilog.html, daemontools 0.76.
package logrotate

import (
	"time"

	"scgikit/internal/djberr"
)

// Config is what a Logger works with.
type Config struct {
	Script Script
	Input  int // descriptor that the lines come from; the Logger never closes it or changes its flags, but may enlarge a pipe
	// Dir is a descriptor of the folder that the names in the script start
	// from, or unix.AT_FDCWD. The Logger does not close it.
	Dir int
	// Alert is given what e actions print: lines with their newlines, several at
	// a time. The slice is good for the time of the call. nil drops them.
	Alert func(lines []byte)
	// Warn is given messages about trouble that the Logger goes on with, such as
	// "unable to write to ./main/current, pausing: out of disk space". It is
	// called from several goroutines. nil drops them.
	Warn func(message string)
	// Now is the clock of stamps and names; nil is time.Now.
	Now func() time.Time
	// Wake is called, from any goroutine, when a Step that said Background may
	// go on. It must not call the Logger. nil is none.
	Wake func()
	// Plain turns the kill-safe reader off: for inputs that other processes
	// read too.
	Plain bool
	// Compressors bounds how many files are compressed at once: a channel with
	// that many places, shared by Loggers. nil is one for this Logger.
	Compressors chan struct{}
	// Buffers is the memory to work in, shared by Loggers that are used from one
	// goroutine. nil is the Logger's own, which is a little faster.
	Buffers *Buffers
	// Owner is the user that the log belongs to, where this process is root and
	// writes on behalf of that user. nil is the user that this process runs as.
	// The names in the script then start from a folder that only root can change,
	// and a folder or file that belongs to another user is a StartError.
	Owner *Owner
}

// Wait is what a Logger waits for; any of it is enough to call Step again.
type Wait struct {
	Done       bool      // there is nothing more to do: call Close
	Input      bool      // Input is readable, or at its end
	Background bool      // Wake was called
	Until      time.Time // this time has come; zero is never
}

// StartError is why a script can not be started: what multilog prints after
// "fatal: ".
type StartError struct {
	Action string // "unable to lock directory ./main"
	Err    error
}

func (e *StartError) Error() string { return e.Action + ": " + djberr.Text(e.Err) }

func (e *StartError) Unwrap() error { return e.Err }

// pauseTime is how long multilog waits before it tries again.
const pauseTime = 5 * time.Second
