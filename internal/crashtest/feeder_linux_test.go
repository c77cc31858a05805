package crashtest

import (
	"math/rand/v2"
	"os"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"
)

// pipe is the one pipe of a test: it outlives every logger, as a supervisor
// keeps it. Both ends block, as those of a shell do; os.Pipe would set
// O_NONBLOCK on the descriptions that loggers share.
type pipe struct{ read, write *os.File }

func newPipe(t *testing.T) *pipe {
	t.Helper()
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	p := &pipe{os.NewFile(uintptr(fds[0]), "read end"), os.NewFile(uintptr(fds[1]), "write end")}
	t.Cleanup(func() { p.read.Close(); p.write.Close() })
	return p
}

// unread is the number of bytes in the pipe.
func (p *pipe) unread(t *testing.T) int {
	t.Helper()
	n, err := unix.IoctlGetInt(int(p.read.Fd()), unix.TIOCINQ)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// feed says what a feeder writes.
type feed struct {
	shape shape
	split bool // writes end anywhere, not at newlines
}

// feeder writes lines to a pipe as fast as they are taken.
type feeder struct {
	feed
	stop  atomic.Bool
	lines int // how many were written; to be read after end
	done  chan error
}

// start begins to write. A feeder writes from a goroutine of its own until end.
func (f *feeder) start(p *pipe, seed uint64) {
	f.done = make(chan error, 1)
	go func() { f.done <- f.run(p.write, rand.New(rand.NewPCG(seed, 1))) }()
}

func (f *feeder) run(w *os.File, random *rand.Rand) error {
	var buf []byte
	for {
		last := f.stop.Load()
		for !last && len(buf) < 32<<10 {
			buf = appendLine(buf, f.shape, f.lines)
			f.lines++
		}
		size := len(buf)
		if f.split && !last {
			size = 1 + random.IntN(size)
		}
		if _, err := w.Write(buf[:size]); err != nil {
			return err
		}
		if buf = append(buf[:0], buf[size:]...); last {
			return nil
		}
	}
}

// end makes the feeder stop at the end of a line. A logger must be reading.
func (f *feeder) end(t *testing.T) {
	t.Helper()
	f.stop.Store(true)
	if err := within(func() error { return <-f.done }); err != nil {
		t.Fatalf("the writer of lines: %v", err)
	}
}
