package generate

import (
	"bytes"
	"io/fs"
	"path"
	"slices"
	"strings"
	"text/template"
	"text/template/parse"

	"scgikit/internal/appfile"
	"scgikit/internal/diag"
	"scgikit/internal/fileset"
)

// Line says what wrote one line of a generated file.
type Line struct {
	Kind     LineKind
	Template string // "nginx/_pass.tmpl", of LineFixed and LineValue
	Number   int    // the line of the template, from 1
}

// LineKind is what a line of a generated file is.
type LineKind uint8

// The kinds of line.
const (
	LineFixed  LineKind = iota // text of the template alone
	LineValue                  // values are printed in it
	LineHeader                 // what the generator says about the file
	LineRaw                    // of a file that has no template: its bytes are a value
)

// Trace is Render that also says, for each line of every file, what wrote it.
func (r *Renderer) Trace(t *Target, project *appfile.Project, apps []*appfile.App) (*fileset.Set, map[string][]Line, diag.List) {
	traced := &Renderer{Overrides: r.Overrides, traces: make(map[string][]Line)}
	set, list := traced.Render(t, project, apps)
	return set, traced.traces, list
}

// tracer notes where in the output the nodes of a template began to write.
type tracer struct {
	nodes []tracedNode
	out   *limitedWriter
	marks []mark
}

// tracedNode is a node that writes.
type tracedNode struct {
	file  string
	line  int
	value bool
}

// mark is the begin of what a node wrote.
type mark struct{ offset, node int }

const markStep = "scgikitMark"

func (tr *tracer) mark(node int64) string {
	tr.marks = append(tr.marks, mark{len(tr.out.data), int(node)})
	return ""
}

// instrument puts a mark in front of every node of a template that writes.
// texts are those of the files, by the names that the templates have.
func (tr *tracer) instrument(root *template.Template, files, texts map[string]string) {
	for _, tmpl := range root.Templates() {
		name := tmpl.ParseName
		for node := range nodes(tmpl.Root) {
			if list, ok := node.(*parse.ListNode); ok {
				list.Nodes = tr.marked(list.Nodes, files[name], texts[name])
			}
		}
	}
}

func (tr *tracer) marked(list []parse.Node, file, text string) []parse.Node {
	var out []parse.Node
	for _, node := range list {
		switch node := node.(type) {
		case *parse.TextNode:
			out = append(out, tr.newMark(tracedNode{file, lineAt(text, node.Pos), false}))
		case *parse.ActionNode:
			out = append(out, tr.newMark(tracedNode{file, lineAt(text, node.Pos), true}))
		}
		out = append(out, node)
	}
	return out
}

func lineAt(text string, pos parse.Pos) int {
	return 1 + strings.Count(text[:min(int(pos), len(text))], "\n")
}

// newMark is an action that calls mark with the number of a node.
func (tr *tracer) newMark(n tracedNode) parse.Node {
	tr.nodes = append(tr.nodes, n)
	number := &parse.NumberNode{NodeType: parse.NodeNumber, IsInt: true, Int64: int64(len(tr.nodes) - 1)}
	call := &parse.CommandNode{NodeType: parse.NodeCommand, Args: []parse.Node{parse.NewIdentifier(markStep), number}}
	pipe := &parse.PipeNode{NodeType: parse.NodePipe, Cmds: []*parse.CommandNode{call}}
	return &parse.ActionNode{NodeType: parse.NodeAction, Pipe: pipe}
}

// lines returns what wrote each line of the output.
func (tr *tracer) lines(out []byte) []Line {
	var lines []Line
	start, at := 0, 0
	for start < len(out) {
		end := len(out)
		if i := bytes.IndexByte(out[start:], '\n'); i >= 0 {
			end = start + i + 1
		}
		// The marks of this line, with the one that began before it.
		for at+1 < len(tr.marks) && tr.marks[at+1].offset <= start {
			at++
		}
		lines = append(lines, tr.line(out, start, end, at))
		start = end
	}
	return lines
}

// line looks at what was written between two offsets; first is the mark that is
// in force at the first of them. The line is where its first word is from.
func (tr *tracer) line(out []byte, start, end, first int) Line {
	var found Line
	words := false
	for i := first; i < len(tr.marks) && tr.marks[i].offset < end; i++ {
		began := tr.marks[i].offset
		from, to := max(began, start), end
		if i+1 < len(tr.marks) {
			to = min(to, tr.marks[i+1].offset)
		}
		if from >= to {
			continue
		}
		node := tr.nodes[tr.marks[i].node]
		if node.value {
			found.Kind = LineValue
		}
		blank := len(bytes.TrimSpace(out[from:to])) == 0
		if words || blank && found.Number > 0 {
			continue
		}
		words = !blank
		found.Template, found.Number = node.file, node.line
		if !node.value {
			found.Number += bytes.Count(out[began:from], []byte("\n"))
		}
	}
	return found
}

// tidied gives the lines of a file that was laid out again the origins that they
// had before: the order of lines that are not empty is the same.
func tidied(lines []Line, before, after []byte) []Line {
	var kept []Line
	i := 0
	for text := range bytes.Lines(before) {
		if len(bytes.TrimSpace(text)) > 0 {
			kept = append(kept, lines[i])
		}
		i++
	}
	var out []Line
	for text := range bytes.Lines(after) {
		switch {
		case len(bytes.TrimSpace(text)) > 0 && len(kept) > 0:
			out, kept = append(out, kept[0]), kept[1:]
		case len(kept) > 0:
			out = append(out, Line{Template: kept[0].Template, Number: kept[0].Number})
		default:
			out = append(out, Line{})
		}
	}
	return out
}

// withHeaderLines puts the lines of the header among those of the body.
func withHeaderLines(lines []Line, body, file []byte) []Line {
	first := 0
	if len(lines) > 0 && (bytes.HasPrefix(body, []byte("#!")) || bytes.HasPrefix(body, []byte("<?xml "))) {
		first = 1
	}
	count := bytes.Count(file, []byte("\n")) - len(lines)
	return slices.Concat(lines[:first], slices.Repeat([]Line{{Kind: LineHeader}}, max(count, 0)), lines[first:])
}

// rawLines are those of a file without a template.
func rawLines(data []byte) []Line {
	n := bytes.Count(data, []byte("\n"))
	if len(data) > 0 && data[len(data)-1] != '\n' {
		n++
	}
	return slices.Repeat([]Line{{Kind: LineRaw}}, n)
}

// fileOf is the place of a template that templates call by its base.
func fileOf(parts []string) map[string]string {
	files := make(map[string]string, len(parts))
	for _, part := range parts {
		files[path.Base(part)] = part
	}
	return files
}

// OwnTemplate reports whether a template that Trace names is one of Overrides.
func (r *Renderer) OwnTemplate(file string) bool {
	if r.Overrides == nil {
		return false
	}
	_, err := fs.Stat(r.Overrides, file)
	return err == nil
}
