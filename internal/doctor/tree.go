package doctor

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"
)

// What is read of one file, and of one folder, at most.
const (
	maxFile  = 1 << 20
	maxNames = 4096
	maxLinks = 40
)

// tree is a machine below its root. Links lead below that root, wherever they
// point.
type tree struct{ root *os.Root }

func openTree(dir string) (*tree, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	return &tree{root}, nil
}

func (t *tree) close() error { return t.root.Close() }

// resolve follows the links of a path, and returns where it leads and what stands
// there.
func (t *tree) resolve(p string) (string, fs.FileInfo, error) {
	rest := strings.Split(strings.Trim(path.Clean("/"+p), "/"), "/")
	at := "."
	links := 0
	info, err := t.root.Lstat(".")
	for len(rest) > 0 && err == nil {
		name := rest[0]
		rest = rest[1:]
		switch name {
		case "":
			continue
		case "..":
			at = path.Dir(at)
			continue
		}
		here := path.Join(at, name)
		if info, err = t.root.Lstat(here); err != nil {
			break
		}
		if info.Mode().Type() != fs.ModeSymlink {
			at = here
			continue
		}
		var link string
		if link, err = t.root.Readlink(here); err != nil {
			break
		}
		if links++; links > maxLinks {
			return "", nil, &fs.PathError{Op: "open", Path: p, Err: syscall.ELOOP}
		}
		if path.IsAbs(link) {
			at = "."
		}
		rest = append(strings.Split(strings.Trim(link, "/"), "/"), rest...)
	}
	if err == nil {
		info, err = t.root.Lstat(at)
	}
	return at, info, err
}

// stat returns what stands at a path, links followed.
func (t *tree) stat(p string) (fs.FileInfo, error) {
	_, info, err := t.resolve(p)
	return info, err
}

func (t *tree) isDir(p string) bool {
	info, err := t.stat(p)
	return err == nil && info.IsDir()
}

func (t *tree) isFile(p string) bool {
	info, err := t.stat(p)
	return err == nil && info.Mode().IsRegular()
}

// read returns the beginning of a regular file, or "". A FIFO or a device is not
// opened, and one that takes the file's place meanwhile does not make it wait.
func (t *tree) read(p string) string {
	at, info, err := t.resolve(p)
	if err != nil || !info.Mode().IsRegular() {
		return ""
	}
	f, err := t.root.OpenFile(at, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return ""
	}
	defer f.Close() //nolint:errcheck // nothing was written
	if opened, err := f.Stat(); err != nil || !opened.Mode().IsRegular() {
		return ""
	}
	text, err := io.ReadAll(io.LimitReader(f, maxFile))
	if err != nil {
		return ""
	}
	return string(text)
}

// list returns the names in a folder, sorted.
func (t *tree) list(p string) []string {
	at, info, err := t.resolve(p)
	if err != nil || !info.IsDir() {
		return nil
	}
	f, err := t.root.OpenFile(at, os.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return nil
	}
	defer f.Close() //nolint:errcheck // nothing was written
	names, err := f.Readdirnames(maxNames)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil
	}
	slices.Sort(names)
	return names
}
