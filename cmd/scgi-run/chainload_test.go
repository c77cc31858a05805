package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"scgikit/internal/need"
)

// words makes usages of command lines without spaces in their words.
func words(lines ...string) []usage {
	var list []usage
	for _, line := range lines {
		list = append(list, usage{name: "usage: " + line, args: strings.Fields(line)})
	}
	return list
}

// noSuchAccount is a name that no machine has.
const noSuchAccount = "no-such-account"

func TestSetUIDGID(t *testing.T) {
	t.Parallel()
	compare(t, "setuidgid", slices.Concat(
		words("", "nobody", noSuchAccount, noSuchAccount+" true", "-h true", "-- true", "- true", "root:x true", "#x true", "no:body true"),
		[]usage{{name: "no name", args: []string{"", "true"}}},
	))
	need.Root(t)
	compare(t, "setuidgid", slices.Concat(runs("root"), runs("nobody")[1:3], states("root"), states("nobody"), states("daemon")[:1]))
	// Without the right to do so.
	setpriv := need.Program(t, "setpriv")
	for _, capability := range []string{"setgid", "setuid"} {
		for _, name := range []string{"nobody", "root"} {
			compare(t, "setuidgid", []usage{{
				name: "no right: " + capability + " " + name, args: []string{name, "id"},
				starter: "set -- '" + setpriv + `' --bounding-set=-` + capability + ` "$0" "$@"; exec "$@"`,
			}})
		}
	}
}

// TestSetUIDGIDGroups: groups behind the account are what the program has, and no
// other. The original knows none, and takes them for a part of the name.
func TestSetUIDGIDGroups(t *testing.T) {
	t.Parallel()
	need.Root(t)
	run := scgiRun(t)
	for account, want := range map[string]string{
		"nobody": "65534 65534 65534", "nobody:games": "65534 60 60", "nobody:games:tty:daemon": "65534 60 1 5 60", "nobody::tty": "65534 65534 5 65534",
	} {
		out, err := exec.CommandContext(t.Context(), run, "setuidgid", account, "sh", "-c", `echo $(id -u) $(id -g) $(id -G | tr ' ' '\n' | sort -n)`).CombinedOutput()
		if got := strings.TrimSpace(string(out)); err != nil || got != want {
			t.Errorf("%s: %v: %s, want %s", account, err, got, want)
		}
	}
	for _, account := range []string{"nobody:no-such-group", "nobody:games:no-such-group", "nobody:games:", ":games", "nobody:60"} {
		out, err := exec.CommandContext(t.Context(), run, "setuidgid", account, "true").CombinedOutput()
		if want := "setuidgid: fatal: unknown account " + account + "\n"; err == nil || string(out) != want {
			t.Errorf("%s: %v: %s, want %s", account, err, out, want)
		}
	}
}

func TestEnvUIDGID(t *testing.T) {
	t.Parallel()
	compare(t, "envuidgid", slices.Concat(
		words("", "nobody", noSuchAccount+" true", "-h true"),
		runs("nobody"), states("nobody"), states("root"),
		[]usage{{name: "over others", args: []string{"nobody", "env"}, env: []string{"A=1", "UID=7", "B=2", "GID=8", "C=3"}}},
	))
}

