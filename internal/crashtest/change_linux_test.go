package crashtest

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// TestScriptChanges kills loggers whose successors have other scripts: their
// folders in another order, other sizes.
func TestScriptChanges(t *testing.T) {
	t.Parallel()
	for i, kind := range []shape{mixed, long} {
		run := storm{ends: []syscall.Signal{syscall.SIGKILL}, times: rounds(t, 40), seed: uint64(i)}
		run.shape, run.split = kind, true
		for _, script := range []string{"n1000000 -* +*7* ./a +* ./b", "n1000000 ./b s30000 -* +*7* ./a", "n1000000 s50000 -* +*7* ./a +* s4096 ./b"} {
			run.words = append(run.words, slices.Concat(ours(t), split(script)))
		}
		dir := run.run(t)
		for name, selected := range map[string]func([]byte) bool{"a": has7, "b": nil} {
			want := expected{shape: kind, selected: selected, lines: run.lines}
			if v := inspect(t, filepath.Join(dir, name), want); !v.ok() {
				t.Errorf("%s: of %d lines %v", name, run.lines, v)
			}
		}
	}
}

// TestRotationOnDemand sends ALRM shortly before the end. How many of them come in
// time depends on how busy the machine is.
func TestRotationOnDemand(t *testing.T) {
	t.Parallel()
	for i, end := range []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM} {
		run := storm{ends: []syscall.Signal{end}, times: rounds(t, 20), seed: uint64(i), alarm: true}
		run.split = true
		run.words = [][]string{slices.Concat(ours(t), split("t n1000000 s16777215 ./a"))}
		dir := run.run(t)
		v := inspect(t, filepath.Join(dir, "a"), expected{stamped: true, lines: run.lines})
		if !v.ok() || v.files < 1 {
			t.Errorf("%v: of %d lines %v", end, run.lines, v)
		}
	}
}

// TestPruned keeps few files: what is left after any number of kills is the end
// of the log.
func TestPruned(t *testing.T) {
	t.Parallel()
	for i, script := range []string{"s20000 n5 ./a", "s20000 n5 !cat ./a", "s20000 n1000 S100k ./a", "s20000 n5 zgzip ./a"} {
		run := storm{ends: []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM}, times: rounds(t, 20), seed: uint64(i)}
		run.shape = short
		run.words = [][]string{slices.Concat(ours(t), split(script))}
		dir := run.run(t)
		checkNewest(t, filepath.Join(dir, "a"), short, run.lines)
	}
}

// TestOtherPipe starts a logger on a new pipe after one was killed: the line
// that had begun in the old one ends there, and nothing is doubled.
func TestOtherPipe(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	words := slices.Concat(ours(t), split("=status ./a"))
	p := newPipe(t)
	p.write.WriteString("first\nbegun")
	l := launch(t, dir, p.read, words...)
	reading(t, filepath.Join(dir, "a"))
	until(t, "the logger reads", func() bool { return p.unread(t) == 0 })
	l.signal(t, syscall.SIGKILL)
	l.end(t, -int(syscall.SIGKILL))
	p = newPipe(t)
	p.write.WriteString("other\n")
	p.write.Close()
	launch(t, dir, p.read, words...).end(t, 0)
	if got := content(t, filepath.Join(dir, "a")); got != "first\nbegun\nother\n" {
		t.Errorf("%q", got)
	}
	status, err := os.ReadFile(filepath.Join(dir, "status"))
	if err != nil || string(status) != "other\n"+strings.Repeat("\n", 1001-len("other\n")) {
		t.Errorf("status is %q, %v", status, err)
	}
}

// TestAlertsAtKill shows what alerts promise: each at least once.
func TestAlertsAtKill(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := newPipe(t)
	words := slices.Concat(ours(t), split("-* +*7* e +* ./a"))
	f := feeder{}
	f.start(p, 1)
	var alerts strings.Builder
	for range rounds(t, 20) {
		l := launch(t, dir, p.read, words...)
		reading(t, filepath.Join(dir, "a"))
		// Alerts fill no pipe here: output reads them all.
		before := len(l.stderr.String())
		until(t, "there is an alert", func() bool { return len(l.stderr.String()) > before })
		l.signal(t, syscall.SIGKILL)
		l.end(t, -int(syscall.SIGKILL))
		// The last one may be cut, wherever the kill came.
		alerts.WriteString(l.stderr.String() + "\n")
	}
	l := launch(t, dir, p.read, words...)
	f.end(t)
	p.write.Close()
	l.end(t, 0)
	alerts.WriteString(l.stderr.String())
	got := map[string]bool{}
	for line := range strings.Lines(alerts.String()) {
		got[line] = true
	}
	for n := range f.lines {
		line := appendLine(nil, mixed, n)
		if !has7(line) {
			continue
		}
		alert := string(line)
		if len(line) > 201 {
			alert = string(line[:200]) + "...\n"
		}
		if !got[alert] {
			t.Fatalf("no alert %q", alert)
		}
	}
}

// TestPlainInputs sends SIGTERM to loggers that read what can not be looked at
// without taking it out: a socket, and a file whose place they share.
func TestPlainInputs(t *testing.T) {
	t.Parallel()
	script := split("t n1000000 s30000 ./a")
	run := storm{ends: []syscall.Signal{syscall.SIGTERM}, times: rounds(t, 15), seed: 1, socket: true}
	run.split = true
	run.words = [][]string{slices.Concat(ours(t), script)}
	dir := run.run(t)
	want := expected{stamped: true, lines: run.lines, size: 30000}
	if v := inspect(t, filepath.Join(dir, "a"), want); !v.ok() {
		t.Errorf("socket: of %d lines %v", run.lines, v)
	}

	dir = t.TempDir()
	var input []byte
	for want.lines = 0; len(input) < 10_000_000; want.lines++ {
		input = appendLine(input, mixed, want.lines)
	}
	write(t, filepath.Join(dir, "input"), string(input))
	file, err := os.Open(filepath.Join(dir, "input"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	cut := 0
	for range rounds(t, 15) {
		l := launch(t, dir, file, slices.Concat(ours(t), script)...)
		reading(t, filepath.Join(dir, "a"))
		l.cmd.Process.Signal(syscall.SIGTERM)
		l.end(t, 0)
		if at, err := file.Seek(0, 1); err == nil && at > 0 && at < int64(len(input)) {
			cut++
		}
	}
	launch(t, dir, file, slices.Concat(ours(t), script)...).end(t, 0)
	if v := inspect(t, filepath.Join(dir, "a"), want); !v.ok() || cut == 0 {
		t.Errorf("file, ended %d times on the way: of %d lines %v", cut, want.lines, v)
	}
}
