package appfile

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"scgikit/internal/diag"
)

// expander puts the values of variables into the texts of a description:
// ${name}, ${instance}, ${port}, ${vars.NAME}; "$$" is "$". It goes over each
// text once, so a value is never looked at for variables again.
//
// A "$" before anything else is an error. It is either a variable of a shell,
// which nothing here expands, or a dollar that the next reader would take for
// one.
type expander struct {
	out    *collector
	name   string
	vars   map[string]string
	outer  []string // vars_from_env
	env    func(string) (string, bool)
	number int // of the instance, from 1
	port   int // of the instance, 0 where it has none

	budget *int // bytes that variables may still put in, of all instances together

	usesInstance bool
}

// maxExpanded is how many bytes the variables of an app may put in, over all
// its instances: a long value that is used often would take all memory.
const maxExpanded = 4 << 20

// plainKeys are top-level keys whose values are never expanded: they name the
// app and its variables.
var plainKeys = []string{"apiVersion", "name", "vars", "vars_from_env", "profiles"}

// document returns a description with every variable put in.
func (x *expander) document(root *node) *node {
	out := *root
	out.entries = slices.Clone(root.entries)
	for i, e := range out.entries {
		switch {
		case e.key == "profiles":
		case slices.Contains(plainKeys, e.key):
			out.entries[i].value = x.value(e.value, e.key, true)
		default:
			out.entries[i].value = x.value(e.value, e.key, false)
		}
	}
	return &out
}

// value expands the scalars of a value. In a plain one "$$" alone has a meaning.
func (x *expander) value(n *node, path string, plain bool) *node {
	switch n.kind {
	case nodeScalar:
		return x.scalar(n, path, plain)
	case nodeList:
		return x.list(n, path, plain)
	case nodeMapping:
		return x.mapping(n, path, plain)
	}
	return n
}

func (x *expander) list(n *node, path string, plain bool) *node {
	var items []*node
	for i, item := range n.items {
		got := x.value(item, path+"["+strconv.Itoa(i)+"]", plain)
		if got != item && items == nil {
			items = slices.Clone(n.items)
		}
		if items != nil {
			items[i] = got
		}
	}
	if items == nil {
		return n
	}
	out := *n
	out.items = items
	return &out
}

func (x *expander) mapping(n *node, path string, plain bool) *node {
	var entries []entry
	for i, e := range n.entries {
		got := x.value(e.value, join(path, e.key), plain)
		if got != e.value && entries == nil {
			entries = slices.Clone(n.entries)
		}
		if entries != nil {
			entries[i].value = got
		}
	}
	if entries == nil {
		return n
	}
	out := *n
	out.entries = entries
	return &out
}

func (x *expander) scalar(n *node, path string, plain bool) *node {
	if !strings.Contains(n.value, "$") {
		return n
	}
	text, f := x.text(n.value, path, plain)
	if f != nil {
		x.out.add(&diag.Problem{Span: n.at.span(), Code: f.code, Path: path, Message: f.message, Hint: f.hint})
		// The text would only earn a second problem for the same mistake.
		return &node{value: n.value, at: n.at, quoted: true, spoilt: true}
	}
	return &node{value: text, at: n.at, quoted: n.quoted, varied: true}
}

func (x *expander) text(s, path string, plain bool) (string, *fault) {
	var b strings.Builder
	for {
		before, after, found := strings.Cut(s, "$")
		b.WriteString(before)
		if !found {
			return b.String(), nil
		}
		switch {
		case strings.HasPrefix(after, "$"):
			b.WriteByte('$')
			s = after[1:]
		case strings.HasPrefix(after, "{"):
			ref, rest, closed := strings.Cut(after[1:], "}")
			if !closed {
				return "", &fault{code: "bad-variable", message: "a ${ has no }", hint: "close it, or write $$ for a dollar sign"}
			}
			value, f := x.lookup(ref, path, plain)
			if f != nil {
				return "", f
			}
			if *x.budget -= len(value); *x.budget < 0 {
				return "", &fault{
					code: "too-big", message: fmt.Sprintf("the variables of the app put in more than %d bytes", maxExpanded),
					hint: "use shorter values",
				}
			}
			b.WriteString(value)
			s = rest
		default:
			return "", &fault{
				code: "bad-variable", message: "a single $ means nothing here",
				hint: "write $$ for a dollar sign; no shell reads the text, and variables are written ${vars.NAME}",
			}
		}
	}
}

