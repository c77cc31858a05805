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

// The variables of a hostile process: the folder that it fights for, the names that
// it exchanges there, and how often.
const (
	attackDir    = "SCGIKIT_ATTACK_DIR"
	attackNames  = "SCGIKIT_ATTACK_NAMES"
	attackRounds = "SCGIKIT_ATTACK_ROUNDS"
)

// attack is the hostile process, a user who owns one folder of ours: it puts links
// to victims, hard links, FIFOs and folders where files are written, over and over.
// The folder itself may come and go. It prints how often it came to that.
func attack(dir string) error {
	top, _, _ := strings.Cut(dir, "/root/")
	put := []func(name string) error{
		func(name string) error { return os.Symlink(filepath.Join(top, "victim"), name) },
		func(name string) error { return os.Symlink(filepath.Join(top, "kept"), name) },
		func(name string) error { return os.Symlink("/etc/kept", name) }, // below the root
		func(name string) error { return os.Symlink(filepath.Join(top, "second"), name) },
		func(name string) error { return os.Link(filepath.Join(top, "second"), name) },
		func(name string) error { return unix.Mkfifo(name, 0o666) },
		func(name string) error { return os.Mkdir(name, 0o777) },
		func(name string) error { return os.Symlink("../run", name) },
	}
	rounds, err := strconv.Atoi(os.Getenv(attackRounds))
	if err != nil {
		return err
	}
	done := 0
	for n := range rounds {
		// The file itself is let be at times: else most changes find that it was
		// exchanged, and come no further.
		temp := fmt.Sprintf(".scgikit-%d-%d", n%40+1, n/40%8)
		names := []string{temp, temp}
		if n/400%2 == 0 {
			names = append(strings.Split(os.Getenv(attackNames), ","), temp)
		}
		for _, name := range names {
			name = filepath.Join(dir, name)
			_ = os.RemoveAll(name)
			if put[n%len(put)](name) == nil { // some are refused, as they should be
				done++
			}
		}
	}
	fmt.Println(done)
	return nil
}

// A battlefield is a place that is written to as root, and that another user owns by
// design or may be given. They are all there are: every other folder is root's alone,
// and refused where it is not, see TestUntrusted and TestGivenAway.
type battlefield struct {
	dir   string   // below the root
	names []string // that the hostile process exchanges there
	files func(body string) []fileset.File
	given bool // the folder is made by others, and given to the user
	naive func(dir string)
}

// battlefields are the folder of a log with a file of ours in it, folders that are
// emptied or removed when they go, and a folder that is made inside of another
// user's.
func battlefields() map[string]battlefield {
	service := func(name string, f fileset.File) fileset.File {
		f.Path, f.Target, f.Place, f.Apps = "runit/blog"+name, "runit", "service", []string{"blog"}
		return f
	}
	elsewhere := func(name, place string, f fileset.File) fileset.File {
		f = service(name, f)
		f.Place = place
		return f
	}
	dir := func(owner string) fileset.File {
		return fileset.File{Kind: fileset.Dir, Mode: 0o755, User: owner, Group: map[string]string{"nobody": "nogroup"}[owner]}
	}
	run := func(body string) fileset.File {
		return service("/run", fileset.File{Mode: 0o755, Data: []byte("#!/bin/sh\n# " + body + "\n")})
	}
	config := func(body string) fileset.File { return fileset.File{Mode: 0o644, Data: []byte(body)} }
	return map[string]battlefield{
		"config of a log": {
			dir: "etc/sv/blog/log/main", names: []string{"config"},
			files: func(body string) []fileset.File {
				return []fileset.File{service("", dir("")), run(body), service("/log", dir("")), service("/log/main", dir("nobody")), service("/log/main/config", config(body))}
			},
			naive: func(dir string) {
				// As a naive program does, but that a FIFO does not make it wait.
				f, err := os.OpenFile(filepath.Join(dir, "config"), os.O_WRONLY|os.O_CREATE|os.O_TRUNC|syscall.O_NONBLOCK, 0o644)
				if err == nil {
					_, _ = f.WriteString("x")
					_ = f.Close()
				}
			},
		},
		"log": {
			dir: "etc/sv/blog/log/main", names: []string{"current", "lock", "@400000005f5e10000000000a.s"},
			files: func(body string) []fileset.File {
				return []fileset.File{service("", dir("")), run(body), service("/log", dir("")), service("/log/main", dir("nobody"))}
			},
			naive: emptied,
		},
		"log elsewhere": {
			dir: "var/log/blog", names: []string{"current", "state"},
			files: func(body string) []fileset.File {
				return []fileset.File{service("", dir("")), run(body), elsewhere("/log/dir", "/var/log/blog", dir("nobody")), elsewhere("/log/dir/config", "/var/log/blog/config", config(body))}
			},
			naive: emptied,
		},
		"socket": {
			dir: "run/blog", names: []string{"sock", "lock"},
			files: func(body string) []fileset.File {
				f := elsewhere(".socket", "/run/blog", dir("nobody"))
				f.Path, f.Target = "inetd/blog.socket", "inetd"
				return []fileset.File{f, service("", dir("")), run(body)}
			},
			naive: func(dir string) { _ = os.Chown(filepath.Join(dir, "sock"), 65534, 65534) },
		},
		"supervise": {
			dir: "etc/sv/blog/supervise", names: []string{"status", "control", "ok"}, given: true,
			files: func(body string) []fileset.File { return []fileset.File{service("", dir("")), run(body)} },
			naive: func(dir string) { _ = os.Chmod(filepath.Join(dir, "status"), 0o640) },
		},
		"folder in another's": {
			dir: "var/log/blog", names: []string{"sub"},
			files: func(body string) []fileset.File {
				return []fileset.File{
					elsewhere("/log/dir", "/var/log/blog", dir("nobody")), elsewhere("/log/dir/sub", "/var/log/blog/sub", dir("nobody")),
					elsewhere("/log/dir/sub/config", "/var/log/blog/sub/config", config(body)), service("", dir("")), run(body),
				}
			},
			naive: func(dir string) {
				_ = os.MkdirAll(filepath.Join(dir, "sub"), 0o755)
				_ = os.Chown(filepath.Join(dir, "sub"), 65534, 65534)
			},
		},
	}
}

