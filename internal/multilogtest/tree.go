package multilogtest

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// File is a file, folder, symbolic link or FIFO.
type File struct {
	Mode fs.FileMode // type and permission bits
	Data string      // of a regular file; the target of a symbolic link
}

// Tree is a folder: slash-separated names below it and what they are. The same
// *File under two names is a file with two links.
type Tree map[string]*File

// clone copies a tree, hard links included.
func (t Tree) clone() Tree {
	copies := map[*File]*File{}
	clone := Tree{}
	for name, file := range t {
		if copies[file] == nil {
			duplicate := *file
			copies[file] = &duplicate
		}
		clone[name] = copies[file]
	}
	return clone
}

// links counts the names of a file; of none there are none.
func (t Tree) links(file *File) int {
	if file == nil {
		return 0
	}
	n := 0
	for _, other := range t {
		if other == file {
			n++
		}
	}
	return n
}

// Plant makes the tree in a folder that exists. Folders come before what they
// hold, because their names sort first.
func (t Tree) Plant(dir string) error {
	first := map[*File]string{}
	for _, name := range slices.Sorted(maps.Keys(t)) {
		file, path := t[name], filepath.Join(dir, name)
		if have, ok := first[file]; ok {
			if err := os.Link(have, path); err != nil {
				return err
			}
			continue
		}
		first[file] = path
		if err := file.plant(path); err != nil {
			return err
		}
	}
	return nil
}

func (f *File) plant(path string) error {
	switch {
	case f.Mode.IsDir():
		if err := os.Mkdir(path, 0o700); err != nil {
			return err
		}
	case f.Mode&fs.ModeSymlink != 0:
		return os.Symlink(f.Data, path)
	case f.Mode&fs.ModeNamedPipe != 0:
		if err := unix.Mkfifo(path, 0o600); err != nil {
			return err
		}
	default:
		if err := os.WriteFile(path, []byte(f.Data), 0o600); err != nil {
			return err
		}
	}
	return os.Chmod(path, f.Mode.Perm())
}

// Look reads a folder.
func Look(dir string) (Tree, error) {
	tree := Tree{}
	inodes := map[uint64]*File{}
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		file, inode, err := lookAt(path)
		if err != nil {
			return err
		}
		if known := inodes[inode]; known != nil {
			file = known
		}
		inodes[inode] = file
		tree[filepath.ToSlash(name)] = file
		return nil
	})
	return tree, err
}

func lookAt(path string) (*File, uint64, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return nil, 0, err
	}
	file := &File{Mode: info.Mode()}
	switch {
	case info.Mode().IsRegular():
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, 0, err
		}
		file.Data = string(data)
	case info.Mode()&fs.ModeSymlink != 0:
		if file.Data, err = os.Readlink(path); err != nil {
			return nil, 0, err
		}
	}
	return file, info.Sys().(*syscall.Stat_t).Ino, nil
}

// Describe lists a tree, a line for each name: mode, links, and size and data.
// Stamps are made equal: names of finished files that known does not have are
// numbered in their order, labels in data lose their digits.
func (t Tree) Describe(known Tree) string {
	var b strings.Builder
	numbers := map[string]int{} // of new names, by folder
	for _, name := range slices.Sorted(maps.Keys(t)) {
		file := t[name]
		shown := name
		if folder, base := filepath.Split(name); known[name] == nil && finished.MatchString(base) {
			numbers[folder]++
			shown = fmt.Sprintf("%s@new%d%s", folder, numbers[folder], base[25:])
		}
		fmt.Fprintf(&b, "  %s %d %s", file.Mode, t.links(file), shown)
		switch {
		case holdsRecord(file):
			b.WriteString(" a record")
		case !file.Mode.IsDir():
			b.WriteString(" " + summary(file.Data))
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// finished fits the names of finished files.
var finished = regexp.MustCompile(`^@[0-9a-f]{24}(\.[us])(\.gz|\.zst)?$`)

// label and isoStamp fit the stamps of this century.
var (
	label    = regexp.MustCompile(`@40000000[0-9a-f]{16}`)
	isoStamp = regexp.MustCompile(`20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z`)
)

// sameStamps makes the stamps in data equal.
func sameStamps(data string) string {
	data = label.ReplaceAllLiteralString(data, "@"+strings.Repeat("-", 24))
	return isoStamp.ReplaceAllLiteralString(data, "T"+strings.Repeat("-", 26))
}

// summary shows data in full where it is short, else its ends and what makes it
// that and no other.
func summary(data string) string {
	const whole, end = 400, 60
	size := len(data)
	data = sameStamps(data)
	if size <= whole {
		return fmt.Sprintf("%d %q", size, data)
	}
	return fmt.Sprintf("%d %q…%q %x", size, data[:end], data[len(data)-end:], sha256.Sum256([]byte(data)))
}
