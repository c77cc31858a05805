package generate_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"scgikit/generate"
	"scgikit/internal/appfile"
	"scgikit/internal/diag"
	"scgikit/internal/fileset"
)

var update = flag.Bool("update", false, "write the golden files")

// TestGolden renders every description in testdata/apps and compares the files
// and the problems with testdata/TARGET/NAME.txtar. The first line of a
// description names the targets: "# golden: nginx apache".
func TestGolden(t *testing.T) {
	inputs, err := filepath.Glob("testdata/apps/*.yaml")
	if err != nil || len(inputs) == 0 {
		t.Fatal("no descriptions in testdata/apps", err)
	}
	expected := make(map[string]bool)
	for _, input := range inputs {
		data, err := os.ReadFile(input)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimSuffix(filepath.Base(input), ".yaml")
		first, _, _ := strings.Cut(string(data), "\n")
		list, ok := strings.CutPrefix(first, "# golden: ")
		if !ok {
			t.Errorf("%s: the first line is not \"# golden: TARGET…\"", input)
			continue
		}
		for targetName := range strings.FieldsSeq(list) {
			golden := filepath.Join("testdata", targetName, name+".txtar")
			expected[golden] = true
			t.Run(targetName+"/"+name, func(t *testing.T) {
				target, ok := generate.Lookup(targetName)
				if !ok {
					t.Fatalf("no target %q", targetName)
				}
				set, problems := render(t, target, load(t, string(data)))
				compareGolden(t, golden, goldenText(set, problems))
			})
		}
	}
	removeOrphans(t, expected)
}

// goldenText is the problems, as comment of the archive, and the files.
func goldenText(set *fileset.Set, problems diag.List) []byte {
	var b bytes.Buffer
	for _, p := range problems {
		fmt.Fprintln(&b, p.Error())
		if p.Hint != "" {
			fmt.Fprintln(&b, "\thint:", p.Hint)
		}
	}
	if set != nil {
		b.Write(set.Txtar())
	}
	return b.Bytes()
}

func compareGolden(t *testing.T, file string, got []byte) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, withoutInputs(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v; go test ./generate -update writes it", err)
	}
	if !bytes.Equal(withoutInputs(got), withoutInputs(want)) {
		t.Errorf("%s differs; go test ./generate -update rewrites it\n%s", file, firstDifference(string(withoutInputs(want)), string(withoutInputs(got))))
	}
}

// inputsDigest is the digest of descriptions and templates, which changes with
// every word of either.
var inputsDigest = regexp.MustCompile(`inputs=sha256:[0-9a-f]{16}`)

func withoutInputs(text []byte) []byte {
	return inputsDigest.ReplaceAll(text, []byte("inputs=sha256:0000000000000000"))
}

func firstDifference(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range max(len(w), len(g)) {
		var a, b string
		if i < len(w) {
			a = w[i]
		}
		if i < len(g) {
			b = g[i]
		}
		if a != b {
			return fmt.Sprintf("line %d:\n- %s\n+ %s", i+1, a, b)
		}
	}
	return ""
}

// removeOrphans fails for golden files that no description makes, or removes
// them under -update.
func removeOrphans(t *testing.T, expected map[string]bool) {
	t.Helper()
	for _, target := range generate.Targets() {
		files, err := filepath.Glob(filepath.Join("testdata", target.Name, "*"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if expected[file] {
				continue
			}
			if *update {
				if err := os.Remove(file); err != nil {
					t.Error(err)
				}
				continue
			}
			t.Errorf("%s: no description in testdata/apps names it; go test ./generate -update removes it", file)
		}
	}
}

// load reads a description, or several behind each other with "---", and ends
// the test where it has errors.
func load(t testing.TB, text string) *appfile.Project {
	t.Helper()
	project, problems := tryLoad(text)
	if problems.HasErrors() {
		var b bytes.Buffer
		if err := problems.Show(&b); err != nil {
			t.Fatal(err)
		}
		t.Fatalf("description:\n%s", b.String())
	}
	return project
}

func tryLoad(text string) (*appfile.Project, diag.List) {
	loader := &appfile.Loader{Options: generate.OptionTypes()}
	for _, target := range generate.Targets() {
		loader.Targets = append(loader.Targets, target.Name)
	}
	return loader.Load([]appfile.Source{{Name: "app.yaml", Data: []byte(text)}})
}

// render renders every app of a project that fits the target.
func render(t testing.TB, target *generate.Target, project *appfile.Project) (*fileset.Set, diag.List) {
	t.Helper()
	apps := slices.DeleteFunc(slices.Clone(project.Apps), func(a *appfile.App) bool { return target.Fits(a) != "" })
	return new(generate.Renderer).Render(target, project, apps)
}

// mustRender ends the test where rendering has errors.
func mustRender(t testing.TB, target string, project *appfile.Project) *fileset.Set {
	t.Helper()
	tg, ok := generate.Lookup(target)
	if !ok {
		t.Fatalf("no target %q", target)
	}
	set, problems := render(t, tg, project)
	if problems.HasErrors() {
		t.Fatalf("%s: %v", target, problems)
	}
	return set
}
