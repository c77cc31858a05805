package quote

import "strings"

// Envdir writes the value of one environment variable as the file that envdir
// of daemontools, chpst -e of runit and s6-envdir read: the value and a
// newline. These cut blanks off the end, so such a value is refused; an empty
// file would unset the variable, so an empty value is the newline alone.
//
// Source: https://cr.yp.to/daemontools/envdir.html
func Envdir(s string) (string, error) {
	const syntax = "an envdir file"
	if err := noControls(syntax, s); err != nil {
		return "", err
	}
	if strings.HasSuffix(s, " ") {
		return "", &Error{Syntax: syntax, Value: s, Reason: "a space at the end, which is cut off"}
	}
	return s + "\n", nil
}
