package generate

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"text/template"
	"text/template/parse"
	"time"

	"github.com/Masterminds/sprig/v3"

	"scgikit/internal/appfile"
	"scgikit/templates"
)

// TestTemplates walks the parse tree of every built-in template: whatever it
// prints goes through q, qsh, n or a printer of its target, and it calls no function off the lists. The
// renderer refuses such a template as well; this test does not trust it.
func TestTemplates(t *testing.T) {
	checked := 0
	for _, target := range Targets() {
		files, err := fs.Glob(templates.FS, target.Name+"/*.tmpl")
		if err != nil || len(files) == 0 {
			t.Errorf("%s has no templates: %v", target.Name, err)
		}
		funcs := target.funcs(new(budget))
		for _, file := range files {
			text, err := fs.ReadFile(templates.FS, file)
			if err != nil {
				t.Fatal(err)
			}
			tmpl, err := template.New(file).Funcs(funcs).Parse(string(text))
			if err != nil {
				t.Errorf("%s: %v", file, err)
				continue
			}
			for _, part := range tmpl.Templates() {
				for node := range nodes(part.Root) {
					for _, problem := range unquoted(target, node) {
						place, at := part.ErrorContext(node)
						t.Errorf("%s: %s: %s", place, at, problem)
					}
				}
			}
			checked++
		}
	}
	if checked < 10 {
		t.Errorf("only %d templates were found", checked)
	}
}

// unquoted says what is wrong with a node of a template.
func unquoted(target *Target, node parse.Node) []string {
	var problems []string
	switch node := node.(type) {
	case *parse.ActionNode:
		if len(node.Pipe.Decl) == 0 {
			last := node.Pipe.Cmds[len(node.Pipe.Cmds)-1].Args[0].String()
			if last != "q" && last != "qsh" && last != "n" && target.Printers[last] == nil {
				problems = append(problems, "prints what "+last+" gives")
			}
		}
	case *parse.IdentifierNode:
		known := slices.Concat([]string{"q", "qsh", "n", "and", "or", "not", "len", "index", "slice", "eq", "ne", "lt", "le", "gt", "ge"}, sprigAllowed[:])
		if !slices.Contains(known, node.Ident) && target.Printers[node.Ident] == nil {
			problems = append(problems, "calls "+node.Ident)
		}
	}
	return problems
}

// TestTemplateFolders finds templates that no target reads.
func TestTemplateFolders(t *testing.T) {
	entries, err := fs.ReadDir(templates.FS, ".")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.IsDir() {
			if _, ok := Lookup(e.Name()); !ok {
				t.Errorf("templates/%s belongs to no target", e.Name())
			}
		}
	}
}

// TestSprig fails when a function is added to or removed from our list or
// upstream: somebody has to decide what that means for templates.
func TestSprig(t *testing.T) {
	var got []string
	for name := range sprig.TxtFuncMap() {
		mark := "  "
		if slices.Contains(sprigAllowed[:], name) {
			mark = "+ "
		}
		got = append(got, mark+name)
	}
	slices.SortFunc(got, func(a, b string) int { return strings.Compare(a[2:], b[2:]) })
	const file = "testdata/sprig.txt"
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if text := strings.Join(got, "\n") + "\n"; text != string(want) {
		t.Errorf("the functions of sprig are not those of %s:\n%s", file, text)
	}
	funcs := sprigFuncs()
	for _, name := range sprigAllowed {
		if funcs[name] == nil {
			t.Errorf("sprig has no %s any more", name)
		}
	}
	if len(funcs) != len(sprigAllowed) {
		t.Errorf("templates get %d functions of sprig, the list has %d", len(funcs), len(sprigAllowed))
	}
	for _, name := range []string{
		"env", "expandenv", "getHostByName", "now", "date", "uuidv4", "randAlpha", "randInt", "shuffle", "genCA", "genPrivateKey",
		"keys", "values", "repeat", "until", "seq", "quote", "squote", "toString", "print", "fail",
	} {
		if _, ok := funcs[name]; ok {
			t.Errorf("templates may call %s", name)
		}
	}
}

