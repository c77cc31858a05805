package install

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"scgikit/internal/fileset"
	"scgikit/internal/need"
	"scgikit/internal/selftest"
)

// attackDir names the variable with the folder that a hostile process fights for.
const attackDir = "SCGIKIT_ATTACK_DIR"

// attackRounds is how often it exchanges what stands at each of two names.
const attackRounds = 5000

// attack is the hostile process, a user who owns one folder of ours: it puts links
// to a victim, hard links, FIFOs and folders where files are written, over and over.
func attack(dir string) error {
	top, _, _ := strings.Cut(dir, "/root/")
	victim, second := filepath.Join(top, "victim"), filepath.Join(top, "second")
	if err := os.Chdir(dir); err != nil {
		return err
	}
	put := []func(name string) error{
		func(name string) error { return os.Symlink(victim, name) },
		func(name string) error { return os.Symlink(second, name) },
		func(name string) error { return os.Link(victim, name) },
		func(name string) error { return unix.Mkfifo(name, 0o666) },
		func(name string) error { return os.Mkdir(name, 0o777) },
		func(name string) error { return os.Symlink("../run", name) },
	}
	for n := range attackRounds {
		for _, name := range []string{"config", fmt.Sprintf(".scgikit-%d-%d", n/100+1, n%4)} {
			_ = os.Remove(name)
			_ = put[n%len(put)](name) // some are refused, as they should be
		}
	}
	return nil
}

// runitSet has a file that goes into the folder of another user.
func runitSet(body string) *fileset.Set {
	set := new(fileset.Set)
	for _, f := range []fileset.File{
		{Path: "runit/blog", Kind: fileset.Dir, Mode: 0o755},
		{Path: "runit/blog/run", Mode: 0o755, Data: []byte("#!/bin/sh\n")},
		{Path: "runit/blog/log", Kind: fileset.Dir, Mode: 0o755},
		{Path: "runit/blog/log/main", Kind: fileset.Dir, Mode: 0o755, User: "nobody", Group: "nogroup"},
		{Path: "runit/blog/log/main/config", Mode: 0o644, Data: []byte(body)},
	} {
		f.Target, f.Place, f.Apps = "runit", "service", []string{"blog"}
		_ = set.Add(f)
	}
	return set
}

// attacked prepares a machine, and returns the folder that is fought for and what
// the hostile process must not change.
func attacked(t *testing.T) (m *Machine, dir, victim, self string) {
	t.Helper()
	need.Root(t)
	top := folder(t)
	if err := os.Chmod(top, 0o755); err != nil {
		t.Fatal(err)
	}
	root := filepath.Join(top, "root")
	victim = filepath.Join(top, "victim")
	self = filepath.Join(top, "attacker")
	text, err := os.ReadFile(selftest.Program(t))
	if err != nil {
		t.Fatal(err)
	}
	err = errors.Join(os.Mkdir(root, 0o755), os.WriteFile(victim, []byte("root's own\n"), 0o600), os.WriteFile(filepath.Join(top, "second"), []byte("root's own\n"), 0o644), os.WriteFile(self, text, 0o755))
	if err != nil {
		t.Fatal(err)
	}
	if m, err = OpenMachine(root); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	if err := attackInstall(t, m, "first"); err != nil {
		t.Fatal(err)
	}
	return m, filepath.Join(root, "etc/sv/blog/log/main"), victim, self
}

func attackInstall(t *testing.T, m *Machine, body string) error {
	t.Helper()
	places, _ := PlacesOf("debian")
	resolved, err := Resolve(runitSet(body), places, Owners{Apply: true})
	if err != nil {
		return err
	}
	m.Expect(resolved.Items)
	lock, err := m.Lock()
	if err != nil {
		return err
	}
	defer lock.Unlock()
	if _, err := m.Recover(t.Context(), Options{}); err != nil {
		return err
	}
	receipt, err := m.Receipt()
	if err != nil {
		return err
	}
	r := &Request{Want: resolved.Items, Receipt: receipt, Scope: scopeOf("blog"), Local: OverwriteLocal}
	p, err := m.Plan(r)
	if err != nil {
		return err
	}
	_, err = m.Apply(t.Context(), p, Options{Command: "install"})
	return err
}

// race runs the hostile process as nobody, again until write was called at least a
// number of times against it, or reports that nothing more is to be seen. It returns
// how often the process ran.
func race(t *testing.T, dir, self string, least int, write func(n int) (enough bool)) (runs int) {
	t.Helper()
	nobody, err := user.Lookup("nobody")
	if err != nil {
		t.Fatal(err)
	}
	uid, _ := strconv.ParseUint(nobody.Uid, 10, 32)
	gid, _ := strconv.ParseUint(nobody.Gid, 10, 32)
	for n := 0; n < least; runs++ {
		cmd := exec.CommandContext(t.Context(), self)
		cmd.Dir = "/"
		cmd.Env = []string{attackDir + "=" + dir}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() { done <- cmd.Wait() }()
		for running := true; running; n++ {
			select {
			case err := <-done:
				if err != nil {
					t.Fatalf("%v\n%s", err, out.String())
				}
				running = false
			default:
				if write(n) {
					_ = cmd.Process.Kill()
					<-done
					return runs + 1
				}
			}
		}
	}
	return runs
}

// state is what the hostile process must not change of a file.
func state(t *testing.T, name string) string {
	t.Helper()
	info, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	st := info.Sys().(*syscall.Stat_t)
	return fmt.Sprintf("%v %d:%d %s", info.Mode(), st.Uid, st.Gid, digest(text))
}

// TestAttack installs, as root, into a folder that another user owns and fights
// for, while that user makes ten thousand exchanges of what stands there. Nothing
// outside of the folder changes, and nothing hangs.
func TestAttack(t *testing.T) {
	m, dir, victim, self := attacked(t)
	second := filepath.Join(filepath.Dir(victim), "second")
	before, secondBefore := state(t, victim), state(t, second)
	run := filepath.Join(dir, "../run")
	if err := os.WriteFile(run, []byte("x"), 0o755); err != nil {
		t.Fatal(err)
	}
	runBefore := state(t, run)
	wrote, refused := 0, 0
	runs := race(t, dir, self, 100, func(n int) bool {
		if err := attackInstall(t, m, fmt.Sprint(n)); err != nil {
			refused++
		} else {
			wrote++
		}
		return false
	})
	if now := state(t, victim); now != before {
		t.Errorf("the victim is %s, not %s", now, before)
	}
	if now := state(t, second); now != secondBefore {
		t.Errorf("the second victim is %s, not %s", now, secondBefore)
	}
	if now := state(t, run); now != runBefore {
		t.Errorf("log/run is %s, not %s", now, runBefore)
	}
	t.Attr("sum", fmt.Sprintf("%d exchanges against %d installs that wrote and %d that were refused: nothing outside changed", 2*attackRounds*runs, wrote, refused))
}

// TestAttackBites is the same against code that writes by path alone: the victim
// must change, or the test above shows nothing.
func TestAttackBites(t *testing.T) {
	_, dir, victim, self := attacked(t)
	before := state(t, victim)
	name := filepath.Join(dir, "config")
	race(t, dir, self, 1, func(n int) bool {
		// As a naive program does, but that a FIFO does not make it wait.
		f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC|syscall.O_NONBLOCK, 0o644)
		if err != nil {
			return false
		}
		_, _ = fmt.Fprint(f, n)
		_ = f.Close()
		return state(t, victim) != before
	})
	if state(t, victim) == before {
		t.Error("a naive program was not led astray: the test does not bite")
	}
}
