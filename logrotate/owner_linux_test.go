package logrotate

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"scgikit/internal/need"
)

// someone is a user without a name.
func someone() *Owner { return &Owner{UID: 54321, GID: 54322} }

// ownedLog is a testLog in a folder that everybody can pass through.
func ownedLog(t *testing.T) *testLog {
	t.Helper()
	need.Root(t)
	l := newTestLog(t)
	l.owner = someone()
	for path := l.root; path != os.TempDir() && path != "/"; path = filepath.Dir(path) {
		if err := os.Chmod(path, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return l
}

// chown gives a file away; links are not followed.
func (l *testLog) chown(name string, uid, gid int) {
	l.t.Helper()
	if err := os.Lchown(filepath.Join(l.root, name), uid, gid); err != nil {
		l.t.Fatal(err)
	}
}

func (l *testLog) mkdir(name string) {
	l.t.Helper()
	if err := os.Mkdir(filepath.Join(l.root, name), 0o700); err != nil {
		l.t.Fatal(err)
	}
}

// tryOpen returns why a script can not be started.
func (l *testLog) tryOpen(words ...string) error {
	l.t.Helper()
	script, err := ParseScript(words)
	if err != nil {
		l.t.Fatal(err)
	}
	logger, err := Open(Config{Script: script, Input: int(l.in.Fd()), Dir: l.dir, Owner: l.owner})
	if err == nil {
		logger.Close()
	}
	return err
}

// TestOwner: everything in the folders is the owner's, and processors run as the
// owner.
func TestOwner(t *testing.T) {
	t.Parallel()
	l := ownedLog(t)
	l.mkdir("there")
	l.chown("there", int(l.owner.UID), int(l.owner.GID))
	l.run([]byte(strings.Repeat("a line\n", 3000)),
		"s4096", "n3", "!id -u; id -g; id -G; pwd -P; cat >/dev/null; echo state >&5", "./main",
		"!", "zgzip", "./there", "znone", "./there/below", "=there/status")
	seen := 0
	for _, top := range []string{"main", "there"} {
		err := filepath.Walk(filepath.Join(l.root, top), func(path string, info os.FileInfo, err error) error {
			if err != nil {
				return err
			}
			seen++
			if st := info.Sys().(*syscall.Stat_t); st.Uid != l.owner.UID || st.Gid != l.owner.GID {
				t.Errorf("%s belongs to %d:%d", path, st.Uid, st.Gid)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if seen < 16 {
		t.Errorf("only %d files and folders", seen)
	}
	want := fmt.Sprintf("%d\n%d\n%d\n%s/main\n", l.owner.UID, l.owner.GID, l.owner.GID, l.root)
	if files := l.files("main"); len(files) != 3 || files[0] != want {
		t.Errorf("%q, want %q first", files, want)
	}
}

// TestOwnerZstd: the program that compresses runs as the owner.
func TestOwnerZstd(t *testing.T) {
	t.Parallel()
	l := ownedLog(t)
	program := filepath.Join(l.root, "compressor")
	script := "#!/bin/sh\nid -u >&2\n{ printf '\\050\\265\\057\\375'; id -u; cat >/dev/null; }\n"
	if err := os.WriteFile(program, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"from", "to"} {
		if err := os.WriteFile(filepath.Join(l.root, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	from, err := os.Open(filepath.Join(l.root, "from"))
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	to, err := os.OpenFile(filepath.Join(l.root, "to"), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer to.Close()
	if err := zstdThrough(program, from, to, l.owner, nil); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(to.Name())
	if want := string(zstdMagic) + fmt.Sprintln(l.owner.UID); err != nil || string(b) != want {
		t.Errorf("%q, want %q", b, want)
	}
}

// TestOwnerAfterKill: what a kill left before it was given to the owner is no
// obstacle.
func TestOwnerAfterKill(t *testing.T) {
	t.Parallel()
	l := ownedLog(t)
	l.mkdir("main")
	if err := l.tryOpen("./main"); err != nil {
		t.Errorf("a folder that was made: %v", err)
	}
	for _, name := range []string{"current", "lock", "state", "status"} {
		path := filepath.Join(l.root, "main", name)
		_ = os.Remove(path)
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.tryOpen("./main", "=main/status"); err != nil {
		t.Errorf("files that were made: %v", err)
	}
}

// TestOwnerRefuses: with what belongs to others no log is started, and nothing is
// done to it.
func TestOwnerRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		make   func(l *testLog)
		script string
		want   string
	}{
		{"folder of root's with a file", func(l *testLog) {
			l.mkdir("main")
			l.mkdir("main/sub")
		}, "./main", "unable to open directory ./main: belongs to another user"},
		{"folder of a third", func(l *testLog) {
			l.mkdir("main")
			l.chown("main", 54323, 54322)
		}, "./main", "unable to open directory ./main: belongs to another user"},
		{"link to a folder of root's", func(l *testLog) {
			l.mkdir("secret")
			l.link("secret", "main")
		}, "./main", "unable to open directory ./main: belongs to another user"},
		{"link of the owner's to an empty folder", func(l *testLog) {
			l.mkdir("secret")
			l.mkdir("of")
			l.chown("of", int(l.owner.UID), 0)
			l.link("../secret", "of/main")
		}, "./of/main", "unable to open directory ./of/main: belongs to another user"},
		{"new folder in root's", func(l *testLog) { l.mkdir("of") }, "./of/main", "unable to open directory ./of/main: file does not exist"},
		{"new folder behind a link", func(l *testLog) {
			l.mkdir("secret")
			l.mkdir("of")
			l.chown("of", int(l.owner.UID), 0)
			l.link("../secret", "of/link")
		}, "./of/link/main", "unable to open directory ./of/link/main: file does not exist"},
		{"status file in root's folder", func(*testLog) {}, "=status", "unable to write to directory .: belongs to another user"},
		{"status file of root's", func(l *testLog) {
			l.owned("main")
			l.file("main/status", "secret")
		}, "=main/status", "unable to write to main/status: belongs to another user"},
		{"lock of root's", func(l *testLog) {
			l.owned("main")
			l.file("main/lock", "secret")
		}, "./main", "unable to lock directory ./main: belongs to another user"},
		{"lock with a second name", func(l *testLog) {
			l.owned("main")
			l.file("secret", "")
			l.hardLink("secret", "main/lock")
		}, "./main", "unable to lock directory ./main: not a regular file with one name"},
		{"current of root's", func(l *testLog) {
			l.owned("main")
			l.file("main/current", "secret")
			if err := os.Chmod(filepath.Join(l.root, "main/current"), 0o744); err != nil {
				l.t.Fatal(err)
			}
		}, "./main", "unable to append to ./main/current: belongs to another user"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			l := ownedLog(t)
			test.make(l)
			before := l.ofRoot()
			err := l.tryOpen(test.script)
			if err == nil || err.Error() != test.want {
				t.Errorf("%v, want %q", err, test.want)
			}
			if after := l.ofRoot(); before != after {
				t.Errorf("root had\n%s\nand has\n%s", before, after)
			}
		})
	}
}

func (l *testLog) link(to, name string) {
	l.t.Helper()
	if err := os.Symlink(to, filepath.Join(l.root, name)); err != nil {
		l.t.Fatal(err)
	}
	l.chown(name, int(l.owner.UID), 0)
}

func (l *testLog) hardLink(from, name string) {
	l.t.Helper()
	if err := os.Link(filepath.Join(l.root, from), filepath.Join(l.root, name)); err != nil {
		l.t.Fatal(err)
	}
}

func (l *testLog) owned(name string) {
	l.t.Helper()
	l.mkdir(name)
	l.chown(name, int(l.owner.UID), int(l.owner.GID))
}

func (l *testLog) file(name, text string) {
	l.t.Helper()
	if err := os.WriteFile(filepath.Join(l.root, name), []byte(text), 0o600); err != nil {
		l.t.Fatal(err)
	}
}

// ofRoot lists what belongs to root, with its contents.
func (l *testLog) ofRoot() string {
	l.t.Helper()
	var list strings.Builder
	err := filepath.Walk(l.root, func(path string, info os.FileInfo, err error) error {
		if err != nil || info.Sys().(*syscall.Stat_t).Uid != 0 {
			return err
		}
		fmt.Fprintln(&list, path, info.Mode())
		if info.Mode().IsRegular() {
			b, err := os.ReadFile(path)
			fmt.Fprintf(&list, "%q\n", b)
			return err
		}
		return nil
	})
	if err != nil {
		l.t.Fatal(err)
	}
	return list.String()
}

// TestOwnerSwaps: an owner that puts links in place of the files in its folder
// while it is logged to, again and again, has root write nowhere else.
func TestOwnerSwaps(t *testing.T) {
	t.Parallel()
	l := ownedLog(t)
	l.owned("main")
	l.file("secret", "of root")
	l.mkdir("folder")
	before := l.ofRoot()
	swap := exec.Command("/bin/sh", "-c", `cd main; while read line; do
		for name in current previous processed state newstate lock @400000005000000000000001.s; do
			ln -s ../secret $name; ln ../secret $name; rm -f $name; ln -s ../folder $name; rm -f $name; mkfifo $name; rm -f $name
		done; done 2>/dev/null`)
	swap.Dir = l.root
	swap.SysProcAttr = l.owner.become(nil)
	more, err := swap.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := swap.Start(); err != nil {
		t.Fatal(err)
	}
	rounds := 10 // of some sixty programs
	if need.Thorough() {
		rounds = 100
	}
	if _, err := more.Write([]byte(strings.Repeat("go\n", rounds))); err != nil {
		t.Fatal(err)
	}
	_ = more.Close()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = swap.Wait() // it is no matter how it ended
	}()
	script, err := ParseScript([]string{"s4096", "n3", "!cat", "zgzip", "./main", "=main/status"})
	if err != nil {
		t.Fatal(err)
	}
	text := []byte(strings.Repeat("a line of a log\n", 300))
	out := int(l.out.Fd())
	if err := unix.SetNonblock(out, true); err != nil {
		t.Fatal(err)
	}
	for running := true; running; {
		select {
		case <-ended:
			running = false
		default:
		}
		logger, err := Open(Config{Script: script, Input: int(l.in.Fd()), Dir: l.dir, Owner: l.owner})
		if err != nil {
			continue
		}
		_, _ = unix.Write(out, text) // what finds no room is not needed
		for range 10 {
			if !logger.until.IsZero() {
				logger.until = time.Unix(1, 0)
			}
			logger.Step()
		}
		logger.Close()
	}
	if after := l.ofRoot(); before != after {
		t.Errorf("root had\n%s\nand has\n%s", before, after)
	}
}
