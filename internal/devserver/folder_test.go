package devserver

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// keepFolder is the role that makes a folder, says where, and waits to be killed.
func keepFolder(base, prefix string) {
	f, err := NewFolder(base, prefix)
	if err != nil {
		panic(err)
	}
	if err := os.WriteFile(filepath.Join(f.Path, "file"), nil, 0o600); err != nil {
		panic(err)
	}
	os.Stdout.WriteString(f.Path + "\n")
	select {}
}

// heldFolder returns a folder of another process, which end kills.
func heldFolder(t *testing.T, base, prefix string) (path string, end func()) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, base, prefix)
	cmd.Env = append(os.Environ(), roleVariable+"=folder", quickExit)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := false
	end = func() {
		if !ended {
			ended = true
			_ = cmd.Process.Kill()
			_ = cmd.Wait() // killed
		}
	}
	t.Cleanup(end)
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(line), end
}

// A run that is killed leaves its folder; the next one of the project removes it,
// and nothing else: not that of a run that lives, of another project, of nobody, a
// link, a file, or a folder that others may write to.
func TestStaleFolders(t *testing.T) {
	base, outside := t.TempDir(), t.TempDir()
	const ours, other = "dev-1-", "dev-2-"
	stale, kill := heldFolder(t, base, ours)
	kill()
	foreign, kill := heldFolder(t, base, other)
	kill()
	lives, _ := heldFolder(t, base, ours)
	if _, err := os.Stat(stale); err == nil {
		t.Errorf("%s is left", stale)
	}
	stale, kill = heldFolder(t, base, ours)
	kill()
	keep := func(name string, mode os.FileMode) string {
		path := filepath.Join(base, name)
		if err := os.Mkdir(path, 0o700); err != nil {
			t.Fatal(err)
		}
		// Not by Mkdir, which the mask limits.
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	kept := []string{lives, foreign, keep("dev-1", 0o700), keep(ours+"open", 0o777), keep(ours+"group", 0o770), keep(ours+"listed", 0o755)}
	passed := keep(ours+"passed", 0o711) // a web server of root's may pass through
	file := filepath.Join(base, ours+"file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(outside, "kept"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	link, inside := filepath.Join(base, ours+"link"), filepath.Join(stale, "link")
	for _, name := range []string{link, inside} {
		if err := os.Symlink(outside, name); err != nil {
			t.Fatal(err)
		}
	}
	kept = append(kept, file, link, filepath.Join(outside, "kept"))
	if os.Getuid() == 0 {
		path := keep(ours+"nobody", 0o700)
		if err := os.Chown(path, 65534, 65534); err != nil {
			t.Fatal(err)
		}
		kept = append(kept, path)
	}
	f, err := NewFolder(base, ours)
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{stale, passed} {
		if _, err := os.Lstat(path); err == nil {
			t.Errorf("%s is left", path)
		}
	}
	for _, path := range append(kept, f.Path) {
		if _, err := os.Lstat(path); err != nil {
			t.Error(err)
		}
	}
	if info, err := os.Stat(f.Path); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", info, err)
	}
	f.Remove()
	if _, err := os.Lstat(f.Path); err == nil {
		t.Errorf("%s is left at the end", f.Path)
	}
}

// Runs that begin at the same time do not take each other's new folder for one that
// is left.
func TestFoldersAtOnce(t *testing.T) {
	base := t.TempDir()
	type result struct {
		folder *Folder
		err    error
	}
	results := make(chan result)
	const runs = 40
	for range runs {
		go func() {
			f, err := NewFolder(base, "dev-")
			results <- result{f, err}
		}()
	}
	var paths []string
	for range runs {
		r := <-results
		if r.err != nil {
			t.Error(r.err)
			continue
		}
		defer r.folder.Remove()
		paths = append(paths, r.folder.Path)
	}
	slices.Sort(paths)
	for _, path := range slices.Compact(paths) {
		if _, err := os.Stat(path); err != nil {
			t.Error(err)
		}
	}
}
