package main

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"

	"scgikit/generate"
	"scgikit/internal/appfile"
	"scgikit/internal/diag"
	"scgikit/internal/importer"
)

// wrongFlag refuses what can be told to be wrong of the flags alone: those for
// another type of app, those that are empty, and global ones that are for
// descriptions which are read.
func (i *interview) wrongFlag() error {
	if i.flagged("from") && i.from == "" {
		return usagef("--from . is this folder", "--from is empty")
	}
	if i.flagged("app") && i.app == "" {
		return usagef("leave it out, and the apps of the folder are listed", "--app is empty")
	}
	if i.app != "" && i.from == "" {
		return usagef("--from DIR names the folder", "--app is for one of several apps in a folder")
	}
	if i.named && i.name == "" {
		return usagef("", "NAME is empty")
	}
	for _, flag := range []string{"file", "profile"} {
		if i.flagged(flag) {
			return usagef("leave it out", "--%s is for descriptions that are read, and init writes one", flag)
		}
	}
	list := questions()
	for _, q := range list {
		v, given := i.answers[q.flag]
		if given && strings.TrimSpace(v) == "" && (q.must || v != "") {
			return usagef("it takes "+q.takes(), "--%s is empty", q.flag)
		}
	}
	kinds := appfile.Type("").Values()
	kind, given := i.answers["type"]
	if given && !slices.Contains(kinds, kind) {
		return usagef("it takes "+strings.Join(kinds, ", "), "--type: %q is no type of an app", kind)
	}
	other := "--type says " + kind
	if !given {
		other = "another flag is for type " + i.kind()
	}
	if err := i.wrongType(i.kind(), other); err != nil {
		return err
	}
	return i.wrongSet()
}

// wrongType refuses flags that are for apps of another type.
func (i *interview) wrongType(kind, why string) error {
	for _, q := range questions() {
		if i.answers[q.flag] != "" && i.flagged(q.flag) && kind != "" && len(q.types) > 0 && !slices.Contains(q.types, kind) {
			return usagef("", "--%s is for an app of type %s, and %s", q.flag, strings.Join(q.types, " or "), why)
		}
	}
	return nil
}

// takes says what the flag takes.
func (q *question) takes() string {
	return q.example + ": " + strings.ToLower(q.ask[:1]) + q.ask[1:]
}

// wrongSet refuses --set of what init has other words for.
func (i *interview) wrongSet() error {
	for _, set := range i.env.flags.sets {
		field, value, ok := strings.Cut(set, "=")
		switch {
		case !ok || field == "" || strings.Contains("."+field+".", "..") || strings.ContainsAny(field, " \t:#'\"{}"):
			return usagef("such as --set run.env.LANG=C.UTF-8", "--set %q is no PATH=VALUE", set)
		case strings.ContainsAny(field, "[]"):
			return usagef("such as --set 'http.static=[{url: /static/, dir: /srv/static/}]'", "--set %q: init takes a list as a whole", field)
		case field == "name" || field == "apiVersion":
			return usagef("scgikit init NAME names the app", "--set %q: init writes this field by itself", field)
		case strings.ContainsRune(value, '\n'):
			return usagef("", "--set %q: the value has more than one line", field)
		}
		if _, list := (&appfile.Loader{Sets: []string{set}}).Load(nil); list.HasErrors() {
			return usagef(list[0].Hint, "--set %s: %s", field, list[0].Message)
		}
		if !strings.Contains(field, ".") && slices.ContainsFunc(appfile.Fields(), func(f appfile.Field) bool { return strings.HasPrefix(f.Path, field+".") }) {
			return usagef(fmt.Sprintf("set its fields: scgikit explain %s lists them", field), "--set %q: it is a group of fields", field)
		}
	}
	return nil
}

// typeOf is the type of the app in a description.
var typeOf = regexp.MustCompile(`(?m)^type: (\w+)`)

// wrong is the error for answers that no description takes, or that of what is found.
func (i *interview) wrong(result *importer.Result) error {
	if len(result.Wrong) == 0 {
		for _, a := range result.Apps {
			if m := typeOf.FindStringSubmatch(a.Text); m != nil && i.from != "" {
				return i.wrongType(m[1], "that in "+i.from+" is of type "+m[1])
			}
		}
		return nil
	}
	for _, w := range result.Wrong[1:] {
		i.env.talk("%s: %s", called(w.Flag), w.Message)
	}
	w := result.Wrong[0]
	hint := w.Hint
	for _, q := range questions() {
		switch {
		case q.flag != w.Flag || hint != "":
		case q.flag == "targets":
			hint = "the targets are " + strings.Join(targetNames(), ", ")
		default:
			hint = "it takes " + q.takes()
		}
	}
	return usagef(hint, "%s: %s", called(w.Flag), w.Message)
}

