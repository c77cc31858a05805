package logrotate

import (
	"cmp"
	"errors"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"scgikit/internal/djberr"
	"scgikit/internal/tai64n"
)

// finishedName returns whether multilog takes a name for a finished file's:
// "@" and anything of at least 24 bytes.
//
// Source: daemontools 0.76, multilog.c, filesfit.
func finishedName(name string) bool {
	return len(name) >= tai64n.Size && name[0] == '@'
}

// nextName returns a name that sorts after all finished files; the caller holds
// names. A clock that stands still or was set back does not lead to names that
// exist, or to new files that count as the oldest and are removed for it.
func (f *folder) nextName(suffix string) string {
	now := f.log.now().Truncate(time.Microsecond).Add(500)
	if !now.After(f.newest) {
		now = f.newest.Add(1)
	}
	f.newest = now
	var label [tai64n.Size]byte
	tai64n.Put(label[:], now)
	return string(label[:]) + suffix
}

// readNewest finds the newest name in the folder.
func (f *folder) readNewest() {
	names, err := f.list()
	if err != nil {
		return // what can not be read has no files that are in the way
	}
	f.finishedFiles = len(names)
	for _, name := range names {
		if t, err := tai64n.Parse(name[:tai64n.Size]); err == nil && t.After(f.newest) {
			f.newest = t
		}
	}
}

// list returns the names of finished files, in no order.
func (f *folder) list() ([]string, error) {
	fd, err := openAt(f.dir, ".", unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	var names []string
	buf := make([]byte, 8192)
	for {
		n := 0
		err := again(func() (err error) {
			n, err = unix.ReadDirent(fd, buf)
			return err
		})
		if err != nil {
			return nil, err
		}
		if n <= 0 {
			return names, nil
		}
		var all []string
		_, _, all = unix.ParseDirent(buf[:n], -1, all)
		names = append(names, slices.DeleteFunc(all, func(name string) bool { return !finishedName(name) })...)
	}
}

// prune removes the oldest finished files where there are too many, too much,
// or too old ones, but never the file of the given name, which was finished just
// now. The caller holds names.
func (f *folder) prune(made string) error {
	if f.MaxTotal == 0 && f.MaxAge == 0 && uint64(f.finishedFiles) < f.Keep { //nolint:gosec // a count, never negative
		return nil // a folder that may hold thousands is not read each time
	}
	names, err := f.list()
	if err != nil {
		return troubled(err, "read "+f.word)
	}
	f.finishedFiles = len(names)
	all := inOrder(names)
	total := int64(0)
	if f.MaxTotal > 0 {
		for _, name := range names {
			total += f.sizeOf(name)
		}
	}
	for i, files := range all {
		left := uint64(len(all) - i) //nolint:gosec // i is less
		// The newest is kept, however large it is.
		tooMuch := f.MaxTotal > 0 && total > f.MaxTotal && left > 1
		if left < f.Keep && !tooMuch && !f.tooOld(files[0]) {
			return nil
		}
		if slices.Contains(files, made) {
			continue
		}
		for _, name := range files {
			if f.MaxTotal > 0 {
				total -= f.sizeOf(name)
			}
			f.remove(name)
		}
	}
	return nil
}

// inOrder sorts names, oldest first. A file and what it is being compressed to
// are one.
func inOrder(names []string) [][]string {
	slices.SortFunc(names, func(a, b string) int {
		return cmp.Or(strings.Compare(a[:tai64n.Size], b[:tai64n.Size]), strings.Compare(a, b))
	})
	var files [][]string
	for _, name := range names {
		if n := len(files); n > 0 && (name == files[n-1][0]+".gz" || name == files[n-1][0]+".zst") {
			files[n-1] = append(files[n-1], name)
		} else {
			files = append(files, []string{name})
		}
	}
	return files
}

// tooOld returns whether a finished file is older than may be.
func (f *folder) tooOld(name string) bool {
	if f.MaxAge == 0 {
		return false
	}
	t, err := tai64n.Parse(name[:tai64n.Size])
	return err == nil && t.Before(f.log.now().Add(-f.MaxAge))
}

func (f *folder) sizeOf(name string) int64 {
	info, err := statAt(f.dir, name)
	if err != nil {
		return 0
	}
	return info.size
}

// remove removes a finished file. One that can not be removed, such as a
// folder of that name, is told about and left: the log goes on.
func (f *folder) remove(name string) {
	err := again(func() error { return unix.Unlinkat(f.dir, name, 0) })
	if err == nil || errors.Is(err, unix.ENOENT) {
		f.finishedFiles--
		return
	}
	if f.unremovable[name] {
		return
	}
	if f.unremovable == nil {
		f.unremovable = make(map[string]bool)
	}
	f.unremovable[name] = true
	f.log.warn("unable to remove " + f.word + "/" + name + ", leaving it: " + djberr.Text(err))
}
