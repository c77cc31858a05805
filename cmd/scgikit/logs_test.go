package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"scgikit/internal/need"
	"scgikit/internal/selftest"
)

func TestParseLogTime(t *testing.T) {
	t.Parallel()
	zone := time.FixedZone("test", 2*3600)
	now := time.Date(2026, 11, 22, 10, 37, 10, 5, zone)
	tests := map[string]time.Time{
		"now":                         now,
		"today":                       time.Date(2026, 11, 22, 0, 0, 0, 0, zone),
		"yesterday":                   time.Date(2026, 11, 21, 0, 0, 0, 0, zone),
		"2h":                          now.Add(-2 * time.Hour),
		"7d":                          now.Add(-7 * 24 * time.Hour),
		"90s":                         now.Add(-90 * time.Second),
		"1h30m":                       now.Add(-90 * time.Minute),
		"2w":                          now.Add(-14 * 24 * time.Hour),
		"0s":                          now,
		"2026-11-20":                  time.Date(2026, 11, 20, 0, 0, 0, 0, zone),
		"2026-11-20 10:37":            time.Date(2026, 11, 20, 10, 37, 0, 0, zone),
		"2026-11-20 10:37:10":         time.Date(2026, 11, 20, 10, 37, 10, 0, zone),
		"2026-11-20 10:37:10.25":      time.Date(2026, 11, 20, 10, 37, 10, 250e6, zone),
		"2026-11-20T10:37:10":         time.Date(2026, 11, 20, 10, 37, 10, 0, zone),
		"2026-11-20T10:37:10Z":        time.Date(2026, 11, 20, 10, 37, 10, 0, time.UTC),
		"2026-11-20T10:37:10.5+01:00": time.Date(2026, 11, 20, 9, 37, 10, 5e8, time.UTC),
		"2026-11-20 10:37:10.243331Z": time.Date(2026, 11, 20, 10, 37, 10, 243331e3, time.UTC),
		"2026-11-20 10:37:10Z":        time.Date(2026, 11, 20, 10, 37, 10, 0, time.UTC),
		"2026-11-20_09:42:37.00000":   time.Date(2026, 11, 20, 9, 42, 37, 0, time.UTC),
		"2026-11-20_09:42:37.12345":   time.Date(2026, 11, 20, 9, 42, 37, 123450e3, time.UTC),
		"@400000006b02b9160e80ca6c":   time.Date(2026, 11, 22, 9, 42, 36, 243321452, time.UTC),
	}
	for text, want := range tests {
		if got, err := parseLogTime(text, now); err != nil || !got.Equal(want) {
			t.Errorf("%q is %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "h", "2", "-2h", "2y", "2026-11-31", "2026-11-20 25:00", "10:37", "tomorrow", "@40", "999999999999999999999s", "9999999d", " 2h", "2h "} {
		if got, err := parseLogTime(text, now); err == nil {
			t.Errorf("%q is %v", text, got)
		}
	}
}

func TestLastMoment(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for text, want := range map[string]time.Duration{
		"2026-11-20 10:37:10.243331": 999, "2026-11-20 10:37:10.243331Z": 999, "2026-11-20T10:37:10.5+01:00": 999,
		"2026-11-20 10:37:10": 999, "2026-11-20_09:42:37.00000": 999,
		"2026-11-20T10:37:10.2433310Z": 0, "2026-11-20T10:37:10.243331000+01:00": 0, "2026-11-20 10:37:10.243331452": 0,
		"2026-11-20": 0, "2026-11-20 10:37": 0, "2h": 0, "now": 0, "@400000006b02b9160e80ca6c": 0,
	} {
		if got := lastMoment(text, now).Sub(now); got != want {
			t.Errorf("%s: %v later, want %d ns", text, got, want)
		}
	}
}

// TestEscape writes what a terminal would obey as text, wherever it is cut into
// pieces, and everything else as it is.
func TestEscape(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		"plain, tab\tand é 日本 👩‍💻":        "plain, tab\tand é 日本 👩‍💻",
		"\x1b[31mred\x1b[m\r\a\b\x00\x7f": `\x1b[31mred\x1b[m\x0d\x07\x08\x00\x7f`,
		"\u009b31m \u0085":                `\u009b31m \u0085`,
		"user\u202egnp.exe \u2066\u2069":  `user\u202egnp.exe \u2066\u2069`,
		"\u2028\u2029\u200f\ufeff\u00ad":  `\u2028\u2029\u200f\ufeff\u00ad`,
		"bad \xff\xc3( \x9b \xe6\x97":     `bad \xff\xc3( \x9b \xe6\x97`,
		"\U000e0041":                      `\U000e0041`,
		"\ufffd is a character":           "\ufffd is a character",
	}
	for text, want := range tests {
		for size := 1; size <= len(text); size++ {
			var b bytes.Buffer
			var esc escaper
			w := bufio.NewWriter(&b)
			for rest := []byte(text); len(rest) > 0; rest = rest[min(size, len(rest)):] {
				esc.write(w, rest[:min(size, len(rest))])
			}
			esc.end(w)
			w.Flush()
			if b.String() != want {
				t.Errorf("%q in pieces of %d is %q, want %q", text, size, b.String(), want)
			}
		}
	}
}

// TestLogObjects reads every object back, also those of lines that are no text
// or longer than what is held of one.
func TestLogObjects(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	lines := []string{"", `"quoted" \ and`, "tab\t \x1b \x00 \u2028 \u202e \U000e0041", "bad \xff\xc3(", strings.Repeat("é", 3<<20), "last"}
	if err := os.WriteFile(filepath.Join(dir, "current"), []byte(strings.Join(lines, "\n")), 0o644); err != nil {
		t.Fatal(err)
	}
	var out, stderr bytes.Buffer
	e := &env{stdin: strings.NewReader(""), stdout: &out, stderr: &stderr, lookup: func(string) (string, bool) { return "", false }}
	if code := e.execute(t.Context(), []string{"logs", "--dir", dir, "-o", "json"}); code != exitOK {
		t.Fatalf("ends with %d\n%s", code, stderr.String())
	}
	i := 0
	for text := range bytes.Lines(out.Bytes()) {
		var object struct {
			Time *string
			App  string
			File string
			Line string
		}
		if err := json.Unmarshal(text, &object); err != nil {
			t.Fatalf("line %d: %v", i, err)
		}
		want := string([]rune(lines[i])) // every bad byte is U+FFFD
		if object.Line != want || object.Time != nil || object.App != dir || object.File != "current" {
			t.Errorf("line %d is %.200v", i, object)
		}
		i++
	}
	if i != len(lines) {
		t.Errorf("%d lines", i)
	}
	if bytes.ContainsAny(out.Bytes(), "\x1b\u202e") {
		t.Error("a control character is in the objects")
	}
}

// follower is a run of "scgikit logs -f" in the test.
type follower struct {
	t     *testing.T
	lines chan string
	stop  context.CancelFunc
	code  chan exitCode
}

// patience is how long a test waits for what must come. It is spent only where
// something hangs.
const patience = 2 * time.Minute

func follow(t *testing.T, args ...string) *follower {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	r, w := io.Pipe()
	f := &follower{t: t, lines: make(chan string, 1<<16), stop: stop, code: make(chan exitCode, 1)}
	e := &env{stdin: strings.NewReader(""), stdout: w, stderr: w, lookup: func(string) (string, bool) { return "", false }}
	go func() {
		f.code <- e.execute(ctx, append([]string{"logs", "-f"}, args...))
		w.Close()
	}()
	go func() {
		defer close(f.lines)
		for s := bufio.NewScanner(r); s.Scan(); {
			f.lines <- s.Text()
		}
	}()
	t.Cleanup(stop)
	return f
}

// next returns the next line.
func (f *follower) next() string {
	f.t.Helper()
	select {
	case line, ok := <-f.lines:
		if !ok {
			f.t.Fatal("the output has ended")
		}
		return line
	case <-time.After(patience):
		f.t.Fatal("no line comes")
	}
	return ""
}

// end interrupts, which must end it with code 0.
func (f *follower) end() {
	f.t.Helper()
	f.stop()
	select {
	case code := <-f.code:
		if code != exitOK {
			f.t.Errorf("an interruption ends with %d", code)
		}
	case <-time.After(patience):
		f.t.Fatal("an interruption does not end it")
	}
}

// loggers returns the command lines of the loggers whose folders are read, and
// their arguments for small files in ./log.
func loggers(t *testing.T) map[string][]string {
	t.Helper()
	scgiRun := filepath.Join(t.TempDir(), "scgi-run")
	cmd := exec.CommandContext(t.Context(), need.Program(t, "go"), "build", "-buildvcs=false", "-o", scgiRun, "../scgi-run")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	// This test binary is the scgikit next to it, which compresses with zstd.
	self := selftest.Program(t)
	if err := os.Symlink(self, filepath.Join(filepath.Dir(scgiRun), "scgikit")); err != nil {
		t.Fatal(err)
	}
	return map[string][]string{
		"multilog":           {need.Program(t, "multilog"), "t", "s4096", "n5000", "./log"},
		"multilog processor": {need.Program(t, "multilog"), "t", "s4096", "n5000", "!cat", "./log"},
		"scgi-run":           {scgiRun, "multilog", "t", "s4096", "n5000", "./log"},
		"scgi-run iso gzip":  {scgiRun, "multilog", "T", "s4096", "n5000", "zgzip", "./log"},
		"scgi-run zstd":      {scgiRun, "multilog", "t", "s4096", "n5000", "zzstd", "./log"},
		"scgi-run processor": {scgiRun, "multilog", "t", "s4096", "n5000", "!cat", "./log"},
	}
}

// TestFollowLoggers follows the real loggers while they rotate at full speed:
// every line comes once, in order.
func TestFollowLoggers(t *testing.T) {
	t.Parallel()
	const lines = 5000
	for name, words := range loggers(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			if err := os.Mkdir(filepath.Join(dir, "log"), 0o700); err != nil {
				t.Fatal(err)
			}
			f := follow(t, "--dir", filepath.Join(dir, "log"), "-n", "all", "--raw")
			cmd := exec.CommandContext(t.Context(), words[0], words[1:]...)
			cmd.Dir, cmd.Stderr = dir, os.Stderr
			in, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			go func() {
				w := bufio.NewWriterSize(in, 1000)
				for i := range lines {
					fmt.Fprintf(w, "%d %s\n", i, strings.Repeat("x", i%97))
				}
				w.Flush()
				in.Close()
			}()
			for i := range lines {
				line := f.next()
				if words := strings.Fields(line); len(words) < 2 || words[1] != fmt.Sprint(i) {
					t.Fatalf("line %d is %q", i, line)
				}
			}
			if err := cmd.Wait(); err != nil {
				t.Error(err)
			}
			f.end()
			for line := range f.lines {
				t.Errorf("%q comes as well", line)
			}
		})
	}
}

