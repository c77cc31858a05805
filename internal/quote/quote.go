// Package quote writes one value in the syntax of one program, so that the
// program reads back exactly that value, or refuses.
//
// There is one function for each syntax, each in a file of its own with the
// rules it keeps. Templates print values through these functions only.
package quote

import "fmt"

// Error says that a value cannot be written in a syntax.
type Error struct {
	Syntax string // "nginx", "sh", "inetd (openbsd)"
	Value  string // the whole value
	Reason string // what stands in the way: "a space", "$, which nginx always expands"
	Hint   string // the way out, may be empty
}

// Error returns "VALUE cannot be written in SYNTAX: REASON"; a long value is cut.
func (e *Error) Error() string {
	value := []rune(e.Value)
	if len(value) > 60 {
		value = append(value[:57:57], []rune("...")...)
	}
	return fmt.Sprintf("%q cannot be written in %s: %s", string(value), e.Syntax, e.Reason)
}
