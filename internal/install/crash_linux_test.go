package install

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"scgikit/internal/fileset"
	"scgikit/internal/need"
	"scgikit/internal/selftest"
)

// The variables of a process that changes a machine while strace kills it.
const (
	crashRoot   = "SCGIKIT_CRASH_ROOT"
	crashChange = "SCGIKIT_CRASH_CHANGE"
)

// TestMain lets the test binary be what is killed. It stays on one thread, because
// strace counts the calls of each thread by itself.
func TestMain(m *testing.M) {
	if root := os.Getenv(crashRoot); root != "" {
		runtime.LockOSThread()
		if err := crashing(root, os.Getenv(crashChange)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if root := os.Getenv(twiceRoot); root != "" {
		err := twice(root, os.Getenv(twiceBody))
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(twiceCode(err))
	}
	if dir := os.Getenv(attackDir); dir != "" {
		if err := attack(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(selftest.Tests{M: m}.Run())
}

// crashSet is what is installed: two apps whose names begin alike, and what makes
// every kind of action when one follows the other.
func crashSet(change string) *fileset.Set {
	set := new(fileset.Set)
	add := func(f fileset.File, app string) {
		f.Target, _, _ = strings.Cut(f.Path, "/")
		f.Apps = []string{app}
		_ = set.Add(f)
	}
	for _, app := range []string{"blog", "blog2"} {
		body := app + change
		if app == "blog2" {
			body = app
		}
		add(fileset.File{Path: "nginx/" + app + ".location.conf", Mode: 0o644, Data: []byte("# " + body + "\n"), Place: "server"}, app)
		add(fileset.File{Path: "inetd/" + app + ".conf", Mode: 0o644, Data: []byte(body + "\n"), Place: "inetd.conf"}, app)
		add(fileset.File{Path: "daemontools/" + app, Kind: fileset.Dir, Mode: 0o755, Place: "service"}, app)
		add(fileset.File{Path: "daemontools/" + app + "/run", Mode: 0o755, Data: []byte("#!/bin/sh\n# " + body + "\n"), Place: "service"}, app)
		add(fileset.File{Path: "daemontools/" + app + "/env", Kind: fileset.Dir, Mode: 0o700, Place: "service"}, app)
		add(fileset.File{Path: "daemontools/" + app + "/env/KEY" + map[string]string{"blog": change}[app], Kind: fileset.Symlink, Link: "/etc/key", Place: "service"}, app)
		add(fileset.File{Path: "daemontools/" + app + "/log", Kind: fileset.Dir, Mode: 0o755, Place: "service"}, app)
		add(fileset.File{Path: "daemontools/" + app + "/log/main", Kind: fileset.Dir, Mode: 0o750, User: "nobody", Group: "nogroup", Place: "service"}, app)
	}
	if change == "two" {
		add(fileset.File{Path: "nginx/blog.http.conf", Mode: 0o640, Data: []byte("# upstream\n"), Place: "http"}, "blog")
	}
	return set
}

// crashing is one run of a command: it undoes what was cut off, plans and applies.
func crashing(root, change string) error {
	m, err := OpenMachine(root)
	if err != nil {
		return err
	}
	lock, err := m.Lock()
	if err != nil {
		return err
	}
	defer lock.Unlock()
	if _, err := m.Recover(context.Background(), Options{}); err != nil {
		return err
	}
	switch change {
	case "recover":
		return nil
	case "rollback":
		p, err := m.PlanRollback(2, RefuseLocal, false)
		if err == nil {
			_, err = m.Apply(context.Background(), p, Options{Command: change})
		}
		return err
	}
	receipt, err := m.Receipt()
	if err != nil {
		return err
	}
	r := &Request{Receipt: receipt, Scope: Scope{Apps: []string{"blog", "blog2"}}}
	if change != "none" {
		places, _ := PlacesOf("debian")
		resolved, err := Resolve(crashSet(change), places, Owners{Apply: true})
		if err != nil {
			return err
		}
		r.Want = resolved.Items
		m.Expect(r.Want)
	}
	p, err := m.Plan(r)
	if err != nil {
		return err
	}
	_, err = m.Apply(context.Background(), p, Options{Command: "install"})
	return err
}

// crash is the change whose calls are cut off, one after the other.
type crash struct {
	t             *testing.T
	strace, self  string
	base, copies  string // the machine before, and where copies of it are made
	change        string
	before, after string // trees
	undone        string // the tree before what was killed
	points        []point
}

// point is one call that writes: the n-th of its name.
type point struct {
	call    string
	n       int
	receipt bool // it makes the file that will be the receipt
}

// writeCalls are the calls that are cut off. Of openat, those that make a file.
const writeCalls = "openat,mkdirat,write,fchmod,fchown,fsync,renameat,renameat2,unlinkat,symlinkat,linkat,flock"

func newCrash(t *testing.T, of cutOff) *crash {
	t.Helper()
	need.Root(t)
	c := &crash{t: t, strace: need.Program(t, "strace"), self: selftest.Program(t), change: of.change, copies: folder(t)}
	_, c.base = machine(t)
	for _, first := range of.first {
		if out, err := c.run(c.base, first, nil); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	if of.killed != "" {
		c.cut(of.killed)
	}
	c.before = tree(t, c.base)
	c.points = c.trace()
	c.after = tree(t, filepath.Join(c.copies, "root"))
	return c
}

// trace runs the change on a copy of the machine, and returns the calls that write
// below the root.
func (c *crash) trace() []point {
	c.t.Helper()
	dir := c.copy()
	trace := filepath.Join(c.t.TempDir(), "trace")
	if out, err := c.run(dir, c.change, []string{"-y", "-o", trace, "-e", "trace=" + writeCalls}); err != nil {
		c.t.Fatalf("%v\n%s", err, out)
	}
	text, err := os.ReadFile(trace)
	if err != nil {
		c.t.Fatal(err)
	}
	var points []point
	// The thread that works is the one with the renames.
	threads := make(map[string]int)
	for line := range strings.Lines(string(text)) {
		if strings.Contains(line, "rename") {
			threads[strings.Fields(line)[0]]++
		}
	}
	thread := ""
	for id, n := range threads {
		if n > threads[thread] {
			thread = id
		}
	}
	count := make(map[string]int)
	for line := range strings.Lines(string(text)) {
		words := strings.Fields(line)
		if len(words) < 2 || words[0] != thread {
			continue
		}
		call, _, ok := strings.Cut(words[1], "(")
		if !ok {
			continue
		}
		count[call]++
		if strings.Contains(line, dir) && (call != "openat" || strings.Contains(line, "O_CREAT")) {
			points = append(points, point{call, count[call], call == "openat" && strings.Contains(line, `/lib/scgikit>, ".new"`)})
		}
	}
	if len(points) < 20 {
		c.t.Fatalf("there are only %d points in\n%s", len(points), text)
	}
	return points
}

// copy returns a copy of the machine before, in the place of the last one.
func (c *crash) copy() string {
	c.t.Helper()
	dir := filepath.Join(c.copies, "root")
	if err := os.RemoveAll(dir); err != nil {
		c.t.Fatal(err)
	}
	if out, err := exec.CommandContext(c.t.Context(), "cp", "-a", c.base, dir).CombinedOutput(); err != nil {
		c.t.Fatalf("%v: %s", err, out)
	}
	return dir
}

// run changes a machine, under strace where it is given arguments.
func (c *crash) run(root, change string, strace []string) (string, error) {
	argv := []string{c.self}
	if strace != nil {
		argv = append(append([]string{c.strace, "-f", "-qq"}, strace...), argv...)
	}
	cmd := exec.CommandContext(c.t.Context(), argv[0], argv[1:]...)
	cmd.Env = append(os.Environ(), crashRoot+"="+root, crashChange+"="+change)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	return out.String(), err
}

// inject runs a change with a fault at one point. It reports whether the fault met
// a call on the machine: another one of that name, such as what the runtime writes to
// wake a thread, may have come between, and then nothing is shown.
func (c *crash) inject(root string, p point, fault string) (out string, met bool, err error) {
	c.t.Helper()
	trace := filepath.Join(c.copies, "trace")
	args := []string{"-y", "-o", trace, "-e", "trace=" + p.call, "-e", fmt.Sprintf("inject=%s:%s:when=%d", p.call, fault, p.n)}
	if strings.HasPrefix(fault, "error=") {
		// A filter in the kernel, so that other calls do not stop the program. strace
		// 6.1 sends no signals with it.
		args = append(args, "--seccomp-bpf")
	}
	out, err = c.run(root, c.change, args)
	text, readErr := os.ReadFile(trace)
	if readErr != nil {
		c.t.Fatal(readErr)
	}
	for line := range strings.Lines(string(text)) {
		met = met || strings.Contains(line, "(INJECTED)") && strings.Contains(line, root)
	}
	return out, met, err
}

// whole fails for a path that is neither as before nor as after. Folders that are
// being made, and what is written beside a file, have names or modes of their own.
func (c *crash) whole(what, now string) {
	c.t.Helper()
	known := make(map[string]bool)
	for line := range strings.Lines(c.before + "\n" + c.after) {
		known[strings.TrimSpace(line)] = true
	}
	for line := range strings.Lines(now) {
		line = strings.TrimSpace(line)
		if !known[line] && !strings.Contains(line, "/.scgikit-") && !strings.Contains(line, "/.new ") && !strings.HasPrefix(line, "drwx------ ") {
			c.t.Errorf("%s: %s is neither as before nor as after", what, line)
		}
	}
}

// again runs the change without a fault: it has to end as if nothing had been.
func (c *crash) again(what, root string) {
	c.t.Helper()
	if out, err := c.run(root, c.change, nil); err != nil {
		c.t.Errorf("%s: and once more: %v\n%s", what, err, out)
		return
	}
	if now := tree(c.t, root); now != c.after {
		c.t.Errorf("%s: and once more:\n%s\nnot\n%s", what, now, c.after)
	}
	c.noStray(what, root)
}

func (c *crash) noStray(what, root string) {
	c.t.Helper()
	_ = filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err == nil && (strings.HasPrefix(d.Name(), ".scgikit-") || d.Name() == ".new") {
			c.t.Errorf("%s: %s is left", what, name)
		}
		return nil
	})
}

// cutOff is a change that is cut off: what was done before it, and where it is what
// a run undoes, the one that was killed near its end.
type cutOff struct {
	first  []string
	killed string
	change string
}

// changes are the first install, one that makes, changes and removes, uninstalling, and
// going back.
func changes() map[string]cutOff {
	return map[string]cutOff{
		"first":     {change: "one"},
		"change":    {first: []string{"one"}, change: "two"},
		"uninstall": {first: []string{"one"}, change: "none"},
		"rollback":  {first: []string{"one", "two"}, change: "rollback"},
	}
}

// cut has the base be a machine on which a change was killed: at its last call before
// the receipt, so that all of it is to be undone.
func (c *crash) cut(change string) {
	c.t.Helper()
	c.undone = tree(c.t, c.base)
	c.change = change
	points := c.trace()
	last := len(points) - 1
	for last > 0 && !points[last].receipt {
		last--
	}
	_, _, err := c.inject(c.base, points[last], "signal=KILL")
	c.change = "recover"
	if last == 0 || err == nil || tree(c.t, c.base) == c.undone {
		c.t.Fatalf("%s was not killed at the receipt, call %d of %d: %v", change, last, len(points), err)
	}
}

// some are the calls that are tried: with CRASHTEST_ROUNDS all of them, else every
// fourth, because each takes three starts of the program.
func (c *crash) some() []point {
	if need.Thorough() {
		return c.points
	}
	var list []point
	for i := 0; i < len(c.points); i += 4 {
		list = append(list, c.points[i])
	}
	return list
}

// TestKilled kills an install at the calls that write. Every file is as before or
// as after, and the next run ends as if nothing had been.
func TestKilled(t *testing.T) {
	t.Parallel()
	for name, change := range changes() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCrash(t, change)
			missed := 0
			points := c.some()
			for _, p := range points {
				what := fmt.Sprintf("killed at %s %d", p.call, p.n)
				root := c.copy()
				out, _, err := c.inject(root, p, "signal=KILL")
				if err == nil {
					missed++
					continue
				}
				if exit, ok := errors.AsType[*exec.ExitError](err); !ok || !killed(exit) {
					t.Errorf("%s: %v\n%s", what, err, out)
				}
				c.whole(what, tree(t, root))
				c.again(what, root)
			}
			if missed > len(points)/20 {
				t.Errorf("%d of %d calls were not met", missed, len(points))
			}
			t.Attr("sum", fmt.Sprintf("%s: killed at %d of %d calls that write", name, len(points)-missed, len(c.points)))
		})
	}
}

