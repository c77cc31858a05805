package appfile

import (
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Field describes one field of the description, read from the struct tags.
type Field struct {
	Path     string   // "run.env", "http.static[].url", "run.secrets.*.file"
	Type     string   // string, list, map, bool, int, duration, size, mode, enum, path
	Default  string   // as it would be written; "" for none
	Doc      string   // one sentence, no full stop
	Required bool     //
	Enum     []string // the words of an enum
	Min, Max *int64   // of a number; of a duration in nanoseconds
	Format   string   // further rule: "path", "user", "cidr"

	member *member
}

// Fields returns every leaf field of the description in the order of the
// structs, without the target options. "options" itself is among them, and
// "profiles" is not: nothing of it is left once a description is read.
func Fields() []Field {
	fields := allFields()
	return slices.Clone(fields[:len(fields)-1])
}

// allFields is Fields and, last, "profiles".
var allFields = sync.OnceValue(func() []Field { return fieldsOf(appShape(), "") })

// OptionFields returns the fields of the targets' options, with paths such as
// "options.inetd.dialect", sorted by target.
func OptionFields(options map[string]any) []Field {
	shapes := optionShapes(options)
	var out []Field
	for _, target := range sortedKeys(shapes) {
		out = append(out, fieldsOf(shapes[target], "options."+target)...)
	}
	return out
}

func fieldsOf(s *shape, path string) []Field {
	var out []Field
	for _, m := range s.fields {
		p := join(path, m.key)
		switch {
		case m.shape.kind == kindStruct:
			out = append(out, fieldsOf(m.shape, p)...)
		case m.shape.kind == kindList && m.shape.elem.kind == kindStruct:
			out = append(out, fieldsOf(m.shape.elem, p+"[]")...)
		case m.shape.kind == kindMap && m.shape.elem.kind == kindStruct:
			out = append(out, fieldsOf(m.shape.elem, p+".*")...)
		default:
			out = append(out, m.field(p))
		}
	}
	return out
}

func (m *member) field(path string) Field {
	f := Field{
		Path: path, Type: m.shape.kind.String(), Default: m.def, Doc: m.doc, Required: m.required,
		Enum: m.shape.enum, Min: m.min, Max: m.max, member: m,
	}
	if m.shape.kind == kindList {
		f.Enum = m.shape.elem.enum
	}
	if m.format != nil {
		f.Format = m.format.name
		if m.shape.kind == kindString && m.format.code == "bad-path" {
			f.Type = "path"
		}
	}
	return f
}

// step is one part of a field path: a key or, from 0, an index.
type step struct {
	key   string
	index int // -1 for a key
}

// steps cuts a path into its parts. It follows the description's own types, so
// that the key of a map of texts may hold dots: "labels.example.org/team" has
// two parts.
func steps(path string) []step {
	var out []step
	s := appShape()
	for path != "" {
		if path[0] == '[' {
			end := strings.IndexByte(path, ']')
			if end < 0 {
				return append(out, step{key: path, index: -1})
			}
			n, err := strconv.Atoi(path[1:end])
			if err != nil || n < 0 {
				n = 0
			}
			out = append(out, step{index: n})
			path = strings.TrimPrefix(path[end+1:], ".")
			s = s.below("")
			continue
		}
		if s != nil && s.kind == kindMap && s.elem.kind != kindStruct {
			return append(out, step{key: path, index: -1})
		}
		end := strings.IndexAny(path, ".[")
		if end < 0 {
			return append(out, step{key: path, index: -1})
		}
		key := path[:end]
		out = append(out, step{key: key, index: -1})
		s = s.below(key)
		path = strings.TrimPrefix(path[end:], ".")
	}
	return out
}

// below returns the shape of a key or, for "", of an element; nil for what is
// not known.
func (s *shape) below(key string) *shape {
	switch {
	case s == nil:
		return nil
	case s.kind == kindList || s.kind == kindMap:
		return s.elem
	case s.kind == kindStruct && s.byKey[key] != nil:
		return s.byKey[key].shape
	}
	return nil
}

// FieldOf returns the field that a path belongs to: indexes and map keys are
// cut, so that it is a Path of Fields ("run.env.LANG" is "run.env",
// "http.static[0].dir" is "http.static[].dir", "run.secrets.KEY.file" is
// "run.secrets.*.file", "options.inetd.dialect" is "options").
func FieldOf(path string) string {
	var b strings.Builder
	s := appShape()
	for _, st := range steps(path) {
		if s == nil || s.kind == kindOptions {
			break
		}
		if s.kind != kindList && s.kind != kindMap {
			if b.Len() > 0 {
				b.WriteByte('.')
			}
			b.WriteString(st.key)
			s = s.below(st.key)
			continue
		}
		if s.elem.kind != kindStruct {
			break // a list or map of values is one field
		}
		b.WriteString(map[kind]string{kindList: "[]", kindMap: ".*"}[s.kind])
		s = s.elem
	}
	return b.String()
}
