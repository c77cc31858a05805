package layout

import (
	"slices"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// indentation is how many blanks a level has.
const indentation = 2

// layout is a source that is laid out, and the order of its keys.
type layout struct {
	lines []string
	root  *order
}

// source returns the lines of every document, and what stands around them.
func (l *layout) source(docs []*yaml.Node) []string {
	var out []string
	for from := 0; from < len(l.lines); {
		to := from
		for to < len(l.lines) && !boundary(l.lines[to]) {
			to++
		}
		part := docs[:0:0]
		for _, doc := range docs {
			if doc.Line-1 >= from && doc.Line-1 < to {
				part = append(part, doc)
			}
		}
		if len(part) == 1 && plain(l.lines[from:to]) {
			out = append(out, l.document(part[0], from, to)...)
		} else {
			out = append(out, tidy(l.lines[from:to])...)
		}
		if to < len(l.lines) {
			out = append(out, strings.TrimRight(l.lines[to], " \t"))
		}
		from = to + 1
	}
	return trimBlank(out)
}

// boundary reports whether a line begins or ends a document.
func boundary(line string) bool {
	for _, mark := range []string{"---", "..."} {
		if rest, ok := strings.CutPrefix(line, mark); ok && (rest == "" || rest[0] == ' ' || rest[0] == '\t') {
			return true
		}
	}
	return false
}

// plain reports whether no directive of YAML stands in the lines.
func plain(lines []string) bool {
	return !slices.ContainsFunc(lines, func(s string) bool { return strings.HasPrefix(s, "%") })
}

// document lays one out. A comment at its top is about the whole of it, and stays;
// so does one at its end, at the left. Where a blank line parts comments at the top,
// the last of them is about the first key.
func (l *layout) document(root *yaml.Node, from, to int) []string {
	switch {
	case root.Kind != yaml.MappingNode || len(root.Content) == 0:
		return tidy(l.lines[from:to])
	case root.Style&yaml.FlowStyle != 0:
		head := root.Line - 1
		return tidy(slices.Concat(l.lines[from:head], l.value(root, l.root, head, to, root.Column-1, 0)))
	}
	first := l.top(from, root.Content[0].Line-1)
	out := l.comments(from, first, 0)
	return append(out, l.mapping(root, l.root, first, to, 0)...)
}

// top returns where the comments at the top of a document end, whose first key
// stands in a line.
func (l *layout) top(from, key int) int {
	at := key
	for at > from && isComment(l.lines[at-1]) {
		at--
	}
	if at == key || !slices.ContainsFunc(l.lines[from:at], isComment) {
		return key
	}
	return at
}

// part is a key or an item with the comments before it.
type part struct {
	rank     int
	comments []string
	lines    []string
}

// mapping returns the lines of a mapping in block form at an indentation, which
// takes up the lines from one on as far as another.
func (l *layout) mapping(y *yaml.Node, o *order, from, to, indent int) []string {
	column := y.Content[0].Column - 1
	var parts []part
	var starts []int // the lines of the keys
	for i := 0; i+1 < len(y.Content); i += 2 {
		starts = append(starts, y.Content[i].Line-1)
	}
	end := l.foot(starts[len(starts)-1], to, column)
	bounds := l.bounds(starts, from, end, column)
	for i, start := range starts {
		key, value := y.Content[2*i], y.Content[2*i+1]
		p := part{comments: l.comments(bounds[i], start, indent)}
		p.lines = l.entry(key, value, o.under(key.Value), start, bounds[i+1], indent)
		p.rank = o.rank(key.Value, i)
		parts = append(parts, p)
	}
	slices.SortStableFunc(parts, func(a, b part) int { return a.rank - b.rank })
	var out []string
	for _, p := range parts {
		out = append(out, p.comments...)
		out = append(out, p.lines...)
	}
	if indent > 0 && out[0] == "" {
		out = out[1:] // it parted this key from one that stands behind it now
	}
	return append(out, l.comments(end, to, indent)...)
}

// sequence is mapping for the items of a list.
func (l *layout) sequence(y *yaml.Node, o *order, from, to, indent int) []string {
	column := y.Column - 1
	var starts []int
	for _, item := range y.Content {
		start := item.Line - 1
		for start > from && !dashAt(l.lines[start], column) {
			start--
		}
		starts = append(starts, start)
	}
	end := l.foot(starts[len(starts)-1], to, column)
	bounds := l.bounds(starts, from, end, column)
	var out []string
	for i, start := range starts {
		out = append(out, l.comments(bounds[i], start, indent)...)
		out = append(out, l.item(y.Content[i], o.element(), start, bounds[i+1], column, indent)...)
	}
	return append(out, l.comments(end, to, indent)...)
}

// item returns an item with its dash.
func (l *layout) item(y *yaml.Node, o *order, from, to, column, indent int) []string {
	line := []rune(l.lines[from])
	if column >= len(line) {
		return l.lines[from:to] // no dash: what comes of it is not taken
	}
	line[column] = ' '
	l.lines[from] = string(line)
	if y.Kind == yaml.MappingNode && y.Style&yaml.FlowStyle == 0 && len(y.Content) > 0 {
		var beside []string // the dash: it is about the whole item, and goes above it
		if isComment(l.lines[from]) {
			beside = l.comments(from, from+1, indent)
			from++
		}
		lines := l.mapping(y, o, from, to, indent+indentation)
		at := slices.IndexFunc(lines, func(s string) bool { return s != "" && !isComment(s) })
		if at < 0 {
			return append(beside, lines...)
		}
		for i := range at {
			lines[i] = reindent(lines[i], indentOf(lines[i])-indentation)
		}
		lines[at] = strings.Repeat(" ", indent) + "- " + strings.TrimLeft(lines[at], " ")
		return append(beside, lines...)
	}
	text := strings.TrimLeft(l.lines[from], " \t")
	if text == "" || isComment(text) { // the value stands below its dash
		lines := l.shift(from+1, to, indent-column, y)
		return append([]string{strings.TrimRight(strings.Repeat(" ", indent)+"- "+text, " ")}, lines...)
	}
	lines := l.value(y, o, from, to, indentOf(l.lines[from]), indent+indentation)
	lines[0] = strings.Repeat(" ", indent) + "- " + strings.TrimLeft(lines[0], " ")
	return lines
}

// entry returns a key and what stands behind it, without the comments before it.
func (l *layout) entry(key, value *yaml.Node, o *order, from, to, indent int) []string {
	line := []rune(l.lines[from])
	if key.Column-1 > len(line) {
		return l.lines[from:to]
	}
	text := string(line[key.Column-1:])
	block := value.Style&yaml.FlowStyle == 0 && len(value.Content) > 0
	if block && value.Line-1 > from {
		out := []string{strings.Repeat(" ", indent) + strings.TrimRight(text, " \t")}
		if value.Kind == yaml.MappingNode {
			return append(out, l.mapping(value, o, from+1, to, indent+indentation)...)
		}
		return append(out, l.sequence(value, o, from+1, to, indent+indentation)...)
	}
	if value.Line-1 != from || value.Column <= key.Column || value.Kind == yaml.ScalarNode && value.Value == "" && value.Style == 0 {
		out := l.shift(from, to, indent-(key.Column-1), value)
		out[0] = strings.Repeat(" ", indent) + strings.TrimRight(text, " \t")
		return out
	}
	head := strings.TrimRight(string(line[key.Column-1:min(value.Column-1, len(line))]), " \t")
	out := l.value(value, o, from, to, value.Column-1, indent)
	for i := 1; i < len(out); i++ {
		// What goes on in further lines keeps its distance from the key.
		out[i] = l.moved(from+i, indent-(key.Column-1), value)
	}
	out[0] = strings.Repeat(" ", indent) + head + " " + strings.TrimLeft(out[0], " ")
	return out
}

// value returns a value as it was written, from a column of its first line on. Only
// the keys of a mapping that stands in braces on one line are put in order.
func (l *layout) value(y *yaml.Node, o *order, from, to, column, indent int) []string {
	out := l.shift(from, to, indent-column, y)
	first := []rune(l.lines[from])
	text := string(first[min(column, len(first)):])
	if y.Style&yaml.FlowStyle != 0 {
		text = flow(text, y, o, column)
	}
	if y.Style&(yaml.LiteralStyle|yaml.FoldedStyle) == 0 {
		text = strings.TrimRight(text, " \t")
	}
	out[0] = strings.Repeat(" ", indent) + text
	return out
}

// shift returns lines moved to the right, or left, as far as they can be.
func (l *layout) shift(from, to, by int, y *yaml.Node) []string {
	var out []string
	for i := from; i < to; i++ {
		out = append(out, l.moved(i, by, y))
	}
	return out
}

func (l *layout) moved(i, by int, y *yaml.Node) string {
	line := l.lines[i]
	if y.Style&(yaml.LiteralStyle|yaml.FoldedStyle) == 0 {
		line = strings.TrimRight(line, " \t")
	}
	if strings.Trim(line, " ") == "" && by < 0 {
		return line[min(-by, len(line)):]
	}
	if line == "" {
		return ""
	}
	return reindent(line, indentOf(line)+by)
}

// bounds returns where the parts begin that have their first line at starts, with
// the comments before them, and where the last one ends.
func (l *layout) bounds(starts []int, from, end, column int) []int {
	out := []int{from}
	for i := 1; i < len(starts); i++ {
		at := starts[i]
		for at > starts[i-1]+1 && l.between(at-1, column) {
			at--
		}
		out = append(out, at)
	}
	return append(out, end)
}

// foot returns where the last part ends, that begins at a line, of what ends
// before another: comments at its own column, or to the left of it, are behind it.
func (l *layout) foot(start, to, column int) int {
	for to > start+1 && l.between(to-1, column) {
		to--
	}
	return to
}

// between reports whether a line is empty, or a comment that is not further to the
// right than a column.
func (l *layout) between(i, column int) bool {
	text := strings.TrimLeft(l.lines[i], " \t")
	return text == "" || text[0] == '#' && utf8.RuneCountInString(l.lines[i])-utf8.RuneCountInString(text) <= column
}

// comments returns the comments of some lines, one blank line between them at most.
func (l *layout) comments(from, to, indent int) []string {
	var out []string
	for _, line := range l.lines[from:to] {
		text := strings.TrimSpace(line)
		if text == "" {
			if len(out) == 0 || out[len(out)-1] != "" {
				out = append(out, "")
			}
			continue
		}
		out = append(out, strings.Repeat(" ", indent)+text)
	}
	return out
}

func isComment(line string) bool {
	return strings.HasPrefix(strings.TrimLeft(line, " \t"), "#")
}

func dashAt(line string, column int) bool {
	runes := []rune(line)
	return column < len(runes) && runes[column] == '-'
}

func indentOf(line string) int { return len(line) - len(strings.TrimLeft(line, " ")) }

func reindent(line string, n int) string {
	return strings.Repeat(" ", max(n, 0)) + strings.TrimLeft(line, " ")
}

// tidy returns lines that are not laid out, without blanks at their ends.
func tidy(lines []string) []string {
	out := make([]string, len(lines))
	for i, line := range lines {
		out[i] = strings.TrimRight(line, " \t")
	}
	return out
}

// trimBlank takes away the empty lines at both ends.
func trimBlank(lines []string) []string {
	for len(lines) > 0 && lines[0] == "" {
		lines = lines[1:]
	}
	for len(lines) > 0 && lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	return lines
}
