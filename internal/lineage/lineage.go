// Package lineage tells which fields of a description are behind a line of a
// generated file.
//
// It renders the target again and again, each time with one value of the
// description changed, and looks which lines change with it. So it knows as much
// as the generator itself, of every target, and nothing has to be kept in step.
package lineage

import (
	"cmp"
	"slices"
	"strings"

	"scgikit/generate"
	"scgikit/internal/appfile"
	"scgikit/internal/fileset"
)

// Project is what the description files hold, and how they are read.
type Project struct {
	Sources  []appfile.Source
	Loader   appfile.Loader
	Renderer *generate.Renderer

	variants map[string]*appfile.Project // that were read, for one target after another; nil where there is none
}

// Origins are the lines of the files of one target, by their paths in the set.
type Origins struct {
	Set   *fileset.Set
	Lines map[string][]Line
	Files map[string][]Field // that change the name, the place, the owner or the mode of a file
	There map[string][]Field // by which a file is there at all
}

// Line is one line of a file.
type Line struct {
	generate.Line
	Fields []Field // sorted: those that are set first
}

// Field is a value of a description.
type Field struct {
	App  *appfile.App
	Path string // "run.command[1]"
}

// IsSet reports whether the description has the value, rather than leaving a
// default.
func (f Field) IsSet() bool { return f.App.IsSet(f.Path) }

// Of renders a target for apps of a project and returns where its lines come
// from; of the fields, those of the apps that are asked for. The same description
// has the same origins. An error is a diag.List.
func Of(p *Project, t *generate.Target, project *appfile.Project, apps, asked []*appfile.App) (*Origins, error) {
	set, traces, list := p.Renderer.Trace(t, project, apps)
	if list.HasErrors() {
		return nil, list
	}
	o := &Origins{Set: set, Lines: make(map[string][]Line), Files: make(map[string][]Field), There: make(map[string][]Field)}
	for file, lines := range traces {
		for _, line := range lines {
			o.Lines[file] = append(o.Lines[file], Line{Line: line})
		}
	}
	var all []string
	for _, a := range apps {
		all = append(all, a.Name)
	}
	for _, a := range asked {
		names := []string{a.Name}
		if t.Kind == generate.WebServer {
			names = all // a file of theirs may hold several apps
		}
		for _, v := range a.Variants() {
			// A program of another protocol is of another type, which starters start
			// in another way, whatever it speaks.
			if !concerns(t, v.Path) || v.Path == "protocol" && t.Kind != generate.WebServer {
				continue
			}
			other := p.render(t, []*appfile.App{a}, slices.Clone(names), v)
			if together := sameServer(apps, a); other == nil && len(together) > 1 && shared(t, v.Path) {
				other = p.render(t, together, slices.Clone(names), v)
			}
			if other != nil {
				o.compare(other, Field{a, v.Path}, names)
			}
		}
	}
	o.sort()
	return o, nil
}

// shared reports whether apps behind one block of a web server may have to agree on a
// field.
func shared(t *generate.Target, path string) bool {
	return t.Kind == generate.WebServer && (strings.HasPrefix(path, "options.") || strings.HasPrefix(path, "http.host"))
}

// sameServer returns the apps that have the hosts of one of them.
func sameServer(apps []*appfile.App, a *appfile.App) []*appfile.App {
	return slices.DeleteFunc(slices.Clone(apps), func(other *appfile.App) bool { return !slices.Equal(other.HTTP.Host, a.HTTP.Host) })
}

// concerns reports whether a target says that it carries a field, or where it
// comes from: other fields may not change its files.
func concerns(t *generate.Target, path string) bool {
	if option, ok := strings.CutPrefix(path, "options."); ok {
		return strings.HasPrefix(option, t.Name+".")
	}
	field := appfile.FieldOf(path)
	if field == "vars" {
		return true
	}
	got, ok := t.Fields.Lookup(field)
	return ok && got.Support == generate.Carried
}

// render returns the files of a variant of an app, or of several, or nil where it breaks
// a rule.
func (p *Project) render(t *generate.Target, changed []*appfile.App, names []string, v appfile.Variant) *fileset.Set {
	project := p.variant(changed, v)
	if project == nil {
		return nil
	}
	if v.Path == "name" {
		for i, name := range names {
			if name == changed[0].Name {
				names[i] = newName(v.Sets)
			}
		}
	}
	var apps []*appfile.App
	for _, name := range names {
		app, ok := project.App(name)
		if !ok || t.Fits(app) != "" {
			return nil
		}
		apps = append(apps, app)
	}
	slices.SortFunc(apps, func(a, b *appfile.App) int { return strings.Compare(a.Name, b.Name) })
	set, list := p.Renderer.Render(t, project, apps)
	if list.HasErrors() {
		return nil
	}
	return set
}

// variant reads the descriptions with a variant of apps, or returns nil where they do
// not allow it.
func (p *Project) variant(changed []*appfile.App, v appfile.Variant) *appfile.Project {
	sets := make(map[string][]string)
	words := slices.Clone(v.Sets)
	for _, a := range changed {
		sets[a.Name] = v.Sets
		words = append(words, a.Name)
	}
	key := strings.Join(words, "\x00")
	if project, known := p.variants[key]; known {
		return project
	}
	loader := p.Loader
	loader.AppSets = sets
	sources := p.Sources
	if v.Path == "name" {
		// A file in apps/ has the name of its app.
		sources = slices.Clone(sources)
		for i := range sources {
			sources[i].Name = strings.ReplaceAll(sources[i].Name, "/", "-")
		}
	}
	project, list := loader.Load(sources)
	if list.HasErrors() {
		project = nil
	}
	if p.variants == nil {
		p.variants = make(map[string]*appfile.Project)
	}
	p.variants[key] = project
	return project
}

