package quote

import (
	"strings"
	"testing"
	"unicode"
)

// readNames reads the file after as the supervisor does: names on lines, without
// the white space around them, and comments.
func readNames(text string) []string {
	var names []string
	for line := range strings.Lines(text) {
		if name := strings.TrimSpace(line); name != "" && name[0] != '#' {
			names = append(names, name)
		}
	}
	return names
}

func TestSettings(t *testing.T) {
	for _, in := range []string{"TERM", "on-failure", "0.25s", "a#b", "é", "$x", `\`} {
		if got, err := Setting(in); err != nil || got != in {
			t.Errorf("Setting(%q) is %q, %v", in, got, err)
		}
	}
	for _, in := range []string{"", " ", "a b", "a ", "\ta", "a\nb", "#a", "a\u00a0b", "\u2028", "\u0085", "\x00", "\xff"} {
		refused(t, Setting, in)
	}
	for _, in := range []string{"blog", "a b", "a#b", "a.b", "é", "-n", "$(id)", "a\u00a0b", strings.Repeat("x", 255)} {
		if got, err := ServiceName(in); err != nil || got != in {
			t.Errorf("ServiceName(%q) is %q, %v", in, got, err)
		}
	}
	for _, in := range []string{"", " ", " a", "a ", "\u00a0a", "a\u2028", "a\nb", "#a", ".a", ".", "..", "a/b", "/", "\x00", "\xff", strings.Repeat("x", 256)} {
		refused(t, ServiceName, in)
	}
}

func FuzzSetting(f *testing.F) {
	addSeeds(f)
	f.Fuzz(func(t *testing.T, value string) {
		roundTrip(t, Setting, value, func(quoted string) (string, bool) {
			text := "# a comment\nword " + quoted + "\n"
			fields := strings.FieldsFunc(text, unicode.IsSpace)
			return fields[len(fields)-1], len(fields) == 5 && quoted[0] != '#'
		})
	})
}

func FuzzServiceName(f *testing.F) {
	addSeeds(f)
	f.Fuzz(func(t *testing.T, value string) {
		roundTrip(t, ServiceName, value, func(quoted string) (string, bool) {
			names := readNames("# a comment\n" + quoted + "\nlast\n")
			return names[0], len(names) == 2
		})
	})
}
