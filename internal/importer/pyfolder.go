package importer

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// pythonFolder is the modules of a project, as far as they have been read.
type pythonFolder struct {
	r       *reading
	modules map[string]*pyModule // by file; nil for one that can not be read
	read    int
	steps   int // names that were followed for one

	list   []string // of files
	listed bool
}

// Limits of what is looked through in a project.
const (
	maxPyLevels  = 4   // of folders
	maxPyModules = 300 // that are read
	maxPyEntries = 3000
	maxPyNames   = 100 // of one module that are looked at besides the usual ones
)

// usualModules are where a callable is by custom. In them, and in the folder itself,
// it is looked for.
var usualModules = []string{"wsgi.py", "asgi.py", "app.py", "application.py", "main.py", "server.py", "run.py", "manage.py", "__init__.py"}

// notOfProject are folders that hold what is no part of the program.
var notOfProject = []string{
	"node_modules", "site-packages", "venv", "env", "virtualenv", "tests", "test", "testing", "docs", "doc", "examples", "build", "dist",
	"migrations", "static", "media", "templates", "__pycache__", "vendor",
}

// files lists the modules of the folder that may hold a callable, sorted, those that
// are nearest first. Links to folders are not followed.
func (p *pythonFolder) files() []string {
	if !p.listed {
		p.list, p.listed = p.walk(), true
	}
	return p.list
}

func (p *pythonFolder) walk() []string {
	var out []string
	entries := 0
	level := []string{p.r.base}
	for depth := 0; len(level) > 0 && depth < maxPyLevels; depth++ {
		var next []string
		for _, dir := range level {
			list, err := fs.ReadDir(p.r.fsys, dir)
			if err != nil {
				if dir != p.r.base {
					p.r.note(Lost, p.r.at(dir, 0), "", "", "", "can not be looked through: %s", bare(err))
				}
				continue
			}
			for _, e := range list {
				name := e.Name()
				if entries++; entries > maxPyEntries {
					p.r.note(Lost, p.r.at(dir, 0), "", "", "name a folder that holds less", "more than %d files; the rest is not looked at", maxPyEntries)
					return out
				}
				stem, isModule := strings.CutSuffix(name, ".py")
				file := path.Join(dir, name)
				switch {
				case e.IsDir():
					if name[0] != '.' && !slices.Contains(notOfProject, name) && carriable(name) == "" && !p.r.exists(path.Join(file, "pyvenv.cfg")) {
						next = append(next, file)
					}
				case !pythonName.MatchString(stem):
				case isModule && (slices.Contains(usualModules, name) || depth == 0 || path.Base(dir) == "src" && depth == 1):
					if !strings.HasPrefix(name, "test_") && name != "conftest.py" && name != "setup.py" {
						out = append(out, file)
					}
				}
			}
		}
		level = next
	}
	return out
}

// bare is the cause of an error, without the path.
func bare(err error) error {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		return pe.Err
	}
	return err
}

// open reads a module, once.
func (p *pythonFolder) open(file string) *pyModule {
	if m, ok := p.modules[file]; ok {
		return m
	}
	p.modules[file] = nil
	info, err := fs.Stat(p.r.fsys, file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) && slices.Contains(usualModules, path.Base(file)) {
		p.r.note(Lost, p.r.at(file, 0), "", "", "", "can not be read: %s", bare(err))
	}
	if err != nil || info.IsDir() || p.read >= maxPyModules {
		return nil
	}
	if !info.Mode().IsRegular() {
		p.r.note(Skipped, p.r.at(file, 0), "", "", "", "is no regular file")
		return nil
	}
	p.read++
	notes := len(p.r.notes)
	text, ok := p.r.optional(file)
	if !ok {
		if !slices.Contains(usualModules, path.Base(file)) {
			p.r.notes = p.r.notes[:notes] // tables of data are nobody's app
		}
		return nil
	}
	statements := pyStatements(text)
	m := &pyModule{file: file, pyScope: pyBindings(statements), django: djangoSettingsOf(statements)}
	p.modules[file] = m
	m.root = p.rootOf(m)
	return m
}

// rootOf returns the folder that the name of a module begins in: that above its
// packages. A folder without __init__.py is a package as well, unless the module
// imports what stands beside it, or it is called src.
func (p *pythonFolder) rootOf(m *pyModule) string {
	dir := path.Dir(m.file)
	for p.r.exists(path.Join(dir, "__init__.py")) && dir != "." && pythonName.MatchString(path.Base(dir)) {
		dir = path.Dir(dir)
	}
	if dir == p.r.base || !strings.HasPrefix(dir, p.r.base+"/") && p.r.base != "." {
		return dir
	}
	if p.r.exists(path.Join(dir, "manage.py")) {
		return dir
	}
	for _, name := range m.order {
		n := m.names[name]
		if n.how != pyImported || strings.HasPrefix(n.module, ".") {
			continue
		}
		first, _, _ := strings.Cut(n.module, ".")
		if p.has(dir, first) && !p.has(p.r.base, first) {
			return dir
		}
	}
	for below := dir; below != p.r.base && below != "."; below = path.Dir(below) {
		if path.Base(below) == "src" || !pythonName.MatchString(path.Base(below)) {
			return below
		}
	}
	return p.r.base
}

// has reports whether a folder holds a module or a package.
func (p *pythonFolder) has(dir, name string) bool {
	info, err := fs.Stat(p.r.fsys, path.Join(dir, name))
	return err == nil && info.IsDir() || p.r.exists(path.Join(dir, name+".py"))
}

