package quote

import "strings"

// Xinetd writes one value of an attribute for xinetd, which has no quoting at
// all: values are words between blanks, and nothing in one is more than text. A
// value that is empty or holds a blank is refused, and as everywhere a control
// character.
//
// Source: xinetd 2.3.15.3, src/parsesup.c, parse_line; src/str/strparse.c,
// str_component.
func Xinetd(s string) (string, error) {
	const syntax = "a file of xinetd"
	reason := notText(s)
	switch {
	case reason != "":
	case s == "":
		reason = "nothing"
	case strings.Contains(s, " "):
		reason = "a space"
	default:
		return s, nil
	}
	return "", &Error{Syntax: syntax, Value: s, Reason: reason}
}
