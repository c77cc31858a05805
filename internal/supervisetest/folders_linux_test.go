package supervisetest_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"scgikit/internal/need"
	"scgikit/internal/servicedir"
	"scgikit/internal/supervisetest"
)

// Which names of a scan folder are services.
func TestFolderNames(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("n", 252)
	list := services{
		"a": service(sleeping), ".hidden": service(sleeping), "ö ü\n$(x)'\"": service(sleeping), "-x": service(sleeping),
		long:              {"run": sleeping, "log/run": "#!/bin/sh\nexec cat\n"},
		long[:250] + "m":  {"run": sleeping, "log/run": "#!/bin/sh\nexec cat >/dev/null\n"},
		"no-run/data":     {"x": ""},
		"run-not-allowed": {"run": "exec sleep 1000\n"},
	}
	b := ours(t, "daemontools", list)
	os.WriteFile(b.dir("file"), nil, 0o755)
	unix.Mkfifo(b.dir("fifo"), 0o600)
	os.Symlink("nowhere", b.dir("dangling"))
	os.Symlink("itself", b.dir("itself"))
	for name := range list {
		if name != ".hidden" && !strings.Contains(name, "n-run") && !strings.Contains(name, "no") || name == long {
			if name != "run-not-allowed" {
				b.started(name, 1)
			}
		}
	}
	supervisetest.Make(t, b.scan, services{"last": service(sleeping)})
	b.started("last", 1)
	if supervisetest.Supervised(b.dir(".hidden")) || len(b.lines(".hidden", "starts")) > 0 {
		t.Error(".hidden is supervised")
	}
	if supervisetest.Supervised(filepath.Join(b.dir(long), "log")) {
		t.Error("the log of a name that is too long is supervised")
	}
	if !supervisetest.Supervised(filepath.Join(b.dir(long[:250]+"m"), "log")) {
		t.Error("the log of a name that just fits is not supervised")
	}
	b.says(long + ": its name is too long for it to have a log\n")
	b.says("no-run: unable to start run: no such file or directory")
	b.says("run-not-allowed: unable to start run: permission denied")
	for _, name := range []string{"file", "fifo", "dangling"} {
		if strings.Contains(b.printed(), name+":") {
			t.Errorf("it speaks of %s", name)
		}
	}
	b.stop()
}

// A link is followed, and two links to one folder are one service.
func TestFolderLinks(t *testing.T) {
	t.Parallel()
	eachDialect(t, nil, func(t *testing.T, b *box, _ string) {
		away := filepath.Join(t.TempDir(), "real")
		service(sleeping).Write(t, away)
		for _, name := range []string{"one", "two"} {
			if err := os.Symlink(away, b.dir(name)); err != nil {
				t.Fatal(err)
			}
		}
		pid := b.started("one", 1)
		if s := b.status("two"); s.PID != pid {
			t.Errorf("two: %+v", s)
		}
		// As long as it has one of them, it goes on.
		os.Remove(b.dir("one"))
		os.Symlink(away, b.dir("three"))
		supervisetest.Make(t, b.scan, services{"later": service(sleeping)})
		b.started("later", 1)
		holdsFor(t, 1200*time.Millisecond, "it runs", func() bool { return b.status("two").PID == pid && supervisetest.Alive(pid) })
		b.stop()
	})
}

// A new name for a service changes nothing but what it is called.
func TestFolderRenamed(t *testing.T) {
	t.Parallel()
	eachDialect(t, services{"a": service(sleeping)}, func(t *testing.T, b *box, _ string) {
		pid := b.started("a", 1)
		if err := os.Rename(b.dir("a"), b.dir("b")); err != nil {
			t.Fatal(err)
		}
		supervisetest.Make(t, b.scan, services{"later": service(sleeping)})
		b.started("later", 1)
		holdsFor(t, 1200*time.Millisecond, "it runs", func() bool { return b.status("b").PID == pid && supervisetest.Alive(pid) })
		b.command("b", "k")
		b.started("b", 2)
		b.stop()
	})
}

