// Package need finds the real programs that tests run, and says how much of what
// can be tried they try.
package need

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Variable names the environment variable with the comma-separated programs
// that must be there: a missing one then fails a test instead of skipping it.
const Variable = "SCGIKIT_NEED"

// Program returns the path of a program. Where it is missing, the test is
// skipped, or fails if SCGIKIT_NEED names the program.
func Program(t testing.TB, name string) string {
	t.Helper()
	if path, ok := Find(name); ok {
		return path
	}
	Missing(t, name)
	return ""
}

// Missing ends a test that can not have what it needs: skipped, or failed if
// SCGIKIT_NEED names it.
func Missing(t testing.TB, name string) {
	t.Helper()
	if slices.Contains(strings.Split(os.Getenv(Variable), ","), name) {
		t.Fatalf("%s is not on this machine, and %s names it", name, Variable)
	}
	t.Skipf("%s is not on this machine", name)
}

// Folders names the environment variable with further folders of programs, as in
// PATH: of those that conflict with others, and so are not installed.
const Folders = "SCGIKIT_PROGRAMS"

// Find looks for a program in PATH, in the folders for servers that an ordinary
// user's PATH leaves out, and in those of SCGIKIT_PROGRAMS.
func Find(name string) (path string, ok bool) {
	if path, err := exec.LookPath(name); err == nil {
		return path, true
	}
	for _, dir := range append([]string{"/usr/local/sbin", "/usr/sbin", "/sbin"}, filepath.SplitList(os.Getenv(Folders))...) {
		path := filepath.Join(dir, name)
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 { //nolint:gosec // the folders are those that the person who runs the tests names
			return path, true
		}
	}
	return "", false
}

// Long names the environment variable that multiplies what the tests of crashes
// repeat. Where it is set, other tests leave nothing out either.
const Long = "CRASHTEST_ROUNDS"

// Thorough reports whether the long form of the tests is asked for: of what is
// tried with every shell, at every call or with every value, the short form tries
// each with some.
func Thorough() bool { return os.Getenv(Long) != "" }

// Rounds returns by how much the long form multiplies what is repeated, 0 in the
// short form.
func Rounds(t testing.TB) int {
	t.Helper()
	if !Thorough() {
		return 0
	}
	factor, err := strconv.Atoi(os.Getenv(Long))
	if err != nil || factor < 1 {
		t.Fatalf("%s is %q, not a number from 1", Long, os.Getenv(Long))
	}
	return factor
}

// Root returns where the test runs as root, or ends it like a missing program
// named "root": switching users needs it.
func Root(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		Missing(t, "root")
	}
}
