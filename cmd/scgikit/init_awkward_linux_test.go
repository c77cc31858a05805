package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// Folders of every kind are read to an end, within bounds, and nothing is written where
// there is no app.
func TestInitAwkwardFolders(t *testing.T) {
	t.Parallel()
	const app = "def application(environ, start_response):\n    pass\n"
	fifo := func(name string) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) {
			if err := syscall.Mkfifo(filepath.Join(dir, name), 0o666); err != nil {
				t.Fatal(err)
			}
		}
	}
	link := func(to, name string) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) {
			if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, test := range map[string]struct {
		folder string
		files  map[string]string
		more   func(t *testing.T, dir string)
		code   exitCode
		says   string // in the result, or on standard error
	}{
		"FIFO wsgi.py":           {more: fifo("wsgi.py"), code: exitFailed, says: "wsgi.py: skipped: is no regular file"},
		"FIFO and an app":        {more: fifo("wsgi.py"), files: map[string]string{"app.py": app}, says: "module: app:application"},
		"FIFO manage.py":         {more: fifo("manage.py"), code: exitFailed, says: "manage.py: skipped: is no regular file"},
		"FIFO Procfile":          {more: fifo("Procfile"), code: exitFailed, says: "Procfile: skipped: is no regular file"},
		"FIFO .env":              {more: fifo(".env"), files: map[string]string{"Procfile": "web: ./x\n"}, says: "command: [./x]"},
		"FIFO cgit.cgi":          {more: fifo("cgit.cgi"), code: exitFailed, says: "no module with a WSGI callable"},
		"link to itself":         {more: link("wsgi.py", "wsgi.py"), code: exitFailed, says: "wsgi.py: lost: can not be read: too many levels"},
		"link to the folder":     {more: link(".", "loop"), files: map[string]string{"wsgi.py": app}, says: "module: wsgi:application"},
		"link to nowhere":        {more: link("/nonexistent/wsgi.py", "wsgi.py"), code: exitFailed, says: "no module with a WSGI callable"},
		"link to a file":         {more: link("other/entry.py", "wsgi.py"), files: map[string]string{"other/entry.py": app}, says: "module: wsgi:application"},
		"not UTF-8":              {files: map[string]string{"wsgi.py": "# \xff\xfe\n" + app}, says: "module: wsgi:application"},
		"a folder wsgi.py":       {files: map[string]string{"wsgi.py/x": app}, code: exitFailed, says: "no module with a WSGI callable"},
		"NUL":                    {files: map[string]string{"wsgi.py": app + "\x00"}, code: exitFailed, says: "has a NUL byte"},
		"blanks and quotes":      {folder: `a b'"c`, files: map[string]string{"wsgi.py": app}, says: `directory: "`},
		"a dollar":               {folder: "a$b", files: map[string]string{"wsgi.py": app}, says: "/a$$b"},
		"two lines":              {folder: "a\nb", files: map[string]string{"wsgi.py": app}, code: exitFailed, says: `a\x0ab: the path holds a control character`},
		"path that is not UTF-8": {folder: "a\xffb", files: map[string]string{"wsgi.py": app}, code: exitFailed, says: "the path is not UTF-8"},
		"empty":                  {code: exitFailed, says: "no manage.py, no module with a WSGI callable, no cgit.cgi, no cgi-bin and no Procfile"},
		"100 MB": {code: exitFailed, says: "wsgi.py: lost: can not be read: has more than 1048576 bytes", more: func(t *testing.T, dir string) {
			if err := os.WriteFile(filepath.Join(dir, "wsgi.py"), []byte(app), 0o644); err != nil {
				t.Fatal(err)
			}
			if err := os.Truncate(filepath.Join(dir, "wsgi.py"), 100<<20); err != nil {
				t.Fatal(err)
			}
		}},
		"deep": {says: "module: app:application", files: map[string]string{"app.py": app}, more: func(t *testing.T, dir string) {
			if err := os.MkdirAll(filepath.Join(dir, strings.Repeat("d/", 500)), 0o755); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out := t.TempDir()
			dir := filepath.Join(out, "in", test.folder, "p")
			if test.folder != "" {
				dir = filepath.Dir(dir)
			}
			if err := os.MkdirAll(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			projectFiles(t, dir, test.files)
			if test.more != nil {
				test.more(t, dir)
			}
			code, stdout, stderr := runOnce(t, "-C", out, "init", "app", "--from", dir, "--stdout")
			if code != test.code || !strings.Contains(stdout+stderr, test.says) {
				t.Errorf("%d, and not %d: does not say %q:\n%s%s", code, test.code, test.says, stdout, stderr)
			}
			if code, _, _ = runOnce(t, "-C", out, "init", "app", "--from", dir); code != test.code {
				t.Errorf("%d, without --stdout", code)
			}
			if _, err := os.Stat(filepath.Join(out, "scgikit.yaml")); (err == nil) != (test.code == exitOK) {
				t.Errorf("scgikit.yaml: %v", err)
			}
		})
	}
}

// A folder that may not be read is told of as such, and is no empty one.
func TestInitUnreadableFolder(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "init-") //nolint:usetesting // another user passes through it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	projectFiles(t, dir, map[string]string{"closed/wsgi.py": "application = make()\n", "file/wsgi.py": "application = make()\n", "below/app/wsgi.py": "application = make()\n"})
	for path, mode := range map[string]os.FileMode{"": 0o755, "closed": 0, "file/wsgi.py": 0, "below/app": 0} {
		if err := os.Chmod(filepath.Join(dir, path), mode); err != nil {
			t.Fatal(err)
		}
	}
	program := copyOfTest(t, dir)
	for folder, want := range map[string]struct {
		code exitCode
		says string
	}{
		"closed": {exitPermission, "closed: permission denied"},
		"file":   {exitFailed, "file/wsgi.py: lost: can not be read: permission denied"},
		"below":  {exitFailed, "below/app: lost: can not be looked through: permission denied"},
	} {
		cmd := exec.CommandContext(t.Context(), program, "init", "--from", folder, "--stdout")
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "HOME=/nonexistent", "XDG_CONFIG_HOME=", goRaceEnv)
		if os.Getuid() == 0 {
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		}
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		err := cmd.Run()
		exit, ok := errors.AsType[*exec.ExitError](err)
		if !ok || exitCode(exit.ExitCode()) != want.code || !strings.Contains(out.String(), want.says) {
			t.Errorf("%s: %v, and not %d: %s", folder, err, want.code, out.String())
		}
	}
}
