package deploy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"

	"scgikit/internal/fileset"
)

// State is how a file in the folder stands to the rendered one.
type State uint8

// The states. The first four are right or can be put right without loss.
const (
	Same         State = iota // equal to the rendered file
	New                       // not in the folder, and never was
	Missing                   // was written once, and is gone
	Stale                     // as it was written; the rendered file is another now
	Edited                    // changed by hand since it was written
	Foreign                   // in the way, and not ours
	Orphan                    // as it was written; nothing renders it now
	OrphanEdited              // changed by hand, and nothing renders it now
)

// String returns the word that people and JSON see.
func (s State) String() string {
	switch s {
	case Same:
		return "unchanged"
	case New:
		return "new"
	case Missing:
		return "missing"
	case Stale:
		return "stale"
	case Edited:
		return "edited"
	case Foreign:
		return "foreign"
	case Orphan:
		return "orphan"
	case OrphanEdited:
		return "edited-orphan"
	}
	return "unknown"
}

// Change is one file of the folder or of the rendered set.
type Change struct {
	Path     string
	State    State
	Why      string       // of Foreign: what is in the way
	Old      []byte       // in the folder; of a file
	New      []byte       // rendered; of a file
	OldMode  fs.FileMode  // 0755 or 0644
	NewMode  fs.FileMode  // 0755 or 0644
	Link     string       // rendered; of a symlink
	Kind     fileset.Kind // rendered, or recorded for an orphan
	Target   string
	Apps     []string
	blocking bool // of Foreign: force does not help
}

// Plan is what it takes to bring a folder up to date.
type Plan struct {
	Changes []Change // sorted by path, without the manifest

	kept        []Entry // of the manifest, outside the scope of the run
	wanted      []Entry
	orphans     map[string]Entry
	oldManifest []byte
}

// Scope says which recorded files the run is about: those that it would have
// rendered if anything still did. Files outside it are left alone.
type Scope struct {
	Targets []string // nil for every target
	Apps    []string // nil for every app; a file of several is in if all are
	Folders []string // folders to search for generated files that are not recorded
}

func (s *Scope) holds(target string, apps []string) bool {
	if s.Targets != nil && !slices.Contains(s.Targets, target) {
		return false
	}
	if s.Apps == nil {
		return true
	}
	return !slices.ContainsFunc(apps, func(a string) bool { return !slices.Contains(s.Apps, a) })
}

// Compare returns how the folder stands to a set of rendered files.
func (f *Folder) Compare(want *fileset.Set, scope Scope) (*Plan, error) {
	p := &Plan{orphans: make(map[string]Entry)}
	manifest, err := f.manifest(p)
	if err != nil {
		return nil, err
	}
	recorded := manifest.entries()
	for _, file := range want.Files() {
		if file.Path == ManifestName {
			return nil, fmt.Errorf("a target renders %s, which is the manifest's name", ManifestName)
		}
		p.wanted = append(p.wanted, entryOf(&file))
		if !inRepository(&file) {
			continue
		}
		c, err := f.compareFile(&file, recorded[file.Path])
		if err != nil {
			return nil, err
		}
		p.Changes = append(p.Changes, c)
	}
	for _, entry := range manifest.Files {
		if _, ok := want.Get(entry.Path); ok {
			continue
		}
		if !scope.holds(entry.Target, entry.Apps) {
			p.kept = append(p.kept, entry)
			continue
		}
		if err := f.orphan(p, entry); err != nil {
			return nil, err
		}
	}
	if err := f.strays(p, want, recorded, &scope); err != nil {
		return nil, err
	}
	slices.SortFunc(p.Changes, func(a, b Change) int { return strings.Compare(a.Path, b.Path) })
	return p, nil
}

// Manifest returns what the folder's manifest records, and nothing where
// there is none.
func (f *Folder) Manifest() (*Manifest, error) { return f.manifest(new(Plan)) }

