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

	"scgikit/internal/need"
)

// ended is how a program of daemontools ended and what it said.
type ended struct {
	status   syscall.WaitStatus
	out, err string
}

// usage is one way to call a program. The real one and ours are called alike,
// each in a folder of its own.
type usage struct {
	name    string
	args    []string
	env     []string                                 // besides PATH
	starter string                                   // shell text that runs before the program; it ends with that
	prepare func(t *testing.T, folder string)        // fills the folder
	look    func(t *testing.T, folder string) string // what has become of the folder; added to standard output
	stdin   string
	edit    func(text string) string // hides what may differ
}

// searchPath is the PATH of the programs in these tests, unless they have
// another.
const searchPath = "PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"

// run calls a program in a folder that it fills.
func (u *usage) run(t *testing.T, program string) ended {
	t.Helper()
	dir := t.TempDir()
	if u.prepare != nil {
		u.prepare(t, dir)
	}
	cmd := exec.CommandContext(t.Context(), program, u.args...)
	if u.starter != "" {
		cmd = exec.CommandContext(t.Context(), "/bin/sh", append([]string{"-c", u.starter + `; exec "$0" "$@"`, program}, u.args...)...)
	}
	cmd.Dir = dir
	cmd.Env = append([]string{searchPath, noRaceSleep}, u.env...)
	if u.stdin != "" {
		cmd.Stdin = strings.NewReader(u.stdin)
	}
	var out, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &stderr
	err := cmd.Run()
	if _, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
		t.Fatal(err)
	}
	e := ended{cmd.ProcessState.Sys().(syscall.WaitStatus), out.String(), stderr.String()}
	if u.look != nil {
		e.out += u.look(t, dir)
	}
	e.out, e.err = strings.ReplaceAll(e.out, dir, "DIR"), strings.ReplaceAll(e.err, dir, "DIR")
	if u.edit != nil {
		e.out = u.edit(e.out)
	}
	return e
}

// compare calls the real program and ours.
func compare(t *testing.T, program string, usages []usage) {
	t.Helper()
	theirs, ours := need.Program(t, program), link(t, program)
	for i := range usages {
		u := &usages[i]
		name := u.name
		if name == "" {
			name = strings.Join(u.args, " ")
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, want := u.run(t, ours), u.run(t, theirs)
			if got != want {
				t.Errorf("%s %.500q\ngot  %#x %.3000q %.1000q\nwant %#x %.3000q %.1000q", program, u.args, got.status, got.out, got.err, want.status, want.out, want.err)
			}
			if u.prepare == nil && u.starter == "" && want.status == 0 && want.out == "" && u.name == "" {
				t.Errorf("%s %q: nothing to compare", program, u.args)
			}
		})
	}
}

