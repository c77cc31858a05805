package crashtest

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// storm is a run of many loggers, one after the other, on one pipe and in one
// place, that are ended in the middle of their work.
type storm struct {
	words [][]string // commands, used in turn
	ends  []syscall.Signal
	times int
	feeder
	socket bool // the input is a socket instead of a pipe
	seed   uint64
	config string // of a folder a, for svlogd
	alarm  bool   // each logger is sent ALRM, too
}

// run returns the folder that the scripts were carried out in, once the last
// logger has read everything and has ended by itself.
func (s *storm) run(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if s.config != "" {
		write(t, filepath.Join(dir, "a", "config"), s.config)
	}
	p := newPipe(t)
	if s.socket {
		p = newSocket(t)
	}
	random := rand.New(rand.NewPCG(s.seed, 2))
	s.start(p, s.seed)
	for i := range s.times {
		sig := s.ends[i%len(s.ends)]
		l := launch(t, dir, p.read, s.words[i%len(s.words)]...)
		<-time.After(6*time.Millisecond + time.Duration(random.IntN(24_000))*time.Microsecond)
		if s.alarm && reads(filepath.Join(dir, "a")) {
			l.signal(t, syscall.SIGALRM)
			<-time.After(time.Duration(random.IntN(3_000)) * time.Microsecond)
		}
		l.cmd.Process.Signal(sig)
		code := l.wait(t)
		// A process that has not come as far as its handlers dies of a signal.
		if s.alarm && code == -int(syscall.SIGALRM) {
			continue
		}
		if code != -int(sig) && (sig == syscall.SIGKILL || code != 0) {
			t.Fatalf("round %d: %v ended with %d\n%s", i, l.cmd.Args, code, l.stderr)
		}
	}
	last := launch(t, dir, p.read, s.words[0]...)
	s.end(t)
	if s.alarm {
		rotated := func() bool {
			list, err := filepath.Glob(filepath.Join(dir, "a", "@*"))
			return err == nil && len(list) > 0
		}
		until(t, "the last logger reads", func() bool { return p.unread(t) == 0 })
		if !rotated() { // no signal came in time, so that all is in one file
			last.signal(t, syscall.SIGALRM)
			until(t, "there is a finished file", rotated)
		}
	}
	p.write.Close()
	last.end(t, 0)
	return dir
}

// write makes a file and the folder that it is in.
func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// newSocket returns two sockets as a pipe: what a logger can not look at
// without taking it out.
func newSocket(t *testing.T) *pipe {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	p := &pipe{os.NewFile(uintptr(fds[0]), "read end"), os.NewFile(uintptr(fds[1]), "write end")}
	t.Cleanup(func() { p.read.Close(); p.write.Close() })
	return p
}

// folder is one folder of a script, and what must be in it.
type folder struct {
	name string
	want expected
}

// has7 returns whether +*7* selects a line, of which patterns see 1000 bytes.
func has7(line []byte) bool { return bytes.IndexByte(line[:min(len(line), 1000)], '7') >= 0 }

// scripts are those that storms are made of.
func scripts() []stormScript {
	return []stormScript{
		{"stamped", "t n1000000 ./a", feed{}, []folder{{"a", expected{stamped: true, size: 99999}}}},
		{"plain", "n1000000 ./a", feed{}, []folder{{"a", expected{size: 99999}}}},
		{"plain-split-writes", "n1000000 s16777215 ./a", feed{split: true}, []folder{{"a", expected{size: 16777215}}}},
		{"stamped-short-split", "t n1000000 s1000000 ./a", feed{shape: short, split: true}, []folder{{"a", expected{stamped: true, size: 1000000}}}},
		{"many-rotations", "s4096 n1000000 ./a", feed{}, []folder{{"a", expected{size: 4096}}}},
		{"long-many-rotations", "s4096 n1000000 ./a", feed{shape: long, split: true}, []folder{{"a", expected{size: 4096}}}},
		{"long-stamped", "t n1000000 s1000000 ./a", feed{shape: long, split: true}, []folder{{"a", expected{stamped: true, size: 1000000}}}},
		{"the-same-line", "n1000000 ./a", feed{shape: same, split: true}, []folder{{"a", expected{size: 99999}}}},
		{"the-same-line-stamped", "t n1000000 ./a", feed{shape: same, split: true}, []folder{{"a", expected{stamped: true, size: 99999}}}},
		{"two-folders", "t n1000000 ./a s20000 ./b", feed{split: true}, []folder{
			{"a", expected{stamped: true, size: 99999}},
			{"b", expected{stamped: true, size: 20000}},
		}},
		{"selection", "n1000000 -* +*7* ./odd +* ./all", feed{}, []folder{
			{"odd", expected{selected: has7, size: 99999}},
			{"all", expected{size: 99999}},
		}},
		{"processor", "n1000000 s50000 !tr\ta-z\tA-Z ./a", feed{}, []folder{{"a", expected{size: 50000, upper: true}}}},
		{"status", "n1000000 =status s100000 ./a", feed{}, []folder{{"a", expected{size: 100000}}}},
		{"alert", "n1000000 -* +*77777* e +* ./a", feed{split: true}, []folder{{"a", expected{size: 99999}}}},
		{"gzip", "t n1000000 zgzip ./a", feed{}, []folder{{"a", expected{stamped: true, size: 99999}}}},
	}
}

