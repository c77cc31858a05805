package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"scgikit/generate"
	"scgikit/internal/appfile"
	"scgikit/internal/diag"
)

// maxDescription bounds a description: a wrong path (a log, a device) is an
// error and not a full memory.
const maxDescription = 16 << 20

// stdinName is what messages call a description from standard input.
const stdinName = "stdin"

// load reads the descriptions of a command: paths where there are any, else
// --file, else what the folder holds. Warnings come back for the result, and
// are shown; an error that is a diag.List holds every problem of every file.
func (e *env) load(paths []string) (*appfile.Project, diag.List, error) {
	sources, err := e.sources(paths)
	if err != nil {
		return nil, nil, err
	}
	loader := &appfile.Loader{
		Profile: e.flags.profile,
		Sets:    e.flags.sets,
		Env:     e.lookup,
		Options: generate.OptionTypes(),
		Targets: targetNames(),
	}
	project, list := loader.Load(sources)
	if list.HasErrors() {
		return nil, list, list
	}
	if len(project.Apps) == 0 {
		return nil, list, failf(exitInvalid, "write one, see: scgikit explain", "%s holds no description", sources[0].Name)
	}
	return project, list, e.warn(list)
}

func targetNames() []string {
	var out []string
	for _, t := range generate.Targets() {
		out = append(out, t.Name)
	}
	return out
}

// sources finds and reads the description files.
func (e *env) sources(paths []string) ([]appfile.Source, error) {
	if len(paths) == 0 {
		paths = e.flags.files
	} else if len(e.flags.files) > 0 {
		return nil, usagef("name the descriptions in one of the two ways", "both arguments and --file name descriptions")
	}
	if len(paths) == 0 {
		found, err := e.find(".")
		if err != nil {
			return nil, err
		}
		if len(found) == 0 {
			return nil, usagef("change to the project's folder, or name the description: -f FILE",
				"no scgikit.yaml and no %s/*.yaml in %s", e.settings.AppsDir, e.folder())
		}
		paths = found
	}
	var out []appfile.Source
	for _, path := range paths {
		files := []string{path}
		if info, err := os.Stat(e.path(path)); path != "-" && err == nil && info.IsDir() {
			if files, err = e.find(path); err != nil {
				return nil, err
			}
			if len(files) == 0 {
				return nil, usagef("", "no description in %s", path)
			}
		}
		for _, file := range files {
			source, err := e.source(file)
			if err != nil {
				return nil, err
			}
			out = append(out, source)
		}
	}
	return out, nil
}

// find returns the descriptions of a project folder, or of a folder that holds
// descriptions alone, sorted.
func (e *env) find(dir string) ([]string, error) {
	single := filepath.Join(dir, "scgikit.yaml")
	if _, err := os.Stat(e.path(single)); err == nil {
		return []string{single}, nil
	}
	many, err := e.list(filepath.Join(dir, e.settings.AppsDir))
	if err != nil || len(many) > 0 || dir == "." {
		return many, err
	}
	return e.list(dir)
}

// list returns the *.yaml files of a folder, but for hidden ones and for those
// with a second dot, which hold a profile: "blog.prod.yaml". A folder that is
// not there is empty.
func (e *env) list(dir string) ([]string, error) {
	entries, err := os.ReadDir(e.path(dir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var out []string
	for _, entry := range entries {
		name := entry.Name()
		base, ok := strings.CutSuffix(name, ".yaml")
		switch {
		case strings.HasPrefix(name, "."):
		case strings.HasSuffix(name, ".yml"):
			e.say("%s is not read: descriptions end in .yaml", filepath.Join(dir, name))
		case ok && !strings.Contains(base, ".") && !entry.IsDir():
			out = append(out, filepath.Join(dir, name))
		}
	}
	slices.Sort(out)
	return out, nil
}

// source reads one description, and the file with its profile where there is one.
func (e *env) source(name string) (appfile.Source, error) {
	if name == "-" {
		text, err := readLimited(e.stdin, stdinName)
		return appfile.Source{Name: stdinName, Data: text}, err
	}
	text, err := e.readFile(name)
	if err != nil {
		return appfile.Source{}, err
	}
	s := appfile.Source{Name: filepath.ToSlash(name), Data: text}
	if e.flags.profile == "" || strings.ContainsAny(e.flags.profile, `/\`) {
		return s, nil
	}
	beside := strings.TrimSuffix(name, ".yaml") + "." + e.flags.profile + ".yaml"
	text, err = e.readFile(beside)
	switch {
	case err == nil:
		s.Profile = &appfile.Source{Name: filepath.ToSlash(beside), Data: text}
	case !errors.Is(err, fs.ErrNotExist):
		return appfile.Source{}, err
	}
	return s, nil
}

func (e *env) readFile(name string) ([]byte, error) {
	f, err := os.Open(e.path(name))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readLimited(f, name)
}

func readLimited(r io.Reader, name string) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxDescription+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	if len(text) > maxDescription {
		return nil, fmt.Errorf("%s is larger than %d MiB, which no description is", name, maxDescription>>20)
	}
	return text, nil
}
