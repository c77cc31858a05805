package quote

import (
	"slices"
	"strings"
	"testing"
)

// xinetdValues reads a line of an entry: a name, "=", and values between blanks.
// It is nothing for a line that xinetd takes for a comment or for a brace.
func xinetdValues(line string) []string {
	words := strings.FieldsFunc(line, func(r rune) bool { return r == ' ' || r == '\t' })
	if len(words) < 2 || words[0][0] == '#' || words[1] != "=" {
		return nil
	}
	return words[2:]
}

func TestXinetd(t *testing.T) {
	for _, in := range []string{"/usr/bin/x", "#a", "a#", "{", "}", "=", "+=", "-x", `"`, `a'"b`, `\`, `a\`, "$HOME", "%s", "é", "a\u00a0b", strings.Repeat("x", 5000)} {
		if got, err := Xinetd(in); err != nil || got != in {
			t.Errorf("Xinetd(%q) is %q, %v", in, got, err)
		}
	}
	for _, in := range []string{"", " ", "a b", " a", "a ", "\ta", "a\nb", "a\rb", "a\vb", "\x00", "\x7f", "\xff"} {
		refused(t, Xinetd, in)
	}
}

func FuzzXinetd(f *testing.F) {
	addSeeds(f)
	f.Fuzz(func(t *testing.T, value string) {
		roundTrip(t, Xinetd, value, func(quoted string) (string, bool) {
			// Two of them, so that one can not swallow the next.
			text := "\tserver_args = first " + quoted + " " + quoted + "\n\twait = no\n"
			line, rest, _ := strings.Cut(text, "\n")
			values := xinetdValues(line)
			return quoted, slices.Equal(values, []string{"first", value, value}) && rest == "\twait = no\n"
		})
	})
}
