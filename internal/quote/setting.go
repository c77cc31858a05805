package quote

import (
	"strings"
	"unicode"
)

// Setting writes one word of the small files of a service folder: a signal, a
// duration, the policy of restart. They are read as words between white space,
// so what is empty, holds white space or a control character, or would begin a
// comment is refused.
//
// Source: docs/supervise.md; for down-signal,
// https://skarnet.org/software/s6/servicedir.html
func Setting(s string) (string, error) {
	const syntax = "a file of a service folder"
	reason := notText(s)
	switch {
	case reason != "":
	case s == "":
		reason = "nothing"
	case strings.ContainsFunc(s, unicode.IsSpace):
		reason = "white space"
	case s[0] == '#':
		reason = "# in front, which begins a comment"
	default:
		return s, nil
	}
	return "", &Error{Syntax: syntax, Value: s, Reason: reason}
}

// ServiceName writes the name of a service on a line of the file after: that of
// its folder in the scan folder. White space around it is cut off, so a name
// with some is refused, as are those that no service can have.
//
// Source: docs/supervise.md; for names that begin with a dot,
// https://cr.yp.to/daemontools/svscan.html
func ServiceName(s string) (string, error) {
	reason := notText(s)
	switch {
	case reason != "":
	case s == "":
		reason = "nothing"
	case strings.TrimSpace(s) != s:
		reason = "white space around it, which is cut off"
	case s[0] == '#':
		reason = "# in front, which begins a comment"
	case s[0] == '.':
		reason = "a dot in front, which no service has"
	case strings.Contains(s, "/"):
		reason = "/, which no service has in its name"
	case len(s) > maxFileName:
		reason = "more than 255 bytes"
	default:
		return s, nil
	}
	return "", &Error{Syntax: "a list of services", Value: s, Reason: reason, Hint: "write the name of its folder in the scan folder"}
}

// maxFileName is NAME_MAX of every system.
const maxFileName = 255
