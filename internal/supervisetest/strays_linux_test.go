package supervisetest_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"scgikit/internal/need"
	"scgikit/internal/supervisetest"
)

// pidIn waits until a file has the number of a process in it.
func pidIn(t *testing.T, path string) int {
	t.Helper()
	pid := 0
	supervisetest.Until(t, path, func() bool {
		data, err := os.ReadFile(path)
		if err != nil {
			return false
		}
		pid, err = strconv.Atoi(strings.TrimSpace(string(data)))
		return err == nil && strings.HasSuffix(string(data), "\n")
	})
	return pid
}

// ends waits until a process has ended.
func ends(t *testing.T, what string, pid int) {
	t.Helper()
	supervisetest.Until(t, what+" ends", func() bool { return !supervisetest.Alive(pid) })
}

// Nobody is taken for a service because it says so.
func TestImpostor(t *testing.T) {
	t.Parallel()
	b := ours(t, "daemontools", services{"victim": {"run": obeying}})
	b.started("victim", 1)
	b.command("victim", "d")
	b.down("victim")
	info, err := os.Stat(b.dir("victim"))
	if err != nil {
		t.Fatal(err)
	}
	st := info.Sys().(*syscall.Stat_t)
	evil := supervisetest.Service{"run": "#!/bin/sh\n"}
	for i, proof := range []string{"0000000000000000", "-", "helper", "ffffffffffffffff"} {
		for j, number := range []string{"2", "4611686018427387904"} {
			evil["run"] += fmt.Sprintf("SCGIKIT_SERVICE=%d:%d:%s:%s setsid sh -c 'echo $$ >pid%d; exec sleep 100000' &\n", st.Dev, st.Ino, number, proof, 2*i+j)
		}
	}
	evil["run"] += "exec sleep 100000\n"
	if os.Getuid() == 0 {
		evil["run"] = strings.ReplaceAll(evil["run"], " setsid sh", " setsid setpriv --reuid 65534 --clear-groups sh")
	}
	evil.Write(t, b.dir("evil"))
	if err := os.Chmod(b.dir("evil"), 0o777); err != nil {
		t.Fatal(err)
	}
	for dir := b.scan; len(dir) > len(os.TempDir()); dir = filepath.Dir(dir) {
		_ = os.Chmod(dir, 0o755)
	}
	for i := range 8 {
		pidIn(t, filepath.Join(b.dir("evil"), "pid"+strconv.Itoa(i)))
	}
	former := supervisetest.Worker(b.PID())
	kill(t, former, "KILL")
	supervisetest.Until(t, "there is a supervisor again", func() bool {
		worker := supervisetest.Worker(b.PID())
		return worker != 0 && worker != former
	})
	b.command("victim", "u")
	b.started("victim", 2)
	if d := b.details("victim"); d.Starts != 2 {
		t.Errorf("%+v", d)
	}
	b.end()
}

// What runs beside a service ends with it, also where the supervisor that started
// it is gone, and what hides from its marker at the end of all.
func TestNothingIsLeft(t *testing.T) {
	t.Parallel()
	hang := func(name string) string { return "#!/bin/sh\necho $$ >" + name + "\nexec sleep 100000\n" }
	b := ours(t, "daemontools", services{
		"check":   {"run": obeying, "check": hang("helper"), "timeout-kill": "5000\n"},
		"reload":  {"run": obeying, "reload": hang("helper"), "timeout-kill": "5000\n"},
		"control": {"run": obeying, "control/t": hang("helper"), "timeout-kill": "5000\n"},
		"plain":   {"run": "#!/bin/sh\nsetsid sh -c 'echo $$ >stray; exec sleep 100000' &\nexec sleep 100000\n", "timeout-kill": "5000\n"},
		"hidden":  {"run": "#!/bin/sh\nenv -i SUPERVISETEST=\"$SUPERVISETEST\" setsid sh -c 'echo $$ >stray; exec sleep 100000' &\nexec sleep 100000\n", "timeout-kill": "5000\n"},
	})
	b.command("reload", "l")
	b.command("control", "t")
	var helpers []int
	for _, name := range []string{"check", "reload", "control"} {
		helpers = append(helpers, pidIn(t, filepath.Join(b.dir(name), "helper")))
	}
	stray, hidden := pidIn(t, filepath.Join(b.dir("plain"), "stray")), pidIn(t, filepath.Join(b.dir("hidden"), "stray"))
	kill(t, supervisetest.Worker(b.PID()), "KILL")
	for i, pid := range helpers {
		ends(t, "helper "+strconv.Itoa(i)+" of the supervisor before", pid)
	}
	if !supervisetest.Alive(stray) || !supervisetest.Alive(hidden) {
		t.Error("more ended than was to end")
	}
	b.command("plain", "d")
	ends(t, "the stray", stray)
	b.stop()
	ends(t, "what had no marker", hidden)
}

