package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"scgikit/internal/need"
	"scgikit/internal/servicedir"
)

// TestServicesPermission asks for a service as a user who may not.
func TestServicesPermission(t *testing.T) {
	t.Parallel()
	need.Root(t)
	status := servicedir.Status{Since: lookedAt(), PID: os.Getpid(), Want: servicedir.WantUp, Run: servicedir.RunUp}
	service := supervisedFolder(t, status, nil)
	dir := t.TempDir()
	for _, path := range []string{service, dir} {
		for ; path != os.TempDir() && path != "/"; path = filepath.Dir(path) {
			if err := os.Chmod(path, 0o755); err != nil {
				t.Fatal(err)
			}
		}
	}
	program := copyOfTest(t, dir)
	for _, words := range [][]string{{"status", service}, {"stop", service}, {"signal", "HUP", service}, {"service", "install", "--program", "/bin/sh", "--dir", "/x"}} {
		cmd := exec.CommandContext(t.Context(), program, words...)
		cmd.Env = []string{"HOME=/", "PATH=" + os.Getenv("PATH"), goRaceEnv}
		cmd.Dir = "/"
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		out, err := cmd.CombinedOutput()
		if code := cmd.ProcessState.ExitCode(); code != int(exitPermission) || !strings.Contains(string(out), "hint: a") {
			t.Errorf("%v: %v, code %d, %s", words, err, code, out)
		}
	}
}
