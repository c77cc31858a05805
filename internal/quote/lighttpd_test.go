package quote

import (
	"strings"
	"testing"
)

// lighttpdString reads a string at the start of a text, as config_tokenizer
// does: it ends at the first quote that has no backslash before it, and \" is
// a quote.
func lighttpdString(text string) (value, rest string, ok bool) {
	if text == "" || text[0] != '"' {
		return "", "", false
	}
	var b strings.Builder
	for i := 1; i < len(text); i++ {
		switch {
		case text[i] == '\\' && i+1 < len(text) && text[i+1] == '"':
			b.WriteByte('"')
			i++
		case text[i] == '"':
			return b.String(), text[i+1:], true
		default:
			b.WriteByte(text[i])
		}
	}
	return "", "", false
}

func TestLighttpd(t *testing.T) {
	for in, want := range map[string]string{
		"": `""`, "plain": `"plain"`, "a b": `"a b"`, `a"b`: `"a\"b"`, "$x ${qsa} %1": `"$x ${qsa} %1"`, "é#{}": `"é#{}"`,
	} {
		if got, err := Lighttpd(in); err != nil || got != want {
			t.Errorf("%q: got %s, %v, want %s", in, got, err, want)
		}
	}
	for _, in := range []string{`\`, `a\b`, `a\"`, "a\nb", "\t", "\x00", "\x7f", "\xff"} {
		refused(t, Lighttpd, in)
	}
}

func FuzzLighttpd(f *testing.F) {
	addSeeds(f)
	f.Fuzz(func(t *testing.T, value string) {
		roundTrip(t, Lighttpd, value, func(quoted string) (string, bool) {
			got, rest, ok := lighttpdString(quoted + " )\n")
			return got, ok && rest == " )\n"
		})
	})
}
