package bridge

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"scgikit/internal/spawn"
)

// A script may read what it has written itself, between the moment in which its output
// is there and the one in which it is read. Nothing waits for it then.
func TestScriptTakesItsOutput(t *testing.T) {
	path := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(path, []byte("#!/bin/sh\nread x\nprintf %s \"$x\"; printf %s \"$x\" >&2\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	stdin, err := newPipe()
	if err != nil {
		t.Fatal(err)
	}
	s := &script{name: "script", path: path, argv: []string{path}}
	x := &exchange{script: s, opts: &Options{}, log: quiet, conn: &connection{}}
	x.proc, err = start(s, &Setting{}, spawn.Plainly, stdin[0], os.Environ())
	unix.Close(stdin[0])
	if err != nil {
		t.Fatal(err)
	}
	defer x.proc.close()
	// Nothing is there now. If they waited, this would end the script.
	end := time.AfterFunc(5*time.Second, func() { x.proc.kill(unix.SIGKILL) })
	x.readStderr()
	if x.proc.stderr < 0 {
		t.Error("standard error is not read any more")
	}
	if err := x.readHead(); err != nil {
		t.Error(err)
	}
	if done, err := x.transfer(); done || err != nil {
		t.Errorf("the answer has ended: %v, %v", done, err)
	}
	x.handleEnd([]unix.PollFd{{}, {}, {Revents: unix.POLLIN}})
	if x.proc.stdout < 0 {
		t.Error("the output is not read any more")
	}
	if !end.Stop() {
		t.Error("it has waited")
	}
	if _, err := unix.Write(stdin[1], []byte("word\n")); err != nil {
		t.Error(err)
	}
	unix.Close(stdin[1])
	x.proc.wait()
	buf := make([]byte, 16)
	for _, fd := range []int{x.proc.stdout, x.proc.stderr} {
		if n, err := readPipe(fd, buf); string(buf[:max(n, 0)]) != "word" || errors.Is(err, unix.EAGAIN) {
			t.Errorf("read %q, %v", buf[:max(n, 0)], err)
		}
	}
}