func TestEnvDir(t *testing.T) {
	t.Parallel()
	files := func(names map[string]string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			t.Helper()
			write(t, filepath.Join(dir, "env/.hidden"), "x", 0o644)
			for name, text := range names {
				write(t, filepath.Join(dir, "env", name), text, 0o644)
			}
		}
	}
	odd := func(make func(path string) error) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			t.Helper()
			write(t, filepath.Join(dir, "env/A"), "x", 0o644)
			if err := make(filepath.Join(dir, "env/ODD")); err != nil {
				t.Fatal(err)
			}
		}
	}
	env := []string{"A=old", "B=old", "C=old", "D=old"}
	show := []string{"env", "env", "-0"}
	list := []usage{
		{name: "no folder", args: []string{"none", "true"}},
		{name: "a file", args: []string{"file", "true"}, prepare: func(t *testing.T, dir string) { t.Helper(); write(t, filepath.Join(dir, "file"), "", 0o644) }},
		{name: "a name that is empty", args: []string{"", "true"}},
		{name: "no variables", args: show, env: env, prepare: files(nil)},
		{name: "a folder inside", args: show, prepare: odd(func(path string) error { return os.Mkdir(path, 0o755) })},
		{name: "a FIFO inside", args: show, env: []string{"ODD=old"}, prepare: odd(func(path string) error { return unix.Mkfifo(path, 0o644) })},
		{name: "a loop inside", args: show, prepare: odd(func(path string) error { return os.Symlink("ODD", path) })},
		{name: "a link inside", args: show, prepare: odd(func(path string) error { return os.Symlink("A", path) })},
		{name: "a device inside", args: show, env: []string{"ODD=old"}, prepare: odd(func(path string) error { return os.Symlink("/dev/null", path) })},
		{name: "a link to nothing, alone", args: show, env: []string{"ODD=old"}, prepare: func(t *testing.T, dir string) {
			t.Helper()
			os.Mkdir(filepath.Join(dir, "env"), 0o755)
			os.Symlink("nothing", filepath.Join(dir, "env/ODD"))
		}},
		{name: "PATH is the old one", args: []string{"env", "env"}, prepare: files(map[string]string{"PATH": "/nowhere\n"})},
	}
	for name, text := range map[string]string{
		"plain": "x", "line": "x\n", "lines": "x\ny\n", "blanks": " x \t ", "blank line": " \t\nx", "newline": "\n", "empty": "",
		"nul": "a\x00b\x00", "nul at the end": "a \x00", "nul alone": "\x00", "8 bit": "\xff\x80", "equals": "a=b", "return": "x\r\n", "long": strings.Repeat("long ", 5000),
	} {
		list = append(list, usage{name: "value " + name, args: show, env: env, prepare: files(map[string]string{"B": text})})
	}
	for _, name := range []string{"NEW", "B=x", "=", "=x", "a b", "B ", "é", "lower", "1"} {
		list = append(list,
			usage{name: "name " + name, args: show, env: env, prepare: files(map[string]string{name: "v"})},
			usage{name: "name " + name + ", empty", args: show, env: env, prepare: files(map[string]string{name: ""})})
	}
	list = append(list, usage{name: "several", args: show, env: env, prepare: files(map[string]string{"A": "", "B": "1", "C": "", "E": "5", "D": "4", "F": ""})})
	compare(t, "envdir", slices.Concat(words("", "env", "-h true"), list, runs("env"), states("env")))
}

func TestSoftLimit(t *testing.T) {
	t.Parallel()
	list := words("", "-a", "-z", "-z5 true", "-a5", "-ax true", "-a 5k true", "-a -5 true", "-5 true", "-a == true", "-a x -z", "-z -a x", "-a= -o", "-o 5 --", "-c5-z true", "-c 5 -z true", "-h true", "-? true")
	for _, flags := range []string{
		"", "-c 1000", "-d 1000000007", "-f 1000000", "-l 12345", "-m 1000000007", "-o 60", "-o60", "-p 5000", "-r 77777", "-s 4000001", "-t 50",
		"-a 100000000000000", "-a =", "-c =", "-d =", "-l =", "-m =", "-o =", "-s =", "-o 60 -o =", "-o = -o 60", "-o 99999999", "-s 99999999999", "-c 18446744073709551615",
		"-c 18446744073709551617", "-c 0", "-o 20 -c 1 -t 9", "-o 60 --", "-o 60 --x", "-c5 -o60", "-l 0 -r 0",
	} {
		for name, starter := range map[string]string{"": "true", "hard": "ulimit -n 500; ulimit -H -c 5000; ulimit -H -s 1000000", "soft": "ulimit -S -n 77; ulimit -S -c 10"} {
			list = append(list, usage{
				name: "limits " + flags + " " + name, args: append(strings.Fields(flags), "cat", "/proc/self/limits"), starter: starter,
			})
		}
	}
	list = append(list,
		usage{name: "too many words", args: slices.Concat([]string{"-s", "100000", "true"}, slices.Repeat([]string{strings.Repeat("w", 60_000)}, 4))},
		usage{name: "an empty number", args: []string{"-c", "", "cat", "/proc/self/limits"}},
		// The program itself gets along with next to nothing, and says so.
		usage{name: "no memory", args: []string{"-d", "0", "-s", "0", "./nothing"}},
		usage{name: "no files", args: []string{"-o", "0", "./nothing"}},
		usage{name: "no processes", args: []string{"-p", "0", "./nothing"}},
	)
	compare(t, "softlimit", slices.Concat(list, runs(), runs("-o", "100"), states(), states("-o", "60", "-c", "7")))
}

