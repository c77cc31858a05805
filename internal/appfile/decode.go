package appfile

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"scgikit/internal/diag"
)

// decoder fills the structs from nodes, and collects every problem on the way.
type decoder struct {
	out     *collector
	options map[string]*shape // of each target
	targets []string          // names that options and targets may hold

	// partial is set for a profile that is checked by itself: a null removes
	// a key, nothing is required, and text with variables is not looked at.
	partial bool

	origins map[string]Origin // of what is set; nil records nothing
	bad     map[string]bool   // paths with a problem, for the rules that need sound values
}

// at is a place to decode into: where the value stands, its path, and its key.
type at struct {
	node *node
	key  place
	path string
}

func (d *decoder) problem(a at, span diag.Span, f *fault) {
	d.bad[a.path] = true
	d.out.add(&diag.Problem{Span: span, Code: f.code, Path: a.path, Message: f.message, Hint: f.hint})
}

// fail reports a fault of a value, at the value, or at its key where the value
// is empty and there is nothing to point at.
func (d *decoder) fail(a at, f *fault) {
	span := a.node.at.span()
	if a.node.null && a.node.value == "" && a.key.text != nil {
		span = a.key.span()
	}
	d.problem(a, span, f)
}

// record keeps where a value of a shape came from.
func (d *decoder) record(s *shape, a at, key place) {
	if d.origins == nil {
		return
	}
	o := Origin{Kind: a.node.at.text.from, Span: a.node.at.span(), leaf: a.node.isLeaf(s)}
	if key.text != nil {
		o.Key = key.span()
	}
	d.origins[a.path] = o
}

// isLeaf tells a value from a container of others. An empty container is a
// value where it can stand against a default.
func (n *node) isLeaf(s *shape) bool {
	switch {
	case n.kind == nodeScalar:
		return true
	case len(n.items)+len(n.entries) > 0:
		return false
	}
	return (s.kind == kindList || s.kind == kindMap) && s.elem.kind != kindStruct
}