// called is what a message calls an answer.
func called(flag string) string {
	if flag == "name" {
		return "NAME"
	}
	return "--" + flag
}

// generated returns what stands in the way of generating the app, by the code that
// generates it: problems of its targets, or of the project that it becomes a part of.
func (i *interview) generated(result *importer.Result) (diag.List, error) {
	name := i.file(result.Apps[0].Name)
	own := appfile.Source{Name: name, Data: []byte(result.Apps[0].Text)}
	loader := i.env.loader()
	loader.Sets, loader.Profile = nil, "" // they are in the description
	project, list := loader.Load(append(i.others(loader, name), own))
	if list.HasErrors() {
		return list, nil
	}
	app, _ := project.App(result.Apps[0].Name)
	targets := app.Targets
	if len(targets) == 0 {
		targets = i.env.settings.Targets
	}
	renderer := &generate.Renderer{}
	for _, word := range targets {
		t, ok := generate.Lookup(word)
		if !ok {
			return nil, fmt.Errorf("setting targets: %w", knownTarget(word))
		}
		apps := filterApps(project, func(a *appfile.App) bool {
			return a == app || sharesFiles(t) && slices.Contains(a.Targets, word) && t.Fits(a) == ""
		})
		_, problems := renderer.Render(t, project, apps)
		list = append(list, problems...)
	}
	list.Sort()
	return list, nil
}

// others returns the descriptions that are there already. Those that are wrong by
// themselves do not stand in the way of a new one.
func (i *interview) others(loader *appfile.Loader, but string) []appfile.Source {
	files, err := i.env.find(".")
	if err != nil {
		return nil
	}
	var all []appfile.Source
	for _, file := range files {
		if info, err := os.Stat(i.env.path(file)); file == but || err != nil || !info.Mode().IsRegular() || info.Size() > 1<<20 {
			continue
		}
		if data, err := os.ReadFile(i.env.path(file)); err == nil {
			all = append(all, appfile.Source{Name: file, Data: data})
		}
	}
	wrong := func(sources []appfile.Source) bool {
		_, list := loader.Load(sources)
		return list.HasErrors()
	}
	if wrong(all) {
		all = slices.DeleteFunc(all, func(s appfile.Source) bool { return wrong([]appfile.Source{s}) })
		if wrong(all) {
			return nil
		}
	}
	return all
}

// ports are those of the apps that are there already.
func (i *interview) ports() []int {
	if i.taken != nil {
		return i.taken
	}
	i.taken = []int{}
	loader := i.env.loader()
	loader.Sets, loader.Profile = nil, ""
	project, list := loader.Load(i.others(loader, i.file(i.name)))
	if list.HasErrors() {
		return i.taken
	}
	for _, a := range project.Apps {
		for _, b := range a.Backends() {
			i.taken = append(i.taken, b.Port)
		}
	}
	return i.taken
}

// refused is the error for what can not be generated: wrong usage where a flag is what
// to change.
func (i *interview) refused(list diag.List) error {
	var problems diag.List
	for _, p := range list {
		if p.Severity == diag.Error {
			problems = append(problems, p)
		}
	}
	p := lastError(problems)
	flag := ""
	for _, q := range questions() {
		if p.Code == "cannot-carry" && p.Path == q.field && i.flagged(q.flag) {
			flag = q.flag
		}
	}
	switch {
	case p.Path == "options.inetd":
		flag = "dialect"
	case p.Code == "wrong-target":
		flag = "targets"
	}
	if flag != "" && !i.flagged("targets") && flag == "targets" {
		flag = "" // the settings name them
	}
	if flag == "" {
		return &failure{code: exitInvalid, err: problems, hint: "nothing is written; flags and --set change what the description says"}
	}
	hint := p.Hint
	for _, q := range questions() {
		if q.flag == flag && flag == "dialect" {
			hint = "it takes " + q.takes()
		}
	}
	return &failure{code: exitUsage, err: errors.New("--" + flag + ": " + p.Message), hint: hint}
}
