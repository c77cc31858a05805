package appfile

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"scgikit/internal/diag"
)

// leaf is one field of a resolved app.
type leaf struct {
	path  string
	key   *member
	shape *shape
	value reflect.Value // of the field, pointers followed; not valid for a nil pointer
}

// leaves calls visit for every field of an app in the order of the schema;
// lists and maps of texts are one field each.
func (a *App) leaves(visit func(leaf)) {
	w := walker{options: a.optionShapes, visit: visit}
	w.structure(appShape(), "", reflect.ValueOf(a).Elem())
}

type walker struct {
	options map[string]*shape
	visit   func(leaf)
}

func (w *walker) structure(s *shape, path string, v reflect.Value) {
	for _, m := range s.fields {
		if m.index >= 0 {
			w.member(m, join(path, m.key), v.Field(m.index))
		}
	}
}

func (w *walker) member(m *member, path string, v reflect.Value) {
	if m.pointer {
		v = v.Elem()
	}
	switch {
	case m.shape.kind == kindStruct:
		w.structure(m.shape, path, v)
	case m.shape.kind == kindList && m.shape.elem.kind == kindStruct:
		for i := range v.Len() {
			w.structure(m.shape.elem, path+"["+strconv.Itoa(i)+"]", v.Index(i))
		}
	case m.shape.kind == kindMap && m.shape.elem.kind == kindStruct:
		for _, key := range stringKeys(v) {
			w.structure(m.shape.elem, join(path, key), v.MapIndex(reflect.ValueOf(key)))
		}
	case m.shape.kind == kindOptions:
		for _, key := range stringKeys(v) {
			target := v.MapIndex(reflect.ValueOf(key)).Elem().Elem()
			s, ok := w.options[key]
			if !ok {
				s = shapeOf(target.Type())
			}
			w.structure(s, join(path, key), target)
		}
	default:
		w.visit(leaf{path: path, key: m, shape: m.shape, value: v})
	}
}

