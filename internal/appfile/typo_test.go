package appfile

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// place of a key in a description that is written for it.
type keyCase struct {
	path string   // of the mapping that holds the key
	key  string   //
	keys []string // of the mapping
}

// everyKey returns every key of the schema, with the mapping it stands in:
// those of structs, of elements of lists, of profiles and of options.
func everyKey(s *shape, path string) []keyCase {
	var out []keyCase
	for _, m := range s.fields {
		out = append(out, keyCase{path: path, key: m.key, keys: s.keys})
		p := join(path, m.key)
		switch {
		case m.shape.kind == kindStruct:
			out = append(out, everyKey(m.shape, p)...)
		case m.shape.kind == kindList && m.shape.elem.kind == kindStruct:
			out = append(out, everyKey(m.shape.elem, p+"[0]")...)
		case m.shape.kind == kindMap && m.shape.elem.kind == kindStruct:
			out = append(out, everyKey(m.shape.elem, p+".NAME")...)
		}
	}
	return out
}

// typos returns every word that one slip of the finger makes of a key.
func typos(key string) []string {
	seen := map[string]bool{key: true}
	var out []string
	add := func(word string) {
		if word != "" && !seen[word] {
			seen[word] = true
			out = append(out, word)
		}
	}
	for i := range len(key) + 1 {
		if i < len(key) {
			add(key[:i] + key[i+1:])
			for _, c := range "aesx_" {
				add(key[:i] + string(c) + key[i+1:])
			}
		}
		if i+1 < len(key) {
			add(key[:i] + string(key[i+1]) + string(key[i]) + key[i+2:])
		}
		for _, c := range "aesx_" {
			add(key[:i] + string(c) + key[i:])
		}
	}
	return out
}

// describe writes a description in which a key stands in a mapping, and
// returns the place of the key.
func describe(path, key string) (text string, line, column int) {
	var b strings.Builder
	b.WriteString("apiVersion: scgikit/v1\n")
	indent := ""
	for _, part := range strings.FieldsFunc(path, func(r rune) bool { return r == '.' }) {
		name, list := strings.CutSuffix(part, "[0]")
		fmt.Fprintf(&b, "%s%s:\n", indent, name)
		indent += "  "
		if list {
			fmt.Fprintf(&b, "%s-\n", indent)
			indent += "  "
		}
	}
	line = strings.Count(b.String(), "\n") + 1
	fmt.Fprintf(&b, "%s%s: x\n", indent, key)
	return b.String(), line, len(indent) + 1
}

// TestEveryTypo makes every slip of the finger in every key. Each must be
// refused where it stands, and nine in ten hints must name the right key.
func TestEveryTypo(t *testing.T) {
	all := everyKey(appShape(), "")
	all = append(all, everyKey(appShape(), "profiles.prod")...)
	for target, s := range optionShapes(testOptions()) {
		all = append(all, everyKey(s, "options."+target)...)
	}
	l := Loader{Options: testOptions()}
	tried, named, valid := 0, 0, 0
	for _, k := range all {
		for _, typo := range typos(k.key) {
			if slices.Contains(k.keys, typo) {
				valid++
				continue
			}
			tried++
			text, line, column := describe(k.path, typo)
			_, list := l.Load([]Source{{Name: "typo.yaml", Data: []byte(text)}})
			found := false
			for _, p := range list {
				if p.Code != "unknown-key" || p.Span.Line != line || p.Span.Column != column || p.Span.Width != utf8.RuneCountInString(typo) {
					continue
				}
				found = true
				if p.Hint == "did you mean "+k.key+"?" {
					named++
				} else if testing.Verbose() && tried%7 == 0 {
					t.Logf("%s: %s for %s: %q", k.path, typo, k.key, p.Hint)
				}
			}
			if !found {
				t.Errorf("%s: %q for %q is not refused at %d:%d:\n%s%v", k.path, typo, k.key, line, column, text, list)
			}
		}
	}
	t.Logf("%d keys, %d typos: all refused at their place, %d (%.1f %%) with the right key; %d slips make another valid key",
		len(all), tried, named, 100*float64(named)/float64(tried), valid)
	if named*10 < tried*9 {
		t.Errorf("the right key is named in %d of %d", named, tried)
	}
	if tried < 10000 {
		t.Errorf("only %d typos were tried", tried)
	}
}