// structure decodes a mapping into a struct whose defaults are already set.
func (d *decoder) structure(s *shape, a at, v reflect.Value) {
	if a.node.kind != nodeMapping {
		d.fail(a, wrongShape(a.node, "a mapping of keys"))
		return
	}
	for _, e := range a.node.entries {
		child := at{node: e.value, key: e.keyAt, path: join(a.path, e.key)}
		m, ok := s.byKey[e.key]
		if d.out.full() {
			return
		}
		if !ok {
			if strings.ContainsFunc(e.key, Hidden) {
				child.path = a.path // a path is printed as it is
			}
			d.problem(child, e.keyAt.span(), &fault{
				code: "unknown-key", message: "unknown key", hint: unknownKeyHint(s, e.key),
			})
			continue
		}
		d.record(m.shape, child, e.keyAt)
		d.member(m, child, v)
	}
	if !d.partial {
		d.missing(s, a)
	}
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// member decodes one key of a struct.
func (d *decoder) member(m *member, a at, owner reflect.Value) {
	if d.partial && a.node.null {
		return
	}
	if m.shape.kind == kindProfiles {
		return
	}
	v := owner.Field(m.index)
	if m.pointer {
		p := reflect.New(m.shape.goType)
		d.value(m, m.shape, a, p.Elem())
		v.Set(p)
		return
	}
	d.value(m, m.shape, a, v)
}

// missing reports the required keys that a mapping lacks, at its key, also in
// mappings that are not there at all.
func (d *decoder) missing(s *shape, a at) {
	for _, m := range s.fields {
		child := at{node: a.node, key: a.key, path: join(a.path, m.key)}
		given := a.node.get(m.key)
		switch {
		case given != nil:
		case m.required:
			span := a.node.at.span()
			if a.key.text != nil {
				span = a.key.span()
			}
			d.problem(child, span, &fault{code: "missing", message: "is missing", hint: "add " + m.key + ": " + m.exampleText()})
		case m.shape.kind == kindStruct:
			d.missing(m.shape, at{node: &node{kind: nodeMapping, at: a.node.at}, key: a.key, path: child.path})
		}
	}
}

// exampleText is a value that a field could have.
func (m *member) exampleText() string {
	switch {
	case len(m.shape.enum) > 0:
		return strings.Join(m.shape.enum, " | ")
	case m.format != nil:
		return m.format.example
	case m.def != "":
		return m.def
	}
	return "…"
}

func (d *decoder) value(m *member, s *shape, a at, v reflect.Value) {
	switch s.kind {
	case kindStruct:
		d.structure(s, a, v)
	case kindList:
		d.list(m, s, a, v)
	case kindMap:
		d.mapping(m, s, a, v)
	case kindOptions:
		d.optionsOf(a, v)
	case kindProfiles:
	case kindString, kindEnum, kindBool, kindInt, kindDuration, kindSize, kindMode:
		d.scalar(m, s, a, v)
	}
}

func (d *decoder) list(m *member, s *shape, a at, v reflect.Value) {
	if s.single && a.node.kind == nodeScalar && !a.node.null {
		elem := reflect.New(s.elem.goType).Elem()
		d.value(m, s.elem, a, elem)
		v.Set(reflect.Append(reflect.MakeSlice(s.goType, 0, 1), elem))
		return
	}
	if a.node.kind != nodeList {
		f := wrongShape(a.node, "a list")
		if a.node.kind == nodeScalar && !a.node.null {
			f.hint = "write " + flowList(a.node.value)
			if m.key == "command" || m.key == "processor" {
				f.hint = "write one word an element, as " + flowList(strings.Fields(a.node.value)...) + "; no shell splits the text"
			}
		}
		d.fail(a, f)
		return
	}
	out := reflect.MakeSlice(s.goType, len(a.node.items), len(a.node.items))
	for i, item := range a.node.items {
		child := at{node: item, path: a.path + "[" + strconv.Itoa(i) + "]"}
		if s.elem.kind == kindStruct {
			s.elem.setDefaults(out.Index(i), "")
		}
		d.record(s.elem, child, place{})
		d.value(m, s.elem, child, out.Index(i))
	}
	v.Set(out)
}

// flowList writes a YAML list, with quotes around words that need them.
func flowList(words ...string) string {
	out := make([]string, len(words))
	for i, w := range words {
		out[i] = w
		if w == "" || strings.ContainsAny(w, " \t[]{},:#&*!|>'\"%@`") {
			out[i] = quoteJSON(w)
		}
	}
	return "[" + strings.Join(out, ", ") + "]"
}

// mapping decodes a map, whose keys are the user's own words.
func (d *decoder) mapping(m *member, s *shape, a at, v reflect.Value) {
	if a.node.kind != nodeMapping {
		d.fail(a, wrongShape(a.node, "a mapping of names"))
		return
	}
	out := reflect.MakeMapWithSize(s.goType, len(a.node.entries))
	for _, e := range a.node.entries {
		child := at{node: e.value, key: e.keyAt, path: join(a.path, e.key)}
		if f := d.keyFault(m, e.key); f != nil {
			if strings.ContainsFunc(e.key, Hidden) {
				child.path = a.path // a path is printed as it is
			}
			d.problem(child, e.keyAt.span(), f)
			continue
		}
		if d.partial && e.value.null {
			continue
		}
		elem := reflect.New(s.elem.goType).Elem()
		if s.elem.kind == kindStruct {
			s.elem.setDefaults(elem, "")
		}
		d.record(s.elem, child, e.keyAt)
		// The format of a map is the rule for its keys, not for its values.
		d.value(&member{key: m.key, shape: s.elem}, s.elem, child, elem)
		out.SetMapIndex(reflect.ValueOf(e.key), elem)
	}
	v.Set(out)
}

func (d *decoder) keyFault(m *member, key string) *fault {
	if strings.Contains(key, "${") {
		return &fault{code: "bad-variable", message: "variables are not read in keys", hint: "write the key out"}
	}
	if m.format != nil {
		if f := m.format.valid(key); f != nil {
			f.code = m.format.code
			return f
		}
		return nil
	}
	if key == "" || strings.ContainsFunc(key, Hidden) {
		return &fault{code: "bad-character", message: fmt.Sprintf("the key %q is empty or has a control character", key), hint: "use printable characters"}
	}
	return nil
}

// optionsOf decodes the options of each target that is named.
func (d *decoder) optionsOf(a at, v reflect.Value) {
	if a.node.kind != nodeMapping {
		d.fail(a, wrongShape(a.node, "a mapping of targets"))
		return
	}
	for _, e := range a.node.entries {
		child := at{node: e.value, key: e.keyAt, path: join(a.path, e.key)}
		s, ok := d.options[e.key]
		if !ok {
			d.problem(child, e.keyAt.span(), &fault{
				code: "unknown-target", message: fmt.Sprintf("no target is named %q", e.key), hint: didYouMean(e.key, d.targets),
			})
			continue
		}
		if d.partial && e.value.null {
			continue
		}
		d.record(s, child, e.keyAt)
		target := reflect.New(s.goType).Elem()
		if !d.partial {
			target = v.MapIndex(reflect.ValueOf(e.key)).Elem().Elem()
		}
		d.structure(s, child, target)
	}
}
