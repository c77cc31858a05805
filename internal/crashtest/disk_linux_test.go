package crashtest

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"scgikit/internal/need"
)

// newDisk returns a folder that is a small disk of its own: a tmpfs that is
// mounted nowhere, so that nothing outlives the test.
//
// Source: fsopen(2), fsmount(2), Linux 5.2.
func newDisk(t *testing.T, size string) string {
	t.Helper()
	need.Root(t)
	conf, err := unix.Fsopen("tmpfs", unix.FSOPEN_CLOEXEC)
	if err != nil {
		need.Missing(t, "root") // a container's root, who may not mount
	}
	defer unix.Close(conf)
	if err := unix.FsconfigSetString(conf, "size", size); err != nil {
		t.Fatal(err)
	}
	if err := unix.FsconfigCreate(conf); err != nil {
		t.Fatal(err)
	}
	disk, err := unix.Fsmount(conf, unix.FSMOUNT_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(disk) })
	return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), disk)
}

// fill takes all the room of a disk but a little.
func fill(t *testing.T, disk string, leave int) (path string) {
	t.Helper()
	path = filepath.Join(disk, "ballast")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	page := make([]byte, 4096)
	for err == nil {
		_, err = f.Write(page)
	}
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Truncate(info.Size() - int64(leave)); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestFullDisk fills a disk. When there is room again, every line is there.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	const unable = "multilog: warning: unable to write to "
	tests := []struct {
		name, script string
		feed         feed
		during       string // "", "kill" or "term": what happens to the logger while the disk is full
		folders      []folder
	}{
		{"plain", "s20000 n1000 ./a", feed{}, "", []folder{{"a", expected{size: 20000}}}},
		{"stamped", "t s20000 n1000 ./a", feed{split: true}, "", []folder{{"a", expected{stamped: true, size: 20000}}}},
		{"long lines", "s20000 n1000 ./a", feed{shape: long, split: true}, "", []folder{{"a", expected{size: 20000}}}},
		{"two folders", "t s20000 n1000 ./a s50000 ./b", feed{split: true}, "", []folder{
			{"a", expected{stamped: true, size: 20000}}, {"b", expected{stamped: true, size: 50000}},
		}},
		{"status", "s20000 n1000 =status ./a", feed{}, "", []folder{{"a", expected{size: 20000}}}},
		{"processor", "s20000 n1000 !tr\ta-z\tA-Z ./a", feed{}, "", []folder{{"a", expected{size: 20000, upper: true}}}},
		{"gzip", "s20000 n1000 zgzip ./a", feed{}, "", []folder{{"a", expected{size: 20000}}}},
		{"killed", "t s20000 n1000 ./a", feed{split: true}, "kill", []folder{{"a", expected{stamped: true, size: 20000}}}},
		{"killed with two folders", "s20000 n1000 ./a s16777215 ./b", feed{split: true}, "kill", []folder{
			{"a", expected{size: 20000}}, {"b", expected{size: 16777215}},
		}},
		{"terminated", "t s20000 n1000 ./a", feed{split: true}, "term", []folder{{"a", expected{stamped: true, size: 20000}}}},
	}
	command := ours(t)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			disk := newDisk(t, "2m")
			p := newPipe(t)
			words := slices.Concat(command, split(test.script))
			ballast := fill(t, disk, 600_000)
			f := feeder{feed: test.feed}
			f.start(p, 1)
			l := launch(t, disk, p.read, words...)
			until(t, "the disk is full", func() bool { return strings.Contains(l.stderr.String(), ", pausing") })
			if test.name == "plain" && !strings.Contains(l.stderr.String(), unable+"./a/current, pausing: out of disk space\n") {
				t.Errorf("said %q", l.stderr)
			}
			switch test.during {
			case "kill":
				l.signal(t, syscall.SIGKILL)
				l.end(t, -int(syscall.SIGKILL))
				l = launch(t, disk, p.read, words...)
			case "term":
				l.signal(t, syscall.SIGTERM)
				l.end(t, 111)
				os.Remove(ballast)
				l = launch(t, disk, p.read, words...)
			}
			f.stop.Store(true) // the disk would not hold much more
			os.Remove(ballast)
			f.end(t)
			p.write.Close()
			l.end(t, 0)
			for _, folder := range test.folders {
				folder.want.shape, folder.want.lines = test.feed.shape, f.lines
				if v := inspect(t, filepath.Join(disk, folder.name), folder.want); !v.ok() {
					t.Errorf("%s: of %d lines %v", folder.name, f.lines, v)
				}
			}
		})
	}
}

