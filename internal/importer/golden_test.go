package importer_test

import (
	"bytes"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/rogpeppe/go-internal/txtar"

	"scgikit/generate"
	"scgikit/internal/importer"
	"scgikit/internal/inetdconf"
)

var update = flag.Bool("update", false, "write the golden files")

// archive reads a fixture: the words of "args", and the other files as those of
// a machine. What is named run, and folders of scripts, are executable.
func archive(t testing.TB, file string) (args []string, m fstest.MapFS) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	m = fstest.MapFS{}
	for _, f := range txtar.Parse(data).Files {
		if f.Name == "args" {
			args = strings.Fields(string(f.Data))
			continue
		}
		mode := fs.FileMode(0o644)
		if base := filepath.Base(f.Name); base == "run" || base == "finish" {
			mode = 0o755
		}
		m[f.Name] = &fstest.MapFile{Data: f.Data, Mode: mode}
	}
	return args, m
}

func imported(t *testing.T, args []string, m fstest.MapFS) *importer.Result {
	t.Helper()
	o := &importer.Options{Targets: generate.OptionTypes(), Env: make(map[string]string)}
	for _, arg := range args[2:] {
		if name, value, ok := strings.Cut(arg, "="); ok {
			o.Env[name] = value
		} else {
			o.Dialect = inetdconf.Dialect(arg)
		}
	}
	result, err := importer.Read(t.Context(), importer.Kind(args[0]), m, args[1], "/"+args[1], o)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// TestGolden imports set-ups in the manner of real ones, and compares the
// descriptions and the notes with the file beside each. The descriptions are valid.
func TestGolden(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*/*.txtar")
	if err != nil || len(files) < 7 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		t.Run(strings.TrimPrefix(file, "testdata/"), func(t *testing.T) {
			t.Parallel()
			args, m := archive(t, file)
			result := imported(t, args, m)
			var b bytes.Buffer
			var texts []string
			for _, n := range result.Notes {
				fmt.Fprintln(&b, n)
			}
			for _, a := range result.Apps {
				fmt.Fprintf(&b, "---\n%s", a.Text)
				texts = append(texts, a.Text)
			}
			if len(texts) == 0 || load(texts...) == nil {
				t.Error("the descriptions are not valid")
			}
			golden := strings.TrimSuffix(file, ".txtar") + ".golden"
			if *update {
				if err := os.WriteFile(golden, b.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatalf("%v; go test ./internal/importer -update writes it", err)
			}
			if !bytes.Equal(want, b.Bytes()) {
				t.Errorf("%s differs; go test ./internal/importer -update rewrites it:\n%s", golden, changed(string(want), b.String()))
			}
		})
	}
}
