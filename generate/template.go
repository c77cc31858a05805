package generate

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"text/template"
	"text/template/parse"

	"scgikit/internal/quote"
	"scgikit/templates"
)

// Limits of one template. Templates come from users as well; a mistake in one,
// or a hostile one, ends in an error and not in a machine out of memory.
const (
	maxTemplate = 1 << 20  // bytes of text
	maxOutput   = 16 << 20 // bytes of one file
	maxSteps    = 200_000  // elements of loops and calls of templates, in one file
)

// printers are the functions whose result a template may print, besides those
// that its target names.
var printers = [...]string{"q", "qsh", "n"}

// builtins are the functions of text/template itself that stay. Those that
// print (print, printf, html, js …) would go around the quoting, and printf
// can double a text until memory ends; call has nothing to call here.
var builtins = [...]string{"and", "or", "not", "len", "index", "slice", "eq", "ne", "lt", "le", "gt", "ge"}

// parsedTemplate is a template with the parts that it includes.
type parsedTemplate struct {
	tmpl   *template.Template
	digest string
	budget *budget
	tracer *tracer // nil but for Trace
}

// budget counts what one execution may still do.
type budget struct{ steps int }

func (b *budget) take(n int) error {
	b.steps -= n
	if b.steps < 0 {
		return fmt.Errorf("goes through more than %d elements", maxSteps)
	}
	return nil
}

// execute writes the output of a template, within the limits.
func (p *parsedTemplate) execute(data any) ([]byte, error) {
	p.budget.steps = maxSteps
	var out limitedWriter
	if p.tracer != nil {
		p.tracer.out, p.tracer.marks = &out, nil
	}
	if err := p.tmpl.Execute(&out, data); err != nil {
		return nil, err
	}
	return out.data, nil
}

// limitedWriter keeps up to maxOutput bytes.
type limitedWriter struct{ data []byte }

func (w *limitedWriter) Write(p []byte) (int, error) {
	if len(w.data)+len(p) > maxOutput {
		return 0, fmt.Errorf("writes more than %d bytes", maxOutput)
	}
	w.data = append(w.data, p...)
	return len(p), nil
}

// template returns the template of a name, from Overrides first. The parts
// that templates of a target share are its files whose names begin with "_".
func (r *Renderer) template(t *Target, name string) (*parsedTemplate, error) {
	file := path.Join(t.Name, name)
	if got, ok := r.parsed[file]; ok {
		return got, nil
	}
	parts, err := r.parts(t)
	if err != nil {
		return nil, err
	}
	got, err := r.parse(t, name, parts)
	if err != nil {
		return nil, fmt.Errorf("template %s: %w", file, err)
	}
	if r.parsed == nil {
		r.parsed = make(map[string]*parsedTemplate)
	}
	r.parsed[file] = got
	return got, nil
}

// parse reads a template and the parts, and checks them.
func (r *Renderer) parse(t *Target, name string, parts []string) (*parsedTemplate, error) {
	got := &parsedTemplate{budget: new(budget)}
	funcs := t.funcs(got.budget)
	if own, ok := t.Quotes[name]; ok {
		funcs["q"] = own
	}
	if r.traces != nil {
		got.tracer = new(tracer)
		funcs[markStep] = got.tracer.mark
	}
	root := template.New(name).Option("missingkey=error").Funcs(funcs)
	h := sha256.New()
	all := slices.Concat([]string{path.Join(t.Name, name)}, parts)
	texts := make(map[string]string, len(all))
	for _, part := range all {
		text, err := r.read(part)
		if err != nil {
			return nil, err
		}
		if len(text) > maxTemplate {
			return nil, fmt.Errorf("is longer than %d bytes", maxTemplate)
		}
		base := path.Base(part)
		texts[base] = string(text)
		fmt.Fprintf(h, "%s %d\n%s", base, len(text), text)
		tmpl := root
		if base != name {
			tmpl = root.New(base)
		}
		if _, err := tmpl.Parse(string(text)); err != nil {
			return nil, err
		}
	}
	if err := checkTemplates(t, root, funcs); err != nil {
		return nil, err
	}
	for _, tmpl := range root.Templates() {
		countSteps(tmpl.Root)
	}
	if got.tracer != nil {
		got.tracer.instrument(root, fileOf(all), texts)
	}
	got.tmpl, got.digest = root, hex.EncodeToString(h.Sum(nil))
	return got, nil
}

// parts lists the shared parts of a target, built in or overriding, sorted, and
// behind them those that it takes from others.
func (r *Renderer) parts(t *Target) ([]string, error) {
	var names []string
	for _, fsys := range []fs.FS{templates.FS, r.Overrides} {
		if fsys == nil {
			continue
		}
		entries, err := fs.ReadDir(fsys, t.Name)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		for _, e := range entries {
			if strings.HasPrefix(e.Name(), "_") && strings.HasSuffix(e.Name(), ".tmpl") {
				names = append(names, path.Join(t.Name, e.Name()))
			}
		}
	}
	slices.Sort(names)
	return append(slices.Compact(names), t.Parts...), nil
}

func (r *Renderer) read(file string) ([]byte, error) {
	if r.Overrides != nil {
		text, err := readLimited(r.Overrides, file)
		if err == nil || !errors.Is(err, fs.ErrNotExist) {
			return text, err
		}
	}
	return fs.ReadFile(templates.FS, file)
}

// readLimited reads a file up to one byte more than a template may have.
func readLimited(fsys fs.FS, file string) ([]byte, error) {
	f, err := fsys.Open(file)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // it was only read
	return io.ReadAll(io.LimitReader(f, maxTemplate+1))
}

