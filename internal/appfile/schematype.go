package appfile

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// kind is how a value is written in a description.
type kind uint8

const (
	kindString kind = iota
	kindEnum
	kindBool
	kindInt
	kindDuration
	kindSize
	kindMode
	kindList
	kindMap
	kindStruct
	kindOptions
	kindProfiles
)

// String returns the word that Field.Type and messages use.
func (k kind) String() string {
	return [...]string{
		"string", "enum", "bool", "int", "duration", "size", "mode", "list", "map", "mapping", "map", "map",
	}[k]
}

// shape is a type of the description, read once from a Go type.
type shape struct {
	kind   kind
	goType reflect.Type
	enum   []string
	elem   *shape // of lists and maps
	single bool   // a list that may be written as one string
	fields []*member
	byKey  map[string]*member
	keys   []string
}

// member is one key of a struct.
type member struct {
	key, doc, def string
	required      bool
	min, max      *int64 // of ints and sizes; of durations in nanoseconds
	format        *format
	shape         *shape
	pointer       bool // a *T field: nil where it is not set
	index         int
	value         reflect.Value // the default, where it is the same for every app
}

// appShape is the shape of App. The key profiles, which is gone before an App
// is made, is added to it.
var appShape = sync.OnceValue(func() *shape {
	s := shapeOf(reflect.TypeFor[App]())
	s.add(&member{
		key: "profiles", index: -1, shape: &shape{kind: kindProfiles},
		doc: "changes to this description by name, each a JSON merge patch (RFC 7386): a key replaces, null removes",
	})
	return s
})

var (
	durationType = reflect.TypeFor[time.Duration]()
	modeType     = reflect.TypeFor[Mode]()
	sizeType     = reflect.TypeFor[Size]()
	optionsType  = reflect.TypeFor[Options]()
	stringsType  = reflect.TypeFor[StringList]()
)

// shapeOf reads a Go type. A type or a tag that a description cannot have is a
// mistake in this program, and a panic.
func shapeOf(t reflect.Type) *shape {
	s := &shape{goType: t}
	switch t {
	case durationType:
		s.kind = kindDuration
		return s
	case modeType:
		s.kind = kindMode
		return s
	case sizeType:
		s.kind = kindSize
		return s
	case optionsType:
		s.kind = kindOptions
		return s
	}
	if e, ok := reflect.TypeAssert[interface{ Values() []string }](reflect.Zero(t)); ok {
		s.kind, s.enum = kindEnum, e.Values()
		return s
	}
	switch t.Kind() {
	case reflect.String:
		s.kind = kindString
	case reflect.Bool:
		s.kind = kindBool
	case reflect.Int, reflect.Int64:
		s.kind = kindInt
	case reflect.Slice:
		s.kind, s.elem, s.single = kindList, shapeOf(t.Elem()), t == stringsType
	case reflect.Map:
		s.kind, s.elem = kindMap, shapeOf(t.Elem())
	case reflect.Struct:
		s.kind = kindStruct
		for i := range t.NumField() {
			if f := t.Field(i); f.IsExported() && f.Tag.Get("yaml") != "-" {
				s.add(memberOf(f, i))
			}
		}
	default:
		panic(fmt.Sprintf("appfile: a description cannot hold a %s", t))
	}
	return s
}

func (s *shape) add(m *member) {
	if s.byKey == nil {
		s.byKey = make(map[string]*member)
	}
	if m.key == "" || s.byKey[m.key] != nil {
		panic(fmt.Sprintf("appfile: %s: key %q is empty or stands twice", s.goType, m.key))
	}
	s.fields = append(s.fields, m)
	s.byKey[m.key] = m
	s.keys = append(s.keys, m.key)
}

