// Package scgi is the SCGI protocol: the header block of a request, read and
// written, and the CGI response head that comes back.
//
// A request is one netstring that holds name, NUL, value, NUL, …, and then the
// body. CONTENT_LENGTH comes first and says how long the body is; a parameter
// SCGI with the value 1 must be present.
//
// The protocol forbids a name to occur twice, but nginx before 1.23 and
// lighttpd send such requests in normal operation, so every occurrence is kept,
// in order, and what it means is the caller's decision.
//
// Source: https://python.ca/scgi/protocol.txt; https://cr.yp.to/proto/netstrings.txt.
package scgi

import (
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"
)

// MaxHeaderBytes is the longest header block that is accepted, as counted by
// the netstring's length. A longer one is refused before memory is taken.
const MaxHeaderBytes = 262144

// maxLengthDigits bounds CONTENT_LENGTH so that it fits an int64.
const maxLengthDigits = 18

// maxPrefix is the longest netstring prefix that can be valid: the digits of
// MaxHeaderBytes and the colon.
const maxPrefix = len("262144:")

// Header is one parameter of a request, or one field of a response head.
type Header struct {
	Name  string
	Value string
}

// Request is the header block of an SCGI request. The body, ContentLength
// bytes, follows it on the connection.
type Request struct {
	Headers       []Header // as they came, CONTENT_LENGTH first, duplicates kept
	ContentLength int64
}

// Get returns the value of the last parameter with this name.
func (r *Request) Get(name string) (value string, ok bool) {
	for _, h := range slices.Backward(r.Headers) {
		if h.Name == name {
			return h.Value, true
		}
	}
	return "", false
}

// SyntaxError is a request or a response head that breaks the protocol.
type SyntaxError struct {
	Offset  int    // of the byte, from 0, counted from the start of the request or head
	Message string // what is wrong there
}

// Error returns "byte N: message".
func (e *SyntaxError) Error() string {
	return "byte " + strconv.Itoa(e.Offset) + ": " + e.Message
}

// ErrFastCGI is a connection on which FastCGI is spoken. Nothing was taken from it
// if it is a socket.
//
// Source: the FastCGI 1.0 specification, section 3.3: a record's first byte is its
// version.
var ErrFastCGI error = &SyntaxError{0, "this is FastCGI, not SCGI: check the protocol set in the web server"}

func syntaxError(offset int, message string) error {
	return &SyntaxError{Offset: offset, Message: message}
}

// Parse reads the request whose first byte is data[0], and returns it with the
// number of bytes that its header block takes; the body starts there. Data that
// ends early is io.ErrUnexpectedEOF, all other faults are a *SyntaxError.
func Parse(data []byte) (req Request, size int, err error) {
	length, prefix, err := parsePrefix(data)
	if err != nil {
		return Request{}, 0, err
	}
	size = prefix + length + 1
	if len(data) < size {
		return Request{}, 0, io.ErrUnexpectedEOF
	}
	req, err = parseBlock(data[prefix:size], prefix)
	if err != nil {
		return Request{}, 0, err
	}
	return req, size, nil
}

// ReadRequest reads one request's header block from r, and not one byte more.
// It reads single bytes up to the colon; see Receive for sockets.
// An end of input before the first byte is io.EOF, a later one
// io.ErrUnexpectedEOF.
func ReadRequest(r io.Reader) (Request, error) {
	prefix := make([]byte, 0, maxPrefix)
	for {
		prefix = prefix[:len(prefix)+1]
		if _, err := io.ReadFull(r, prefix[len(prefix)-1:]); err != nil {
			if len(prefix) > 1 && errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return Request{}, err
		}
		length, size, err := parsePrefix(prefix)
		if errors.Is(err, io.ErrUnexpectedEOF) {
			continue
		}
		if err != nil {
			return Request{}, err
		}
		block := make([]byte, length+1)
		if _, err := io.ReadFull(r, block); err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return Request{}, err
		}
		return parseBlock(block, size)
	}
}