// TestLogsRotate asks real loggers to rotate, and nobody else.
func TestLogsRotate(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/proc/locks"); err != nil {
		need.Missing(t, "proc")
	}
	for name, words := range loggers(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			log := filepath.Join(dir, "log")
			if err := os.Mkdir(log, 0o700); err != nil {
				t.Fatal(err)
			}
			f := follow(t, "--dir", log, "-n", "all", "-o", "json")
			cmd := exec.CommandContext(t.Context(), words[0], words[1:]...)
			cmd.Dir = dir
			in, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			if _, err := io.WriteString(in, "one\n"); err != nil {
				t.Fatal(err)
			}
			if line := f.next(); !strings.Contains(line, `"line":"one"`) {
				t.Fatal(line)
			}
			var out, stderr bytes.Buffer
			e := &env{stdin: strings.NewReader(""), stdout: &out, stderr: &stderr, lookup: func(string) (string, bool) { return "", false }}
			if code := e.execute(t.Context(), []string{"logs", "--rotate", "--dir", log, "--dir", log + "/."}); code != exitOK || !strings.HasSuffix(out.String(), fmt.Sprintf("process %d\n", cmd.Process.Pid)) || strings.Count(out.String(), "\n") != 1 {
				t.Errorf("ends with %d: %s%s", code, out.String(), stderr.String())
			}
			awaitFinished(t, log, func() {
				// multilog loses an ALRM that comes just before it reads.
				if strings.HasPrefix(name, "multilog") {
					_ = cmd.Process.Signal(syscall.SIGALRM)
				}
			})
			if _, err := io.WriteString(in, "two\n"); err != nil {
				t.Fatal(err)
			}
			if line := f.next(); !strings.Contains(line, `"line":"two"`) {
				t.Error(line)
			}
			in.Close()
			if err := cmd.Wait(); err != nil {
				t.Error(err)
			}
			f.end()
		})
	}
}

