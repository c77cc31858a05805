// Package deploy compares rendered files with the folder of a repository that
// holds them for review, and brings the folder up to date without losing what
// a person wrote there.
//
// The folder has a manifest of all that was written. Together with the digest
// that generated files carry in their header it tells a hand edit from a file
// that is merely out of date, and a file of ours from a stranger's.
//
// Everything goes through os.Root: a link in the folder that leads outside is
// an error, and never followed.
package deploy

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"scgikit/internal/fileset"
)

// Folder is a folder of generated files, which need not exist yet.
type Folder struct {
	base string   // a relative folder must stay inside this one
	dir  string   // as the person named it
	root *os.Root // nil while the folder does not exist
}

// Open opens a folder. A relative one that stays inside base may not leave it
// through a link either.
func Open(base, dir string) (*Folder, error) {
	f := &Folder{base: base, dir: dir}
	root, err := f.open()
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, f.explain(err)
	}
	f.root = root
	return f, nil
}

func (f *Folder) open() (*os.Root, error) {
	if !filepath.IsLocal(f.dir) {
		info, err := os.Stat(f.outside())
		if err := f.mustBeFolder(info, err); err != nil {
			return nil, err
		}
		return os.OpenRoot(f.outside())
	}
	base, err := os.OpenRoot(f.base)
	if err != nil {
		return nil, err
	}
	defer base.Close()
	info, err := base.Stat(f.dir)
	if err := f.mustBeFolder(info, err); err != nil {
		return nil, err
	}
	return base.OpenRoot(f.dir)
}

// mustBeFolder refuses what stands in the folder's place. It is asked before
// anything is opened, because opening a FIFO waits for somebody to write to it.
func (f *Folder) mustBeFolder(info fs.FileInfo, err error) error {
	if notFolder := err == nil && !info.IsDir() || errors.Is(err, syscall.ENOTDIR); !notFolder {
		return err
	}
	return &Refusal{Files: []Refused{{Path: f.dir, Why: "something that is no folder stands in its place"}}}
}

// outside is where a folder is that was named with ".." or from "/".
func (f *Folder) outside() string {
	if filepath.IsAbs(f.dir) {
		return f.dir
	}
	return filepath.Join(f.base, f.dir)
}

// create makes the folder and opens it.
func (f *Folder) create() error {
	if f.root != nil {
		return nil
	}
	err := f.mkdir()
	if errors.Is(err, fs.ErrExist) {
		// It was not there a moment ago, when it was looked for behind links.
		return &Refusal{Files: []Refused{{Path: f.dir, Why: "a symbolic link there leads to nothing"}}}
	}
	if err != nil {
		return f.explain(err)
	}
	root, err := f.open()
	if err != nil {
		return f.explain(err)
	}
	f.root = root
	return nil
}

func (f *Folder) mkdir() error {
	if !filepath.IsLocal(f.dir) {
		return os.MkdirAll(f.outside(), 0o755)
	}
	base, err := os.OpenRoot(f.base)
	if err != nil {
		return err
	}
	defer base.Close()
	return base.MkdirAll(f.dir, 0o755)
}

// Close closes the folder.
func (f *Folder) Close() error {
	if f.root == nil {
		return nil
	}
	return f.root.Close()
}

// Path returns how messages name a file of the folder.
func (f *Folder) Path(name string) string {
	return filepath.ToSlash(filepath.Join(f.dir, filepath.FromSlash(name)))
}

// explain makes an error of os.Root that a link leads outside a refusal.
func (f *Folder) explain(err error) error {
	if LeadsOutside(err) {
		return &Refusal{Files: []Refused{{Path: f.dir, Why: "a symbolic link there leads outside"}}}
	}
	return err
}

// LeadsOutside reports whether os.Root refused a path because it leads outside.
// The package os has no exported value for that; a test holds the text.
func LeadsOutside(err error) bool {
	return err != nil && strings.Contains(err.Error(), "path escapes from parent")
}

// Refused is a file that is not touched for safety, and why.
type Refused struct {
	Path string `json:"path"` // as messages name it
	Why  string `json:"why"`
}

// Refusal says that nothing was written, because something would be lost.
type Refusal struct {
	Files []Refused
	Force bool // force would do it
}

// Error names every file.
func (r *Refusal) Error() string {
	if len(r.Files) == 1 {
		return fmt.Sprintf("%s: %s", r.Files[0].Path, r.Files[0].Why)
	}
	lines := make([]string, 0, len(r.Files)+1)
	lines = append(lines, fmt.Sprintf("%d files are in the way", len(r.Files)))
	for _, f := range r.Files {
		lines = append(lines, "  "+f.Path+": "+f.Why)
	}
	return strings.Join(lines, "\n")
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// repositoryMode is the mode of a file in a repository, which keeps nothing
// but whether it can be run. The manifest has the mode for the machine.
func repositoryMode(mode fs.FileMode) fs.FileMode {
	if mode&0o111 != 0 {
		return 0o755
	}
	return 0o644
}

// inRepository reports whether a file of a set is written to the folder. A
// repository can hold neither an empty folder nor, to any use, a link to a
// place of another machine: those stand in the manifest alone.
func inRepository(f *fileset.File) bool {
	switch f.Kind {
	case fileset.Regular:
		return true
	case fileset.Symlink:
		return filepath.IsLocal(filepath.Join(filepath.Dir(f.Path), f.Link)) && !filepath.IsAbs(f.Link)
	case fileset.Dir:
	}
	return false
}
