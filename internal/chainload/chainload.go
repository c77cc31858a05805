// Package chainload changes one thing about the process and then becomes
// another program: the part of daemontools that run scripts are made of. It
// says what the programs of that name say, word by word.
//
// The functions are for a process that does nothing else: they change its
// groups, limits, environment or session and return only where the other
// program could not be started.
//
// Source: daemontools 0.76, setuidgid.c, envuidgid.c, envdir.c, softlimit.c,
// setlock.c, pgrphack.c, fghack.c, sgetopt.c, subgetopt.c, pathexec_env.c and
// pathexec_run.c; https://cr.yp.to/daemontools.html.
package chainload

import "scgikit/internal/djberr"

// The exit codes of daemontools.
const (
	ExitUsage     = 100 // permanent: the command line is wrong
	ExitTemporary = 111 // temporary: the system did not do what was asked
)

// Error is why a program was not started.
type Error struct {
	Code int    // that the process is to exit with
	Text string // for standard error, without the last newline
}

func (e *Error) Error() string { return e.Text }

// usage is the error of a wrong command line.
func usage(text string) error { return &Error{ExitUsage, text} }

// fatal is the error of a program that the system has let down: words that end
// in ": " where the cause is an error of the system.
func fatal(program, words string, cause error) error {
	text := program + ": fatal: " + words
	if cause != nil {
		text += djberr.Text(cause)
	}
	return &Error{ExitTemporary, text}
}
