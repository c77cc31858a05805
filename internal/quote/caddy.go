package quote

import "strings"

// Caddy quotes one word for a Caddyfile: words of plain characters stay as
// they are. All others stand in double quotes, where \" is a quote and every
// other backslash stands for itself, or in backquotes where a backslash comes
// before a quote or at the end. Refused are control characters, a word that
// needs both kinds of quotes, and braces, which Caddy reads at least twice:
// {$NAME} wherever it stands in a file, {name} once when a file is imported
// and again when a request is served, so that no number of escapes is right
// in every place.
//
// Source: https://caddyserver.com/docs/caddyfile/concepts#tokens-and-quotes;
// measured with Caddy 2.6.2.
func Caddy(s string) (string, error) {
	refuse := func(reason, hint string) (string, error) {
		return "", &Error{Syntax: "caddy", Value: s, Reason: reason, Hint: hint}
	}
	if reason := notText(s); reason != "" {
		return refuse(reason, "")
	}
	if strings.ContainsAny(s, "{}") {
		return refuse("a brace, which Caddy takes for the begin or end of a placeholder", "use a value without it")
	}
	if s != "" && s[0] != '@' && s[0] != '*' && onlyPlain(s, "_./:,=@^~*+[]-") {
		return s, nil
	}
	if !strings.Contains(s, `\"`) && !strings.HasSuffix(s, `\`) {
		return `"` + strings.ReplaceAll(s, `"`, `\"`) + `"`, nil
	}
	if !strings.Contains(s, "`") {
		return "`" + s + "`", nil
	}
	return refuse("a backslash before a quote or at the end, next to a backquote", "use a value without the one or the other")
}
