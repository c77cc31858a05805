package logread

import (
	"bufio"
	"compress/gzip"
	"errors"
	"io"
)

// errBehindEnd is the error for a gzip file with something behind it that is
// none.
var errBehindEnd = errors.New("there is other data behind the end of what is packed")

// unzipper reads gzip files, one behind the other. Unlike a gzip.Reader, it is
// made without reading, so that all errors are errors of reading.
type unzipper struct {
	packed *bufio.Reader
	zip    *gzip.Reader
}

func newUnzipper(file io.Reader) *unzipper {
	return &unzipper{packed: bufio.NewReaderSize(file, readSize)}
}

func (u *unzipper) Read(b []byte) (int, error) {
	if u.zip == nil {
		zip, err := gzip.NewReader(u.packed)
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return 0, err
		}
		zip.Multistream(false)
		u.zip = zip
	}
	n, err := u.zip.Read(b)
	if !errors.Is(err, io.EOF) {
		return n, err
	}
	return n, u.another()
}

// another begins the file behind one that has ended; io.EOF is that there is
// none.
//
// Source: RFC 1952, 2.3.1.
func (u *unzipper) another() error {
	magic, err := u.packed.Peek(2)
	switch {
	case len(magic) == 0:
		return err
	case len(magic) < 2 || magic[0] != 0x1f || magic[1] != 0x8b:
		return errBehindEnd
	}
	if err := u.zip.Reset(u.packed); err != nil {
		if errors.Is(err, io.EOF) {
			return io.ErrUnexpectedEOF
		}
		return err
	}
	u.zip.Multistream(false)
	return nil
}
