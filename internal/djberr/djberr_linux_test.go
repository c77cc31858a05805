package djberr

import (
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"scgikit/internal/need"
)

// TestTextsAreDaemontools has multilog itself say what each errno is called:
// strace makes the open of its folder fail with it.
func TestTextsAreDaemontools(t *testing.T) {
	multilog, strace := need.Program(t, "multilog"), need.Program(t, "strace")
	dir := t.TempDir()
	tried := 0
	for errno := syscall.Errno(1); errno < 134; errno++ {
		name := unix.ErrnoName(errno)
		switch errno {
		case unix.ENOTSUP:
			name = "EOPNOTSUPP" // as strace calls it
		case unix.EDEADLK:
			name = "EDEADLK"
		}
		if name == "" {
			continue
		}
		cmd := exec.CommandContext(t.Context(), strace, "-q", "-o", "/dev/null", "-P", "./d",
			"-e", "trace=open,openat", "-e", "inject=open,openat:error="+name, multilog, "./d")
		cmd.Dir = dir
		out, _ := cmd.CombinedOutput() // it ends with 111
		if strings.Contains(string(out), "invalid inject argument") {
			continue // strace has no such name
		}
		_, got, ok := strings.Cut(strings.TrimSpace(string(out)), "multilog: fatal: unable to open directory ./d: ")
		if !ok {
			t.Fatalf("%s: %q", name, out)
		}
		tried++
		if want := Text(errno); got != want {
			t.Errorf("%s: multilog says %q, ours is %q", name, got, want)
		}
	}
	if tried < 100 {
		t.Errorf("only %d errnos were tried", tried)
	}
}
