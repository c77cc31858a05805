package scgi

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strconv"
	"strings"
)

// MaxHeadBytes is the longest response head that is accepted.
const MaxHeadBytes = 65536

// The faults of a response head that have no byte to name.
var (
	ErrNoHead   = errors.New("no response head: the answer is empty or does not start with header lines and an empty line")
	ErrHeadSize = errors.New("response head longer than " + strconv.Itoa(MaxHeadBytes) + " bytes")
)

// Head is a CGI response head.
type Head struct {
	// Status is what the head says, in a Status field or in an HTTP status
	// line, and 0 where it says nothing.
	Status int
	Reason string // text after the status; may be empty
	// Header holds the other fields in order, names as they were written.
	Header []Header
}

// Get returns the value of the first field with this name, in any case.
func (h *Head) Get(name string) (value string, ok bool) {
	for _, f := range h.Header {
		if strings.EqualFold(f.Name, name) {
			return f.Value, true
		}
	}
	return "", false
}

// Effective returns the status with its reason: what the head says, else 302
// where there is a Location, else 200.
//
// Source: RFC 3875 sections 6.2.1 and 6.2.3. A Location that is a path (6.2.2)
// is a redirect for the browser here too, so that all web servers agree.
func (h *Head) Effective() (status int, reason string) {
	status, reason = h.Status, h.Reason
	if status == 0 {
		status = 200
		if _, ok := h.Get("Location"); ok {
			status = 302
		}
	}
	if reason == "" {
		reason = Reason(status)
	}
	return status, reason
}

// HeadEnd returns the length of the response head at the start of data, with
// the empty line that ends it, or 0 where data does not hold all of it. Lines
// end in LF or CR LF.
func HeadEnd(data []byte) int {
	for at := 0; ; {
		i := bytes.IndexByte(data[at:], '\n')
		if i < 0 {
			return 0
		}
		if line := data[at : at+i]; len(line) == 0 || (len(line) == 1 && line[0] == '\r') {
			return at + i + 1
		}
		at += i + 1
	}
}

// ParseHead reads a response head as HeadEnd delimits it. It is strict where
// web servers differ in what they make of a fault: names are tokens, values
// hold no control characters and no carriage return, the status is three digits
// from 100 to 599. The first of several statuses counts. Continued lines are
// joined with a space. Faults are a *SyntaxError, or ErrNoHead for a head
// without any line.
//
// Source: RFC 3875 section 6.3 (fields), section 5 (a status line of HTTP).
func ParseHead(data []byte) (Head, error) {
	var head Head
	text := string(data)
	for at := 0; at < len(text); {
		end := strings.IndexByte(text[at:], '\n')
		if end < 0 {
			return Head{}, ErrNoHead
		}
		line := strings.TrimSuffix(text[at:at+end], "\r")
		if line == "" {
			break
		}
		if err := head.add(line, at); err != nil {
			return Head{}, err
		}
		at += end + 1
	}
	if head.Status == 0 && len(head.Header) == 0 {
		return Head{}, ErrNoHead
	}
	return head, nil
}

// add takes in one line that starts at this offset.
func (h *Head) add(line string, at int) error {
	for i := range len(line) {
		if c := line[i]; (c < ' ' && c != '\t') || c == 0x7f {
			return syntaxError(at+i, "control character "+strconv.QuoteRuneToASCII(rune(c))+" in the response head")
		}
	}
	if at == 0 && strings.HasPrefix(line, "HTTP/") {
		_, status, _ := strings.Cut(line, " ")
		return h.setStatus(status, at)
	}
	if line[0] == ' ' || line[0] == '\t' {
		if len(h.Header) == 0 {
			return syntaxError(at, "continued line without a field before it")
		}
		last := &h.Header[len(h.Header)-1]
		last.Value = strings.Trim(last.Value+" "+strings.Trim(line, " \t"), " ")
		return nil
	}
	name, value, found := strings.Cut(line, ":")
	if !found {
		return syntaxError(at, "not a header line: "+strconv.QuoteToASCII(short(line)))
	}
	if !IsToken(name) {
		return syntaxError(at, "bad field name "+strconv.QuoteToASCII(short(name)))
	}
	value = strings.Trim(value, " \t")
	if strings.EqualFold(name, "Status") {
		return h.setStatus(value, at)
	}
	h.Header = append(h.Header, Header{Name: name, Value: value})
	return nil
}

