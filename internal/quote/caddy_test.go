package quote

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"scgikit/internal/need"
)

// caddyWord reads a word that begins a text, as the lexer of Caddyfiles does:
// in double quotes a backslash is an escape before a quote alone, backquotes
// hold everything, and other words end at white space.
//
// Source: caddy caddyconfig/caddyfile/lexer.go, next.
func caddyWord(text string) (word, rest string, ok bool) {
	if text == "" || strings.ContainsAny(text, "{}") {
		return "", "", false
	}
	switch text[0] {
	case '`':
		return strings.Cut(text[1:], "`")
	case '#', ' ', '\n':
		return "", "", false
	case '"':
	default:
		end := strings.IndexAny(text, " \t\n")
		return text[:end], text[end:], !strings.ContainsAny(text[:end], "\"`\\")
	}
	var b strings.Builder
	for i := 1; i < len(text); i++ {
		switch {
		case text[i] == '\\' && i+1 < len(text) && text[i+1] == '"':
			b.WriteByte('"')
			i++
		case text[i] == '\\' && i+1 < len(text):
			b.WriteString(text[i : i+2])
			i++
		case text[i] == '"':
			return b.String(), text[i+1:], true
		default:
			b.WriteByte(text[i])
		}
	}
	return "", "", false
}

func TestCaddy(t *testing.T) {
	for in, want := range map[string]string{
		"": `""`, "plain": "plain", "a b": `"a b"`, `a"b`: `"a\"b"`, `a\b`: `"a\b"`, `a\`: "`a\\`", `a\"b`: "`a\\\"b`", "`": "\"`\"", "#x": `"#x"`, "$HOME": `"$HOME"`, "@m": `"@m"`, "*": `"*"`, "é": `"é"`,
	} {
		if got, err := Caddy(in); err != nil || got != want {
			t.Errorf("%q: got %s, %v, want %s", in, got, err, want)
		}
	}
	for _, in := range []string{"{$HOME}", "{", "}", "{http.request.uri}", "a\nb", "\t", "\x00", "\x7f", "\xff", "`\\", "`\\\""} {
		refused(t, Caddy, in)
	}
}

func FuzzCaddy(f *testing.F) {
	addSeeds(f)
	f.Fuzz(func(t *testing.T, value string) {
		roundTrip(t, Caddy, value, func(quoted string) (string, bool) {
			got, rest, ok := caddyWord(quoted + " end\n")
			return got, ok && rest == " end\n"
		})
	})
}

// TestCaddyInRealCaddy lets the real program say what it reads: of one file
// that is imported, where placeholders are looked for once more.
func TestCaddyInRealCaddy(t *testing.T) {
	t.Parallel()
	caddy := need.Program(t, "caddy")
	dir := t.TempDir()
	want := make(map[string]string)
	var imported bytes.Buffer
	for i, s := range append(awkward[:], "$", "{$HOME}", `\{x\}`, "a\\", `\"`, `x\\"y`, "`\\x", "@a", "* *", "<<END", "//", "import x") {
		quoted, err := Caddy(s)
		if err != nil {
			if notText(s) == "" && !strings.ContainsAny(s, "{}`") {
				t.Errorf("%q: %v", s, err)
			}
			continue
		}
		name := fmt.Sprintf("V%d", i)
		want[name] = s
		fmt.Fprintf(&imported, "env %s %s\n", name, quoted)
	}
	for name, text := range map[string]string{
		"Caddyfile":  ":1 {\nimport part.caddy x\n}\n",
		"part.caddy": "reverse_proxy 127.0.0.1:2 {\ntransport fastcgi {\n" + imported.String() + "}\n}\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), caddy, "adapt", "--adapter", "caddyfile", "--config", filepath.Join(dir, "Caddyfile"))
	cmd.Env = []string{"HOME=" + dir}
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Apps struct {
			HTTP struct {
				Servers map[string]struct {
					Routes []struct {
						Handle []struct {
							Transport struct{ Env map[string]string }
						}
					}
				}
			}
		}
	}
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatal(err)
	}
	env := got.Apps.HTTP.Servers["srv0"].Routes[0].Handle[0].Transport.Env
	for name, value := range want {
		if env[name] != value {
			t.Errorf("%.80q is read as %.80q", value, env[name])
		}
	}
	if len(env) != len(want) {
		t.Errorf("%d values become %d", len(want), len(env))
	}
}
