package crashtest

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"scgikit/internal/need"
)

// plants are ways to put something in the place of a logger's file.
func plants() map[string]func(v *victim, name, path string) error {
	return map[string]func(v *victim, name, path string) error{
		"a link to a file":     func(v *victim, name, path string) error { return os.Symlink(v.file(name), path) },
		"a link to no file":    func(v *victim, name, path string) error { return os.Symlink(v.file("new-"+name), path) },
		"a link to a folder":   func(v *victim, _, path string) error { return os.Symlink(v.dir, path) },
		"a second name":        func(v *victim, name, path string) error { return os.Link(v.file(name), path) },
		"a FIFO":               func(_ *victim, _, path string) error { return unix.Mkfifo(path, 0o744) },
		"a folder":             func(_ *victim, _, path string) error { return os.Mkdir(path, 0o755) },
		"a folder that is not": func(_ *victim, _, path string) error { return os.Symlink("/nonexistent/folder", path) },
	}
}

// TestPlanted starts loggers in folders in which something was put in the place
// of each of their files. They do not wait for anybody, and write nothing
// outside.
func TestPlanted(t *testing.T) {
	t.Parallel()
	command := ours(t)
	for how, plant := range plants() {
		for _, name := range entries() {
			for _, clean := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s as %s, clean %v", how, name, clean), func(t *testing.T) {
					t.Parallel()
					v := newVictim(t)
					dir := t.TempDir()
					prepare(t, filepath.Join(dir, "a"), clean)
					path := filepath.Join(dir, "a", name)
					os.Remove(path)
					if err := plant(v, name, path); err != nil {
						t.Fatal(err)
					}
					p := newPipe(t)
					give(t, p, 10_000)
					l := launch(t, dir, p.read, slices.Concat(command, split("t =status s4096 n3 !tr\ta-z\tA-Z zgzip ./a"))...)
					// Trouble that lasts is told, and does not end by itself.
					if code := l.finish(t, p); code != 0 && code != 111 {
						t.Errorf("ended with %d\n%s", code, l.stderr)
					}
					if touched := v.touched(t); touched != "" {
						t.Error(touched)
					}
				})
			}
		}
	}
}

// prepare makes a log folder with what a logger leaves after a clean end, or
// after a crash.
func prepare(t *testing.T, dir string, clean bool) {
	t.Helper()
	write(t, filepath.Join(dir, "lock"), "")
	write(t, filepath.Join(dir, "state"), "")
	write(t, filepath.Join(dir, "current"), "line\n")
	if clean {
		if err := os.Chmod(filepath.Join(dir, "current"), 0o744); err != nil {
			t.Fatal(err)
		}
	}
}

// give puts lines into a pipe.
func give(t *testing.T, p *pipe, size int) {
	t.Helper()
	var input []byte
	for n := 0; len(input) < size; n++ {
		input = appendLine(input, mixed, n)
	}
	if _, err := p.write.Write(input); err != nil {
		t.Fatal(err)
	}
}

// TestNaiveIsCaught plants the same before a naive program: the checks see it.
func TestNaiveIsCaught(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"a link to a file", "a link to no file", "a second name"} {
		for _, name := range []string{"current", "processed", "state", "newstate", "lock"} {
			v := newVictim(t)
			dir := filepath.Join(t.TempDir(), "a")
			prepare(t, dir, true)
			path := filepath.Join(dir, name)
			os.Remove(path)
			if err := plants()[how](v, name, path); err != nil {
				t.Fatal(err)
			}
			if naive(dir, 2); v.touched(t) == "" {
				t.Errorf("%s as %s: a naive program has touched nothing", how, name)
			}
		}
	}
}

// swapFolder puts a link to the victim in the place of the log folder, and the
// folder back, again and again.
func swapFolder(dir string, v *victim) {
	held := dir + ".held"
	if os.Rename(dir, held) != nil {
		return
	}
	os.Symlink(v.dir, dir)
	os.Remove(dir)
	os.Rename(held, dir)
}

// swapEntry puts a link or a second name of the victim's file in the place of
// one of the logger's files.
func swapEntry(dir string, v *victim, random *rand.Rand) {
	name := entries()[random.IntN(len(entries()))]
	path := filepath.Join(dir, name)
	os.Remove(path)
	if random.IntN(2) == 0 {
		os.Symlink(v.file(name), path)
	} else {
		os.Link(v.file(name), path)
	}
	if random.IntN(4) > 0 {
		os.Remove(path) // else the logger would do nothing but complain
	}
}

// race runs an attack ten thousand times while something works in the folder.
func race(t *testing.T, attack func(random *rand.Rand), work func(random *rand.Rand)) {
	t.Helper()
	var over atomic.Bool
	done := make(chan struct{})
	total := rounds(t, 10_000)
	go func() {
		defer close(done)
		random := rand.New(rand.NewPCG(6, 1))
		for range total {
			attack(random)
		}
		over.Store(true)
	}()
	random := rand.New(rand.NewPCG(6, 2))
	for !over.Load() {
		work(random)
	}
	<-done
}

