package appfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"

	"scgikit/internal/diag"
)

// maxDepth is how deep lists and mappings may nest. No field needs half of it.
const maxDepth = 32

// maxNodes is how many values one description may have. Each instance is
// decoded by itself, so the work is up to 64 times that.
const maxNodes = 10_000

// nodeKind is the shape of a node.
type nodeKind uint8

const (
	nodeScalar nodeKind = iota
	nodeList
	nodeMapping
)

// node is one value of a description, with its place. Nodes do not change once
// they are built: profiles, settings and variables make new ones.
type node struct {
	kind    nodeKind
	value   string // of a scalar: the text as written, without quotes
	quoted  bool   // quotes or a block around a scalar: never null, bool or number
	null    bool   // a scalar that says nothing: empty, ~ or null
	varied  bool   // a variable was put in, or it is a setting of the command line
	spoilt  bool   // its mistake is already reported
	items   []*node
	entries []entry
	at      place
}

// entry is one key of a mapping.
type entry struct {
	key   string
	keyAt place
	value *node
}

// place is where a node or a key stands; its span is made when it is needed.
type place struct {
	text                *text
	line, column, width int
}

func (p place) span() diag.Span { return p.text.span(p.line, p.column, p.width) }

// get returns the value of a key, or nil.
func (n *node) get(key string) *node {
	if n == nil {
		return nil
	}
	for i := range n.entries {
		if n.entries[i].key == key {
			return n.entries[i].value
		}
	}
	return nil
}

// with returns a copy of a mapping in which a key has a value; nil removes it.
func (n *node) with(key string, keyAt place, value *node) *node {
	out := *n
	out.entries = make([]entry, 0, len(n.entries)+1)
	found := false
	for _, e := range n.entries {
		if e.key != key {
			out.entries = append(out.entries, e)
			continue
		}
		found = true
		if value != nil {
			out.entries = append(out.entries, entry{key: key, keyAt: keyAt, value: value})
		}
	}
	if !found && value != nil {
		out.entries = append(out.entries, entry{key: key, keyAt: keyAt, value: value})
	}
	return &out
}

// parse returns the documents of a source. What YAML itself cannot read, and
// what hides the value of a field from a reader (anchors, merge keys, tags),
// is one problem for each document, and then the document is left out.
func parse(t *text, data []byte, out *collector) []*node {
	if anchors(data) > maxAnchors {
		out.add(&diag.Problem{
			Span: t.span(0, 0, 0), Code: "anchor",
			Message: fmt.Sprintf("more than %d words begin with &, as anchors do", maxAnchors), Hint: anchorHint,
		})
		return nil
	}
	loader, err := yaml.NewLoader(bytes.NewReader(data))
	if err != nil {
		out.add(syntaxProblem(t, err))
		return nil
	}
	var docs []*node
	failed := false
	for {
		var doc yaml.Node
		err := loader.Load(&doc)
		if errors.Is(err, io.EOF) {
			if len(docs) == 0 && !failed {
				out.add(&diag.Problem{
					Span: t.span(1, 1, 1), Code: "empty", Message: "the description is empty",
					Hint: "start with apiVersion: " + APIVersion,
				})
			}
			return docs
		}
		if err != nil {
			out.add(syntaxProblem(t, err))
			return docs
		}
		c := converter{text: t, out: out}
		if n := c.document(&doc); n != nil {
			docs = append(docs, n)
		}
		failed = failed || c.failed
	}
}

// maxAnchors is how many words of a source may begin with "&". One anchor is
// refused where it stands, but the parser takes hundreds of bytes of memory for
// each before that can be seen, and a file of nothing else is an attack.
const maxAnchors = 1000

// anchors counts the words that begin with "&".
func anchors(data []byte) int {
	count := 0
	for i, c := range data {
		if c == '&' && i+1 < len(data) && data[i+1] > ' ' && (i == 0 || bytes.IndexByte([]byte(" \t\n[{,:-?"), data[i-1]) >= 0) {
			count++
		}
	}
	return count
}