// renderWith renders an app for nginx with templates of a user.
func renderWith(files map[string]string) error {
	overrides := make(fstest.MapFS)
	for name, text := range files {
		overrides[path.Join("nginx", name)] = &fstest.MapFile{Data: []byte(text)}
	}
	a := &appfile.App{Name: "blog", File: "blog.yaml"}
	a.HTTP.Mount = "/blog/"
	a.Instances = []*appfile.App{a}
	r := &Renderer{Overrides: overrides}
	_, list := r.Render(userTemplates, &appfile.Project{Apps: []*appfile.App{a}}, []*appfile.App{a})
	return list.Err()
}

// userTemplates is a target that renders location.conf.tmpl with a list.
var userTemplates = func() *Target {
	target := *nginx
	target.Accept = nil
	target.Files = func(s *Scope) ([]Spec, error) {
		data := map[string]any{"Name": "blog", "Number": int64(1 << 40), "List": make([]int, 1000), "Channel": make(chan int)}
		return []Spec{{Path: "x.conf", Mode: 0o644, Apps: s.Apps, Template: "location.conf.tmpl", Data: data}}, nil
	}
	return &target
}()

// TestUserTemplates gives the renderer templates with mistakes, and hostile
// ones: each ends in an error that names the template, in little memory. That
// they end at all is what the limits on steps and output are for; without
// those, some would go on for years.
func TestUserTemplates(t *testing.T) {
	deep := func(n int, before, middle, after string) string {
		return strings.Repeat(before, n) + middle + strings.Repeat(after, n)
	}
	var chain strings.Builder
	for i := range 60 {
		fmt.Fprintf(&chain, `{{ define "c%d" }}{{ template "c%d" }}{{ template "c%d" . }}{{ end }}`, i, i+1, i+1)
	}
	tests := map[string]struct {
		text string
		want string
	}{
		"good":                 {"a {{ q .Name }} {{ n .Number }} {{ range .List }}x{{ end }}", ""},
		"good pipeline":        {"{{ .Name | q }}{{ if and .Name (eq .Name \"blog\") }}y{{ end }}", ""},
		"good variable":        {"{{ $x := .Name }}{{ q $x }}{{ q (upper $x) }}", ""},
		"good empty call":      {`{{ define "x" }}x{{ end }}{{ template "x" }}`, ""},
		"value":                {"{{ .Name }}", "without quoting"},
		"value of with":        {"{{ with .Name }}{{ . }}{{ end }}", "without quoting"},
		"value in else":        {"{{ if .Name }}{{ else }}{{ .Name }}{{ end }}", "without quoting"},
		"value in range else":  {"{{ range .List }}{{ else }}{{ .Name }}{{ end }}", "without quoting"},
		"value in define":      {`{{ define "x" }}{{ .Name }}{{ end }}`, "without quoting"},
		"variable":             {"{{ $x := q .Name }}{{ $x }}", "without quoting"},
		"constant":             {`{{ "a" }}`, "without quoting"},
		"number":               {"{{ 1 }}", "without quoting"},
		"quoted, then changed": {"{{ q .Name | lower }}", "without quoting"},
		"in parentheses":       {"{{ (q .Name) }}", "without quoting"},
		"in a field":           {"{{ (index .List 0).X }}", "without quoting"},
		"printf":               {`{{ printf "%s" .Name }}`, "without quoting"},
		"printf inside":        {`{{ q (printf "%s" .Name) }}`, "may not call printf"},
		"html inside":          {`{{ q (html .Name) }}`, "may not call html"},
		"call":                 {`{{ q (call .Name) }}`, "may not call call"},
		"counting":             {`{{ q (scgikitCall .Name) }}`, "may not call scgikitCall"},
		"env":                  {`{{ q (env "HOME") }}`, `"env" not defined`},
		"repeat":               {`{{ q (repeat 1000000000 "x") }}`, `"repeat" not defined`},
		"until":                {`{{ range until 1000000000 }}{{ end }}`, `"until" not defined`},
		"missing key":          {"{{ q .None }}", "None"},
		"wrong type":           {"{{ n .Name }}", "wrong type"},
		"syntax":               {"{{ if }}", "missing value"},
		"calls itself":         {`{{ template "location.conf.tmpl" . }}`, "calls itself"},
		"calls each other":     {`{{ define "a" }}{{ template "b" . }}{{ end }}{{ define "b" }}{{ template "a" . }}{{ end }}{{ template "a" . }}`, "calls itself"},
		"calls a missing one":  {`{{ template "none" . }}`, "none"},
		"doubles by calls":     {chain.String() + `{{ define "c60" }}x{{ end }}{{ template "c0" }}`, "more than"},
		"loop over a number":   {"{{ range .Number }}{{ end }}", "no list"},
		"loop over a constant": {"{{ range 1000000000000 }}{{ end }}", "no list"},
		"loop over a channel":  {"{{ range .Channel }}{{ end }}", "no list"},
		"loops in loops":       {deep(6, "{{ range $.List }}", "", "{{ end }}"), "more than"},
		"output":               {"{{ range .List }}" + strings.Repeat("x", 100_000) + "{{ end }}", "writes more than"},
		"too long":             {strings.Repeat("x", maxTemplate+1), "longer than"},
		"deep":                 {deep(50_000, "{{ if .Name }}", "x", "{{ end }}"), "any"},
		"deep parentheses":     {"{{ q " + deep(100_000, "(", ".Name", ")") + " }}", "any"},
		"append":               {"{{ $l := .List }}" + strings.Repeat("{{ $l = append $l $l }}", 30_000), `"append" not defined`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			err := renderWith(map[string]string{"location.conf.tmpl": test.text})
			runtime.ReadMemStats(&after)
			switch {
			case test.want == "any":
			case test.want == "":
				if err != nil {
					t.Error(err)
				}
			case err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), "location.conf.tmpl") && test.want != "None":
				t.Errorf("got %v, want %q with the name of the template", err, test.want)
			}
			// All that was ever taken bounds what was held at once.
			if taken := (after.TotalAlloc - before.TotalAlloc) >> 20; taken > 256 {
				t.Errorf("took %d MiB", taken)
			}
		})
	}
}

