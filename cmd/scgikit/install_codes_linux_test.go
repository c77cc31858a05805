package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"scgikit/internal/need"
)

// TestReadOnly mounts the machine's root read-only: every command that changes it
// ends with the code of a denied access, names the path, and changes nothing; those
// that only look work.
func TestReadOnly(t *testing.T) {
	t.Parallel()
	unshare := need.Program(t, "unshare")
	in := newInstalling(t)
	mounted := func(root, form string, args ...string) *exec.Cmd {
		cmd := in.command(form, append([]string{"-rm", "--propagation", "private", "/bin/sh", "-c", `
PATH=/usr/sbin:/usr/bin:/sbin:/bin
mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" || exit 99
exec "$@"`, root, in.self}, append(args, "--root", root)...)...)
		cmd.Path, cmd.Args[0] = unshare, unshare
		return cmd
	}
	if out, err := mounted(in.base, "one", "installed").CombinedOutput(); err != nil {
		t.Logf("%v: %s", err, out)
		need.Missing(t, "unshare of users and mounts")
	}
	tried := 0
	for _, installed := range []bool{false, true} {
		if installed {
			in.ends(0, in.command("one", "install", "all", "--yes", "--root", in.base))
		}
		before, records := installedTree(t, in.base)
		denied := [][]string{{"install", "all", "--yes"}}
		if installed {
			denied = append(denied, []string{"uninstall", "all", "--yes"}, []string{"uninstall", "all", "--yes", "--purge"}, []string{"rollback", "--yes"})
		}
		for _, args := range denied {
			out := in.ends(int(exitPermission), mounted(in.base, "two", args...))
			if !strings.Contains(out, in.base+"/var") || !strings.Contains(out, "read-only file system") {
				t.Errorf("%v: %s", args, out)
			}
			tried++
		}
		for _, args := range [][]string{{"install", "all", "--dry-run"}, {"installed"}} {
			in.ends(0, mounted(in.base, "two", args...))
			tried++
		}
		in.ends(map[bool]int{false: int(exitFailed), true: int(exitOK)}[installed], mounted(in.base, "two", "diff", "--installed", "--stat"))
		if now, nowRecords := installedTree(t, in.base); now != before || nowRecords != records {
			t.Errorf("it leaves\n%s\n%s", now, nowRecords)
		}
	}
	// Nothing is to be done, so that nothing is denied.
	in.ends(0, mounted(in.base, "one", "install", "all", "--yes"))
	t.Attr("sum", fmt.Sprintf("%d commands on a root that is mounted read-only", tried+3))
}

// TestTwoProcesses stops one install in its middle and starts others: each is
// refused at once, and changes nothing. The first one then ends well.
func TestTwoProcesses(t *testing.T) {
	t.Parallel()
	strace := need.Program(t, "strace")
	in := newInstalling(t)
	in.ends(0, in.command("one", "install", "all", "--yes", "--root", in.base))
	expected := in.copy()
	in.ends(0, in.command("two", "install", "all", "--yes", "--root", expected))
	after, _ := installedTree(t, expected)
	root := in.copy()

	// Its first rename is that of the journal, behind the lock.
	log := filepath.Join(in.project, "trace")
	first := in.command("two", "-f", "-qq", "-o", log, "-e", "trace=renameat,renameat2", "-e", "inject=renameat,renameat2:signal=STOP:when=3", in.self, "install", "all", "--yes", "--root", root)
	first.Path, first.Args[0] = strace, strace
	var out bytes.Buffer
	first.Stdout, first.Stderr = &out, &out
	if err := first.Start(); err != nil {
		t.Fatal(err)
	}
	var stopped int
	for deadline := time.Now().Add(2 * time.Minute); ; {
		text, err := os.ReadFile(log)
		if err == nil && strings.Contains(string(text), "--- stopped by SIGSTOP ---") {
			stopped = processOf(t, strings.Fields(string(text))[0])
			break
		}
		if time.Now().After(deadline) {
			_ = first.Process.Kill()
			t.Fatalf("it does not stop:\n%s", text)
		}
		<-time.After(5 * time.Millisecond)
	}
	middle, records := installedTree(t, root)
	for _, args := range [][]string{{"install", "all", "--yes"}, {"uninstall", "all", "--yes"}, {"rollback", "--yes"}} {
		said := in.ends(int(exitRefused), in.command("one", append(args, "--root", root)...))
		if !strings.Contains(said, root+"/var/lib/scgikit/lock: another scgikit is changing this machine") {
			t.Errorf("%v: %s", args, said)
		}
	}
	if now, nowRecords := installedTree(t, root); now != middle || nowRecords != records {
		t.Errorf("those that were refused leave\n%s\n%s", now, nowRecords)
	}
	in.ends(0, in.command("one", "install", "all", "--dry-run", "--root", root)) // it only looks
	done := make(chan error, 1)
	go func() { done <- first.Wait() }()
	for ended := false; !ended; {
		_ = syscall.Kill(stopped, syscall.SIGCONT) // again: strace may not see the first
		select {
		case err := <-done:
			ended = true
			if err != nil {
				t.Errorf("the first: %v\n%s", err, out.String())
			}
		case <-time.After(50 * time.Millisecond):
		}
	}
	if now, _ := installedTree(t, root); now != after {
		t.Errorf("the first leaves\n%s\nnot\n%s", now, after)
	}
}

// processOf returns the process that a thread belongs to.
func processOf(t *testing.T, thread string) int {
	t.Helper()
	text, err := os.ReadFile("/proc/" + thread + "/status")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "\nTgid:")
	pid := 0
	if _, err := fmt.Sscan(rest, &pid); err != nil {
		t.Fatal(err)
	}
	return pid
}

// TestInterruptedTogether: a terminal's Ctrl-C is sent to a whole process group. It
// does not reach the parser that is waited for, which would seem to refuse the files.
func TestInterruptedTogether(t *testing.T) {
	t.Parallel()
	in := newInstalling(t)
	bin := filepath.Join(in.project, "bin")
	script := "#!/bin/sh\nread -r stat </proc/$$/stat\necho \"$stat\" >" + bin + "/waits\nwhile :; do :; done\n"
	if err := errors.Join(os.Mkdir(bin, 0o755), os.WriteFile(filepath.Join(bin, "sh"), []byte(script), 0o755)); err != nil {
		t.Fatal(err)
	}
	before, _ := installedTree(t, in.base)
	cmd := in.command("one", "install", "all", "--yes", "--root", in.base)
	cmd.Env = append(cmd.Env, "PATH="+bin)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	for deadline := time.Now().Add(2 * time.Minute); ; {
		text, _ := os.ReadFile(filepath.Join(bin, "waits"))
		if strings.HasSuffix(string(text), "\n") {
			if f := strings.Fields(string(text)); f[4] == strconv.Itoa(cmd.Process.Pid) {
				t.Errorf("the parser is in the process group of the program: %s", text)
			}
			break
		}
		if time.Now().After(deadline) {
			t.Error("no parser was started")
			break
		}
		<-time.After(5 * time.Millisecond)
	}
	if err := syscall.Kill(-cmd.Process.Pid, syscall.SIGINT); err != nil {
		t.Error(err)
	}
	err := <-done
	exit, ok := errors.AsType[*exec.ExitError](err)
	if !ok || exit.ExitCode() != int(exitInterrupted) {
		t.Errorf("%v\n%s", err, out.String())
	}
	if now, _ := installedTree(t, in.base); now != before {
		t.Errorf("it leaves\n%s", now)
	}
}
