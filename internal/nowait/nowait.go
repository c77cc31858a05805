// Package nowait makes system calls that do not wait: on descriptors that do not
// block, or that something is known to be there for.
//
// On Linux Go's scheduler does not hear of them. It would take each as one that may
// wait, and wake up a thread that watches over it, which looks again after 20
// microseconds, many times: for a program that does little between two waits that
// watcher is a large part of all it costs.
//
// A call that waits after all holds up everything else that the scheduler would
// run in its place, until it returns.
package nowait

import (
	"io/fs"
	"syscall"
)

// Status is what Stat says of a file.
type Status struct {
	Mode   uint32 // its type and its permissions, as the system has them
	UID    uint32
	Device uint64
	Inode  uint64
}

// StatusOf is the Status of what package os has looked at.
func StatusOf(info fs.FileInfo) Status {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return Status{}
	}
	return Status{Mode: uint32(st.Mode), UID: st.Uid, Inode: uint64(st.Ino), Device: uint64(st.Dev)} //nolint:unconvert // the types differ between systems
}

// Is reports whether the type is one of syscall.S_IFREG, S_IFDIR …
func (s Status) Is(kind uint32) bool { return s.Mode&syscall.S_IFMT == kind }

// SameAs reports whether both are of one file.
func (s Status) SameAs(other Status) bool {
	return s.Device == other.Device && s.Inode == other.Inode
}