type stormScript struct {
	name    string
	script  string
	feed    feed
	folders []folder
}

// check looks into every folder of a script.
func (s *stormScript) check(t *testing.T, dir string, lines int) {
	t.Helper()
	for _, f := range s.folders {
		f.want.shape, f.want.lines = s.feed.shape, lines
		v := inspect(t, filepath.Join(dir, f.name), f.want)
		if !v.ok() {
			t.Errorf("%s: of %d lines %v", f.name, lines, v)
		}
		t.Logf("%s: %d lines in %d files", f.name, lines, v.files)
	}
	if strings.Contains(s.script, "=status") {
		line := appendLine(nil, s.feed.shape, lines-1)
		want := string(line[:min(len(line), 1000)])
		status, err := os.ReadFile(filepath.Join(dir, "status"))
		if err != nil || string(status) != want+strings.Repeat("\n", 1001-len(want)) {
			t.Errorf("status is %.100q, %v, want %.100q", status, err, want)
		}
	}
}

// TestKill ends loggers with SIGKILL while lines come as fast as they are
// taken. Nothing is lost, doubled or damaged.
func TestKill(t *testing.T) {
	for i, s := range scripts() {
		t.Run(s.name, func(t *testing.T) {
			times := 20
			if i == 0 {
				times = 200
			}
			run := storm{
				words: [][]string{append(ours(t), split(s.script)...)},
				ends:  []syscall.Signal{syscall.SIGKILL},
				times: rounds(t, times), seed: uint64(i), feeder: feeder{feed: s.feed},
			}
			s.check(t, run.run(t), run.lines)
		})
	}
}

// TestTerminate does the same with SIGTERM.
func TestTerminate(t *testing.T) {
	for i, s := range scripts() {
		t.Run(s.name, func(t *testing.T) {
			times := 10
			if i == 0 {
				times = 200
			}
			run := storm{
				words: [][]string{append(ours(t), split(s.script)...)},
				ends:  []syscall.Signal{syscall.SIGTERM},
				times: rounds(t, times), seed: 100 + uint64(i), feeder: feeder{feed: s.feed},
			}
			s.check(t, run.run(t), run.lines)
		})
	}
}

// TestAlternate lets multilog and ours take turns in one folder.
func TestAlternate(t *testing.T) {
	t.Parallel()
	script := "t n1000000 s20000 ./a"
	words := [][]string{append(ours(t), split(script)...), append(theirs(t, "multilog"), split(script)...)}
	run := storm{words: words, ends: []syscall.Signal{syscall.SIGTERM}, times: rounds(t, 60), seed: 7}
	run.split = true
	dir := run.run(t)
	v := inspect(t, filepath.Join(dir, "a"), expected{stamped: true, lines: run.lines, size: 20000})
	if !v.ok() {
		t.Errorf("of %d lines %v", run.lines, v)
	}
}

// TestOthersLose is what the checks above are worth: they find what others
// lose, and what ours would lose if it took its input out of a pipe before it
// has written it, as it must where the input is a socket.
func TestOthersLose(t *testing.T) {
	t.Parallel()
	const script = "n1000000 ./a"
	kill, term := syscall.SIGKILL, syscall.SIGTERM
	tests := []struct {
		name    string
		command func(t *testing.T) []string
		script  string
		end     syscall.Signal
		socket  bool
		lossy   bool
		config  string
	}{
		{"multilog killed", func(t *testing.T) []string { t.Helper(); return theirs(t, "multilog") }, script, kill, false, true, ""},
		{"multilog terminated", func(t *testing.T) []string { t.Helper(); return theirs(t, "multilog") }, script, term, false, false, ""},
		{"svlogd killed", func(t *testing.T) []string { t.Helper(); return theirs(t, "svlogd") }, "./a", kill, false, true, "s100000\nn0\n"},
		{"svlogd terminated", func(t *testing.T) []string { t.Helper(); return theirs(t, "svlogd") }, "./a", term, false, true, "s100000\nn0\n"},
		{"a socket", ours, script, kill, true, true, ""},
	}
	for i, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			// A kill has to come at the wrong moment, which on a busy machine few do.
			for try := range uint64(20) {
				run := storm{
					words: [][]string{append(test.command(t), split(test.script)...)},
					ends:  []syscall.Signal{test.end},
					times: 20, socket: test.socket, config: test.config, seed: uint64(i) + 100*try,
				}
				dir := run.run(t)
				v := inspect(t, filepath.Join(dir, "a"), expected{lines: run.lines, foreign: true})
				t.Logf("of %d lines %v", run.lines, v)
				switch {
				case v.lost > 0 && !test.lossy:
					t.Error("lines are lost")
					return
				case v.lost > 0 || !test.lossy:
					return
				}
			}
			t.Error("nothing is lost: the check finds nothing")
		})
	}
}