// module returns a module of the project by its name as another module imports it,
// or nil.
func (p *pythonFolder) module(from *pyModule, name string) *pyModule {
	rest := strings.TrimLeft(name, ".")
	dirs := []string{from.root, p.r.base, path.Join(p.r.base, "src")}
	if dots := len(name) - len(rest); dots > 0 {
		dir := path.Dir(from.file)
		for ; dots > 1; dots-- {
			dir = path.Dir(dir)
		}
		dirs = []string{dir}
	}
	for _, dir := range dirs {
		file := path.Join(dir, strings.ReplaceAll(rest, ".", "/"))
		for _, end := range []string{".py", "/__init__.py"} {
			if rest == "" && end == ".py" {
				continue
			}
			if m := p.open(file + end); m != nil {
				return m
			}
		}
	}
	return nil
}

// roots returns the entries of sys.path that a module and those that it imports need:
// the folder that its name begins in, and the folder of the project or its src where
// something is imported from there.
func (p *pythonFolder) roots(m *pyModule) []string {
	roots := []string{m.root}
	seen := []*pyModule{m}
	for i := 0; i < len(seen) && i < maxPyStars; i++ {
		from := seen[i]
		imported := slices.Clone(from.stars)
		for _, name := range from.order {
			if n := from.names[name]; n.how == pyImported {
				imported = append(imported, n.module)
			}
		}
		for _, name := range imported {
			if to := p.module(from, name); to != nil && !slices.Contains(seen, to) {
				seen = append(seen, to)
			}
			first, _, _ := strings.Cut(name, ".")
			if first == "" || slices.ContainsFunc(roots, func(root string) bool { return p.has(root, first) }) {
				continue
			}
			for _, dir := range []string{p.r.base, path.Join(p.r.base, "src")} {
				if p.has(dir, first) {
					roots = append(roots, dir)
					break
				}
			}
		}
	}
	for i := range roots {
		roots[i] = path.Join("/", roots[i])
	}
	return roots
}

// dotted is the name of a module, as it is imported from its root; "" where it has
// none.
func (m *pyModule) dotted() string {
	name := strings.TrimPrefix(strings.TrimSuffix(m.file, ".py"), m.root+"/")
	name = strings.TrimSuffix(name, "/__init__")
	for step := range strings.SplitSeq(name, "/") {
		if !pythonName.MatchString(step) {
			return ""
		}
	}
	return strings.ReplaceAll(name, "/", ".")
}

// pyCandidate is a callable that may be the app.
type pyCandidate struct {
	m    *pyModule
	name string
	pyVerdict
	tier int // less is better
}

// candidates returns the callables of the folder. Names that stand for one and the
// same are one.
func (p *pythonFolder) candidates() []pyCandidate {
	var all []pyCandidate
	for _, file := range p.files() {
		if m := p.open(file); m != nil && m.dotted() != "" {
			if c, ok := p.candidate(m); ok {
				all = append(all, c)
			}
		}
	}
	slices.SortStableFunc(all, func(a, b pyCandidate) int { return a.tier - b.tier })
	var out []pyCandidate
	for _, c := range all {
		if !slices.ContainsFunc(out, func(o pyCandidate) bool { return o.target == c.target }) {
			out = append(out, c)
		}
	}
	return out
}

// candidate returns the callable of one module: one of the usual names before another,
// and what is sure before what is not.
func (p *pythonFolder) candidate(m *pyModule) (pyCandidate, bool) {
	names := []string{"application", "app"}
	for _, name := range m.order {
		if len(names) > maxPyNames {
			break
		}
		if n := m.names[name]; !slices.Contains(names, name) && n.how == pyAssigned && (strings.Contains(n.text, "(") || strings.HasSuffix(n.text, ".server")) {
			names = append(names, name)
		}
	}
	best := pyCandidate{tier: -1}
	for i, name := range names {
		p.steps = 0
		v := p.verdict(m, name, 0)
		usual := i < 2
		if v.kind == noApp || !usual && !v.strong || m.names[name] == nil && len(m.stars) == 0 {
			continue
		}
		c := pyCandidate{m: m, name: name, pyVerdict: v, tier: p.tier(m, usual, v.kind)}
		if n := m.names[name]; n != nil && n.how == pyImported && slices.Contains([]string{"run.py", "server.py", "main.py"}, path.Base(m.file)) {
			c.tier += 6 // what starts a server of its own; the module that makes the app does not
		}
		if c.kind == unknown && path.Base(m.file) == "asgi.py" {
			c.kind = asgiApp
			c.why += ", in asgi.py"
		}
		if best.tier < 0 || c.tier < best.tier {
			best = c
		}
	}
	return best, best.tier >= 0
}

func (p *pythonFolder) tier(m *pyModule, usual bool, kind interfaceKind) int {
	file, tier := path.Base(m.file), 3
	switch {
	case file == "wsgi.py" && (usual || kind != unknown):
		tier = 0
	case file == "manage.py":
		tier = 4
	case slices.Contains(usualModules, file) && usual:
		tier = 1
	case kind != unknown:
		tier = 2
	}
	tier *= 2
	if path.Dir(m.file) != p.r.base && path.Dir(m.file) != path.Join(p.r.base, "src") {
		tier++
	}
	return tier
}

// said is what a message calls the callable.
func (c *pyCandidate) said() string { return fmt.Sprintf("%s:%s", c.m.dotted(), c.name) }
