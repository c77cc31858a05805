package importer

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"scgikit/internal/appfile"
	"scgikit/internal/printable"
)

// render writes the description, in the order of the fields, with the place that
// each value was read from behind it.
func (d *draft) render() string {
	var b strings.Builder
	if d.r.kind == Project {
		b.WriteString("# \"scgikit explain FIELD\" says more about each field.\n")
	} else {
		fmt.Fprintf(&b, "# Read from %s by scgikit import %s.\n", d.at, string(d.r.kind))
	}
	b.WriteString("apiVersion: " + appfile.APIVersion + "\nname: " + d.name + "\n")
	var open []string
	for _, field := range d.sorted() {
		v := d.values[field]
		steps := strings.Split(field, ".")
		last := len(steps) - 1
		same := 0
		for same < last && same < len(open) && open[same] == steps[same] {
			same++
		}
		for i := same; i < last; i++ {
			b.WriteString(strings.Repeat("  ", i) + yamlText(steps[i]) + ":\n")
		}
		open = steps[:last]
		indent := strings.Repeat("  ", last)
		b.WriteString(indent + yamlText(steps[last]) + ":" + v.yaml(indent, d.near(v.at)) + "\n")
	}
	return b.String()
}

// String returns "file:line", fit for a comment.
func (p place) String() string {
	file := printable.Text(p.file)
	if p.line == 0 {
		return file
	}
	return fmt.Sprintf("%s:%d", file, p.line)
}

// near names a place as seen from that of the service, which the first line of
// the description has in full.
func (d *draft) near(at place) string {
	inner, ok := strings.CutPrefix(at.file, d.at.file+"/")
	if !ok {
		inner = strings.TrimPrefix(at.file, path.Dir(d.at.file)+"/")
	}
	if at.file == "" || at == d.at {
		return ""
	}
	return place{inner, at.line}.String()
}

// sorted returns the fields that are set, in the order of the schema.
func (d *draft) sorted() []string {
	// A list of groups, and what is no field, come last in the group that they are in.
	order := make(map[string]int)
	for i, f := range appfile.Fields() {
		order[f.Path] = i
		for p := f.Path; strings.ContainsAny(p, ".["); {
			p = p[:strings.LastIndexAny(p, ".[")]
			order[p] = i
		}
	}
	rank := func(field string) int {
		if i, ok := order[appfile.FieldOf(field)]; ok {
			return i
		}
		for strings.Contains(field, ".") {
			field = field[:strings.LastIndexByte(field, '.')]
			if i, ok := order[field]; ok {
				return i
			}
		}
		return len(order)
	}
	var fields []string
	for field := range d.values {
		fields = append(fields, field)
	}
	slices.SortFunc(fields, func(a, b string) int {
		if ra, rb := rank(a), rank(b); ra != rb {
			return ra - rb
		}
		return strings.Compare(a, b)
	})
	return fields
}

// yaml writes a value behind its colon.
func (v value) yaml(indent, from string) string {
	comment := ""
	if from != "" {
		comment = " # " + from
	}
	if !v.list {
		if v.bare {
			return " " + v.text[0] + comment
		}
		return " " + yamlText(v.text[0]) + comment
	}
	words := make([]string, len(v.text))
	for i, w := range v.text {
		words[i] = yamlText(w)
	}
	const width = 100
	if flow := " [" + strings.Join(words, ", ") + "]"; len(indent)+len(flow) <= width {
		return flow + comment
	}
	return comment + "\n" + indent + "  - " + strings.Join(words, "\n"+indent+"  - ")
}

var (
	// plainText are scalars that every version of YAML reads as the text they are,
	// in a flow list as well.
	plainText = regexp.MustCompile(`^([A-Za-z/.][A-Za-z0-9_/.@%+=-]*(:[A-Za-z0-9_/.@%+=-]+)*|[0-9]+(\.[0-9]+){3}:[0-9]+)$`)
	// notText are those that some version reads as something else.
	notText = regexp.MustCompile(`(?i)^(true|false|yes|no|on|off|y|n|null|\.inf|\.nan|[.0-9e+-]+|=)$`)
)

// yamlText writes a text as a scalar. It holds no control characters.
func yamlText(s string) string {
	if plainText.MatchString(s) && !notText.MatchString(s) {
		return s
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}
