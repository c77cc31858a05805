package deploy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"scgikit/internal/fileset"
)

// ManifestName is the manifest's file in the folder.
const ManifestName = ".scgikit-manifest.json"

// manifestVersion is the only version there is.
const manifestVersion = 1

// Entry is one file in the manifest.
type Entry struct {
	Path   string   `json:"path"`
	Kind   string   `json:"kind"`             // "file", "dir", "symlink"
	Mode   string   `json:"mode,omitempty"`   // on the machine, four octal digits; none for a symlink
	Owner  string   `json:"owner"`            // on the machine, "user:group"
	SHA256 string   `json:"sha256,omitempty"` // of a file
	Link   string   `json:"link,omitempty"`   // of a symlink
	Target string   `json:"target"`
	Place  string   `json:"place,omitempty"` // where the program reads it, in the target's words
	Apps   []string `json:"apps"`
}

// Manifest lists what was written, sorted by path.
type Manifest struct {
	Files []Entry
}

func entryOf(f *fileset.File) Entry {
	user, group := f.User, f.Group
	if user == "" {
		user = "root"
	}
	if group == "" {
		group = user
	}
	e := Entry{
		Path: f.Path, Kind: f.Kind.String(), Owner: user + ":" + group, Link: f.Link,
		Target: f.Target, Place: f.Place, Apps: f.Apps,
	}
	if e.Apps == nil {
		e.Apps = []string{}
	}
	switch f.Kind {
	case fileset.Regular:
		e.SHA256 = digest(f.Data)
		e.Mode = fmt.Sprintf("%04o", f.Mode.Perm())
	case fileset.Dir:
		e.Mode = fmt.Sprintf("%04o", f.Mode.Perm())
	case fileset.Symlink:
	}
	return e
}

// encode writes the manifest with one file a line, so that a review shows
// which files changed and merges seldom conflict.
func (m *Manifest) encode() ([]byte, error) {
	slices.SortFunc(m.Files, func(a, b Entry) int { return strings.Compare(a.Path, b.Path) })
	var b bytes.Buffer
	fmt.Fprintf(&b, "{\n  \"version\": %d,\n  \"files\": [", manifestVersion)
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	for i := range m.Files {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString("\n    ")
		if err := enc.Encode(&m.Files[i]); err != nil {
			return nil, err
		}
		b.Truncate(b.Len() - 1) // Encode ends the line
	}
	if len(m.Files) > 0 {
		b.WriteString("\n  ")
	}
	b.WriteString("]\n}\n")
	return b.Bytes(), nil
}

// decodeManifest reads a manifest. It comes with the repository, so paths that
// no set could hold are an error.
func decodeManifest(text []byte) (*Manifest, error) {
	var doc struct {
		Version int     `json:"version"`
		Files   []Entry `json:"files"`
	}
	if err := json.Unmarshal(text, &doc); err != nil {
		return nil, err
	}
	if doc.Version != manifestVersion {
		return nil, fmt.Errorf("version %d is not %d", doc.Version, manifestVersion)
	}
	seen := make(map[string]bool, len(doc.Files))
	for i := range doc.Files {
		p := doc.Files[i].Path
		switch {
		case !fs.ValidPath(p) || p == "." || p == ManifestName:
			return nil, fmt.Errorf("%q is not the path of a generated file", p)
		case seen[p]:
			return nil, fmt.Errorf("%q stands in it twice", p)
		}
		seen[p] = true
	}
	return &Manifest{Files: doc.Files}, nil
}

// entries returns the manifest by path.
func (m *Manifest) entries() map[string]*Entry {
	out := make(map[string]*Entry, len(m.Files))
	for i := range m.Files {
		out[m.Files[i].Path] = &m.Files[i]
	}
	return out
}
