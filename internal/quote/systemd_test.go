package quote

import (
	"strings"
	"testing"
)

// systemdWord reads a quoted word at the start of a text and expands it, as
// extract_first_word with EXTRACT_UNQUOTE and EXTRACT_CUNESCAPE,
// unit_full_printf and replace_env do.
func systemdWord(text string) (value, rest string, ok bool) {
	if text == "" || text[0] != '"' {
		return "", "", false
	}
	var word strings.Builder
	i := 1
	for ; i < len(text) && text[i] != '"'; i++ {
		if text[i] != '\\' {
			word.WriteByte(text[i])
			continue
		}
		if i++; i >= len(text) || text[i] != '\\' && text[i] != '"' {
			return "", "", false // an escape that is never written
		}
		word.WriteByte(text[i])
	}
	if i >= len(text) {
		return "", "", false
	}
	rest = text[i+1:]
	value = word.String()
	for _, expanded := range []string{"%", "$"} {
		if strings.Count(strings.ReplaceAll(value, expanded+expanded, ""), expanded) > 0 {
			return "", "", false // a specifier or a variable
		}
		value = strings.ReplaceAll(value, expanded+expanded, expanded)
	}
	return value, rest, true
}

func TestSystemd(t *testing.T) {
	for in, want := range map[string]string{
		"": `""`, "/a b": `"/a b"`, `a"b\c`: `"a\"b\\c"`, "50%h": `"50%%h"`, "$HOME ${x}": `"$$HOME $${x}"`, "é;'": `"é;'"`,
	} {
		if got, err := Systemd(in); err != nil || got != want {
			t.Errorf("%q: got %s, %v, want %s", in, got, err, want)
		}
	}
	for _, in := range []string{"a\nb", "\t", "\x00", "\x7f", "\xff"} {
		refused(t, Systemd, in)
	}
}

func FuzzSystemd(f *testing.F) {
	addSeeds(f)
	f.Fuzz(func(t *testing.T, value string) {
		roundTrip(t, Systemd, value, func(quoted string) (string, bool) {
			got, rest, ok := systemdWord(quoted + " x\n")
			return got, ok && rest == " x\n"
		})
	})
}
