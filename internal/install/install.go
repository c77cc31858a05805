// Package install changes a machine: it puts the generated files in the places
// where programs read them, and takes away exactly what it put there.
//
// Data flows one way. Resolve turns a set of files and the places of a family of
// hosts into items. Look takes a snapshot of what stands at their paths. NewPlan
// compares both with the receipt of earlier installs and returns actions, without
// touching anything: a dry run prints the same actions that Apply carries out.
// Apply alone writes, through handles of folders that were opened one name at a
// time and followed no link that another user could have made.
//
// An apply is a transaction. Before the first change stands a journal of all of
// them on the disk, with a copy of what they replace; the receipt that names the
// transaction comes last. A run that was killed in between is undone by the next
// one, and the journal stays to roll a whole install back.
package install

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"strconv"

	"scgikit/internal/fileset"
)

// Kind is what stands at a path.
type Kind string

// The kinds.
const (
	Absent  Kind = "absent"
	File    Kind = "file"
	Dir     Kind = "dir"
	Symlink Kind = "symlink"
	Other   Kind = "other" // a device, FIFO or socket
)

// State is what stands at a path, or shall stand there.
type State struct {
	Kind   Kind   `json:"kind"`
	Mode   string `json:"mode,omitempty"`   // four octal digits; none for a symlink
	Owner  string `json:"owner,omitempty"`  // "user:group" by name, of what shall stand
	UID    int    `json:"uid"`              // -1 where owners are recorded and not applied
	GID    int    `json:"gid"`              // the same
	SHA256 string `json:"sha256,omitempty"` // of a file
	Link   string `json:"link,omitempty"`   // of a symlink

	data  []byte
	names []string // of a folder: what is in it, sorted
	why   string   // of Other: what stands in the way

	links    uint64  // of a file: how many names it has
	unsafe   *Unsafe // of Other: it was not looked at, because of a folder on the way
	dangling bool    // of a symlink: it leads to nothing
}

// Data returns the bytes of a file.
func (s *State) Data() []byte { return s.data }

// equal reports whether what stands is what shall: kind, bytes, mode, link, and
// owner where owners are applied.
func (s *State) equal(t *State) bool {
	if s.Kind != t.Kind || s.SHA256 != t.SHA256 || s.Link != t.Link {
		return false
	}
	if s.Kind == Symlink || s.Kind == Absent {
		return true
	}
	return s.Mode == t.Mode && (s.UID < 0 || t.UID < 0 || s.UID == t.UID && s.GID == t.GID)
}

func (s *State) perm() fs.FileMode {
	mode, err := strconv.ParseUint(s.Mode, 8, 32)
	if err != nil {
		return 0
	}
	return fs.FileMode(mode) & fs.ModePerm
}

func modeText(mode fs.FileMode) string {
	bits := uint32(mode.Perm())
	for bit, octal := range map[fs.FileMode]uint32{fs.ModeSetuid: 0o4000, fs.ModeSetgid: 0o2000, fs.ModeSticky: 0o1000} {
		if mode&bit != 0 {
			bits |= octal
		}
	}
	return fmt.Sprintf("%04o", bits)
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// Item is one thing that is to stand on the machine.
type Item struct {
	Path   string // absolute, below the root
	Block  string // the app whose block of a shared file it is; "" for a whole file
	Want   State
	Target string
	Apps   []string

	Project string // the folder of the descriptions, which NewPlan sets
	Chosen  bool   // its app is one of Scope.Chosen, which NewPlan sets

	File string // in the set; "" for what the place asks for, such as a link
	Last bool   // it comes after everything else: the link that a supervisor sees
}

// wanted returns the state of a file of a set.
func wanted(f *fileset.File, o Owners) (State, error) {
	user, group := f.User, f.Group
	if user == "" {
		user = "root"
	}
	if group == "" {
		group = user
	}
	s := State{Owner: user + ":" + group, Mode: fmt.Sprintf("%04o", f.Mode.Perm())}
	switch f.Kind {
	case fileset.Regular:
		s.Kind, s.data, s.SHA256 = File, f.Data, digest(f.Data)
	case fileset.Dir:
		s.Kind = Dir
	case fileset.Symlink:
		s.Kind, s.Link, s.Mode = Symlink, f.Link, ""
	}
	var err error
	s.UID, s.GID, err = o.ids(user, group)
	return s, err
}
