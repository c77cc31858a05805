package quote

import "strings"

// HAProxy quotes one word for a HAProxy configuration file: words of plain
// characters stay as they are, all others stand in single quotes, in which
// neither "$" nor "\" means anything, with a quote outside of them as \'.
// Control characters are refused.
//
// Source: https://docs.haproxy.org/2.6/configuration.html#2.2; measured with
// HAProxy 2.6.12.
func HAProxy(s string) (string, error) {
	if reason := notText(s); reason != "" {
		return "", &Error{Syntax: "haproxy", Value: s, Reason: reason}
	}
	if s != "" && onlyPlain(s, "_./:,=@^~*+|-") {
		return s, nil
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'", nil
}

// HAProxyFormat quotes a word that HAProxy reads as a log format, with "%%"
// for each "%". An empty one is refused: HAProxy takes it for a missing word.
//
// Source: https://docs.haproxy.org/2.6/configuration.html#8.2.4.
func HAProxyFormat(s string) (string, error) {
	if s == "" {
		return "", &Error{Syntax: "haproxy", Value: s, Reason: "an empty value, which haproxy takes for a missing one", Hint: "leave it out"}
	}
	quoted, err := HAProxy(strings.ReplaceAll(s, "%", "%%"))
	if err != nil {
		return "", &Error{Syntax: "haproxy", Value: s, Reason: notText(s)}
	}
	return quoted, nil
}

// HAProxyMap writes a key or a value of a map of HAProxy, which know no quotes:
// blanks are refused, and what would be a comment.
//
// Source: https://docs.haproxy.org/2.6/configuration.html#7.1.
func HAProxyMap(s string) (string, error) {
	reason := notText(s)
	switch {
	case reason != "":
	case s == "":
		reason = "an empty word"
	case strings.Contains(s, " "):
		reason = "a blank, which ends a word of a map"
	case s[0] == '#':
		reason = `a "#" at the begin, which makes a comment`
	default:
		return s, nil
	}
	return "", &Error{Syntax: "a map of haproxy", Value: s, Reason: reason}
}
