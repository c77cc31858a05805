// Package logread reads log folders in multilog's format: the finished files
// @….s and @….u, also as .gz and .zst, and current. It reads them as one log,
// from any point of time or the last lines, and follows it across rotations.
//
// A line that has no end in its file goes on in the next one, unless that begins
// with a stamp, also behind an @….u file: scgi-run multilog goes on with a line
// that a killed one had begun. multilog itself does not, and in a log without
// stamps nothing tells: there, two of its lines are shown as one.
//
// A folder is opened once and held. Its files are opened below it, without
// following links and without waiting, and only regular ones are read, so that
// whoever may write in the folder can not make a reader read elsewhere or hang.
//
// Source: https://cr.yp.to/daemontools/multilog.html, daemontools 0.76.
package logread

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"time"
)

// maxHead is how much of a line is in memory. Longer lines come in pieces, and
// Match sees so much of them.
const maxHead = 1 << 20

// Options say what is read of a log.
type Options struct {
	Since time.Time // lines with earlier stamps are left out; zero is no limit
	Until time.Time // so are lines with later ones
	// Last is how many of the lines that are left are wanted, counted from the
	// end; below 0 it is all.
	Last  int
	Match *regexp.Regexp // lines whose text does not match are left out; nil is none
	// Follow makes Next return io.EOF where there is nothing more now; when
	// there is more, Next returns it. Without it, Next ends where the log
	// ended when Open looked at it.
	Follow bool
	// Warn is given a *FileError for a file that can not be read, or not to its
	// end. What can be read is read. With Follow, it is given one with the path
	// of the folder once files were removed before they were read.
	Warn func(error)
}

// errMissed says that a follower was slower than the logger.
var errMissed = errors.New("files were removed before they were read")

// FileError tells which file is damaged or can not be read.
type FileError struct {
	Path string
	Err  error
}

func (e *FileError) Error() string {
	if errors.Is(e.Err, io.ErrUnexpectedEOF) {
		return e.Path + ": the file is cut off"
	}
	return fmt.Sprintf("%s: %v", e.Path, e.Err)
}

func (e *FileError) Unwrap() error { return e.Err }

// Line is one line of a log. Its slices are good until the next call of the
// Source.
type Line struct {
	File    string    // name of the file that the line begins in
	Stamped bool      // it begins with a time stamp
	Time    time.Time // that stamp, else the one before it; zero where there was none
	Stamp   []byte    // as stored, with the blank behind it
	Text    []byte    // what follows, without the newline
	More    bool      // Text is only the beginning: Source.Rest has the rest
	Open    bool      // there is no newline behind it
}

// A Source is one log that is being read.
type Source struct {
	Name string // of the app
	Path string // of the folder

	opt    Options
	folder *folder
	lines  *cursor
	track  *tracker

	skip    int // wanted lines before the first that is returned
	pending int // lines that Options.Last leaves

	lastTime time.Time // of the last stamped line
}

// Open opens the log in the folder of that path. The error is a *PathError
// of package fs where the folder can not be opened.
func Open(name, path string, opt Options) (*Source, error) {
	f, err := openFolder(path)
	if err != nil {
		return nil, err
	}
	if opt.Warn == nil {
		opt.Warn = func(error) {}
	}
	s := &Source{Name: name, Path: path, opt: opt, folder: f}
	s.track = &tracker{source: s}
	if err := s.start(); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// Close closes what is open.
func (s *Source) Close() {
	if s.lines != nil {
		s.lines.close()
	}
	s.track.close()
	s.folder.close()
}

// Pending returns how many lines Options.Last has left of the log, at most
// Last; what is added later does not count.
func (s *Source) Pending() int { return s.pending }

// start finds the first line that is wanted.
func (s *Source) start() error {
	parts, index, err := s.track.begin()
	if err != nil {
		return err
	}
	from := s.first(parts, index)
	s.skip = from.skip
	s.lines = newCursor(s, parts, from, s.track.next)
	return nil
}

// Next returns the next wanted line, or io.EOF. What the line before it held
// must not be used any longer.
func (s *Source) Next() (*Line, error) {
	for {
		line, err := s.lines.nextLine()
		if err != nil {
			return nil, err
		}
		wanted := s.wants(s.lines, line)
		if line.Stamped {
			s.lastTime = line.Time
		}
		line.Time = s.lastTime
		switch {
		case !wanted:
		case s.skip > 0:
			s.skip--
		default:
			return line, nil
		}
	}
}

// Rest returns the next piece of a line with More, or io.EOF behind its last.
func (s *Source) Rest() ([]byte, error) { return s.lines.rest() }

// Open reports whether the line that Rest has come to the end of has no
// newline behind it.
func (s *Source) Open() bool { return s.lines.openEnd }

// wants reports whether a line of a cursor is one to return.
//
// A line without a stamp goes with the stamped one before it. Before the first
// of a file, it counts as written when the file was finished, and in current
// as written now.
func (s *Source) wants(c *cursor, line *Line) bool {
	when := c.origin.finished
	switch {
	case line.Stamped:
		when, c.stampedIn, c.stampTime = line.Time, c.origin, line.Time
	case c.stampedIn == c.origin:
		when = c.stampTime
	}
	switch {
	case !s.opt.Since.IsZero() && !when.IsZero() && when.Before(s.opt.Since),
		!s.opt.Until.IsZero() && (when.IsZero() || when.After(s.opt.Until)):
		return false
	}
	return s.matches(line)
}

func (s *Source) matches(line *Line) bool { return s.opt.Match == nil || s.opt.Match.Match(line.Text) }
