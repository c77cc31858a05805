package rules

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"scgikit/internal/need"
)

// step is a command of a session in the documentation, and what it prints.
type step struct{ command, output string }

// session returns the steps of a page's console blocks, in order.
func session(t *testing.T, text string) []step {
	t.Helper()
	var steps []step
	for _, block := range regexp.MustCompile("(?ms)^```console\n(.*?)^```$").FindAllStringSubmatch(text, -1) {
		for line := range strings.Lines(block[1]) {
			if command, ok := strings.CutPrefix(line, "$ "); ok {
				steps = append(steps, step{command: strings.TrimSpace(command)})
			} else if len(steps) > 0 {
				steps[len(steps)-1].output += line
			}
		}
	}
	if len(steps) == 0 {
		t.Fatal("the page shows no session")
	}
	return steps
}

// TestSessions runs the commands that a page shows, one after the other in one
// folder, and compares what they print. The file that the README shows with
// cat is written first.
func TestSessions(t *testing.T) {
	need.Program(t, "nginx")
	bin := programs(t)
	for _, page := range []string{"README.md", "docs/logging.md"} {
		dir := t.TempDir()
		for i, s := range session(t, read(t, page)) {
			if file, ok := strings.CutPrefix(s.command, "cat "); ok && i == 0 {
				if err := os.WriteFile(filepath.Join(dir, file), []byte(s.output), 0o644); err != nil {
					t.Fatal(err)
				}
				continue
			}
			cmd := exec.CommandContext(t.Context(), "sh", "-c", s.command)
			cmd.Dir = dir
			cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "XDG_CONFIG_HOME="+dir, "NO_COLOR=1")
			// A session shows mistakes as well, so the status is not looked at.
			out, _ := cmd.CombinedOutput()
			if string(out) != s.output {
				t.Errorf("$ %s\nprints:\n%s\n%s shows:\n%s", s.command, out, page, s.output)
			}
		}
	}
}

// TestLinks follows every link of the documentation to a file of the
// repository.
func TestLinks(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#\s]+)(?:#[^)]*)?\)`)
	for _, page := range repository(t, func(p string) bool { return strings.HasSuffix(p, ".md") && !strings.Contains(p, "testdata/") }) {
		for _, m := range link.FindAllStringSubmatch(read(t, page), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			if _, err := os.Stat(filepath.Join(root, filepath.Dir(page), m[1])); err != nil {
				t.Errorf("%s: the link %s leads nowhere", page, m[1])
			}
		}
	}
}
