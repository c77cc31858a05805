package logread

import (
	"bytes"
	"errors"
	"io"
)

// first returns where reading begins: at the first of the parts that Since
// leaves, and there at the first of the last lines if so many are wanted.
func (s *Source) first(parts []*part, index int) position {
	from := position{index: index, midLine: s.startsInside(parts, index)}
	if s.opt.Last < 0 {
		return from
	}
	if s.opt.Last == 0 {
		return s.behind(parts)
	}
	need := s.opt.Last
	for i := len(parts) - 1; i >= index && need > 0; i-- {
		at := position{index: i, midLine: s.startsInside(parts, i)}
		var n int
		if s.unfiltered() && seekable(parts[i]) {
			at.offset, n = s.lastLines(parts[i], need, at.midLine)
			at.midLine = at.midLine && at.offset == 0
		} else {
			n = s.countLines(parts, at)
			at.skip = max(0, n-need)
		}
		need -= min(n, need)
		from = at
	}
	s.pending = s.opt.Last - need
	return from
}

// behind returns the position behind the last line that has ended.
func (s *Source) behind(parts []*part) position {
	last := len(parts) - 1
	if last < 0 || !parts[last].live {
		return position{index: len(parts)}
	}
	offset, _ := s.lastLines(parts[last], 1, false)
	if b, ok := s.lastByte(parts[last]); ok && b == '\n' {
		offset = parts[last].file.size
	}
	return position{index: last, offset: offset, midLine: offset == 0 && s.startsInside(parts, last)}
}

// unfiltered reports whether every line is wanted.
func (s *Source) unfiltered() bool {
	return s.opt.Match == nil && s.opt.Since.IsZero() && s.opt.Until.IsZero()
}

// seekable reports whether a part can be read from its end.
func seekable(p *part) bool { return p.file != nil || p.entry.packing == plain }

// lastLines returns where in a part the last lines begin, and how many there
// are from there on, at most need.
func (s *Source) lastLines(p *part, need int, midLine bool) (offset int64, count int) {
	file := p.file
	if file == nil {
		f, packed, err := s.openEntry(p.entry)
		if err != nil {
			return 0, 0 // reading it will say why
		}
		defer f.Close() //nolint:errcheck // opened for reading
		if packed != plain {
			// It was compressed just now. All of it is too much, not too little.
			return 0, need
		}
		file = f
	}
	buf := make([]byte, readSize)
	for end := file.size; end > 0; {
		start := max(0, end-int64(len(buf)))
		block := buf[:end-start]
		if n, err := file.ReadAt(block, start); n < len(block) && err != nil {
			return end, count
		}
		for at := bytes.LastIndexByte(block, '\n'); at >= 0; at = bytes.LastIndexByte(block[:at], '\n') {
			if begin := start + int64(at) + 1; begin < file.size {
				count++
				if count == need {
					return begin, count
				}
			}
		}
		end = start
	}
	if file.size > 0 && !midLine {
		count++
	}
	return 0, count
}

// countLines counts the wanted lines that begin in a part.
func (s *Source) countLines(parts []*part, at position) int {
	c := newCursor(s, parts, at, func() (*part, error) { return nil, io.EOF })
	c.count = true
	defer c.close()
	n := 0
	for {
		line, err := c.nextLine()
		if err != nil || c.origin != parts[at.index] {
			return n
		}
		if s.wants(c, line) {
			n++
		}
	}
}

// startsInside reports whether a part begins within a line that began in one
// before it. Of the first there is no telling: what it holds is shown.
func (s *Source) startsInside(parts []*part, index int) bool {
	if index == 0 || index >= len(parts) || s.startsStamped(parts[index]) {
		return false
	}
	for i := index - 1; i >= 0; i-- {
		if last, ok := s.lastByte(parts[i]); ok {
			return last != '\n'
		}
	}
	return false
}

func (s *Source) startsStamped(p *part) bool {
	c, err := s.open(p, 0, false)
	if err != nil {
		return false
	}
	defer c.close()
	head, _ := c.Peek(longestStamp) // an error shows when it is read
	_, n := readStamp(head)
	return n > 0
}

// lastByte returns the last byte of a part; ok is false for an empty one. One
// that can not be read ends its line.
func (s *Source) lastByte(p *part) (last byte, ok bool) {
	offset := int64(0)
	if p.file != nil {
		offset = max(0, p.file.size-1)
	} else if st, err := s.folder.stat(p.entry.name); err == nil && seekable(p) {
		offset = max(0, st.Size-1)
	}
	c, err := s.open(p, offset, false)
	if err != nil {
		return '\n', true
	}
	defer c.close()
	buf := make([]byte, readSize)
	for {
		n, err := c.Read(buf)
		if read := buf[:n]; n > 0 {
			last, ok = read[len(read)-1], true
		}
		switch {
		case errors.Is(err, io.EOF):
			return last, ok
		case err != nil:
			return '\n', true
		}
	}
}
