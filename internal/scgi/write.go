package scgi

import (
	"errors"
	"io"
	"strconv"
	"strings"
)

// ErrHeader is a header that an SCGI request can not carry: an empty name, a
// NUL byte, or more than MaxHeaderBytes in all.
var ErrHeader = errors.New("header can not be sent over SCGI")

// AppendRequest appends the header block of a request to dst: the headers, in
// order, as one netstring. It adds nothing and checks nothing; the caller puts
// CONTENT_LENGTH first and SCGI somewhere, and no NUL anywhere. See
// WriteRequest for a request built with care.
func AppendRequest(dst []byte, headers []Header) []byte {
	size := 0
	for _, h := range headers {
		size += len(h.Name) + len(h.Value) + 2
	}
	dst = strconv.AppendInt(dst, int64(size), 10)
	dst = append(dst, ':')
	for _, h := range headers {
		dst = append(dst, h.Name...)
		dst = append(dst, 0)
		dst = append(dst, h.Value...)
		dst = append(dst, 0)
	}
	return append(dst, ',')
}

// WriteRequest writes the header block of a request with a body of
// contentLength bytes in one Write. CONTENT_LENGTH and SCGI come first and are
// not to be among the headers: such ones are left out. A header that SCGI can
// not carry is ErrHeader, and nothing is written.
func WriteRequest(w io.Writer, headers []Header, contentLength int64) error {
	all := make([]Header, 0, len(headers)+2)
	all = append(all,
		Header{Name: "CONTENT_LENGTH", Value: strconv.FormatInt(contentLength, 10)},
		Header{Name: "SCGI", Value: "1"})
	size := 0
	for _, h := range headers {
		if h.Name == "" || strings.IndexByte(h.Name, 0) >= 0 || strings.IndexByte(h.Value, 0) >= 0 {
			return &headerError{name: h.Name}
		}
		if h.Name == "CONTENT_LENGTH" || h.Name == "SCGI" {
			continue
		}
		size += len(h.Name) + len(h.Value) + 2
		all = append(all, h)
	}
	if size > MaxHeaderBytes-64 { // room for the two parameters above
		return &headerError{name: "header block"}
	}
	_, err := w.Write(AppendRequest(nil, all))
	return err
}

// headerError is ErrHeader with the name it is about.
type headerError struct{ name string }

func (e *headerError) Error() string {
	return strconv.QuoteToASCII(short(e.name)) + ": " + ErrHeader.Error()
}

func (e *headerError) Is(target error) bool { return target == ErrHeader }
