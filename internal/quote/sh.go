package quote

import "strings"

// Sh quotes one word for sh(1): plain words stay as they are, all others stand
// in single quotes. A NUL byte is refused.
//
// Source: POSIX.1-2017, Shell Command Language 2.2.2.
func Sh(s string) (string, error) {
	if strings.ContainsRune(s, 0) {
		return "", &Error{Syntax: "sh", Value: s, Reason: "a NUL byte"}
	}
	plain := "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_./@%+,:-"
	if strings.HasPrefix(s, "-") {
		plain += "=" // a flag; what could be an assignment begins with a name
	}
	if s != "" && strings.Trim(s, plain) == "" {
		return s, nil
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'", nil
}
