//go:build linux

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"scgikit/bench/measure"
)

// sparing are the loggers of the parts that are not about throughput: one of
// each program, with a stamp.
func (b *bench) sparing() []logger {
	var out []logger
	for _, l := range loggersOf(b.loggers, false) {
		switch l.name {
		case "multilog t", "svlogd -tt", "s6-log t", "scgi-run t":
			out = append(out, l)
		}
	}
	return out
}

// trickle measures loggers that get one line of 100 bytes at a time.
func (b *bench) trickle() error {
	loggers := b.sparing()
	values := make([][]float64, len(loggers))
	for range b.rounds {
		for _, i := range b.shuffled(len(loggers)) {
			cpu, err := b.trickleOnce(loggers[i])
			if err != nil {
				return err
			}
			values[i] = append(values[i], cpu.Seconds()*1e6/float64(b.lines))
		}
	}
	fmt.Printf("\n%d lines of 100 bytes, one every %s, log in memory; rounds: %d, median (min-max)\n", b.lines, b.gap, b.rounds)
	fmt.Printf("%-12s %-22s %s\n", "", "CPU us/line", "/ multilog t")
	showRounds(loggers, values, "multilog t")
	return nil
}

// trickleOnce returns what the lines cost after the first: starting and ending
// are measured elsewhere.
func (b *bench) trickleOnce(l logger) (time.Duration, error) {
	dir, remove, err := b.folder(b.scratch)
	if err != nil {
		return 0, err
	}
	defer remove()
	r, err := l.start(dir)
	if err != nil {
		return 0, err
	}
	cpu, err := r.trickle(b.lines, b.gap)
	if err != nil {
		r.kill()
		return 0, fmt.Errorf("%s: %w", l.name, err)
	}
	if _, err := r.finish(); err != nil {
		return 0, err
	}
	return cpu, r.check(int64(b.lines+1) * (100 + l.stamp))
}

func (r *running) trickle(lines int, gap time.Duration) (time.Duration, error) {
	line := []byte(strings.Repeat("x", 99) + "\n")
	write := func() error { _, err := r.input.Write(line); return err }
	if err := write(); err != nil {
		return 0, err
	}
	if err := r.settle(100 + r.stamp); err != nil {
		return 0, err
	}
	before, err := cpuOf(r.cmd.Process.Pid)
	if err != nil {
		return 0, err
	}
	if err := pace(lines, gap, write); err != nil {
		return 0, err
	}
	if err := r.settle(int64(lines+1) * (100 + r.stamp)); err != nil {
		return 0, err
	}
	after, err := cpuOf(r.cmd.Process.Pid)
	return after - before, err
}

// pace calls do n times with a gap between the beginnings. The sleeps are those
// of the kernel, with the least slack: the runtime's timers are too coarse for
// gaps of 100 microseconds.
func pace(n int, gap time.Duration, do func() error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0); err != nil {
		return os.NewSyscallError("prctl", err)
	}
	next := time.Now()
	for range n {
		if err := do(); err != nil {
			return err
		}
		next = next.Add(gap)
		rest := unix.NsecToTimespec(max(0, int64(time.Until(next))))
		if err := unix.Nanosleep(&rest, nil); err != nil && err != unix.EINTR {
			return os.NewSyscallError("nanosleep", err)
		}
	}
	return nil
}

// idleLoggers counts how often loggers wake up that have nothing to do.
func (b *bench) idleLoggers() error {
	fmt.Printf("\nidle for %s after one line\n%-12s %s\n", b.idle, "", "wake-ups")
	for _, l := range b.sparing() {
		r, err := b.startWithLine(l)
		if err != nil {
			return err
		}
		n, err := r.wakeUps(b.idle)
		if err != nil {
			r.kill()
			return err
		}
		if _, err := r.finish(); err != nil {
			return err
		}
		fmt.Printf("%-12s %d\n", l.name, n)
	}
	return nil
}

