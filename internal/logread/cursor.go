package logread

import (
	"bytes"
	"errors"
	"io"
	"time"
)

// errLineEnd is what fill returns where a file ends within a line that does not
// go on in the next file.
var errLineEnd = errors.New("the line ends with its file")

// position is where reading begins.
type position struct {
	index   int   // of the part
	offset  int64 // in it, if it is not packed
	midLine bool  // the part begins within a line, which is left out
	skip    int   // wanted lines that are left out
}

// cursor cuts files into lines, one file behind the other. A line that the end
// of a file cuts goes on in the next.
type cursor struct {
	source *Source
	supply func() (*part, error) // the parts behind those of begin; io.EOF: there is none, or none yet
	count  bool                  // read what there is, say nothing: the lines are only counted

	begun   []*part
	offset  int64 // in the first of them
	part    *part // the file that is open
	content *content
	joining bool    // the file before it ended within a line
	repeat  *repeat // what was read and comes again; nil is nothing

	buf      []byte
	r, w     int // buf[r:w] is read and not returned
	searched int // there is no newline in buf[r:searched]
	next     *part
	long     longLine
	openEnd  bool // the long line had no newline

	line      Line
	origin    *part     // the file that line begins in
	stampedIn *part     // the file of the last stamped line
	stampTime time.Time // and its stamp
}

// longLine is how far a line with More has been returned.
type longLine uint8

const (
	shortLine longLine = iota
	restLeft           // there is more of it
	restGone           // what is there of it was returned; what comes will be a line of its own
)

func newCursor(s *Source, parts []*part, from position, supply func() (*part, error)) *cursor {
	c := &cursor{source: s, supply: supply, begun: parts[from.index:], offset: from.offset, buf: make([]byte, readSize)}
	if from.midLine {
		c.long = restLeft
	}
	return c
}

func (c *cursor) close() {
	if c.content != nil {
		c.content.close()
		c.content = nil
	}
}

// nextLine returns the next line, or io.EOF. A line of a log that is followed
// is returned once its newline is there.
func (c *cursor) nextLine() (*Line, error) {
	if c.long == restLeft {
		if err := c.skipRest(); err != nil {
			return nil, err
		}
	}
	c.long = shortLine
	for {
		if i := bytes.IndexByte(c.buf[c.searched:c.w], '\n'); i >= 0 {
			end := c.searched + i
			c.take(end)
			c.r = end + 1
			return &c.line, nil
		}
		c.searched = c.w
		if c.w-c.r >= maxHead {
			c.take(c.w)
			c.line.More, c.long, c.r = true, restLeft, c.w
			return &c.line, nil
		}
		err := c.fill()
		if err == nil {
			continue
		}
		if c.r == c.w || errors.Is(err, io.EOF) && c.waits() {
			return nil, err
		}
		c.take(c.w)
		c.line.Open, c.r = true, c.w
		return &c.line, nil
	}
}

// waits reports whether what is not there yet may come.
func (c *cursor) waits() bool { return c.source.opt.Follow && !c.count }

// take makes buf[r:end] the line. What stands behind its newline is of the file
// that is open.
func (c *cursor) take(end int) {
	text := c.buf[c.r:end]
	when, n := readStamp(text)
	c.origin, c.next = c.next, c.part
	c.line = Line{File: c.origin.name(), Stamped: n > 0, Time: when, Stamp: text[:n], Text: text[n:]}
	c.searched = min(end+1, c.w)
}

// rest returns the next piece of a long line.
func (c *cursor) rest() ([]byte, error) {
	for c.long == restLeft {
		if c.r == c.w {
			if err := c.fill(); err != nil {
				c.openEnd, c.long = true, shortLine
				if errors.Is(err, io.EOF) {
					c.long = restGone
				}
				break
			}
		}
		piece, ended := c.piece()
		if ended {
			c.openEnd, c.long = false, shortLine
		}
		if len(piece) > 0 {
			return piece, nil
		}
	}
	return nil, io.EOF
}

// piece takes what is in the buffer of a long line.
func (c *cursor) piece() (piece []byte, ended bool) {
	piece = c.buf[c.r:c.w]
	if i := bytes.IndexByte(piece, '\n'); i >= 0 {
		c.r += i + 1
		c.searched, c.next = c.r, c.part
		return piece[:i], true
	}
	c.r = c.w
	return piece, false
}

