// Package fileset holds a sorted set of files in memory: path, kind, mode,
// owner, bytes. It is what the generator makes and what review and install
// compare with a disk.
package fileset

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"unicode/utf8"
)

// Kind is what a file is on disk.
type Kind uint8

// The kinds a set can hold.
const (
	Regular Kind = iota
	Dir
	Symlink
)

// String returns "file", "dir" or "symlink".
func (k Kind) String() string {
	switch k {
	case Regular:
		return "file"
	case Dir:
		return "dir"
	case Symlink:
		return "symlink"
	}
	return "unknown"
}

// File is one entry of a Set.
type File struct {
	Path  string      // slash-separated, relative, clean: "nginx/blog.conf"
	Kind  Kind        //
	Mode  fs.FileMode // permission bits only, such as 0o755
	User  string      // owner on the target machine; "" is root
	Group string      // group on the target machine; "" is the owner's
	Data  []byte      // of a Regular file
	Link  string      // what a Symlink points to

	Target string   // the target that made it: "nginx"
	Place  string   // where the program reads it, in the target's words: "http", "server"
	Apps   []string // the apps it belongs to, sorted
}

// Set is a set of files with distinct paths. The zero value is empty.
type Set struct {
	files map[string]File
}

// Add puts a file in the set. A path that is not local and clean, or that is
// taken, is an error.
func (s *Set) Add(f File) error {
	if !validPath(f.Path) {
		return fmt.Errorf("file set: %q is not a clean relative path", f.Path)
	}
	if _, taken := s.files[f.Path]; taken {
		return fmt.Errorf("file set: two files are named %s", f.Path)
	}
	if s.files == nil {
		s.files = make(map[string]File)
	}
	s.files[f.Path] = f
	return nil
}

// validPath accepts what a manifest and a txtar header can carry in one line.
func validPath(p string) bool {
	return fs.ValidPath(p) && p != "." && utf8.ValidString(p) &&
		!strings.ContainsFunc(p, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\\' })
}

// Get returns the file at a path.
func (s *Set) Get(p string) (File, bool) {
	f, ok := s.files[p]
	return f, ok
}

// Len returns the number of files.
func (s *Set) Len() int { return len(s.files) }

// Files returns the files sorted by path, in byte order.
func (s *Set) Files() []File {
	out := make([]File, 0, len(s.files))
	for _, f := range s.files {
		out = append(out, f)
	}
	slices.SortFunc(out, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	return out
}

// Merge adds every file of another set.
func (s *Set) Merge(other *Set) error {
	for _, f := range other.Files() {
		if err := s.Add(f); err != nil {
			return err
		}
	}
	return nil
}

// Filter returns the files for which keep answers true.
func (s *Set) Filter(keep func(File) bool) *Set {
	out := new(Set)
	for p, f := range s.files {
		if keep(f) {
			if out.files == nil {
				out.files = make(map[string]File)
			}
			out.files[p] = f
		}
	}
	return out
}

// Dirs returns the folders that the files stand in, sorted, parents first,
// whether or not the set holds them as files of their own.
func (s *Set) Dirs() []string {
	seen := make(map[string]bool)
	var out []string
	for _, f := range s.Files() {
		for d := path.Dir(f.Path); d != "." && !seen[d]; d = path.Dir(d) {
			seen[d] = true
			out = append(out, d)
		}
	}
	slices.Sort(out)
	return out
}
