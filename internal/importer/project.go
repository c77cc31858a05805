package importer

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"

	"scgikit/internal/printable"
)

// Project is the folder of a program, as people keep it in a repository: Read looks
// for what starts it. It is no Kind that Values lists, because it is no set-up.
const Project Kind = "project"

// Answer is what a person says about a field. It wins over what was read.
type Answer struct {
	Field string   // "run.user"
	Words []string // in the syntax of descriptions; one, where it is no list
	List  bool
}

// New makes a description of nothing but answers. Options.Name is its name. Each
// answer that a description does not take is a note.
func New(shown string, o *Options) *Result {
	r := &reading{done: func() error { return nil }, kind: Project, base: ".", shown: shown, options: o, taken: make(map[string]bool), counted: make(map[string]int)}
	d := r.newDraft(o.Name, place{shown, 0})
	d.add()
	return r.settle()
}

// project looks for a program in a folder: Django, another WSGI callable, cgit, a
// folder of scripts, a Procfile. The first of these is taken, and the others named.
func (r *reading) project() error {
	if !r.isDir {
		return fmt.Errorf("%s: is no folder", printable.Text(r.name(r.base)))
	}
	name := r.options.Name
	if name == "" {
		name = path.Base("/" + r.base)
	}
	var found []string
	for _, kind := range []struct {
		file string // what is looked for, as messages call it
		read func(d *draft) bool
	}{
		{"manage.py", (*draft).django},
		{"wsgi.py", (*draft).wsgi},
		{"cgit.cgi", (*draft).cgit},
		{"cgi-bin/", (*draft).cgiBin},
	} {
		probe := &draft{r: r, name: name, at: r.at(r.base, 0), values: make(map[string]value)}
		notes := len(r.notes)
		if !kind.read(probe) {
			continue
		}
		r.notes = r.notes[:notes]
		if found = append(found, kind.file); len(found) > 1 {
			r.skip(r.at(r.base, 0), "%s is there as well; %s was taken", kind.file, found[0])
			continue
		}
		d := r.newDraft(name, r.at(r.base, 0))
		kind.read(d)
		d.add()
	}
	if !r.exists(path.Join(r.base, "Procfile")) {
		return nil
	}
	if len(found) == 0 {
		return r.procfile()
	}
	r.skip(r.at(path.Join(r.base, "Procfile"), 0), "%s was taken; scgikit import procfile reads this one", found[0])
	return nil
}

// file returns a path of the project, and its text where it is there.
func (d *draft) file(name string) (text string, at place, ok bool) {
	file := path.Join(d.r.base, name)
	if info, err := fs.Stat(d.r.fsys, file); err != nil || !info.Mode().IsRegular() {
		return "", place{}, false
	}
	text, ok = d.r.optional(file)
	return text, d.r.at(file, 0), ok
}

// callable sets a WSGI callable whose module is looked for in the folder.
func (d *draft) callable(module string, at place) {
	whole := path.Join("/", d.r.base)
	d.text("type", "wsgi", at)
	d.text("wsgi.module", module, at)
	d.words("wsgi.path", []string{whole}, d.at)
	d.text("run.directory", whole, d.at)
	for _, python := range []string{".venv/bin/python3", "venv/bin/python3", "env/bin/python3"} {
		if d.r.exists(path.Join(d.r.base, python)) {
			d.text("wsgi.python", path.Join(whole, python), d.r.at(path.Join(d.r.base, python), 0))
			break
		}
	}
	for _, folder := range []string{"static", "public"} {
		if info, err := fs.Stat(d.r.fsys, path.Join(d.r.base, folder)); err == nil && info.IsDir() {
			d.note(Assumed, d.r.at(path.Join(d.r.base, folder), 0), "http.static", "http.static: [{url: …, dir: "+path.Join(whole, folder)+"/}] has the web server send them",
				"it looks like static files, and the program is left to send them")
		}
	}
}

// djangoSettings is how manage.py names the module of the settings.
var djangoSettings = regexp.MustCompile(`['"]DJANGO_SETTINGS_MODULE['"]\s*,\s*['"]([A-Za-z_][A-Za-z0-9_.]*)['"]`)

// django reads manage.py.
func (d *draft) django() bool {
	text, at, ok := d.file("manage.py")
	if !ok {
		return false
	}
	m := djangoSettings.FindStringSubmatch(text)
	if m == nil {
		return false
	}
	// Settings are PACKAGE.settings, or PACKAGE.settings.production.
	for parent := m[1]; strings.Contains(parent, "."); {
		parent = parent[:strings.LastIndexByte(parent, '.')]
		if _, _, ok := d.file(strings.ReplaceAll(parent, ".", "/") + "/wsgi.py"); ok {
			d.callable(parent+".wsgi:application", at)
			return true
		}
	}
	return false
}

