package quote

import (
	"errors"
	"strings"
	"testing"
)

// nginxWords reads the words of the first directive of an nginx configuration,
// as ngx_conf_read_token does: words end at white space, ";" or "{"; a word
// that begins with a quote ends with it, and needs white space or ";" behind
// it; \" \' \\ \t \r \n are escapes, before any other character a backslash
// stands for itself.
func nginxWords(text string) (words []string, ok bool) {
	i := 0
	for {
		for i < len(text) && strings.IndexByte(" \t\r\n", text[i]) >= 0 {
			i++
		}
		if i == len(text) || text[i] == '{' || text[i] == '}' || text[i] == '#' {
			return nil, false
		}
		if text[i] == ';' {
			return words, i+1 == len(text)
		}
		var word []byte
		quoted := byte(0)
		if text[i] == '"' || text[i] == '\'' {
			quoted = text[i]
			i++
		}
		for ; ; i++ {
			if i == len(text) {
				return nil, false
			}
			c := text[i]
			if quoted != 0 && c == quoted {
				i++
				if i == len(text) || strings.IndexByte(" \t\r\n;{)", text[i]) < 0 {
					return nil, false
				}
				break
			}
			if quoted == 0 && strings.IndexByte(" \t\r\n;{", c) >= 0 {
				break
			}
			if c == '$' {
				return nil, false // a variable
			}
			if c == '\\' && i+1 < len(text) {
				if at := strings.IndexByte(`"'\trn`, text[i+1]); at >= 0 {
					word = append(word, "\"'\\\t\r\n"[at])
					i++
					continue
				}
			}
			word = append(word, c)
		}
		words = append(words, string(word))
	}
}

func TestNginx(t *testing.T) {
	for in, want := range map[string]string{
		"plain": "plain", "/a/b.c_d-e": "/a/b.c_d-e", "[::1]:80": "[::1]:80", "*.example.org": "*.example.org", "unix:/run/a.sock": "unix:/run/a.sock",
		"": `""`, "a b": `"a b"`, `a"b`: `"a\"b"`, `a\b`: `"a\\b"`, `\`: `"\\"`, "a;b": `"a;b"`, "{": `"{"`, "#": `"#"`, "é": `"é"`, "(?s)^(/a)(/.*)": `"(?s)^(/a)(/.*)"`,
	} {
		if got, err := Nginx(in); err != nil || got != want {
			t.Errorf("%q: got %s, %v, want %s", in, got, err, want)
		}
	}
	for _, in := range []string{"$host", "a$", "a\nb", "\t", "\x00", "\x7f", "\xff", strings.Repeat("x", NginxMax+1), strings.Repeat(`"`, NginxMax/2+1)} {
		refused(t, Nginx, in)
	}
	for _, in := range []string{strings.Repeat("x", NginxMax), strings.Repeat(`"`, NginxMax/2)} {
		if _, err := Nginx(in); err != nil {
			t.Errorf("%d bytes: %v", len(in), err)
		}
	}
}

// refused expects an Error that carries the value.
func refused(t *testing.T, q func(string) (string, error), in string) {
	t.Helper()
	got, err := q(in)
	var qe *Error
	if !errors.As(err, &qe) || qe.Value != in || qe.Reason == "" || got != "" {
		t.Errorf("%.40q: got %.40s, %v", in, got, err)
	}
}

// addSeeds gives a fuzz test what has gone wrong in one syntax or another.
func addSeeds(f *testing.F) {
	for _, s := range []string{
		"", "a", "a b", `a"b`, "a'b", `a\`, `\"`, `\\"`, "$a", "${a}", "%{a}", "%h", "a;b", "{", "}", "#x", "a#b", "é", "\n", "\r", "\x00", "\xff", "<b>", "|", "'\"'",
		"`id`", "\u202e", "\u00a0", strings.Repeat("x", 4095), strings.Repeat("\"", 3000),
	} {
		f.Add(s)
	}
}

// roundTrip quotes a value and expects a tokenizer of the syntax to give it
// back between two other words.
func roundTrip(t *testing.T, q func(string) (string, error), value string, read func(quoted string) (string, bool)) {
	t.Helper()
	quoted, err := q(value)
	if err != nil {
		var qe *Error
		if !errors.As(err, &qe) || qe.Value != value {
			t.Errorf("%q: %v", value, err)
		}
		return
	}
	if got, ok := read(quoted); !ok || got != value {
		t.Errorf("%q is written %s and read %q, %v", value, quoted, got, ok)
	}
}

func FuzzNginx(f *testing.F) {
	addSeeds(f)
	f.Fuzz(func(t *testing.T, value string) {
		roundTrip(t, Nginx, value, func(quoted string) (string, bool) {
			words, ok := nginxWords("scgi_param NAME " + quoted + ";")
			if !ok || len(words) != 3 {
				return "", false
			}
			return words[2], true
		})
	})
}