// syntaxProblem says what the YAML parser said, in the words of this program
// where a mistake is common.
func syntaxProblem(t *text, err error) *diag.Problem {
	p := &diag.Problem{Code: "syntax", Span: t.span(0, 0, 0), Message: "not YAML: " + err.Error()}
	var le *yaml.LoadError
	if !errors.As(err, &le) {
		return p
	}
	p.Message = "not YAML: " + le.Message
	if le.ContextMsg != "" && le.ContextMark.Line > 0 && le.ContextMark.Line != le.Mark.Line {
		p.Message += fmt.Sprintf(", %s in line %d", le.ContextMsg, le.ContextMark.Line)
	}
	if len(t.lines) == 0 {
		return p // a setting of the command line has no places
	}
	line, column := le.Mark.Line, le.Mark.Column
	if line > len(t.lines) || line == len(t.lines) && t.lines[line-1] == "" && line > 1 {
		// The parser noticed at the end of the file; the last line with text
		// is the one that a reader can look at.
		line = min(line, len(t.lines))
		for line > 1 && t.lines[line-1] == "" {
			line--
		}
		column = utf8.RuneCountInString(t.lines[max(line, 1)-1])
	}
	p.Span = t.span(line, max(column, 1), 1)
	switch {
	case strings.Contains(le.Message, "exceeded max depth"):
		p.Code, p.Message, p.Hint = "too-deep", "lists and mappings nest too deep", ""
	case strings.HasPrefix(strings.TrimLeft(p.Span.Text, " "), "\t"):
		p.Message, p.Hint = "not YAML: a tab in the indentation", "indent with spaces"
	case strings.Contains(le.Message, "mapping values are not allowed"):
		p.Hint = "put the value in quotes where it holds \": \", or look at the indentation"
	case strings.Contains(le.Message, "cannot start any token"):
		p.Hint = "put the value in quotes"
	case strings.Contains(le.Message, "anchor"):
		p.Code, p.Message, p.Hint = "anchor", "anchors and aliases are not read", anchorHint
	}
	return p
}

const anchorHint = "write the value out where it is used, so that a reader sees it; for one value in several places use vars and ${vars.NAME}"

// converter turns one YAML document into nodes.
type converter struct {
	text   *text
	out    *collector
	count  int // of nodes
	failed bool
}

// document returns the mapping of a document, or nil where there is none:
// after a problem, or between two "---" with nothing but comments.
func (c *converter) document(doc *yaml.Node) *node {
	if len(doc.Content) == 0 {
		return nil
	}
	root := doc.Content[0]
	n := c.node(root, 0)
	if c.failed {
		return nil
	}
	if n.null {
		return nil
	}
	if n.kind != nodeMapping {
		c.fail(root, "wrong-type", "a description is a mapping of keys, not "+n.shape(), "start with apiVersion: "+APIVersion)
		return nil
	}
	return n
}

// fail reports the first problem of a document and ends its conversion.
func (c *converter) fail(y *yaml.Node, code, message, hint string) {
	if c.failed {
		return
	}
	c.failed = true
	c.out.add(&diag.Problem{Span: c.place(y).span(), Code: code, Message: message, Hint: hint})
}

func (c *converter) node(y *yaml.Node, depth int) *node {
	c.count++
	switch {
	case c.failed:
		return nil
	case c.count > maxNodes:
		c.fail(y, "too-big", fmt.Sprintf("the description has more than %d values", maxNodes), "is it the right file? No app needs that many")
		return nil
	case depth > maxDepth:
		c.fail(y, "too-deep", fmt.Sprintf("lists and mappings nest more than %d deep", maxDepth), "no field nests that deep")
		return nil
	case y.Kind == yaml.AliasNode || y.Anchor != "":
		c.fail(y, "anchor", "anchors and aliases are not read", anchorHint)
		return nil
	case y.Style&yaml.TaggedStyle != 0:
		c.fail(y, "tag", "the tag "+y.Tag+" is not read", "leave the tag out; the field says what type the value has")
		return nil
	}
	n := &node{at: c.place(y)}
	switch y.Kind {
	case yaml.ScalarNode:
		n.value = y.Value
		n.quoted = y.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) != 0
		n.null = !n.quoted && y.Tag == "!!null"
	case yaml.SequenceNode:
		n.kind = nodeList
		n.items = make([]*node, 0, len(y.Content))
		for _, item := range y.Content {
			n.items = append(n.items, c.node(item, depth+1))
		}
	case yaml.MappingNode:
		n.kind = nodeMapping
		c.entries(n, y, depth)
	case yaml.DocumentNode, yaml.AliasNode, yaml.StreamNode:
		// A document holds none of these below its root.
		c.fail(y, "syntax", "not YAML: a document within a document", "")
	}
	return n
}