// A folder that is taken out: daemontools' way is to go on with the service,
// runit's to end it.
func TestFolderTakenOut(t *testing.T) {
	t.Parallel()
	eachDialect(t, services{"a": service(sleeping)}, func(t *testing.T, b *box, dialect string) {
		pid := b.started("a", 1)
		away := filepath.Join(filepath.Dir(b.scan), "away")
		if err := os.Rename(b.dir("a"), away); err != nil {
			t.Fatal(err)
		}
		if dialect == "runit" {
			supervisetest.Until(t, "it is ended", func() bool { return !supervisetest.Alive(pid) && !supervisetest.Supervised(away) })
			b.stop()
			return
		}
		holdsFor(t, 1500*time.Millisecond, "it runs", func() bool { return supervisetest.Alive(pid) })
		does(t, own("svc"), "-k", away)
		supervisetest.Until(t, "it is started again", func() bool { s := supervisetest.Status(away); return s.PID != 0 && s.PID != pid })
		// It comes back.
		if err := os.Rename(away, b.dir("a")); err != nil {
			t.Fatal(err)
		}
		b.started("a", 2)
		b.stop()
	})
}

// A folder that is removed and made anew, as by the upgrade of a package: the
// process goes on, and clients find it in the new folder. Source: runit's issue 25.
func TestFolderMadeAnew(t *testing.T) {
	t.Parallel()
	for _, linked := range []bool{false, true} {
		for _, dialect := range dialects() {
			t.Run(fmt.Sprintf("%s linked=%t", dialect, linked), func(t *testing.T) {
				t.Parallel()
				b := ours(t, dialect, nil)
				place := b.dir("a")
				if linked {
					place = filepath.Join(t.TempDir(), "a")
					os.Mkdir(place, 0o755)
					if err := os.Symlink(place, b.dir("a")); err != nil {
						t.Fatal(err)
					}
				}
				list := supervisetest.Service{"run": "#!/bin/sh\necho $$ >>../starts.a\nexec sleep 100000\n", "log/run": "#!/bin/sh\nexec multilog t ./main\n"}
				list.Write(t, place)
				pid := b.is("a", "is up", func(s servicedir.Status) bool { return s.PID != 0 }).PID
				becomesSleep(t, pid)
				// The supervisor may write a file there while it goes.
				supervisetest.Until(t, "it is removed", func() bool { return os.RemoveAll(place) == nil })
				// Longer than it takes to be noticed, shorter than runsvdir's second.
				<-time.After(200 * time.Millisecond)
				next := filepath.Join(filepath.Dir(place), ".a.new")
				list.Write(t, next)
				if err := os.Rename(next, place); err != nil {
					t.Fatal(err)
				}
				b.is("a", "is known in the new folder", func(s servicedir.Status) bool { return s.PID == pid })
				if !supervisetest.Alive(pid) {
					t.Error("the process has ended")
				}
				supervisetest.Until(t, "the log goes on in the new folder", func() bool {
					_, err := os.Stat(filepath.Join(place, "log/main/current"))
					return err == nil && supervisetest.Supervised(filepath.Join(place, "log"))
				})
				b.command("a", "k")
				again := b.is("a", "is started again", func(s servicedir.Status) bool { return s.PID != 0 && s.PID != pid })
				if data, err := os.ReadFile(filepath.Join(filepath.Dir(place), "starts.a")); err != nil || len(strings.Fields(string(data))) != 2 {
					supervisetest.Until(t, "it was started twice", func() bool {
						data, _ := os.ReadFile(filepath.Join(filepath.Dir(place), "starts.a"))
						return len(strings.Fields(string(data))) == 2
					})
				}
				b.command("a", "d")
				supervisetest.Until(t, "it has ended", func() bool { return !supervisetest.Alive(again.PID) })
				b.stop()
			})
		}
	}
}

// supervise may be a link to a place that is not there yet, and the rest of the
// folder one that cannot be written to.
func TestFolderSuperviseElsewhere(t *testing.T) {
	t.Parallel()
	b := ours(t, "runit", nil)
	place := t.TempDir()
	list := supervisetest.Service{"run": "#!/bin/sh\nexec sleep 100000\n"}
	hidden := b.dir(".a")
	list.Write(t, hidden)
	if err := os.Symlink(filepath.Join(place, "a.supervise"), filepath.Join(hidden, "supervise")); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(hidden, 0o555); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(hidden, b.dir("a")); err != nil {
		t.Fatal(err)
	}
	pid := b.is("a", "is up", func(s servicedir.Status) bool { return s.PID != 0 }).PID
	info, err := os.Stat(filepath.Join(place, "a.supervise"))
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", info, err)
	}
	does(t, own("svc"), "-k", b.dir("a"))
	b.is("a", "is started again", func(s servicedir.Status) bool { return s.PID != 0 && s.PID != pid })
	b.stop()
	os.Chmod(b.dir("a"), 0o755)
}