// TestKilledRecovering kills the run that undoes what was cut off, at the calls that
// write, and the next one at the same call again. In the end all is as before the change
// that was killed first.
func TestKilledRecovering(t *testing.T) {
	t.Parallel()
	for name, of := range changes() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCrash(t, cutOff{first: of.first, killed: of.change})
			if c.after != c.undone {
				t.Fatalf("recovered:\n%s\nnot\n%s", c.after, c.undone)
			}
			missed, points := 0, c.some()
			for _, p := range points {
				what := fmt.Sprintf("killed while undoing at %s %d", p.call, p.n)
				root := c.copy()
				met := 0
				for range 2 {
					out, _, err := c.inject(root, p, "signal=KILL")
					if err == nil {
						break // the rest of it has fewer calls
					}
					met++
					if exit, ok := errors.AsType[*exec.ExitError](err); !ok || !killed(exit) {
						t.Errorf("%s: %v\n%s", what, err, out)
					}
					c.whole(what, tree(t, root))
				}
				if met == 0 {
					missed++
				}
				c.again(what, root)
			}
			if missed > len(points)/20 {
				t.Errorf("%d of %d calls were not met", missed, len(points))
			}
			t.Attr("sum", fmt.Sprintf("undoing %s: killed at %d of %d calls that write, and again", name, len(points)-missed, len(c.points)))
		})
	}
}

