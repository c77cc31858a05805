package rules

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// commentPlace lists the packages whose comment stands in another file than
// the one named like the package, because that file holds what the package is
// about.
var commentPlace = map[string]string{
	"templates":        "embed.go",
	"generate":         "target.go",
	"internal/appfile": "app.go",
}

// TestPackageComments asks for one package comment a package, in the file
// named like it (main.go for a program).
func TestPackageComments(t *testing.T) {
	for _, p := range goList(t, "./...") {
		want := p.Name + ".go"
		if place, ok := commentPlace[p.short()]; ok {
			want = place
		}
		names := p.GoFiles
		if len(names) == 0 {
			names = slices.Concat(p.TestGoFiles, p.XTestGoFiles)
			want = p.Name + "_test.go"
		}
		var have []string
		for _, name := range names {
			f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, name), nil, parser.PackageClauseOnly|parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			if f.Doc != nil {
				have = append(have, name)
				checkFirstWords(t, p, f.Doc)
			}
		}
		if !slices.Equal(have, []string{want}) {
			t.Errorf("%s: the package comment belongs in %s alone, it is in %v", p.short(), want, have)
		}
	}
}

func checkFirstWords(t *testing.T, p *pkg, doc *ast.CommentGroup) {
	t.Helper()
	want := "Package " + p.Name + " "
	if p.Name == "main" {
		want = "Command " + path.Base(p.ImportPath) + " "
	}
	if !strings.HasPrefix(doc.Text(), want) {
		t.Errorf("%s: the package comment does not begin with %q", p.short(), want)
	}
}

// TestNames refuses folders and packages that say nothing about their duty.
func TestNames(t *testing.T) {
	vague := []string{"util", "utils", "common", "helper", "helpers", "misc", "shared", "base", "lib"}
	for _, p := range goList(t, "./...") {
		if slices.Contains(vague, p.Name) || slices.Contains(vague, path.Base(p.ImportPath)) {
			t.Errorf("%s: name the duty of the package", p.short())
		}
	}
	for _, file := range repository(t, isGo) {
		stem := strings.TrimSuffix(strings.TrimSuffix(path.Base(file), ".go"), "_test")
		if slices.Contains(vague, stem) {
			t.Errorf("%s: name what the file holds", file)
		}
	}
}

// TestNoInit refuses init functions: what a program does at its start is
// written where it starts.
func TestNoInit(t *testing.T) {
	for _, name := range repository(t, isGo) {
		f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, name), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Error(err)
			continue
		}
		for _, decl := range f.Decls {
			if fn, ok := decl.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
				t.Errorf("%s: func init", name)
			}
		}
	}
}

// TestLongFiles points at files that are no longer one thing.
func TestLongFiles(t *testing.T) {
	const limit = 450
	for _, name := range repository(t, func(p string) bool { return isGo(p) && !isGoTest(p) }) {
		if lines := strings.Count(read(t, name), "\n"); lines > limit {
			t.Errorf("%s has %d lines; over %d it is more than one thing", name, lines, limit)
		}
	}
}

// TestSkips refuses skips that nothing can turn into a failure, and sleeps: a
// program that is missing goes through internal/need, and a test that waits
// polls with a deadline.
func TestSkips(t *testing.T) {
	for _, name := range repository(t, isGoTest) {
		for i, line := range strings.Split(read(t, name), "\n") {
			for _, word := range []string{"t." + "Skip", "time." + "Sleep("} {
				if strings.Contains(line, word) {
					t.Errorf("%s:%d: %s", name, i+1, word)
				}
			}
		}
	}
}
