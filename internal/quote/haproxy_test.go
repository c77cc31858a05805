package quote

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"scgikit/internal/need"
)

// haproxyWords reads a line as parse_line does: words end at white space, "#"
// begins a comment, single quotes hold everything, double quotes expand "$"
// and know escapes, and a backslash outside of quotes takes the meaning from
// the next character. What would be a variable is no word of ours.
//
// Source: haproxy src/tools.c, parse_line.
func haproxyWords(line string) (words []string, ok bool) {
	var word strings.Builder
	begun := false
	for i := 0; i < len(line); i++ {
		switch c := line[i]; c {
		case '\n', '\r', '"':
			return nil, false
		case '#':
			return nil, false
		case ' ', '\t':
			if begun {
				words = append(words, word.String())
				word.Reset()
			}
			begun = false
		case '\'':
			end := strings.IndexByte(line[i+1:], '\'')
			if end < 0 {
				return nil, false
			}
			word.WriteString(line[i+1 : i+1+end])
			begun = true
			i += end + 1
		case '\\':
			i++
			if i == len(line) || line[i] != '\'' {
				return nil, false // what we do not write
			}
			word.WriteByte(line[i])
			begun = true
		default:
			word.WriteByte(c)
			begun = true
		}
	}
	if begun {
		words = append(words, word.String())
	}
	return words, true
}

func TestHAProxy(t *testing.T) {
	for in, want := range map[string]string{
		"": `''`, "plain": "plain", "/a/b.c": "/a/b.c", "a b": `'a b'`, "it's": `'it'\''s'`, `a"b`: `'a"b'`, `a\`: `'a\'`,
		"$HOME": `'$HOME'`, "100%": `'100%'`, "#": `'#'`, "{": `'{'`, "é": `'é'`, "!": `'!'`,
	} {
		if got, err := HAProxy(in); err != nil || got != want {
			t.Errorf("%q: got %s, %v, want %s", in, got, err, want)
		}
	}
	if got, err := HAProxyFormat("100% %[src]"); err != nil || got != `'100%% %%[src]'` {
		t.Errorf("a log format: %s, %v", got, err)
	}
	for _, in := range []string{"a\nb", "\t", "\x00", "\x7f", "\xff"} {
		refused(t, HAProxy, in)
		refused(t, HAProxyFormat, in+"%")
	}
	refused(t, HAProxyFormat, "")
	if got, err := HAProxyMap("^[^/]*/blog(/|$)"); err != nil || got != "^[^/]*/blog(/|$)" {
		t.Errorf("a pattern: %s, %v", got, err)
	}
	for _, in := range []string{"", "a b", "#a", "a\nb", "\t"} {
		refused(t, HAProxyMap, in)
	}
}

func FuzzHAProxy(f *testing.F) {
	addSeeds(f)
	f.Fuzz(func(t *testing.T, value string) {
		read := func(quoted string) (string, bool) {
			words, ok := haproxyWords("set-param NAME " + quoted + " unless")
			if !ok || len(words) != 4 {
				return "", false
			}
			return words[2], true
		}
		roundTrip(t, HAProxy, value, read)
		roundTrip(t, HAProxyFormat, value, func(quoted string) (string, bool) {
			word, ok := read(quoted)
			return strings.ReplaceAll(word, "%%", "%"), ok && strings.Count(word, "%")%2 == 0
		})
	})
}

// TestHAProxyInRealHAProxy puts every awkward value where a keyword belongs:
// the real program names the keyword that it does not know, as it read it.
func TestHAProxyInRealHAProxy(t *testing.T) {
	t.Parallel()
	haproxy := need.Program(t, "haproxy")
	for _, s := range append(awkward[:], "$", "${", `$HOME"'`, "a'b'c", `\'`, "# x", strings.Repeat("x", 900)) {
		quoted, err := HAProxy(s)
		if err != nil {
			if notText(s) == "" {
				t.Errorf("%q: %v", s, err)
			}
			continue
		}
		if len(s) > 900 || s == "" {
			continue // a message has no room for it
		}
		file := filepath.Join(t.TempDir(), "haproxy.cfg")
		if err := os.WriteFile(file, []byte("backend b\n    "+quoted+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := exec.CommandContext(t.Context(), haproxy, "-c", "-f", file).CombinedOutput()
		if want := "unknown keyword '" + s + "' in 'backend' section"; err == nil || !strings.Contains(string(out), want) {
			t.Errorf("%q was written %s, and haproxy says %s", s, quoted, out)
		}
	}
}
