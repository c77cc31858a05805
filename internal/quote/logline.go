package quote

// LogLine writes one line of svlogd's config: a letter, and what it means as it
// stands. What would be no line of its own is refused: nothing, control
// characters, and a comment.
//
// Source: svlogd(8), CONFIG; measured with runit 2.1.2.
func LogLine(s string) (string, error) {
	reason := notText(s)
	switch {
	case reason != "":
	case s == "":
		reason = "nothing"
	case s[0] == '#':
		reason = "# in front, which begins a comment"
	default:
		return s, nil
	}
	return "", &Error{Syntax: "svlogd's config", Value: s, Reason: reason}
}