func (f *Folder) manifest(p *Plan) (*Manifest, error) {
	if f.root == nil {
		return new(Manifest), nil
	}
	found, err := f.read(ManifestName)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return new(Manifest), nil
	case err != nil:
		return nil, err
	case found.obstacle != "":
		return nil, &Refusal{Files: []Refused{{Path: f.Path(ManifestName), Why: found.obstacle}}}
	case found.isLink:
		return nil, &Refusal{Files: []Refused{{Path: f.Path(ManifestName), Why: "a symbolic link stands in the manifest's place"}}}
	}
	p.oldManifest = found.data
	m, err := decodeManifest(found.data)
	if err != nil {
		return nil, &ManifestError{Path: f.Path(ManifestName), Err: err}
	}
	return m, nil
}

// ManifestError says that a manifest can not be read. Without it hand edits
// of files that have no header could not be seen, so nothing goes on.
type ManifestError struct {
	Path string
	Err  error
}

// Error returns "PATH: cause".
func (e *ManifestError) Error() string { return e.Path + ": " + e.Err.Error() }

// Unwrap returns the cause.
func (e *ManifestError) Unwrap() error { return e.Err }

// onDisk is what stands at a path.
type onDisk struct {
	data     []byte
	mode     fs.FileMode
	link     string
	isLink   bool
	obstacle string // neither file nor link, or not to be reached: what it is
	blocking bool
}

// read returns what stands at a path of the folder. An error that is
// fs.ErrNotExist means nothing does.
func (f *Folder) read(name string) (onDisk, error) {
	info, err := f.root.Lstat(name)
	switch {
	case LeadsOutside(err):
		return onDisk{obstacle: "a symbolic link on the way leads outside", blocking: true}, nil
	case errors.Is(err, syscall.ENOTDIR):
		return onDisk{obstacle: "something on the way is no folder", blocking: true}, nil
	case err != nil:
		return onDisk{}, err
	}
	switch kind := info.Mode().Type(); {
	case kind == fs.ModeSymlink:
		link, err := f.root.Readlink(name)
		return onDisk{link: link, isLink: true}, err
	case kind == fs.ModeDir:
		return onDisk{obstacle: "a folder stands in its place", blocking: true}, nil
	case kind != 0:
		return onDisk{obstacle: "something that is no file stands in its place", blocking: true}, nil
	}
	// Not blocking on a FIFO that took the file's place since.
	file, err := f.root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return onDisk{}, err
	}
	defer file.Close() //nolint:errcheck // nothing was written
	data, err := io.ReadAll(file)
	return onDisk{data: data, mode: repositoryMode(info.Mode())}, err
}

// compareFile finds the state of one rendered file; recorded may be nil.
func (f *Folder) compareFile(want *fileset.File, recorded *Entry) (Change, error) {
	c := Change{
		Path: want.Path, Kind: want.Kind, New: want.Data, NewMode: repositoryMode(want.Mode), Link: want.Link,
		Target: want.Target, Apps: want.Apps,
	}
	absent := New
	if recorded != nil {
		absent = Missing
	}
	if f.root == nil {
		c.State = absent
		return c, nil
	}
	found, err := f.read(want.Path)
	if errors.Is(err, fs.ErrNotExist) {
		c.State = absent
		return c, nil
	}
	if err != nil {
		return c, err
	}
	c.Old, c.OldMode = found.data, found.mode
	c.State, c.Why, c.blocking = stateOf(want, recorded, &found)
	return c, nil
}