// emptied removes what is in a folder, and in the folders there, as a naive program
// does: what a link leads to is a folder, too.
func emptied(dir string) {
	names, _ := os.ReadDir(dir)
	for _, d := range names {
		at := filepath.Join(dir, d.Name())
		if info, err := os.Stat(at); err == nil && info.IsDir() {
			emptied(at)
		}
		_ = os.Remove(at)
	}
}

// fight is one battlefield on a machine.
type fight struct {
	battlefield
	t         *testing.T
	m         *Machine
	top, root string
	self      string
	uid, gid  int // of the hostile process
	before    string
}

// newFight prepares a machine, what the hostile process must not change, and the
// first install.
func newFight(t *testing.T, b battlefield) *fight {
	t.Helper()
	need.Root(t)
	nobody, err := user.Lookup("nobody")
	if err != nil {
		t.Fatal(err)
	}
	f := &fight{battlefield: b, t: t, top: folder(t)}
	f.root, f.self = filepath.Join(f.top, "root"), filepath.Join(f.top, "attacker")
	f.uid, _ = strconv.Atoi(nobody.Uid)
	f.gid, _ = strconv.Atoi(nobody.Gid)
	text, err := os.ReadFile(selftest.Program(t))
	if err != nil {
		t.Fatal(err)
	}
	// A process that another test starts meanwhile would have it open to write for a
	// moment, and so it could not be started.
	syscall.ForkLock.RLock()
	err = os.WriteFile(f.self, text, 0o755)
	syscall.ForkLock.RUnlock()
	err = errors.Join(err, os.Chmod(f.top, 0o755), os.Mkdir(f.root, 0o755))
	for name, mode := range map[string]os.FileMode{"victim": 0o600, "second": 0o644, "kept/file": 0o644, "root/etc/kept/file": 0o644} {
		name = filepath.Join(f.top, name)
		err = errors.Join(err, os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, []byte("root's own\n"), mode))
	}
	if err != nil {
		t.Fatal(err)
	}
	if f.m, err = OpenMachine(f.root); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.m.Close() })
	f.before = f.state()
	if err := f.install("first"); err != nil {
		t.Fatal(err)
	}
	return f
}

