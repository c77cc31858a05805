// Package logrotate writes lines to folders of rotated files in the language
// and with the disk format of multilog.
//
// A Logger carries out a Script on what it reads from one descriptor. It never
// waits: Step does what can be done now and says what to wait for, so that one
// loop can serve one log or a hundred.
//
// Source: https://cr.yp.to/daemontools/multilog.html, daemontools 0.76.
package logrotate

import "time"

// Config is what a Logger works with.
type Config struct {
	Script Script
	Input  int // descriptor that the lines come from; the Logger never closes it or changes its flags
	// Dir is a descriptor of the folder that the names in the script start
	// from, or unix.AT_FDCWD. The Logger does not close it.
	Dir int
	// Alert is given what e actions print, a newline at the end. The slice is
	// good for the time of the call.
	Alert func(line []byte)
	// Warn is given messages about trouble that the Logger goes on with, such as
	// "unable to write to ./main/current, pausing: out of disk space".
	Warn func(message string)
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	// Wake is called, from any goroutine, when a Step that said Background may
	// go on. It must not call the Logger.
	Wake func()
}

// Wait is what a Logger waits for; any of it is enough to call Step again.
type Wait struct {
	Done       bool      // there is nothing more to do: call Close
	Input      bool      // Input is readable, or at its end
	Background bool      // Wake was called
	Until      time.Time // this time has come; zero is never
}
