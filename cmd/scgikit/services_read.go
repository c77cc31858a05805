package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"scgikit/internal/servicedir"
)

// isS6 reports whether the folder has been s6-supervise's, which knows no ok.
func isS6(dir string) bool {
	if _, err := os.Lstat(filepath.Join(dir, servicedir.OK)); err == nil {
		return false
	}
	return isFolder(filepath.Join(dir, "event")) == nil && isFolder(filepath.Join(dir, servicedir.Dir)) == nil
}

// familyOf tells who wrote a status file of that length.
func familyOf(dir string, size int) supervisorKind {
	const daemontools, runit = 18, 20
	switch size {
	case daemontools:
		return kindDaemontools
	case servicedir.Size:
		return kindScgikit
	case runit:
		if _, err := os.Lstat(filepath.Join(dir, servicedir.Text)); err == nil {
			return kindRunit
		}
	}
	return kindEncore
}

// readRegular reads a small file, unless it is none: whoever may write in the
// folder can not make a reader wait.
func readRegular(path string) ([]byte, error) {
	const most = 64 << 10
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // opened for reading
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("is no regular file")
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return io.ReadAll(io.LimitReader(f, most))
}

// isZombie reports whether a process has ended and nobody has asked how.
// daemontools sleeps for a second behind every start, and its status says "up"
// until then.
//
// Source: proc_pid_stat(5); supervise.c of daemontools 0.76, trystart.
func isZombie(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false // not Linux, or not for us to see
	}
	_, behind, _ := strings.Cut(string(text[bytes.LastIndexByte(text, ')')+1:]), " ")
	return strings.HasPrefix(behind, "Z")
}

// saysReady reports whether the service has a way to say that it is ready; where
// it has none, it counts as ready from its start.
func saysReady(dir string) bool {
	for _, name := range []string{"notification-fd", "check"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
			return true
		}
	}
	return false
}
