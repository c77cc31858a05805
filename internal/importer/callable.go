package importer

import (
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"

	"scgikit/internal/printable"
)

// settingsModule is a module of settings of Django, and the line that names it.
type settingsModule struct {
	name string
	line int
}

// namesSettings is how manage.py and wsgi.py name it, in the form of statements.
var namesSettings = regexp.MustCompile(`'DJANGO_SETTINGS_MODULE'(?: *,| *\] *=).*?'([A-Za-z_][\w.]*)'`)

func djangoSettingsOf(list []pyStatement) settingsModule {
	for i := range list {
		if m := namesSettings.FindStringSubmatch(list[i].text); m != nil {
			return settingsModule{m[1], list[i].line}
		}
	}
	return settingsModule{}
}

// lookForCallables finds the WSGI callables of a folder. It returns the ASGI apps, and
// notes for where there is nothing else: what makes a manage.py useless.
func (r *reading) lookForCallables(p *pythonFolder, apps *[]projectApp) (asgi []pyCandidate, reasons []Note) {
	django := make(map[string]bool) // targets
	add := func(c pyCandidate, settings settingsModule, manage string) {
		file := strings.TrimPrefix(c.m.file, r.base+"/")
		at := r.at(c.m.file, c.at.line)
		if n := c.m.names[c.name]; n != nil {
			at.line = n.line
		}
		*apps = append(*apps, projectApp{
			Choice: Choice{file + ":" + c.name, "wsgi", at.String()}, at: at, group: callables, tier: c.tier, module: c.m.dotted(), said: c.said(),
			fill: func(d *draft) bool { return p.callable(d, &c, at, settings, manage) },
		})
	}
	for _, file := range p.files() {
		if path.Base(file) != "manage.py" {
			continue
		}
		manage := p.open(file)
		if manage == nil {
			continue
		}
		c, why, hint := p.django(manage)
		if why != "" {
			notes := len(r.notes)
			r.note(Skipped, r.at(file, manage.django.line), "", "", hint, "%s", why)
			reasons = append(reasons, r.notes[notes:]...)
			r.notes = r.notes[:notes]
			continue
		}
		if c.tier = -2; path.Dir(file) != r.base {
			c.tier = -1
		}
		if !django[c.target] {
			django[c.target] = true
			add(c, manage.django, file)
		}
	}
	for _, c := range p.candidates() {
		switch {
		case c.kind == asgiApp:
			asgi = append(asgi, c)
		case !django[c.target]:
			add(c, settingsModule{}, "")
		}
	}
	return asgi, reasons
}

// django finds the callable of a manage.py: that which the settings name, or that of
// a package above them. Settings are PACKAGE.settings, or PACKAGE.settings.production.
func (p *pythonFolder) django(manage *pyModule) (c pyCandidate, why, hint string) {
	settings := manage.django.name
	if settings == "" {
		return c, "it names no module of settings", "os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'PACKAGE.settings') names it"
	}
	tried := []string{}
	if m := p.module(manage, settings); m != nil {
		if named := strings.Trim(p.setting(m, "WSGI_APPLICATION", 0), "'"); strings.Contains(named, ".") {
			cut := strings.LastIndexByte(named, '.')
			tried = append(tried, named[:cut]+":"+named[cut+1:])
		}
	}
	for parent := settings; strings.Contains(parent, "."); {
		parent = parent[:strings.LastIndexByte(parent, '.')]
		tried = append(tried, parent+".wsgi:application")
	}
	for _, name := range append(tried, "wsgi:application") {
		module, callable, _ := strings.Cut(name, ":")
		m := p.module(manage, module)
		if m == nil {
			continue
		}
		p.steps = 0
		if v := p.verdict(m, callable, 0); v.kind == wsgiApp || v.kind == unknown {
			m.root = path.Dir(manage.file)
			return pyCandidate{m: m, name: callable, pyVerdict: v}, "", ""
		}
	}
	if len(tried) == 0 {
		tried = append(tried, "wsgi:application")
	}
	module, _, _ := strings.Cut(tried[0], ":")
	return c, fmt.Sprintf("the settings are %s, and there is no %s", settings, tried[0]),
		fmt.Sprintf("write %s.py: from django.core.wsgi import get_wsgi_application; application = get_wsgi_application()", strings.ReplaceAll(module, ".", "/"))
}

// setting returns the text of a name in settings, those that they begin with included.
func (p *pythonFolder) setting(m *pyModule, name string, depth int) string {
	if n := m.names[name]; n != nil {
		return n.text
	}
	for _, star := range m.stars {
		if from := p.module(m, star); from != nil && depth < maxPyDepth {
			if text := p.setting(from, name, depth+1); text != "" {
				return text
			}
		}
	}
	return ""
}

