package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"scgikit/internal/appfile"
	"scgikit/internal/deploy"
	"scgikit/internal/install"
)

// partly reports whether this run alone chooses the descriptions, which need not be all
// that the project has.
func (e *env) partly() bool {
	_, folder := e.lookup("SCGIKIT_APPS_DIR")
	return len(e.flags.files) > 0 || folder || e.settings.AppsDir != e.plainAppsDir()
}

// chosen reports whether a setting is from the command line or the environment: the next
// run need not have it.
func (e *env) chosen(key string) bool {
	return slices.ContainsFunc(e.settings.values, func(v settingValue) bool {
		return v.Key == key && (strings.HasPrefix(v.Origin, "--") || strings.HasPrefix(v.Origin, "SCGIKIT_") || e.flags.config != "" && v.Origin == e.path(e.flags.config))
	})
}

// plainAppsDir is the folder of descriptions of a run that chooses none.
func (e *env) plainAppsDir() string {
	dir := "apps"
	for _, f := range e.settingsFiles() {
		if !f.project || !f.Exists {
			continue
		}
		values, _, err := readSettings(f)
		if named, ok := values["apps_dir"].(string); ok && err == nil {
			dir = named
		}
	}
	return dir
}

// plainNames returns every name that apps of the project can have without a word of
// the command line, but for --profile: one description can be installed several times,
// under a name for each profile. It is false where that can not be told.
func (e *env) plainNames() (names []string, ok bool) {
	files, err := e.findIn(".", e.plainAppsDir())
	if err != nil {
		return nil, false
	}
	for _, file := range slices.Clone(files) {
		entries, err := os.ReadDir(e.path(filepath.Dir(file)))
		if err != nil {
			return nil, false
		}
		base := strings.TrimSuffix(filepath.Base(file), ".yaml") + "."
		for _, entry := range entries {
			if profile := filepath.Join(filepath.Dir(file), entry.Name()); profile != filepath.Clean(file) &&
				strings.HasPrefix(entry.Name(), base) && strings.HasSuffix(entry.Name(), ".yaml") && !entry.IsDir() {
				files = append(files, profile)
			}
		}
	}
	sources, err := appfile.Find(e.folder(), files, "", nil)
	if err != nil {
		return nil, false
	}
	return appfile.Names(sources)
}

// chosenNames returns those of apps that no run has that is not told: by --set, --file
// or another folder of descriptions or of generated files. No such run takes them away.
func (e *env) chosenNames(apps []string) []string {
	if len(e.flags.sets) == 0 && !e.chosen("out_dir") && !e.partly() {
		return nil
	}
	plain, _ := e.plainNames()
	return slices.DeleteFunc(slices.Clone(apps), func(app string) bool { return slices.Contains(plain, app) })
}

// knownApps returns the apps that a project describes, or that its reviewed files
// are of; nil where a part of the project alone is looked at, so that what is not
// among it may be in the rest.
func (e *env) knownApps(project *appfile.Project, manifest *deploy.Manifest, only []string) []string {
	if len(only) > 0 || e.partly() {
		return nil
	}
	var out []string
	if project != nil {
		out = projectNames(project)
	}
	if manifest != nil {
		out = append(out, manifestApps(manifest)...)
	}
	return out
}

func manifestApps(m *deploy.Manifest) []string {
	var out []string
	for i := range m.Files {
		out = append(out, m.Files[i].Apps...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// takeUndescribed has an install of the whole project take away what apps have that
// it describes no more. What of them is of targets that are not installed now stays,
// and is named.
func (e *env) takeUndescribed(w *wantedSet, receipt *install.Receipt) {
	if len(w.known) == 0 {
		return
	}
	plain, ok := e.plainNames()
	if !ok {
		if gone := w.scope.Undescribed(receipt, w.known); len(gone) > 0 {
			e.say("%s: whether it is described no more can not be told, because a description or a profile's file can not be read; nothing of it is taken away", strings.Join(gone, ", "))
			e.hint("scgikit validate --profile NAME says what is wrong with that file")
		}
		return
	}
	w.scope.Gone = w.scope.Undescribed(receipt, slices.Concat(w.known, plain))
	rest := make(map[string][]string)
	for i := range receipt.Entries {
		entry := &receipt.Entries[i]
		for _, app := range entry.Apps {
			if slices.Contains(w.scope.Gone, app) && w.scope.Targets != nil && !slices.Contains(w.scope.Targets, entry.Target) && !slices.Contains(rest[app], entry.Target) {
				rest[app] = append(rest[app], entry.Target)
			}
		}
	}
	for _, app := range w.scope.Gone {
		if left := rest[app]; len(left) > 0 {
			slices.Sort(left)
			e.say("%s is described no more, and its files of %s stay", app, strings.Join(left, ", "))
			e.hint("scgikit install all takes them away, or scgikit uninstall all --only %s", app)
		}
	}
	e.nameUnrendered(w.project, w.known, plain)
}

// nameUnrendered names apps whose reviewed files are still there although nothing
// describes them: they are installed as long as they are.
func (e *env) nameUnrendered(project *appfile.Project, known, plain []string) {
	if project == nil {
		return
	}
	var names []string
	for _, app := range known {
		if _, ok := project.App(app); !ok && !slices.Contains(plain, app) {
			names = append(names, app)
		}
	}
	if len(names) > 0 {
		e.say("%s: described no more, and its files are still in %s, so that they are installed", strings.Join(names, ", "), e.settings.OutDir)
		e.hint("scgikit generate --prune removes them; install takes them away then")
	}
}

// undescribed returns the apps that this project installed and describes no more,
// where there is a project that can be read.
func (e *env) undescribed(receipt *install.Receipt) []string {
	if e.partly() || !e.described() {
		return nil
	}
	sources, err := e.sources(e.root.Context(), nil)
	if err != nil {
		return nil
	}
	project, list := e.loader().Load(sources)
	if list.HasErrors() || len(project.Apps) == 0 {
		return nil
	}
	var scope install.Scope
	plain, ok := e.plainNames()
	if !ok || e.ofProject(&scope, receipt, false) != nil {
		return nil
	}
	return scope.Undescribed(receipt, append(plain, projectNames(project)...))
}
