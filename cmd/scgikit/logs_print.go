package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"scgikit/internal/logread"
	"scgikit/internal/printable"
)

// The forms of a line's time.
const (
	localStamp = "2006-01-02 15:04:05.000000 "
	utcStamp   = "2006-01-02 15:04:05.000000Z "
	jsonStamp  = "2006-01-02T15:04:05.999999999Z"
)

// logPrinter prints lines of logs, however long, in one of the forms.
type logPrinter struct {
	w      *bufio.Writer
	print  func(*logread.Source, *logread.Line) error
	layout string
	zone   *time.Location
	prefix map[*logread.Source]string
	escape bool // the reader is a terminal, which obeys control characters

	open bool // the line before has no newline, in the file and here
}

func newLogPrinter(e *env, flags *logsFlags, sources []*logread.Source) *logPrinter {
	p := &logPrinter{w: bufio.NewWriterSize(e.stdout, 64<<10), layout: localStamp, zone: time.Local}
	if flags.utc {
		p.layout, p.zone = utcStamp, time.UTC
	}
	switch {
	case e.settings.Output == "json":
		p.print = p.object
	case flags.raw:
		p.print = p.stored
	default:
		p.print = p.text
		p.escape = isTerminal(e.stdout)
		p.prefix = prefixes(sources, e.useColor(e.stdout))
	}
	return p
}

// prefixes returns what tells the lines of several logs apart.
func prefixes(sources []*logread.Source, color bool) map[*logread.Source]string {
	out := make(map[*logread.Source]string)
	if len(sources) < 2 {
		return out
	}
	width := 0
	for _, s := range sources {
		width = max(width, utf8.RuneCountInString(visible(s.Name)))
	}
	styles := []string{"36", "33", "32", "35", "34", "31"}
	for i, s := range sources {
		name := visible(s.Name)
		pad := strings.Repeat(" ", width-utf8.RuneCountInString(name)+2)
		if color {
			name = "\x1b[" + styles[i%len(styles)] + "m" + name + "\x1b[m"
		}
		out[s] = name + pad
	}
	return out
}

func (p *logPrinter) flush() error { return p.w.Flush() }

// pieces calls put with a line's text, piece by piece, and reports whether a
// newline is behind it.
func pieces(s *logread.Source, line *logread.Line, put func(piece []byte)) (ended bool, err error) {
	put(line.Text)
	if !line.More {
		return !line.Open, nil
	}
	for {
		piece, err := s.Rest()
		if errors.Is(err, io.EOF) {
			return !s.Open(), nil
		}
		if err != nil {
			return false, err
		}
		put(piece)
	}
}

// stored prints a line as it is in the file. A newline is added where a file
// was cut off within a line and another line follows.
func (p *logPrinter) stored(s *logread.Source, line *logread.Line) error {
	if p.open {
		_ = p.w.WriteByte('\n') // flush has the error
	}
	_, _ = p.w.Write(line.Stamp) // as above
	ended, err := pieces(s, line, func(piece []byte) { _, _ = p.w.Write(piece) })
	p.open = !ended
	if ended {
		return errors.Join(err, p.w.WriteByte('\n'))
	}
	return err
}

// text prints a line for people.
func (p *logPrinter) text(s *logread.Source, line *logread.Line) error {
	_, _ = p.w.WriteString(p.prefix[s]) // the newline has the error
	if line.Stamped {
		_, _ = p.w.Write(line.Time.In(p.zone).AppendFormat(p.w.AvailableBuffer(), p.layout)) // as above
	}
	put := func(piece []byte) { _, _ = p.w.Write(piece) }
	var esc escaper
	if p.escape {
		put = func(piece []byte) { esc.write(p.w, piece) }
	}
	if _, err := pieces(s, line, put); err != nil {
		return err
	}
	if p.escape {
		esc.end(p.w)
	}
	return p.w.WriteByte('\n')
}

// object prints a line as one JSON object. Bytes that are no UTF-8 are U+FFFD.
func (p *logPrinter) object(s *logread.Source, line *logread.Line) error {
	_, _ = p.w.WriteString(`{"time":`) // the newline has the error
	if line.Stamped {
		_, _ = fmt.Fprintf(p.w, "%q", line.Time.UTC().Format(jsonStamp)) // as above
	} else {
		_, _ = p.w.WriteString("null") // as above
	}
	var text jsonText
	for _, member := range [][2]string{{"app", s.Name}, {"file", line.File}} {
		_, _ = p.w.WriteString(`,"` + member[0] + `":"`) // as above
		text.write(p.w, []byte(member[1]))
		text.end(p.w)
		_ = p.w.WriteByte('"') // as above
	}
	_, _ = p.w.WriteString(`,"line":"`) // as above
	if _, err := pieces(s, line, func(piece []byte) { text.write(p.w, piece) }); err != nil {
		return err
	}
	text.end(p.w)
	_, err := p.w.WriteString("\"}\n")
	return err
}

// runes cuts pieces of text into characters. A character that two pieces share
// is one.
type runes struct{ part []byte }

// each calls put for every character; a byte that is no part of one comes as
// utf8.RuneError with width 1.
func (r *runes) each(piece []byte, last bool, put func(c rune, bytes []byte)) {
	if len(r.part) > 0 {
		piece = append(r.part, piece...)
		r.part = nil
	}
	for len(piece) > 0 {
		if !last && !utf8.FullRune(piece) {
			r.part = append([]byte(nil), piece...)
			return
		}
		c, width := utf8.DecodeRune(piece)
		put(c, piece[:width])
		piece = piece[width:]
	}
}

// escaper writes text for a terminal: what a terminal obeys, or shows in
// another order than it is read, is written as \xNN, \uNNNN or \UNNNNNNNN.
type escaper struct{ runes }

func (x *escaper) write(w *bufio.Writer, piece []byte) { x.each(piece, false, x.put(w)) }

func (x *escaper) end(w *bufio.Writer) { x.each(nil, true, x.put(w)) }

func (x *escaper) put(w *bufio.Writer) func(rune, []byte) {
	return func(c rune, bytes []byte) {
		switch {
		case c == utf8.RuneError && len(bytes) == 1, c < ' ' && c != '\t', c == 0x7f:
			_, _ = fmt.Fprintf(w, `\x%02x`, bytes[0]) // the newline has the error
		case printable.Obeyed(c) && c > 0xffff:
			_, _ = fmt.Fprintf(w, `\U%08x`, c) // as above
		case printable.Obeyed(c):
			_, _ = fmt.Fprintf(w, `\u%04x`, c) // as above
		default:
			_, _ = w.Write(bytes) // as above
		}
	}
}

// jsonText writes text for the inside of a JSON string.
//
// Source: RFC 8259, 7.
type jsonText struct{ runes }

func (x *jsonText) write(w *bufio.Writer, piece []byte) { x.each(piece, false, x.put(w)) }

func (x *jsonText) end(w *bufio.Writer) { x.each(nil, true, x.put(w)) }

func (x *jsonText) put(w *bufio.Writer) func(rune, []byte) {
	return func(c rune, _ []byte) {
		switch {
		case c == '"' || c == '\\':
			_, _ = w.WriteString(`\` + string(c)) // the newline has the error
		case c == '\t':
			_, _ = w.WriteString(`\t`) // as above
		case c < ' ' || c == 0x7f || c >= 0x80 && c <= 0xffff && printable.Obeyed(c):
			_, _ = fmt.Fprintf(w, `\u%04x`, c) // as above
		default:
			_, _ = w.WriteRune(c) // as above
		}
	}
}