// lookup returns the value of a variable that is used at a path.
func (x *expander) lookup(ref, path string, plain bool) (string, *fault) {
	if plain {
		return "", plainFault(path)
	}
	if name, ok := strings.CutPrefix(ref, "vars."); ok {
		return x.variable(name)
	}
	section, _, _ := strings.Cut(path, ".")
	switch ref {
	case "name":
		return x.name, nil
	case "instance":
		if !slices.Contains(perInstance, section) {
			return "", &fault{code: "bad-variable", message: "${instance} is not one value here", hint: "it can stand in " + strings.Join(perInstance, ", ")}
		}
		x.usesInstance = true
		return strconv.Itoa(x.number), nil
	case "port":
		return x.portAt(section)
	}
	return "", &fault{code: "undefined-variable", message: "${" + ref + "} is not defined", hint: x.undefinedHint(ref)}
}

func plainFault(path string) *fault {
	section, _, _ := strings.Cut(path, ".")
	section, _, _ = strings.Cut(section, "[")
	if section == "vars" {
		return &fault{code: "bad-variable", message: "a variable cannot hold another", hint: "write the text out; variables are put in once"}
	}
	return &fault{code: "bad-variable", message: "variables are not read in " + section, hint: "write the text out, or $$ for a dollar sign"}
}

func (x *expander) portAt(section string) (string, *fault) {
	switch {
	case section == "listen" || !slices.Contains(perInstance, section):
		return "", &fault{code: "bad-variable", message: "${port} is not one value here", hint: "it comes from listen.tcp, and can stand in run, wsgi, cgi, log"}
	case x.port == 0:
		return "", &fault{code: "undefined-variable", message: "${port} is not defined", hint: "it is the port of listen.tcp, which is not set"}
	}
	x.usesInstance = true
	return strconv.Itoa(x.port), nil
}

// variable returns a value of vars. The outer environment wins over it, where
// vars_from_env names the variable; this is the only way in for it.
func (x *expander) variable(name string) (string, *fault) {
	outer := slices.Contains(x.outer, name)
	if outer && x.env != nil {
		if value, ok := x.env(name); ok {
			return value, nil
		}
	}
	if value, ok := x.vars[name]; ok {
		return value, nil
	}
	f := &fault{code: "undefined-variable", message: "${vars." + name + "} is not defined"}
	if outer {
		f.hint = "set " + name + " in the environment, or give it a default in vars"
	} else {
		f.hint = x.undefinedHint("vars." + name)
	}
	return "", f
}

func (x *expander) undefinedHint(ref string) string {
	known := []string{"name", "instance", "port"}
	for _, name := range sortedKeys(x.vars) {
		known = append(known, "vars."+name)
	}
	for _, name := range x.outer {
		known = append(known, "vars."+name)
	}
	if near := diag.Nearest(ref, known); near != "" {
		return "did you mean ${" + near + "}?"
	}
	short := strings.TrimPrefix(strings.TrimPrefix(ref, "vars."), "env.")
	if slices.Contains(known, "vars."+short) {
		return "write ${vars." + short + "}"
	}
	if !envNameSyntax.MatchString(short) {
		return "a variable is ${vars.NAME}, ${name}, ${instance} or ${port}"
	}
	return fmt.Sprintf("add it to vars, or to vars_from_env for the one of the environment, and write ${vars.%s}", short)
}

// basePort returns the port of the first instance, or 0. It looks at the text
// before it is checked; what is wrong with it is reported later.
func (x *expander) basePort(root *node) int {
	n := root.get("listen").get("tcp")
	if n == nil || n.kind != nodeScalar {
		return 0
	}
	quiet := *x
	quiet.out = new(collector)
	text, f := quiet.text(n.value, "listen.tcp", false)
	if f != nil {
		return 1
	}
	_, port, err := net.SplitHostPort(text)
	if err != nil {
		return 1
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return 1
	}
	return int(number)
}