// With hardly any address space the program still starts the other one, or says
// why not. The race detector wants memory of its own, so the program is built
// without it.
func TestSoftLimitWithoutMemory(t *testing.T) {
	t.Parallel()
	theirs := need.Program(t, "softlimit")
	ours := filepath.Join(t.TempDir(), "softlimit")
	build := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-o", ours, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	for _, args := range [][]string{
		{"-a", "1", "./nothing"}, {"-a", "0", "nothing"}, {"-m", "0", "./nothing"}, {"-m", "1000", "true"}, {"-a", "100000", "true"}, {"-m", "30000000", "echo", "x"}, {"-d", "0", "-p", "0", "nothing"},
	} {
		u := usage{args: args, starter: "ulimit -c 0"}
		if got, want := u.run(t, ours), u.run(t, theirs); got != want {
			t.Errorf("softlimit %q\ngot  %#x %q %q\nwant %#x %q %q", args, got.status, got.out, got.err, want.status, want.out, want.err)
		}
	}
}

func TestSetLock(t *testing.T) {
	t.Parallel()
	locked := func(t *testing.T, dir string) {
		t.Helper()
		lockFile(t, filepath.Join(dir, "lock"))
	}
	show := []string{"sh", "-c", `ls -l /proc/$$/fd 2>/dev/null | grep -c "/lock$"; stat -c "%a %s" lock; flock -n lock true; echo free $?`}
	list := []usage{
		{name: "lock", args: append([]string{"lock"}, show...)},
		{name: "umask", args: append([]string{"lock"}, show...), starter: "umask 0477"},
		{name: "the file stays", args: append([]string{"-n", "lock"}, show...), prepare: func(t *testing.T, dir string) {
			t.Helper()
			write(t, filepath.Join(dir, "lock"), "text", 0o640)
		}},
		{name: "flags take turns", args: append([]string{"-nNxX", "-N", "--", "lock"}, show...)},
	}
	for _, flags := range []string{"", "-n", "-x", "-nx", "-xn", "-nxX", "-nN", "-n -x", "-xX"} {
		for _, file := range []string{"none/lock", ".", "/dev/full/x"} {
			list = append(list, usage{name: flags + " " + file, args: append(strings.Fields(flags), file, "echo", "x")})
		}
		if strings.Contains(flags, "n") && flags != "-nN" {
			list = append(list, usage{name: flags + " locked", args: append(strings.Fields(flags), "lock", "echo", "x"), prepare: locked})
		}
	}
	list = append(list, usage{name: "-x, then no program", args: []string{"-x", "lock", "./nothing"}})
	compare(t, "setlock", slices.Concat(words("", "lock", "-n", "-n lock", "-z lock true", "-nz lock true", "-h", "- true"), list, runs("lock"), runs("-nx", "lock")[:3], states("lock")))
}

func lockFile(t *testing.T, path string) *os.File {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	return f
}

// A lock is waited for, and signals end the wait as they end a C program.
func TestSetLockWaits(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/proc/locks"); err != nil {
		need.Missing(t, "proc")
	}
	for _, program := range []string{need.Program(t, "setlock"), link(t, "setlock")} {
		for _, signal := range []syscall.Signal{0, syscall.SIGTERM, syscall.SIGALRM, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGQUIT, syscall.SIGHUP, syscall.SIGINT, syscall.SIGXCPU, 40} {
			dir := t.TempDir()
			held := lockFile(t, filepath.Join(dir, "lock"))
			cmd := exec.CommandContext(t.Context(), "/bin/sh", "-c", `ulimit -c 0; exec "$0" lock echo x`, program)
			cmd.Dir = dir
			cmd.Env = []string{searchPath, noRaceSleep}
			var out strings.Builder
			cmd.Stdout, cmd.Stderr = &out, &out
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			eventually(t, "it waits", func() bool {
				locks, _ := os.ReadFile("/proc/locks")
				return strings.Contains(string(locks), "-> FLOCK  ADVISORY  WRITE "+strconv.Itoa(cmd.Process.Pid)+" ")
			})
			want := ""
			if signal == 0 {
				held.Close()
				want = "x\n"
			} else {
				cmd.Process.Signal(signal)
			}
			cmd.Wait()
			status := cmd.ProcessState.Sys().(syscall.WaitStatus)
			if out.String() != want || signal == 0 && status != 0 || signal != 0 && (!status.Signaled() || status.Signal() != signal) {
				t.Errorf("%s, signal %d: status %#x, output %q", program, signal, status, out.String())
			}
		}
	}
}

