package appfile

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files")

// testOptions are what targets declare, in the types that they declare it in.
func testOptions() map[string]any {
	return map[string]any{
		"nginx":       new(struct{}),
		"daemontools": new(struct{}),
		"inetd":       new(inetdOptions),
	}
}

type inetdOptions struct {
	Dialect dialect  `yaml:"dialect" required:"true" doc:"the inetd that reads the file"`
	Flags   []string `yaml:"flags" doc:"further words"`
	Limit   int      `yaml:"limit" default:"6000" min:"1" doc:"starts a minute"`
}

type dialect string

func (dialect) Values() []string { return []string{"freebsd", "netbsd", "openbsd"} }

// caseFile is a description in testdata with what its first lines ask for:
//
//	# test: profile=prod
//	# test: set=run.nice=5
//	# test: env=NAME=value
//	# test: name=apps/blog.yaml
type caseFile struct {
	loader Loader
	source Source
}

func readCase(t *testing.T, file string) caseFile {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	c := caseFile{source: Source{Name: filepath.Base(file), Data: data}}
	c.loader.Options = testOptions()
	c.loader.Targets = []string{"lighttpd", "apache"}
	env := make(map[string]string)
	for line := range strings.Lines(string(data)) {
		directive, ok := strings.CutPrefix(strings.TrimRight(line, "\r\n"), "# test: ")
		if !ok {
			break
		}
		word, value, _ := strings.Cut(directive, "=")
		switch word {
		case "profile":
			c.loader.Profile = value
		case "set":
			c.loader.Sets = append(c.loader.Sets, value)
		case "name":
			c.source.Name = value
		case "env":
			name, text, _ := strings.Cut(value, "=")
			env[name] = text
		default:
			t.Fatalf("%s: unknown directive %q", file, directive)
		}
	}
	c.loader.Env = func(name string) (string, bool) { v, ok := env[name]; return v, ok }
	return c
}

func cases(t *testing.T, folder string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", folder, "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases in testdata/%s: %v", folder, err)
	}
	outs, err := filepath.Glob(filepath.Join("testdata", folder, "*.out"))
	if err != nil {
		t.Fatal(err)
	}
	for _, out := range outs {
		if _, err := os.Stat(strings.TrimSuffix(out, ".out") + ".yaml"); err != nil {
			t.Errorf("%s has no description", out)
		}
	}
	return files
}

// golden compares with a file, or writes it.
func golden(t *testing.T, file string, got []byte) {
	t.Helper()
	if *update {
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
		t.Errorf("%s differs; got:\n%s\nwant:\n%s", file, got, want)
	}
}

// TestErrors compares every problem of the refused descriptions: one line
// each, then as a person sees them.
func TestErrors(t *testing.T) {
	for _, file := range cases(t, "err") {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			c := readCase(t, file)
			project, list := c.loader.Load([]Source{c.source})
			if len(list) == 0 {
				t.Fatal("no problem was found")
			}
			if list.HasErrors() != (project == nil) {
				t.Error("there is a project if and only if there is no error")
			}
			var b bytes.Buffer
			b.WriteString(list.Error() + "\n\n")
			if err := list.Show(&b); err != nil {
				t.Fatal(err)
			}
			golden(t, strings.TrimSuffix(file, ".yaml")+".out", b.Bytes())
		})
	}
}

// TestResolved compares the values, and where they are from, of the accepted
// descriptions: all that is not a default, and every listener.
func TestResolved(t *testing.T) {
	for _, file := range cases(t, "ok") {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			c := readCase(t, file)
			project, list := c.loader.Load([]Source{c.source})
			if len(list) > 0 {
				var b strings.Builder
				if err := list.Show(&b); err != nil {
					t.Fatal(err)
				}
				t.Fatal(b.String())
			}
			golden(t, strings.TrimSuffix(file, ".yaml")+".out", []byte(resolvedText(project)))
		})
	}
}

func resolvedText(p *Project) string {
	var b strings.Builder
	for _, a := range p.Apps {
		for _, f := range a.Resolved() {
			if f.Origin != FromDefault || f.Path == "log.dir" || f.Path == "health.path" {
				b.WriteString(f.Path + ": " + f.Value + "  # " + f.Layer + " " + f.Place.String() + "\n")
			}
		}
		for _, inst := range a.Instances {
			b.WriteString("# " + inst.Service() + " on " + inst.Addr().String() + ", log " + inst.LogDir())
			for _, name := range sortedKeys(inst.Run.Env) {
				b.WriteString(" " + name + "=" + inst.Run.Env[name])
			}
			b.WriteString("\n")
		}
	}
	return b.String()
}
