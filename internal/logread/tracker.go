package logread

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"sort"
	"time"

	"golang.org/x/sys/unix"
)

// recent is how many files at the end of a log may not be in the order of their
// names. While a processor is at work, the file that it is given is older than
// those that wait for it, which have names already.
const recent = 8

// tracker knows the files of a log, and finds those that are new when current
// is another file.
//
// A file that was read under one name comes again under others: current becomes
// previous, then a finished file, which is compressed, or replaced by what a
// processor makes of it. Files that were read are held open until they have
// their last name, so that they are told from new ones.
type tracker struct {
	source *Source
	known  map[string]bool // labels of the finished files at the last look
	read   []*readFile     // files without their last name, oldest first
	queue  []*part
	opened []*held // what else is open
	moved  *folder // a new folder under the path, for the next look
	told   bool    // that current can not be read
	missed bool    // it was told that files were removed before they were read
}

// readFile is a file that was read, or will be before any that come later.
type readFile struct {
	file  *held
	label string // of the @….u file that it is for now
}

// view is a folder at one moment: nothing in entries and left is newer than
// current.
type view struct {
	entries []entry
	left    *held // previous, or a complete processed; nil
	made    bool  // left is what a processor made
	current *held
	err     error // why current can not be read
}

// begin looks at the folder for the first time. Reading begins at the part of
// that index; those before it are there to be looked at.
func (t *tracker) begin() (parts []*part, index int, err error) {
	v, ok, err := t.look()
	if err != nil {
		return nil, 0, err
	}
	if !ok {
		return nil, 0, fmt.Errorf("%s: the logger rotates too fast to be read", t.source.folder.path)
	}
	t.know(v)
	since, until := t.source.opt.Since, t.source.opt.Until
	first := 0
	if !since.IsZero() {
		first = sort.Search(len(v.entries), func(i int) bool { return !v.entries[i].stamp.Before(since) })
	}
	if first > 0 {
		parts, index = []*part{partOf(v.entries[first-1])}, 1
	}
	parts = append(parts, t.arrange(v, v.entries[first:])...)
	if !until.IsZero() {
		end := t.endOf(parts, index, until)
		t.drop(parts[end:])
		parts = parts[:end]
	}
	return parts, index, nil
}

// endOf returns the index of the first part that has nothing of a time or
// before. A file that was finished later is followed by more of that time where
// a logger took one stamp for all lines of a batch and rotated within it, so the
// first stamp in a file decides, and the name only where looking begins.
func (t *tracker) endOf(parts []*part, index int, until time.Time) int {
	late := slices.IndexFunc(parts[index:], func(p *part) bool { return p.finished.After(until) })
	if late < 0 {
		return len(parts)
	}
	for i := index + late + 1; i < len(parts); i++ {
		if first, ok := t.source.firstStamp(parts[i]); ok && first.After(until) {
			return i
		}
	}
	return len(parts)
}

// drop closes the files of parts that will not be read.
func (t *tracker) drop(parts []*part) {
	for _, p := range parts {
		if p.file != nil {
			t.closeFile(p.file)
		}
	}
}

// arrange makes parts of entries and of what is not finished, in the order of
// their lines, and holds what has not got its last name.
func (t *tracker) arrange(v *view, entries []entry) []*part {
	var parts []*part
	for _, e := range entries {
		parts = append(parts, partOf(e))
	}
	if v.left != nil {
		parts = append(parts, &part{file: v.left})
	}
	t.settle(parts)
	t.opened = nil
	for _, p := range parts[max(0, len(parts)-recent):] {
		t.hold(p)
	}
	if v.current != nil {
		parts = append(parts, &part{file: v.current, live: t.source.opt.Follow})
		t.opened = append(t.opened, v.current)
	}
	return parts
}

// hold holds an @….u file, because it may be one that waits for the processor
// and is previous by the time that it is read, and previous itself.
func (t *tracker) hold(p *part) {
	if p.file == nil && p.entry.unclean && p.entry.packing == plain {
		// What can not be opened is told when it is read.
		p.file, _ = t.source.folder.open(p.entry.name)
	}
	switch {
	case p.file == nil:
	case t.source.opt.Follow:
		t.read = append(t.read, &readFile{p.file, p.entry.label})
	default:
		t.opened = append(t.opened, p.file)
	}
}

// settle puts the last parts in the order of their first stamps, where there
// is a file among them whose name may not say it. Without stamps, the names
// have to do.
func (t *tracker) settle(parts []*part) {
	last := parts[max(0, len(parts)-recent-1):]
	odd := slices.IndexFunc(last, func(p *part) bool { return p.file == nil && p.entry.unclean })
	if odd < 0 || odd == len(last)-1 {
		return
	}
	begins := make(map[*part]time.Time)
	var before time.Time
	for _, p := range last {
		when, ok := t.source.firstStamp(p)
		if _, filled := t.source.lastByte(p); !ok && filled {
			return
		}
		if ok {
			before = when
		}
		begins[p] = before // an empty file stays where it is
	}
	// Lines of one batch have one stamp, and so has a line that one logger began
	// and the next one ended: then the names say it.
	slices.SortStableFunc(last, func(a, b *part) int { return begins[a].Compare(begins[b]) })
}

// know remembers the names of the finished files.
func (t *tracker) know(v *view) {
	t.known = make(map[string]bool, len(v.entries))
	for _, e := range v.entries {
		t.known[e.label] = true
	}
}

