package appfile

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// scalar decodes one value, and checks its format and limits.
func (d *decoder) scalar(m *member, s *shape, a at, v reflect.Value) {
	n := a.node
	switch {
	case n.spoilt:
		d.bad[a.path] = true
		return
	case n.kind != nodeScalar:
		d.fail(a, wrongShape(n, s.article()))
		return
	case n.null:
		hint := "leave the key out for the default"
		if s.kind == kindString {
			hint = `write "" for empty text, or leave the key out`
		}
		d.fail(a, &fault{code: "wrong-type", message: "is empty; " + s.article() + " is needed", hint: hint})
		return
	case d.partial && strings.Contains(n.value, "$"):
		return
	}
	if i := strings.IndexFunc(n.value, Hidden); i >= 0 || strings.ContainsRune(n.value, '\t') {
		d.fail(a, hiddenFault(n.value))
		return
	}
	if n.quoted && !n.varied && (s.kind == kindBool || s.kind == kindInt) {
		d.fail(a, &fault{code: "wrong-type", message: "is text; " + s.article() + " is needed", hint: "write " + n.value + " without quotes"})
		return
	}
	if f := setScalar(s, v, n.value); f != nil {
		d.fail(a, f)
		return
	}
	if f := m.rule(s, v); f != nil {
		d.fail(a, f)
	}
}

// hiddenFault names the first character that no value may hold. Line feed and
// tab belong to them: most of the formats that are generated cannot carry them.
func hiddenFault(s string) *fault {
	f := &fault{code: "bad-character", hint: "use printable characters in one line"}
	for _, r := range s {
		switch {
		case r == '\n':
			f.message = "has a line end"
			f.hint = "write one line; a value that needs several belongs in a file"
			return f
		case r == '\t':
			f.message = "has a tab"
			return f
		case Hidden(r):
			f.message = fmt.Sprintf("has the control character %U", r)
			return f
		}
	}
	return f
}

// rule checks the limits and the format of a field, and puts the value into
// its one spelling.
func (m *member) rule(s *shape, v reflect.Value) *fault {
	switch s.kind {
	case kindString:
		if m.format == nil {
			return nil
		}
		if f := m.format.valid(v.String()); f != nil {
			f.code = m.format.code
			return f
		}
		if m.format.clean != nil {
			v.SetString(m.format.clean(v.String()))
		}
	case kindInt, kindSize:
		return m.within(s, v.Int())
	case kindDuration:
		switch {
		case v.Int() == 0 && (m.min == nil || *m.min > 0):
			f := &fault{code: "bad-duration", message: "is zero", hint: "write a time, for example " + m.exampleText()}
			if m.def == "" {
				f.hint = "leave the key out for none, or write a time, for example 7d"
			}
			return f
		case m.min != nil && v.Int() < *m.min:
			return &fault{
				code: "bad-duration", message: durationText(time.Duration(v.Int())) + " is too short",
				hint: "the shortest is " + durationText(time.Duration(*m.min)),
			}
		}
	case kindEnum, kindBool, kindMode, kindList, kindMap, kindStruct, kindOptions, kindProfiles:
	}
	return nil
}

func (m *member) within(s *shape, n int64) *fault {
	show := func(n int64) string {
		if s.kind == kindSize {
			return Size(n).String()
		}
		return strconv.FormatInt(n, 10)
	}
	code := "bad-number"
	if s.kind == kindSize {
		code = "bad-size"
	}
	switch {
	case m.min != nil && n < *m.min:
		return &fault{code: code, message: show(n) + " is too small", hint: "the smallest is " + show(*m.min)}
	case m.max != nil && n > *m.max:
		return &fault{code: code, message: show(n) + " is too big", hint: "the largest is " + show(*m.max)}
	}
	return nil
}

// wrongShape says what a node is and what is needed.
func wrongShape(n *node, need string) *fault {
	f := &fault{code: "wrong-type", message: "is " + n.shape() + "; " + need + " is needed"}
	if n.null {
		f.hint = "leave the key out for the default"
	}
	return f
}

// article names a scalar shape for messages.
func (s *shape) article() string {
	switch s.kind {
	case kindBool:
		return "true or false"
	case kindInt:
		return "a number"
	case kindDuration:
		return "a duration"
	case kindSize:
		return "a size"
	case kindMode:
		return "a file mode"
	case kindEnum:
		return "one of " + strings.Join(s.enum, ", ")
	case kindString, kindList, kindMap, kindStruct, kindOptions, kindProfiles:
	}
	return "text"
}