// TestLimits runs loggers with too few descriptors, with files that may not
// grow, without a standard input.
func TestLimits(t *testing.T) {
	t.Parallel()
	command := ours(t)
	t.Run("file size", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		p := newPipe(t)
		f := feeder{feed: feed{split: true}}
		l := launch(t, dir, p.read, slices.Concat(command, split("t n1000 s16777215 ./a"))...)
		reading(t, filepath.Join(dir, "a"))
		limit := func(bytes uint64) {
			if err := unix.Prlimit(l.cmd.Process.Pid, unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: bytes, Max: unix.RLIM_INFINITY}, nil); err != nil {
				t.Fatal(err)
			}
		}
		limit(54_321)
		f.start(p, 1)
		until(t, "the limit is reached", func() bool { return strings.Contains(l.stderr.String(), "unable to write to ./a/current, pausing: ") })
		limit(unix.RLIM_INFINITY)
		f.end(t)
		p.write.Close()
		l.end(t, 0)
		if v := inspect(t, filepath.Join(dir, "a"), expected{stamped: true, lines: f.lines}); !v.ok() {
			t.Errorf("of %d lines %v", f.lines, v)
		}
	})
	for n := 3; n <= 20; n++ {
		t.Run(fmt.Sprintf("%d descriptors", n), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			shell := []string{"sh", "-c", fmt.Sprintf(`ulimit -n %d; exec "$@"`, n), "sh"}
			afterwards(t, dir, func(p *pipe) {
				l := launch(t, dir, p.read, slices.Concat(shell, command, split("t n1000 s4096 ./a"))...)
				if code := l.finish(t, p); code != 0 && (code != 111 || l.stderr.String() == "") {
					t.Errorf("ended with %d\n%s", code, l.stderr)
				}
			}, slices.Concat(command, split("t n1000 s4096 ./a")))
		})
	}
	t.Run("no input", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		l := launch(t, dir, nil, slices.Concat([]string{"sh", "-c", `exec "$@" <&-`, "sh"}, command, split("./a"))...)
		if code := l.wait(t); code != 0 && code != 111 {
			t.Errorf("ended with %d\n%s", code, l.stderr)
		}
		if text := content(t, filepath.Join(dir, "a")); text != "" {
			t.Errorf("logged %q", text)
		}
	})
	t.Run("an input that does not wait", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		p := newPipe(t)
		// svlogd and s6-log leave a shared pipe like this.
		if err := unix.SetNonblock(int(p.read.Fd()), true); err != nil {
			t.Fatal(err)
		}
		l := launch(t, dir, p.read, slices.Concat(command, split("./a"))...)
		reading(t, filepath.Join(dir, "a"))
		for _, line := range []string{"one\n", "two\n"} {
			select {
			case <-l.done:
				t.Fatalf("the logger took a pipe with nothing in it for one at its end\n%s", l.stderr)
			case <-time.After(30 * time.Millisecond):
			}
			if _, err := p.write.WriteString(line); err != nil {
				t.Fatal(err)
			}
		}
		p.write.Close()
		l.end(t, 0)
		if text := content(t, filepath.Join(dir, "a")); text != "one\ntwo\n" {
			t.Errorf("logged %q", text)
		}
	})
}

