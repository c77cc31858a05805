package servertest

import (
	"encoding/json"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"scgikit/internal/deploy"
	"scgikit/internal/fileset"
)

// Deployed reads a folder that "scgikit generate" wrote back into the files
// that its manifest lists, with their places, modes and owners.
func Deployed(t testing.TB, dir string) []fileset.File {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, deploy.ManifestName))
	if err != nil {
		t.Fatal(err)
	}
	var manifest struct{ Files []deploy.Entry }
	if err := json.Unmarshal(text, &manifest); err != nil {
		t.Fatal(err)
	}
	files := make([]fileset.File, 0, len(manifest.Files))
	for i := range manifest.Files {
		e := &manifest.Files[i]
		f := fileset.File{Path: e.Path, Link: e.Link, Target: e.Target, Place: e.Place, Apps: e.Apps}
		f.User, f.Group, _ = strings.Cut(e.Owner, ":")
		if e.Mode != "" {
			mode, err := strconv.ParseUint(e.Mode, 8, 32)
			if err != nil {
				t.Fatal(err)
			}
			f.Mode = fs.FileMode(mode)
		}
		switch e.Kind {
		case "dir":
			f.Kind = fileset.Dir
		case "symlink":
			f.Kind = fileset.Symlink
		default:
			if f.Data, err = os.ReadFile(filepath.Join(dir, filepath.FromSlash(e.Path))); err != nil {
				t.Fatal(err)
			}
		}
		files = append(files, f)
	}
	return files
}

// Place writes the files of one target below a folder, without the target's
// own, with the modes, and as root the owners, that the manifest gives. Files
// come after their folders, links last, and the final rename makes the whole
// tree appear at once.
func Place(t testing.TB, files []fileset.File, target, dest string) {
	t.Helper()
	for i := range files {
		f := &files[i]
		if f.Target != target {
			continue
		}
		path := filepath.Join(dest, strings.TrimPrefix(f.Path, target+"/"))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := place(f, path); err != nil {
			t.Fatal(err)
		}
		if os.Geteuid() == 0 {
			own(t, path, f.User, f.Group)
		}
	}
}

func place(f *fileset.File, path string) error {
	switch f.Kind {
	case fileset.Dir:
		if err := os.MkdirAll(path, 0o755); err != nil {
			return err
		}
		return os.Chmod(path, f.Mode)
	case fileset.Symlink:
		return os.Symlink(f.Link, path)
	case fileset.Regular:
		if err := os.WriteFile(path, f.Data, f.Mode); err != nil {
			return err
		}
		return os.Chmod(path, f.Mode)
	}
	return nil
}

// Own gives a file to a user and group by name, where the test is root.
func own(t testing.TB, path, userName, groupName string) {
	t.Helper()
	u, err := user.Lookup(userName)
	if err != nil {
		t.Fatal(err)
	}
	gidText := u.Gid
	if groupName != userName {
		g, err := user.LookupGroup(groupName)
		if err != nil {
			t.Fatal(err)
		}
		gidText = g.Gid
	}
	uid, uidErr := strconv.Atoi(u.Uid)
	gid, gidErr := strconv.Atoi(gidText)
	if uidErr != nil || gidErr != nil {
		t.Fatal(uidErr, gidErr)
	}
	if err := os.Lchown(path, uid, gid); err != nil {
		t.Fatal(err)
	}
}
