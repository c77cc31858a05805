package appfile

import (
	"fmt"
	"slices"
	"strings"

	"scgikit/internal/diag"
)

// mergePatch applies a JSON merge patch: mappings are merged key by key, null
// removes a key, everything else (lists too) takes the place of what was there.
//
// Source: RFC 7386 section 2.
func mergePatch(target, patch *node) *node {
	if patch.kind != nodeMapping {
		return patch
	}
	if target == nil || target.kind != nodeMapping {
		target = &node{kind: nodeMapping, at: patch.at}
	}
	out := *target
	out.entries = slices.Clone(target.entries)
	for _, e := range patch.entries {
		i := slices.IndexFunc(out.entries, func(o entry) bool { return o.key == e.key })
		switch {
		case e.value.null && i >= 0:
			out.entries = slices.Delete(out.entries, i, i+1)
		case e.value.null:
		case i >= 0:
			out.entries[i] = entry{key: e.key, keyAt: e.keyAt, value: mergePatch(out.entries[i].value, e.value)}
		default:
			out.entries = append(out.entries, entry{key: e.key, keyAt: e.keyAt, value: mergePatch(nil, e.value)})
		}
	}
	return &out
}

// setting is one --set path=value.
type setting struct {
	steps []step
	text  *text
	value *node
}

// readSettings reads the --set values of a Loader. A value in brackets, braces
// or quotes is YAML; every other one is the text as it stands, and null
// removes the key.
func readSettings(sets []string, out *collector) []setting {
	var list []setting
	for _, set := range sets {
		t := &text{name: "--set " + set, from: FromSet}
		path, value, ok := strings.Cut(set, "=")
		s := setting{steps: steps(path), text: t}
		if !ok || len(s.steps) == 0 || slices.ContainsFunc(s.steps, func(st step) bool { return st.index < 0 && st.key == "" }) {
			out.add(&diag.Problem{
				Span: t.span(0, 0, 0), Code: "bad-set", Message: fmt.Sprintf("%q is not path=value", set),
				Hint: "for example --set listen.mode=0660 or --set run.env.LANG=C.UTF-8",
			})
			continue
		}
		if s.steps[0].key == "profiles" {
			out.add(&diag.Problem{
				Span: t.span(0, 0, 0), Code: "bad-set", Path: path, Message: "a profile is chosen with --profile and cannot be changed",
				Hint: "set the field itself",
			})
			continue
		}
		if s.value = settingValue(t, value, out); s.value != nil {
			list = append(list, s)
		}
	}
	return list
}

func settingValue(t *text, value string, out *collector) *node {
	at := place{text: t, width: 1}
	if !enclosed(value) {
		return &node{value: value, at: at, quoted: value == "", null: value == "null" || value == "~", varied: true}
	}
	data, _, p := readable(t.name, []byte("value: "+value), FromSet)
	if p != nil {
		p.Span = t.span(0, 0, 0)
		out.add(p)
		return nil
	}
	var inner collector
	docs := parse(t, data, &inner)
	for _, p := range inner.list {
		p.Span = t.span(0, 0, 0)
		out.add(p)
	}
	if len(docs) != 1 || len(inner.list) > 0 {
		return nil
	}
	return docs[0].get("value")
}

// enclosed tells YAML from plain text by its brackets, braces or quotes. An
// address such as [::1]:8040 only begins with one.
func enclosed(value string) bool {
	if len(value) < 2 {
		return false
	}
	switch value[:1] + value[len(value)-1:] {
	case "[]", "{}", `""`, "''":
		return true
	}
	return false
}

// apply returns a description with a setting in it.
func (s setting) apply(root *node, out *collector) *node {
	got, f := s.put(root, s.steps)
	if f != nil {
		_, path, _ := strings.Cut(s.text.name, " ")
		path, _, _ = strings.Cut(path, "=")
		out.add(&diag.Problem{Span: s.text.span(0, 0, 0), Code: "bad-set", Path: path, Message: f.message, Hint: f.hint})
		return root
	}
	return got
}

func (s setting) put(n *node, rest []step) (*node, *fault) {
	if len(rest) == 0 {
		return s.value, nil
	}
	if rest[0].index >= 0 {
		return s.putItem(n, rest)
	}
	if n == nil || n.null {
		n = &node{kind: nodeMapping, at: place{text: s.text, width: 1}}
	}
	if n.kind != nodeMapping {
		return nil, &fault{message: "the value before ." + rest[0].key + " is not a mapping", hint: "see: scgikit explain"}
	}
	key := rest[0].key
	if len(rest) == 1 && s.value.null {
		return n.with(key, place{}, nil), nil
	}
	value, f := s.put(n.get(key), rest[1:])
	if f != nil {
		return nil, f
	}
	return n.with(key, place{text: s.text, width: 1}, value), nil
}

func (s setting) putItem(n *node, rest []step) (*node, *fault) {
	if n == nil || n.null {
		n = &node{kind: nodeList, at: place{text: s.text, width: 1}}
	}
	i := rest[0].index
	switch {
	case n.kind != nodeList:
		return nil, &fault{message: fmt.Sprintf("the value before [%d] is not a list", i)}
	case i > len(n.items):
		return nil, &fault{
			message: fmt.Sprintf("the list has %d elements", len(n.items)),
			hint:    fmt.Sprintf("use [0] to [%d]; the last of them adds one", len(n.items)),
		}
	}
	out := *n
	out.items = slices.Clone(n.items)
	if i == len(n.items) {
		out.items = append(out.items, nil)
	}
	if len(rest) == 1 && s.value.null {
		out.items = slices.Delete(out.items, i, i+1)
		return &out, nil
	}
	value, f := s.put(out.items[i], rest[1:])
	if f != nil {
		return nil, f
	}
	out.items[i] = value
	return &out, nil
}
