// Package diag describes problems in a text: where one stands, what it is,
// what to do about it, and how that is shown to a person or a program.
//
// A reader of a description collects problems in a List instead of stopping
// at the first one, so that a person mends a file in one go.
package diag

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Position is a place in a text. Line and Column count from 1, columns in
// characters; a Line of 0 means that only the file is known.
type Position struct {
	File   string `json:"file"`
	Line   int    `json:"line,omitempty"`
	Column int    `json:"column,omitempty"`
}

// String returns "file:line:column", as editors read it, or the file alone.
func (p Position) String() string {
	if p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
}

// Span is a place with its extent and the source line it stands in, which is
// all that is needed to show an excerpt later, without the file.
type Span struct {
	Position
	Width int    // characters to underline, at least 1
	Text  string // the source line, without its end
}

// Severity tells an error from a warning.
type Severity uint8

// The severities. A warning does not stop anything unless asked to.
const (
	Error Severity = iota
	Warning
)

// String returns "error" or "warning".
func (s Severity) String() string {
	switch s {
	case Error:
		return "error"
	case Warning:
		return "warning"
	}
	return "unknown"
}

// Problem is one mistake in a description.
type Problem struct {
	Span     Span
	Severity Severity
	Code     string // stable word such as "bad-mode"; explained by scgikit explain CODE
	Path     string // field path such as "listen.mode"; empty for the file as a whole
	Message  string // without path, place and code
	Hint     string // what to do about it
	Other    *Span  // the second place, where a problem has two
}

// Error returns the problem in one line: "file:line:column: path: message [code]".
func (p *Problem) Error() string {
	var b strings.Builder
	if at := p.Span.String(); at != "" {
		b.WriteString(at + ": ")
	}
	if p.Severity == Warning {
		b.WriteString("warning: ")
	}
	if p.Path != "" {
		b.WriteString(p.Path + ": ")
	}
	fmt.Fprintf(&b, "%s [%s]", p.Message, p.Code)
	return b.String()
}

// List holds the problems of one or more files.
type List []*Problem

// Sort orders by file, line, column and code, so that equal input gives equal output.
func (l List) Sort() {
	slices.SortStableFunc(l, func(a, b *Problem) int {
		return cmp.Or(
			cmp.Compare(a.Span.File, b.Span.File),
			cmp.Compare(a.Span.Line, b.Span.Line),
			cmp.Compare(a.Span.Column, b.Span.Column),
			cmp.Compare(a.Code, b.Code),
			cmp.Compare(a.Path, b.Path),
		)
	})
}

// HasErrors reports whether any problem is more than a warning.
func (l List) HasErrors() bool {
	return slices.ContainsFunc(l, func(p *Problem) bool { return p.Severity == Error })
}

// Error returns one line a problem, so that a List can travel as an error.
func (l List) Error() string {
	lines := make([]string, len(l))
	for i, p := range l {
		lines[i] = p.Error()
	}
	return strings.Join(lines, "\n")
}

// Err returns the list as an error, or nil where it holds no error.
func (l List) Err() error {
	if !l.HasErrors() {
		return nil
	}
	return l
}
