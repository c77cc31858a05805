package rules

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"scgikit/internal/need"
)

// TestText holds every file to what belongs in a repository: text, of a
// reviewable size, without marks of unfinished work and without paths of the
// machine it was written on.
func TestText(t *testing.T) {
	top, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	unfinished := regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|X` + `XX)\b`)
	for _, name := range repository(t, func(string) bool { return true }) {
		data, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Error(err)
			continue
		}
		if len(data) > 1<<20 {
			t.Errorf("%s: %d bytes are too many to review", name, len(data))
		}
		if bytes.Contains(data, []byte(top+"/")) {
			t.Errorf("%s: names this machine's folder %s", name, top)
		}
		// Test data may hold any bytes; that is what it is for.
		if strings.Contains(name, "/testdata/") {
			continue
		}
		if !utf8.Valid(data) || bytes.IndexByte(data, 0) >= 0 {
			t.Errorf("%s: is not text", name)
		}
		if found := unfinished.Find(data); found != nil && name != "go.sum" {
			t.Errorf("%s: %s", name, found)
		}
		if bytes.Contains(data, []byte("\r\n")) {
			t.Errorf("%s: has CRLF line ends", name)
		}
	}
}

// TestShellScripts runs shellcheck over every shell script of the repository,
// the generated ones of the examples included.
func TestShellScripts(t *testing.T) {
	shellcheck := need.Program(t, "shellcheck")
	scripts := repository(t, func(p string) bool {
		if strings.Contains(p, "testdata/") || strings.HasSuffix(p, ".tmpl") || isGo(p) {
			return false
		}
		data, err := os.ReadFile(filepath.Join(root, p))
		first, _, _ := bytes.Cut(data, []byte("\n"))
		return err == nil && regexp.MustCompile(`^#!.*\b(sh|bash)$`).Match(first)
	})
	if out, err := command(t, root, shellcheck, scripts...); err != nil {
		t.Errorf("shellcheck: %v\n%s", err, out)
	}
}

// TestPython compiles the Python programs of the repository.
func TestPython(t *testing.T) {
	python := need.Program(t, "python3")
	programs := repository(t, func(p string) bool { return strings.HasSuffix(p, ".py") })
	const compile = "import ast, sys\nfor name in sys.argv[1:]: ast.parse(open(name, 'rb').read(), name)"
	if out, err := command(t, root, python, append([]string{"-c", compile}, programs...)...); err != nil {
		t.Errorf("python3: %v\n%s", err, out)
	}
}

// needed finds the programs that tests ask internal/need for. A name of several
// words is no program but a condition, and some exclude each other: no machine
// has both root and a user who is not.
var needed = regexp.MustCompile(`need\.(?:Program|Missing)\(\w+, "([^" ]+)"\)`)

// TestNeedList holds the list in the Makefile to what the tests need: a
// program that is not in it could be missing without any test failing.
func TestNeedList(t *testing.T) {
	found := regexp.MustCompile(`(?m)^NEED := (.*)$`).FindStringSubmatch(read(t, "Makefile"))
	if found == nil {
		t.Fatal("the Makefile has no NEED list")
	}
	list := strings.Split(found[1], ",")
	if !slices.IsSorted(list) {
		t.Error("the NEED list is not sorted")
	}
	for _, name := range repository(t, isGo) {
		for _, match := range needed.FindAllStringSubmatch(read(t, name), -1) {
			if !slices.Contains(list, match[1]) {
				t.Errorf("%s needs %s, which the NEED list of the Makefile leaves out", name, match[1])
			}
		}
	}
}
