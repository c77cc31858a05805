package rules

import (
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// command runs a program in a folder and returns what it wrote on both streams.
func command(t *testing.T, dir, program string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// TestMain removes the programs that the tests have built.
func TestMain(m *testing.M) {
	code := m.Run()
	if programDir != "" {
		os.RemoveAll(programDir)
	}
	os.Exit(code)
}

// programDir is the folder of the programs, once a test has asked for them.
var programDir string

// build makes bin/scgikit and bin/scgi-run, once for all tests.
var build = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "scgikit-rules-")
	if err != nil {
		return "", err
	}
	programDir = dir
	cmd := exec.Command("go", "build", "-buildvcs=false", "-o", dir+string(filepath.Separator), "./cmd/...")
	cmd.Dir = root
	out, err := cmd.CombinedOutput()
	if err != nil {
		return string(out), err
	}
	return dir, nil
})

// programs returns the folder that holds scgikit and scgi-run.
func programs(t *testing.T) string {
	t.Helper()
	dir, err := build()
	if err != nil {
		t.Fatalf("go build: %v\n%s", err, dir)
	}
	return dir
}
