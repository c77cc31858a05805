package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"scgikit/internal/need"
)

// installing is a project, and a machine below a folder that the program itself
// changes, as a person starts it.
type installing struct {
	t       *testing.T
	self    string
	project string
	base    string // the machine before a change
	copies  string // where copies of it are changed
	env     []string
}

// newInstalling describes an app of nginx and daemontools and one of inetd, and
// generates them twice: in the second form one is changed and the other is gone.
func newInstalling(t *testing.T) *installing {
	t.Helper()
	self, err := exec.LookPath("scgikit")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	space, err := os.MkdirTemp("/dev/shm", "scgikit") //nolint:usetesting // in memory, where the thousands of syncs cost little
	if err != nil {
		space = t.TempDir()
	} else {
		t.Cleanup(func() { _ = os.RemoveAll(space) })
	}
	in := &installing{t: t, self: self, project: filepath.Join(dir, "project"), base: filepath.Join(space, "base"), copies: filepath.Join(space, "copies")}
	// No parser is started, whose calls would be counted with the program's.
	in.env = []string{
		goRaceEnv, "HOME=" + filepath.Join(dir, "home"), "PATH=" + filepath.Join(dir, "bin"), "TMPDIR=" + dir,
		"SCGIKIT_VALIDATORS_NGINX=" + filepath.Join(dir, "none"),
	}
	for name, text := range map[string]string{
		filepath.Join(in.project, "apps/blog.yaml"): blogYAML + "targets: [nginx, daemontools]\n",
		filepath.Join(in.project, "apps/hello.yaml"): `apiVersion: scgikit/v1
name: hello
type: cgi
run: {user: www}
cgi: {script: /srv/hello}
listen: {tcp: 127.0.0.1:8041}
http: {mount: /hello/}
options: {inetd: {dialect: openbsd}}
targets: [nginx, inetd]
`,
		filepath.Join(in.base, "etc/os-release"): "ID=debian\n",
		filepath.Join(in.base, "etc/inetd.conf"): "time stream tcp nowait root internal\n#last without an end",
	} {
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(in.copies, 0o755); err != nil {
		t.Fatal(err)
	}
	in.ends(0, in.command("one", "generate", "-q"))
	in.ends(0, in.command("two", "generate", "-q", "--only", "blog", "--set", "http.max_body=2MiB"))
	return in
}

// command is the program on the files of one form of the project.
func (in *installing) command(form string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(in.t.Context(), in.self, args...)
	cmd.Dir, cmd.Env = in.project, append(slices.Clone(in.env), "SCGIKIT_OUT_DIR=deploy-"+form)
	return cmd
}

// ends runs a program that has to end with a code, and returns what it says.
func (in *installing) ends(code int, cmd *exec.Cmd) string {
	in.t.Helper()
	out, err := cmd.CombinedOutput()
	if got := cmd.ProcessState.ExitCode(); got != code {
		in.t.Fatalf("%v ends with %d, %v, not %d\n%s", cmd.Args[1:], got, err, code, out)
	}
	return string(out)
}

// copy returns a copy of the machine, in the place of the last one.
func (in *installing) copy() string {
	in.t.Helper()
	root := filepath.Join(in.copies, "root")
	if err := os.RemoveAll(root); err != nil {
		in.t.Fatal(err)
	}
	if out, err := exec.CommandContext(in.t.Context(), "cp", "-a", in.base, root).CombinedOutput(); err != nil {
		in.t.Fatalf("%v: %s", err, out)
	}
	return root
}

// installedTree is what stands below a root, with kind, mode and bytes. records
// are scgikit's own: the receipt's bytes and the numbers of the history. Whoever
// takes the lock makes their folder, which is no change.
func installedTree(t *testing.T, root string) (files, records string) {
	t.Helper()
	var out, own strings.Builder
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(root, name)
		switch rel {
		case "var", "var/lib", "var/lib/scgikit", "var/lib/scgikit/lock", "var/lib/scgikit/history":
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		to := &out
		if rel == "var/lib/scgikit/receipts.json" || strings.HasPrefix(rel, "var/lib/scgikit/history/") {
			to = &own
		}
		fmt.Fprintf(to, "%v %s", info.Mode(), rel)
		switch {
		case info.Mode().IsRegular():
			text, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			fmt.Fprintf(to, " %q", text)
		case info.Mode().Type() == fs.ModeSymlink:
			link, err := os.Readlink(name)
			if err != nil {
				return err
			}
			to.WriteString(" -> " + link)
		}
		to.WriteByte('\n')
		if strings.HasPrefix(d.Name(), ".scgikit-") || d.Name() == ".new" {
			t.Errorf("%s is left", name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out.String(), own.String()
}

// moment is a call of the program: the n-th of its name in one thread.
type moment struct {
	call string
	n    int
}

// moments are all calls of a change, from its beginning to its end.
func (in *installing) moments(strace string, args []string, form string) []moment {
	in.t.Helper()
	trace := filepath.Join(in.project, "trace")
	cmd := in.command(form, append([]string{"-f", "-qq", "-o", trace, "-e", "trace=" + momentCalls, in.self}, args...)...)
	cmd.Path, cmd.Args[0] = strace, strace
	in.ends(0, cmd)
	text, err := os.ReadFile(trace)
	if err != nil {
		in.t.Fatal(err)
	}
	var list []moment
	count := make(map[string]int)
	for line := range strings.Lines(string(text)) {
		words := strings.Fields(line)
		call, _, ok := strings.Cut(words[1], "(")
		if !ok || strings.HasPrefix(words[1], "<") {
			continue
		}
		count[words[0]+call]++
		list = append(list, moment{call, count[words[0]+call]})
	}
	if len(list) < 50 {
		in.t.Fatalf("only %d calls in\n%s", len(list), text)
	}
	return list
}

// momentCalls are the calls at which a signal comes: those that look, and those
// that write.
const momentCalls = "openat,read,write,newfstatat,readlinkat,mkdirat,fchmod,fsync,renameat,renameat2,unlinkat,symlinkat,flock,close,getdents64"

// TestSignalled sends SIGINT, as Ctrl-C does, and SIGTERM to the program itself
// at random calls of an install, a change, a rollback and an uninstall. It ends with
// 130 and everything is as before, or it had come to its end; and the next run ends
// as if nothing had been.
func TestSignalled(t *testing.T) {
	t.Parallel()
	strace := need.Program(t, "strace")
	for _, c := range []struct {
		name, form string
		before     []string // forms that are installed first
		args       []string
	}{
		{"install", "one", nil, []string{"install", "all", "--yes"}},
		{"change", "two", []string{"one"}, []string{"install", "all", "--yes"}},
		{"rollback", "two", []string{"one", "two"}, []string{"rollback", "2", "--yes"}},
		{"uninstall", "one", []string{"one"}, []string{"uninstall", "all", "--yes"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			in := newInstalling(t)
			for _, form := range c.before {
				in.ends(0, in.command(form, "install", "all", "--yes", "--root", in.base))
			}
			before, records := installedTree(t, in.base)
			root := in.copy()
			args := slices.Concat(c.args, []string{"--root", root})
			list := in.moments(strace, args, c.form)
			after, _ := installedTree(t, root)
			if after == before {
				t.Fatal("the change changes nothing")
			}
			interrupted, ended, killed := 0, 0, 0
			const rounds = 13 // fifty in all
			for n := range rounds {
				at, sig := list[rand.IntN(len(list))], syscall.SIGINT
				if n%4 == 3 {
					sig = syscall.SIGTERM
				}
				what := fmt.Sprintf("signal %d at %s %d of %d calls", sig, at.call, at.n, len(list))
				root := in.copy()
				cmd := in.command(c.form, append([]string{"-f", "-qq", "-o", "/dev/null", "-e", "trace=" + at.call, "-e", fmt.Sprintf("inject=%s:signal=%d:when=%d", at.call, sig, at.n), in.self}, args...)...)
				cmd.Path, cmd.Args[0] = strace, strace
				var out bytes.Buffer
				cmd.Stdout, cmd.Stderr = &out, &out
				err := cmd.Run()
				now, nowRecords := installedTree(t, root)
				status, _ := cmd.ProcessState.Sys().(syscall.WaitStatus)
				switch {
				case err == nil && now == after:
					ended++
				case status.ExitStatus() == int(exitInterrupted) && now == before && nowRecords == records && strings.Contains(out.String(), "interrupted"):
					interrupted++
				case status.Signaled() && status.Signal() == sig && now == before && nowRecords == records: // before it is ready to be told
					killed++
				default:
					t.Errorf("%s: %v\n%s\nleaves\n%s\n%s", what, err, out.String(), now, nowRecords)
				}
				if err != nil || c.args[0] == "install" { // else there is nothing left to take away
					in.ends(0, in.command(c.form, args...))
				}
				if now, _ := installedTree(t, root); now != after {
					t.Errorf("%s: and once more:\n%s\nnot\n%s", what, now, after)
				}
			}
			if interrupted == 0 {
				t.Errorf("none of %d signals interrupted it", rounds)
			}
			t.Attr("sum", fmt.Sprintf("%s: %d signals at random calls of %d: %d interrupted, %d had come to the end, %d ended by the signal itself", c.name, rounds, len(list), interrupted, ended, killed))
		})
	}
}