// wsgiCallable is where a module makes its callable, which is called application by
// the specification and app by custom.
var wsgiCallable = regexp.MustCompile(`(?m)^(?:def\s+(application|app)\s*\(|(application|app)\s*(?::[^=\n]+)?=[^=])`)

// wsgi looks for a module with a callable: in the folder, first those with the usual
// names, and in packages of it.
func (d *draft) wsgi() bool {
	modules := []string{"wsgi.py", "app.py", "application.py", "main.py"}
	entries, err := d.r.entries(d.r.base)
	if err != nil {
		return false
	}
	for _, entry := range entries {
		info, err := fs.Stat(d.r.fsys, path.Join(d.r.base, entry))
		stem, isPython := strings.CutSuffix(entry, ".py")
		switch {
		case err != nil || !pythonName.MatchString(stem):
		case info.IsDir() && !isPython:
			modules = append(modules, entry+"/wsgi.py")
		case isPython && !slices.Contains(modules, entry):
			modules = append(modules, entry)
		}
	}
	for _, module := range modules {
		text, at, ok := d.file(module)
		if !ok {
			continue
		}
		if m := wsgiCallable.FindStringSubmatch(text); m != nil {
			name := strings.ReplaceAll(strings.TrimSuffix(module, ".py"), "/", ".")
			d.callable(name+":"+m[1]+m[2], at)
			return true
		}
	}
	return false
}

var pythonName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// cgit finds cgit.cgi, and the configuration beside it.
func (d *draft) cgit() bool {
	file := path.Join(d.r.base, "cgit.cgi")
	if !d.runs(file) {
		return false
	}
	d.text("type", "cgi", d.at)
	d.text("cgi.script", "/"+file, d.r.at(file, 0))
	if config := path.Join(d.r.base, "cgitrc"); d.r.exists(config) {
		d.env("CGIT_CONFIG", "/"+config, d.r.at(config, 0))
	}
	return true
}

// cgiBin finds a folder of CGI programs: cgi-bin, or the folder itself.
func (d *draft) cgiBin() bool {
	for _, dir := range []string{path.Join(d.r.base, "cgi-bin"), d.r.base} {
		entries, err := d.r.entries(dir)
		if err != nil {
			continue
		}
		itself := dir == d.r.base && path.Base(dir) != "cgi-bin"
		if slices.ContainsFunc(entries, func(name string) bool {
			return (!itself || path.Ext(name) == ".cgi") && d.runs(path.Join(dir, name))
		}) {
			d.text("type", "cgi", d.at)
			d.text("cgi.directory", path.Join("/", dir)+"/", d.r.at(dir, 0))
			return true
		}
	}
	return false
}

// runs reports whether a file is a program.
func (d *draft) runs(file string) bool {
	info, err := fs.Stat(d.r.fsys, file)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

// placeholderUser is who runs a program of which nobody has said it.
const placeholderUser = "www-data"

// answer puts the answers into a draft, and what nobody has said and every
// description needs.
func (d *draft) answer() {
	if d.r.kind != Project {
		return
	}
	for _, a := range d.r.options.Answers {
		for _, other := range alternatives[a.Field] {
			delete(d.values, other)
		}
		if a.List {
			d.rawWords(a.Field, a.Words, d.at)
		} else {
			d.raw(a.Field, a.Words[0], d.at)
		}
	}
	if !d.has("run.user") && d.r.choice(d.r.options.Users, d.name) == "" {
		d.text("run.user", placeholderUser, d.at)
		d.assume(d.at, "run.user", "--user names it", "nothing says who runs it: %s is a placeholder", placeholderUser)
	}
}

// alternatives are the fields that a field takes the place of.
var alternatives = map[string][]string{
	"cgi.script":    {"cgi.directory"},
	"cgi.directory": {"cgi.script"},
}

// descriptionVariable is a variable of descriptions.
var descriptionVariable = regexp.MustCompile(`\$\{([a-z][A-Za-z0-9_.]*)\}`)

// Words cuts a line into words as a shell does, quotes taken away, and returns them in
// the syntax of descriptions: ${port} and the other variables stay, and another dollar
// sign is doubled. What a shell would put something in the place of is an error.
func Words(line string) ([]string, error) {
	const before, after = "\ue000", "\ue001" // in no line that somebody types
	commands, failure := splitShell(descriptionVariable.ReplaceAllString(line, before+"$1"+after))
	switch {
	case failure != nil:
		return nil, errors.New(failure.what)
	case len(commands) == 0:
		return nil, nil
	case len(commands) > 1 || commands[0].end != "" || len(commands[0].redirects) > 0:
		return nil, errors.New("it is more than one command; put the words in quotes that are for the program")
	}
	words, open := closed(commands[0].words)
	if open != nil {
		return nil, fmt.Errorf("a shell would put something else in the place of %s; put it in single quotes", open.raw)
	}
	for i := range words {
		words[i] = strings.NewReplacer(before, "${", after, "}").Replace(literal(words[i]))
	}
	return words, nil
}
