package main

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"scgikit/internal/need"
)

// listenAt starts scgi-run listen with a bridge behind it, which ends with the
// test, and waits until it says that it listens.
func listenAt(t *testing.T, address string, more ...string) *exec.Cmd {
	t.Helper()
	scripts := folder(t, map[string]string{"hello": helloScript})
	ready, said, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer ready.Close()
	words := append(append([]string{"listen", "--ready=3"}, more...), address, scgiRun(t), "bridge", "--listen=fd:0", "--mount=/", scripts)
	cmd := exec.Command(scgiRun(t), words...)
	cmd.ExtraFiles, cmd.Stderr = []*os.File{said}, os.Stderr
	cmd.Env = append(os.Environ(), noRaceSleep)
	err = cmd.Start()
	said.Close()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			t.Errorf("the end: %v", err)
		}
	})
	ready.SetReadDeadline(time.Now().Add(patience))
	if line, err := bufio.NewReader(ready).ReadString('\n'); line != "\n" {
		t.Fatalf("it says %q, %v, and not that it listens", line, err)
	}
	return cmd
}

var askHello = call{headers: []header{{"SCRIPT_NAME", "/hello"}}}

// What listens as the one and serves as the other.
func TestListen(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "s")
	own := fmt.Sprintf(":%d", os.Getgid())
	for range 2 { // the second time in the place of the first one's
		t.Run("", func(t *testing.T) {
			listenAt(t, "unix:"+path, "--socket-mode=0620", "--socket-owner="+own, "--backlog=7")
			info, err := os.Stat(path)
			if err != nil || info.Mode() != os.ModeSocket|0o620 {
				t.Errorf("%v, %v", info.Mode(), err)
			}
			if got := askAt(t, "unix", path, askHello); got != helloAnswer {
				t.Errorf("answer %q", got)
			}
		})
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("the folder has %v", entries)
	}
}

func TestListenPort(t *testing.T) {
	t.Parallel()
	address := freeAddr(t)
	listenAt(t, address)
	if got := askAt(t, "tcp", address, askHello); got != helloAnswer {
		t.Errorf("answer %q", got)
	}
}

// What cannot be is said, and nothing is started.
func TestListenRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("stays"), 0o644); err != nil {
		t.Fatal(err)
	}
	taken, err := net.Listen("unix", filepath.Join(dir, "taken"))
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	long := "unix:/" + strings.Repeat("x", 120)
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{nil, 100, "want ADDRESS and PROGRAM"},
		{[]string{"unix:/x"}, 100, "want ADDRESS and PROGRAM"},
		{[]string{"fd:3", "true"}, 100, "want ADDRESS:PORT"},
		{[]string{"systemd", "true"}, 100, "want ADDRESS:PORT"},
		{[]string{"0.0.0.0:8040", "true"}, 100, "--public"},
		{[]string{"--ready=2", "unix:/x", "true"}, 100, "--ready 2"},
		{[]string{"--ready=77", "unix:" + filepath.Join(dir, "r"), "true"}, 111, "--ready 77"},
		{[]string{long, "true"}, 100, "path longer"},
		{[]string{"unix:" + file, "true"}, 111, "not a socket"},
		{[]string{"unix:" + filepath.Join(dir, "taken"), "true"}, 111, "somebody listens there already"},
		{[]string{"unix:" + filepath.Join(dir, "none", "s"), "true"}, 111, "no such file"},
		{[]string{"unix:" + filepath.Join(dir, "p"), filepath.Join(dir, "no-program")}, 111, "unable to run"},
	} {
		out, err := exec.CommandContext(t.Context(), scgiRun(t), append([]string{"listen"}, c.args...)...).CombinedOutput()
		exit, failed := errors.AsType[*exec.ExitError](err)
		if !failed || exit.ExitCode() != c.code || !strings.Contains(string(out), c.says) {
			t.Errorf("%.60q: %v, %q; want %d, %s", c.args, err, out, c.code, c.says)
		}
	}
	if data, _ := os.ReadFile(file); string(data) != "stays" {
		t.Error("the file was replaced")
	}
}

// Root makes no socket where another user could put a link in its place.
func TestListenForeignFolder(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		need.Missing(t, "root")
	}
	for _, c := range []struct {
		uid, gid int
		mode     os.FileMode
	}{{65534, 0, 0o755}, {65534, 0, 0o755 | os.ModeSticky}, {0, 65534, 0o775}} {
		dir := filepath.Join(t.TempDir(), "d")
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(dir, c.uid, c.gid); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(dir, c.mode); err != nil {
			t.Fatal(err)
		}
		out, _ := exec.CommandContext(t.Context(), scgiRun(t), "listen", "unix:"+filepath.Join(dir, "s"), "true").CombinedOutput()
		if entries, _ := os.ReadDir(dir); !strings.Contains(string(out), "others than root") || len(entries) > 0 {
			t.Errorf("%+v: %q, %v", c, out, entries)
		}
	}
}
