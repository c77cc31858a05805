package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"time"

	"scgikit/bridge"
	"scgikit/internal/tai64n"
)

const tai64nHelp = `  Put a time stamp before each line, for tai64nlocal to read:

    make 2>&1 | scgi-run tai64n >make.log

Reads lines on standard input and writes each with a TAI64N label, "@" and 24
digits, and a blank before it. A label is the time at which the line began.

usage: scgi-run tai64n

exit codes: 0 end of input, 111 input or output is broken
`

// filterSize is the size of the buffers of tai64n and tai64nlocal: a full pipe.
const filterSize = 64 << 10

// runTAI64N is tai64n of daemontools 0.76, byte by byte, which takes no
// arguments and minds none.
func runTAI64N(args []string) int {
	if asksHelp(args) {
		return help(tai64nHelp)
	}
	var inside bool
	stamp := make([]byte, tai64n.Size+1)
	stamp[tai64n.Size] = ' '
	return filter(func(out *output, in []byte) {
		// All lines of one read came before it ended: one look at the clock is
		// enough. The stamp has microseconds, shown as the middle of each.
		now := time.Now().Truncate(time.Microsecond).Add(500)
		tai64n.Put(stamp, now)
		for len(in) > 0 {
			if !inside {
				out.add(stamp)
			}
			end := bytes.IndexByte(in, '\n') + 1
			inside = end == 0
			if inside {
				end = len(in)
			}
			out.add(in[:end])
			in = in[end:]
		}
	})
}

// asksHelp reports whether help is all that is asked for.
func asksHelp(args []string) bool {
	return len(args) == 1 && (args[0] == "-h" || args[0] == "--help")
}

// filter passes standard input through step, and writes what step has made of
// a read before the next one, so that nothing is held back while the input is
// silent. It returns the exit code; like the originals, it says nothing.
func filter(step func(out *output, in []byte)) int {
	out := &output{file: os.Stdout, buf: make([]byte, 0, filterSize)}
	in := make([]byte, filterSize)
	for {
		n, err := os.Stdin.Read(in)
		step(out, in[:n])
		out.flush()
		switch {
		case out.err != nil:
			return bridge.ExitTemporary
		case errors.Is(err, io.EOF):
			return bridge.ExitOK
		case err != nil:
			return bridge.ExitTemporary
		}
	}
}

// output collects what is written until it is worth a system call.
type output struct {
	file *os.File
	buf  []byte
	err  error // the first that happened; nothing is written after it
}

func (o *output) add(b []byte) {
	if len(o.buf)+len(b) > cap(o.buf) {
		o.flush()
	}
	if len(b) >= cap(o.buf) {
		o.write(b)
		return
	}
	o.buf = append(o.buf, b...)
}

func (o *output) flush() {
	o.write(o.buf)
	o.buf = o.buf[:0]
}

func (o *output) write(b []byte) {
	if o.err == nil && len(b) > 0 {
		_, o.err = o.file.Write(b)
	}
}
