package main

import (
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"scgikit/generate"
)

// TestDeterminism runs generate a hundred times under different homes, time
// zones, languages, umasks, numbers of processors and working folders, and
// expects the same files, modes and bytes, for each target.
func TestDeterminism(t *testing.T) {
	program, err := exec.LookPath("scgikit")
	if err != nil {
		t.Fatal(err)
	}
	dir := project(t)
	homes := []string{t.TempDir(), t.TempDir(), "/nonexistent"}
	zones := []string{"UTC", "Asia/Kolkata", "America/St_Johns", ":/etc/localtime"}
	languages := []string{"C", "C.UTF-8", "tr_TR.UTF-8", "de_DE@euro", "ja_JP.eucJP"}
	seen := make(map[string]string)
	for i := range 100 {
		out := filepath.Join(t.TempDir(), "deploy")
		umask := []string{"000", "077"}[i%2]
		script := `umask "$1"; shift; exec "$@"`
		args := []string{"-c", script, "sh", umask, program, "-q", "generate", "all", "--out-dir", out}
		cwd := dir
		if i%3 > 0 {
			args = append(args, "-C", dir)
			cwd = []string{"", "/", os.TempDir()}[i%3]
		}
		cmd := exec.CommandContext(t.Context(), "sh", args...)
		cmd.Dir = cwd
		cmd.Env = []string{
			"PATH=" + os.Getenv("PATH"), "GORACE=" + goRace,
			"HOME=" + homes[i%3], "TZ=" + zones[i%4], "LANG=" + languages[i%5], "LC_ALL=" + languages[i/5%5],
			fmt.Sprintf("GOMAXPROCS=%d", []int{1, 8}[i/2%2]), fmt.Sprintf("USER=user%d", i), fmt.Sprintf("HOSTNAME=host%d", i),
		}
		if text, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("run %d: %v\n%s", i, err, text)
		}
		for _, target := range generate.Targets() {
			got := hashTree(t, filepath.Join(out, target.Name))
			if seen[target.Name] == "" {
				seen[target.Name] = got
			}
			if seen[target.Name] != got {
				t.Fatalf("run %d: %s differs from the first run", i, target.Name)
			}
		}
		if got := hashTree(t, filepath.Join(out, ".scgikit-manifest.json")); seen["manifest"] == "" {
			seen["manifest"] = got
		} else if seen["manifest"] != got {
			t.Fatalf("run %d: the manifest differs from the first run", i)
		}
	}
}

// hashTree is a digest of the names, modes and bytes of all files below a folder.
func hashTree(t *testing.T, top string) string {
	t.Helper()
	h := sha256.New()
	err := filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		name, err := filepath.Rel(top, path)
		if err != nil {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		fmt.Fprintf(h, "%s %v %d\n", name, info.Mode(), info.Size())
		_, err = io.Copy(h, f)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x", h.Sum(nil))
}
