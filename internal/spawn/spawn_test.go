//go:build unix

package spawn

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// The test binary is also the program that is started, by its first argument.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "report" {
		report()
		os.Exit(0)
	}
	if len(os.Args) > 1 && systemActors[os.Args[1]] != nil {
		systemActors[os.Args[1]]()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// report prints what a program finds itself in, as far as a start decides it.
func report() {
	dir, err := os.Getwd()
	fmt.Println("dir", dir, err)
	fmt.Printf("argv %q\nenv %q\n", os.Args, os.Environ())
	fmt.Println("leader", syscall.Getpgrp() == os.Getpid())
	for fd := range 8 {
		if target, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd)); err == nil && !strings.HasPrefix(target, "anon_inode") {
			kind, _, _ := strings.Cut(target, "[")
			fmt.Println("fd", fd, kind)
		}
	}
	fmt.Println("INT ignored", signal.Ignored(syscall.SIGINT), "HUP ignored", signal.Ignored(syscall.SIGHUP))
}

// reporting is a Program that reports to out.
func reporting(t *testing.T, out *os.File) *Program {
	t.Helper()
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { null.Close() })
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return &Program{
		Path: self, Argv: []string{"any name", "report", "", "a b", "ö\n"},
		Env: []string{"A=1", "EMPTY=", "B=x y"}, Dir: t.TempDir(),
		Files: []int{high(t, null), high(t, out), high(t, out)}, ParentSignal: syscall.SIGTERM,
	}
}

// high is a descriptor beyond those that a program is given.
func high(t *testing.T, f *os.File) int {
	t.Helper()
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 16)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	return fd
}

// outputOf starts a program, waits for it, and returns what it wrote.
func outputOf(t *testing.T, start func(*Program) (pid, exit int, err error)) string {
	t.Helper()
	out, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	p := reporting(t, out)
	pid, exit, err := start(p)
	if err != nil {
		t.Fatal(err)
	}
	if exit >= 0 {
		defer unix.Close(exit)
	}
	if status := waitFor(t, pid); status != 0 {
		t.Fatalf("ended with %v", status)
	}
	text, err := os.ReadFile(out.Name())
	if err != nil {
		t.Fatal(err)
	}
	return strings.NewReplacer(p.Dir, "DIR", filepath.Dir(out.Name()), "OUT").Replace(string(text))
}

func waitFor(t *testing.T, pid int) (status syscall.WaitStatus) {
	t.Helper()
	for {
		_, err := syscall.Wait4(pid, &status, 0, nil)
		if err == nil {
			return status
		}
		if !errors.Is(err, syscall.EINTR) {
			t.Fatal(err)
		}
	}
}

// A program must find the same, whichever way it was started.
func TestStart(t *testing.T) {
	got := outputOf(t, New().Start)
	want := outputOf(t, func(p *Program) (int, int, error) {
		pid, err := plainly(p, &syscall.SysProcAttr{Setpgid: true})
		return pid, -1, err
	})
	if got != want {
		t.Errorf("the program reports\n%s\nand with ForkExec\n%s", got, want)
	}
	for _, line := range []string{"dir DIR <nil>", "leader true", `env ["A=1" "EMPTY=" "B=x y"]`, "\"a b\""} {
		if !strings.Contains(got, line) {
			t.Errorf("no %q in\n%s", line, got)
		}
	}
}

func TestStartErrors(t *testing.T) {
	dir := t.TempDir()
	plain := filepath.Join(dir, "plain")
	if err := os.WriteFile(plain, []byte("text\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	text := filepath.Join(dir, "text")
	if err := os.WriteFile(text, []byte("text\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	s := New()
	before := openFiles(t)
	for _, tt := range []struct {
		name string
		edit func(p *Program)
		want error
	}{
		{"no such program", func(p *Program) { p.Path = filepath.Join(dir, "none") }, syscall.ENOENT},
		{"no such folder", func(p *Program) { p.Dir = filepath.Join(dir, "none") }, syscall.ENOENT},
		{"the folder is a file", func(p *Program) { p.Dir = plain }, syscall.ENOTDIR},
		{"not executable", func(p *Program) { p.Path = plain }, syscall.EACCES},
		{"no program", func(p *Program) { p.Path = text }, syscall.ENOEXEC},
		{"arguments too long", func(p *Program) { p.Argv = append(p.Argv, strings.Repeat("x", 16<<20)) }, syscall.E2BIG},
		{"NUL in the path", func(p *Program) { p.Path = "a\x00b" }, syscall.EINVAL},
		{"NUL in an argument", func(p *Program) { p.Argv = []string{"a\x00b"} }, syscall.EINVAL},
		{"NUL in the environment", func(p *Program) { p.Env = []string{"A=\x00"} }, syscall.EINVAL},
		{"NUL in the folder", func(p *Program) { p.Dir = "a\x00b" }, syscall.EINVAL},
		{"a closed descriptor", func(p *Program) { p.Files = []int{900, 901, 902} }, syscall.EBADF},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := reporting(t, os.Stderr)
			tt.edit(p)
			if pid, exit, err := s.Start(p); !errors.Is(err, tt.want) || pid > 0 || exit >= 0 {
				t.Errorf("got process %d, descriptor %d and %v, want %v", pid, exit, err, tt.want)
			}
		})
	}
	if after := openFiles(t); after != before {
		t.Errorf("%d descriptors are open, %d were before", after, before)
	}
	if _, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil); !errors.Is(err, syscall.ECHILD) {
		t.Errorf("children are left: %v", err)
	}
}

func openFiles(t *testing.T) int {
	t.Helper()
	names, err := os.ReadDir("/dev/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(names)
}

// Descriptors may have numbers that others are to get.
func TestStartLowDescriptors(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	low, err := unix.FcntlInt(w.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	w.Close()
	p := reporting(t, os.Stderr)
	p.Files = []int{low, 2, low, 1}
	p.Path, p.Argv = "/bin/sh", []string{"sh", "-c", "echo two >&2; echo zero >&0"}
	pid, exit, err := New().Start(p)
	unix.Close(low)
	if err != nil {
		t.Fatal(err)
	}
	if exit >= 0 {
		unix.Close(exit)
	}
	text, err := io.ReadAll(r)
	waitFor(t, pid)
	if string(text) != "two\nzero\n" || err != nil {
		t.Errorf("got %q, %v", text, err)
	}
}

// Many at a time, from many threads: each is its own.
func TestStartManyAtOnce(t *testing.T) {
	s := New()
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			for i := range 50 {
				want := fmt.Sprintf("%d %d\n", worker, i)
				if got, err := echo(s, want); got != want || err != nil {
					t.Errorf("got %q, %v, want %q", got, err, want)
				}
			}
		})
	}
	wg.Wait()
}

// echo returns what a program that has a text in its environment writes.
func echo(s *Spawner, text string) (string, error) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		return "", err
	}
	defer null.Close()
	r, w, err := os.Pipe()
	if err != nil {
		return "", err
	}
	defer r.Close()
	pid, exit, err := s.Start(&Program{
		Path: "/bin/sh", Argv: []string{"sh", "-c", `printf %s "$TEXT"`}, Env: []string{"TEXT=" + text},
		Files: []int{int(null.Fd()), int(w.Fd()), int(w.Fd())},
	})
	w.Close()
	if err != nil {
		return "", err
	}
	if exit >= 0 {
		unix.Close(exit)
	}
	got, err := io.ReadAll(r)
	if _, err := syscall.Wait4(pid, nil, 0, nil); err != nil {
		return "", err
	}
	return string(got), err
}
