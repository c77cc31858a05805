package quote

import "strings"

// Systemd quotes one argument of a command line in a unit file, such as that of
// ExecStart=: in double quotes, with \ and " escaped, and % and $ doubled, which
// systemd would expand even there. It is for arguments: the name of the program
// has rules of its own. Refused are control characters and what is not UTF-8.
//
// Source: systemd.syntax(7) Quoting, systemd.service(5) Command Lines,
// systemd.unit(5) Specifiers; measured with systemd 252.
func Systemd(s string) (string, error) {
	if reason := notText(s); reason != "" {
		return "", &Error{Syntax: "a systemd unit", Value: s, Reason: reason}
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "%", "%%", "$", "$$").Replace(s) + `"`, nil
}
