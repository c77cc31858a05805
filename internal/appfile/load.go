package appfile

import (
	"cmp"
	"fmt"
	"path"
	"reflect"
	"slices"
	"strings"

	"scgikit/internal/diag"
)

// Source is one description file.
type Source struct {
	Name string // as messages show it: "apps/blog.yaml"; "-" is the standard input
	Data []byte
	// Profile is the text of the file "apps/blog.NAME.yaml" that stands next
	// to it for the chosen profile, or nil.
	Profile *Source
}

// Loader reads descriptions. It reads nothing but what it is given: no file,
// and no environment variable that vars_from_env does not name.
type Loader struct {
	Profile string                      // name of the profile; "" for none
	Sets    []string                    // "path=value", applied after the profile
	AppSets map[string][]string         // the same for one app, by its name in the file, applied after Sets
	Env     func(string) (string, bool) // the outer environment, asked only for names in vars_from_env; nil has none
	Options map[string]any              // for each target, a pointer to the zero value of its options struct
	Targets []string                    // names that "targets:" may hold, besides those of Options
}

// Load reads every source and checks each app and the rules across apps. The
// list holds all problems, sorted; the project is nil where one is an error.
//
// Every app has Options for every target of the Loader, with the defaults of
// those that the description does not name.
func (l *Loader) Load(sources []Source) (*Project, diag.List) {
	r := &reader{loader: l, options: optionShapes(l.Options)}
	r.targets = append(sortedKeys(r.options), l.Targets...)
	slices.Sort(r.targets)
	r.targets = slices.Compact(r.targets)
	var settings collector
	r.settings = readSettings(l.Sets, &settings)
	r.list = settings.problems()
	for i := range sources {
		r.source(&sources[i])
	}
	r.checkProfileFound(sources)
	var across collector
	projectRules(r.apps, &across)
	r.list = append(r.list, across.problems()...)
	r.list.Sort()
	// A setting of the command line makes the same mistake in every app.
	r.list = slices.CompactFunc(r.list, func(a, b *diag.Problem) bool {
		return a.Span.Line == 0 && a.Error() == b.Error()
	})
	if r.list.HasErrors() {
		return nil, r.list
	}
	p := new(Project)
	for _, got := range r.apps {
		p.Apps = append(p.Apps, got.app)
	}
	slices.SortFunc(p.Apps, func(a, b *App) int { return strings.Compare(a.Name, b.Name) })
	return p, r.list
}

func optionShapes(options map[string]any) map[string]*shape {
	shapes := make(map[string]*shape, len(options))
	for target, zero := range options {
		shapes[target] = shapeOf(reflect.TypeOf(zero).Elem())
	}
	return shapes
}

// reader is one run of Load.
type reader struct {
	loader   *Loader
	options  map[string]*shape
	targets  []string
	settings []setting
	profiles []string // names of all profiles seen
	used     bool     // the chosen profile was found
	list     diag.List
	apps     []*loaded
}

// loaded is an app and the fields of it that are no use to further rules.
type loaded struct {
	app    *App
	source string
	stream bool // the source held several apps
	root   diag.Span
	bad    map[string]bool
}

// sound reports whether the values at field paths, and below them, can be
// used: none of them had a problem.
func (l *loaded) sound(fields ...string) bool {
	for bad := range l.bad {
		for _, f := range fields {
			if bad == f || strings.HasPrefix(bad, f) && strings.ContainsRune(".[", rune(bad[len(f)])) || strings.HasPrefix(f, bad+".") {
				return false
			}
		}
	}
	return true
}

func (r *reader) source(src *Source) {
	out := new(collector)
	defer func() { r.list = append(r.list, out.problems()...) }()
	data, t, p := readable(src.Name, src.Data, FromFile)
	if p != nil {
		out.add(p)
		return
	}
	docs := parse(t, data, out)
	patch := r.profileFile(src, len(docs), out)
	for _, doc := range docs {
		if out.full() {
			break
		}
		got := r.app(t, doc, patch, out)
		got.source, got.stream = src.Name, len(docs) > 1
		got.app.File = fileBase(src.Name, got.app.Name)
		for _, inst := range got.app.Instances {
			inst.File = got.app.File
		}
		got.checkFileName(out)
		r.apps = append(r.apps, got)
	}
}

