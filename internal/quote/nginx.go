package quote

import (
	"strings"
	"unicode/utf8"
)

// NginxMax is the number of bytes that one word may take, escapes included and
// quotes not: nginx reads its configuration through a buffer of 4,096 bytes,
// which must hold the word and its end.
//
// Source: nginx src/core/ngx_conf_file.c, NGX_CONF_BUFFER, "too long parameter".
const NginxMax = 4095

// Nginx quotes one word for an nginx configuration file: words of plain
// characters stay as they are, all others stand in double quotes, with \\ and
// \" escaped. Refused are control characters, a "$", which starts a variable
// in most places and has no escape, and words longer than NginxMax.
//
// Source: nginx src/core/ngx_conf_file.c, ngx_conf_read_token; measured with
// nginx 1.22.1.
func Nginx(s string) (string, error) {
	refuse := func(reason, hint string) (string, error) {
		return "", &Error{Syntax: "nginx", Value: s, Reason: reason, Hint: hint}
	}
	if reason := notText(s); reason != "" {
		return refuse(reason, "")
	}
	if strings.Contains(s, "$") {
		return refuse(`a "$", which nginx takes for a variable and has no escape for`, "use a value without it")
	}
	quoted := strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s)
	if len(quoted) > NginxMax {
		return refuse("longer than the 4,095 bytes that nginx reads as one word", "")
	}
	if s != "" && onlyPlain(s, "_./:,=@^~*[]-") {
		return s, nil
	}
	return `"` + quoted + `"`, nil
}

// notText says what in a value is no text for a configuration file: control
// characters, which end a line or hide in review, and what is not UTF-8.
func notText(s string) string {
	if !utf8.ValidString(s) {
		return "bytes that are not UTF-8"
	}
	for _, r := range s {
		switch {
		case r == '\n':
			return "a newline"
		case r < ' ' || r == 0x7f:
			return "a control character"
		}
	}
	return ""
}

// onlyPlain reports whether s holds ASCII letters, digits and the characters of
// more alone.
func onlyPlain(s, more string) bool {
	for _, r := range s {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', strings.ContainsRune(more, r):
		default:
			return false
		}
	}
	return true
}
