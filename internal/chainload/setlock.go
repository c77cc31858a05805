package chainload

import (
	"os"

	"golang.org/x/sys/unix"
)

const setlockUsage = "setlock: usage: setlock [ -nNxX ] file program [ arg ... ]"

// SetLock runs "[-nNxX] file program…": program with a lock on file, which is made
// where it is missing. The program inherits the descriptor, and the lock ends
// when the last copy of it is closed. With -n a lock that somebody has is not
// waited for; with -x there is no complaint: SetLock returns nil where nothing
// was started, and the exit code is 0.
//
// Source: https://cr.yp.to/daemontools/setlock.html
func SetLock(args []string) error {
	const program = "setlock"
	options, rest, err := ParseOptions(program, "nNxX", args)
	if err != nil {
		return usage(err.Error() + "\n" + setlockUsage)
	}
	var atOnce, silent bool
	for _, o := range options {
		switch o.Flag {
		case 'n', 'N':
			atOnce = o.Flag == 'n'
		case 'x', 'X':
			silent = o.Flag == 'x'
		}
	}
	if len(rest) < 2 {
		return usage(setlockUsage)
	}
	PlainSignals()
	what := "open"
	fd, err := unix.Open(rest[0], unix.O_WRONLY|unix.O_NONBLOCK|unix.O_APPEND|unix.O_CREAT, 0o600)
	if err == nil {
		what, err = "lock", lock(fd, atOnce)
	}
	if err != nil {
		if silent {
			return nil
		}
		return fatal(program, "unable to "+what+" "+rest[0]+": ", err)
	}
	return newRequest(rest[1:], os.Environ()).become(program)
}

func lock(fd int, atOnce bool) error {
	how := unix.LOCK_EX
	if atOnce {
		how |= unix.LOCK_NB
	}
	for {
		if err := unix.Flock(fd, how); err != unix.EINTR {
			return err
		}
	}
}