func (c *cursor) skipRest() error {
	for {
		if c.r < c.w {
			if _, ended := c.piece(); ended {
				return nil
			}
		}
		err := c.fill()
		if errors.Is(err, errLineEnd) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// fill reads more into the buffer. It returns errLineEnd once at the end of a
// file that ends the line, and io.EOF where there is nothing more.
func (c *cursor) fill() error {
	c.makeRoom()
	for {
		if c.content == nil {
			if err := c.advance(); err != nil {
				return err
			}
		}
		if c.joining {
			if err := c.join(); err != nil {
				return err
			}
			if c.joining {
				continue
			}
		}
		n, err := c.content.Read(c.buf[c.w:])
		if n > 0 {
			if c.keep(n) {
				return nil
			}
			continue
		}
		if err != nil {
			if err := c.atEnd(err); err != nil {
				return err
			}
		}
	}
}

// expect is told what was read and will come again. Of the line that is not
// whole, the one that comes is taken.
func (c *cursor) expect(lost []byte) {
	if n := c.w - c.r; c.long == shortLine && n <= len(lost) {
		lost = lost[:len(lost)-n]
		c.w, c.searched = c.r, c.r
	}
	if len(lost) > 0 {
		c.repeat = newRepeat(lost)
	}
}

// keep takes n bytes that were read behind w, all or those that have not come
// before. It reports whether there are any.
func (c *cursor) keep(n int) bool {
	if c.repeat != nil {
		fresh, done := c.repeat.skip(c.buf[c.w : c.w+n])
		if done {
			c.repeat = nil
		}
		n = len(fresh)
		c.buf = append(c.buf[:c.w], fresh...)
		c.buf = c.buf[:cap(c.buf)]
	}
	if n == 0 {
		return false
	}
	if c.r == c.w {
		c.next = c.part
	}
	c.w += n
	return true
}

// makeRoom leaves a place in the buffer.
func (c *cursor) makeRoom() {
	switch {
	case c.r == c.w:
		c.r, c.w, c.searched = 0, 0, 0
	case c.w < len(c.buf):
	case c.r > 0:
		c.w = copy(c.buf, c.buf[c.r:c.w])
		c.searched -= c.r
		c.r = 0
	default:
		c.buf = append(c.buf, make([]byte, len(c.buf))...)
	}
}

// midLine reports whether the bytes before are of a line that has not ended.
func (c *cursor) midLine() bool { return c.r < c.w || c.long == restLeft }

// atEnd ends a file that is read to its end, or as far as it can be. It returns
// io.EOF for one that may grow.
func (c *cursor) atEnd(err error) error {
	p, damaged := c.part, !errors.Is(err, io.EOF)
	if !damaged && p.live && !p.final && c.waits() {
		if !c.source.track.rotated(p) {
			return io.EOF
		}
		// It may have got more between the read and the rotation.
		p.final = true
		return nil
	}
	if damaged {
		c.warn(p, err)
	}
	if g := c.content.growing; g != nil && g.lost != nil {
		c.expect(g.lost)
	}
	c.close()
	if c.waits() {
		c.source.track.ended(p)
	}
	switch {
	case !c.midLine():
	case damaged:
		c.joining = false
		return errLineEnd
	default:
		c.joining = true
	}
	return nil
}

// advance opens the next file.
func (c *cursor) advance() error {
	for {
		p, err := c.nextPart()
		if err != nil {
			return err
		}
		if p.apart {
			p.apart, c.repeat = false, nil
			if c.joining {
				c.joining = false
				c.begun = append([]*part{p}, c.begun...)
				return errLineEnd
			}
		}
		content, err := c.source.open(p, c.offset, p.live && c.waits())
		c.offset = 0
		if err == nil {
			c.part, c.content = p, content
			return nil
		}
		c.warn(p, err)
		if c.waits() && p.removed(err) {
			c.source.track.miss()
		}
		if c.joining {
			c.joining = false
			return errLineEnd
		}
	}
}

func (c *cursor) nextPart() (*part, error) {
	if len(c.begun) == 0 {
		return c.supply()
	}
	p := c.begun[0]
	c.begun = c.begun[1:]
	return p, nil
}

// join decides whether the line that the last file ended in goes on in this
// one: not if it begins with a stamp. An empty file does not decide it, and the
// beginning of a stamp not until there is more of it.
func (c *cursor) join() error {
	head, err := c.content.Peek(longestStamp)
	if len(head) == 0 || err != nil && c.part.live && !c.part.final && c.waits() && mayBeStamp(head) {
		return c.atEnd(err)
	}
	if c.repeat != nil {
		c.joining = false // the line comes again, and this time whole
		return nil
	}
	c.joining = false
	if _, n := readStamp(head); n > 0 {
		return errLineEnd
	}
	return nil
}

func (c *cursor) warn(p *part, err error) {
	if !c.count {
		c.source.warn(p, err)
	}
}
