package appfile

import "scgikit/internal/diag"

// Syntax returns what hinders a source from being read as YAML in the form of a
// description: its encoding, its syntax, anchors, tags and keys that stand twice.
// What the keys and values are is not looked at.
func Syntax(name string, data []byte) diag.List {
	out := new(collector)
	data, t, p := readable(name, data, FromFile)
	if p != nil {
		out.add(p)
		return out.problems()
	}
	parse(t, data, out)
	return out.problems()
}
