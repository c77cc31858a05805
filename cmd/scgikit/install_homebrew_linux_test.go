package main

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"scgikit/internal/need"
)

// TestHomebrew: on a machine whose Homebrew belongs to a user, that user installs into
// it without root, and takes all of it away again; root is told why it does not.
func TestHomebrew(t *testing.T) {
	need.Root(t)
	const user = 1234
	root := t.TempDir()
	build := exec.CommandContext(t.Context(), need.Program(t, "go"), "build", "-buildvcs=false", "-o", filepath.Join(root, "bin/scgikit"), ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for name, mode := range map[string]fs.FileMode{"opt/homebrew": 0o775, "opt/homebrew/etc": 0o775, "opt/homebrew/etc/nginx": 0o755, "opt/homebrew/var": 0o775, "home/app": 0o755, "Library/LaunchDaemons": 0o755} {
		at := filepath.Join(root, name)
		if err := errors.Join(os.MkdirAll(at, 0o755), os.Chmod(at, mode)); err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(name, "Library") {
			if err := os.Chown(at, user, user); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, text := range map[string]string{"etc/passwd": "root:x:0:0::/:/bin/sh\nwww:x:70:70::/:/bin/false\n", "etc/group": "wheel:x:0:\nwww:x:70:\n"} {
		at := filepath.Join(root, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(at), 0o755), os.WriteFile(at, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	description := blogYAML + "targets: [nginx, launchd]\n"
	if err := os.WriteFile(filepath.Join(root, "home/app/scgikit.yaml"), []byte(description), 0o644); err != nil {
		t.Fatal(err)
	}
	run := func(uid uint32, code exitCode, args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "/bin/scgikit", args...)
		cmd.Err = nil // it is below another root
		cmd.Dir, cmd.Env = "/home/app", []string{"HOME=/home/app", "PATH=/bin"}
		cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: root, Credential: &syscall.Credential{Uid: uid, Gid: uid}}
		out, err := cmd.CombinedOutput()
		if got := cmd.ProcessState.ExitCode(); got != int(code) {
			t.Fatalf("%v as %d ends with %d, %v, not %d\n%s", args, uid, got, err, code, out)
		}
		return string(out)
	}
	says := func(text string, wanted ...string) {
		t.Helper()
		for _, want := range wanted {
			if !strings.Contains(text, want) {
				t.Errorf("%q is not in\n%s", want, text)
			}
		}
	}
	run(user, exitOK, "generate")
	says(run(0, exitRefused, "install", "all", "--yes"), "/opt/homebrew: belongs to user 1234, as Homebrew has it", "(on the way of nginx)",
		"run scgikit as that user, without sudo", "without it: scgikit install launchd")
	says(run(0, exitOK, "-C", "/etc", "doctor", "--web", "-"), "note: install: /opt/homebrew: belongs to user 1234")
	says(run(user, exitPermission, "install", "all", "--yes"), "launchd: has files outside of /opt/homebrew", "with sudo")
	first := brewTree(t, root)
	says(run(user, exitOK, "install", "nginx", "--yes"), "/opt/homebrew/etc/nginx/scgikit/blog.location.conf")
	info, err := os.Lstat(filepath.Join(root, "opt/homebrew/etc/nginx/scgikit/blog.location.conf"))
	if err != nil || info.Sys().(*syscall.Stat_t).Uid != user {
		t.Errorf("%v, %v", info, err)
	}
	if _, err := os.Lstat(filepath.Join(root, "var")); err == nil {
		t.Error("/var was made")
	}
	says(run(user, exitOK, "installed"), "same  nginx  blog")
	run(user, exitOK, "diff", "nginx", "--installed")
	says(run(user, exitOK, "install", "nginx", "--yes"), "nothing to do")
	run(user, exitOK, "rollback", "--yes")
	run(user, exitOK, "rollback", "--yes")
	says(run(user, exitOK, "uninstall", "all", "--yes", "--purge"), "forget  /opt/homebrew/var/scgikit")
	if now := brewTree(t, root); now != first {
		t.Errorf("there is\n%s\nnot\n%s", now, first)
	}
}

func brewTree(t *testing.T, root string) string {
	t.Helper()
	var out strings.Builder
	err := filepath.WalkDir(filepath.Join(root, "opt"), func(name string, d fs.DirEntry, err error) error {
		if err == nil {
			out.WriteString(d.Type().String() + " " + name + "\n")
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out.String()
}