// parsePrefix reads the netstring's length and colon at the start of data. It
// returns the length and the number of bytes read. Data that holds a correct
// beginning only is io.ErrUnexpectedEOF.
func parsePrefix(data []byte) (length, size int, err error) {
	for i, c := range data {
		switch {
		case c >= '0' && c <= '9':
			if i == 1 && data[0] == '0' {
				return 0, 0, syntaxError(0, "leading zero in the netstring's length")
			}
			length = length*10 + int(c-'0')
			if length > MaxHeaderBytes {
				return 0, 0, syntaxError(0, "header block longer than "+strconv.Itoa(MaxHeaderBytes)+" bytes")
			}
		case c == ':' && i > 0:
			return length, i + 1, nil
		case i == 0 && c == 1:
			return 0, 0, ErrFastCGI
		default:
			if name := otherProtocol(data); name != "" {
				return 0, 0, syntaxError(0, "this is "+name+", not SCGI: check the protocol set in the web server")
			}
			return 0, 0, syntaxError(i, "want a digit or ':' of the netstring's length, have "+strconv.QuoteRuneToASCII(rune(c)))
		}
	}
	return 0, 0, io.ErrUnexpectedEOF
}

// parseBlock reads what stands between the netstring's colon and its comma,
// and the comma. Base is the offset of block[0], for messages.
func parseBlock(block []byte, base int) (Request, error) {
	end := len(block) - 1
	if block[end] != ',' {
		return Request{}, syntaxError(base+end, "want ',' after the header block, have "+strconv.QuoteRuneToASCII(rune(block[end])))
	}
	if end == 0 {
		return Request{}, syntaxError(base, "empty header block: CONTENT_LENGTH is missing")
	}
	if block[end-1] != 0 {
		return Request{}, syntaxError(base+end-1, "the last value does not end in NUL")
	}
	// One string for all, cut into substrings: one allocation, however many names.
	headers, err := cut(string(block[:end]), base)
	if err != nil {
		return Request{}, err
	}
	req := Request{Headers: headers}
	req.ContentLength, err = contentLength(headers[0], base)
	if err != nil {
		return Request{}, err
	}
	if version, _ := req.Get("SCGI"); version != "1" {
		return Request{}, syntaxError(base, "no parameter SCGI with the value 1")
	}
	return req, nil
}

// cut splits a block of NUL-terminated names and values.
func cut(block string, base int) ([]Header, error) {
	headers := make([]Header, 0, strings.Count(block, "\x00")/2)
	for at := 0; at < len(block); {
		name := strings.IndexByte(block[at:], 0) + at
		if name == at {
			return nil, syntaxError(base+at, "empty parameter name")
		}
		length := strings.IndexByte(block[name+1:], 0)
		if length < 0 {
			return nil, syntaxError(base+at, "parameter without a value")
		}
		value := name + 1 + length
		headers = append(headers, Header{Name: block[at:name], Value: block[name+1 : value]})
		at = value + 1
	}
	return headers, nil
}

func contentLength(first Header, base int) (int64, error) {
	if first.Name != "CONTENT_LENGTH" {
		return 0, syntaxError(base, "the first parameter is "+strconv.QuoteToASCII(short(first.Name))+", not CONTENT_LENGTH")
	}
	n, ok := ParseLength(first.Value)
	if !ok {
		return 0, syntaxError(base+len("CONTENT_LENGTH\x00"), "CONTENT_LENGTH is "+strconv.QuoteToASCII(short(first.Value))+", not a number of at most 18 digits")
	}
	return n, nil
}

// ParseLength reads a length in bytes: 1 to 18 decimal digits and nothing else.
func ParseLength(s string) (n int64, ok bool) {
	if s == "" || len(s) > maxLengthDigits {
		return 0, false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = n*10 + int64(s[i]-'0')
	}
	return n, true
}

// short cuts text that comes from the network, for use in a message.
func short(s string) string {
	const limit = 40
	if len(s) > limit {
		return s[:limit] + "…"
	}
	return s
}

// otherProtocol names the protocol whose first bytes these are, or returns "".
//
// Source: RFC 9112 section 2 and RFC 9113 section 3.4 (HTTP), RFC 8446 section
// 5.1 (TLS), the FastCGI 1.0 specification section 3.3, the uwsgi protocol page
// of the uWSGI documentation, the AJPv13 page of the Tomcat connectors.
func otherProtocol(data []byte) string {
	switch {
	case len(data) >= 1 && data[0] >= 'A' && data[0] <= 'Z':
		return "HTTP"
	case len(data) >= 2 && data[0] == 0x12 && data[1] == 0x34:
		return "AJP"
	case len(data) >= 2 && data[0] == 0x16 && data[1] == 3:
		return "TLS"
	case len(data) >= 4 && data[0] == 0 && data[3] == 0:
		return "uwsgi"
	}
	return ""
}
