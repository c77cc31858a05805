package quote

import (
	"strings"
	"testing"
)

// systemdWord reads a quoted word at the start of a text and expands it, as
// extract_first_word with EXTRACT_UNQUOTE and EXTRACT_CUNESCAPE, then
// unit_full_printf ("%") and, for arguments, replace_env ("$") do.
func systemdWord(text string, expansions ...string) (value, rest string, ok bool) {
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
	for _, expanded := range expansions {
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
			got, rest, ok := systemdWord(quoted+" x\n", "%", "$")
			return got, ok && rest == " x\n"
		})
	})
}

func TestSystemdOthers(t *testing.T) {
	for _, tt := range []struct {
		quote    func(string) (string, error)
		in, want string
	}{
		{SystemdProgram, "/a b%", `"/a b%%"`},
		{SystemdWord, `A=$x "y" \ 5%`, `"A=$x \"y\" \\ 5%%"`},
		{SystemdWord, "", `""`},
		{SystemdWord, "$$", `"$$"`},
		{SystemdValue, `/a b/"c" $d 5%;#`, `/a b/"c" $d 5%%;#`},
		{SystemdFile, `/etc/a b/[*]?\x 5%.env`, `/etc/a b/\[\*]\?\\x 5%%.env`},
		{SystemdLine, "Slice=a-%i.slice", "Slice=a-%i.slice"},
		{SystemdLine, "ExecStartPre=", "ExecStartPre="},
	} {
		if got, err := tt.quote(tt.in); err != nil || got != tt.want {
			t.Errorf("%q: got %s, %v, want %s", tt.in, got, err, tt.want)
		}
	}
	for _, in := range []string{"", "a", "./a", "/a$b", "/a\nb", "/a'b", `/a"b`, `/a\b`} {
		refused(t, SystemdProgram, in)
	}
	for _, in := range []string{"", " a", "a ", `a\`, "a\nb", "\x7f", "\xff"} {
		refused(t, SystemdValue, in)
		refused(t, SystemdFile, in)
	}
	for _, in := range []string{"", "A", "=b", "a=b", "[Service]", "# x", "A=b\nC=d", `A=b\`, " A=b"} {
		refused(t, SystemdLine, in)
	}
	for _, in := range []string{"a\nb", "\x00", "\xff"} {
		refused(t, SystemdWord, in)
	}
}

func FuzzSystemdWord(f *testing.F) {
	addSeeds(f)
	f.Fuzz(func(t *testing.T, value string) {
		roundTrip(t, SystemdWord, value, func(quoted string) (string, bool) {
			got, rest, ok := systemdWord(quoted+" x\n", "%")
			return got, ok && rest == " x\n"
		})
	})
}

func FuzzSystemdValue(f *testing.F) {
	addSeeds(f)
	f.Fuzz(func(t *testing.T, value string) {
		roundTrip(t, SystemdValue, value, func(written string) (string, bool) {
			one := !strings.ContainsAny(written, "\n\r") && !strings.HasSuffix(written, `\`) && strings.Trim(written, " \t") == written
			return strings.ReplaceAll(written, "%%", "%"), one && strings.Count(strings.ReplaceAll(written, "%%", ""), "%") == 0
		})
	})
}

func FuzzSystemdFile(f *testing.F) {
	addSeeds(f)
	f.Fuzz(func(t *testing.T, value string) {
		roundTrip(t, SystemdFile, value, func(written string) (string, bool) {
			var name strings.Builder
			pattern := strings.ReplaceAll(written, "%%", "%")
			for i := 0; i < len(pattern); i++ {
				switch pattern[i] {
				case '*', '?', '[':
					return "", false
				case '\\':
					if i++; i == len(pattern) {
						return "", false
					}
				}
				name.WriteByte(pattern[i])
			}
			return name.String(), true
		})
	})
}
