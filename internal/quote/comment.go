package quote

// Comment writes the rest of a line of comment. What would end the line, or is no
// text, is refused.
//
// Source: POSIX.1-2017, Shell Command Language 2.3; LSB 5.0, Comment Conventions
// for Init Scripts.
func Comment(s string) (string, error) {
	if reason := notText(s); reason != "" {
		return "", &Error{Syntax: "a comment", Value: s, Reason: reason}
	}
	return s, nil
}
