package quote

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"scgikit/internal/need"
)

// TestLogLineInRealSvlogd puts every awkward value in the place of a pattern, and
// lets the real svlogd tell the line that it matches from others.
func TestLogLineInRealSvlogd(t *testing.T) {
	t.Parallel()
	svlogd := need.Program(t, "svlogd")
	for _, s := range append(awkward[:], "a ", " a", "#", "a\\", "!x") {
		text, err := LogLine("+" + s)
		if changed := strings.ContainsAny(s, "\n\t\x7f") || notText(s) != ""; (err != nil) != changed {
			t.Errorf("LogLine(%q) says %v", s, err)
		}
		// Of a line, svlogd matches the first 1000 bytes, as multilog does.
		if err != nil || strings.ContainsAny(s, "*+") || s == "" || len(s) > 1000 {
			continue
		}
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "config"), []byte("-*\n"+text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), svlogd, dir)
		cmd.Stdin = strings.NewReader(s + "x\n" + s + "\nx" + s + "\n")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		got, err := os.ReadFile(filepath.Join(dir, "current"))
		if err != nil || string(got) != s+"\n" {
			t.Errorf("the pattern %.80q keeps %.80q, %v", s, got, err)
		}
	}
	for _, s := range []string{"", "# x"} {
		refused(t, LogLine, s)
	}
}
