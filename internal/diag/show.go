package diag

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxExcerpt is the number of characters of a source line that an excerpt
// shows; a longer line is cut around the mistake.
const maxExcerpt = 100

// Show writes every problem with its excerpt, caret and hint:
//
//	apps/blog.yaml:12:11: listen.mode: 0999 is not an octal file mode [bad-mode]
//	   12 |     mode: 0999
//	      |           ^^^^
//	hint: quote it and use digits 0-7, for example "0660"
func (l List) Show(w io.Writer) error {
	for i, p := range l {
		if i > 0 {
			if _, err := io.WriteString(w, "\n"); err != nil {
				return err
			}
		}
		if err := p.show(w); err != nil {
			return err
		}
	}
	return nil
}

func (p *Problem) show(w io.Writer) error {
	var b strings.Builder
	b.WriteString(printable(p.Error()) + "\n")
	excerpt(&b, p.Span)
	if p.Other != nil {
		fmt.Fprintf(&b, "%s: the other place\n", printable(p.Other.String()))
		excerpt(&b, *p.Other)
	}
	if p.Hint != "" {
		b.WriteString("hint: " + printable(p.Hint) + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// excerpt writes the source line and a caret below it. Tabs and other control
// characters become one space each, so that the caret stands where it should
// and nothing in a file reaches the terminal as a command.
func excerpt(b *strings.Builder, s Span) {
	if s.Line == 0 || s.Text == "" {
		return
	}
	line := []rune(printable(s.Text))
	start := min(max(s.Column-1, 0), len(line))
	from := 0
	if len(line) > maxExcerpt && start > maxExcerpt/2 {
		from = start - maxExcerpt/2
	}
	to := min(len(line), from+maxExcerpt)
	width := min(max(s.Width, 1), max(to-start, 1))
	fmt.Fprintf(b, "%5d | %s\n", s.Line, string(line[from:to]))
	fmt.Fprintf(b, "      | %s%s\n", strings.Repeat(" ", start-from), strings.Repeat("^", width))
}

func printable(s string) string {
	if utf8.ValidString(s) && strings.IndexFunc(s, notPrintable) < 0 {
		return s
	}
	return strings.Map(func(r rune) rune {
		if r == '\t' {
			return ' '
		}
		if notPrintable(r) {
			return utf8.RuneError
		}
		return r
	}, s)
}

// notPrintable includes the characters that reorder a line on screen
// (U+202A and kin), which unicode.IsPrint refuses as format characters.
func notPrintable(r rune) bool {
	return r != ' ' && !unicode.IsPrint(r)
}

// problemJSON is the form that "-o json" promises; its keys only grow.
type problemJSON struct {
	Code     string `json:"code"`
	Severity string `json:"severity"`
	Message  string `json:"message"`
	File     string `json:"file"`
	Line     int    `json:"line"`
	Column   int    `json:"column"`
	Path     string `json:"path"`
	Hint     string `json:"hint"`
}

// MarshalJSON writes code, severity, message, file, line, column, path and hint.
func (p *Problem) MarshalJSON() ([]byte, error) {
	return json.Marshal(problemJSON{
		Code: p.Code, Severity: p.Severity.String(), Message: p.Message,
		File: p.Span.File, Line: p.Span.Line, Column: p.Span.Column, Path: p.Path, Hint: p.Hint,
	})
}
