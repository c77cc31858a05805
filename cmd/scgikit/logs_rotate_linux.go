package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// askRotation sends ALRM to the logger of a folder, which is who holds the lock
// on DIR/lock: the kernel knows, and no file that says so is believed. A lock
// that is held by a program that ALRM would kill is not a logger's.
//
// Source: proc_locks(5), pidfd_open(2); daemontools 0.76, multilog.c.
func askRotation(dir string) (pid int, err error) {
	folder, err := os.OpenFile(dir, os.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return 0, err
	}
	defer folder.Close() //nolint:errcheck // opened for reading
	var lock unix.Stat_t
	if err := unix.Fstatat(int(folder.Fd()), "lock", &lock, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return 0, errNoLogger
		}
		return 0, err
	}
	if lock.Mode&unix.S_IFMT != unix.S_IFREG || lock.Nlink != 1 {
		return 0, errUnsafeLock
	}
	pid, err = holder(&lock)
	if err != nil {
		return 0, err
	}
	fd, err := unix.PidfdOpen(pid, 0)
	if errors.Is(err, unix.ESRCH) {
		return 0, errNoLogger
	}
	if err != nil {
		return 0, err
	}
	defer unix.Close(fd)
	// The descriptor is the process for certain; its number could have been
	// given to another one before it was opened.
	if again, err := holder(&lock); err != nil || again != pid {
		return 0, errNoLogger
	}
	if !catches(pid, unix.SIGALRM) {
		return 0, fmt.Errorf("is held by process %d, %w", pid, errNotLogger)
	}
	return pid, unix.PidfdSendSignal(fd, unix.SIGALRM, nil, 0)
}

// holder returns the process that holds the lock on a file.
func holder(file *unix.Stat_t) (pid int, err error) {
	text, err := os.ReadFile("/proc/locks")
	if err != nil {
		return 0, err
	}
	exact := fmt.Sprintf("%02x:%02x:%d", unix.Major(file.Dev), unix.Minor(file.Dev), file.Ino)
	inode := ":" + strconv.FormatUint(file.Ino, 10)
	for line := range strings.Lines(string(text)) {
		// "1: FLOCK  ADVISORY  WRITE 695 00:17:1234 0 EOF"; "1: ->" is one that waits.
		words := strings.Fields(line)
		if len(words) < 6 || words[1] != "FLOCK" && words[1] != "POSIX" || !strings.HasSuffix(words[5], inode) {
			continue
		}
		pid, err := strconv.Atoi(words[4])
		if err != nil || pid <= 0 {
			continue // it is in a container that this process does not see into
		}
		// Some file systems have another device number here than stat(2) gives.
		if words[5] == exact || hasOpen(pid, file) {
			return pid, nil
		}
	}
	return 0, errNoLogger
}

// hasOpen reports whether a process has a file open.
func hasOpen(pid int, file *unix.Stat_t) bool {
	names, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	return err == nil && slices.ContainsFunc(names, func(name string) bool {
		var st unix.Stat_t
		return unix.Stat(name, &st) == nil && st.Dev == file.Dev && st.Ino == file.Ino
	})
}

// catches reports whether a process handles a signal.
//
// Source: proc_pid_status(5), SigCgt.
func catches(pid int, signal unix.Signal) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(text)) {
		if mask, ok := strings.CutPrefix(line, "SigCgt:"); ok {
			bits, err := strconv.ParseUint(strings.TrimSpace(mask), 16, 64)
			return err == nil && bits>>(uint(signal)-1)&1 == 1
		}
	}
	return false
}