// A read-only file system, with supervise elsewhere.
func TestFolderReadOnly(t *testing.T) {
	t.Parallel()
	need.Root(t)
	unshare := need.Program(t, "unshare")
	top := t.TempDir()
	scan := filepath.Join(top, "scan")
	supervisetest.Make(t, scan, services{"a": {"run": "#!/bin/sh\nexec sleep 100000\n", "log/run": "#!/bin/sh\nexec multilog t " + top + "/log\n"}})
	for name, to := range map[string]string{"a/supervise": "s", "a/log/supervise": "l"} {
		if err := os.Symlink(filepath.Join(top, to), filepath.Join(scan, name)); err != nil {
			t.Fatal(err)
		}
	}
	script := `mount --bind "$1" "$1" && mount -o remount,ro,bind "$1" && exec "$0" supervise "$1"`
	if out, code := tool(t, unshare, "-m", "sh", "-c", `mount --bind "$1" "$1" && mount -o remount,ro,bind "$1" && ! touch "$1/x"`, "sh", scan); code != 0 {
		need.Missing(t, "mount: "+out)
	}
	s := supervisetest.Start(t, scan, unshare, "-m", "sh", "-c", script, own("scgi-run"))
	b := &box{t, scan, s}
	pid := b.is("a", "is up", func(s servicedir.Status) bool { return s.PID != 0 }).PID
	does(t, own("svc"), "-k", b.dir("a"))
	b.is("a", "is started again", func(s servicedir.Status) bool { return s.PID != 0 && s.PID != pid })
	supervisetest.Until(t, "the log is there", func() bool { _, err := os.Stat(filepath.Join(top, "log/current")); return err == nil })
	if text := b.printed(); text != "" {
		t.Errorf("it says %q", text)
	}
	b.stop()
}

// What is in the place of the FIFOs and is none is not opened for commands.
func TestFolderOddControl(t *testing.T) {
	t.Parallel()
	b := ours(t, "daemontools", services{".a": {"run": sleeping, "supervise/control": "u"}, ".b": {"run": sleeping, "supervise/ok": "x"}, ".c": {"run": sleeping, "supervise": "a file"}})
	for _, name := range []string{"a", "b", "c"} {
		if err := os.Rename(b.dir("."+name), b.dir(name)); err != nil {
			t.Fatal(err)
		}
	}
	b.says("a: it cannot be commanded: supervise/control: it is there, and no FIFO; remove it")
	b.says("b: it cannot be commanded: supervise/ok: it is there, and no FIFO; remove it")
	b.says("c: unable to supervise it: open supervise: not a directory")
	b.started("a", 1)
	b.started("b", 1)
	if data, _ := os.ReadFile(filepath.Join(b.dir("a"), "supervise/control")); string(data) != "u" {
		t.Errorf("control is %q", data)
	}
	b.stop()
}

// supervise of somebody else's is refused: its owner could have our files written
// over others.
func TestFolderOfOthers(t *testing.T) {
	t.Parallel()
	need.Root(t)
	b := ours(t, "daemontools", services{".a": {"run": sleeping, "supervise/x": ""}})
	if err := os.Chown(filepath.Join(b.dir(".a"), "supervise"), 65534, 65534); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(b.dir(".a"), b.dir("a")); err != nil {
		t.Fatal(err)
	}
	b.says("a: unable to supervise it: supervise belongs to user 65534; give it to user 0, or remove it\n")
	if err := os.Chown(filepath.Join(b.dir("a"), "supervise"), 0, 0); err != nil {
		t.Fatal(err)
	}
	b.started("a", 1)
	b.stop()
}