// state is what the hostile process must not change: the victims, and what is root's
// beside its folder.
func (f *fight) state() string {
	f.t.Helper()
	var b strings.Builder
	for _, name := range []string{"victim", "second", "kept", "kept/file", "root/etc/kept", "root/etc/kept/file"} {
		at := filepath.Join(f.top, name)
		info, err := os.Lstat(at)
		if err != nil {
			fmt.Fprintln(&b, name, "is gone")
			continue
		}
		st := info.Sys().(*syscall.Stat_t)
		fmt.Fprintf(&b, "%s %v %d:%d", name, info.Mode(), st.Uid, st.Gid)
		if info.IsDir() {
			names, _ := os.ReadDir(at)
			for _, d := range names {
				b.WriteString(" " + d.Name())
			}
		} else {
			text, _ := os.ReadFile(at)
			b.WriteString(" " + digest(text))
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// change plans and applies under the lock, as a command does.
func (f *fight) change(plan func(*Receipt) (*Plan, error)) error {
	lock, err := f.m.Lock()
	if err != nil {
		return err
	}
	defer lock.Unlock()
	if _, err := f.m.Recover(f.t.Context(), Options{}); err != nil {
		return err
	}
	receipt, err := f.m.Receipt()
	if err != nil {
		return err
	}
	p, err := plan(receipt)
	if err != nil {
		return err
	}
	_, err = f.m.Apply(f.t.Context(), p, Options{Command: "install"})
	return err
}

func (f *fight) install(body string) error {
	set := new(fileset.Set)
	for _, file := range f.files(body) {
		if err := set.Add(file); err != nil {
			return err
		}
	}
	places, _ := PlacesOf("debian")
	resolved, err := Resolve(set, places, Owners{Apply: true})
	if err != nil {
		return err
	}
	f.m.Expect(resolved.Items)
	err = f.change(func(receipt *Receipt) (*Plan, error) {
		return f.m.Plan(&Request{Want: resolved.Items, Receipt: receipt, Scope: scopeOf("blog"), Local: OverwriteLocal})
	})
	if dir := filepath.Join(f.root, f.dir); err == nil && f.given {
		_ = os.Mkdir(dir, 0o700) // as a supervisor does, for whom it was given to another
		err = os.Lchown(dir, f.uid, f.gid)
	}
	return err
}

func (f *fight) uninstall() error {
	return f.change(func(receipt *Receipt) (*Plan, error) {
		return f.m.Plan(&Request{Receipt: receipt, Scope: scopeOf("blog"), Local: OverwriteLocal})
	})
}

func (f *fight) rollback() error {
	return f.change(func(*Receipt) (*Plan, error) { return f.m.PlanRollback(0, OverwriteLocal, false) })
}

// race runs the hostile process as nobody, again until write was called at least a
// number of times against it, or reports that nothing more is to be seen. It returns
// how many exchanges took place.
func (f *fight) race(rounds, least int, write func(n int) (enough bool)) (exchanges int) {
	t := f.t
	t.Helper()
	for n := 0; n < least; {
		cmd := exec.CommandContext(t.Context(), f.self)
		cmd.Dir = "/"
		cmd.Env = []string{attackDir + "=" + filepath.Join(f.root, f.dir), attackNames + "=" + strings.Join(f.names, ","), attackRounds + "=" + strconv.Itoa(rounds)}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(f.uid), Gid: uint32(f.gid)}}
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
					return exchanges
				}
			}
		}
		count, err := strconv.Atoi(strings.TrimSpace(out.String()))
		if err != nil {
			t.Fatal(err)
		}
		exchanges += count
	}
	return exchanges
}

// TestAttack installs, rolls back and uninstalls, as root, where another user owns a
// folder and fights for it. Nothing outside of the folder changes, and nothing hangs.
// The exchanges of what stands there are more than ten thousand together; with
// CRASHTEST_ROUNDS they are that many and more in each place.
func TestAttack(t *testing.T) {
	t.Parallel()
	need.Root(t)
	for name, b := range battlefields() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFight(t, b)
			rounds, least, seldom := 1000, 30, 6
			if name == "config of a log" {
				// Most find that something was exchanged since they looked, and what is
				// left by an uninstall is another's from then on.
				least, seldom = 70, 60
			}
			if need.Thorough() {
				rounds = 10_000
			}
			wrote, refused := 0, 0
			exchanges := f.race(rounds, least, func(n int) bool {
				var err error
				switch n % seldom {
				case seldom - 2:
					err = f.rollback()
				case seldom - 1:
					err = f.uninstall()
				default:
					err = f.install(fmt.Sprint(n))
				}
				if err != nil {
					refused++
				} else {
					wrote++
				}
				if now := f.state(); now != f.before {
					t.Errorf("change %d leaves\n%s\nnot\n%s", n, now, f.before)
					return true
				}
				return false
			})
			// Once nobody fights any more it works.
			err := errors.Join(os.RemoveAll(filepath.Join(f.root, f.dir)), f.install("last"))
			for _, busy := errors.AsType[*Busy](err); busy; _, busy = errors.AsType[*Busy](err) {
				err = f.install("last") // a program that is being started has a copy of the lock for a moment
			}
			if err != nil {
				t.Error(err)
			}
			t.Attr("sum", fmt.Sprintf("%s: %d exchanges against %d changes that wrote and %d that were refused: nothing outside changed", name, exchanges, wrote, refused))
		})
	}
}

