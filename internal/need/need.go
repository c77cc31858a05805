// Package need finds the real programs that tests run.
package need

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
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

// Find looks for a program in PATH and in the folders for servers that an
// ordinary user's PATH leaves out.
func Find(name string) (path string, ok bool) {
	if path, err := exec.LookPath(name); err == nil {
		return path, true
	}
	for _, dir := range []string{"/usr/local/sbin", "/usr/sbin", "/sbin"} {
		path := filepath.Join(dir, name)
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return path, true
		}
	}
	return "", false
}

// Root returns where the test runs as root, or ends it like a missing program
// named "root": switching users needs it.
func Root(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		Missing(t, "root")
	}
}