// fileBase is the name that generated headers show. A description from the
// standard input gets the name that it would have as a file, so that the
// output is the same.
func fileBase(source, name string) string {
	if source == "-" {
		return name + ".yaml"
	}
	return path.Base(source)
}

// profileFile reads the file of the chosen profile that stands next to a source.
func (r *reader) profileFile(src *Source, docs int, out *collector) *node {
	if src.Profile == nil {
		return nil
	}
	r.used = true
	data, t, p := readable(src.Profile.Name, src.Profile.Data, FromProfile)
	if p != nil {
		out.add(p)
		return nil
	}
	patches := parse(t, data, out)
	if len(patches) == 0 {
		return nil
	}
	if len(patches) > 1 || docs > 1 {
		out.add(&diag.Problem{
			Span: t.span(1, 1, 1), Code: "bad-profile", Message: "a profile's file changes one app",
			Hint: "write one document here and one app in " + src.Name,
		})
		return nil
	}
	if e := patches[0].get("profiles"); e != nil {
		out.add(&diag.Problem{
			Span: e.at.span(), Code: "bad-profile", Path: "profiles", Message: "a profile cannot hold profiles",
			Hint: "write the keys that change at the top of this file",
		})
		return nil
	}
	r.checkPatch(patches[0], "", out)
	return patches[0]
}

// app reads one document. It always returns an app, as far as it could be read.
func (r *reader) app(t *text, doc, patch *node, out *collector) *loaded {
	root := r.profile(t, doc, out)
	if patch != nil {
		root = mergePatch(root, patch)
	}
	root = root.with("profiles", place{}, nil)
	for _, s := range r.settings {
		root = s.apply(root, out)
	}
	for _, s := range readSettings(r.loader.AppSets[root.get("name").scalarText()], out) {
		root = s.apply(root, out)
	}
	return r.resolve(root, out)
}

// profile checks the profiles of a document and applies the chosen one.
func (r *reader) profile(t *text, doc *node, out *collector) *node {
	profiles := doc.get("profiles")
	if profiles == nil {
		return doc
	}
	fail := func(n *node, field, message string) {
		out.add(&diag.Problem{
			Span: n.at.span(), Code: "wrong-type", Path: field, Message: message,
			Hint: "write profiles: {NAME: {key: value}}",
		})
	}
	if profiles.kind != nodeMapping {
		fail(profiles, "profiles", "is "+profiles.shape()+"; a mapping of names is needed")
		return doc
	}
	layer := *t
	layer.from = FromProfile
	for _, e := range profiles.entries {
		r.profiles = append(r.profiles, e.key)
		field := "profiles." + e.key
		switch {
		case !nameSyntax.MatchString(e.key):
			out.add(&diag.Problem{
				Span: e.keyAt.span(), Code: "bad-name", Path: field, Message: fmt.Sprintf("%q is not the name of a profile", e.key),
				Hint: "use a small letter, then small letters, digits and -, at most 31 characters",
			})
		case e.value.kind != nodeMapping:
			fail(e.value, field, "is "+e.value.shape()+"; a mapping of keys is needed")
		case e.value.get("profiles") != nil:
			fail(e.value.get("profiles"), field+".profiles", "a profile cannot hold profiles")
		default:
			r.checkPatch(e.value, field, out)
			if e.key == r.loader.Profile {
				r.used = true
				doc = mergePatch(doc, e.value.in(&layer))
			}
		}
	}
	return doc
}

// in returns the node as part of another layer of the same file.
func (n *node) in(t *text) *node {
	out := *n
	out.at.text = t
	out.items = slices.Clone(n.items)
	for i := range out.items {
		out.items[i] = out.items[i].in(t)
	}
	out.entries = slices.Clone(n.entries)
	for i := range out.entries {
		out.entries[i].keyAt.text = t
		out.entries[i].value = out.entries[i].value.in(t)
	}
	return &out
}

