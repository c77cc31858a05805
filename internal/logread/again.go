package logread

import "bytes"

// A logger that was killed takes back what it wrote of lines that are still in
// its input: its successor cuts the file, gives it its name, and writes these
// lines to the next one, with new stamps. Who followed the log has read them.

// recentSize is how much of what was read of a growing file is remembered: more
// than a logger writes at once.
const recentSize = 1 << 20

// remember keeps the last bytes that were read.
func (g *growing) remember(b []byte) {
	if len(g.recent)+len(b) > 2*recentSize {
		g.recent = append(g.recent[:0], g.recent[max(0, len(g.recent)-recentSize):]...)
	}
	g.recent = append(g.recent, b...)
	g.lost = nil // what grows was not cut by a logger
}

// cutOff is told that the file has become shorter than what was read of it.
func (g *growing) cutOff(size int64) {
	if n := g.offset - size; n <= int64(len(g.recent)) {
		g.lost = bytes.Clone(g.recent[int64(len(g.recent))-n:])
		g.recent = g.recent[:int64(len(g.recent))-n]
	}
	g.offset = size
}

// repeat is what was read and will come again.
type repeat struct {
	text []byte
	at   int // so much of it has come
	line int // where the line at at begins
	free int // up to here, it is the stamp of that line, which will be another
}

func newRepeat(text []byte) *repeat {
	r := &repeat{text: text}
	r.stamp()
	return r
}

func (r *repeat) stamp() {
	_, n := readStamp(r.text[r.line:])
	r.free = r.line + n
}

// skip takes bytes that have come, and returns those that are new. Where what
// comes is no repetition, the line is new from its beginning; done is true then,
// and when all has come.
func (r *repeat) skip(b []byte) (fresh []byte, done bool) {
	for i, c := range b {
		if r.at == len(r.text) {
			return b[i:], true
		}
		if c != r.text[r.at] && (r.at >= r.free || c == '\n') {
			return append(bytes.Clone(r.text[r.line:r.at]), b[i:]...), true
		}
		r.at++
		if c == '\n' {
			r.line = r.at
			r.stamp()
		}
	}
	return nil, r.at == len(r.text)
}
