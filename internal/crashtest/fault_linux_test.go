package crashtest

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"scgikit/internal/need"
)

// faults are the errors that system calls are made to give. Those that only the
// Go run-time makes are left out: it ends the process, as it must. So is EAGAIN of
// what takes the input, which says that somebody else took it.
func faults() map[string][]string {
	return map[string][]string{
		"write":      {"EIO", "ENOSPC", "EINTR"},
		"openat":     {"EIO", "ENOSPC", "EROFS", "EMFILE"},
		"renameat":   {"EIO", "EROFS"},
		"linkat":     {"EIO", "ENOSPC", "EPERM"},
		"unlinkat":   {"EIO"},
		"fchmod":     {"EIO", "EINTR"},
		"fsync":      {"EIO", "ENOSPC", "EINTR"},
		"newfstatat": {"EIO"},
		"fstat":      {"EIO"},
		"getdents64": {"EIO"},
		"close":      {"EIO"},
		"tee":        {"EIO", "EINTR", "ENOMEM"},
		"preadv2":    {"EIO", "EINTR", "EOPNOTSUPP", "ENOSYS"},
		"readv":      {"EIO", "EINTR"},
		"read":       {"EIO", "EINTR"},
		"poll":       {"EINTR"},
		"flock":      {"EIO", "EINTR"},
		"mkdirat":    {"EIO"},
		"fallocate":  {"EIO", "ENOSPC", "EOPNOTSUPP", "EINTR"},
		"ftruncate":  {"EIO", "EINTR"},
		"fstatfs":    {"EIO"},
		"pipe2":      {"EMFILE"},
	}
}

// faultScript rotates often.
const faultScript = "t s4096 n1000 ./a"

// faulty is a logger in whose way something is put.
type faulty struct {
	name  string
	dir   string
	in    *pipe
	lines int
	l     *logger
}

// beginFaulty starts a logger under strace with all of its input in the pipe.
func beginFaulty(t *testing.T, name string, options ...string) *faulty {
	t.Helper()
	f := &faulty{name: name, dir: t.TempDir(), in: newPipe(t)}
	if strings.HasPrefix(name, "write:") {
		// Not to the pipe by which threads wake each other, and not messages.
		options = append(options, "-P", filepath.Join(f.dir, "a", "current"))
	}
	var input []byte
	for ; len(input) < 10_000; f.lines++ {
		input = appendLine(input, mixed, f.lines)
	}
	if _, err := f.in.write.Write(input); err != nil {
		t.Fatal(err)
	}
	f.in.write.Close()
	words := slices.Concat([]string{need.Program(t, "strace"), "-f", "-qq", "-o", filepath.Join(f.dir, "trace")}, options, ours(t), split(faultScript))
	f.l = launch(t, f.dir, f.in.read, words...)
	return f
}

// calls returns the lines of the trace.
func (f *faulty) calls(t *testing.T) []string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(f.dir, "trace"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(string(data), "\n")
}

// end waits for the logger, runs another where it has given up, and looks at
// what is there then.
func (f *faulty) end(t *testing.T) {
	t.Helper()
	code := f.l.wait(t)
	if code != 0 {
		if code != 111 || !strings.HasPrefix(f.l.stderr.String(), "multilog: ") {
			t.Errorf("%s: ended with %d\n%s", f.name, code, f.l.stderr)
		}
		l := launch(t, f.dir, f.in.read, slices.Concat(ours(t), split(faultScript))...)
		l.end(t, 0)
	}
	v := inspect(t, filepath.Join(f.dir, "a"), expected{stamped: true, lines: f.lines, size: 4096})
	if strings.HasPrefix(f.name, "ftruncate:") && strings.HasPrefix(v.first, "lock holds ") {
		v.first = "" // that was to fail
	}
	if !v.ok() {
		t.Errorf("%s (exit code %d): of %d lines %v\n%s", f.name, code, f.lines, v, f.l.stderr)
	}
}

// kill ends the logger, and strace with it; the other way round the logger would
// go on.
func (f *faulty) kill(t *testing.T) {
	t.Helper()
	var pid int
	if _, err := fmt.Sscanf(f.calls(t)[0], "%d ", &pid); err != nil {
		t.Fatal(err)
	}
	syscall.Kill(pid, syscall.SIGKILL)
	f.l.wait(t)
}

// TestFaults lets each system call of a logger fail, one at a time.
func TestFaults(t *testing.T) {
	t.Parallel()
	names := []string{}
	for name := range faults() {
		names = append(names, name)
	}
	slices.Sort(names)
	whole := beginFaulty(t, "no fault")
	whole.end(t)
	counts := countCalls(whole.calls(t))
	if counts["tee"] == 0 || counts["preadv2"]+counts["readv"] == 0 {
		t.Fatalf("the input was not looked at and then taken: %v", counts)
	}
	var runs []*faulty
	for _, name := range names {
		for _, errno := range faults()[name] {
			for at := 1; at <= counts[name]; at++ {
				fault := fmt.Sprintf("%s:error=%s:when=%d", name, errno, at)
				runs = append(runs, beginFaulty(t, fault, "-e", "trace="+name, "-e", "inject="+fault))
			}
		}
		// Most of them wait for five seconds, so that they may do it together.
		if len(runs) > 150 {
			endAll(t, runs)
			runs = nil
		}
	}
	endAll(t, runs)
}

// endAll ends loggers that were begun together.
func endAll(t *testing.T, runs []*faulty) {
	t.Helper()
	for _, run := range runs {
		run.end(t)
		run.in.read.Close()
	}
}

// countCalls returns how often one thread makes a system call, at most: strace
// counts for each by itself.
func countCalls(lines []string) map[string]int {
	called := regexp.MustCompile(`^(\d+) +(\w+)\(`)
	each, most := map[string]int{}, map[string]int{}
	for _, line := range lines {
		if m := called.FindStringSubmatch(line); m != nil {
			each[m[1]+m[2]]++
			most[m[2]] = max(most[m[2]], each[m[1]+m[2]])
		}
	}
	return most
}

// TestTroubleDoesNotSpin lets system calls fail for ever: between two
// messages there is next to nothing done.
func TestTroubleDoesNotSpin(t *testing.T) {
	t.Parallel()
	var runs []*faulty
	for _, fault := range []string{
		"fsync:error=EIO", "renameat:error=EROFS", "linkat:error=EIO", "openat:error=ENOSPC:when=25+",
		"fchmod:error=EIO", "tee:error=EIO",
	} {
		runs = append(runs, beginFaulty(t, fault, "-e", "inject="+fault))
	}
	for _, run := range runs {
		until(t, run.name+": two messages, or the end", func() bool {
			return strings.Count(run.l.stderr.String(), "\n") >= 2 || len(run.l.done) > 0
		})
		run.kill(t)
		if n := len(run.calls(t)); n > 3000 {
			t.Errorf("%s: %d system calls\n%s", run.name, n, run.l.stderr)
		}
		if bytes.Contains([]byte(run.l.stderr.String()), []byte("goroutine")) {
			t.Errorf("%s: %s", run.name, run.l.stderr)
		}
	}
}