func memberOf(f reflect.StructField, index int) *member {
	m := &member{
		key: f.Tag.Get("yaml"), doc: f.Tag.Get("doc"), def: f.Tag.Get("default"),
		required: f.Tag.Get("required") == "true", index: index,
	}
	t := f.Type
	if t.Kind() == reflect.Pointer {
		m.pointer, t = true, t.Elem()
	}
	m.shape = shapeOf(t)
	m.min, m.max = m.limit(f.Tag.Get("min")), m.limit(f.Tag.Get("max"))
	if name := f.Tag.Get("format"); name != "" {
		var ok bool
		if m.format, ok = formatOf(name); !ok {
			panic(fmt.Sprintf("appfile: %s: no format is named %q", f.Name, name))
		}
	}
	m.prepareDefault()
	return m
}

// limit reads a min or max tag in the field's own unit.
func (m *member) limit(tag string) *int64 {
	if tag == "" {
		return nil
	}
	var n int64
	var err error
	if m.shape.kind == kindDuration {
		var d time.Duration
		d, err = time.ParseDuration(tag)
		n = int64(d)
	} else {
		n, err = strconv.ParseInt(tag, 10, 64)
	}
	if err != nil {
		panic(fmt.Sprintf("appfile: %s: limit %q: %v", m.key, tag, err))
	}
	return &n
}

// prepareDefault reads the default tag once. Text with ${name} in it is left
// for setDefaults.
func (m *member) prepareDefault() {
	if m.def == "" {
		return
	}
	v := reflect.New(m.shape.goType).Elem()
	if m.shape.kind == kindList {
		for part := range strings.SplitSeq(m.def, ",") {
			elem := reflect.New(m.shape.elem.goType).Elem()
			m.mustSet(m.shape.elem, elem, part)
			v = reflect.Append(v, elem)
		}
	} else {
		m.mustSet(m.shape, v, m.def)
	}
	m.value = v
}

func (m *member) mustSet(s *shape, v reflect.Value, text string) {
	if f := setScalar(s, v, text); f != nil {
		panic(fmt.Sprintf("appfile: %s: default: %s", m.key, f.message))
	}
}

// setDefaults fills a struct with its defaults.
func (s *shape) setDefaults(v reflect.Value, name string) {
	for _, m := range s.fields {
		if m.index < 0 {
			continue
		}
		field := v.Field(m.index)
		switch {
		case m.shape.kind == kindStruct && !m.pointer:
			m.shape.setDefaults(field, name)
		case m.def == "":
		case m.pointer:
			p := reflect.New(m.shape.goType)
			p.Elem().Set(m.value)
			field.Set(p)
		case m.shape.kind == kindString && strings.Contains(m.def, "${name}"):
			field.SetString(strings.ReplaceAll(m.def, "${name}", name))
		case m.shape.kind == kindList:
			// A copy, so that no two apps share the memory of a list.
			field.Set(reflect.AppendSlice(reflect.Zero(m.shape.goType), m.value))
		default:
			field.Set(m.value)
		}
	}
}

// setScalar reads a text into a value of a scalar shape.
func setScalar(s *shape, v reflect.Value, text string) *fault {
	switch s.kind {
	case kindString:
		v.SetString(text)
	case kindEnum:
		return setEnum(s, v, text)
	case kindBool:
		b, f := parseBool(text)
		if f != nil {
			return f
		}
		v.SetBool(b)
	case kindInt:
		n, f := parseInt(text)
		if f != nil {
			return f
		}
		v.SetInt(n)
	case kindDuration:
		d, f := parseDuration(text)
		if f != nil {
			return f
		}
		v.SetInt(int64(d))
	case kindSize:
		n, f := parseSize(text)
		if f != nil {
			return f
		}
		v.SetInt(int64(n))
	case kindMode:
		n, f := parseMode(text)
		if f != nil {
			return f
		}
		v.SetUint(uint64(n))
	case kindList, kindMap, kindStruct, kindOptions, kindProfiles:
		return &fault{code: "wrong-type", message: "is text"}
	}
	return nil
}

func setEnum(s *shape, v reflect.Value, text string) *fault {
	if slices.Contains(s.enum, text) {
		v.SetString(text)
		return nil
	}
	return &fault{code: "bad-enum", message: fmt.Sprintf("%q is not a word for this field", text), hint: didYouMean(text, s.enum)}
}
