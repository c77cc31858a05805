package supervisetest_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"scgikit/internal/need"
	"scgikit/internal/servicedir"
	"scgikit/internal/supervisetest"
)

// replaced kills the supervisor process and waits for the next.
func (b *box) replaced() {
	b.t.Helper()
	before := supervisetest.Worker(b.PID())
	kill(b.t, before, "KILL")
	supervisetest.Until(b.t, "there is a supervisor again", func() bool {
		now := supervisetest.Worker(b.PID())
		return now != 0 && now != before
	})
}

// answers waits until the supervisor that there is has begun: it obeys.
func (b *box) answers(name string) {
	b.t.Helper()
	b.command(name, "u")
	b.is(name, "is up", func(s servicedir.Status) bool { return s.PID != 0 })
}

// A folder that was given back and is supervised anew begins anew: what its
// service has left behind before is not taken for it.
func TestMarkerOfFormerLife(t *testing.T) {
	t.Parallel()
	const run = "#!/bin/sh\nsetsid sh -c 'echo $$ >>strays; exec sleep 100000' &\necho $$ >>starts\nexec sleep 100000\n"
	b := ours(t, "s6", services{"a": {"run": run, "restart": "delay 0s\n"}, "z": {"run": sleeping, "down": ""}})
	for n := range 3 {
		b.started("a", n+1)
		supervisetest.Until(t, "it has left one behind", func() bool { return len(b.lines("a", "strays")) == n+1 })
		if n < 2 {
			b.command("a", "k")
		}
	}
	b.command("a", "dx")
	b.unsupervised("a")
	kill(t, b.PID(), "HUP")
	b.started("a", 4)
	b.command("a", "d")
	b.down("a")
	b.replaced()
	b.answers("z")
	if s := b.status("a"); s.PID != 0 {
		t.Errorf("process %d was taken for it", s.PID)
	}
	for _, pid := range b.lines("a", "strays")[:3] {
		if !supervisetest.Alive(number(pid)) {
			t.Errorf("process %s was ended", pid)
		}
	}
	b.end()
}

// The check of a service that is down, or was given back, has nothing to say.
func TestCheckEndsWithService(t *testing.T) {
	t.Parallel()
	for _, letters := range []string{"d", "dx", "1"} {
		t.Run(letters, func(t *testing.T) {
			t.Parallel()
			b := ours(t, "daemontools", services{"a": {"run": obeying, "restart": "policy never\n", "check": "#!/bin/sh\necho $$ >checking\nexec sleep 100000\n"}})
			b.started("a", 1)
			pid := pidIn(t, filepath.Join(b.dir("a"), "checking"))
			b.command("a", letters)
			ends(t, "check", pid)
			b.stop()
		})
	}
}

// A check that takes too long is killed, and the next one asks again.
func TestCheckLimit(t *testing.T) {
	t.Parallel()
	b := ours(t, "daemontools", services{"a": {"run": sleeping, "check": "#!/bin/sh\ntest -e checking && exit 0\necho $$ >checking\nexec sleep 100000\n"}})
	pid := pidIn(t, filepath.Join(b.dir("a"), "checking"))
	ends(t, "check", pid)
	b.state("a", "running")
	b.stop()
}

// What has no marker, and left its session, is known as the service's by its
// folder or its log, also by the next supervisor. Nobody else's is touched.
func TestStraysWithoutMarker(t *testing.T) {
	t.Parallel()
	setsid := need.Program(t, "setsid")
	mark := "SUPERVISETEST=\"$SUPERVISETEST\""
	stray := func(more string) string {
		return fmt.Sprintf("#!/bin/sh\n/usr/bin/env -i %s FILE=$PWD/strays %s /bin/sh -c '%s/bin/sleep 100000 & echo $! >>$FILE; /bin/sleep 100000 & echo $! >>$FILE; echo done >>$FILE' &\nuntil grep -q done strays; do sleep 0.01; done\necho $$ >>starts\nexec sleep 100000\n", mark, setsid, more)
	}
	log := "#!/bin/sh\nexec env -i " + mark + " /bin/cat >/dev/null\n"
	b := ours(t, "daemontools", services{
		"folder":  {"run": stray(""), "timeout-kill": "5000\n", "log/run": log},
		"log":     {"run": stray("cd /; "), "timeout-kill": "5000\n", "log/run": log},
		"lasting": {"run": stray("")},
		"z":       {"run": sleeping, "down": ""},
	})
	for _, name := range []string{"folder", "log", "lasting"} {
		b.started(name, 1)
	}
	b.replaced()
	b.answers("z")
	logs := map[string]int{}
	for _, name := range []string{"folder", "log"} {
		logs[name] = b.is(name+"/log", "is up", func(s servicedir.Status) bool { return s.PID != 0 }).PID
		b.command(name, "d")
		b.down(name)
		for _, pid := range b.lines(name, "strays")[:2] {
			ends(t, "stray of "+name, number(pid))
		}
	}
	for name, pid := range logs {
		if now := b.status(name + "/log").PID; now != pid || !supervisetest.Alive(pid) {
			t.Errorf("the log of %s is %d, was %d", name, now, pid)
		}
	}
	b.command("lasting", "d")
	b.down("lasting")
	for _, pid := range b.lines("lasting", "strays")[:2] {
		if !supervisetest.Alive(number(pid)) {
			t.Errorf("process %s of a service that may leave some was ended", pid)
		}
	}
	b.stop()
}