// TestSwappedFolder swaps the folder of a running logger for a link.
func TestSwappedFolder(t *testing.T) {
	t.Parallel()
	v := newVictim(t)
	dir := t.TempDir()
	p := newPipe(t)
	l := launch(t, dir, p.read, slices.Concat(ours(t), split("t s4096 n3 !cat zgzip ./a"))...)
	folder := filepath.Join(dir, "a")
	reading(t, folder)
	f := feeder{}
	f.start(p, 1)
	rotated := newest(t, folder)
	race(t, func(*rand.Rand) { swapFolder(folder, v) }, func(*rand.Rand) { <-time.After(time.Millisecond) })
	until(t, "the logger rotates", func() bool { return newest(t, folder) > rotated })
	f.end(t)
	p.write.Close()
	l.end(t, 0)
	if touched := v.touched(t); touched != "" {
		t.Error(touched)
	}
}

// newest is the last name of a finished file.
func newest(t *testing.T, dir string) string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "@*"))
	if err != nil {
		t.Fatal(err)
	}
	return slices.Max(append(names, ""))
}

// TestSwappedEntries swaps the files of loggers that are started and killed.
func TestSwappedEntries(t *testing.T) {
	t.Parallel()
	v := newVictim(t)
	dir := t.TempDir()
	folder := filepath.Join(dir, "a")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	p := newPipe(t)
	f := feeder{}
	f.start(p, 1)
	words := slices.Concat(ours(t), split("t s4096 n3 !cat zgzip ./a"))
	starts := 0
	attack := func(random *rand.Rand) {
		swapEntry(folder, v, random)
		<-time.After(time.Duration(random.IntN(100)) * time.Microsecond)
	}
	race(t, attack, func(random *rand.Rand) {
		l := launch(t, dir, p.read, words...)
		select {
		case err := <-l.done:
			l.done <- err
		case <-time.After(time.Duration(2+random.IntN(20)) * time.Millisecond):
		}
		l.cmd.Process.Kill()
		l.wait(t)
		starts++
	})
	t.Logf("%d starts", starts)
	if touched := v.touched(t); touched != "" {
		t.Error(touched)
	}
	p.read.Close() // the feeder ends of it
	<-f.done
}

// TestNaiveLosesRaces shows that these attacks come through.
func TestNaiveLosesRaces(t *testing.T) {
	t.Parallel()
	for name, attack := range map[string]func(dir string, v *victim, random *rand.Rand){
		"folder": func(dir string, v *victim, _ *rand.Rand) { swapFolder(dir, v) },
		"entry":  swapEntry,
	} {
		v := newVictim(t)
		dir := filepath.Join(t.TempDir(), "a")
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		race(t, func(random *rand.Rand) { attack(dir, v, random) }, func(*rand.Rand) { naive(dir, 1) })
		if v.touched(t) == "" {
			t.Errorf("%s: a naive program was never led outside", name)
		}
	}
}

// TestOwnUser runs a logger as the user of the log: its files are its own, and
// others' folders are out of its reach.
func TestOwnUser(t *testing.T) {
	t.Parallel()
	need.Root(t)
	const nobody = 65534
	dir := t.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, owner := range map[string]int{"own": nobody, "other": 0} {
		path := filepath.Join(dir, name)
		if err := os.Mkdir(path, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(path, owner, owner); err != nil {
			t.Fatal(err)
		}
	}
	start := func(p *pipe, script string) *logger {
		words := slices.Concat(ours(t), split(script))
		cmd := exec.Command(words[0], words[1:]...)
		cmd.Dir, cmd.Stdin = dir, p.read
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
		return run(t, cmd)
	}
	p := newPipe(t)
	give(t, p, 10_000)
	l := start(p, "t s4096 ./other")
	l.end(t, 111)
	if got, want := l.stderr.String(), "multilog: fatal: unable to open directory ./other: access denied\n"; got != want {
		t.Errorf("said %q, want %q", got, want)
	}
	p.write.Close()
	start(p, "t s4096 n1000 ./own").end(t, 0)
	list, err := os.ReadDir(filepath.Join(dir, "own"))
	if err != nil || len(list) < 4 {
		t.Fatalf("%v, %v", list, err)
	}
	for _, entry := range list {
		info, err := entry.Info()
		if err != nil {
			t.Fatal(err)
		}
		if st, ok := info.Sys().(*syscall.Stat_t); !ok || st.Uid != nobody {
			t.Errorf("%s is not the log user's", entry.Name())
		}
		if strings.HasPrefix(entry.Name(), "@") && info.Mode() != 0o744 {
			t.Errorf("%s has mode %v", entry.Name(), info.Mode())
		}
	}
}
