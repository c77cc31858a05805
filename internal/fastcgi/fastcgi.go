// Package fastcgi is the record layer of FastCGI as an application sees it: a
// stream cut into records, the name-value pairs in them, and the records of an
// answer.
//
// It keeps no memory for what comes: a record's content is passed on in pieces as
// they arrive, and how long all of it will be is known from its first piece, so
// that a limit can be checked before anything is stored.
//
// Source: the FastCGI 1.0 specification, https://fastcgi-archives.github.io/FastCGI_Specification.html.
package fastcgi

import (
	"encoding/binary"
	"errors"
	"strconv"
)

// Version is the first byte of each record.
const Version = 1

// Kind is what a record holds.
type Kind uint8

// The kinds of records; section 8.
const (
	Begin        Kind = 1
	Abort        Kind = 2
	End          Kind = 3
	Params       Kind = 4
	Stdin        Kind = 5
	Stdout       Kind = 6
	Stderr       Kind = 7
	Data         Kind = 8
	Values       Kind = 9
	ValuesResult Kind = 10
	Unknown      Kind = 11
)

// headSize is the size of a record before its content.
const headSize = 8

// BeginSize is how long the content of a Begin record is.
const BeginSize = 8

// MaxContent is the longest content of a record of ours: what fits, and leaves
// the next one at an address that eight divides.
const MaxContent = 65528

// Status is why a request has ended; section 5.5.
type Status uint8

// The statuses.
const (
	Complete     Status = 0 // it was answered
	CantMultiply Status = 1 // another request runs on this connection
	Overloaded   Status = 2
	UnknownRole  Status = 3
)

// Responder is the role of a program that answers; section 6.2. The others
// authorize and filter.
const Responder = 1

// ErrVersion is a record of another version, or no record at all.
var ErrVersion = errors.New("not a record of FastCGI version 1")

// Piece is a part of a record. The zero value is no part of any: padding.
type Piece struct {
	Kind   Kind
	ID     uint16 // of the request; 0 is for records about the connection
	Length int    // of the whole content
	Data   []byte // of the content; empty in a record's first piece
	First  bool
	Last   bool // the content is complete; also the first piece if it is empty
}

// Decoder cuts a stream into pieces of records. The zero value is ready.
type Decoder struct {
	kind    Kind
	id      uint16
	length  int
	left    int // of the content
	padding int // after it, still to come
}

// Next takes the next piece from the start of data and says how many bytes of data
// that was; 0 is that more bytes have to come first. The piece shares data's memory.
// After an error the rest of the stream means nothing.
func (d *Decoder) Next(data []byte) (p Piece, n int, err error) {
	switch {
	case len(data) == 0:
		return Piece{}, 0, nil
	case d.left > 0:
		n = min(d.left, len(data))
		d.left -= n
		p = d.piece()
		p.Data = data[:n]
		return p, n, nil
	case d.padding > 0:
		n = min(d.padding, len(data))
		d.padding -= n
		return Piece{}, n, nil
	case data[0] != Version:
		return Piece{}, 0, ErrVersion
	case len(data) < headSize:
		return Piece{}, 0, nil
	}
	d.kind, d.id = Kind(data[1]), binary.BigEndian.Uint16(data[2:])
	d.length = int(binary.BigEndian.Uint16(data[4:]))
	d.left, d.padding = d.length, int(data[6])
	p = d.piece()
	p.First = true
	return p, headSize, nil
}

func (d *Decoder) piece() Piece {
	return Piece{Kind: d.kind, ID: d.id, Length: d.length, Last: d.left == 0}
}

// Left returns how much content of the present record is still to come if it is of
// that kind and request.
func (d *Decoder) Left(kind Kind, id uint16) int {
	if d.kind != kind || d.id != id {
		return 0
	}
	return d.left
}

// Clean reports whether the stream may end here.
func (d *Decoder) Clean() bool { return d.left == 0 && d.padding == 0 }

// PairError is a fault in a list of name-value pairs.
type PairError struct {
	Offset  int
	Message string
}

func (e *PairError) Error() string { return "byte " + strconv.Itoa(e.Offset) + ": " + e.Message }

// CutPair takes the pair at this offset of a list and returns the offset of the
// next one. Errors are a *PairError; section 3.4.
func CutPair(list string, at int) (name, value string, next int, err error) {
	nameSize, at1, err := cutSize(list, at)
	if err != nil {
		return "", "", 0, err
	}
	valueSize, at2, err := cutSize(list, at1)
	if err != nil {
		return "", "", 0, err
	}
	if left := len(list) - at2; nameSize > left || valueSize > left-nameSize {
		return "", "", 0, &PairError{at, "name or value longer than the parameters"}
	}
	at3 := at2 + nameSize
	return list[at2:at3], list[at3 : at3+valueSize], at3 + valueSize, nil
}

// cutSize reads a length of one byte, or of four if its first bit is set. One that
// needs four fits an int of any size.
func cutSize(list string, at int) (size, next int, err error) {
	switch {
	case at >= len(list):
	case list[at] < 0x80:
		return int(list[at]), at + 1, nil
	case len(list)-at >= 4:
		return int(list[at]&0x7f)<<24 | int(list[at+1])<<16 | int(list[at+2])<<8 | int(list[at+3]), at + 4, nil
	}
	return 0, 0, &PairError{at, "the parameters end inside a length"}
}

// AppendPair appends a name and a value.
func AppendPair(dst []byte, name, value string) []byte {
	dst = appendSize(dst, len(name))
	dst = appendSize(dst, len(value))
	return append(append(dst, name...), value...)
}

func appendSize(dst []byte, n int) []byte {
	if n < 0x80 {
		return append(dst, byte(n)) //nolint:gosec // as said
	}
	return binary.BigEndian.AppendUint32(dst, uint32(n)|1<<31) //nolint:gosec // nobody has a pair of 2 GiB
}

// AppendHead appends what precedes a content of that length, at most MaxContent.
func AppendHead(dst []byte, kind Kind, id uint16, length int) []byte {
	return append(dst, Version, byte(kind), byte(id>>8), byte(id), byte(length>>8), byte(length), 0, 0) //nolint:gosec // two bytes each
}

// AppendEnd appends the record that ends a request.
func AppendEnd(dst []byte, id uint16, status Status) []byte {
	return append(AppendHead(dst, End, id, 8), 0, 0, 0, 0, byte(status), 0, 0, 0)
}

// AppendUnknown appends the answer to a record of a kind that is not known.
func AppendUnknown(dst []byte, kind Kind) []byte {
	return append(AppendHead(dst, Unknown, 0, 8), byte(kind), 0, 0, 0, 0, 0, 0, 0)
}

// Beginning is the content of a Begin record.
type Beginning struct {
	Role int
	Keep bool // the connection stays open after the answer
}

// ParseBegin reads the BeginSize bytes of a Begin record.
func ParseBegin(content []byte) Beginning {
	return Beginning{Role: int(binary.BigEndian.Uint16(content)), Keep: content[2]&1 != 0}
}
