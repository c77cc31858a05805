package quote

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"scgikit/internal/need"
)

// TestEnvdirInRealEnvdir lets the real envdir read every awkward value, or
// sees it refused where envdir would change it.
func TestEnvdirInRealEnvdir(t *testing.T) {
	t.Parallel()
	envdir := need.Program(t, "envdir")
	for _, s := range append(awkward[:], "a ", " a", "a\t", "a\x7f") {
		text, err := Envdir(s)
		changed := strings.TrimRight(s, " \t") != s || strings.ContainsAny(s, "\n\t\x7f")
		if (err != nil) != changed {
			t.Errorf("Envdir(%q) says %v", s, err)
		}
		if err != nil {
			continue
		}
		dir := t.TempDir()
		if err = os.WriteFile(filepath.Join(dir, "VALUE"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := exec.CommandContext(t.Context(), envdir, dir, "sh", "-c", `printf '[%s]' "${VALUE-unset}"`).Output()
		if err != nil {
			t.Fatal(err)
		}
		if want := "[" + s + "]"; string(out) != want {
			t.Errorf("envdir gave %q for %q", out, s)
		}
	}
}
