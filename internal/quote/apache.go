package quote

import "strings"

// Apache quotes one argument of a directive for an Apache configuration file:
// words of plain characters stay as they are, all others stand in double
// quotes, with \\ and \" escaped. Refused are control characters and
// "${", which Apache replaces by a variable before it looks at quotes.
//
// Source: httpd server/util.c, ap_getword_conf and substring_conf;
// server/core.c, ap_resolve_env; measured with Apache 2.4.71.
func Apache(s string) (string, error) {
	refuse := func(reason string) (string, error) {
		return "", &Error{Syntax: "apache", Value: s, Reason: reason}
	}
	if reason := notText(s); reason != "" {
		return refuse(reason)
	}
	if strings.Contains(s, "${") {
		return refuse(`"${", which apache replaces by a variable even in quotes`)
	}
	if s != "" && onlyPlain(s, "_./:,=+~-") {
		return s, nil
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`, nil
}
