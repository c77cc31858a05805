package logrotate

import (
	"errors"

	"golang.org/x/sys/unix"
)

// Sizes of buffers. More than this is hardly faster, and costs memory.
const (
	inputSize  = 192 << 10
	outputSize = 288 << 10
)

// Buffers is the memory that Loggers work in: 192 KiB for input, 288 KiB for
// each folder of a script, and a pipe to look through. Loggers that are given
// the same Buffers, and the Buffers, are for one goroutine: Open, Step, Park,
// Close and the others of all of them are called from there.
//
// Between two Steps, a kill-safe Logger has none of it: what it could not write
// is still in its pipe, and is worked on again. A Logger that reads plainly keeps
// what it holds of it until it has written that, up to 32 KiB of input and what
// becomes of it.
type Buffers struct {
	spare []*workspace
	peek  *peekPipe // nil until a Logger looks into a pipe
}

// maxSpare is how many workspaces are kept that nobody uses. One is needed; others
// come from Loggers that had trouble.
const maxSpare = 2

// workspace is what one Logger works in.
type workspace struct {
	in     []byte
	outs   [][]byte // for each folder
	alerts []byte
}

// NewBuffers returns Buffers for any number of Loggers. They take no memory until
// there is work.
func NewBuffers() *Buffers { return new(Buffers) }

// Close gives the descriptors back. The Loggers are closed before.
func (b *Buffers) Close() {
	if b.peek != nil {
		b.peek.close()
	}
	b.spare = nil
}

// take returns a workspace for a number of folders.
func (b *Buffers) take(folders int) *workspace {
	var w *workspace
	if n := len(b.spare); n > 0 {
		w, b.spare = b.spare[n-1], b.spare[:n-1]
	} else {
		w = &workspace{in: make([]byte, inputSize)}
	}
	for len(w.outs) < folders {
		w.outs = append(w.outs, make([]byte, 0, outputSize))
	}
	return w
}

// give takes a workspace back.
func (b *Buffers) give(w *workspace) {
	if len(b.spare) < maxSpare {
		b.spare = append(b.spare, w)
	}
}

// shares returns whether the buffers are given back between two Steps.
func (l *Logger) shares() bool { return l.cfg.Buffers != nil }

// attach gets buffers, if there are none.
func (l *Logger) attach() {
	if l.work != nil {
		return
	}
	w := l.buffers.take(len(l.folders))
	l.work, l.in, l.alerts = w, w.in, w.alerts
	for i, f := range l.folders {
		f.out = w.outs[i]
	}
}

// release gives shared buffers back if what is in them can be had again. What is
// in the pipe is not consumed, so it can; see resume.
func (l *Logger) release() {
	if l.work == nil || !l.shares() {
		return
	}
	committing := l.stage > reading && l.stage < rotating
	switch {
	case !l.peeking() && (committing || l.pos < l.end):
		return
	case committing && !l.aside:
		l.aside, l.asideInput = true, l.pos-l.from
	}
	l.detach()
}

// detach gives the buffers back. Of a lot of input that is put aside stays how
// much of it was written.
func (l *Logger) detach() {
	l.work.alerts = l.alerts[:0]
	l.buffers.give(l.work)
	l.work, l.in, l.alerts = nil, nil, nil
	l.pos, l.from, l.end = 0, 0, 0
	for _, f := range l.folders {
		f.out, f.borrowed = nil, nil
		if !l.aside {
			f.written = 0
		}
	}
}

// resume makes again, from the pipe, what was pending when the buffers were
// given back, and the commit goes on where it was. It comes out the same to the
// byte: the stamp and the sizes of the files from then are kept, and the record
// has the line that had begun. It returns false after trouble.
func (l *Logger) resume() bool {
	l.filled = true
	l.attach()
	n := l.asideInput
	if n > 0 {
		got, err := l.source.fill(l.in[:n])
		switch {
		case isTrouble(err):
			return l.pause(err)
		case err != nil && !errors.Is(err, unix.EAGAIN):
			return l.pause(troubled(err, "look at input again"))
		case got < n && l.source.available() >= uint64(n):
			return l.pause(troubled(errShort, "look at input again"))
		case got < n:
			return l.robbed()
		}
	}
	l.pos, l.from, l.end = 0, 0, n
	l.full = false
	l.reloadLine()
	for _, f := range l.folders {
		f.due = false
	}
	if n > 0 {
		l.take()
	} else {
		l.finishLine()
	}
	if l.pos < l.end || l.stage > recording && n > 0 && !l.record.expects(l.in[:n]) {
		return l.robbed()
	}
	if l.stage > recording {
		l.alerts = l.alerts[:0] // they were printed
	}
	if l.stage == consuming {
		for _, s := range l.statuses {
			s.pending = false
		}
	}
	l.aside = false
	return true
}

// robbed gives up a lot of input that another reader took out of the pipe while
// it was put aside.
func (l *Logger) robbed() bool {
	l.warn(robbedMessage)
	if l.stage > recording {
		l.record.accept()
		l.record.end()
	}
	l.reloadLine()
	l.alerts = l.alerts[:0]
	l.pos, l.from, l.end = 0, 0, 0
	for _, s := range l.statuses {
		s.pending = false
	}
	for _, f := range l.folders {
		f.out, f.borrowed, f.written = f.out[:0], nil, 0
		f.due = f.renamed >= 0 || f.full(f.bytes)
	}
	l.aside, l.stage = false, rotating
	return true
}

// reloadLine goes back to the line as it was when the commit began.
func (l *Logger) reloadLine() {
	l.line = line{head: l.line.head[:0]}
	l.record.loadLine(&l.line)
	for i, f := range l.folders {
		f.takes = l.line.long && l.line.selected>>(i&63)&1 != 0
	}
}
