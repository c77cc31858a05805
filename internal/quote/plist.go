package quote

import (
	"strings"
	"unicode"
)

// Plist writes the text of one XML element of a property list. Refused are
// control characters, what is not UTF-8, and the two that XML does not know.
//
// Source: https://www.w3.org/TR/xml/#charsets.
func Plist(s string) (string, error) {
	refuse := func(reason string) (string, error) {
		return "", &Error{Syntax: "a property list", Value: s, Reason: reason}
	}
	if reason := notText(s); reason != "" {
		return refuse(reason)
	}
	if strings.ContainsAny(s, "\ufffe\uffff") {
		return refuse("a character that XML does not know")
	}
	// Python's plistlib, unlike others, drops C1 controls.
	if strings.ContainsFunc(s, unicode.IsControl) {
		return refuse("a control character")
	}
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(s), nil
}
