//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// group is a control group, in which a server and all that it starts run.
//
// Source: https://docs.kernel.org/admin-guide/cgroup-v2.html, "cpu.stat" and
// "cgroup.procs".
type group struct {
	path string
	dir  *os.File
}

// newGroup makes a group below the root of the hierarchy of version 2.
func newGroup(name string) (*group, error) {
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(mounts)) {
		words := strings.Fields(line)
		if len(words) < 3 || words[2] != "cgroup2" {
			continue
		}
		g := &group{path: filepath.Join(words[1], name)}
		if err := os.Mkdir(g.path, 0o755); err != nil {
			return nil, err
		}
		if g.dir, err = os.Open(g.path); err != nil {
			return nil, err
		}
		return g, nil
	}
	return nil, errors.New("no control groups of version 2 are mounted")
}

// start starts a program in the group.
func (g *group) start(cmd *exec.Cmd) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(g.dir.Fd()), Setpgid: true}
	return cmd.Start()
}

// cpu returns the processor time of all that has been in the group.
func (g *group) cpu() (time.Duration, error) {
	text, err := os.ReadFile(filepath.Join(g.path, "cpu.stat"))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if digits, ok := strings.CutPrefix(line, "usage_usec "); ok {
			us, err := strconv.ParseInt(strings.TrimSpace(digits), 10, 64)
			return time.Duration(us) * time.Microsecond, err
		}
	}
	return 0, fmt.Errorf("%s: no usage_usec in cpu.stat", g.path)
}

// processes returns the numbers of those that are in the group.
func (g *group) processes() ([]int, error) {
	text, err := os.ReadFile(filepath.Join(g.path, "cgroup.procs"))
	if err != nil {
		return nil, err
	}
	var pids []int
	for word := range strings.FieldsSeq(string(text)) {
		pid, err := strconv.Atoi(word)
		if err != nil {
			return nil, err
		}
		pids = append(pids, pid)
	}
	return pids, nil
}

// kill kills what is in the group.
func (g *group) kill() {
	for range 500 {
		pids, err := g.processes()
		if err != nil || len(pids) == 0 {
			break
		}
		for _, pid := range pids {
			_ = syscall.Kill(pid, syscall.SIGKILL) // it may have ended
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// remove removes the group. What was killed in it may take a moment to be gone.
func (g *group) remove() {
	_ = g.dir.Close()
	for range 200 {
		if os.Remove(g.path) == nil {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}