func TestPGrpHack(t *testing.T) {
	t.Parallel()
	compare(t, "pgrphack", slices.Concat(words(""), []usage{{name: "no flags", args: []string{"-h"}}}, runs(), states()))
	// A leader stays one.
	compare(t, "pgrphack", []usage{{name: "a leader", args: []string{"sh", "-c", state}, starter: `exec setsid -w "$0" "$@"`}})
}

func TestFGHack(t *testing.T) {
	t.Parallel()
	compare(t, "fghack", slices.Concat(
		words(""),
		[]usage{
			{name: "no flags", args: []string{"-h"}},
			// The shell's own pipes come and go, which ls may complain of.
			{name: "the pipe", args: []string{"sh", "-c", `ls -l /proc/$$/fd 2>/dev/null | grep -o "pipe:.*" | sort | uniq -c | grep -c "31 pipe"`}},
			{name: "killed", args: []string{"sh", "-c", "kill -TERM $$"}},
			{name: "dumped", args: []string{"sh", "-c", "kill -ABRT $$"}, starter: "ulimit -c 0"},
			{name: "writes to the pipe", args: []string{"bash", "-c", `for fd in /proc/$$/fd/*; do n=${fd##*/}; [ $n -gt 2 ] && [ $n -lt 64 ] && echo x >&$n; done 2>/dev/null; exit 4`}},
			{name: "input and output", args: []string{"cat"}, stdin: "text"},
		},
		runs(), states(),
	))
}

// Where there are not descriptors enough for all copies, the original leaves
// none for the child to start with; ours leaves two.
func TestFGHackFewDescriptors(t *testing.T) {
	t.Parallel()
	for _, limit := range []string{"12", "37", "38", "39", "40"} {
		u := usage{args: []string{"echo", "x"}, starter: "ulimit -n " + limit}
		if got := u.run(t, link(t, "fghack")); got != (ended{out: "x\n"}) {
			t.Errorf("%s descriptors: %+v", limit, got)
		}
	}
}

// What the child leaves in the background is waited for.
func TestFGHackWaits(t *testing.T) {
	t.Parallel()
	if !hasProc() {
		need.Missing(t, "proc")
	}
	for _, program := range []string{need.Program(t, "fghack"), link(t, "fghack")} {
		dir := t.TempDir()
		if err := unix.Mkfifo(filepath.Join(dir, "fifo"), 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := os.Create(filepath.Join(dir, "out"))
		if err != nil {
			t.Fatal(err)
		}
		defer out.Close()
		cmd := exec.CommandContext(t.Context(), program, "sh", "-c", `echo $$ >pid.new; mv pid.new pid; (read x <fifo; echo ended) & exit 5`)
		cmd.Dir, cmd.Stdout, cmd.Env = dir, out, []string{searchPath, noRaceSleep}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		child := readPid(t, filepath.Join(dir, "pid"))
		eventually(t, "the child has ended", func() bool { return !alive(child) })
		if !alive(cmd.Process.Pid) {
			t.Errorf("%s has ended with its child", program)
		}
		write(t, filepath.Join(dir, "fifo"), "go on\n", 0o600)
		cmd.Wait()
		text, _ := os.ReadFile(out.Name())
		if code := cmd.ProcessState.ExitCode(); code != 5 || string(text) != "ended\n" {
			t.Errorf("%s: exit code %d, output %q", program, code, text)
		}
	}
}
