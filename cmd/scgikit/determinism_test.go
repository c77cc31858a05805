package main

import (
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"scgikit/generate"
	"scgikit/internal/need"
)

// What a map of Go would give in another order each time.
const (
	manyVariables = "env: {A: a, B: b, C: c, D: d, E: e, F: f, G: g, H: h}, secrets: {S: {file: /s}, T: {file: /t}, U: {file: /u}, V: {file: /v}, W: {file: /w}}"
	manyParams    = "params: {A: a, B: b, C: c, D: d, E: e, F: f, G: g, H: h}"
)

// TestDeterminism runs generate many times under different homes, time
// zones, languages, umasks, numbers of processors and working folders, and
// expects the same files, modes and bytes, for each target.
func TestDeterminism(t *testing.T) {
	program, err := exec.LookPath("scgikit")
	if err != nil {
		t.Fatal(err)
	}
	dir := project(t)
	// One for xinetd, which has no sockets on disk.
	onPort := "apiVersion: scgikit/v1\nname: on-port\ntype: cgi\nrun: {user: www-data, " + manyVariables + "}\ncgi: {directory: /srv/on-port/}\nlisten: {tcp: \"127.0.0.1:8049\"}\nhttp: {mount: /on-port/}\noptions: {inetd: {dialect: openbsd}}\n"
	if err := os.WriteFile(filepath.Join(dir, "apps", "on-port.yaml"), []byte(onPort), 0o644); err != nil {
		t.Fatal(err)
	}
	many := "apiVersion: scgikit/v1\nname: many\ntype: server\nrun: {user: www-data, command: [/srv/many], instances: 3, " + manyVariables + "}\n" +
		"listen: {tcp: \"127.0.0.1:8140\"}\nhttp: {mount: /many/, " + manyParams + "}\n"
	if err := os.WriteFile(filepath.Join(dir, "apps", "many.yaml"), []byte(many), 0o644); err != nil {
		t.Fatal(err)
	}
	// Those that speak no SCGI have an app of their own.
	fastcgi, others := t.TempDir(), []string{"haproxy", "caddy"}
	if err := os.WriteFile(filepath.Join(fastcgi, "scgikit.yaml"), []byte(strings.NewReplacer("type: server\n", "type: server\nprotocol: fastcgi\n", "  mount: /blog/\n", "  mount: /blog/\n  "+manyParams+"\n").Replace(blogYAML)), 0o644); err != nil {
		t.Fatal(err)
	}
	homes := []string{t.TempDir(), t.TempDir(), "/nonexistent"}
	zones := []string{"UTC", "Asia/Kolkata", "America/St_Johns", ":/etc/localtime"}
	languages := []string{"C", "C.UTF-8", "tr_TR.UTF-8", "de_DE@euro", "ja_JP.eucJP"}
	seen := make(map[string]string)
	runs := 25
	if need.Thorough() {
		runs = 100
	}
	for i := range runs {
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
		second := exec.CommandContext(t.Context(), "sh", append([]string{"-c", script, "sh", umask, program, "-q", "generate", "-C", fastcgi, "--out-dir", out + "2"}, others...)...)
		second.Env = cmd.Env
		if text, err := second.CombinedOutput(); err != nil {
			t.Fatalf("run %d: %v\n%s", i, err, text)
		}
		for _, target := range generate.Targets() {
			from := out
			if slices.Contains(others, target.Name) {
				from += "2"
			}
			got := hashTree(t, filepath.Join(from, target.Name))
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
