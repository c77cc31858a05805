package flow

import (
	"fmt"
	"strings"
	"unicode"
)

// Mermaid writes a diagram as a flowchart of mermaid. Labels are in quotes, and
// all in them but letters, digits and a few marks is written by its number, so
// that no name or path is taken for more than text.
//
// Source: https://mermaid.js.org/syntax/flowchart.html.
func Mermaid(d *Diagram) string {
	var b strings.Builder
	b.WriteString("flowchart TD\n")
	for _, n := range d.Nodes {
		lines := []string{mermaidText(n.Title)}
		for _, fact := range n.Facts {
			lines = append(lines, mermaidText(fact))
		}
		fmt.Fprintf(&b, "    %s_[\"%s\"]\n", n.ID, strings.Join(lines, "<br/>"))
	}
	for _, e := range d.Edges {
		fmt.Fprintf(&b, "    %s_ -->|\"%s\"| %s_\n", e.From, mermaidText(e.Label), e.To)
	}
	return b.String()
}

// mermaidText writes a text for a label in quotes.
func mermaidText(s string) string {
	var b strings.Builder
	for _, r := range s {
		if r < unicode.MaxASCII && (unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune(" ./:,-", r)) {
			b.WriteRune(r)
		} else {
			fmt.Fprintf(&b, "#%d;", r)
		}
	}
	return b.String()
}
