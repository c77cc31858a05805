package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"scgikit/templates"
)

// overlay holds the folders of templates that replace built-in ones, the
// strongest first: the project's, then the user's.
type overlay struct {
	layers []*layer
}

type layer struct {
	dir  string // as messages name it
	user bool
	root *os.Root
	used []string
}

// overrides opens the folders of templates that are there. One that a flag
// names must be.
func (e *env) overrides() (*overlay, error) {
	o := new(overlay)
	err := o.add(&layer{dir: e.settings.TemplatesDir}, e.path(e.settings.TemplatesDir), e.explicit("templates_dir"))
	if err != nil {
		return nil, err
	}
	if home := e.configHome(); home != "" {
		dir := filepath.Join(home, "templates")
		if err := o.add(&layer{dir: dir, user: true}, dir, false); err != nil {
			return nil, err
		}
	}
	return o, nil
}

// explicit reports whether a setting is not the default.
func (e *env) explicit(key string) bool {
	return slices.ContainsFunc(e.settings.values, func(v settingValue) bool { return v.Key == key && v.Origin != "default" })
}

func (o *overlay) add(l *layer, dir string, must bool) error {
	// Through os.Root a link in the folder does not bring in a file from elsewhere.
	root, err := os.OpenRoot(dir)
	if errors.Is(err, fs.ErrNotExist) && !must {
		return nil
	}
	// HOME may still be somebody else's, as after su: then it holds nothing of
	// this user's.
	if errors.Is(err, fs.ErrPermission) && l.user {
		return nil
	}
	if err != nil {
		return failf(codeOf(err), "", "templates: %w", err)
	}
	l.root = root
	o.layers = append(o.layers, l)
	return nil
}

// Open implements fs.FS.
func (o *overlay) Open(name string) (fs.File, error) {
	for _, l := range o.layers {
		// Looked at before it is opened: a FIFO would wait for its writer.
		if info, err := l.root.Stat(name); err == nil && !info.Mode().IsRegular() && !info.IsDir() {
			return nil, &fs.PathError{Op: "open", Path: name, Err: errors.New("neither a file nor a folder")}
		}
		f, err := l.root.FS().Open(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			l.used = append(l.used, name)
		}
		return f, err
	}
	return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
}

func (o *overlay) close() {
	for _, l := range o.layers {
		_ = l.root.Close() // it was read only
	}
}

// tell says which templates are not built in. The user's are named without -v
// as well, because they are not in the repository for others to see.
func (o *overlay) tell(e *env) {
	for _, l := range o.layers {
		slices.Sort(l.used)
		for _, name := range slices.Compact(l.used) {
			if l.user {
				e.say("%s comes from your own %s", name, l.dir)
			} else {
				e.detail("%s comes from %s", name, l.dir)
			}
		}
		for _, name := range l.useless() {
			e.say("%s replaces no built-in template; scgikit eject lists them", filepath.Join(l.dir, filepath.FromSlash(name)))
		}
	}
}

// useless returns the templates of a layer whose name no built-in one has.
func (l *layer) useless() []string {
	var out []string
	// What can not be walked could not be read as a template either, and that
	// was an error before.
	_ = fs.WalkDir(l.root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return fs.SkipDir
		}
		if d.Type().IsRegular() && strings.HasSuffix(name, ".tmpl") {
			if _, err := fs.Stat(templates.FS, name); err != nil {
				out = append(out, name)
			}
		}
		return nil
	})
	return out
}
