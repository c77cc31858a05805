package importer

import (
	"cmp"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"scgikit/internal/printable"
)

// Project is the folder of a program, as people keep it in a repository: Read looks
// for what starts it. It is no Kind that Values lists, because it is no set-up.
const Project Kind = "project"

// Answer is what a person says about a field. It wins over what was read.
type Answer struct {
	Field string   // "run.user"; "listen" is an address as people write it
	Words []string // in the syntax of descriptions; one, where it is no list
	List  bool
	YAML  bool   // the word is YAML; null takes the field away
	Flag  string // where it comes from, for Wrong
}

// Wrong is an answer that no description takes.
type Wrong struct {
	Flag    string // of the Answer; "name" and "app" are those of Options
	Message string
	Hint    string
}

// New makes a description of nothing but answers. Options.Name is its name. Each
// answer that a description does not take is a note.
func New(shown string, o *Options) *Result {
	r := &reading{done: func() error { return nil }, kind: Project, base: ".", shown: shown, options: o, taken: make(map[string]bool), counted: make(map[string]int)}
	d := r.newDraft(o.Name, place{shown, 0})
	d.add()
	return r.settle()
}

// Choice is one of several apps in a folder.
type Choice struct {
	ID   string `json:"id"` // what Options.App takes
	Type string `json:"type"`
	File string `json:"file"` // and line
}

// projectApp is an app that was found in a folder.
type projectApp struct {
	Choice
	at    place
	group int // kinds of apps: what is found of the first is taken
	tier  int // the same within a group
	fill  func(d *draft) bool

	module string // of a callable
	said   string // with its module
}

// Groups of apps, the first before the others.
const (
	callables = iota
	cgitScript
	scripts
	processes
)

// project looks for what starts an app in a folder: Django, another WSGI callable, cgit, a
// folder of scripts, a Procfile. The first of these is taken, and the others named;
// which one of several is for Options.App to say.
func (r *reading) project() error {
	if !r.isDir {
		return fmt.Errorf("%s: is no folder", printable.Text(r.name(r.base)))
	}
	if why := carriable(r.base); why != "" {
		return fmt.Errorf("%s: the path %s", printable.Text(r.name(r.base)), why)
	}
	if _, err := r.entries(r.base); err != nil {
		return err
	}
	name := r.options.Name
	if name == "" {
		name = path.Base("/" + r.base)
	}
	python := &pythonFolder{r: r, modules: make(map[string]*pyModule)}
	var apps []projectApp
	asgi, reasons := r.lookForCallables(python, &apps)
	r.lookForScripts(&apps)
	r.lookForProcesses(&apps)
	if want := r.options.Type; want != "" {
		apps = slices.DeleteFunc(apps, func(a projectApp) bool { return a.Type != want })
		if want != "wsgi" && want != "server" {
			asgi = nil
		}
	}
	taken := r.choose(apps)
	switch {
	case taken != nil:
		d := r.newDraft(name, r.at(r.base, 0))
		if taken.fill(d) {
			d.add()
		}
		r.tellOthers(taken, apps, asgi)
	case len(r.choices) > 0 || len(r.wrong) > 0:
	case r.options.Type != "":
		r.ofAnswers(python, asgi, name)
	case len(asgi) > 0:
		python.refuseASGI(&asgi[0], name)
	default:
		r.notes = append(r.notes, reasons...)
		r.nothing(python)
	}
	return nil
}

// ofAnswers makes a description of a type that was asked for, of which nothing is found:
// the answers may say all that is needed.
func (r *reading) ofAnswers(p *pythonFolder, asgi []pyCandidate, name string) {
	module := r.saidModule()
	if i := slices.IndexFunc(asgi, func(c pyCandidate) bool { return c.m.dotted() == module }); i >= 0 {
		asgi, module = asgi[i:], ""
	}
	if len(asgi) > 0 && module == "" && r.answerOf("run.command") == "" {
		p.refuseASGI(&asgi[0], name)
		return
	}
	d := r.newDraft(name, r.at(r.base, 0))
	switch r.options.Type {
	case "wsgi":
		root := r.base
		if m := p.module(&pyModule{root: r.base}, module); m != nil {
			root = m.root
		} else if module != "" {
			d.assume(d.at, "", "it has to be installed for the Python that runs the app", "there is no module %s in the folder", module)
		}
		d.text("run.directory", path.Join("/", root), d.at)
		d.words("wsgi.path", []string{path.Join("/", root)}, d.at)
		p.environment(d, root)
	case "server":
		d.text("run.directory", path.Join("/", r.base), d.at)
	}
	d.add()
}

