package appfile

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"

	"scgikit/internal/diag"
)

// maxSource is the size of the largest description that is read, in bytes. A
// stream of a thousand apps fits; a file that was named by mistake does not.
const maxSource = 1 << 20

// text is one source, cut into lines for excerpts.
type text struct {
	name  string
	lines []string // without their ends; nil for a setting of the command line
	from  OriginKind
}

// newText cuts a source into lines. A byte order mark is dropped.
func newText(name string, data []byte, from OriginKind) *text {
	lines := strings.Split(string(data), "\n")
	for i, line := range lines {
		lines[i] = strings.TrimSuffix(line, "\r")
	}
	return &text{name: name, lines: lines, from: from}
}

// span returns a place of a width in characters. A line of 0 is the source as
// a whole.
func (t *text) span(line, column, width int) diag.Span {
	if line < 1 || line > len(t.lines) {
		return diag.Span{Position: diag.Position{File: t.name}}
	}
	return diag.Span{
		Position: diag.Position{File: t.name, Line: line, Column: column},
		Width:    max(width, 1),
		Text:     t.lines[line-1],
	}
}

// rest returns what stands in a line from a column on.
func (t *text) rest(line, column int) string {
	if line < 1 || line > len(t.lines) {
		return ""
	}
	s := t.lines[line-1]
	for ; column > 1 && s != ""; column-- {
		_, size := utf8.DecodeRuneInString(s)
		s = s[size:]
	}
	return s
}

var byteOrderMark = []byte("\ufeff")

// readable checks a source before it is parsed: its size, that it is UTF-8,
// and that no character in it hides or reorders text on the screen of the
// person who reviews it. It returns the data without a byte order mark.
func readable(name string, data []byte, from OriginKind) ([]byte, *text, *diag.Problem) {
	whole := diag.Span{Position: diag.Position{File: name}}
	if len(data) > maxSource {
		return nil, nil, &diag.Problem{
			Span: whole, Code: "too-big",
			Message: fmt.Sprintf("the description has more than %d bytes", maxSource),
			Hint:    "is it the right file? Several apps belong in apps/NAME.yaml, one file each",
		}
	}
	data = bytes.TrimPrefix(data, byteOrderMark)
	at := bytes.IndexFunc(data, notReadable)
	if cr := loneReturn(data); cr >= 0 && (at < 0 || cr < at) {
		at = cr
	}
	if at < 0 {
		return data, newText(name, data, from), nil
	}
	r, size := utf8.DecodeRune(data[at:])
	p := &diag.Problem{
		Code:    "bad-character",
		Message: fmt.Sprintf("the character %U does not belong in a description", r),
		Hint:    "remove it; indent with spaces and end lines with a line feed",
	}
	if r == utf8.RuneError && size == 1 {
		p.Code = "bad-encoding"
		p.Message = fmt.Sprintf("the byte 0x%02x is not UTF-8", data[at])
		p.Hint = "save the file as UTF-8"
	}
	line := 1 + bytes.Count(data[:at], []byte("\n"))
	column := 1 + utf8.RuneCount(data[bytes.LastIndexByte(data[:at], '\n')+1:at])
	// An invalid byte would spoil the excerpt's line for JSON output.
	t := newText(name, bytes.ToValidUTF8(data, []byte("\ufffd")), from)
	p.Span = t.span(line, column, 1)
	return nil, nil, p
}

// loneReturn returns the index of the first carriage return that ends no line,
// or -1. YAML would count a line there, and editors would not.
func loneReturn(data []byte) int {
	for at := 0; ; at++ {
		next := bytes.IndexByte(data[at:], '\r')
		if next < 0 {
			return -1
		}
		at += next
		if at+1 == len(data) || data[at+1] != '\n' {
			return at
		}
	}
}

// notReadable accepts tab, line feed and carriage return, and refuses every
// other control character, the line separators that YAML and editors count
// differently, and the marks that change the direction of text.
func notReadable(r rune) bool {
	if r == '\t' || r == '\n' || r == '\r' {
		return false
	}
	return r == utf8.RuneError || Hidden(r)
}

// Hidden reports whether a character must not stand in any value: control
// characters (C0, DEL, C1), line and paragraph separator, direction marks
// (CVE-2021-42574), the byte order mark and what is no character at all.
func Hidden(r rune) bool {
	switch {
	case r < ' ', r >= 0x7f && r <= 0x9f:
		return true
	case r == 0x2028, r == 0x2029:
		return true
	case r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069:
		return true
	case r == 0xfeff, r&0xfffe == 0xfffe:
		return true
	}
	return false
}
