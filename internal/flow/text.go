package flow

import (
	"slices"
	"strings"
)

// Text draws a diagram for a terminal: the way from top to bottom, and under a
// node what stands beside the way.
func Text(d *Diagram) string {
	var b strings.Builder
	way := d.way()
	for i, id := range way {
		n := d.find(id)
		b.WriteString(n.Title + "\n")
		for _, fact := range n.Facts {
			b.WriteString("    " + fact + "\n")
		}
		for _, e := range d.Edges {
			if e.To == id && !slices.Contains(way, e.From) {
				b.WriteString("    ◄── " + d.find(e.From).Title + " " + e.Label + "\n")
			}
		}
		if i+1 < len(way) {
			b.WriteString("  │ " + d.label(id, way[i+1]) + "\n  ▼\n")
		}
	}
	return b.String()
}

// way returns the nodes that a request passes, in order, from the browser on.
func (d *Diagram) way() []string {
	way := []string{d.Nodes[0].ID}
	for _, e := range d.Edges {
		if e.From == way[len(way)-1] {
			way = append(way, e.To)
		}
	}
	return way
}

// label is that of the edge between two nodes.
func (d *Diagram) label(from, to string) string {
	for _, e := range d.Edges {
		if e.From == from && e.To == to {
			return e.Label
		}
	}
	return ""
}
