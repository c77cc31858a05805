package deploy

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"scgikit/internal/fileset"
)

// Reviewed returns the files of the folder that the manifest lists for a scope,
// as the machine is to have them: with the modes and owners of the manifest, and
// with the folders and links that a repository can not hold. A file that is not
// as it was written is a *Refusal.
func (f *Folder) Reviewed(scope Scope) (*fileset.Set, error) {
	manifest, err := f.Manifest()
	if err != nil {
		return nil, err
	}
	set := new(fileset.Set)
	refusal := new(Refusal)
	for i := range manifest.Files {
		entry := &manifest.Files[i]
		if !scope.holds(entry.Target, entry.Apps) {
			continue
		}
		file, why, err := f.reviewed(entry)
		if err != nil {
			return nil, err
		}
		if why != "" {
			refusal.Files = append(refusal.Files, Refused{Path: f.Path(entry.Path), Why: why})
			continue
		}
		if err := set.Add(file); err != nil {
			return nil, &ManifestError{Path: f.Path(ManifestName), Err: err}
		}
	}
	if len(refusal.Files) > 0 {
		return nil, refusal
	}
	return set, nil
}

// reviewed returns one file of the manifest, or why it can not be had.
func (f *Folder) reviewed(entry *Entry) (file fileset.File, why string, err error) {
	file = fileset.File{Path: entry.Path, Link: entry.Link, Target: entry.Target, Place: entry.Place, Apps: entry.Apps}
	file.User, file.Group, _ = strings.Cut(entry.Owner, ":")
	switch entry.Kind {
	case fileset.Symlink.String():
		file.Kind = fileset.Symlink
		return file, "", nil
	case fileset.Dir.String():
		file.Kind = fileset.Dir
	case fileset.Regular.String():
		found, err := f.read(entry.Path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return file, "stands in the manifest and is not there", nil
		case err != nil:
			return file, "", err
		case found.obstacle != "" || found.isLink:
			return file, "is no file", nil
		case digest(found.data) != entry.SHA256 && digest(unixLines(found.data)) != entry.SHA256:
			return file, "is not as it was generated", nil
		}
		file.Data = found.data
		if digest(found.data) != entry.SHA256 {
			file.Data = unixLines(found.data)
		}
	default:
		return file, "", &ManifestError{Path: f.Path(ManifestName), Err: fmt.Errorf("%s is of no kind that there is", entry.Path)}
	}
	mode, err := strconv.ParseUint(entry.Mode, 8, 32)
	if err != nil || mode&^0o777 != 0 {
		return file, "", &ManifestError{Path: f.Path(ManifestName), Err: fmt.Errorf("%s has the mode %q", entry.Path, entry.Mode)}
	}
	file.Mode = fs.FileMode(mode)
	return file, "", nil
}
