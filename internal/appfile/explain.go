package appfile

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"scgikit/internal/diag"
)

// UnknownFieldError is what Explain returns for a path that is no field.
type UnknownFieldError struct {
	Path string
	Near string // the nearest field, or ""
}

// Error names the path.
func (e *UnknownFieldError) Error() string { return fmt.Sprintf("no field is named %q", e.Path) }

// Hint says what was probably meant.
func (e *UnknownFieldError) Hint() string {
	if e.Near != "" {
		return "did you mean " + e.Near + "?"
	}
	return "the fields of a section: scgikit explain run; all of them: scgikit explain"
}

// Explain returns the text of "scgikit explain FIELD": type, default, rule and
// an example of a field, or the fields of a section. Indexes and map keys in
// the path are passed over. options are those of the targets, as in a Loader.
// A path that is neither is an *UnknownFieldError.
func Explain(field string, options map[string]any) (string, error) {
	all := append(slices.Clone(allFields()), OptionFields(options)...)
	if field == "" {
		return list(all), nil
	}
	for _, want := range []string{field, FieldOf(field)} {
		if i := slices.IndexFunc(all, func(f Field) bool { return f.Path == want }); i >= 0 && (want != "options" || field == "options") {
			return all[i].explain() + below(all, want), nil
		}
	}
	if text := below(all, field); text != "" {
		return sectionDoc(field) + text, nil
	}
	return "", &UnknownFieldError{Path: field, Near: nearestField(field, all)}
}

// explain returns the text of one field.
func (f *Field) explain() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n%s\n\n", f.Path, wrap(f.Doc, 76, "    "))
	row := func(name, text string) {
		if text != "" {
			fmt.Fprintf(&b, "    %-9s%s\n", name, text)
		}
	}
	row("type", f.typeText())
	row("words", strings.Join(f.Enum, ", "))
	row("default", f.Default)
	if f.Required {
		row("needed", "always")
	}
	row("rule", f.Rule())
	row("example", f.Example())
	return b.String()
}

func (f *Field) typeText() string {
	if s := f.member.shape; s.kind == kindList || s.kind == kindMap {
		elem := s.elem
		if elem != nil && elem.kind != kindString && elem.kind != kindEnum {
			return f.Type + " of " + elem.kind.String()
		}
	}
	return f.Type
}

// Rule returns what a value must keep beyond its type, in words; "" for nothing.
func (f *Field) Rule() string {
	var rules []string
	if f.member.format != nil {
		rules = append(rules, f.member.format.words)
	}
	if f.Min != nil {
		rules = append(rules, "at least "+f.limitText(*f.Min))
	}
	if f.Max != nil {
		rules = append(rules, "at most "+f.limitText(*f.Max))
	}
	switch f.member.shape.kind {
	case kindDuration:
		if f.Min == nil {
			rules = append(rules, "more than 0")
		}
	case kindMode:
		rules = append(rules, "a zero and three octal digits")
	case kindSize:
		rules = append(rules, "bytes, or with KiB, MiB, GiB")
	case kindString, kindEnum, kindBool, kindInt, kindList, kindMap, kindStruct, kindOptions, kindProfiles:
	}
	return strings.Join(rules, "; ")
}

func (f *Field) limitText(n int64) string {
	if f.member.shape.kind == kindDuration {
		return durationText(time.Duration(n))
	}
	if f.member.shape.kind == kindSize {
		return Size(n).String()
	}
	return strconv.FormatInt(n, 10)
}

// Example returns a line that sets the field.
func (f *Field) Example() string {
	key := f.member.key
	value := f.member.exampleText()
	if len(f.Enum) > 0 {
		value = f.Enum[0]
	}
	switch f.member.shape.kind {
	case kindList:
		return key + ": [" + value + "]"
	case kindMap:
		name := "NAME"
		if f.member.format != nil {
			name = f.member.format.example
		}
		return key + ": {" + name + ": value}"
	case kindOptions:
		return key + ": {inetd: {dialect: openbsd}}"
	case kindProfiles:
		return key + ": {prod: {run: {user: blog}}}"
	case kindMode:
		return key + `: "` + value + `"`
	case kindBool:
		if value == "…" {
			value = "true"
		}
	case kindInt, kindDuration, kindSize:
		if value == "…" {
			value = map[kind]string{kindInt: "1", kindDuration: "10s", kindSize: "64MiB"}[f.member.shape.kind]
			switch {
			case f.Min == nil:
			case f.member.shape.kind == kindInt && *f.Min > 1:
				value = strconv.FormatInt(*f.Min, 10)
			case f.member.shape.kind == kindDuration:
				value = "7d"
			}
		}
	case kindString, kindEnum, kindStruct:
		if value == "…" {
			value = "text"
		}
	}
	return key + ": " + value
}

// below lists the fields of a section, one a line.
func below(all []Field, section string) string {
	var in []Field
	for _, f := range all {
		rest, ok := strings.CutPrefix(f.Path, section)
		if ok && rest != "" && strings.ContainsAny(rest[:1], ".[") {
			in = append(in, f)
		}
	}
	if len(in) == 0 {
		return ""
	}
	return "\n" + list(in)
}

func list(fields []Field) string {
	width := 0
	for _, f := range fields {
		width = max(width, len(f.Path))
	}
	var b strings.Builder
	for _, f := range fields {
		fmt.Fprintf(&b, "%-*s  %s\n", width, f.Path, f.Doc)
	}
	return b.String()
}

// sectionDoc returns the sentence about a section such as "run.limits".
func sectionDoc(section string) string {
	s := appShape()
	doc := ""
	for _, st := range steps(section) {
		if s == nil || s.byKey[st.key] == nil {
			s = s.below(st.key)
			continue
		}
		doc = s.byKey[st.key].doc
		s = s.byKey[st.key].shape
	}
	if doc == "" {
		return section + "\n"
	}
	return section + "\n\n" + wrap(doc, 76, "    ") + "\n"
}

// nearestField finds the field that was meant: by the whole path, or by its
// last key alone.
func nearestField(field string, all []Field) string {
	var paths []string
	byKey := make(map[string]string)
	for _, f := range all {
		paths = append(paths, f.Path)
		if _, last, _ := cutLast(f.Path); byKey[last] == "" {
			byKey[last] = f.Path
		}
	}
	_, last, _ := cutLast(field)
	if path, ok := byKey[last]; ok {
		return path
	}
	if near := diag.Nearest(field, paths); near != "" {
		return near
	}
	return byKey[diag.Nearest(last, sortedKeys(byKey))]
}
