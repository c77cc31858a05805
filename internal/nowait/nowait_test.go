//go:build unix

package nowait

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// pair is a pair of connected sockets that do not block.
func pair(t *testing.T) (a, b int) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range fds {
		if err := unix.SetNonblock(fd, true); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { unix.Close(fd) })
	}
	return fds[0], fds[1]
}

func TestSockets(t *testing.T) {
	a, b := pair(t)
	buf := make([]byte, 16)
	if n, err := Recv(b, buf, 0); n != 0 || !errors.Is(err, unix.EAGAIN) {
		t.Errorf("nothing has been sent, and it received %d, %v", n, err)
	}
	pfds := []unix.PollFd{{Fd: int32(b), Events: unix.POLLIN}, {Fd: -1}}
	if n, err := Poll(pfds); n != 0 || err != nil {
		t.Errorf("poll says %d, %v", n, err)
	}
	if n, err := Send(a, []byte("one ")); n != 4 || err != nil {
		t.Errorf("sent %d, %v", n, err)
	}
	if n, err := SendBoth(a, []byte("two "), []byte("three")); n != 9 || err != nil {
		t.Errorf("sent %d, %v", n, err)
	}
	if n, err := SendBoth(a, nil, []byte("!")); n != 1 || err != nil {
		t.Errorf("sent %d, %v", n, err)
	}
	if n, err := Poll(pfds); n != 1 || err != nil || pfds[0].Revents != unix.POLLIN {
		t.Errorf("poll says %d, %v, %#x", n, err, pfds[0].Revents)
	}
	if n, err := Recv(b, buf, unix.MSG_PEEK); string(buf[:n]) != "one two three!" || err != nil {
		t.Errorf("looked at %q, %v", buf[:n], err)
	}
	if n, err := Recv(b, buf[:4], 0); string(buf[:n]) != "one " || err != nil {
		t.Errorf("received %q, %v", buf[:n], err)
	}
	if n, err := Read(b, buf); string(buf[:n]) != "two three!" || err != nil {
		t.Errorf("read %q, %v", buf[:n], err)
	}
	Shutdown(a, unix.SHUT_WR)
	if n, err := Recv(b, buf, 0); n != 0 || err != nil {
		t.Errorf("at the end it received %d, %v", n, err)
	}
	if n, err := Recv(b, nil, 0); n != 0 || err != nil {
		t.Errorf("into no room it received %d, %v", n, err)
	}
}

// Who sends to a connection that has been closed gets an error and no signal.
func TestSendToNobody(t *testing.T) {
	a, b := pair(t)
	Close(b)
	if n, err := Send(a, []byte("x")); n != 0 || !errors.Is(err, unix.EPIPE) {
		t.Errorf("sent %d, %v", n, err)
	}
	if n, err := SendBoth(a, []byte("x"), []byte("y")); n != 0 || !errors.Is(err, unix.EPIPE) {
		t.Errorf("sent %d, %v", n, err)
	}
	if n, err := Recv(900, make([]byte, 1), 0); n != 0 || !errors.Is(err, unix.EBADF) {
		t.Errorf("from no descriptor it received %d, %v", n, err)
	}
}

// Stat says what package os says.
func TestStat(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o640); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(file, 0o640|os.ModeSetuid); err != nil {
		t.Fatal(err)
	}
	for link, target := range map[string]string{"link": "file", "none": "nowhere"} {
		if err := os.Symlink(target, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	folder, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer folder.Close()
	fd := int(folder.Fd())
	for _, tt := range []struct {
		name   string
		follow bool
	}{{"file", false}, {"link", false}, {"link", true}, {"none", false}, {".", true}} {
		look := os.Lstat
		if tt.follow {
			look = os.Stat
		}
		info, err := look(filepath.Join(dir, tt.name))
		if err != nil {
			t.Fatal(err)
		}
		got, err := Stat(fd, tt.name, tt.follow)
		if want := StatusOf(info); got != want || err != nil {
			t.Errorf("%s, follow %v: got %+v, %v, want %+v", tt.name, tt.follow, got, err, want)
		}
		if got, err := Stat(Here, filepath.Join(dir, tt.name), tt.follow); got != StatusOf(info) || err != nil {
			t.Errorf("by its path, %s, follow %v: got %+v, %v", tt.name, tt.follow, got, err)
		}
	}
	for name, want := range map[string]error{"nothing": unix.ENOENT, "none": unix.ENOENT, "file/x": unix.ENOTDIR, "a\x00b": unix.EINVAL} {
		if _, err := Stat(fd, name, true); !errors.Is(err, want) {
			t.Errorf("%q: got %v, want %v", name, err, want)
		}
	}
	status, err := Stat(fd, "link", false)
	if err != nil || !status.Is(syscall.S_IFLNK) || status.Is(syscall.S_IFREG) {
		t.Errorf("a link is %+v, %v", status, err)
	}
}

func TestReap(t *testing.T) {
	cmd := exec.Command("/bin/sh", "-c", "read x; exit 7")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if ended, _, err := Reap(cmd.Process.Pid); ended != 0 || err != nil {
		t.Errorf("it runs, and got %d, %v", ended, err)
	}
	in.Close()
	for {
		ended, status, err := Reap(cmd.Process.Pid)
		if err != nil {
			t.Fatal(err)
		}
		if ended == 0 {
			continue // it ends
		}
		if ended != cmd.Process.Pid || status.ExitStatus() != 7 {
			t.Errorf("got %d, %d", ended, status.ExitStatus())
		}
		break
	}
	if _, _, err := Reap(cmd.Process.Pid); !errors.Is(err, unix.ECHILD) {
		t.Errorf("there is none any more, and got %v", err)
	}
}
