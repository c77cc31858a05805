package logrotate

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

func indexNewline(b []byte) int { return bytes.IndexByte(b, '\n') }

// chooseBulk sets the way by which many lines at once are taken, for scripts
// that need no look at each of them.
func (l *Logger) chooseBulk() {
	if len(l.steps) != 1 || len(l.folders) != 1 {
		return
	}
	if l.stampSize == 0 {
		l.bulk = l.takeLines
	} else {
		l.bulk = l.takeStamped
	}
}

// takeLines takes complete lines as they are, without copying them. It returns
// false where the next line needs a closer look.
func (l *Logger) takeLines() bool {
	f := l.folders[0]
	if f.borrowed != nil {
		// Lines can not be added behind what is borrowed; the incomplete one at
		// the end of the input can be kept.
		if indexNewline(l.in[l.pos:l.end]) >= 0 || l.end-l.pos >= maxLine {
			l.full = true
			return true
		}
		return false
	}
	text := l.in[l.pos:l.end]
	n := bytes.LastIndexByte(text, '\n') + 1
	// The first newline at or behind due ends the file.
	if due := max(f.Size-tolerance-f.length(), 1); due <= int64(len(text)) {
		near := text[:min(int64(len(text)), f.Size-f.length())]
		if due > int64(len(near)) {
			return false
		}
		if ends := indexNewline(near[due-1:]); ends >= 0 {
			n = int(due) + ends
			f.due, l.full = true, true
		} else {
			n = bytes.LastIndexByte(near[:due-1], '\n') + 1
		}
	}
	if n == 0 {
		return false
	}
	f.borrowed = text[:n]
	l.pos += n
	return true
}

// takeStamped takes complete lines and puts the stamp before each. It works on
// what is left of the input and of the room, and on little else: what does not
// fit into registers costs a tenth of the time.
func (l *Logger) takeStamped() bool {
	f := l.folders[0]
	size, stamp := l.stampSize, (*[32]byte)(l.stamp[:])
	// What is pending may grow to this length without a rotation being due.
	due := f.Size - tolerance - f.start
	room := int(min(int64(cap(f.out)), f.Size-f.start))
	if room < len(f.out) {
		return false
	}
	in, out := l.in[l.pos:l.end], f.out[len(f.out):room]
	dueAt := room - int(min(due, int64(room))) // of what is left of the room
	for len(in) > 0 {
		n := lineLength(in)
		if n == 0 || size+n > len(out) {
			break
		}
		switch {
		case n <= shortLine && cap(in) >= shortLine && cap(out) >= maxStamp+shortLine:
			// Copies of a known length need no call; what they bring too much is
			// written over by the next line, or cut off.
			from, to := in[:shortLine], out[:maxStamp+shortLine]
			copy32((*[32]byte)(to), stamp)
			to = to[size:]
			copy32((*[32]byte)(to), (*[32]byte)(from))
			if n > 32 {
				copy32((*[32]byte)(to[32:]), (*[32]byte)(from[32:]))
			}
		case size+n >= len(stamp):
			copy32((*[32]byte)(out), stamp) // the line comes over its end
			copy(out[size:], in[:n])
		default:
			copy(out, stamp[:size])
			copy(out[size:], in[:n])
		}
		in, out = in[n:], out[size+n:]
		if len(out) <= dueAt {
			f.due, l.full = true, true
			break
		}
	}
	pos := l.end - len(in)
	taken := pos > l.pos
	f.out, l.pos = f.out[:room-len(out)], pos
	return taken
}

// shortLine is how long lines are that takeStamped copies without a call.
const shortLine = 64

// copy32 copies by two loads and two stores, without a call.
func copy32(to, from *[32]byte) {
	a, b := *(*[16]byte)(from[:16]), *(*[16]byte)(from[16:])
	*(*[16]byte)(to[:16]) = a
	*(*[16]byte)(to[16:]) = b
}

// lineLength returns the length of the first line in b, its newline included, or
// 0. Short lines, for which a call would cost more than the search, are found
// eight bytes at a time.
func lineLength(b []byte) int {
	const (
		ones     = 0x0101010101010101
		highs    = 0x8080808080808080
		newlines = ones * '\n'
	)
	for i := 0; i+8 <= len(b) && i < 24; i += 8 {
		w := binary.LittleEndian.Uint64(b[i:]) ^ newlines
		if z := (w - ones) &^ w & highs; z != 0 {
			return i + bits.TrailingZeros64(z)>>3 + 1
		}
	}
	return bytes.IndexByte(b, '\n') + 1
}
