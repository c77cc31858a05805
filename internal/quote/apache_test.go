package quote

import (
	"strings"
	"testing"
)

// apacheWord reads the next argument of a directive, as ap_getword_conf does:
// in quotes, \\ and \" are escapes, and any other backslash stands for itself;
// without quotes a word ends at white space. Before that, "${NAME}" is
// replaced wherever it stands, and a line that ends in a backslash goes on.
func apacheWord(line string) (word, rest string, ok bool) {
	if strings.Contains(line, "${") || strings.Contains(line, "\n") || strings.HasSuffix(line, `\`) {
		return "", "", false
	}
	line = strings.TrimLeft(line, " \t")
	if line == "" {
		return "", "", false
	}
	quote := line[0]
	if quote != '"' && quote != '\'' {
		end := strings.IndexAny(line, " \t")
		if end < 0 {
			end = len(line)
		}
		return line[:end], line[end:], true
	}
	var b strings.Builder
	for i := 1; i < len(line); i++ {
		switch {
		case line[i] == '\\' && i+1 < len(line) && (line[i+1] == '\\' || line[i+1] == quote):
			i++
			b.WriteByte(line[i])
		case line[i] == quote:
			return b.String(), line[i+1:], true
		default:
			b.WriteByte(line[i])
		}
	}
	return "", "", false
}

func TestApache(t *testing.T) {
	for in, want := range map[string]string{
		"": `""`, "plain": "plain", "/a/b.c": "/a/b.c", "timeout=60": "timeout=60", "a b": `"a b"`, `a"b`: `"a\"b"`, `a\`: `"a\\"`, "$1 $ {": `"$1 $ {"`,
		"^/a$": `"^/a$"`, "<b>": `"<b>"`, "#": `"#"`, "é": `"é"`, "%{x}": `"%{x}"`,
	} {
		if got, err := Apache(in); err != nil || got != want {
			t.Errorf("%q: got %s, %v, want %s", in, got, err, want)
		}
	}
	for _, in := range []string{"${HOME}", "a${", "a\nb", "\t", "\x00", "\x7f", "\xff"} {
		refused(t, Apache, in)
	}
}

func FuzzApache(f *testing.F) {
	addSeeds(f)
	f.Fuzz(func(t *testing.T, value string) {
		roundTrip(t, Apache, value, func(quoted string) (string, bool) {
			name, rest, ok := apacheWord("NAME " + quoted)
			if !ok || name != "NAME" {
				return "", false
			}
			got, rest, ok := apacheWord(rest)
			return got, ok && rest == ""
		})
	})
}
