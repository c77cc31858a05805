package rules

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"scgikit/generate"
)

// notTargets are folders of test data that are no target's: descriptions to
// render, and the go command's corpus.
var notTargets = []string{"apps", "fuzz"}

// TestTargets asks for all that belongs to a target: one Go file, one folder
// of templates, one folder of golden files, and its row in the README.
func TestTargets(t *testing.T) {
	readme := read(t, "README.md")
	var names []string
	for _, target := range generate.Targets() {
		names = append(names, target.Name)
		for _, pattern := range []string{
			"generate/" + target.Name + ".go",
			"templates/" + target.Name + "/*.tmpl",
			"generate/testdata/" + target.Name + "/*.txtar",
		} {
			if found, err := filepath.Glob(filepath.Join(root, pattern)); err != nil || len(found) == 0 {
				t.Errorf("target %s has no %s", target.Name, pattern)
			}
		}
		row := regexp.MustCompile(`(?m)^\| \x60` + regexp.QuoteMeta(target.Name) + `\x60 \| ` + regexp.QuoteMeta(target.Kind.String()) + ` \|`)
		if !row.MatchString(readme) {
			t.Errorf("README.md has no row for %s, a %s", target.Name, target.Kind)
		}
	}
	for _, dir := range []string{"templates", "generate/testdata"} {
		entries, err := os.ReadDir(filepath.Join(root, dir))
		if err != nil {
			t.Fatal(err)
		}
		for _, entry := range entries {
			if entry.IsDir() && !slices.Contains(notTargets, entry.Name()) && !slices.Contains(names, entry.Name()) {
				t.Errorf("%s belongs to no target", path.Join(dir, entry.Name()))
			}
		}
	}
}

// TestContributingTable holds the table of CONTRIBUTING.md to the one that the
// tests use.
func TestContributingTable(t *testing.T) {
	rows := make(map[string]string)
	for _, m := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\| [^|]+ \\| ([^|]+) \\|$").FindAllStringSubmatch(read(t, "CONTRIBUTING.md"), -1) {
		rows[m[1]] = m[2]
	}
	for name, allowed := range mayImport {
		want := "–"
		switch {
		case slices.Contains(allowed, anything):
			want = "any"
		case len(allowed) > 0:
			var short []string
			for _, a := range allowed {
				short = append(short, strings.TrimPrefix(a, "internal/"))
			}
			slices.Sort(short)
			want = strings.Join(short, ", ")
		}
		if got, ok := rows[name]; !ok {
			t.Errorf("CONTRIBUTING.md has no row for %s, which imports %s", name, want)
		} else if got != want {
			t.Errorf("CONTRIBUTING.md: %s imports %s; internal/rules says %s", name, got, want)
		}
	}
	for name := range rows {
		if _, ok := mayImport[name]; !ok {
			t.Errorf("CONTRIBUTING.md has a row for %s, which does not exist", name)
		}
	}
}