func (h *Head) setStatus(value string, at int) error {
	digits, reason, _ := strings.Cut(strings.Trim(value, " \t"), " ")
	status, ok := ParseLength(digits)
	if !ok || len(digits) != 3 || status < 100 || status > 599 {
		return syntaxError(at, "bad status "+strconv.QuoteToASCII(short(value))+": want three digits from 100 to 599")
	}
	if h.Status == 0 {
		h.Status, h.Reason = int(status), strings.Trim(reason, " \t")
	}
	return nil
}

// ReadResponseHead reads the response head of a CGI program or SCGI server and
// leaves the body in r. Heads with a status of 1xx are skipped, as a client of
// HTTP does. The status is that of Head.Effective. Errors are those of
// ParseHead, ErrHeadSize, and the reader's; an end of input inside the head is
// ErrNoHead.
func ReadResponseHead(r *bufio.Reader) (status int, reason string, header []Header, err error) {
	for budget := MaxHeadBytes; ; {
		block, err := readHead(r, budget)
		if err != nil {
			return 0, "", nil, err
		}
		head, err := ParseHead(block)
		if err != nil {
			return 0, "", nil, err
		}
		if status, reason = head.Effective(); status >= 200 {
			return status, reason, head.Header, nil
		}
		budget -= len(block)
	}
}

// readHead reads lines up to and with the empty one, at most limit bytes.
func readHead(r *bufio.Reader, limit int) ([]byte, error) {
	var block []byte
	for start := 0; ; {
		piece, err := r.ReadSlice('\n')
		if len(block)+len(piece) > limit {
			return nil, ErrHeadSize
		}
		block = append(block, piece...)
		switch {
		case err == nil:
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF):
			return nil, ErrNoHead
		default:
			return nil, err
		}
		if line := bytes.TrimRight(block[start:], "\r\n"); len(line) == 0 {
			return block, nil
		}
		start = len(block)
	}
}

// IsToken reports whether s is a token of HTTP, as methods and field names are.
//
// Source: RFC 9110 section 5.6.2.
func IsToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		case strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0:
		default:
			return false
		}
	}
	return s != ""
}

// Reason returns the usual text for a status, or that of its class.
//
// Source: the HTTP status code registry, https://www.iana.org/assignments/http-status-codes.
func Reason(status int) string {
	switch status {
	case 200:
		return "OK"
	case 201:
		return "Created"
	case 202:
		return "Accepted"
	case 204:
		return "No Content"
	case 206:
		return "Partial Content"
	case 300:
		return "Multiple Choices"
	case 301:
		return "Moved Permanently"
	case 302:
		return "Found"
	case 303:
		return "See Other"
	case 304:
		return "Not Modified"
	case 307:
		return "Temporary Redirect"
	case 308:
		return "Permanent Redirect"
	case 400:
		return "Bad Request"
	case 401:
		return "Unauthorized"
	case 403:
		return "Forbidden"
	case 404:
		return "Not Found"
	case 405:
		return "Method Not Allowed"
	case 406:
		return "Not Acceptable"
	case 408:
		return "Request Timeout"
	case 409:
		return "Conflict"
	case 410:
		return "Gone"
	case 411:
		return "Length Required"
	case 412:
		return "Precondition Failed"
	case 413:
		return "Content Too Large"
	case 415:
		return "Unsupported Media Type"
	case 416:
		return "Range Not Satisfiable"
	case 422:
		return "Unprocessable Content"
	case 429:
		return "Too Many Requests"
	case 500:
		return "Internal Server Error"
	case 501:
		return "Not Implemented"
	case 502:
		return "Bad Gateway"
	case 503:
		return "Service Unavailable"
	case 504:
		return "Gateway Timeout"
	}
	switch status / 100 {
	case 1:
		return "Informational"
	case 2:
		return "Success"
	case 3:
		return "Redirection"
	case 4:
		return "Client Error"
	}
	return "Server Error"
}
