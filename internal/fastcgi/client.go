package fastcgi

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// ErrRefused is the end of a request that was not answered.
var ErrRefused = errors.New("the request was refused")

// AppendBegin appends the record that begins a request for an answer, after which
// the connection is closed.
func AppendBegin(dst []byte, id uint16) []byte {
	return append(AppendHead(dst, Begin, id, BeginSize), 0, Responder, 0, 0, 0, 0, 0, 0)
}

// Stream is a stream of records of one kind, as a writer. Close ends it.
type Stream struct {
	W    io.Writer
	Kind Kind
	ID   uint16
}

// Write writes p in as many records as it takes, and none for an empty p.
func (s *Stream) Write(p []byte) (int, error) {
	written := 0
	for len(p) > 0 {
		piece := p[:min(len(p), MaxContent)]
		if _, err := s.W.Write(append(AppendHead(nil, s.Kind, s.ID, len(piece)), piece...)); err != nil {
			return written, err
		}
		written += len(piece)
		p = p[len(piece):]
	}
	return written, nil
}

// Close writes the empty record that ends the stream.
func (s *Stream) Close() error {
	_, err := s.W.Write(AppendHead(nil, s.Kind, s.ID, 0))
	return err
}

// Answer reads the standard output of one request. Its end is the record that ends
// the request; a source that ends before is io.ErrUnexpectedEOF, but io.EOF where
// there was nothing at all.
type Answer struct {
	Source io.Reader
	ID     uint16
	Stderr func(text []byte) // takes standard error, in pieces; the memory is not its own

	// Exit is what the program ended with; after the end.
	Exit uint32

	decoder Decoder
	buf     [16 << 10]byte
	at, end int
	out     []byte // of buf, not read yet
	last    []byte // content of the End record so far
	begun   bool
	done    bool
}

// Read reads standard output.
func (a *Answer) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for len(a.out) == 0 {
		if a.done {
			return 0, io.EOF
		}
		if err := a.next(); err != nil {
			return 0, err
		}
	}
	n := copy(p, a.out)
	a.out = a.out[n:]
	return n, nil
}

// next takes the next piece of a record.
func (a *Answer) next() error {
	piece, n, err := a.decoder.Next(a.buf[a.at:a.end])
	if err != nil {
		return err
	}
	if n == 0 {
		return a.fill()
	}
	a.at += n
	if piece.ID != a.ID {
		return nil // about the connection, or padding
	}
	switch piece.Kind {
	case Stdout:
		a.out = piece.Data
	case Stderr:
		if a.Stderr != nil && len(piece.Data) > 0 {
			a.Stderr(piece.Data)
		}
	case End:
		if piece.Length != BeginSize {
			return fmt.Errorf("the record that ends the request has %d bytes, not %d", piece.Length, BeginSize)
		}
		a.last = append(a.last, piece.Data...)
		if piece.Last {
			a.done = true
			return a.ended()
		}
	case Begin, Abort, Params, Stdin, Data, Values, ValuesResult, Unknown:
		return fmt.Errorf("a record of kind %d, which no app sends", piece.Kind)
	}
	return nil
}

// fill reads more of the source, behind what is left of it.
func (a *Answer) fill() error {
	a.end = copy(a.buf[:], a.buf[a.at:a.end])
	a.at = 0
	n, err := a.Source.Read(a.buf[a.end:])
	a.end += n
	a.begun = a.begun || n > 0
	switch {
	case n > 0:
		return nil
	case errors.Is(err, io.EOF) && a.begun:
		return io.ErrUnexpectedEOF
	}
	return err
}

func (a *Answer) ended() error {
	a.Exit = binary.BigEndian.Uint32(a.last)
	switch Status(a.last[4]) {
	case Complete:
		return nil
	case CantMultiply:
		return fmt.Errorf("%w: another one runs on this connection", ErrRefused)
	case Overloaded:
		return fmt.Errorf("%w: the app is overloaded", ErrRefused)
	case UnknownRole:
		return fmt.Errorf("%w: the app answers no requests, it has another role", ErrRefused)
	}
	return fmt.Errorf("%w: protocol status %d", ErrRefused, a.last[4])
}