// funcs returns what a template of this target may call: q, qsh and the
// target's printers print strings, n prints numbers, and the few of sprig that do no harm. The last
// two are not for templates to call: countSteps puts them in.
func (t *Target) funcs(b *budget) template.FuncMap {
	funcs := sprigFuncs()
	for name, printer := range t.Printers {
		funcs[name] = printer
	}
	funcs["q"] = t.Quote
	funcs["qsh"] = quote.Sh
	funcs["n"] = func(v int64) string { return strconv.FormatInt(v, 10) }
	funcs[loopStep] = func(v any) (any, error) {
		list := reflect.ValueOf(v)
		switch list.Kind() {
		case reflect.Slice, reflect.Array, reflect.Map:
			return v, b.take(list.Len())
		default:
			// Numbers, channels and functions may never end.
			return nil, fmt.Errorf("range over %T, which is no list", v)
		}
	}
	funcs[callStep] = func(v ...any) (any, error) {
		if len(v) == 0 {
			return nil, b.take(1)
		}
		return v[0], b.take(1)
	}
	return funcs
}

const (
	loopStep = "scgikitLoop"
	callStep = "scgikitCall"
)

// checkTemplates refuses what a template must not do: print a value without
// q, qsh, n or a printer of its target, call a function that is not on the
// lists, or call itself.
func checkTemplates(t *Target, root *template.Template, funcs template.FuncMap) error {
	calls := make(map[string][]string)
	for _, tmpl := range root.Templates() {
		for node := range nodes(tmpl.Root) {
			if err := checkNode(t, tmpl, node, funcs); err != nil {
				return err
			}
			if call, ok := node.(*parse.TemplateNode); ok {
				calls[tmpl.Name()] = append(calls[tmpl.Name()], call.Name)
			}
		}
	}
	return findCycle(root.Name(), calls, nil, make(map[string]bool))
}

func checkNode(t *Target, tmpl *template.Template, node parse.Node, funcs template.FuncMap) error {
	refuse := func(why string) error {
		place, text := tmpl.ErrorContext(node)
		return fmt.Errorf("%s: %s: %s", place, text, why)
	}
	switch node := node.(type) {
	case *parse.ActionNode:
		if len(node.Pipe.Decl) > 0 {
			return nil // {{ $x := … }} prints nothing
		}
		last := node.Pipe.Cmds[len(node.Pipe.Cmds)-1]
		name, ok := last.Args[0].(*parse.IdentifierNode)
		if !ok || !slices.Contains(printers[:], name.Ident) && t.Printers[name.Ident] == nil {
			return refuse("prints a value without quoting it; use q, qsh or n")
		}
	case *parse.IdentifierNode:
		_, own := funcs[node.Ident]
		if node.Ident == loopStep || node.Ident == callStep || node.Ident == markStep || !own && !slices.Contains(builtins[:], node.Ident) {
			return refuse("templates may not call " + node.Ident)
		}
	}
	return nil
}

// findCycle reports a template that calls itself, directly or by others.
func findCycle(name string, calls map[string][]string, above []string, done map[string]bool) error {
	if slices.Contains(above, name) {
		return fmt.Errorf("template %q calls itself", name)
	}
	if done[name] {
		return nil
	}
	for _, called := range calls[name] {
		if err := findCycle(called, calls, append(above, name), done); err != nil {
			return err
		}
	}
	done[name] = true
	return nil
}

// countSteps makes every loop and every call of a template draw on the budget.
func countSteps(list *parse.ListNode) {
	step := func(pipe *parse.PipeNode, name string) {
		ident := parse.NewIdentifier(name).SetPos(pipe.Position())
		pipe.Cmds = append(pipe.Cmds, &parse.CommandNode{NodeType: parse.NodeCommand, Pos: pipe.Position(), Args: []parse.Node{ident}})
	}
	for node := range nodes(list) {
		switch node := node.(type) {
		case *parse.RangeNode:
			step(node.Pipe, loopStep)
		case *parse.TemplateNode:
			if node.Pipe == nil {
				node.Pipe = &parse.PipeNode{NodeType: parse.NodePipe, Pos: node.Pos, Line: node.Line}
			}
			step(node.Pipe, callStep)
		}
	}
}

// nodes yields every node below a list.
func nodes(list *parse.ListNode) func(yield func(parse.Node) bool) {
	return func(yield func(parse.Node) bool) { walkNodes(list, yield) }
}

// walkNodes reports whether the walk goes on.
func walkNodes(node parse.Node, yield func(parse.Node) bool) bool {
	if node == nil || reflect.ValueOf(node).IsNil() {
		return true
	}
	if !yield(node) {
		return false
	}
	var below []parse.Node
	branch := func(b *parse.BranchNode) { below = append(below, b.Pipe, b.List, b.ElseList) }
	switch node := node.(type) {
	case *parse.ListNode:
		below = node.Nodes
	case *parse.ActionNode:
		below = append(below, node.Pipe)
	case *parse.IfNode:
		branch(&node.BranchNode)
	case *parse.RangeNode:
		branch(&node.BranchNode)
	case *parse.WithNode:
		branch(&node.BranchNode)
	case *parse.TemplateNode:
		below = append(below, node.Pipe)
	case *parse.PipeNode:
		for _, cmd := range node.Cmds {
			below = append(below, cmd)
		}
	case *parse.CommandNode:
		below = node.Args
	case *parse.ChainNode:
		below = append(below, node.Node)
	}
	for _, n := range below {
		if !walkNodes(n, yield) {
			return false
		}
	}
	return true
}