// What was started before the supervisor, by the shell that became it, is not what
// its services have left behind.
func TestEndSparesOthers(t *testing.T) {
	t.Parallel()
	scan := filepath.Join(t.TempDir(), "scan")
	supervisetest.Make(t, scan, services{"a": service(sleeping)})
	cmd := exec.Command("/bin/sh", "-c", `sleep 100000 & echo $!; exec "$0" supervise "$1"`, own("scgi-run"), scan)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, _ := bufio.NewReader(out).ReadString('\n')
	other := number(strings.TrimSpace(line))
	defer func() {
		_ = syscall.Kill(cmd.Process.Pid, syscall.SIGKILL) // they may have ended
		_ = syscall.Kill(other, syscall.SIGKILL)
	}()
	b := &box{t: t, scan: scan}
	b.started("a", 1)
	kill(t, cmd.Process.Pid, "TERM")
	supervisetest.Until(t, "it ends", func() bool { return !supervisetest.Alive(cmd.Process.Pid) })
	if !supervisetest.Alive(other) {
		t.Error("it has ended what is not its own")
	}
}

// Former folders are known to the next supervisor too.
func TestFormerFolderRemembered(t *testing.T) {
	t.Parallel()
	list := supervisetest.Service{"run": "#!/bin/sh\nsetsid sh -c 'cd /; echo $$ >$0; exec sleep 100000' $PWD/stray &\necho $$ >>starts\nexec sleep 100000\n", "timeout-kill": "5000\n"}
	b := ours(t, "daemontools", services{"a": list, "z": {"run": sleeping, "down": ""}})
	pid := b.started("a", 1)
	stray := pidIn(t, filepath.Join(b.dir("a"), "stray"))
	b.exchange("a", list)
	b.is("a", "is known in the new folder", func(s servicedir.Status) bool { return s.PID == pid })
	b.replaced()
	b.answers("z")
	if !supervisetest.Alive(stray) {
		t.Fatal("the stray has ended before it was to")
	}
	b.command("a", "d")
	ends(t, "the stray", stray)
	b.stop()
}

// exchange puts another folder in the place of a service's.
func (b *box) exchange(name string, list supervisetest.Service) {
	b.t.Helper()
	away := b.t.TempDir()
	list.Write(b.t, filepath.Join(away, "next"))
	if err := os.Rename(b.dir(name), filepath.Join(away, "old")); err != nil {
		b.t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(away, "next"), b.dir(name)); err != nil {
		b.t.Fatal(err)
	}
}

// A control group is found again under whatever name and in whatever folder the
// service was when it was made.
func TestControlGroups(t *testing.T) {
	t.Parallel()
	need.Root(t)
	group := controlGroup(t)
	mark := "SUPERVISETEST=\"$SUPERVISETEST\""
	run := "#!/bin/sh\n/usr/bin/env -i " + mark + " FILE=$PWD/stray setsid /bin/sh -c 'cd /; echo $$ >$FILE; exec /bin/sleep 100000 >/dev/null 2>&1' &\necho $$ >>starts\nexec sleep 100000\n"
	list := supervisetest.Service{"run": run, "timeout-kill": "5000\n"}
	b := ours(t, "daemontools", services{"a": list, "moved": list, "z": {"run": sleeping, "down": ""}}, "--cgroup", group)
	strays := map[string]int{}
	for old, name := range map[string]string{"a": "b", "moved": "moved"} {
		b.started(old, 1)
		strays[name] = pidIn(t, filepath.Join(b.dir(old), "stray"))
	}
	if err := os.Rename(b.dir("a"), b.dir("b")); err != nil {
		t.Fatal(err)
	}
	pid := b.status("moved").PID
	b.exchange("moved", list)
	b.is("moved", "is known in the new folder", func(s servicedir.Status) bool { return s.PID == pid })
	b.replaced()
	b.answers("z")
	for name, stray := range strays {
		if !supervisetest.Alive(stray) {
			t.Fatalf("the stray of %s has ended before it was to", name)
		}
		b.command(name, "d")
		ends(t, "the stray of "+name, stray)
	}
	b.stop()
}

// controlGroup makes a control group for a test.
func controlGroup(t *testing.T) string {
	t.Helper()
	mounts, _ := os.ReadFile("/proc/self/mountinfo")
	for line := range strings.Lines(string(mounts)) {
		before, after, _ := strings.Cut(line, " - ")
		fields := strings.Fields(before)
		if !strings.HasPrefix(after, "cgroup2 ") || len(fields) < 5 {
			continue
		}
		path, err := os.MkdirTemp(fields[4], "supervisetest")
		if err != nil {
			break
		}
		t.Cleanup(func() {
			// What was killed in them may still be about to go.
			for deadline := time.Now().Add(supervisetest.Patience); time.Now().Before(deadline); <-time.After(10 * time.Millisecond) {
				names, _ := filepath.Glob(path + "/*/cgroup.procs")
				for _, name := range names {
					_ = os.Remove(filepath.Dir(name))
				}
				if os.Remove(path) == nil {
					return
				}
			}
			t.Errorf("%s stays", path)
		})
		return path
	}
	need.Missing(t, "a control group of the second version")
	return ""
}

// A new namespace for process ids that has kept the old one's /proc: descriptors
// are named by the numbers that are good there.
func TestForeignProc(t *testing.T) {
	t.Parallel()
	need.Root(t)
	unshare := need.Program(t, "unshare")
	if out, code := tool(t, unshare, "-pf", "true"); code != 0 {
		need.Missing(t, "unshare: "+out)
	}
	b := begin(t, services{"a": {"run": "#!/bin/sh\necho x >>starts\nexec sleep 100000\n", "timeout-kill": "100\n"}}, unshare, "-pf", own("scgi-run"), "supervise")
	supervisetest.Until(t, "it is started in its folder", func() bool { return len(b.lines("a", "starts")) == 1 })
	b.command("a", "d")
	b.down("a")
	b.command("a", "u")
	supervisetest.Until(t, "it is started again", func() bool { return len(b.lines("a", "starts")) == 2 })
}