func (c *converter) entries(n *node, y *yaml.Node, depth int) {
	n.entries = make([]entry, 0, len(y.Content)/2)
	var seen map[string]place
	if len(y.Content) > 2*smallMapping {
		seen = make(map[string]place, len(y.Content)/2)
	}
	for i := 0; i+1 < len(y.Content) && !c.failed; i += 2 {
		key := y.Content[i]
		switch {
		case key.Tag == "!!merge":
			c.fail(key, "anchor", "merge keys are not read", anchorHint)
			return
		case key.Kind != yaml.ScalarNode || key.Anchor != "" || key.Style&yaml.TaggedStyle != 0:
			c.fail(key, "wrong-type", "a key must be a plain word", "")
			return
		}
		at := c.place(key)
		value := c.node(y.Content[i+1], depth+1)
		if first, dup := n.keyPlace(key.Value, seen); dup {
			other := first.span()
			c.out.add(&diag.Problem{
				Span: at.span(), Code: "duplicate-key", Message: fmt.Sprintf("the key %q stands twice in this mapping", key.Value),
				Hint: "keep one of them", Other: &other,
			})
			continue
		}
		if seen != nil {
			seen[key.Value] = at
		}
		n.entries = append(n.entries, entry{key: key.Value, keyAt: at, value: value})
	}
}

// smallMapping is the number of keys up to which a search is cheaper than a map.
const smallMapping = 12

func (n *node) keyPlace(key string, seen map[string]place) (place, bool) {
	if seen != nil {
		at, ok := seen[key]
		return at, ok
	}
	for i := range n.entries {
		if n.entries[i].key == key {
			return n.entries[i].keyAt, true
		}
	}
	return place{}, false
}

// shape names what a node is, with its article.
func (n *node) shape() string {
	switch n.kind {
	case nodeList:
		return "a list"
	case nodeMapping:
		return "a mapping"
	case nodeScalar:
		if n.null {
			return "empty"
		}
		return "text"
	}
	return "nothing"
}

// place returns where a YAML node stands and how wide it is in its first line.
func (c *converter) place(y *yaml.Node) place {
	return place{text: c.text, line: y.Line, column: y.Column, width: c.width(y)}
}

func (c *converter) width(y *yaml.Node) int {
	rest := c.text.rest(y.Line, y.Column)
	switch {
	case y.Kind == yaml.MappingNode && y.Style&yaml.FlowStyle == 0 && len(y.Content) > 0:
		return c.width(y.Content[0])
	case y.Kind != yaml.ScalarNode || y.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0:
		return 1
	case y.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) != 0:
		return utf8.RuneCountInString(quotedText(rest))
	case strings.HasPrefix(rest, y.Value):
		return utf8.RuneCountInString(y.Value)
	}
	return utf8.RuneCountInString(strings.TrimRight(rest, " \t"))
}

// quotedText returns the quoted scalar at the start of a line, with its quotes,
// or the whole line where it goes on in the next.
func quotedText(s string) string {
	if s == "" {
		return s
	}
	quote := s[0]
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '\\' && quote == '"':
			i++
		case s[i] != quote:
		case quote == '\'' && i+1 < len(s) && s[i+1] == '\'':
			i++
		default:
			return s[:i+1]
		}
	}
	return s
}