// TestAttackBites is the same against code that goes by path alone: a victim must
// change, or the test above shows nothing.
func TestAttackBites(t *testing.T) {
	t.Parallel()
	need.Root(t)
	for name, b := range battlefields() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFight(t, b)
			f.race(10_000, 1, func(int) bool {
				b.naive(filepath.Join(f.root, f.dir))
				return f.state() != f.before
			})
			if f.state() == f.before {
				t.Error("a naive program was not led astray: the test does not bite")
			}
		})
	}
}

// TestUndoneAmongLinks: whoever owns a folder on the way can not keep what was cut off
// from being undone, and so every later change from being made.
func TestUndoneAmongLinks(t *testing.T) {
	for _, put := range []func(name string) error{
		func(name string) error { return os.Symlink("/etc/kept", name) },
		func(name string) error { return os.WriteFile(name, nil, 0o644) },
		func(name string) error { return os.Mkdir(name, 0o777) },
		func(name string) error { return unix.Mkfifo(name, 0o666) },
	} {
		f := newFight(t, battlefields()["folder in another's"])
		err := f.change(func(receipt *Receipt) (*Plan, error) {
			p, err := f.m.Plan(&Request{Receipt: receipt, Scope: scopeOf("blog")})
			if err != nil {
				return nil, err
			}
			j, err := f.m.begin(p, "uninstall")
			if err != nil {
				return nil, err
			}
			sub := filepath.Join(f.root, f.dir, "sub")
			return p, errors.Join(errors.New("cut off"), f.m.do(t.Context(), j, 0, &p.Actions[0], &Options{}, new(Report)), os.RemoveAll(sub), put(sub))
		})
		if err == nil || err.Error() != "cut off" {
			t.Fatal(err)
		}
		err = f.change(func(*Receipt) (*Plan, error) { return nil, errors.New("undone") })
		if err == nil || err.Error() != "undone" || f.state() != f.before {
			t.Errorf("%v, and\n%s", err, f.state())
		}
	}
}

// TestGivenAway refuses every folder of ours that was root's when it was installed,
// and that another user could change since: for what is written there, and for what
// is removed.
func TestGivenAway(t *testing.T) {
	need.Root(t)
	tried := 0
	for _, how := range []string{"owner", "mode"} {
		f := newFight(t, battlefields()["config of a log"])
		receipt, err := f.m.Receipt()
		if err != nil {
			t.Fatal(err)
		}
		for i := range receipt.Entries {
			e := &receipt.Entries[i]
			at := filepath.Join(f.root, e.Path)
			if e.Kind != Dir || e.UID != 0 || strings.HasPrefix(StateDir, e.Path) {
				continue
			}
			give := func(to int, mode os.FileMode) {
				if err := errors.Join(os.Chown(at, map[string]int{"owner": to}[how], 0), os.Chmod(at, mode)); err != nil {
					t.Fatal(err)
				}
			}
			give(f.uid, map[string]os.FileMode{"owner": 0o755, "mode": 0o777}[how])
			for what, change := range map[string]func() error{"install": func() error { return f.install("two") }, "uninstall": f.uninstall, "rollback": f.rollback} {
				if unsafe, ok := errors.AsType[*Unsafe](change()); !ok || !strings.HasPrefix(at+"/", unsafe.Path+"/") {
					t.Errorf("%s with another %s of %s: %v", what, how, e.Path, unsafe)
				}
				tried++
			}
			give(0, 0o755)
		}
	}
	if tried < 12 {
		t.Errorf("only %d were tried", tried)
	}
}
