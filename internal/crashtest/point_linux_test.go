package crashtest

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// plan is a short run, always the same: a logger is given pieces of input, each
// when it has taken the one before, and is then terminated.
type plan struct {
	name    string
	script  string
	feed    feed
	pieces  int
	bytes   int // of a piece, which ends anywhere
	step    int // every so-manieth point is enough
	after   int // points are counted from the first such system call; 0 is any
	folders []folder
}

func plans() []plan {
	stamped := expected{stamped: true, size: 4096}
	lock := unix.SYS_FLOCK
	return []plan{
		{"one file", "n1000 ./a", feed{}, 4, 150, 1, lock, []folder{{"a", expected{}}}},
		{"rotations", "t s4096 n1000 ./a", feed{}, 4, 2500, 1, lock, []folder{{"a", stamped}}},
		{"long lines", "s4096 n1000 ./a", feed{shape: long}, 3, 30_000, 53, lock, []folder{{"a", expected{size: 4096}}}},
		{"the same line", "n1000 s4096 ./a", feed{shape: same}, 4, 2500, 17, lock, []folder{{"a", expected{size: 4096}}}},
		{"two folders", "t n1000 s5000 ./a s4096 ./b", feed{}, 4, 2500, 17, lock, []folder{
			{"a", expected{stamped: true, size: 5000}}, {"b", stamped},
		}},
		{"processor", "n1000 s4096 !tr\ta-z\tA-Z ./a", feed{}, 4, 2500, 17, lock, []folder{{"a", expected{size: 4096, upper: true}}}},
		{"gzip", "n1000 s4096 zgzip ./a", feed{}, 4, 2500, 17, lock, []folder{{"a", expected{size: 4096}}}},
	}
}

// kill is where a logger is killed.
type kill struct{ point, steps int }

// carryOut runs a plan with loggers that are killed, one after the other in the
// same folder, and a last one that ends well, and checks the folders. It
// returns what happened to the last of those that were to be killed.
func (p *plan) carryOut(t *testing.T, command []string, kills ...kill) (last trace, verdicts []verdict) {
	t.Helper()
	dir, err := os.MkdirTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	in := newPipe(t)
	defer in.read.Close()
	defer in.write.Close()
	words := slices.Concat(command, split(p.script))
	drip := drip{plan: p}
	for _, k := range kills {
		tr := tracer{dir: dir, input: in.read, words: words, point: k.point, steps: k.steps, signal: syscall.SIGKILL, after: p.after}
		tr.started = func(pid int) { drip.start(t, in, pid) }
		last, err = tr.run()
		drip.stop()
		if err != nil || !last.died && last.code != 0 {
			t.Fatalf("%s %v: exit code %d, %v\n%s", p.name, kills, last.code, err, last.stderr)
		}
	}
	l := launch(t, dir, in.read, words...)
	drip.rest(t, in)
	l.end(t, 0)
	for _, f := range p.folders {
		f.want.shape, f.want.lines = p.feed.shape, drip.lines
		verdicts = append(verdicts, inspect(t, filepath.Join(dir, f.name), f.want))
	}
	return last, verdicts
}

// drip gives the input of a plan in pieces.
type drip struct {
	plan    *plan
	input   []byte // whole lines
	lines   int    // in input
	sent    int
	stopped atomic.Bool
	done    chan struct{}
}

// ready makes input for one more piece at least.
func (d *drip) ready() {
	for len(d.input) < d.sent+d.plan.bytes {
		d.input = appendLine(d.input, d.plan.feed.shape, d.lines)
		d.lines++
	}
}

// start gives a logger the pieces of the plan, each when it has taken the one
// before. Then it is sent TERM, most often in the middle of a line, and is given
// more until it has ended.
func (d *drip) start(t *testing.T, in *pipe, pid int) {
	t.Helper()
	d.stopped.Store(false)
	d.done = make(chan struct{})
	go func() {
		defer close(d.done)
		pieces := d.plan.pieces
		end := time.Now().Add(patience)
		for !d.stopped.Load() {
			switch {
			case time.Now().After(end):
				syscall.Kill(pid, syscall.SIGKILL)
				return
			case in.unread(t) > 0:
				<-time.After(50 * time.Microsecond)
				continue
			case pieces == 0:
				syscall.Kill(pid, syscall.SIGTERM)
			}
			pieces--
			d.ready()
			in.write.Write(d.input[d.sent : d.sent+d.plan.bytes])
			d.sent += d.plan.bytes
		}
	}()
}