// Who may command a service is said by the modes of its FIFOs; they stay.
func TestFolderModes(t *testing.T) {
	t.Parallel()
	b := ours(t, "daemontools", services{"a": service(sleeping)})
	b.started("a", 1)
	paths := []string{"supervise", "supervise/control", "supervise/ok"}
	for i, mode := range []os.FileMode{0o750, 0o660, 0o666} {
		path := filepath.Join(b.dir("a"), paths[i])
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != []os.FileMode{0o700, 0o600, 0o600}[i] {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	b.stop()
	b.Again(t)
	b.started("a", 2)
	for i, mode := range []os.FileMode{0o750, 0o660, 0o666} {
		if info, err := os.Stat(filepath.Join(b.dir("a"), paths[i])); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v", paths[i], info.Mode(), err)
		}
	}
	b.stop()
}

// A scan folder that is not there is said at once.
func TestFolderMissing(t *testing.T) {
	t.Parallel()
	missing := filepath.Join(t.TempDir(), "missing")
	out, code := tool(t, own("scgi-run"), "supervise", missing)
	if code != 111 || !strings.Contains(out, "fatal: open "+missing+": no such file or directory") {
		t.Errorf("exit %d: %q", code, out)
	}
	if out, code := tool(t, own("supervise")); code != 100 || out != "supervise: usage: supervise dir\n" {
		t.Errorf("exit %d: %q", code, out)
	}
}

// A single service, as daemontools' supervise has it: it ends with x.
func TestSingle(t *testing.T) {
	t.Parallel()
	scan := t.TempDir()
	supervisetest.Make(t, scan, services{"a": service(sleeping)})
	b := &box{t, scan, supervisetest.Start(t, filepath.Join(scan, "a"), own("supervise"))}
	b.started("a", 1)
	does(t, own("svok"), b.dir("a"))
	does(t, own("svc"), "-dx", b.dir("a"))
	if err := b.Wait(t); err != nil {
		t.Error(err)
	}
	if s := b.status("a"); s.PID != 0 || s.Want != servicedir.WantDown {
		t.Errorf("%+v", s)
	}
	b.Again(t)
	b.started("a", 2)
	b.stop()
}

// A single service whose folder changes as it ends, so that another look at it is due
// at that moment, is not supervised again.
func TestSingleEndsOnce(t *testing.T) {
	t.Parallel()
	for wait := range 12 {
		t.Run(fmt.Sprint(wait), func(t *testing.T) {
			t.Parallel()
			scan := t.TempDir()
			run := fmt.Sprintf("#!/bin/sh\ntrap 'echo >new; sleep 0.%03d; exit' TERM\necho $$ >>starts\nwhile :; do sleep 0.01; done\n", 9+wait)
			supervisetest.Make(t, scan, services{"a": {"run": run}})
			b := &box{t, scan, supervisetest.Start(t, filepath.Join(scan, "a"), own("supervise"))}
			b.started("a", 1)
			does(t, own("svc"), "-dx", b.dir("a"))
			if err := b.Wait(t); err != nil {
				t.Error(err)
			}
		})
	}
}

// When a supervisor has ended, no FIFO has a reader and no lock a holder.
func TestNothingLeft(t *testing.T) {
	t.Parallel()
	eachDialect(t, services{"a": {"run": sleeping, "log/run": "#!/bin/sh\nexec multilog t ./main\n"}, "b": {"run": sleeping, "down": ""}}, func(t *testing.T, b *box, _ string) {
		b.started("a", 1)
		b.down("b")
		b.stop()
		for _, name := range []string{"a", "a/log", "b"} {
			for _, fifo := range []string{"control", "ok"} {
				fd, err := unix.Open(filepath.Join(b.dir(name), "supervise", fifo), unix.O_WRONLY|unix.O_NONBLOCK, 0)
				if !errors.Is(err, unix.ENXIO) {
					t.Errorf("%s of %s: %v", fifo, name, err)
					unix.Close(fd)
				}
			}
			f, err := os.Open(filepath.Join(b.dir(name), "supervise/lock"))
			if err != nil {
				t.Fatal(err)
			}
			if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
				t.Errorf("the lock of %s: %v", name, err)
			}
			f.Close()
			if s := b.status(name); s.PID != 0 {
				t.Errorf("%s: %+v", name, s)
			}
			if _, err := os.Stat(filepath.Join(b.dir(name), servicedir.More)); err == nil {
				t.Errorf("%s has details still", name)
			}
		}
	})
}
