package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"scgikit/generate"
	"scgikit/internal/appfile"
	"scgikit/internal/diag"
)

// load reads the descriptions of a command: paths where there are any, else
// --file, else what the folder holds. Warnings come back for the result, and
// are shown; an error that is a diag.List holds every problem of every file.
func (e *env) load(ctx context.Context, paths []string) (*appfile.Project, diag.List, error) {
	sources, err := e.sources(ctx, paths)
	if err != nil {
		return nil, nil, err
	}
	return e.loadSources(sources)
}

// loader reads descriptions as the flags say.
func (e *env) loader() *appfile.Loader {
	return &appfile.Loader{
		Profile: e.flags.profile,
		Sets:    e.flags.sets,
		Env:     e.lookup,
		Options: generate.OptionTypes(),
		Targets: targetNames(),
	}
}

// loadSources is load for files that were read.
func (e *env) loadSources(sources []appfile.Source) (*appfile.Project, diag.List, error) {
	project, list := e.loader().Load(sources)
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
func (e *env) sources(ctx context.Context, paths []string) ([]appfile.Source, error) {
	if len(paths) > 0 && len(e.flags.files) > 0 {
		return nil, usagef("name the descriptions in one of the two ways", "both arguments and --file name descriptions")
	}
	paths = append(slices.Clone(paths), e.flags.files...)
	if len(paths) == 0 {
		paths = []string{"."}
	}
	var files []string
	for _, name := range paths {
		if info, err := os.Stat(e.path(name)); name == "-" || err != nil || !info.IsDir() {
			files = append(files, name) // a missing one is the reader's to tell
			continue
		}
		found, err := e.find(name)
		if err != nil {
			return nil, err
		}
		if len(found) == 0 {
			return nil, usagef("change to the project's folder, or name the description: --file FILE",
				"no scgikit.yaml and no %s/*.yaml in %s", e.settings.AppsDir, e.path(name))
		}
		files = append(files, found...)
	}
	found, err := e.read(ctx, files)
	if wrong, ok := errors.AsType[*appfile.ArgumentError](err); ok {
		return nil, usagef("", "%w", wrong)
	}
	return found, err
}

// read reads the files, until the context ends: standard input and a FIFO may
// have nothing to read for ever. The read itself cannot be ended; it is left
// behind, and goes when the process does.
func (e *env) read(ctx context.Context, files []string) ([]appfile.Source, error) {
	type result struct {
		sources []appfile.Source
		err     error
	}
	done := make(chan result, 1)
	go func() {
		sources, err := appfile.Find(e.folder(), files, e.flags.profile, e.stdin)
		done <- result{sources, err}
	}()
	select {
	case r := <-done:
		return r.sources, r.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// find returns the descriptions of a project folder, or of a folder that holds
// descriptions alone, sorted.
func (e *env) find(dir string) ([]string, error) { return e.findIn(dir, e.settings.AppsDir) }

func (e *env) findIn(dir, apps string) ([]string, error) {
	single := filepath.Join(dir, "scgikit.yaml")
	many, err := e.list(filepath.Join(dir, apps))
	if err != nil {
		return nil, err
	}
	_, err = os.Stat(e.path(single))
	switch {
	case err == nil && len(many) > 0:
		return nil, usagef("keep one of them, or name the descriptions: -f FILE", "there are %s and %s", single, many[0])
	case err == nil:
		return []string{single}, nil
	case len(many) > 0 || dir == ".":
		return many, nil
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
		case strings.HasPrefix(name, "."), entry.IsDir():
		case strings.HasSuffix(name, ".yml"):
			return nil, usagef("rename it", "%s: the name of a description ends in .yaml", filepath.Join(dir, name))
		case ok && !strings.Contains(base, "."):
			out = append(out, filepath.Join(dir, name))
		}
	}
	slices.Sort(out)
	return out, nil
}