func stateOf(want *fileset.File, recorded *Entry, found *onDisk) (state State, why string, blocking bool) {
	if found.obstacle != "" {
		return Foreign, found.obstacle, found.blocking
	}
	if want.Kind == fileset.Symlink {
		switch {
		case found.isLink && found.link == want.Link:
			return Same, "", false
		case found.isLink && recorded != nil && recorded.Link == found.link:
			return Stale, "", false
		case recorded != nil && recorded.Kind == fileset.Symlink.String():
			return Edited, "", false
		}
		return Foreign, "scgikit did not make it", false
	}
	switch {
	case found.isLink:
		return Foreign, "a symbolic link stands in its place", false
	case bytes.Equal(found.data, want.Data) && found.mode == repositoryMode(want.Mode):
		return Same, "", false
	case bytes.Equal(found.data, want.Data), unmodified(found.data, recorded):
		return Stale, "", false
	case unmodified(unixLines(found.data), recorded):
		return Stale, "its lines end in CR LF; .gitattributes can say eol=lf", false
	}
	if _, ours := readHeader(found.data); ours || recorded != nil {
		return Edited, "", false
	}
	return Foreign, "scgikit did not make it", false
}

// unmodified reports whether a file is as the generator wrote it. The header
// counts beside the manifest, for a repository where two branches met.
func unmodified(data []byte, recorded *Entry) bool {
	if recorded != nil && recorded.SHA256 == digest(data) {
		return true
	}
	h, ok := readHeader(data)
	return ok && h.intact
}

// unixLines undoes what git does to a file in a checkout with core.autocrlf. No
// generated file has a CR of its own.
func unixLines(data []byte) []byte { return bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n")) }

// orphan adds a recorded file that nothing renders now.
func (f *Folder) orphan(p *Plan, entry Entry) error {
	isLink := entry.Kind == fileset.Symlink.String()
	if f.root == nil || (entry.Kind != fileset.Regular.String() && !isLink) {
		return nil // a folder is in the manifest alone; it goes with its line
	}
	found, err := f.read(entry.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	c := Change{
		Path: entry.Path, State: OrphanEdited, Old: found.data, OldMode: found.mode,
		Target: entry.Target, Apps: entry.Apps,
	}
	switch {
	case found.obstacle != "":
		return nil // not the file that was written: not ours any more
	case isLink != found.isLink:
	case isLink && found.link == entry.Link, !isLink && unmodified(unixLines(found.data), &entry):
		c.State = Orphan
	}
	if isLink {
		c.Kind = fileset.Symlink
	}
	p.orphans[entry.Path] = entry
	p.Changes = append(p.Changes, c)
	return nil
}

// strays adds generated files that neither the manifest nor the set knows:
// those of a manifest that was lost.
func (f *Folder) strays(p *Plan, want *fileset.Set, recorded map[string]*Entry, scope *Scope) error {
	if f.root == nil {
		return nil
	}
	for _, folder := range scope.Folders {
		err := fs.WalkDir(f.root.FS(), folder, func(name string, d fs.DirEntry, err error) error {
			if err != nil {
				if name == folder {
					return fs.SkipDir // not there, or a link that leads outside
				}
				return err
			}
			if _, wanted := want.Get(name); wanted || recorded[name] != nil || !d.Type().IsRegular() {
				return nil
			}
			return f.stray(p, name, scope)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (f *Folder) stray(p *Plan, name string, scope *Scope) error {
	found, err := f.read(name)
	if err != nil {
		return err
	}
	h, ok := readHeader(found.data)
	if !ok || !scope.holds(h.target, h.apps) || h.target != strings.Split(name, "/")[0] {
		return nil
	}
	c := Change{Path: path.Clean(name), State: OrphanEdited, Old: found.data, OldMode: found.mode, Target: h.target, Apps: h.apps}
	if h.intact {
		c.State = Orphan
	}
	p.Changes = append(p.Changes, c)
	return nil
}

// Manifest returns the manifest that the plan leaves behind while orphans
// stay, and the one that is in the folder now.
func (p *Plan) Manifest() (now, after []byte, err error) {
	m := p.manifest(nil)
	after, err = m.encode()
	return p.oldManifest, after, err
}

// manifest lists all that will be in the folder; removed holds orphans that will not.
func (p *Plan) manifest(removed map[string]bool) *Manifest {
	m := &Manifest{Files: slices.Concat(p.kept, p.wanted)}
	for name, entry := range p.orphans {
		if !removed[name] {
			m.Files = append(m.Files, entry)
		}
	}
	return m // encode sorts
}