// startWithLine starts a logger, writes a line and waits until it is in the log
// and the logger is asleep.
func (b *bench) startWithLine(l logger) (*running, error) {
	dir, _, err := b.folder(b.scratch)
	if err != nil {
		return nil, err
	}
	r, err := l.start(dir)
	if err != nil {
		return nil, err
	}
	_, err = r.input.WriteString("a line\n")
	if err == nil {
		err = r.settle(7 + l.stamp)
	}
	if err != nil {
		r.kill()
		return nil, fmt.Errorf("%s: %w", l.name, err)
	}
	return r, nil
}

// settle waits until the log has so many bytes and the logger sleeps.
func (r *running) settle(want int64) error {
	return waitUntil(r.name+" writes and goes to sleep", func() (bool, error) {
		n, err := written(r.dir)
		if err != nil || n < want {
			return false, err
		}
		return measure.Asleep(r.cmd.Process.Pid)
	})
}

// wakeUps counts the switches to any of the logger's threads. What happens soon
// after the last line does not count: a runtime may go to sleep in steps.
func (r *running) wakeUps(during time.Duration) (int, error) {
	time.Sleep(during / 4)
	before, err := measure.Switches(r.cmd.Process.Pid)
	if err != nil {
		return 0, err
	}
	time.Sleep(during)
	after, err := measure.Switches(r.cmd.Process.Pid)
	return after - before, err
}

// memoryAfterBulk shows what loggers have in memory after a large input.
func (b *bench) memoryAfterBulk() error {
	in, err := b.makeInput("access log for memory", b.size/3, accessLine)
	if err != nil {
		return err
	}
	fmt.Printf("\nmemory after %d MB of access log, in KiB\n%-12s %-12s %s\n", in.bytes/1e6, "", "peak RSS", "Pss")
	for _, l := range loggersOf(b.loggers, false) {
		m, err := b.memoryOnce(l, in)
		if err != nil {
			return err
		}
		fmt.Printf("%-12s %-12d %d\n", l.name, m.Peak, m.Pss)
	}
	return nil
}

func (b *bench) memoryOnce(l logger, in input) (measure.Memory, error) {
	dir, remove, err := b.folder(b.scratch)
	if err != nil {
		return measure.Memory{}, err
	}
	defer remove()
	r, err := l.start(dir)
	if err != nil {
		return measure.Memory{}, err
	}
	err = r.feed(in.path)
	if err == nil {
		err = r.settle(in.want(l))
	}
	if err != nil {
		r.kill()
		return measure.Memory{}, err
	}
	m, err := measure.MemoryOf(r.cmd.Process.Pid)
	if _, end := r.finish(); err == nil {
		err = end
	}
	return m, err
}

// firstLine measures the time from the start of a logger to its first line in
// the file, with the line in the pipe already.
func (b *bench) firstLine() error {
	loggers := b.sparing()
	values := make([][]float64, len(loggers))
	for range b.rounds {
		for _, i := range b.shuffled(len(loggers)) {
			var sum time.Duration
			for range b.starts {
				took, err := b.firstLineOnce(loggers[i])
				if err != nil {
					return err
				}
				sum += took
			}
			values[i] = append(values[i], sum.Seconds()*1e3/float64(b.starts))
		}
	}
	fmt.Printf("\nfrom start to first line in the file; rounds: %d of %d starts, median (min-max)\n", b.rounds, b.starts)
	fmt.Printf("%-12s %-22s %s\n", "", "ms", "/ multilog t")
	showRounds(loggers, values, "multilog t")
	return nil
}

func (b *bench) firstLineOnce(l logger) (time.Duration, error) {
	dir, remove, err := b.folder(b.scratch)
	if err != nil {
		return 0, err
	}
	defer remove()
	begin := time.Now()
	r, err := l.start(dir)
	if err != nil {
		return 0, err
	}
	if _, err := r.input.WriteString("a line\n"); err != nil {
		r.kill()
		return 0, err
	}
	current := filepath.Join(dir, "log", "current")
	for time.Since(begin) < 10*time.Second {
		if info, err := os.Stat(current); err == nil && info.Size() > 0 {
			took := time.Since(begin)
			_, err := r.finish()
			return took, err
		}
	}
	r.kill()
	return 0, fmt.Errorf("%s writes no line", l.name)
}
