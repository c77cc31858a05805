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
	"scgikit/internal/selftest"
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
	shops := twoShops(t, dir)
	tests := []struct {
		what, dir, out, stderr string
	}{
		{"--dir", log, "", "hint: read it as root, or as the user of the logger"},
		{"--dir", unreadable, "current\n", "@400000006b02b7d200000000.s: permission denied"},
		{"--file", shops, "of shop-1\n", "shop-2/log/main: permission denied"},
	}
	for _, tt := range tests {
		cmd := exec.CommandContext(t.Context(), program, "logs", tt.what, tt.dir)
		cmd.Env = []string{"HOME=/", "SCGIKIT_ROOT=" + filepath.Join(dir, "root"), goRaceEnv}
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

// twoShops describes two instances in a folder, of which one has a log that not
// everybody may read.
func twoShops(t *testing.T, dir string) (description string) {
	t.Helper()
	for name, mode := range map[string]os.FileMode{"shop-1": 0o755, "shop-2": 0o700} {
		log := filepath.Join(dir, "root", "service", name, "log", "main")
		if err := os.MkdirAll(log, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(log, "current"), []byte("of "+name+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(log, mode); err != nil {
			t.Fatal(err)
		}
	}
	description = filepath.Join(dir, "shop.yaml")
	text := `apiVersion: scgikit/v1
name: shop
type: server
run: {command: [/srv/shop/serve, "${port}"], user: www, instances: 2}
listen: {tcp: 127.0.0.1:8050}
http: {mount: /shop/}
`
	if err := os.WriteFile(description, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return description
}

// goRaceEnv keeps a program with the race detector from sleeping at its end.
const goRaceEnv = "GORACE=" + goRace

// copyOfTest copies the test binary under the name that makes it scgikit, to
// where every user can start it.
func copyOfTest(t *testing.T, dir string) string {
	t.Helper()
	self := selftest.Program(t)
	from, err := os.Open(self)
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	path := filepath.Join(dir, "scgikit")
	// A process that another test starts meanwhile would have the copy open to
	// write for a moment, and so it could not be started.
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
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
