package appfile

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// reporters are the functions that take the code of a problem, and at which
// argument.
var reporters = map[string]int{"Problem": 1, "Warning": 1, "refuse": 1, "refuseBoth": 2, "fail": 1}

// usedCodes returns the codes in the Go files of a folder, but for tests: the
// texts given to reporters, and those of fields named code or Code.
func usedCodes(t *testing.T, folder string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	take := func(e ast.Expr) {
		if lit, ok := e.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			code, err := strconv.Unquote(lit.Value)
			if err == nil && regexp.MustCompile(`^[a-z]+(-[a-z]+)*$`).MatchString(code) {
				out = append(out, code)
			}
		}
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		tree, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(tree, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.ValueSpec:
				// codeMissing = "missing"; the linters see to it that each is used
				for i, name := range n.Names {
					if strings.HasPrefix(name.Name, "code") && i < len(n.Values) {
						take(n.Values[i])
					}
				}
			case *ast.KeyValueExpr:
				if key, ok := n.Key.(*ast.Ident); ok && strings.EqualFold(key.Name, "code") {
					take(n.Value)
				}
			case *ast.CallExpr:
				sel, ok := n.Fun.(*ast.SelectorExpr)
				if !ok {
					return true
				}
				i, ok := reporters[sel.Sel.Name]
				if sel.Sel.Name == "refuse" && len(n.Args) > 4 {
					i = 4 // the reporter of the rules across apps
				}
				if ok && i < len(n.Args) {
					take(n.Args[i])
				}
			case *ast.AssignStmt:
				// p.Code, p.Message = "too-deep", …
				for i, left := range n.Lhs {
					if sel, ok := left.(*ast.SelectorExpr); ok && strings.EqualFold(sel.Sel.Name, "code") && i < len(n.Rhs) {
						take(n.Rhs[i])
					}
					if id, ok := left.(*ast.Ident); ok && id.Name == "code" && i < len(n.Rhs) {
						take(n.Rhs[i])
					}
				}
			}
			return true
		})
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// TestCodes holds the table of codes and the program together: each code that
// is used is explained, each one of this package has a test, and none is
// explained that nothing uses.
func TestCodes(t *testing.T) {
	var table []string
	for _, c := range Codes() {
		table = append(table, c.Name)
		if c.Title == "" || c.Text == "" || !strings.HasSuffix(c.Text, ".") {
			t.Errorf("%s: the explanation is not complete", c.Name)
		}
	}
	if !slices.IsSorted(table) || len(slices.Compact(slices.Clone(table))) != len(table) {
		t.Error("the table is not sorted, or has a code twice")
	}
	own := usedCodes(t, ".")
	targets := append(usedCodes(t, "../../generate"), usedCodes(t, "../../cmd/scgikit")...)
	if len(own) < 40 || len(targets) == 0 {
		t.Fatalf("the search found only %d and %d codes; it must have gone blind", len(own), len(targets))
	}
	shown := shownCodes(t)
	for _, code := range own {
		if !slices.Contains(table, code) {
			t.Errorf("%s is used here, and not in the table", code)
		}
		if !slices.Contains(shown, code) {
			t.Errorf("%s has no test", code)
		}
	}
	for _, code := range targets {
		if !slices.Contains(table, code) {
			t.Errorf("%s is used by a target, and not in the table of codes.go", code)
		}
	}
	for _, code := range table {
		if !slices.Contains(own, code) && !slices.Contains(targets, code) {
			t.Errorf("%s is in the table, and nothing uses it", code)
		}
	}
}

// shownCodes returns the codes in the golden files and in this package's other
// tests.
func shownCodes(t *testing.T) []string {
	t.Helper()
	var out []string
	files, err := filepath.Glob("testdata/err/*.out")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range append(files, "bombs_test.go", "load_test.go") {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`[\["]([a-z]+(?:-[a-z]+)*)[\]"]`).FindAllStringSubmatch(string(data), -1) {
			out = append(out, m[1])
		}
	}
	return out
}

// TestCodeExamples reads the example of each code, completed to a description
// where it is a part of one, and looks for the code.
func TestCodeExamples(t *testing.T) {
	base := `apiVersion: scgikit/v1
name: blog
type: server
run: {user: www, command: [/srv/serve]}
listen: {tcp: "127.0.0.1:8040"}
http: {mount: /blog/}
`
	for _, c := range Codes() {
		if c.Example == "" || strings.HasPrefix(c.Example, "scgikit ") {
			continue
		}
		// The example as it is, and as a patch over a sound description.
		l := Loader{Options: testOptions()}
		_, direct := l.Load([]Source{{Name: "x.yaml", Data: []byte(c.Example)}})
		l.Profile = "x"
		_, patched := l.Load([]Source{{Name: "x.yaml", Data: []byte(base), Profile: &Source{Name: "x.x.yaml", Data: []byte(c.Example)}}})
		found := false
		for _, p := range append(direct, patched...) {
			found = found || p.Code == c.Name
		}
		if !found {
			t.Errorf("%s: the example gives %v and %v", c.Name, direct, patched)
		}
	}
}

func TestExplainCode(t *testing.T) {
	text, ok := ExplainCode("bad-mode")
	if !ok || !strings.Contains(text, "0660") || !strings.Contains(text, "\n    listen:\n") {
		t.Errorf("explanation:\n%s", text)
	}
	if _, ok := ExplainCode("no-such-code"); ok {
		t.Error("a code that does not exist is explained")
	}
	for line := range strings.Lines(text) {
		if len(line) > 81 {
			t.Errorf("the line is too long: %q", line)
		}
	}
}