// runs are the ways in which a program that comes last can be found or not
// found: the same for all that become another program.
func runs(before ...string) []usage {
	prepare := func(t *testing.T, dir string) {
		t.Helper()
		write(t, filepath.Join(dir, "plain"), "#!/bin/sh\necho plain\n", 0o644)
		write(t, filepath.Join(dir, "text"), "no program\n", 0o755)
		write(t, filepath.Join(dir, "script"), "#!/bin/sh\necho \"script $0 $*\"\n", 0o755)
		write(t, filepath.Join(dir, "orphan"), "#!/no/such/interpreter\n", 0o755)
		write(t, filepath.Join(dir, "a/tool"), "#!/bin/sh\necho a\n", 0o644)
		write(t, filepath.Join(dir, "b/tool"), "#!/bin/sh\necho b\n", 0o755)
		write(t, filepath.Join(dir, "c/tool/file"), "", 0o644)
		write(t, filepath.Join(dir, "file"), "", 0o644)
		write(t, filepath.Join(dir, "env/VARIABLE"), "value\n", 0o644)
		if err := os.Symlink("loop", filepath.Join(dir, "loop")); err != nil {
			t.Fatal(err)
		}
	}
	with := func(args ...string) []string { return append(append([]string(nil), before...), args...) }
	list := []usage{
		{args: with("./script", "an argument", "")},
		{args: with("./nothing")},
		{args: with("nothing")},
		{args: with("./plain")},
		{args: with("./text")},
		{args: with("./orphan")},
		{args: with("./a")},
		{args: with("./loop")},
		{args: with("./file/x")},
		{name: "empty", args: with("")},
		{args: with("./" + strings.Repeat("n", 300))},
		{args: with(strings.Repeat("n", 300))},
		{name: "the second of two", args: with("tool", "x"), env: []string{"PATH=a:b"}},
		{name: "none that may be run", args: with("tool"), env: []string{"PATH=a:none"}},
		{name: "a folder", args: with("tool"), env: []string{"PATH=c:none"}},
		{name: "a folder, then the program", args: with("tool"), env: []string{"PATH=c:b"}},
		{name: "PATH with a file", args: with("tool"), env: []string{"PATH=file:b"}},
		{name: "PATH with a loop", args: with("tool"), env: []string{"PATH=loop:b"}},
		{name: "empty PATH", args: with("script", "y"), env: []string{"PATH="}},
		{name: "empty part of PATH", args: with("script"), env: []string{"PATH=none:"}},
		{name: "no PATH", args: with("sh", "-c", "echo sh"), starter: "unset PATH"},
		{name: "no PATH, nothing", args: with("nothing"), starter: "unset PATH"},
		{name: "the exit code", args: with("sh", "-c", "exit 7")},
		{name: "a signal", args: with("sh", "-c", "kill -9 $$")},
		{name: "a dash", args: with("sh", "-c", `echo "$@"`, "-", "-n", "--", "-x")},
	}
	for i := range list {
		list[i].prepare = prepare
	}
	return list
}

// state is a program that prints all of itself that another program can change.
const state = `
grep -E "^(Uid|Gid|Groups|Umask|SigBlk|SigIgn|SigCgt|NoNewPrivs|Cap)" /proc/self/status
cat /proc/self/limits
env
set -- $(cat /proc/$$/stat)
echo session $(($6 == $1)) group $(($5 == $1)) nice ${19}
ls -l /proc/$$/fd 2>/dev/null | grep -c "/lock$"
pwd
`

// states are ways to start a program whose state a child then shows.
func states(before ...string) []usage {
	var list []usage
	for name, starter := range map[string]string{
		"plain":           "",
		"limits":          "ulimit -S -n 77; ulimit -S -c 0; ulimit -S -s 4096; umask 0027",
		"hard limits":     "ulimit -n 99; ulimit -t 1000",
		"ignored signals": "trap '' HUP INT TSTP",
		"nice":            "renice -n 3 $$ >/dev/null",
		"environment":     "export A=1 'B=two words' C= _x=y; unset PWD",
		"moved":           "cd /",
	} {
		list = append(list, usage{
			name: "state: " + name, args: append(append([]string(nil), before...), "sh", "-c", state),
			starter: starter, prepare: func(t *testing.T, dir string) {
				t.Helper()
				write(t, filepath.Join(dir, "env/VARIABLE"), "value\n", 0o644)
			},
			edit: func(text string) string {
				// The link's own folder is in no variable but this one, of the shell.
				lines := strings.Split(text, "\n")
				for i, line := range lines {
					if strings.HasPrefix(line, "_=") {
						lines[i] = "_="
					}
				}
				return strings.Join(lines, "\n")
			},
		})
	}
	return list
}

// TestHelpOfDaemontools asks for the help of the programs, whose -h is something
// else.
func TestHelpOfDaemontools(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"svc", "svstat", "svok", "svup", "setuidgid", "envuidgid", "envdir", "softlimit", "setlock", "pgrphack", "fghack", "readproctitle"} {
		out, err := exec.CommandContext(t.Context(), link(t, "scgi-run"), "help", name).Output()
		if err != nil || !strings.Contains(string(out), "\nusage: scgi-run "+name+" ") {
			t.Errorf("help %s: %v\n%s", name, err, out)
		}
	}
}