// choose returns the app that is taken, or nil: then the choices are set, or there is
// none.
func (r *reading) choose(apps []projectApp) *projectApp {
	if want := r.options.App; want != "" {
		for i := range apps {
			if apps[i].ID == want || apps[i].said == want {
				return &apps[i]
			}
		}
		hint := "nothing is found there"
		if r.options.Type != "" {
			hint = "nothing of type " + r.options.Type + " is found there"
		}
		if len(apps) > 0 {
			var known []string
			for _, a := range apps {
				known = append(known, a.ID)
			}
			hint = "there is: " + strings.Join(known, ", ")
		}
		r.wrong = append(r.wrong, Wrong{Flag: "app", Message: fmt.Sprintf("there is no app %q", want), Hint: printable.Text(hint)})
		return nil
	}
	if module := r.saidModule(); module != "" {
		if i := slices.IndexFunc(apps, func(a projectApp) bool { return a.module == module }); i >= 0 {
			return &apps[i]
		}
		return nil
	}
	if len(apps) == 0 {
		return nil
	}
	slices.SortStableFunc(apps, func(a, b projectApp) int { return cmp.Or(a.group-b.group, a.tier-b.tier) })
	best := slices.DeleteFunc(slices.Clone(apps), func(a projectApp) bool { return a.group != apps[0].group || a.tier != apps[0].tier })
	if len(best) == 1 {
		return &apps[0]
	}
	for _, a := range best {
		r.choices = append(r.choices, a.Choice)
	}
	return nil
}

// tellOthers names what was found besides.
func (r *reading) tellOthers(taken *projectApp, apps []projectApp, asgi []pyCandidate) {
	const most = 10
	for i, a := range slices.DeleteFunc(slices.Clone(apps), func(a projectApp) bool { return a.ID == taken.ID }) {
		if i == most {
			r.skip(r.at(r.base, 0), "%d more apps are there", len(apps)-1-most)
			break
		}
		r.note(Skipped, a.at, "", "", "--app "+a.ID+" takes this one", "%s was taken", taken.ID)
	}
	for i := range asgi {
		r.skip(asgi[i].at, "%s is an ASGI app; %s was taken", asgi[i].said(), taken.ID)
	}
}

