package rules

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"scgikit/internal/appfile"
)

// codeTable is the file that explains the codes of problems.
const codeTable = "internal/appfile/codes.go"

// TestCodes holds three lists of codes to each other: those that the code
// uses, those that "scgikit explain" knows, and those in the documentation.
func TestCodes(t *testing.T) {
	known := make(map[string]bool)
	page := read(t, "docs/description.md")
	for _, c := range appfile.Codes() {
		known[c.Name] = true
		if !strings.Contains(page, "| `"+c.Name+"` |") {
			t.Errorf("docs/description.md does not list %s", c.Name)
		}
	}
	literals := make(map[string]bool)
	for _, name := range repository(t, func(p string) bool { return isGo(p) && !isGoTest(p) && p != codeTable }) {
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, filepath.Join(root, name), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Error(err)
			continue
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if text, ok := stringLiteral(n); ok {
				literals[text] = true
			}
			if code, ok := codeOf(n); ok && !known[code] {
				t.Errorf("%s: code %s is not in %s", fset.Position(n.Pos()), code, codeTable)
			}
			return true
		})
	}
	for code := range known {
		if !literals[code] {
			t.Errorf("%s explains %s, which nothing reports", codeTable, code)
		}
	}
}

// codeOf returns the code that an expression gives to a problem: the second
// argument of Problem and Warning, and the field Code of a diag.Problem.
func codeOf(n ast.Node) (string, bool) {
	switch n := n.(type) {
	case *ast.CallExpr:
		method, ok := n.Fun.(*ast.SelectorExpr)
		if ok && slices.Contains([]string{"Problem", "Warning"}, method.Sel.Name) && len(n.Args) > 1 {
			return stringLiteral(n.Args[1])
		}
	case *ast.CompositeLit:
		kind, ok := n.Type.(*ast.SelectorExpr)
		if !ok || kind.Sel.Name != "Problem" {
			return "", false
		}
		for _, element := range n.Elts {
			if pair, ok := element.(*ast.KeyValueExpr); ok && isNamed(pair.Key, "Code") {
				return stringLiteral(pair.Value)
			}
		}
	}
	return "", false
}

func isNamed(e ast.Expr, name string) bool {
	id, ok := e.(*ast.Ident)
	return ok && id.Name == name
}

func stringLiteral(n ast.Node) (string, bool) {
	lit, ok := n.(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return "", false
	}
	text, err := strconv.Unquote(lit.Value)
	return text, err == nil
}
