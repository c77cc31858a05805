package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"scgikit/internal/appfile"
	"scgikit/internal/diag"
)

// logPlace is a log: the app or instance whose it is, and its folder.
type logPlace struct {
	name  string
	dir   string
	named bool // on the command line, and not only its app
}

// serviceFolders are where supervisors look for services: daemontools' own
// place, Debian's, runit's, and that of scgikit as a service of the machine.
func serviceFolders() []string {
	return []string{"/service", "/etc/service", "/var/service", ownServices}
}

// ownServices is the folder that no other supervisor looks at.
const ownServices = "/etc/scgikit/service"

// logPlaces finds the folders of logs: those named by --dir, else those of the
// apps, or of all of them. An instance that was not named and has no log is in
// skipped.
func (e *env) logPlaces(ctx context.Context, dirs, apps []string) (places []logPlace, skipped []error, err error) {
	if len(dirs) > 0 {
		if len(apps) > 0 {
			return nil, nil, usagef("leave one of them out", "--dir names a folder, and %s an app", apps[0])
		}
		for _, dir := range dirs {
			places = append(places, logPlace{dir, e.path(dir), true})
		}
		return places, nil, nil
	}
	project, _, err := e.load(ctx, nil)
	if err != nil {
		return nil, nil, err
	}
	instances, err := chosenInstances(project, apps)
	if err != nil {
		return nil, nil, err
	}
	for _, inst := range instances {
		named := slices.Contains(apps, inst.Service())
		dir, err := e.findLog(inst)
		switch {
		case err == nil:
			places = append(places, logPlace{inst.Service(), dir, named})
		case named:
			return nil, nil, err
		default:
			skipped = append(skipped, err)
		}
	}
	return places, skipped, nil
}

// tellSkipped tells why logs are left out. It fails where no log is left.
// Otherwise denied is the first that may not be read, for the end to tell.
func (e *env) tellSkipped(left int, skipped []error) (denied, err error) {
	for i, err := range skipped {
		switch {
		case left == 0 && i == len(skipped)-1:
			return nil, err
		case left > 0 && denied == nil && errors.Is(err, fs.ErrPermission):
			denied = err
		default:
			e.talk("%v", err)
		}
	}
	return denied, nil
}

// chosenInstances returns the instances that the words name, in the order of
// the project: an app is all of its instances, and no word is every app.
func chosenInstances(project *appfile.Project, words []string) ([]*appfile.App, error) {
	var out []*appfile.App
	used := make(map[string]bool)
	for _, a := range project.Apps {
		for _, inst := range a.Instances {
			if len(words) == 0 || slices.Contains(words, a.Name) || slices.Contains(words, inst.Service()) {
				out = append(out, inst)
				used[a.Name], used[inst.Service()] = true, true
			}
		}
	}
	names := instanceNames(project)
	for _, word := range words {
		if used[word] {
			continue
		}
		hint := "the apps here are " + strings.Join(names, ", ")
		if near := diag.Nearest(word, names); near != "" {
			hint = "did you mean " + near + "?"
		}
		return nil, failf(exitNoApp, hint, "there is no app %q", word)
	}
	return out, nil
}

// instanceNames returns what APP may be.
func instanceNames(project *appfile.Project) []string {
	var names []string
	for _, a := range project.Apps {
		names = append(names, a.Name)
		if len(a.Instances) > 1 {
			for _, inst := range a.Instances {
				names = append(names, inst.Service())
			}
		}
	}
	return names
}

// logNames returns the words that complete APP.
func (e *env) logNames(ctx context.Context) []string {
	quiet := e.settings.LogLevel
	defer func() { e.settings.LogLevel = quiet }()
	e.settings.LogLevel = "error" // warnings have no place on a line being typed
	project, _, err := e.load(ctx, nil)
	if err != nil {
		return nil
	}
	return instanceNames(project)
}

// logFolders returns where the log of an instance may be, the likeliest first.
func (e *env) logFolders(inst *appfile.App) []string {
	root := e.path(e.settings.Root)
	if inst.IsSet("log.dir") {
		return []string{filepath.Join(root, inst.LogDir())}
	}
	inService := filepath.Join(inst.Service(), "log", "main")
	var dirs []string
	for _, services := range serviceFolders() {
		dirs = append(dirs, filepath.Join(root, services, inService))
	}
	return append(dirs, filepath.Join(e.path(e.settings.OutDir), "daemontools", inService), filepath.Join(root, inst.LogDir()))
}

// findLog returns the folder of an instance's log.
func (e *env) findLog(inst *appfile.App) (string, error) {
	dirs := e.logFolders(inst)
	missing := fmt.Errorf("there is no log of %s: looked in %s", inst.Service(), strings.Join(dirs, ", "))
	for _, dir := range dirs {
		info, err := os.Stat(dir)
		switch {
		case err == nil && info.IsDir():
			return dir, nil
		case err == nil:
			missing = fmt.Errorf("%w; %s is no folder", missing, dir)
		case errors.Is(err, fs.ErrNotExist):
		case errors.Is(err, fs.ErrPermission):
			return "", failf(exitPermission, "read it as root, or as the user of the logger", "%w", err)
		default:
			missing = fmt.Errorf("%w; %w", missing, err)
		}
	}
	return "", failf(exitNoApp, "has it been started? --dir DIR reads the log in another folder", "%w", missing)
}
