package quote

import "strings"

// InetdFreeBSD quotes one word of an inetd.conf line for FreeBSD's inetd: a
// quote of either kind as the first character of a word goes to the next one
// of that kind, and nothing escapes inside. A word that needs quotes and holds
// both kinds is refused.
//
// Source: FreeBSD usr.sbin/inetd/inetd.c, skip.
func InetdFreeBSD(s string) (string, error) {
	const syntax = "inetd.conf (freebsd)"
	if err := noControls(syntax, s); err != nil {
		return "", err
	}
	if s != "" && !strings.ContainsAny(s, " \t") && !strings.ContainsAny(s[:1], `"'`) {
		return s, nil
	}
	return oneQuote(syntax, s)
}

// InetdNetBSD quotes one word for NetBSD's inetd, which takes quotes of both
// kinds anywhere in a word and no backslash; so every word can be written.
//
// Source: NetBSD usr.sbin/inetd/parse.c, skip.
func InetdNetBSD(s string) (string, error) {
	if err := noControls("inetd.conf (netbsd)", s); err != nil {
		return "", err
	}
	if s != "" && !strings.ContainsAny(s, " \t\"'") {
		return s, nil
	}
	return "'" + strings.ReplaceAll(s, "'", `'"'"'`) + "'", nil
}

// InetdOpenBSD writes one word for OpenBSD's inetd, Debian's openbsd-inetd,
// which has no quoting at all: a word that is empty or holds a blank is
// refused.
//
// Source: OpenBSD usr.sbin/inetd/inetd.c, skip.
func InetdOpenBSD(s string) (string, error) {
	const syntax = "inetd.conf (openbsd)"
	if err := noControls(syntax, s); err != nil {
		return "", err
	}
	return s, unquotable(syntax, s)
}

// InetdInetutils quotes one word for GNU inetutils' inetd: a word may stand in
// quotes of either kind, nothing escapes inside, and a double quote ends any
// other word. A word that needs quotes and holds both kinds is refused.
//
// Source: GNU inetutils libinetutils/argcv.c, argcv_scan.
func InetdInetutils(s string) (string, error) {
	const syntax = "inetd.conf (inetutils)"
	if err := noControls(syntax, s); err != nil {
		return "", err
	}
	if s != "" && !strings.ContainsAny(s, " \t\"") && s[0] != '\'' {
		return s, nil
	}
	return oneQuote(syntax, s)
}

// InetdBusybox writes one word for busybox's inetd, which has no quoting: a
// word is refused that is empty, holds a blank or "#", which cuts the line
// wherever it stands, or ends in a backslash, which joins the next line where
// the word is the last.
//
// Source: busybox libbb/parse_config.c, config_read.
func InetdBusybox(s string) (string, error) {
	const syntax = "inetd.conf (busybox)"
	if err := noControls(syntax, s); err != nil {
		return "", err
	}
	if strings.Contains(s, "#") {
		return "", &Error{Syntax: syntax, Value: s, Reason: "#, which cuts the line"}
	}
	if strings.HasSuffix(s, `\`) {
		return "", &Error{Syntax: syntax, Value: s, Reason: "a backslash at the end"}
	}
	return s, unquotable(syntax, s)
}

// oneQuote puts a word in the kind of quotes that it does not hold.
func oneQuote(syntax, s string) (string, error) {
	for _, q := range []string{`"`, `'`} {
		if !strings.Contains(s, q) {
			return q + s + q, nil
		}
	}
	return "", &Error{Syntax: syntax, Value: s, Reason: "quotes of both kinds"}
}

// unquotable refuses what no word can be where there are no quotes.
func unquotable(syntax, s string) error {
	switch {
	case s == "":
		return &Error{Syntax: syntax, Value: s, Reason: "an empty word"}
	case strings.Contains(s, " "):
		return &Error{Syntax: syntax, Value: s, Reason: "a space"}
	}
	return nil
}

// noControls refuses control characters, which end words and lines.
func noControls(syntax, s string) error {
	if strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return &Error{Syntax: syntax, Value: s, Reason: "a control character"}
	}
	return nil
}