// A service that was given another folder is still asked for what it started in
// the one before; a log that only the new one has begins.
func TestMovedService(t *testing.T) {
	t.Parallel()
	b := ours(t, "daemontools", services{"a": {"run": "#!/bin/sh\nsetsid sh -c 'echo $$ >stray; exec sleep 100000' &\necho $$ >>starts\necho printed\nexec sleep 100000\n", "timeout-kill": "5000\n"}})
	stray := pidIn(t, filepath.Join(b.dir("a"), "stray"))
	b.started("a", 1)
	next := filepath.Join(filepath.Dir(b.scan), "next")
	supervisetest.Service{
		"run": "#!/bin/sh\necho $$ >>starts\necho printed\nexec sleep 100000\n", "timeout-kill": "5000\n",
		"log/run": "#!/bin/sh\nexec multilog ./main\n",
	}.Write(t, next)
	if err := os.Rename(b.dir("a"), filepath.Join(filepath.Dir(b.scan), "old")); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(next, b.dir("a")); err != nil {
		t.Fatal(err)
	}
	b.says("a: its new folder has a log")
	b.command("a", "d")
	ends(t, "the stray", stray)
	b.command("a", "u")
	supervisetest.Until(t, "the log has a line", func() bool {
		return slices.Equal(supervisetest.LogLines(t, filepath.Join(b.dir("a"), "log/main")), []string{"printed"})
	})
	b.stop()
}

// A service that has made itself another output keeps it.
func TestPrivatePipe(t *testing.T) {
	t.Parallel()
	bash := need.Program(t, "bash")
	b := ours(t, "daemontools", services{"a": {
		"run":     "#!" + bash + "\nexec > >(exec cat >>own)\necho $$ >>starts\nfor ((i = 0; ; i++)); do echo line $i; sleep 0.01; done\n",
		"log/run": "#!/bin/sh\nexec multilog ./main\n",
	}})
	own := filepath.Join(b.dir("a"), "own")
	grows := func() {
		t.Helper()
		before, _ := os.ReadFile(own)
		supervisetest.Until(t, "it prints", func() bool {
			now, _ := os.ReadFile(own)
			return strings.Count(string(now), "\n") > strings.Count(string(before), "\n")+20
		})
	}
	pid := b.started("a", 1)
	grows()
	keeper, worker := b.PID(), supervisetest.Worker(b.PID())
	kill(t, keeper, "STOP")
	kill(t, worker, "KILL")
	kill(t, keeper, "KILL")
	_ = b.Wait(t)
	b.Again(t)
	grows()
	if now := b.status("a").PID; now != pid {
		t.Errorf("it is %d, was %d", now, pid)
	}
	data, _ := os.ReadFile(own)
	for i, line := range strings.Split(strings.TrimSuffix(string(data[:strings.LastIndexByte(string(data), '\n')]), "\n"), "\n") {
		if line != fmt.Sprint("line ", i) {
			t.Fatalf("line %d is %q", i, line)
		}
	}
	if lines := supervisetest.LogLines(t, filepath.Join(b.dir("a"), "log/main")); len(lines) > 0 {
		t.Errorf("the log has %q", lines)
	}
	kill(t, b.PID(), "TERM")
	if err := b.Wait(t); err != nil {
		t.Errorf("the supervisor: %v", err)
	}
	// Whom it prints to is nobody's child since the keeper was killed, and ends by
	// itself at the end of its input.
	supervisetest.Until(t, "nothing is left", func() bool { return len(b.Marked()) == 0 })
}