// awaitFinished waits until there is a finished file in a folder, and nudges as
// long as there is none.
func awaitFinished(t *testing.T, dir string, nudge func()) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for {
		if found, _ := filepath.Glob(filepath.Join(dir, "@*")); len(found) > 0 {
			return
		}
		select {
		case <-tick.C:
			nudge()
		case <-deadline:
			t.Fatal("no file is finished")
		}
	}
}

// TestRotateNoLogger leaves a program alone that holds the lock and that ALRM
// would kill.
func TestRotateNoLogger(t *testing.T) {
	t.Parallel()
	setlock := need.Program(t, "setlock")
	if _, err := os.Stat("/proc/locks"); err != nil {
		need.Missing(t, "proc")
	}
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), setlock, filepath.Join(dir, "lock"), "sh", "-c", "echo held; exec cat")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(out, make([]byte, 5)); err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	e := &env{stdin: strings.NewReader(""), stdout: &stdout, stderr: &stderr, lookup: func(string) (string, bool) { return "", false }}
	want := fmt.Sprintf("%s/lock is held by process %d, which does not expect ALRM", dir, cmd.Process.Pid)
	if code := e.execute(t.Context(), []string{"logs", "--rotate", "--dir", dir}); code != exitRefused || !strings.Contains(stderr.String(), want) {
		t.Errorf("ends with %d: %s", code, stderr.String())
	}
	in.Close()
	if err := cmd.Wait(); err != nil {
		t.Errorf("the program that holds the lock: %v", err)
	}
}
