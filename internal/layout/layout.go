// Package layout writes a description in its canonical form: the keys in the order
// of the schema, two blanks for each level, one blank line at most, and every
// comment where it belongs. What stands behind a key is kept as it was written.
//
// It works on lines, not on values, because a YAML encoder would lose blank lines,
// quotes and the place of comments. Its result is read back, and has to say the
// same as its source.
package layout

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"scgikit/internal/appfile"
	"scgikit/internal/diag"
)

// ErrShape is returned for a source that is laid out in a way that can not be
// changed with certainty. It is valid YAML, and is to be left as it is.
var ErrShape = errors.New("it is written in a way that can not be laid out without a risk; write each key on a line of its own")

// Format returns the canonical form of a source, which may hold several
// descriptions. options is what the targets' options decode into, as
// generate.OptionTypes returns it. The list holds what hinders reading the source
// as YAML; the description itself may have mistakes, which are left in. Any other
// error is ErrShape.
func Format(name string, data []byte, options map[string]any) ([]byte, diag.List, error) {
	if list := appfile.Syntax(name, data); list.HasErrors() {
		return nil, list, nil
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	data = bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n"))
	before, err := documents(data)
	if err != nil {
		return nil, nil, err
	}
	l := layout{lines: strings.Split(string(data), "\n"), root: schemaOrder(options)}
	out := []byte(strings.Join(l.source(before), "\n"))
	if len(out) > 0 {
		out = append(out, '\n')
	}
	after, err := documents(out)
	if err != nil || !equalAll(before, after) || !slices.Equal(comments(data), comments(out)) {
		return nil, nil, ErrShape
	}
	return out, nil, nil
}

// documents returns the root of every document in a source that holds one.
func documents(data []byte) ([]*yaml.Node, error) {
	loader, err := yaml.NewLoader(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("%w (%w)", ErrShape, err)
	}
	var out []*yaml.Node
	for {
		var doc yaml.Node
		switch err := loader.Load(&doc); {
		case errors.Is(err, io.EOF):
			return out, nil
		case err != nil:
			return nil, fmt.Errorf("%w (%w)", ErrShape, err)
		case len(doc.Content) == 1:
			out = append(out, doc.Content[0])
		}
	}
}

func equalAll(a, b []*yaml.Node) bool { return slices.EqualFunc(a, b, equal) }

// equal reports whether two nodes say the same; the order of keys says nothing.
func equal(a, b *yaml.Node) bool {
	if a.Kind != b.Kind || a.Tag != b.Tag || a.Value != b.Value || len(a.Content) != len(b.Content) {
		return false
	}
	if a.Kind != yaml.MappingNode {
		return slices.EqualFunc(a.Content, b.Content, equal)
	}
	values := make(map[string]*yaml.Node, len(b.Content)/2)
	for i := 0; i+1 < len(b.Content); i += 2 {
		values[b.Content[i].Value] = b.Content[i+1]
	}
	for i := 0; i+1 < len(a.Content); i += 2 {
		other := values[a.Content[i].Value]
		if other == nil || !equal(a.Content[i+1], other) {
			return false
		}
	}
	return len(values) == len(a.Content)/2
}

// comments returns what may be comments, sorted: whatever stands behind a "#" that
// begins a line or has a blank before it. Those within values are the same before
// and after as well, unless keys change their places on that line.
func comments(data []byte) []string {
	var out []string
	for line := range strings.SplitSeq(string(data), "\n") {
		for at := range len(line) {
			if line[at] == '#' && (at == 0 || line[at-1] == ' ' || line[at-1] == '\t') {
				out = append(out, strings.TrimSpace(line[at:]))
				break
			}
		}
	}
	slices.Sort(out)
	return out
}

// order is the place of the keys of a mapping among themselves.
type order struct {
	at    map[string]int
	below map[string]*order // of a key; that of every element stands under ""
}

func (o *order) element() *order { return o.under("") }

// under is safe to ask of nothing: where the schema ends, the order is the writer's.
func (o *order) under(key string) *order {
	if o == nil {
		return nil
	}
	if b := o.below[key]; b != nil {
		return b
	}
	return o.below["*"]
}

// schemaOrder returns the order of a description, which its profiles have as well.
func schemaOrder(options map[string]any) *order {
	root := newOrder()
	fields := appfile.Fields()
	for i := range fields {
		if fields[i].Path == "options" {
			for _, f := range appfile.OptionFields(options) {
				root.add(f.Path)
			}
			for _, target := range slices.Sorted(maps.Keys(options)) {
				root.add("options." + target)
			}
			continue
		}
		root.add(fields[i].Path)
	}
	root.add("profiles.*")
	root.below["profiles"].below["*"] = root
	return root
}

// rank returns a number to sort a key by that is the i-th in its source: those that
// the schema does not know come last, in the order of the writer.
func (o *order) rank(key string, i int) int {
	if o == nil {
		return i
	}
	if at, ok := o.at[key]; ok {
		return at
	}
	return len(o.at) + i
}

func newOrder() *order { return &order{at: map[string]int{}, below: map[string]*order{}} }

// add takes a path such as "http.static[].url" in.
func (o *order) add(path string) {
	for path != "" {
		key, rest, _ := strings.Cut(path, ".")
		key, list := strings.CutSuffix(key, "[]")
		if _, known := o.at[key]; !known && key != "*" {
			o.at[key] = len(o.at)
		}
		o = o.child(key)
		if list {
			o = o.child("")
		}
		path = rest
	}
}

func (o *order) child(key string) *order {
	if o.below[key] == nil {
		o.below[key] = newOrder()
	}
	return o.below[key]
}