// checkPatch checks the keys and values of a profile, whether it is chosen or
// not, so that a mistake in it does not wait for the day it is.
func (r *reader) checkPatch(patch *node, field string, out *collector) {
	d := &decoder{out: out, options: r.options, targets: r.targets, partial: true, bad: make(map[string]bool)}
	scratch := reflect.New(appShape().goType).Elem()
	d.structure(appShape(), at{node: patch, path: field}, scratch)
}

func (r *reader) checkProfileFound(sources []Source) {
	if r.loader.Profile == "" || r.used || len(sources) == 0 {
		return
	}
	slices.Sort(r.profiles)
	hint := didYouMean(r.loader.Profile, slices.Compact(r.profiles))
	r.list = append(r.list, &diag.Problem{
		Span: diag.Span{Position: diag.Position{File: sources[0].Name}}, Code: "unknown-profile",
		Message: fmt.Sprintf("no description has the profile %q", r.loader.Profile),
		Hint:    cmp.Or(hint, "add it under profiles, or as a file NAME."+r.loader.Profile+".yaml next to the description"),
	})
}

// resolve puts variables in, decodes, and completes every instance.
func (r *reader) resolve(root *node, out *collector) *loaded {
	budget := maxExpanded
	x := &expander{out: out, env: r.loader.Env, number: 1, budget: &budget}
	x.readVars(root)
	x.port = x.basePort(root)
	got := &loaded{root: root.at.span(), bad: make(map[string]bool)}
	origins := make(map[string]Origin)
	first := r.decode(x.document(root), x.name, origins, got.bad, out)
	got.app = first
	numbered := numbering{
		tcp:  !strings.Contains(root.get("listen").get("tcp").scalarText(), "${instance}"),
		unix: !strings.Contains(root.get("listen").get("unix").scalarText(), "${instance}"),
	}
	count := 1
	if got.sound("run.instances") {
		count = first.Run.Instances
	}
	for i := 1; i <= count; i++ {
		inst := new(App)
		*inst = *first
		if i > 1 && x.usesInstance {
			again := *x
			again.number, again.port = i, x.port+i-1
			if !numbered.tcp {
				again.port = again.basePort(root)
			}
			inst = r.decode(again.document(root), x.name, nil, got.bad, out)
			inst.origins = origins
		}
		inst.Index = i
		got.app.Instances = append(got.app.Instances, inst)
	}
	got.completeAll(numbered, count, out)
	got.appRules(r, out)
	return got
}

func (n *node) scalarText() string {
	if n == nil || n.kind != nodeScalar {
		return ""
	}
	return n.value
}

// readVars takes what an expander needs from the unexpanded description. What
// is wrong with it is reported when it is decoded.
func (x *expander) readVars(root *node) {
	x.name = root.get("name").scalarText()
	x.vars = make(map[string]string)
	if vars := root.get("vars"); vars != nil {
		for _, e := range vars.entries {
			text, f := x.text(e.value.scalarText(), "vars."+e.key, true)
			if f != nil {
				text = e.value.scalarText() // or each use would be a problem, too
			}
			x.vars[e.key] = text
		}
	}
	if outer := root.get("vars_from_env"); outer != nil {
		for _, item := range outer.items {
			x.outer = append(x.outer, item.scalarText())
		}
	}
}

// decode makes an App from an expanded description.
func (r *reader) decode(root *node, name string, origins map[string]Origin, bad map[string]bool, out *collector) *App {
	a := &App{Options: make(Options, len(r.options)), origins: origins, optionShapes: r.options}
	d := &decoder{out: out, options: r.options, targets: r.targets, origins: origins, bad: bad}
	v := reflect.ValueOf(a).Elem()
	appShape().setDefaults(v, name)
	for target, s := range r.options {
		p := reflect.New(s.goType)
		s.setDefaults(p.Elem(), name)
		a.Options[target] = p.Interface()
	}
	d.structure(appShape(), at{node: root}, v)
	return a
}
