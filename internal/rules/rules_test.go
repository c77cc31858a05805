// Package rules tests the repository itself: who imports whom, where things
// stand, and that documentation and examples say what is true.
package rules

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// module is the module path; an import below it is ours.
const module = "scgikit"

// root is the top folder of the repository, seen from this package.
const root = "../.."

// pkg is what "go list -json" says about a package, as far as it is used here.
type pkg struct {
	ImportPath   string
	Dir          string
	Name         string
	GoFiles      []string
	TestGoFiles  []string
	XTestGoFiles []string
	Imports      []string
	Standard     bool
}

// short is the import path without the module: "internal/diag".
func (p *pkg) short() string { return strings.TrimPrefix(p.ImportPath, module+"/") }

// goList runs go list for the patterns, in the repository.
func goList(t *testing.T, args ...string) []*pkg {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", append([]string{"list", "-json"}, args...)...)
	cmd.Dir = root
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.Bytes())
	}
	var packages []*pkg
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		p := new(pkg)
		if err := d.Decode(p); errors.Is(err, io.EOF) {
			return packages
		} else if err != nil {
			t.Fatal(err)
		}
		packages = append(packages, p)
	}
}

// notOurs are the folders that hold what is built, not what is written.
var notOurs = []string{".git", ".build", "bin", "node_modules", "__pycache__"}

// files returns the slash-separated paths of all files of the repository,
// sorted: what git would commit, or without git all but build output.
var files = sync.OnceValues(func() ([]string, error) {
	out, err := exec.Command("git", "-C", root, "ls-files", "-z", "--cached", "--others", "--exclude-standard").Output()
	if err != nil {
		return walk()
	}
	var paths []string
	for name := range strings.SplitSeq(strings.TrimRight(string(out), "\x00"), "\x00") {
		// What was deleted but is still in the index is not there to be read.
		if info, err := os.Lstat(filepath.Join(root, name)); err == nil && info.Mode().IsRegular() {
			paths = append(paths, name)
		}
	}
	slices.Sort(paths)
	return paths, nil
})

func walk() ([]string, error) {
	var paths []string
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && slices.Contains(notOurs, d.Name()) {
			return fs.SkipDir
		}
		if d.Type().IsRegular() {
			rel, err := filepath.Rel(root, name)
			if err != nil {
				return err
			}
			paths = append(paths, filepath.ToSlash(rel))
		}
		return nil
	})
	slices.Sort(paths)
	return paths, err
}

// repository returns the paths that match, and fails where there are none: a
// rule that looks at nothing holds nothing.
func repository(t *testing.T, match func(path string) bool) []string {
	t.Helper()
	all, err := files()
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, path := range all {
		if match(path) {
			found = append(found, path)
		}
	}
	if len(found) == 0 {
		t.Fatal("no file to look at")
	}
	return found
}

// read returns a file of the repository.
func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func isGo(path string) bool     { return strings.HasSuffix(path, ".go") }
func isGoTest(path string) bool { return strings.HasSuffix(path, "_test.go") }