// nothing says what a folder lacks, and what is there and not enough.
func (r *reading) nothing(p *pythonFolder) {
	there := func(name string) bool { return r.exists(path.Join(r.base, name)) }
	var lacks []string
	if !slices.ContainsFunc(p.files(), func(file string) bool { return path.Base(file) == "manage.py" }) {
		lacks = append(lacks, "no manage.py")
	}
	lacks = append(lacks, "no module with a WSGI callable")
	for _, name := range []string{"cgit.cgi", "cgi-bin"} {
		if !there(name) {
			lacks = append(lacks, "no "+name)
		} else {
			r.note(Skipped, r.at(path.Join(r.base, name), 0), "", "", "chmod +x makes a file one that may be executed", "there is no program in it that may be executed")
		}
	}
	if there("Procfile") {
		notes := len(r.notes)
		if err := r.procfile(); err != nil {
			at := r.at(path.Join(r.base, "Procfile"), 0)
			r.skip(at, "%s", strings.TrimPrefix(err.Error(), printable.Text(at.file)+": "))
		} else if len(r.notes) == notes {
			r.skip(r.at(path.Join(r.base, "Procfile"), 0), "names no process")
		}
	} else {
		lacks = append(lacks, "no Procfile")
	}
	last := len(lacks) - 1
	r.lacks = strings.Join(lacks[:last], ", ") + " and " + lacks[last]
	if names, err := r.entries(r.base); err == nil {
		for _, name := range names {
			if path.Ext(name) == ".wsgi" {
				r.note(Skipped, r.at(path.Join(r.base, name), 0), "", "", "a copy or link that is called wsgi.py is one", "a script of mod_wsgi is no module that can be imported")
			}
		}
	}
	r.tellAbove()
	for _, file := range p.files() {
		m := p.open(file)
		if m == nil {
			continue
		}
		if base := path.Base(file); base == "wsgi.py" || base == "app.py" && path.Dir(file) == r.base {
			r.note(Skipped, r.at(file, 0), "", "", "--module names another one", "it binds no callable to the name application or app")
		}
		for _, name := range m.order {
			if n := m.names[name]; n.how == pyFunction && (name == "create_app" || name == "make_app") {
				r.note(Skipped, r.at(file, n.line), "", "",
					fmt.Sprintf("write a wsgi.py: from %s import %s; application = %s()", m.dotted(), name, name), "%s makes an app, and no module calls it", name)
			}
		}
	}
}

// tellAbove names a folder above that looks like the one that was meant.
func (r *reading) tellAbove() {
	dir := r.base
	for range 3 {
		if dir = path.Dir(dir); dir == "." {
			return
		}
		for _, name := range []string{"manage.py", "wsgi.py", "Procfile"} {
			if r.exists(path.Join(dir, name)) {
				r.note(Skipped, r.at(path.Join(dir, name), 0), "", "", "--from "+path.Join("/", dir)+" looks there", "it stands above the folder")
				return
			}
		}
	}
}

// lookForScripts finds cgit, and a folder of CGI programs.
func (r *reading) lookForScripts(apps *[]projectApp) {
	for _, kind := range []struct {
		id    string
		group int
		read  func(d *draft) bool
	}{{"cgit.cgi", cgitScript, (*draft).cgit}, {"cgi-bin/", scripts, (*draft).cgiBin}} {
		probe := &draft{r: r, name: "x", at: r.at(r.base, 0), values: make(map[string]value)}
		notes := len(r.notes)
		found := kind.read(probe)
		r.notes = r.notes[:notes]
		if !found {
			continue
		}
		at, id := probe.values["cgi.script"].at, kind.id
		if kind.group == scripts {
			at = probe.values["cgi.directory"].at
			if probe.first("cgi.directory") == literal(path.Join("/", r.base))+"/" {
				id = "./"
			}
		}
		*apps = append(*apps, projectApp{Choice: Choice{id, "cgi", at.String()}, at: at, group: kind.group, fill: kind.read})
	}
}

// lookForProcesses finds what a Procfile starts for requests.
func (r *reading) lookForProcesses(apps *[]projectApp) {
	file := path.Join(r.base, "Procfile")
	if info, err := fs.Stat(r.fsys, file); err != nil || !info.Mode().IsRegular() {
		return
	}
	text, ok := r.optional(file)
	if !ok {
		return
	}
	for i, line := range lines(text) {
		m := processLine.FindStringSubmatch(line)
		if m == nil || m[1] != "web" && !portUse.MatchString(m[2]) {
			continue
		}
		at, tier := r.at(file, i+1), 1
		if m[1] == "web" {
			tier = 0
		}
		id := "Procfile:" + m[1]
		if slices.ContainsFunc(*apps, func(a projectApp) bool { return a.ID == id }) {
			id += ":" + strconv.Itoa(i+1) // a name that is there twice, of which foreman starts both
		}
		*apps = append(*apps, projectApp{Choice: Choice{id, "server", at.String()}, at: at, group: processes, tier: tier, fill: func(*draft) bool {
			r.process = i + 1
			if err := r.procfile(); err != nil {
				r.refuse(at, "", "", "%s", err)
			}
			return false // it makes a draft of its own
		}})
	}
}

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
