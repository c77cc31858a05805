package supervisetest

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

func diskScenarios() []Scenario {
	return []Scenario{
		{"full disk for the logs", []string{"root"}, 2, fullLog},
		{"full disk for what is known of services", []string{"root"}, 2, fullStatus},
	}
}

// newDisk returns a folder that is a small disk of its own, mounted nowhere.
//
// Source: fsopen(2), fsmount(2), Linux 5.2.
func newDisk(f *Fault, size string) string {
	f.Helper()
	conf, err := unix.Fsopen("tmpfs", unix.FSOPEN_CLOEXEC)
	if err != nil {
		f.Fatal(err)
	}
	defer unix.Close(conf)
	if err := unix.FsconfigSetString(conf, "size", size); err != nil {
		f.Fatal(err)
	}
	if err := unix.FsconfigCreate(conf); err != nil {
		f.Fatal(err)
	}
	disk, err := unix.Fsmount(conf, unix.FSMOUNT_CLOEXEC, 0)
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { unix.Close(disk) })
	return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), disk)
}

// fill takes all the room of a disk but a little.
func fill(f *Fault, disk string, leave int64) (path string) {
	f.Helper()
	path = filepath.Join(disk, "ballast")
	ballast, err := os.Create(path)
	if err != nil {
		f.Fatal(err)
	}
	defer ballast.Close()
	page := make([]byte, 4096)
	for err == nil {
		_, err = ballast.Write(page)
	}
	info, err := ballast.Stat()
	if err != nil {
		f.Fatal(err)
	}
	if err := ballast.Truncate(info.Size() - leave); err != nil {
		f.Fatal(err)
	}
	return path
}

// fullLog fills the disk of two logs; one service goes on with another one.
func fullLog(f *Fault) {
	l := newLoad(f, 3, 2_000)
	// What is written between two rounds stays.
	disk := newDisk(f, strconv.Itoa(48+4*f.Rounds)+"m")
	for _, name := range l.names[:2] {
		moveTo(f, filepath.Join(l.dir(name), "log"), filepath.Join(disk, name))
	}
	Make(f, l.scan, map[string]Service{"other": {"run": "#!/bin/sh\nexec sleep 100000\n", "down": ""}})
	l.start()
	for round := range f.Rounds {
		ballast := fill(f, disk, 200_000)
		f.Count.Kills++
		Until(f, "the disk is full", func() bool {
			return l.said("pausing") && pipeFull(l, l.names[0]) && pipeFull(l, l.names[1])
		})
		l.flowingOnly(l.names[2:])
		Command(f, l.dir("other"), "u")
		Until(f, "it still obeys", func() bool { return Details(l.dir("other")).PID != 0 })
		Command(f, l.dir("other"), "d")
		Until(f, "it still obeys", func() bool { return Details(l.dir("other")).PID == 0 })
		if round%2 == 1 {
			pid := l.worker(0)
			signalTo(pid, "KILL")
			l.worker(pid)
			l.flowingOnly(l.names[2:])
		}
		if err := os.Remove(ballast); err != nil {
			f.Fatal(err)
		}
		l.flowing()
	}
	l.stop()
}

// pipeFull returns whether nothing more of a service is taken for now.
func pipeFull(l *load, name string) bool {
	list := l.instances(name)
	if len(list) == 0 {
		return false
	}
	var pid int
	_, _ = fmt.Sscanf(list[0], "%d.", &pid)
	n, size, err := pipeOf(pid)
	// Not every page of a pipe is full when there is no room for a line in it.
	return err == nil && n > size/2
}

// pipeOf returns how much is in the pipe that a process writes to, and how much
// there may be.
func pipeOf(pid int) (n, size int, err error) {
	fd, err := unix.Open("/proc/"+itoa(pid)+"/fd/1", unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, 0, err
	}
	defer unix.Close(fd)
	if n, err = unix.IoctlGetInt(fd, unix.TIOCINQ); err != nil {
		return 0, 0, err
	}
	size, err = unix.FcntlInt(uintptr(fd), unix.F_GETPIPE_SZ, 0)
	return n, size, err
}

// moveTo moves a folder to a place, and leaves a link.
func moveTo(f *Fault, from, to string) {
	f.Helper()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		f.Fatal(err)
	}
	if err := os.RemoveAll(from); err != nil {
		f.Fatal(err)
	}
	if err := os.Symlink(to, from); err != nil {
		f.Fatal(err)
	}
}

// fullStatus has no room for what is written down of services, and then kills.
func fullStatus(f *Fault) {
	l := newLoad(f, 2, 2_000)
	disk := newDisk(f, "2m")
	for _, name := range l.names {
		if err := os.MkdirAll(filepath.Join(disk, name), 0o755); err != nil {
			f.Fatal(err)
		}
		if err := os.Symlink(filepath.Join(disk, name), filepath.Join(l.dir(name), "supervise")); err != nil {
			f.Fatal(err)
		}
	}
	_ = fill(f, disk, 0)
	l.start()
	for range f.Rounds {
		l.flowing()
		pid := l.worker(0)
		signalTo(pid, "KILL")
		l.worker(pid)
		l.flowing()
		l.killBoth()
		f.Count.Kills += 2
	}
	l.flowing()
	if !l.said("unable to write supervise/status: ") {
		f.Errorf("nothing was said of the full disk")
	}
	l.stop()
}
