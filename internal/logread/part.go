package logread

import (
	"bufio"
	"errors"
	"io"
	"io/fs"
	"time"

	"github.com/klauspost/compress/zstd"
)

// readSize is the size of reads, and of the buffer of a file.
const readSize = 64 << 10

// maxWindow bounds the memory that a zstd file may ask for; zstd(1) takes no
// more either, unless it is told to.
const maxWindow = 128 << 20

// part is one file of a log.
type part struct {
	entry entry // of a finished file
	file  *held // of one that is held: current, previous
	live  bool  // current of a log that is followed
	final bool  // nothing is written to it any more

	finished time.Time // stamp in the name; zero for a file that has none
	apart    bool      // what was read before it did not end where it begins
}

func partOf(e entry) *part { return &part{entry: e, finished: e.stamp} }

// removed reports whether an error of open says that the logger removed a file.
// A processor makes another one of an @….u file, which comes later.
func (p *part) removed(err error) bool {
	return errors.Is(err, fs.ErrNotExist) && p.file == nil && !p.entry.unclean
}

// name returns the file's name for people.
func (p *part) name() string {
	if p.file != nil {
		return p.file.name
	}
	return p.entry.name
}

// content is what a file holds, unpacked.
type content struct {
	*bufio.Reader
	growing *growing // of a file that grows
	closers []func()
}

func (c *content) close() {
	for _, f := range c.closers {
		f()
	}
}

// open returns what is in a part from an offset on; of a packed part, the
// offset is 0. It is fs.ErrNotExist where the file has been removed since.
func (s *Source) open(p *part, offset int64, live bool) (*content, error) {
	if p.file != nil {
		if live {
			g := &growing{file: p.file, offset: offset}
			return &content{Reader: bufio.NewReaderSize(g, readSize), growing: g}, nil
		}
		part := io.NewSectionReader(p.file, offset, max(0, p.file.size-offset))
		return &content{Reader: bufio.NewReaderSize(part, readSize)}, nil
	}
	file, packed, err := s.openEntry(p.entry)
	if err != nil {
		return nil, err
	}
	if packed != plain && file.size == 0 {
		_ = file.Close() // as below
		return nil, io.ErrUnexpectedEOF
	}
	c := &content{closers: []func(){func() { _ = file.Close() }}} // opened for reading
	var r io.Reader = file
	switch packed {
	case gzipped:
		r = newUnzipper(file)
	case zstandard:
		d, err := zstd.NewReader(file, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			c.close()
			return nil, err
		}
		c.closers = append(c.closers, d.Close)
		r = d
	case plain:
		if offset > 0 {
			if _, err := file.Seek(offset, io.SeekStart); err != nil {
				c.close()
				return nil, err
			}
		}
	}
	c.Reader = bufio.NewReaderSize(r, readSize)
	return c, nil
}

// openEntry opens a finished file, under another name if it was compressed
// since.
func (s *Source) openEntry(e entry) (*held, packing, error) {
	for _, v := range e.variants() {
		file, err := s.folder.open(v.name)
		switch {
		case err == nil:
			return file, v.packing, nil
		case !errors.Is(err, fs.ErrNotExist):
			return nil, plain, err
		}
	}
	return nil, plain, fs.ErrNotExist
}

// growing reads a file that others append to.
type growing struct {
	file   *held
	offset int64
	recent []byte // what was read last
	lost   []byte // of it, what is no longer in the file
}

func (g *growing) Read(b []byte) (int, error) {
	n, err := g.file.ReadAt(b, g.offset)
	g.offset += int64(n)
	if n > 0 {
		g.remember(b[:n])
		return n, nil
	}
	if info, err := g.file.Stat(); err == nil && info.Size() < g.offset {
		g.cutOff(info.Size())
	}
	return 0, err
}

// warn tells of a part that can not be read, or not to its end. One that has
// been removed since was too old to keep, and nothing is said of it.
func (s *Source) warn(p *part, err error) {
	if path, ok := errors.AsType[*fs.PathError](err); ok {
		err = path.Err
	}
	if !errors.Is(err, fs.ErrNotExist) {
		s.opt.Warn(&FileError{s.folder.path + "/" + p.name(), err})
	}
}

// miss tells, once, that files were not read because there are none any more.
func (t *tracker) miss() {
	if !t.missed {
		t.missed = true
		t.source.opt.Warn(&FileError{t.source.folder.path, errMissed})
	}
}
