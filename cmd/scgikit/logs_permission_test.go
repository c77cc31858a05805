package main

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"scgikit/internal/need"
)

// TestLogsPermission reads a log as a user who may not.
func TestLogsPermission(t *testing.T) {
	t.Parallel()
	need.Root(t)
	dir := t.TempDir()
	for path := dir; path != os.TempDir() && path != "/"; path = filepath.Dir(path) {
		if err := os.Chmod(path, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	program := copyOfTest(t, dir)
	log, unreadable := filepath.Join(dir, "log"), filepath.Join(dir, "unreadable")
	for path, mode := range map[string]os.FileMode{log: 0o700, unreadable: 0o755} {
		if err := os.Mkdir(path, mode); err != nil {
			t.Fatal(err)
		}
		for name, mode := range map[string]os.FileMode{"current": 0o644, "@400000006b02b7d200000000.s": 0o600} {
			if err := os.WriteFile(filepath.Join(path, name), []byte(name+"\n"), mode); err != nil {
				t.Fatal(err)
			}
		}
	}
	tests := []struct {
		dir, out, stderr string
	}{
		{log, "", "hint: read it as root, or as the user of the logger"},
		{unreadable, "current\n", "@400000006b02b7d200000000.s: permission denied"},
	}
	for _, tt := range tests {
		cmd := exec.CommandContext(t.Context(), program, "logs", "--dir", tt.dir)
		cmd.Env = []string{"HOME=/", goRaceEnv}
		cmd.Dir = "/"
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		var stderr strings.Builder
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if code := cmd.ProcessState.ExitCode(); code != int(exitPermission) || string(out) != tt.out || !strings.Contains(stderr.String(), tt.stderr) {
			t.Errorf("%s: %v, code %d, %q, %s", tt.dir, err, code, out, stderr.String())
		}
	}
}

// goRaceEnv keeps a program with the race detector from sleeping at its end.
const goRaceEnv = "GORACE=" + goRace

// copyOfTest copies the test binary under the name that makes it scgikit, to
// where every user can start it.
func copyOfTest(t *testing.T, dir string) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	from, err := os.Open(self)
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	path := filepath.Join(dir, "scgikit")
	to, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(to, from); err != nil {
		t.Fatal(err)
	}
	if err := to.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}
