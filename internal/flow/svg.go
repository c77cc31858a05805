package flow

import (
	"encoding/xml"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Measures of a drawing, in pixels.
const (
	charWidth  = 8  // of a fixed font of 13 pixels
	lineHeight = 18 // of a line of text
	padding    = 12 // around the text of a box
	gap        = 46 // between two boxes, for an arrow and its label
	margin     = 16 // around the drawing
	maxLine    = 72 // characters; a longer line is broken
)

// box is a node with its place in a drawing.
type box struct {
	node        *Node
	lines       []string
	x, y, width int
}

func (b *box) height() int { return len(b.lines)*lineHeight + 2*padding }

// SVG draws a diagram as one SVG document: shapes and text, and nothing that
// runs or is fetched. The way is a column; what stands beside it is to the right.
func SVG(d *Diagram) string {
	way := d.way()
	var column, beside []*box
	for i := range d.Nodes {
		b := &box{node: &d.Nodes[i], lines: append(broken(d.Nodes[i].Title), manyBroken(d.Nodes[i].Facts)...)}
		for _, line := range b.lines {
			b.width = max(b.width, utf8.RuneCountInString(line)*charWidth+2*padding)
		}
		if slices.Contains(way, d.Nodes[i].ID) {
			column = append(column, b)
		} else {
			beside = append(beside, b)
		}
	}
	slices.SortFunc(column, func(a, b *box) int { return slices.Index(way, a.node.ID) - slices.Index(way, b.node.ID) })
	width := 0
	for _, b := range column {
		width = max(width, b.width)
	}
	y := margin
	for _, b := range column {
		b.x, b.y, b.width = margin, y, width
		y += b.height() + gap
	}
	height := y - gap + margin
	total := margin + width
	for _, b := range beside {
		target := boxOf(column, d.target(b.node.ID))
		label := utf8.RuneCountInString(d.label(b.node.ID, target.node.ID))*charWidth + 2*padding
		b.x, b.y = margin+width+label, target.y
		total = max(total, b.x+b.width)
		height = max(height, b.y+b.height()+margin)
	}
	total += margin
	for _, e := range d.Edges {
		if slices.Contains(way, e.From) {
			total = max(total, 2*margin+width/2+padding+utf8.RuneCountInString(e.Label)*charWidth)
		}
	}
	var out strings.Builder
	title := "The way of a request to " + d.App
	fmt.Fprintf(&out, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\" role=\"img\" font-family=\"monospace\" font-size=\"13\">\n", total, height, total, height)
	fmt.Fprintf(&out, "<title>%s</title>\n<rect width=\"%d\" height=\"%d\" fill=\"#ffffff\"/>\n", xmlText(title), total, height)
	for _, b := range slices.Concat(column, beside) {
		b.draw(&out)
	}
	for i, b := range column[:len(column)-1] {
		next := column[i+1]
		x := margin + width/2
		arrow(&out, x, b.y+b.height(), x, next.y)
		text(&out, x+padding, b.y+b.height()+gap/2+4, d.label(b.node.ID, next.node.ID), "")
	}
	for _, b := range beside {
		target := boxOf(column, d.target(b.node.ID))
		middle := b.y + min(b.height(), target.height())/2
		arrow(&out, b.x, middle, margin+width, middle)
		text(&out, margin+width+padding, middle-6, d.label(b.node.ID, target.node.ID), "")
	}
	out.WriteString("</svg>\n")
	return out.String()
}

// target is where the first edge of a node leads.
func (d *Diagram) target(id string) string {
	i := slices.IndexFunc(d.Edges, func(e Edge) bool { return e.From == id })
	return d.Edges[i].To
}

func boxOf(boxes []*box, id string) *box {
	return boxes[slices.IndexFunc(boxes, func(b *box) bool { return b.node.ID == id })]
}

func (b *box) draw(out *strings.Builder) {
	fmt.Fprintf(out, "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"6\" fill=\"#f2f5f9\" stroke=\"#35506b\"/>\n", b.x, b.y, b.width, b.height())
	titles := len(broken(b.node.Title))
	for i, line := range b.lines {
		weight := ""
		if i < titles {
			weight = " font-weight=\"bold\""
		}
		text(out, b.x+padding, b.y+padding+(i+1)*lineHeight-5, line, weight)
	}
}

func text(out *strings.Builder, x, y int, s, attributes string) {
	fmt.Fprintf(out, "<text x=\"%d\" y=\"%d\" fill=\"#16202a\" xml:space=\"preserve\"%s>%s</text>\n", x, y, attributes, xmlText(s))
}

// arrow draws a line with a head; it is level or upright.
func arrow(out *strings.Builder, x1, y1, x2, y2 int) {
	fmt.Fprintf(out, "<path d=\"M%d %dL%d %d\" stroke=\"#35506b\" fill=\"none\"/>\n", x1, y1, x2, y2)
	if x1 == x2 {
		fmt.Fprintf(out, "<path d=\"M%d %dl-5 -9h10z\" fill=\"#35506b\"/>\n", x2, y2)
		return
	}
	fmt.Fprintf(out, "<path d=\"M%d %dl9 -5v10z\" fill=\"#35506b\"/>\n", x2, y2)
}

// xmlText writes a text for an element; what XML has no character for becomes
// the character for that.
func xmlText(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // writing to a Builder does not fail
	return b.String()
}

// broken cuts a long line into several.
func broken(s string) []string {
	var lines []string
	rest := []rune(s)
	for len(rest) > maxLine {
		lines, rest = append(lines, string(rest[:maxLine])), rest[maxLine:]
	}
	return append(lines, string(rest))
}

func manyBroken(list []string) []string {
	var lines []string
	for _, s := range list {
		lines = append(lines, broken(s)...)
	}
	return lines
}