// afterwards puts some lines into a pipe, does something with it that may fail,
// then adds more, runs a logger that does not fail, and finds every line once.
func afterwards(t *testing.T, dir string, do func(p *pipe), words []string) {
	t.Helper()
	p := newPipe(t)
	lines := 0
	give := func(size int) {
		var input []byte
		for ; len(input) < size; lines++ {
			input = appendLine(input, mixed, lines)
		}
		if _, err := p.write.Write(input); err != nil {
			t.Fatal(err)
		}
	}
	give(10_000)
	do(p)
	give(10_000)
	p.write.Close()
	l := launch(t, dir, p.read, words...)
	l.end(t, 0)
	want := expected{stamped: slices.Contains(words, "t"), lines: lines, size: 4096}
	if v := inspect(t, filepath.Join(dir, "a"), want); !v.ok() {
		t.Errorf("of %d lines %v", lines, v)
	}
}

// finish ends a logger once it has read everything, or can not, or has ended by
// itself.
func (l *logger) finish(t *testing.T, p *pipe) int {
	t.Helper()
	until(t, "the logger reads or ends", func() bool {
		return p.unread(t) == 0 || len(l.done) > 0 || strings.Contains(l.stderr.String(), ", pausing")
	})
	l.cmd.Process.Signal(syscall.SIGTERM)
	return l.wait(t)
}

// TestReadOnly starts a logger where it can not write: it says so and takes
// nothing out of the pipe.
func TestReadOnly(t *testing.T) {
	t.Parallel()
	command := ours(t)
	disk := newDisk(t, "1m")
	for _, name := range []string{"a", "b"} {
		if err := os.Mkdir(filepath.Join(disk, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	disk = readOnly(t, disk)
	p := newPipe(t)
	p.write.WriteString("line\n")
	l := launch(t, disk, p.read, slices.Concat(command, split("./a ./b"))...)
	l.end(t, 111)
	const want = "multilog: fatal: unable to lock directory ./a: read-only file system\n"
	if got := l.stderr.String(); got != want {
		t.Errorf("said %q, want %q", got, want)
	}
	if n := p.unread(t); n != len("line\n") {
		t.Errorf("%d bytes are left in the pipe", n)
	}
}

// readOnly makes a disk read-only.
func readOnly(t *testing.T, disk string) string {
	t.Helper()
	fd, err := unix.Open(disk, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	if err := unix.MountSetattr(fd, "", unix.AT_EMPTY_PATH, &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}); err != nil {
		t.Fatal(err)
	}
	return disk
}

// TestFolderRemoved removes the folder of a running logger: it goes on as long
// as it needs no new file, then it waits and says so.
func TestFolderRemoved(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := newPipe(t)
	words := slices.Concat(ours(t), split("s4096 ./a"))
	l := launch(t, dir, p.read, words...)
	reading(t, filepath.Join(dir, "a"))
	if err := os.RemoveAll(filepath.Join(dir, "a")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "a"), 0o700); err != nil {
		t.Fatal(err)
	}
	const line = "0123456789012345678901234567890123456789012345678\n"
	p.write.WriteString(strings.Repeat(line, 100))
	const want = "multilog: warning: unable to rename current to previous in directory ./a, pausing: file does not exist\n"
	until(t, "the logger notices", func() bool { return strings.Contains(l.stderr.String(), want) })
	l.signal(t, syscall.SIGTERM)
	l.end(t, 111)
	entries, err := fs.ReadDir(os.DirFS(dir), "a")
	if err != nil || len(entries) > 0 {
		t.Fatalf("the new folder holds %v, %v", entries, err)
	}
	// What the removed folder took is gone with it; the rest is in the pipe.
	left := p.unread(t)
	if left == 0 || left%len(line) != 0 {
		t.Errorf("%d bytes are left in the pipe", left)
	}
	p.write.Close()
	l = launch(t, dir, p.read, words...)
	l.end(t, 0)
	if text := content(t, filepath.Join(dir, "a")); len(text) != left || !bytes.HasSuffix([]byte(text), []byte(line)) {
		t.Errorf("logged %d bytes of %d", len(text), left)
	}
}