// TestOverrides puts a user's part in the place of a built-in one.
func TestOverrides(t *testing.T) {
	files := fstest.MapFS{"nginx/_access.tmpl": {Data: []byte("# mine {{ q .Name }}\n")}}
	a := &appfile.App{Name: "blog", File: "blog.yaml"}
	a.HTTP.Mount = "/blog/"
	a.Protocol = appfile.SCGI
	a.Listen.TCP = "127.0.0.1:8040"
	a.HTTP.Timeouts = appfile.Timeouts{Connect: time.Second, Send: time.Second, Read: time.Second}
	a.Instances = []*appfile.App{a}
	project := &appfile.Project{Apps: []*appfile.App{a}}
	own, problems := (&Renderer{Overrides: files}).Render(nginx, project, project.Apps)
	if problems.HasErrors() {
		t.Fatal(problems)
	}
	builtIn, problems := new(Renderer).Render(nginx, project, project.Apps)
	if problems.HasErrors() {
		t.Fatal(problems)
	}
	got, _ := own.Get("nginx/blog.location.conf")
	if !strings.Contains(string(got.Data), "# mine blog") {
		t.Errorf("the part is not in the output:\n%s", got.Data)
	}
	plain, _ := builtIn.Get("nginx/blog.location.conf")
	inputs := func(data []byte) string { _, after, _ := strings.Cut(string(data), "inputs="); return after[:23] }
	if inputs(got.Data) == inputs(plain.Data) {
		t.Error("another part leaves the digest of the inputs as it is")
	}
}
