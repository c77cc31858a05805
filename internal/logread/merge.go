package logread

import (
	"errors"
	"io"
)

// A Merger puts the lines of several logs in the order of their times. Lines of
// one log stay in their order, and one without a stamp stays behind the one
// before it.
type Merger struct {
	heads []head
	last  int // the log whose line was returned
}

// head is the next line of a log.
type head struct {
	source *Source
	line   *Line
}

// NewMerger returns a Merger of logs.
func NewMerger(sources []*Source) *Merger {
	m := &Merger{last: -1}
	for _, s := range sources {
		m.heads = append(m.heads, head{source: s})
	}
	return m
}

// Next returns the next line and its log, or io.EOF where none has more. What
// the line before it held must not be used any longer.
func (m *Merger) Next() (*Source, *Line, error) {
	if m.last >= 0 {
		m.heads[m.last].line = nil
	}
	best := -1
	for i := range m.heads {
		h := &m.heads[i]
		if h.line == nil {
			line, err := h.source.Next()
			if errors.Is(err, io.EOF) {
				continue
			}
			if err != nil {
				return nil, nil, err
			}
			h.line = line
		}
		switch {
		case i == m.last && !h.line.Stamped:
			m.last = i
			return h.source, h.line, nil
		case best < 0, h.line.Time.Before(m.heads[best].line.Time):
			best = i
		}
	}
	m.last = best
	if best < 0 {
		return nil, nil, io.EOF
	}
	return m.heads[best].source, m.heads[best].line, nil
}
