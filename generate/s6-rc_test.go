package generate_test

import (
	"bytes"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"scgikit/generate"
	"scgikit/internal/appfile"
	"scgikit/internal/fileset"
	"scgikit/internal/need"
)

// s6rcProgram returns the path of a program of s6-rc, or skips the test: there
// is no package of it to install for the tests.
func s6rcProgram(t *testing.T, name string) string {
	t.Helper()
	path, ok := need.Find(name)
	if !ok {
		need.Missing(t, name+", which is in no package of Debian 12,")
	}
	return path
}

// s6rcSets are sets of definitions, each compiled alone: the golden
// descriptions, those of the examples, and awkward ones.
func s6rcSets(t *testing.T) map[string]*fileset.Set {
	t.Helper()
	sets := make(map[string]*fileset.Set)
	for name, set := range starterSets(t, "s6-rc") {
		if len(set.Files()) > 0 {
			sets[name] = set
		}
	}
	examples, err := filepath.Glob("../examples/*/scgikit.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range examples {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if set := mustRender(t, "s6-rc", load(t, string(data))); len(set.Files()) > 0 {
			sets[file] = set
		}
	}
	return sets
}

// TestS6rcAfterElsewhere: an app can not come after one that has no definition,
// because its own targets leave s6-rc out.
func TestS6rcAfterElsewhere(t *testing.T) {
	t.Parallel()
	target, _ := generate.Lookup("s6-rc")
	for targets, refused := range map[string]bool{"": false, "targets: [s6, s6-rc]\n": false, "targets: [s6]\n": true} {
		project := load(t, `apiVersion: scgikit/v1
name: first
type: server
run: {command: [/srv/first], user: www}
listen: {tcp: "127.0.0.1:8071"}
http: {mount: /first/}
`+targets+`---
apiVersion: scgikit/v1
name: second
type: server
run: {command: [/srv/second], user: www}
listen: {tcp: "127.0.0.1:8072"}
http: {mount: /second/}
options: {s6-rc: {after: [first]}}
`)
		i := slices.IndexFunc(project.Apps, func(a *appfile.App) bool { return a.Name == "second" })
		_, problems := new(generate.Renderer).Render(target, project, project.Apps[i:i+1])
		if problems.HasErrors() != refused {
			t.Errorf("%q: %v", targets, problems)
		}
	}
}

// TestFoldersAreRead shows all service folders and definitions to the readers
// that scgikit check has, and to s6-rc-compile where it is there.
func TestFoldersAreRead(t *testing.T) {
	t.Parallel()
	sets := s6rcSets(t)
	maps.Copy(sets, starterSets(t, "daemontools", "runit", "s6"))
	for name, set := range sets {
		verifySet(t, name, set, new(appfile.Project))
	}
}

// compileS6rc installs definitions and compiles them.
func compileS6rc(t *testing.T, dir string, set *fileset.Set) (source, compiled string) {
	t.Helper()
	source, compiled = filepath.Join(dir, "source"), filepath.Join(dir, "compiled")
	for _, f := range set.Files() {
		f.User = "" // who may not be known here; s6-rc-compile does not read what is not root's
		if err := installFile(filepath.Join(source, strings.TrimPrefix(f.Path, "s6-rc/")), f); err != nil {
			t.Fatal(err)
		}
	}
	out, err := exec.CommandContext(t.Context(), s6rcProgram(t, "s6-rc-compile"), compiled, source).CombinedOutput()
	if err != nil || len(out) > 0 {
		t.Fatalf("s6-rc-compile: %v: %s", err, out)
	}
	return source, compiled
}

// askDB returns the lines of an answer of s6-rc-db, sorted.
func askDB(t *testing.T, compiled string, words ...string) []string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), s6rcProgram(t, "s6-rc-db"), append([]string{"-c", compiled}, words...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("s6-rc-db %v: %v: %s", words, err, out)
	}
	return slices.Sorted(strings.SplitSeq(strings.TrimSuffix(string(out), "\n"), "\n"))
}

// TestS6rcCompiles has the real s6-rc-compile take all definitions, and
// s6-rc-db give back what they say.
func TestS6rcCompiles(t *testing.T) {
	t.Parallel()
	s6rcProgram(t, "s6-rc-compile")
	for name, set := range s6rcSets(t) {
		dir := t.TempDir()
		for _, f := range set.Files() {
			if f.Place == "definition elsewhere" {
				elsewhere := filepath.Join(dir, "source", filepath.Base(f.Path))
				writeFile(t, filepath.Join(elsewhere, "type"), "oneshot\n")
				writeFile(t, filepath.Join(elsewhere, "up"), "")
			}
		}
		source, compiled := compileS6rc(t, dir, set)
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			checkDB(t, set, source, compiled)
		})
	}
}

