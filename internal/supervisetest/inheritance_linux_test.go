package supervisetest_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"scgikit/internal/supervisetest"
)

// What a service inherits: three descriptors, an environment without what is for
// its supervisor, a session of its own, its folder, and no blocked or ignored
// signals.
func TestInheritance(t *testing.T) {
	t.Parallel()
	const show = `#!/bin/sh
ls -l /proc/$$/fd >fds
pwd >pwd
tr '\0' '\n' </proc/$$/environ >environ
echo $$ >>starts
exec sleep 100000
`
	b := ours(t, "daemontools", services{
		"a": {"run": show, "env/OWN": "value\n", "env/HOME": "", "env/LINES": "a\x00b"},
		"b": {"run": show, "log/run": "#!/bin/sh\nls -l /proc/$$/fd >fds\nexec cat >/dev/null\n"},
		"c": {"run": "#!/bin/sh\necho x >&5\necho >&5\nexec 5>&-\nls -l /proc/$$/fd >fds\necho $$ >>starts\nexec sleep 100000\n", "notification-fd": "5"},
	})
	fds := func(name string) string {
		var list []string
		data, _ := os.ReadFile(filepath.Join(b.dir(name), "fds"))
		for line := range strings.Lines(string(data)) {
			if before, to, ok := strings.Cut(strings.TrimSpace(line), " -> "); ok {
				fields := strings.Fields(before)
				fd := fields[len(fields)-1]
				// The shell has its script open, high up or not.
				if strings.HasSuffix(to, "/run") || strings.HasSuffix(to, "/fds") || strings.Contains(to, "/proc/") {
					continue
				}
				if strings.HasPrefix(to, "pipe:") {
					to = "pipe"
				}
				if to == b.Printed {
					to = "ours"
				}
				if fd != "1" && number(fd) < 10 { // the shell has saved 1 somewhere above
					list = append(list, fd+" "+to)
				}
			}
		}
		slices.Sort(list)
		return strings.Join(list, ", ")
	}
	pid := b.started("a", 1)
	b.started("b", 1)
	b.started("c", 1)
	supervisetest.Until(t, "b/log is up", func() bool { return fds("b/log") != "" })
	for name, want := range map[string]string{
		"a": "0 /dev/null, 2 ours", "b": "0 /dev/null, 2 ours", "b/log": "0 pipe, 2 ours", "c": "0 /dev/null, 2 ours",
	} {
		// 1 is where the list goes.
		if got := fds(name); got != want {
			t.Errorf("%s has %q, want %q", name, got, want)
		}
	}
	for name, want := range map[string]string{"a": "ours", "b": "pipe", "c": "ours"} {
		becomesSleep(t, b.status(name).PID)
		to, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/1", b.status(name).PID))
		if strings.HasPrefix(to, "pipe:") {
			to = "pipe"
		} else if to == b.Printed {
			to = "ours"
		}
		if to != want {
			t.Errorf("%s writes to %q, %v", name, to, err)
		}
		hasThreeDescriptors(t, b.status(name).PID)
	}
	if session, err := unix.Getsid(pid); err != nil || session != pid {
		t.Errorf("session %d of process %d, %v", session, pid, err)
	}
	if group, err := unix.Getpgid(pid); err != nil || group != pid {
		t.Errorf("group %d of process %d, %v", group, pid, err)
	}
	text := func(name string) string {
		data, _ := os.ReadFile(filepath.Join(b.dir("a"), name))
		return string(data)
	}
	if real, err := filepath.EvalSymlinks(b.dir("a")); err != nil || text("pwd") != real+"\n" {
		t.Errorf("it runs in %q, %v", text("pwd"), err)
	}
	env := "\n" + text("environ")
	for _, want := range []string{"\nOWN=value\n", "\nLINES=a\nb\n", "\nSCGIKIT_SERVICE=", "\nSUPERVISETEST="} {
		if !strings.Contains(env, want) {
			t.Errorf("its environment lacks %q", want)
		}
	}
	for _, name := range []string{"HOME", "NOTIFY_SOCKET", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "PWD_OLD"} {
		if strings.Contains(env, "\n"+name+"=") {
			t.Errorf("its environment has %s", name)
		}
	}
	status := becomesSleep(t, pid)
	own, _ := os.ReadFile("/proc/self/status")
	for _, name := range []string{"SigBlk", "SigIgn"} {
		// What ignores signals for all that it starts, such as nohup, does so for
		// these as well.
		if extra := signalSet(t, status, name) &^ signalSet(t, string(own), "SigIgn"); extra != 0 {
			t.Errorf("%s has %x that its starter has not: %s", name, extra, status)
		}
	}
	b.stop()
}

// signalSet returns a set of signals in the text of /proc/PID/status.
func signalSet(t *testing.T, status, name string) uint64 {
	t.Helper()
	_, rest, _ := strings.Cut(status, name+":\t")
	digits, _, _ := strings.Cut(rest, "\n")
	set, err := strconv.ParseUint(digits, 16, 64)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return set
}

// becomesSleep waits until a service's shell has become sleep: until then it has
// its script open, and blocks signals at times. It returns /proc/PID/status.
func becomesSleep(t *testing.T, pid int) string {
	t.Helper()
	status := ""
	supervisetest.Until(t, "it is sleep", func() bool {
		data, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		status = string(data)
		return strings.HasPrefix(status, "Name:\tsleep\n")
	})
	return status
}

// hasThreeDescriptors requires that a sleep has no more. Until its libraries are
// loaded, it has one of them open.
func hasThreeDescriptors(t *testing.T, pid int) {
	t.Helper()
	supervisetest.Until(t, "it has three descriptors", func() bool {
		entries, _ := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
		return len(entries) == 3
	})
}

// What is for the supervisor alone is not passed on, though it has it, and
// neither are descriptors that it was started with.
func TestInheritanceFromStarter(t *testing.T) {
	t.Parallel()
	const sh = "/bin/sh"
	scan := t.TempDir()
	supervisetest.Make(t, scan, services{"a": service(sleeping)})
	s := supervisetest.Start(t, scan, sh, "-c",
		`exec 7</dev/zero; trap '' HUP USR1 PIPE; export NOTIFY_SOCKET=/nonexistent LISTEN_FDS=1 LISTEN_PID=$$ LISTEN_FDNAMES=x SCGIKIT_SERVICE=1:2:3; exec "$0" supervise "$@"`, own("scgi-run"))
	b := &box{t, scan, s}
	pid := b.started("a", 1)
	becomesSleep(t, pid)
	hasThreeDescriptors(t, pid)
	var env []byte
	supervisetest.Until(t, "it has an environment", func() bool {
		env, _ = os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
		return len(env) > 0 // it is empty until exec is through
	})
	for _, name := range []string{"NOTIFY_SOCKET", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"} {
		if strings.Contains("\x00"+string(env), "\x00"+name+"=") {
			t.Errorf("its environment has %s", name)
		}
	}
	if n := strings.Count("\x00"+string(env), "\x00SCGIKIT_SERVICE="); n != 1 {
		t.Errorf("its environment has %d markers", n)
	}
	b.stop()
}