// callable sets a WSGI callable.
func (p *pythonFolder) callable(d *draft, c *pyCandidate, at place, settings settingsModule, manage string) bool {
	whole := path.Join("/", c.m.root)
	d.text("type", "wsgi", at)
	d.text("wsgi.module", c.said(), at)
	d.words("wsgi.path", p.roots(c.m), d.at)
	d.text("run.directory", whole, d.at)
	if c.kind == unknown {
		d.assume(at, "wsgi.module", "--module names another one", "%s is taken for a WSGI callable: %s", c.name, c.why)
	}
	if serves := c.m.serves; serves.line > 0 {
		d.assume(d.r.at(c.m.file, serves.line), "", "put it below: if __name__ == '__main__'", "%s is called when the module is imported, and does not come back", serves.text)
	}
	if settings.name != "" && c.m.django.name == "" {
		said := d.r.at(manage, settings.line)
		d.env("DJANGO_SETTINGS_MODULE", settings.name, said)
		d.assume(said, "run.env.DJANGO_SETTINGS_MODULE", "", "%s names no settings: those of manage.py are taken", path.Base(c.m.file))
	} else if settings.name != "" && c.m.django.name != settings.name {
		d.note(Assumed, d.r.at(c.m.file, c.m.django.line), "", "run.env.DJANGO_SETTINGS_MODULE names others", "the settings are %s, and not %s as for manage.py", c.m.django.name, settings.name)
	}
	p.environment(d, c.m.root)
	for _, folder := range []string{"static", "public"} {
		static := path.Join(c.m.root, folder)
		if info, err := fs.Stat(d.r.fsys, static); err == nil && info.IsDir() {
			d.note(Assumed, d.r.at(static, 0), "http.static", "http.static: [{url: …, dir: "+path.Join("/", static)+"/}] has the web server send them",
				"it looks like static files, and the program is left to send them")
		}
	}
	return true
}

// environments are where a virtual environment is by custom.
var environments = []string{".venv", "venv", "env", "virtualenv"}

// environment takes the Python of a virtual environment in the folder of the program,
// or in the one that was named. Without one, packages that the project asks for have
// to be those of the system.
func (p *pythonFolder) environment(d *draft, root string) {
	r := p.r
	folders := []string{root}
	if root != r.base {
		folders = append(folders, r.base)
	}
	for _, folder := range folders {
		names := environments
		if list, err := r.entries(folder); err == nil {
			for _, name := range list {
				if r.exists(path.Join(folder, name, "pyvenv.cfg")) {
					names = append(slices.Clip(names), name)
				}
			}
		}
		for _, name := range names {
			bin := path.Join(folder, name, "bin")
			for _, program := range []string{"python3", "python"} {
				if d.runs(path.Join(bin, program)) {
					d.text("wsgi.python", path.Join("/", bin, program), r.at(path.Join(bin, program), 0))
					return
				}
			}
			if r.exists(path.Join(folder, name, "pyvenv.cfg")) {
				d.assume(r.at(path.Join(folder, name), 0), "wsgi.python", "--python names it", "the virtual environment has no python3 that runs here, so that of the system is taken")
				return
			}
		}
	}
	for _, folder := range folders {
		for _, list := range []string{"requirements.txt", "pyproject.toml", "Pipfile"} {
			if file := path.Join(folder, list); r.exists(file) {
				d.assume(r.at(file, 0), "wsgi.python", "--python names the python3 of a virtual environment",
					"no virtual environment is in the folder: the packages have to be those of the system")
				return
			}
		}
	}
}

// refuseASGI says how an ASGI app is run: by a server of its own.
func (p *pythonFolder) refuseASGI(c *pyCandidate, name string) {
	root := path.Join("/", c.m.root)
	server := "/usr/bin/env uvicorn"
	for _, dir := range environments {
		if file := path.Join(c.m.root, dir, "bin/uvicorn"); (&draft{r: p.r}).runs(file) {
			server = shellWordOf(path.Join("/", file))
		}
	}
	command := server + " " + c.said() + " --host 127.0.0.1 --port ${port}"
	p.r.refuse(c.at, "", fmt.Sprintf("scgikit init %s --type server --protocol http --mount / --directory %s --command %s", mendedName(name), shellWordOf(root), shellWordOf(command)),
		"%s is an ASGI app (%s), which no bridge calls: an ASGI server runs it, with protocol: http, run.directory: %s and run.command: [%s]",
		c.said(), c.why, printable.Text(root), strings.ReplaceAll(command, " ", ", "))
}

// shellWordOf writes a word for a shell, in quotes where it needs them.
func shellWordOf(s string) string {
	if regexp.MustCompile(`^[A-Za-z0-9_./:@%+=,-]+$`).MatchString(s) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
