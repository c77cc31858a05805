package chainload

import (
	"os"

	"golang.org/x/sys/unix"
)

// PGrpHack runs "child…" in a session of its own, or in the old one where the
// process leads a group already.
//
// Source: https://cr.yp.to/daemontools/pgrphack.html
func PGrpHack(args []string) error {
	if len(args) == 0 {
		return usage("pgrphack: usage: pgrphack child")
	}
	_, _ = unix.Setsid() // as the original says: if it does fail, too bad
	return newRequest(args, os.Environ()).become("pgrphack")
}