// checkDB compares a compiled database with its definitions.
func checkDB(t *testing.T, set *fileset.Set, source, compiled string) {
	t.Helper()
	read := func(parts ...string) string {
		data, err := os.ReadFile(filepath.Join(append([]string{source}, parts...)...))
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSuffix(string(data), "\n")
	}
	definitions := 0
	for _, f := range set.Files() {
		name, ok := strings.CutSuffix(strings.TrimPrefix(f.Path, "s6-rc/"), "/type")
		if !ok {
			continue
		}
		definitions++
		if got, want := askDB(t, compiled, "type", name), read(name, "type"); got[0] != want {
			t.Errorf("%s is a %s, not a %s", name, got, want)
		}
		switch {
		case strings.HasSuffix(name, ".srv"):
			service := strings.TrimSuffix(name, ".srv")
			if got := askDB(t, compiled, "contents", service); !slices.Equal(got, []string{service + ".log", name}) {
				t.Errorf("%s has %q in it", service, got)
			}
			if got := askDB(t, compiled, "pipeline", name); got[0] != name+" | "+service+".log" {
				t.Errorf("the pipeline of %s is %q", name, got)
			}
			for flag, file := range map[string]string{"-u": "timeout-up", "-d": "timeout-down"} {
				want := "0"
				if _, ok := set.Get("s6-rc/" + name + "/" + file); ok {
					want = read(name, file)
				}
				if got := askDB(t, compiled, flag, "timeout", name); got[0] != want {
					t.Errorf("%s of %s is %s, want %s", file, name, got, want)
				}
			}
			checkDependencies(t, set, compiled, name)
			checkCopied(t, filepath.Join(source, name), filepath.Join(compiled, "servicedirs", name))
		case strings.HasSuffix(name, ".log"):
			checkCopied(t, filepath.Join(source, name), filepath.Join(compiled, "servicedirs", name))
		}
	}
	if definitions == 0 {
		t.Error("no definition")
	}
}

// checkDependencies looks for what dependencies.d of a definition names among
// what its service comes after.
func checkDependencies(t *testing.T, set *fileset.Set, compiled, name string) {
	t.Helper()
	got := askDB(t, compiled, "all-dependencies", name)
	for _, f := range set.Files() {
		dependency, ok := strings.CutPrefix(f.Path, "s6-rc/"+name+"/dependencies.d/")
		if !ok {
			continue
		}
		for _, service := range askDB(t, compiled, "atomics", dependency) {
			if !slices.Contains(got, service) {
				t.Errorf("%s does not come after %s: %q", name, service, got)
			}
		}
	}
	if logger := strings.TrimSuffix(name, ".srv") + ".log"; !slices.Contains(got, logger) {
		t.Errorf("%s does not come after its logger: %q", name, got)
	}
}

// checkCopied looks for everything that s6-supervise and the scripts read of a
// definition in the service folder that was made of it.
func checkCopied(t *testing.T, definition, folder string) {
	t.Helper()
	elsewhere := []string{"type", "producer-for", "consumer-for", "pipeline-name", "dependencies.d", "timeout-up", "timeout-down", "flag-essential", "dir"}
	err := filepath.WalkDir(definition, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == definition {
			return err
		}
		name, _ := filepath.Rel(definition, path)
		if slices.Contains(elsewhere, name) {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		copied := filepath.Join(folder, name)
		if name == "run" || name == "finish" {
			copied += ".user" // the file itself takes the end of the pipe first
		}
		if d.Type() == fs.ModeSymlink {
			want, _ := os.Readlink(path)
			if got, err := os.Readlink(copied); got != want {
				t.Errorf("%s is a link to %q, want %q (%v)", name, got, want, err)
			}
			return nil
		}
		want, err := os.Stat(path)
		if err != nil {
			return err
		}
		got, err := os.Stat(copied)
		if err != nil || got.Mode() != want.Mode() {
			t.Errorf("%s of %s does not arrive as it is: %v", name, filepath.Base(definition), err)
			return nil
		}
		if d.IsDir() {
			return nil
		}
		a, errA := os.ReadFile(path)
		b, errB := os.ReadFile(copied)
		if errA != nil || errB != nil || !bytes.Equal(a, b) {
			t.Errorf("%s: %q arrives as %q (%v, %v)", name, a, b, errA, errB)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
