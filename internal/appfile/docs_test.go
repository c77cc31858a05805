package appfile_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"scgikit/generate"
	"scgikit/internal/appfile"
)

// updating reports whether the flag of the golden tests is set.
func updating() bool { return flag.Lookup("update").Value.String() == "true" }

func compare(t *testing.T, file string, got []byte) {
	t.Helper()
	if updating() {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is out of date; run: go test ./internal/appfile -update", file)
	}
}

// TestDocs keeps docs/description.md and the committed schema what the program
// says.
func TestDocs(t *testing.T) {
	schema, err := appfile.Schema(generate.OptionTypes())
	if err != nil {
		t.Fatal(err)
	}
	compare(t, "../../docs/scgikit.schema.json", schema)
	compare(t, "../../docs/description.md", appfile.Markdown(generate.OptionTypes()))
}

// TestExamples reads the project's examples without a problem.
func TestExamples(t *testing.T) {
	files, err := filepath.Glob("../../examples/*/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Fatal("there are no examples")
	}
	loader := &appfile.Loader{Options: generate.OptionTypes()}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if _, list := loader.Load([]appfile.Source{{Name: filepath.Base(file), Data: data}}); len(list) > 0 {
			var b strings.Builder
			if err := list.Show(&b); err != nil {
				t.Fatal(err)
			}
			t.Errorf("%s:\n%s", file, b.String())
		}
	}
}
