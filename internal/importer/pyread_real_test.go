package importer

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"slices"
	"testing"

	"scgikit/internal/need"
)

// pythonBindings prints, for modules of Python's own library, the names that they
// bind at their top level by the parser of Python: the last line of each that counts.
const pythonBindings = `
import ast, glob, json, os, sys
main = ("__name__ == '__main__'", "'__main__' == __name__")
def bindings(body, out):
    for s in body:
        if isinstance(s, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            out[s.name] = s.lineno
        elif isinstance(s, (ast.Import, ast.ImportFrom)):
            for a in s.names:
                if a.name != "*":
                    name = a.asname or (a.name if isinstance(s, ast.ImportFrom) else a.name.split(".")[0])
                    out[name] = s.lineno
        elif isinstance(s, ast.Assign):
            for t in s.targets:
                for e in t.elts if isinstance(t, (ast.Tuple, ast.List)) else [t]:
                    if isinstance(e, ast.Name):
                        out[e.id] = s.lineno
        elif isinstance(s, ast.AnnAssign) and s.value is not None and isinstance(s.target, ast.Name):
            out[s.target.id] = s.lineno
        elif isinstance(s, ast.If):
            if ast.unparse(s.test) not in main and not (isinstance(s.test, (ast.Name, ast.Attribute)) and ast.unparse(s.test).endswith("TYPE_CHECKING")):
                bindings(s.body, out)
            bindings(s.orelse, out)
        elif isinstance(s, (ast.For, ast.While)):
            bindings(s.body, out); bindings(s.orelse, out)
        elif isinstance(s, ast.With):
            bindings(s.body, out)
        elif isinstance(s, ast.Try):
            bindings(s.body, out)
            for h in s.handlers:
                bindings(h.body, out)
            bindings(s.orelse, out); bindings(s.finalbody, out)
result = {}
for file in sorted(glob.glob(os.path.dirname(os.__file__) + "/**/*.py", recursive=True))[::int(sys.argv[1])]:
    try:
        with open(file, encoding="utf-8") as f:
            tree = ast.parse(f.read())
    except (SyntaxError, UnicodeDecodeError, ValueError, OSError, RecursionError):
        continue
    out = {}
    bindings(tree.body, out)
    result[file] = sorted(out)
json.dump(result, sys.stdout)
`

// What the reader takes for bound is what Python's own parser does.
func TestBindingsAreThoseOfPython(t *testing.T) {
	t.Parallel()
	every := "40"
	if need.Thorough() {
		every = "1"
	}
	cmd := exec.CommandContext(t.Context(), need.Program(t, "python3"), "-I", "-W", "ignore", "-c", pythonBindings, every)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var want map[string][]string
	if err := json.NewDecoder(bytes.NewReader(out)).Decode(&want); err != nil {
		t.Fatal(err)
	}
	if len(want) == 0 {
		t.Fatal("there are no modules")
	}
	for file, names := range want {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		got := slices.Sorted(slices.Values(pyBindings(pyStatements(string(data))).order))
		if !slices.Equal(got, names) {
			for _, name := range got {
				if !slices.Contains(names, name) {
					t.Errorf("%s: %s is not bound", file, name)
				}
			}
			for _, name := range names {
				if !slices.Contains(got, name) {
					t.Errorf("%s: %s is bound", file, name)
				}
			}
		}
	}
	t.Logf("%d modules", len(want))
}