// stop ends what start began.
func (d *drip) stop() {
	d.stopped.Store(true)
	<-d.done
}

// rest gives one more piece, and the end.
func (d *drip) rest(t *testing.T, in *pipe) {
	t.Helper()
	d.ready()
	if err := within(func() error {
		_, err := in.write.Write(d.input[d.sent:])
		return err
	}); err != nil {
		t.Fatal(err)
	}
	in.write.Close()
}

// everyPoint kills a logger at each point of a plan, or at each so-manieth. It
// returns the number of points, and of those at which something went wrong.
func (p *plan) everyPoint(t *testing.T, command []string, step int) (points, wrong int) {
	t.Helper()
	for at := 1; ; at += step {
		last, verdicts := p.carryOut(t, command, kill{point: at})
		wrong += p.judge(t, last, verdicts)
		if !last.died {
			return at, wrong
		}
	}
}

// judge returns 1 where something is wrong with a folder.
func (p *plan) judge(t *testing.T, last trace, verdicts []verdict) int {
	t.Helper()
	if !slices.ContainsFunc(verdicts, func(v verdict) bool { return !v.ok() }) {
		return 0
	}
	t.Logf("%s, killed at %s: %v", p.name, last.where, verdicts)
	return 1
}

// TestKillAtEachCall kills loggers before and after each system call that they
// make in a short run.
func TestKillAtEachCall(t *testing.T) {
	t.Parallel()
	command := ours(t)
	for _, p := range plans() {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			points, wrong := p.everyPoint(t, command, max(1, p.step/rounds(t, 1)))
			t.Logf("%d points", points)
			if wrong > 0 || points < 50 {
				t.Errorf("%d of %d points lose, double or damage lines", wrong, points)
			}
		})
	}
}

// TestKillTwice kills the logger that recovers, too.
func TestKillTwice(t *testing.T) {
	t.Parallel()
	command := ours(t)
	for i, p := range plans() {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(4, uint64(i)))
			first, verdicts := p.carryOut(t, command, kill{point: 1 << 30})
			wrong := p.judge(t, first, verdicts)
			for range rounds(t, 12) {
				at := []kill{{point: 1 + random.IntN(first.points)}, {point: 1 + random.IntN(first.points)}}
				last, verdicts := p.carryOut(t, command, at...)
				wrong += p.judge(t, last, verdicts)
			}
			if wrong > 0 {
				t.Errorf("%d runs lose, double or damage lines", wrong)
			}
		})
	}
}

// TestKillBetweenCalls kills loggers some instructions after a system call:
// while they write to the record, which takes none.
func TestKillBetweenCalls(t *testing.T) {
	t.Parallel()
	command := ours(t)
	for i, p := range plans()[:2] {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			p.after = unix.SYS_TEE
			random := rand.New(rand.NewPCG(5, uint64(i)))
			first, verdicts := p.carryOut(t, command, kill{point: 1 << 30})
			wrong := p.judge(t, first, verdicts)
			for range rounds(t, 30) {
				last, verdicts := p.carryOut(t, command, kill{1 + random.IntN(first.points), 1 + random.IntN(3000)})
				wrong += p.judge(t, last, verdicts)
			}
			if wrong > 0 {
				t.Errorf("%d runs lose, double or damage lines", wrong)
			}
		})
	}
}

// TestMultilogKilledAtEachCall shows that the points are those that matter.
func TestMultilogKilledAtEachCall(t *testing.T) {
	t.Parallel()
	p := plans()[0]
	points, wrong := p.everyPoint(t, theirs(t, "multilog"), 1)
	if wrong == 0 {
		t.Errorf("multilog was killed at %d points and has lost nothing", points)
	}
}