// newName is the name in the settings of a variant of it.
func newName(sets []string) string {
	_, name, _ := strings.Cut(strings.Join(sets, ""), "=")
	return strings.Trim(name, `"`)
}

// compare notes a field at every line of the files of some apps that is not among
// those of a variant.
func (o *Origins) compare(other *fileset.Set, f Field, names []string) {
	ours := o.Set.Filter(func(file fileset.File) bool {
		return slices.ContainsFunc(file.Apps, func(app string) bool { return slices.Contains(names, app) })
	})
	pairs, gone := pair(ours.Files(), other.Files())
	for _, p := range pairs {
		if p[0].Path != p[1].Path || p[0].Mode != p[1].Mode || p[0].User != p[1].User || p[0].Group != p[1].Group || p[0].Place != p[1].Place || p[0].Link != p[1].Link {
			o.Files[p[0].Path] = add(o.Files[p[0].Path], f)
		}
		if p[0].Kind != fileset.Regular {
			continue
		}
		lines := o.Lines[p[0].Path]
		for i, kept := range common(linesOf(p[0].Data), linesOf(p[1].Data)) {
			if !kept && i < len(lines) && lines[i].Kind != generate.LineHeader {
				lines[i].Fields = add(lines[i].Fields, f)
			}
		}
	}
	for _, file := range gone {
		o.There[file.Path] = add(o.There[file.Path], f)
	}
}

func add(list []Field, f Field) []Field {
	if slices.Contains(list, f) {
		return list
	}
	return append(list, f)
}

// linesOf returns lines without their indentation, which a block around them
// changes.
func linesOf(data []byte) []string {
	var lines []string
	for line := range strings.Lines(string(data)) {
		lines = append(lines, strings.TrimLeft(line, " \t"))
	}
	return lines
}

// pair returns the files of two sets that are the same file: by path, and those
// that are left in each by their likeness, where a name has changed. gone are
// those of the first set that the second has nothing of.
func pair(a, b []fileset.File) (pairs [][2]*fileset.File, gone []*fileset.File) {
	left := make(map[string]*fileset.File)
	for i := range b {
		left[b[i].Path] = &b[i]
	}
	var without []*fileset.File
	for i := range a {
		if same, ok := left[a[i].Path]; ok && same.Kind == a[i].Kind {
			pairs = append(pairs, [2]*fileset.File{&a[i], same})
			delete(left, a[i].Path)
			continue
		}
		without = append(without, &a[i])
	}
	for _, file := range without {
		var best *fileset.File
		most := 0
		for i := range b {
			if left[b[i].Path] == nil || b[i].Kind != file.Kind || b[i].Mode != file.Mode {
				continue
			}
			if n := likeness(file, &b[i]); best == nil || n > most {
				best, most = &b[i], n
			}
		}
		if best == nil {
			gone = append(gone, file)
			continue
		}
		delete(left, best.Path)
		pairs = append(pairs, [2]*fileset.File{file, best})
	}
	return pairs, gone
}

// likeness counts what two files have in common: lines, and the end of the path.
func likeness(a, b *fileset.File) int {
	n := 0
	for _, kept := range common(linesOf(a.Data), linesOf(b.Data)) {
		if kept {
			n += 100
		}
	}
	x, y := a.Path, b.Path
	for len(x) > 0 && len(y) > 0 && x[len(x)-1] == y[len(y)-1] {
		n, x, y = n+1, x[:len(x)-1], y[:len(y)-1]
	}
	return n
}

// maxTable is how large the table of common gets; beyond it, all that lies
// between the first and the last difference counts as changed.
const maxTable = 4 << 20

// common returns, for each line of a, whether it is in a longest common
// subsequence of the two. Where there are several, it is the one that keeps what
// comes first.
func common(a, b []string) []bool {
	kept := make([]bool, len(a))
	first := 0
	for first < len(a) && first < len(b) && a[first] == b[first] {
		kept[first] = true
		first++
	}
	endA, endB := len(a), len(b)
	for endA > first && endB > first && a[endA-1] == b[endB-1] {
		endA, endB = endA-1, endB-1
		kept[endA] = true
	}
	n, m := endA-first, endB-first
	if n == 0 || m == 0 || n*m > maxTable {
		return kept
	}
	// length[i][j] is that of the rest from i and j on.
	length := make([][]int32, n+1)
	for i := range length {
		length[i] = make([]int32, m+1)
	}
	for i := n - 1; i >= 0; i-- {
		for j := m - 1; j >= 0; j-- {
			if a[first+i] == b[first+j] {
				length[i][j] = length[i+1][j+1] + 1
			} else {
				length[i][j] = max(length[i+1][j], length[i][j+1])
			}
		}
	}
	for i, j := 0, 0; i < n && j < m; {
		switch {
		case a[first+i] == b[first+j]:
			kept[first+i] = true
			i, j = i+1, j+1
		case length[i+1][j] >= length[i][j+1]:
			i++
		default:
			j++
		}
	}
	return kept
}

// sort puts the values that a description sets in front of defaults, each in
// the order of the apps and their fields.
func (o *Origins) sort() {
	byLayer := func(a, b Field) int {
		rank := func(f Field) int {
			if f.IsSet() {
				return 0
			}
			return 1
		}
		return cmp.Or(strings.Compare(a.App.Name, b.App.Name), cmp.Compare(rank(a), rank(b)))
	}
	for _, lines := range o.Lines {
		for i := range lines {
			slices.SortStableFunc(lines[i].Fields, byLayer)
		}
	}
	for _, files := range []map[string][]Field{o.Files, o.There} {
		for _, fields := range files {
			slices.SortStableFunc(fields, byLayer)
		}
	}
}