// look returns what is in the folder. While a logger is faster than the look,
// it looks again; ok is false where that did not help.
func (t *tracker) look() (v *view, ok bool, err error) {
	f := t.source.folder
	for range 50 {
		before := f.moving()
		v = &view{}
		v.current, v.err = f.open("current")
		err = t.lookBack(v)
		if err != nil || f.moving() == before || t.cut(v) {
			break
		}
		t.closeView(v)
		v = nil
	}
	if v == nil {
		return nil, false, nil
	}
	if v.err != nil && !errors.Is(v.err, fs.ErrNotExist) && !t.told {
		t.told = true
		t.source.warn(&part{file: &held{name: "current"}}, v.err)
	}
	return v, true, err
}

// cut takes away from a view what is newer than its current, which has a name
// among the finished files by now. It reports whether it has.
func (t *tracker) cut(v *view) bool {
	if v.current == nil {
		return false
	}
	at := -1
	for i, e := range slices.Backward(v.entries) {
		if t.known[e.label] {
			break
		}
		if st, err := t.source.folder.stat(e.name); err == nil && idOf(st) == v.current.id {
			at = i
			break
		}
	}
	if at < 0 {
		return false
	}
	e := v.entries[at]
	// What was finished before current has a name now, and this scan sees it.
	more, err := t.source.folder.scan()
	if err != nil {
		return false
	}
	v.entries = slices.DeleteFunc(inOrder(append(v.entries, more...)), func(other entry) bool { return other.label >= e.label })
	if v.left != nil && (!e.unclean || v.left.id == v.current.id) {
		t.closeFile(v.left)
		v.left, v.made = nil, false
	}
	return true
}

func (t *tracker) closeView(v *view) {
	for _, file := range []*held{v.current, v.left} {
		if file != nil {
			t.closeFile(file)
		}
	}
}

// lookBack adds what is older than current to a view.
func (t *tracker) lookBack(v *view) (err error) {
	f := t.source.folder
	left, err := f.open("previous")
	if err != nil {
		left, err = f.open("processed")
		if err == nil && left.mode&unix.S_IXUSR == 0 {
			t.closeFile(left) // not complete
			err = fs.ErrNotExist
		}
		v.made = err == nil
	}
	if err == nil {
		v.left = left
	}
	if v.entries, err = f.list(); err != nil {
		return err
	}
	if v.left != nil && t.named(v, v.left) {
		// A killed logger may leave both names.
		t.closeFile(v.left)
		v.left, v.made = nil, false
	}
	return nil
}

// named reports whether a file has the name of a finished one, too.
func (t *tracker) named(v *view, file *held) bool {
	for n, e := range slices.Backward(v.entries) {
		if file.links() < 2 && len(v.entries)-n > recent {
			return false // it had two a moment ago at most, and a new one
		}
		if st, err := t.source.folder.stat(e.name); err == nil && idOf(st) == file.id {
			return true
		}
	}
	return false
}

// moving returns which files have the names that files pass through.
func (f *folder) moving() (ids [3]fileID) {
	for i, name := range []string{"current", "previous", "processed"} {
		if st, err := f.stat(name); err == nil {
			ids[i] = idOf(st)
		}
	}
	return ids
}

// rotated reports whether current is another file than that of a part. A
// folder that was moved away is followed until there is a new one.
func (t *tracker) rotated(p *part) bool {
	id, ok := t.source.folder.current()
	if ok && id != p.file.id {
		return true
	}
	return t.replaced()
}

// replaced opens the folder that has taken the place of the one that is read.
func (t *tracker) replaced() bool {
	if t.moved != nil {
		return true
	}
	var st unix.Stat_t
	if err := unix.Stat(t.source.folder.path, &st); err != nil || idOf(&st) == t.source.folder.id {
		return false
	}
	f, err := openFolder(t.source.folder.path)
	if err != nil {
		return false
	}
	if _, ok := f.current(); !ok {
		f.close()
		return false
	}
	t.moved = f
	return true
}

// ended is told that a part has been read.
func (t *tracker) ended(p *part) {
	if p.live {
		t.read = append(t.read, &readFile{file: p.file})
	}
	for len(t.read) > recent {
		t.closeFile(t.read[0].file)
		t.read = t.read[1:]
	}
}

// next returns the next part of a log that is followed, or io.EOF where there
// is none yet.
func (t *tracker) next() (*part, error) {
	if len(t.queue) == 0 && t.source.opt.Follow {
		if err := t.findNew(); err != nil {
			return nil, err
		}
	}
	if len(t.queue) == 0 {
		return nil, io.EOF
	}
	p := t.queue[0]
	t.queue = t.queue[1:]
	return p, nil
}

// findNew queues the files that have come since the last look, once there is a
// current again.
func (t *tracker) findNew() error {
	anew := false
	if t.replaced() {
		f := t.moved
		t.moved = nil
		t.close()
		t.source.folder.close()
		t.source.folder = f
		*t = tracker{source: t.source, missed: t.missed}
		anew = true
	}
	if _, ok := t.source.folder.current(); !ok {
		return nil
	}
	v, ok, err := t.look()
	if err != nil || !ok {
		return err
	}
	if v.current == nil {
		t.closeView(v)
		return nil
	}
	fresh, gone := t.unread(v)
	t.queue = t.arrange(v, fresh)
	t.know(v)
	t.queue[0].apart = t.queue[0].apart || gone || anew
	return nil
}

func (t *tracker) closeFile(h *held) { _ = h.Close() } // opened for reading

func (t *tracker) close() {
	for _, r := range t.read {
		t.closeFile(r.file)
	}
	for _, file := range t.opened {
		t.closeFile(file) // some a second time, which does nothing
	}
	if t.moved != nil {
		t.moved.close()
	}
	t.read, t.queue, t.opened, t.moved = nil, nil, nil, nil
}
