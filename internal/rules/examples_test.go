package rules

import (
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"scgikit/generate"
	"scgikit/internal/appfile"
	"scgikit/internal/deploy"
	"scgikit/internal/fileset"
)

// exampleDirs returns the folders below examples that hold a description.
func exampleDirs(t *testing.T) []string {
	t.Helper()
	var dirs []string
	for _, name := range repository(t, func(p string) bool {
		ok, err := path.Match("examples/*/scgikit.yaml", p)
		return ok && err == nil
	}) {
		dirs = append(dirs, path.Dir(name))
	}
	return dirs
}

// loadExample reads the description of an example as the tool does, and fails
// on a warning as well: an example is a model.
func loadExample(t *testing.T, dir string) *appfile.Project {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(root, dir, "scgikit.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	loader := &appfile.Loader{Options: generate.OptionTypes()}
	for _, target := range generate.Targets() {
		loader.Targets = append(loader.Targets, target.Name)
	}
	project, list := loader.Load([]appfile.Source{{Name: dir + "/scgikit.yaml", Data: data}})
	if len(list) > 0 {
		t.Fatal(list)
	}
	return project
}

// TestExamplesUpToDate renders every example and compares with what is
// committed: files, modes and manifest, and nothing besides.
func TestExamplesUpToDate(t *testing.T) {
	for _, dir := range exampleDirs(t) {
		t.Run(path.Base(dir), func(t *testing.T) {
			project := loadExample(t, dir)
			want := new(fileset.Set)
			renderer := new(generate.Renderer)
			for _, name := range project.Apps[0].Targets {
				target, ok := generate.Lookup(name)
				if !ok {
					t.Fatalf("there is no target %s", name)
				}
				set, list := renderer.Render(target, project, project.Apps)
				for _, problem := range list {
					t.Error(problem)
				}
				if set == nil {
					t.FailNow()
				}
				if err := want.Merge(set); err != nil {
					t.Fatal(err)
				}
			}
			folder, err := deploy.Open(filepath.Join(root, dir), "deploy")
			if err != nil {
				t.Fatal(err)
			}
			defer folder.Close()
			plan, err := folder.Compare(want, deploy.Scope{})
			if err != nil {
				t.Fatal(err)
			}
			for i := range plan.Changes {
				if c := &plan.Changes[i]; c.State != deploy.Same {
					t.Errorf("%s/deploy/%s is %s; run make examples", dir, c.Path, c.State)
				}
			}
		})
	}
}

// TestExamplesAreDescribed asks for a README in every example, with the
// command that runs it, and for its line in the list of examples.
func TestExamplesAreDescribed(t *testing.T) {
	index := read(t, "examples/README.md")
	for _, dir := range exampleDirs(t) {
		name := path.Base(dir)
		if !strings.Contains(index, "["+name+"]("+name+")") {
			t.Errorf("examples/README.md does not name %s", name)
		}
		if readme := read(t, dir+"/README.md"); !strings.Contains(readme, "scgikit dev") {
			t.Errorf("%s/README.md does not say how to run it", dir)
		}
	}
}
