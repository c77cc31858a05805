package deploy

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"syscall"

	"scgikit/internal/fileset"
)

// Action is what was done with one file.
type Action uint8

// The actions.
const (
	Keep   Action = iota // it is as it should be
	Create               // it was written, and was not there
	Update               // it was written over what was there
	Remove               // it was removed
	Leave                // it is an orphan, and stays until it is pruned
)

// String returns the word that people and JSON see.
func (a Action) String() string {
	switch a {
	case Keep:
		return "unchanged"
	case Create:
		return "create"
	case Update:
		return "update"
	case Remove:
		return "remove"
	case Leave:
		return "orphan"
	}
	return "unknown"
}

// Options change what Apply may do.
type Options struct {
	Force bool // overwrite and remove what is not ours or was edited
	Prune bool // remove orphans
}

// Action returns what Apply does with a change.
func (o Options) Action(c *Change) Action {
	switch c.State {
	case Same:
		return Keep
	case New, Missing:
		return Create
	case Stale, Edited, Foreign:
		return Update
	case Orphan, OrphanEdited:
		if o.Prune {
			return Remove
		}
	}
	return Leave
}

// Refused returns a *Refusal of all that the options do not allow, or nil.
func (f *Folder) Refused(p *Plan, o Options) error {
	r := &Refusal{Force: true}
	add := func(c *Change, why string) {
		r.Files = append(r.Files, Refused{Path: f.Path(c.Path), Why: why})
	}
	for i := range p.Changes {
		c := &p.Changes[i]
		switch {
		case c.State == Foreign && c.blocking:
			r.Force = false
			add(c, c.Why)
		case o.Force:
		case c.State == Foreign:
			add(c, c.Why)
		case c.State == Edited:
			add(c, "was changed by hand")
		case c.State == OrphanEdited && o.Prune:
			add(c, "was changed by hand, and nothing renders it now")
		}
	}
	if len(r.Files) == 0 {
		return nil
	}
	return r
}

// Apply brings the folder up to date: all of the plan, or nothing where
// something is refused. Each file is whole at every moment; the manifest comes
// last, so that an interrupted run can be run again.
func (f *Folder) Apply(ctx context.Context, p *Plan, o Options) error {
	if err := f.Refused(p, o); err != nil {
		return err
	}
	if err := f.create(); err != nil {
		return err
	}
	removed := make(map[string]bool)
	for i := range p.Changes {
		if err := ctx.Err(); err != nil {
			return err
		}
		c := &p.Changes[i]
		switch o.Action(c) {
		case Keep, Leave:
		case Create, Update:
			if err := f.put(c); err != nil {
				return f.explain(err)
			}
		case Remove:
			if err := f.remove(c.Path); err != nil {
				return f.explain(err)
			}
			removed[c.Path] = true
		}
	}
	text, err := p.manifest(removed).encode()
	if err != nil || bytes.Equal(text, p.oldManifest) {
		return err
	}
	return f.write(ManifestName, text, 0o644)
}

func (f *Folder) put(c *Change) error {
	if dir := path.Dir(c.Path); dir != "." {
		if err := f.root.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	if c.Kind == fileset.Symlink {
		temp := tempName(c.Path)
		if err := f.root.Symlink(c.Link, temp); err != nil {
			return err
		}
		return f.rename(temp, c.Path)
	}
	return f.write(c.Path, c.New, c.NewMode)
}

// write puts a file in place in one step. Its mode does not depend on the
// umask, so that a repository is the same whoever runs this.
func (f *Folder) write(name string, data []byte, mode fs.FileMode) error {
	temp := tempName(name)
	file, err := f.root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	if err == nil {
		err = file.Chmod(mode)
	}
	if err := errors.Join(err, file.Close()); err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", f.Path(name), err), f.root.Remove(temp))
	}
	return f.rename(temp, name)
}

func (f *Folder) rename(temp, name string) error {
	if err := f.root.Rename(temp, name); err != nil {
		return errors.Join(err, f.root.Remove(temp))
	}
	return nil
}

// tempName returns a name in the same folder, so that a rename is one step.
func tempName(name string) string {
	return path.Join(path.Dir(name), ".scgikit-new-"+rand.Text())
}

// remove removes a file, and the folders that are empty without it.
func (f *Folder) remove(name string) error {
	if err := f.root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		err := f.root.Remove(dir)
		if errors.Is(err, syscall.ENOTEMPTY) || errors.Is(err, syscall.EEXIST) {
			return nil
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
