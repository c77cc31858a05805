package generate_test

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"scgikit/generate"
	"scgikit/internal/appfile"
	"scgikit/internal/fileset"
	"scgikit/templates"
)

// TestTrace: with a trace the files are as without; every line has an origin, and
// a line of the template's own text is in the template, at the line that it names.
func TestTrace(t *testing.T) {
	inputs, err := filepath.Glob("testdata/apps/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	fixed, values := 0, 0
	for _, input := range inputs {
		data, err := os.ReadFile(input)
		if err != nil {
			t.Fatal(err)
		}
		project, problems := tryLoad(string(data))
		if problems.HasErrors() {
			continue
		}
		for _, target := range generate.Targets() {
			apps := slices.DeleteFunc(slices.Clone(project.Apps), func(a *appfile.App) bool { return target.Fits(a) != "" })
			plain, problems := new(generate.Renderer).Render(target, project, apps)
			if problems.HasErrors() {
				continue
			}
			set, traces, _ := new(generate.Renderer).Trace(target, project, apps)
			if !bytes.Equal(plain.Txtar(), set.Txtar()) {
				t.Errorf("%s, %s: a trace changes the files", target.Name, input)
			}
			for _, f := range set.Files() {
				f, v := checkTrace(t, f, traces[f.Path])
				fixed, values = fixed+f, values+v
			}
		}
	}
	if fixed < 1000 || values < 1000 {
		t.Errorf("only %d fixed lines and %d with values", fixed, values)
	}
}

func checkTrace(t *testing.T, f fileset.File, lines []generate.Line) (fixed, values int) {
	t.Helper()
	texts := strings.Split(strings.TrimSuffix(string(f.Data), "\n"), "\n")
	if f.Kind != fileset.Regular || len(f.Data) == 0 {
		texts = nil
	}
	if len(lines) != len(texts) {
		t.Errorf("%s has %d lines, and the trace %d", f.Path, len(texts), len(lines))
		return 0, 0
	}
	for i, line := range lines {
		text := strings.TrimSpace(texts[i])
		switch line.Kind {
		case generate.LineHeader:
			if !strings.Contains(text, "scgikit") {
				t.Errorf("%s:%d: %q is taken for a line of the header", f.Path, i+1, text)
			}
		case generate.LineRaw:
		case generate.LineFixed:
			fixed++
			source := templateLine(t, line)
			if literal, _, cut := strings.Cut(source, "{{"); text != "" && !strings.Contains(source, text) && !strings.HasPrefix(text, source) && (!cut || !strings.HasPrefix(text, literal)) {
				t.Errorf("%s:%d: %q is not in %s:%d: %q", f.Path, i+1, text, line.Template, line.Number, source)
			}
		case generate.LineValue:
			values++
			if source := templateLine(t, line); !strings.Contains(source, "{{") && !strings.HasPrefix(text, source) {
				t.Errorf("%s:%d: %q has a value, and %s:%d none: %q", f.Path, i+1, text, line.Template, line.Number, source)
			}
		}
	}
	return fixed, values
}

func templateLine(t *testing.T, line generate.Line) string {
	t.Helper()
	if line.Template == "" {
		return ""
	}
	text, err := fs.ReadFile(templates.FS, line.Template)
	if err != nil {
		t.Fatal(err)
	}
	all := strings.Split(string(text), "\n")
	if line.Number < 1 || line.Number > len(all) {
		t.Errorf("%s has no line %d", line.Template, line.Number)
		return ""
	}
	return strings.TrimSpace(all[line.Number-1])
}
