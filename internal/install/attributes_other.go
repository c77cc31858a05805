//go:build !linux && !freebsd && !netbsd

package install

import "os"

// keepAttributes has nothing to keep: no super-server with a file of blocks is on
// these systems, or they have no extended attributes.
func keepAttributes(_, _ *os.File) error { return nil }