func stringKeys(v reflect.Value) []string {
	keys := make([]string, 0, v.Len())
	for it := v.MapRange(); it.Next(); {
		keys = append(keys, it.Key().String())
	}
	slices.Sort(keys)
	return keys
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// text returns the value as a description would hold it, lists and maps in
// flow form with sorted keys.
func (l leaf) text() string {
	if !l.value.IsValid() {
		return ""
	}
	return textOf(l.shape, l.value)
}

func textOf(s *shape, v reflect.Value) string {
	switch s.kind {
	case kindString, kindEnum:
		return v.String()
	case kindBool:
		return strconv.FormatBool(v.Bool())
	case kindInt:
		return strconv.FormatInt(v.Int(), 10)
	case kindDuration:
		return durationText(time.Duration(v.Int()))
	case kindSize:
		return Size(v.Int()).String()
	case kindMode:
		return Mode(v.Uint() & 0o7777).String()
	case kindList:
		parts := make([]string, v.Len())
		for i := range parts {
			parts[i] = quoteJSON(textOf(s.elem, v.Index(i)))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case kindMap:
		var parts []string
		for _, key := range stringKeys(v) {
			parts = append(parts, quoteJSON(key)+": "+quoteJSON(textOf(s.elem, v.MapIndex(reflect.ValueOf(key)))))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	case kindStruct, kindOptions, kindProfiles:
	}
	return ""
}

// durationText drops the zero minutes and seconds that Duration.String ends
// in, and writes whole days as such: 1h0m0s is 1h, and 168h0m0s is 7d.
func durationText(d time.Duration) string {
	if d != 0 && d%day == 0 {
		return strconv.FormatInt(int64(d/day), 10) + "d"
	}
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// quoteJSON is also a valid double-quoted scalar of YAML.
func quoteJSON(s string) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(s); err != nil {
		return strconv.Quote(s)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// strings calls visit for every text below a leaf, with its own path, until
// it answers false.
func (l leaf) strings(visit func(path, value string) bool) {
	if !l.value.IsValid() {
		return
	}
	if l.shape.kind == kindList {
		for i := range l.value.Len() {
			if !visit(l.path+"["+strconv.Itoa(i)+"]", textOf(l.shape.elem, l.value.Index(i))) {
				return
			}
		}
		return
	}
	if l.shape.kind == kindMap {
		for _, key := range stringKeys(l.value) {
			path := join(l.path, key)
			if !visit(path, key) || !visit(path, textOf(l.shape.elem, l.value.MapIndex(reflect.ValueOf(key)))) {
				return
			}
		}
		return
	}
	visit(l.path, l.text())
}

// SetPaths returns the paths of every leaf value that the description sets,
// sorted. An element of a list and a key of a map are leaves; so is an empty
// list or map of texts, because a default may stand against it.
func (a *App) SetPaths() []string {
	var out []string
	for path, o := range a.origins {
		if o.leaf {
			out = append(out, path)
		}
	}
	slices.Sort(out)
	return out
}

// FindString returns the path of the first leaf whose resolved value is, or
// contains, the string: to name the field behind a value that a target
// refuses. Failing that, it returns the leaf with the longest value that the
// string contains, because targets build texts such as "unix:/run/x.sock".
func (a *App) FindString(value string) (path string, ok bool) {
	if value == "" {
		return "", false
	}
	var equal, contains, part string
	longest := 0
	a.leaves(func(l leaf) {
		if equal != "" {
			return
		}
		l.strings(func(p, v string) bool {
			switch {
			case v == value:
				equal = p
				return false
			case v != "" && contains == "" && strings.Contains(v, value):
				contains = p
			case len(v) > longest && strings.Contains(value, v):
				part, longest = p, len(v)
			}
			return true
		})
	})
	path = cmp.Or(equal, contains, part)
	return path, path != ""
}

// isDefault reports whether the value is what a description without the field
// has, for an app of a name.
func (l leaf) isDefault(name string) bool {
	m := l.key
	switch {
	case m.def != "":
		return l.text() == strings.ReplaceAll(textOf(m.shape, m.value), "${name}", name)
	case m.pointer:
		return !l.value.IsValid()
	case m.shape.kind == kindList || m.shape.kind == kindMap:
		return l.value.Len() == 0
	}
	return l.value.IsZero()
}

// Canonical returns the app, resolved, in a stable text form, for hashing.
// Equal descriptions give equal bytes; what was only a means (vars) is not in
// it, and neither is the name of the file. What is as by default is not in it
// either, so that a field that a later version adds changes nothing.
func (a *App) Canonical() []byte {
	var b bytes.Buffer
	a.canonical(&b, "")
	if len(a.Instances) < 2 {
		return b.Bytes()
	}
	for _, inst := range a.Instances {
		inst.canonical(&b, "instance "+strconv.Itoa(inst.Index)+" ")
	}
	return b.Bytes()
}

func (a *App) canonical(b *bytes.Buffer, prefix string) {
	a.leaves(func(l leaf) {
		top, _, _ := strings.Cut(l.path, ".")
		if top == "vars" || top == "vars_from_env" || l.isDefault(a.Name) {
			return
		}
		// An instance is only told apart where instances differ.
		if prefix != "" && !slices.Contains(perInstance, top) {
			return
		}
		fmt.Fprintf(b, "%s%s: %s\n", prefix, l.path, quoteJSON(l.text()))
	})
}

// perInstance are the sections whose values may hold ${instance} and ${port}.
var perInstance = []string{"run", "wsgi", "cgi", "listen", "log"}

// ResolvedField is one field of an app with the layer that its value is from.
type ResolvedField struct {
	Path   string        `json:"path"`
	Value  string        `json:"value"`
	Origin OriginKind    `json:"-"`
	Layer  string        `json:"origin"`         // Origin in words
	Place  diag.Position `json:"place,omitzero"` // of the value; zero for a default
}

// Resolved returns every field of the app in the order of the schema. A list
// or a map is one field; its layer is the strongest of its elements'. Options
// are those of the targets that the description names. A secret shows the file
// that holds it, and nothing else is ever read.
func (a *App) Resolved() []ResolvedField {
	var out []ResolvedField
	a.leaves(func(l leaf) {
		if target, ok := strings.CutPrefix(l.path, "options."); ok {
			target, _, _ = strings.Cut(target, ".")
			if !a.IsSet("options." + target) {
				return
			}
		}
		f := ResolvedField{Path: l.path, Value: l.text()}
		o, set := a.origins[l.path]
		if set {
			f.Origin, f.Place = o.Kind, o.Span.Position
		}
		l.strings(func(path, _ string) bool {
			if o, ok := a.origins[path]; ok && o.Kind > f.Origin {
				f.Origin, f.Place = o.Kind, o.Span.Position
			}
			return true
		})
		f.Layer = f.Origin.String()
		out = append(out, f)
	})
	return out
}
