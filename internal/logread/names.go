package logread

import (
	"slices"
	"strings"
	"time"

	"scgikit/internal/tai64n"
)

// packing is what a finished file is compressed with.
type packing uint8

const (
	plain packing = iota
	gzipped
	zstandard
)

// suffix returns what the packing adds to a name.
func (p packing) suffix() string {
	switch p {
	case gzipped:
		return ".gz"
	case zstandard:
		return ".zst"
	case plain:
	}
	return ""
}

// entry is a finished file.
type entry struct {
	name    string
	label   string    // the stamp in its name, as it is there
	stamp   time.Time // that stamp: when the file was finished
	unclean bool      // .u: a killed logger left it
	packing packing
}

// parseName reads the name of a finished file: a label, .s or .u, and nothing
// or .gz or .zst.
func parseName(name string) (e entry, ok bool) {
	if len(name) < tai64n.Size {
		return entry{}, false
	}
	label, rest := name[:tai64n.Size], name[tai64n.Size:]
	for _, p := range []packing{gzipped, zstandard} {
		if base, found := strings.CutSuffix(rest, p.suffix()); found {
			e.packing, rest = p, base
			break
		}
	}
	if rest != ".s" && rest != ".u" {
		return entry{}, false
	}
	stamp, err := tai64n.Parse(label)
	if err != nil {
		return entry{}, false
	}
	e.name, e.label, e.stamp, e.unclean = name, label, stamp, rest == ".u"
	return e, true
}

// variants returns the names that a file may have got since: it may have been
// compressed, or unpacked by hand.
func (e entry) variants() []entry {
	out := []entry{e}
	base := strings.TrimSuffix(e.name, e.packing.suffix())
	for _, p := range []packing{plain, gzipped, zstandard} {
		if p != e.packing {
			other := e
			other.name, other.packing = base+p.suffix(), p
			out = append(out, other)
		}
	}
	return out
}

// inOrder sorts files, oldest first, and keeps one of each: while a file is
// being compressed there are two with the same lines.
func inOrder(entries []entry) []entry {
	slices.SortFunc(entries, func(a, b entry) int { return strings.Compare(a.name, b.name) })
	return slices.CompactFunc(entries, func(a, b entry) bool { return a.label == b.label && a.unclean == b.unclean })
}
