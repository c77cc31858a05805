package quote

import "strings"

// Lighttpd quotes one string for a Lighttpd configuration file: in double
// quotes, with \" escaped. Refused are control characters and the backslash:
// it stands for itself unless a quote follows, where it takes the quote's
// meaning away, and there is no way to write it before the end of a string.
//
// Source: lighttpd src/configfile.c, config_tokenizer; measured with
// lighttpd 1.4.69 -p.
func Lighttpd(s string) (string, error) {
	refuse := func(reason string) (string, error) {
		return "", &Error{Syntax: "lighttpd", Value: s, Reason: reason}
	}
	if reason := notText(s); reason != "" {
		return refuse(reason)
	}
	if strings.Contains(s, `\`) {
		return refuse("a backslash, which lighttpd has no escape for")
	}
	return `"` + strings.ReplaceAll(s, `"`, `\"`) + `"`, nil
}
