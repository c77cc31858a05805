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
	"scgikit/internal/servicedir"
)

// servicePlace is a service: its name here, and its folder.
type servicePlace struct {
	name   string
	dir    string
	inst   *appfile.App // whose it is; nil where no description was read
	absent error        // why there is no folder
}

// servicePlaces finds the folders of services, in this order: a word with a
// slash is the folder itself; with --dir a word is a name in those folders; with
// a description it is an app or an instance; else a name in the folders that
// svscan and runsvdir look at. No word is all of them.
func (e *env) servicePlaces(ctx context.Context, dirs, words []string) ([]servicePlace, error) {
	var places []servicePlace
	var names []string
	for _, word := range words {
		if !isFolderWord(word) {
			names = append(names, word)
			continue
		}
		dir := e.path(word)
		if err := isFolder(dir); err != nil {
			return nil, placeFailure(err, "there is no service folder %s", word)
		}
		places = append(places, servicePlace{name: word, dir: dir})
	}
	if len(words) > 0 && len(names) == 0 {
		return places, nil
	}
	var more []servicePlace
	var err error
	switch {
	case len(dirs) > 0:
		scan := make([]string, len(dirs))
		for i, dir := range dirs {
			scan[i] = e.path(dir)
			if err := isFolder(scan[i]); err != nil {
				return nil, placeFailure(err, "--dir: there is no folder %s", dir)
			}
		}
		more, err = scanned(scan, names)
	case e.described():
		more, err = e.describedPlaces(ctx, names)
	default:
		more, err = scanned(e.scanFolders(), names)
	}
	return append(places, more...), err
}

// isFolderWord reports whether a word is a path and not a name.
func isFolderWord(word string) bool {
	return strings.Contains(word, "/") || word == "." || word == ".."
}

func isFolder(dir string) error {
	info, err := os.Stat(dir)
	if err == nil && !info.IsDir() {
		return &fs.PathError{Op: "open", Path: dir, Err: fs.ErrNotExist}
	}
	return err
}

func placeFailure(err error, format string, args ...any) error {
	if errors.Is(err, fs.ErrPermission) {
		return namedf(exitPermission, "ask as root, or as the user of the supervisor", "%w", err)
	}
	return namedf(exitNoApp, "", format, args...)
}

// described reports whether there is a description to take names from. One that
// can not be looked for is an error that reading it will tell.
func (e *env) described() bool {
	if len(e.flags.files) > 0 {
		return true
	}
	found, err := e.find(".")
	return err != nil || len(found) > 0
}

// scanFolders returns the folders that supervisors look for services in, below
// the root that the settings name, and the user's own.
func (e *env) scanFolders() []string {
	root := e.path(e.settings.Root)
	var dirs []string
	for _, dir := range serviceFolders() {
		dirs = append(dirs, filepath.Join(root, dir))
	}
	if home := e.configHome(); home != "" {
		dirs = append(dirs, filepath.Join(home, "service"))
	}
	return dirs
}

// scanned returns services of scan folders by their names, or all of them,
// sorted within a folder. One that is in two folders, or in a folder with two
// names, comes once unless it was named. Names with a dot in front are no
// services.
//
// Source: svscan.c of daemontools 0.76.
func scanned(dirs, names []string) ([]servicePlace, error) {
	if len(names) > 0 {
		return scannedNames(dirs, names)
	}
	var out []servicePlace
	var seen []fs.FileInfo
	for _, dir := range dirs {
		entries, err := os.ReadDir(dir)
		switch {
		case errors.Is(err, fs.ErrPermission):
			return nil, placeFailure(err, "")
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return nil, err
		}
		for _, entry := range entries {
			path := filepath.Join(dir, entry.Name())
			info, err := os.Stat(path)
			if strings.HasPrefix(entry.Name(), ".") || err != nil || !info.IsDir() {
				continue
			}
			if slices.ContainsFunc(seen, func(other fs.FileInfo) bool { return os.SameFile(info, other) }) {
				continue
			}
			seen = append(seen, info)
			out = append(out, servicePlace{name: entry.Name(), dir: path})
		}
	}
	if len(out) == 0 {
		return nil, namedf(exitNoApp, "--dir DIR names the folder of the services", "there is no service in %s", strings.Join(dirs, ", "))
	}
	return out, nil
}

func scannedNames(dirs, names []string) ([]servicePlace, error) {
	var out []servicePlace
	for _, name := range names {
		dir, err := firstFolder(dirs, name)
		if err != nil {
			return nil, err
		}
		out = append(out, servicePlace{name: name, dir: dir})
	}
	return out, nil
}

// firstFolder returns the folder of that name that is supervised, else the
// first that is there.
func firstFolder(dirs []string, name string) (string, error) {
	var found []string
	for _, dir := range dirs {
		path := filepath.Join(dir, name)
		err := isFolder(path)
		if errors.Is(err, fs.ErrPermission) {
			return "", placeFailure(err, "")
		}
		if err == nil {
			found = append(found, path)
		}
	}
	for _, path := range found {
		if ok, err := servicedir.Supervised(path); ok || errors.Is(err, fs.ErrPermission) {
			return path, nil
		}
	}
	if len(found) > 0 {
		return found[0], nil
	}
	return "", namedf(exitNoApp, "--dir DIR names the folder of the services", "there is no service folder of %s: looked in %s", name, strings.Join(dirs, ", "))
}

// describedPlaces returns the services of apps. An instance that has none is
// absent; where that is so for all that were named, it is the error.
func (e *env) describedPlaces(ctx context.Context, names []string) ([]servicePlace, error) {
	project, _, err := e.load(ctx, nil)
	if err != nil {
		return nil, err
	}
	instances, err := chosenInstances(project, names)
	if err != nil {
		return nil, err
	}
	dirs := append(e.scanFolders(), filepath.Join(e.path(e.settings.OutDir), "daemontools"))
	var out []servicePlace
	absent := 0
	for _, inst := range instances {
		if why := notSupervised(inst); why != "" {
			if len(names) > 0 {
				return nil, namedf(exitNoApp, "", "%s is no service: %s", inst.Service(), why)
			}
			e.detail("%s: no service, %s", inst.Service(), why)
			continue
		}
		dir, err := firstFolder(dirs, inst.Service())
		if f, ok := errors.AsType[*failure](err); ok && f.code == exitNoApp {
			absent++
		} else if err != nil {
			return nil, err
		}
		out = append(out, servicePlace{name: inst.Service(), dir: dir, inst: inst, absent: err})
		if len(names) > 0 && absent == len(instances) {
			return nil, err
		}
	}
	if len(out) == 0 {
		return nil, namedf(exitNoApp, "--dir DIR names a folder of services", "no app here is a service")
	}
	return out, nil
}

// notSupervised says why an app is nothing for a supervisor, or "".
func notSupervised(a *appfile.App) string {
	for _, t := range generate.Targets() {
		if t.Kind == generate.Supervisor {
			return t.Fits(a)
		}
	}
	return ""
}

// serviceNames returns the words that complete APP.
func (e *env) serviceNames(ctx context.Context, dirs []string) []string {
	if len(dirs) == 0 && e.described() {
		return e.logNames(ctx)
	}
	if len(dirs) == 0 {
		dirs = e.scanFolders()
	}
	places, err := scanned(dirs, nil)
	if err != nil {
		return nil
	}
	var names []string
	for _, p := range places {
		names = append(names, p.name)
	}
	return names
}