// killed reports whether a program was killed: strace ends itself as it did.
func killed(exit *exec.ExitError) bool {
	st, ok := exit.Sys().(syscall.WaitStatus)
	return ok && (st.Signaled() && st.Signal() == syscall.SIGKILL || st.ExitStatus() == 128+int(syscall.SIGKILL))
}

// TestFaults has the calls that write fail once. The change is undone, the
// message names a path, and the next run ends as if nothing had been. Each call
// gets one error of the list in turn; CRASHTEST_ROUNDS=5 gives each all of them.
func TestFaults(t *testing.T) {
	t.Parallel()
	faults := []string{"ENOSPC", "EIO", "EACCES", "EROFS", "EMFILE"}
	rounds := min(max(need.Rounds(t), 1), len(faults))
	for name, change := range changes() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCrash(t, change)
			tried, harmless, missed := 0, 0, 0
			for i, p := range c.some() {
				for round := range rounds {
					fault := faults[(i+round)%len(faults)]
					what := fmt.Sprintf("%s at %s %d", fault, p.call, p.n)
					root := c.copy()
					out, met, err := c.inject(root, p, "error="+fault)
					tried++
					if !met {
						missed++
						continue
					}
					if err == nil { // a file that is not there is not missed
						harmless++
						if now := tree(t, root); p.call != "unlinkat" || now != c.after {
							t.Errorf("%s: ends well, and leaves\n%s", what, now)
						}
						continue
					}
					if !strings.Contains(out, root) {
						t.Errorf("%s: the message names no path: %s", what, out)
					}
					if now := tree(t, root); now != c.before {
						t.Errorf("%s: %s\nleaves\n%s\nnot\n%s", what, out, now, c.before)
					}
					c.again(what, root)
				}
			}
			if missed > tried/20 {
				t.Errorf("%d of %d calls were not met", missed, tried)
			}
			t.Attr("sum", fmt.Sprintf("%s: %d errors at the %d calls that write, %d of them without harm", name, tried-missed, len(c.points), harmless))
		})
	}
}

// TestOrderOnDisk reads from a trace that each file is on the disk before it has
// its name, and its folder behind that: fsync, rename, fsync.
func TestOrderOnDisk(t *testing.T) {
	c := newCrash(t, cutOff{change: "one"})
	trace := filepath.Join(t.TempDir(), "trace")
	root := c.copy()
	if out, err := c.run(root, "one", []string{"-o", trace, "-e", "trace=fsync,renameat,renameat2,openat,symlinkat"}); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	text, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	var calls []string
	for line := range strings.Lines(string(text)) {
		words := strings.Fields(line)
		if call, _, ok := strings.Cut(words[1], "("); ok && (call != "openat" || strings.Contains(line, "O_CREAT")) {
			calls = append(calls, call)
		}
	}
	renames := 0
	for i, call := range calls {
		if !strings.HasPrefix(call, "renameat") {
			continue
		}
		renames++
		before := slices.Contains([]string{"fsync", "symlinkat"}, calls[i-1])
		if !before || i+1 == len(calls) || calls[i+1] != "fsync" {
			t.Errorf("around a rename: %v", calls[max(0, i-2):min(len(calls), i+3)])
		}
	}
	t.Attr("sum", fmt.Sprintf("%d renames, each between two fsyncs", renames))
}
