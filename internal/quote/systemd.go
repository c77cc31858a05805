package quote

import (
	"regexp"
	"strings"
)

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

// SystemdProgram quotes the first word of a command line, the path of the
// program. It is refused where it is not absolute, or holds what systemd takes in
// no path of a program (quotes and \), or expands in its name and not in its
// path ("$").
//
// Source: systemd.service(5) Command Lines; measured with systemd 252.
func SystemdProgram(s string) (string, error) {
	var reason string
	switch {
	case !strings.HasPrefix(s, "/"):
		reason = "a program without its whole path"
	case strings.ContainsAny(s, `'"\`):
		reason = "a quote or \\, which no path of a program may have there"
	case strings.Contains(s, "$"):
		reason = "$, which systemd expands in the name of a program and not in its path"
	default:
		return Systemd(s)
	}
	return "", &Error{Syntax: "a systemd unit", Value: s, Reason: reason, Hint: "use a whole path without it"}
}

// SystemdWord quotes one word of a list, such as an assignment of Environment=
// or a folder of ReadWritePaths=: as an argument, but "$" means nothing there.
//
// Source: systemd.syntax(7) Quoting, systemd.exec(5); measured with systemd 252.
func SystemdWord(s string) (string, error) {
	quoted, err := Systemd(s)
	return strings.ReplaceAll(quoted, "$$", "$"), err
}

// SystemdValue writes a value that is all there is behind the "=", such as that
// of WorkingDirectory= or ListenStream=: with % doubled, and no quotes, which
// would be a part of it. Refused is what systemd would cut off or go on with: an
// empty value, blanks around it, a backslash at its end; and control characters.
//
// Source: systemd.syntax(7), systemd.unit(5) Specifiers; measured with systemd 252.
func SystemdValue(s string) (string, error) {
	reason := notText(s)
	switch {
	case reason != "":
	case s == "":
		reason = "nothing, which resets the setting"
	case strings.Trim(s, " ") != s:
		reason = "a space around it, which systemd cuts off"
	case strings.HasSuffix(s, `\`):
		reason = `\ at the end, which joins the next line`
	default:
		return strings.ReplaceAll(s, "%", "%%"), nil
	}
	return "", &Error{Syntax: "a systemd unit", Value: s, Reason: reason, Hint: "write it without"}
}

// SystemdFile writes the path of a file where systemd takes a pattern of glob(7),
// such as that of EnvironmentFile=: as a value, with a backslash in front of all
// that would match another name. It refuses what SystemdValue refuses.
//
// Source: systemd.exec(5) EnvironmentFile=; src/core/execute.c of systemd 252,
// exec_context_load_environment.
func SystemdFile(s string) (string, error) {
	value, err := SystemdValue(s)
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(value), err
}

// systemdSetting is a line of a unit: a name, and anything behind it.
var systemdSetting = regexp.MustCompile(`^[A-Z][A-Za-z0-9]*=`)

// SystemdLine takes a whole line as it is, NAME=VALUE in the syntax of units. It
// refuses what would not be one line: control characters, a backslash at the
// end, and no name in front.
//
// Source: systemd.syntax(7)
func SystemdLine(s string) (string, error) {
	reason := notText(s)
	switch {
	case reason != "":
	case !systemdSetting.MatchString(s):
		reason = "no setting and = in front"
	case strings.HasSuffix(s, `\`):
		reason = `\ at the end, which joins the next line`
	default:
		return s, nil
	}
	return "", &Error{Syntax: "a systemd unit", Value: s, Reason: reason, Hint: "write a setting and its value, such as Slice=web.slice"}
}
