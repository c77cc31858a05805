package logread

import (
	"bytes"
	"io"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// unread returns the finished files of a view that have not been read under
// another name. It forgets the files that have got their last name.
//
// gone is true where the file that was read last has been removed: loggers
// remove the oldest, so what came behind it may have been removed, too. It tells
// where that is so.
func (t *tracker) unread(v *view) (fresh []entry, gone bool) {
	oldest := "" // of the files that were there at the last look
	for _, e := range v.entries {
		switch {
		case !t.known[e.label]:
			fresh = append(fresh, e)
		case oldest == "":
			oldest = e.label
		}
	}
	var lost []*readFile
	var last *readFile
	if n := len(t.read); n > 0 {
		last = t.read[n-1]
	}
	t.read = slices.DeleteFunc(t.read, func(r *readFile) bool {
		switch at := t.find(v, fresh, r); {
		case at.entry >= 0:
			r.label = fresh[at.entry].label
			unclean := fresh[at.entry].unclean
			fresh = slices.Delete(fresh, at.entry, at.entry+1)
			return t.forget(r, !unclean)
		case at.here:
			return t.forget(r, at.last)
		}
		lost = append(lost, r)
		return false
	})
	read := false // left has been read
	for _, r := range lost {
		older := oldest != "" && (r.label == "" || oldest < r.label)
		i := t.successor(fresh, r, older && !v.made)
		switch {
		case i >= 0:
			fresh = slices.Delete(fresh, i, i+1)
		case v.made && t.madeFrom(v.left, r):
			read = true // and has no name yet
			continue
		case r == last:
			gone = !r.file.empty()
			if gone && r.file.outlived(v.entries) {
				t.miss()
			}
		}
		t.read = slices.DeleteFunc(t.read, func(other *readFile) bool { return other == r && t.forget(r, true) })
	}
	if v.left != nil && (read || slices.ContainsFunc(t.read, func(r *readFile) bool { return r.file.id == v.left.id })) {
		t.closeFile(v.left)
		v.left = nil
	}
	return fresh, gone
}

// clockTick is more than the times of files may be behind the clock.
const clockTick = 10 * time.Millisecond

// outlived reports whether a logger has gone on to remove files since it removed
// this one: each file that it finishes makes it remove one.
func (h *held) outlived(entries []entry) bool {
	var st unix.Stat_t
	if err := unix.Fstat(int(h.Fd()), &st); err != nil {
		return false
	}
	removed := time.Unix(st.Ctim.Unix())
	since := 0
	for _, e := range slices.Backward(entries) {
		if !e.stamp.After(removed) {
			break
		}
		since++
		if since > 1 || e.stamp.After(removed.Add(clockTick)) {
			return true
		}
	}
	return false
}

// madeFrom reports whether a processor made a file of one that was read: their
// times overlap, or there are none.
func (t *tracker) madeFrom(made *held, r *readFile) bool {
	last, ok := lastStamp(r.file)
	if !ok {
		return r.label == ""
	}
	first, ok := t.source.firstStamp(&part{file: made})
	return !ok || !first.After(last)
}

// forget closes a file that is done with.
func (t *tracker) forget(r *readFile, done bool) bool {
	if done {
		t.closeFile(r.file)
	}
	return done
}

// found is where a file that was read is now.
type found struct {
	entry int  // its place among the new ones, or -1
	here  bool // it has a name that needs no more thought
	last  bool // which is its last
}

func (t *tracker) find(v *view, fresh []entry, r *readFile) found {
	for i, e := range fresh {
		if st, err := t.source.folder.stat(e.name); err == nil && idOf(st) == r.file.id {
			return found{entry: i}
		}
	}
	if v.left != nil && v.left.id == r.file.id {
		return found{entry: -1, here: true}
	}
	if r.label != "" && slices.ContainsFunc(v.entries, func(e entry) bool { return e.label == r.label }) {
		return found{entry: -1, here: true}
	}
	// It has a name that was not seen: a logger has just given it that, or it was
	// moved away by hand.
	return found{entry: -1, here: r.file.links() > 0}
}

// successor returns which of the new files holds the lines of one that has been
// removed: it was compressed or processed in the meantime. It is -1 where that
// one has been removed as well; the oldest files are, so not if there is an
// older one.
func (t *tracker) successor(fresh []entry, r *readFile, older bool) int {
	if len(fresh) == 0 {
		return -1
	}
	head := make([]byte, 4096)
	n, _ := r.file.ReadAt(head, 0) // what can be read is compared
	head = head[:n]
	older = older && n > 0 // what becomes of an empty file may be missed
	if i := slices.IndexFunc(fresh, func(e entry) bool { return t.source.beginsWith(e, head) }); i >= 0 {
		return i
	}
	if last, ok := lastStamp(r.file); ok {
		if i := slices.IndexFunc(fresh, func(e entry) bool {
			first, ok := t.source.firstStamp(partOf(e))
			return ok && !first.After(last)
		}); i >= 0 {
			return i
		}
	}
	if !older {
		return -1
	}
	return max(0, slices.IndexFunc(fresh, func(e entry) bool { return !e.unclean }))
}

// beginsWith reports whether a file begins with these bytes, and with as few
// as they are, ends there.
func (s *Source) beginsWith(e entry, head []byte) bool {
	c, err := s.open(partOf(e), 0, false)
	if err != nil {
		return false
	}
	defer c.close()
	got := make([]byte, len(head)+1)
	n, _ := io.ReadFull(c, got) // a damaged file is no other than what it holds
	if len(head) < 4096 {
		return bytes.Equal(got[:n], head)
	}
	return n >= len(head) && bytes.Equal(got[:len(head)], head)
}

// firstStamp returns the first stamp in a part, if it is near the beginning.
func (s *Source) firstStamp(p *part) (time.Time, bool) {
	c, err := s.open(p, 0, false)
	if err != nil {
		return time.Time{}, false
	}
	defer c.close()
	head, _ := c.Peek(readSize) // as above
	return firstStampOf(head)
}

func firstStampOf(text []byte) (time.Time, bool) {
	for len(text) > 0 {
		if when, n := readStamp(text); n > 0 {
			return when, true
		}
		_, text, _ = bytes.Cut(text, []byte("\n"))
	}
	return time.Time{}, false
}

// lastStamp returns the last stamp in a file, if it is near the end.
func lastStamp(file *held) (last time.Time, ok bool) {
	info, err := file.Stat()
	if err != nil {
		return time.Time{}, false
	}
	text := make([]byte, readSize)
	n, _ := file.ReadAt(text, max(0, info.Size()-readSize)) // what can be read is looked at
	for text = text[:n]; len(text) > 0; {
		if when, n := readStamp(text); n > 0 {
			last, ok = when, true
		}
		_, text, _ = bytes.Cut(text, []byte("\n"))
	}
	return last, ok
}
