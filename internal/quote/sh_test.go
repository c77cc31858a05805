package quote

import (
	"bytes"
	"os/exec"
	"strings"
	"testing"

	"scgikit/internal/need"
)

// awkward are strings that some syntax takes for more than text.
var awkward = [...]string{
	"", " ", "plain", "a b", "'", `"`, "''", `'"'`, `\`, `\\`, `a\`, "$HOME", "${HOME}", "$(id)", "`id`", "%s %n", "a;b", "a&b", "a|b",
	"{a,b}", "*", "?", "[a]", "~", "~root", "#a", "a#", "!x", "!!", "-n", "--", "=", "a=b", "--a=b", "-=", "--a=~", "é", "日本", "<x>", "(x)", "\t", "a\nb",
	strings.Repeat("x", 4000), strings.Repeat(`'"\ `, 1000),
}

// shells returns the commands of the shells on this machine.
func shells(t *testing.T) [][]string {
	t.Helper()
	var all [][]string
	for _, words := range [][]string{{"dash"}, {"bash"}, {"bash", "--posix"}, {"busybox", "sh"}} {
		if path, ok := need.Find(words[0]); ok {
			all = append(all, append([]string{path}, words[1:]...))
		}
	}
	if len(all) == 0 {
		need.Missing(t, "dash")
	}
	return all
}

// readBack lets a shell print a word between marks, as it understood it.
func readBack(t *testing.T, shell []string, word string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), shell[0], append(shell[1:len(shell):len(shell)], "-s")...)
	cmd.Stdin = strings.NewReader("printf '[%s]' " + word + "\n")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v: %s", strings.Join(shell, " "), err, stderr.Bytes())
	}
	return string(out)
}

func TestShInRealShells(t *testing.T) {
	t.Parallel()
	for _, shell := range shells(t) {
		for _, s := range awkward {
			word, err := Sh(s)
			if err != nil {
				t.Fatal(err)
			}
			if got, want := readBack(t, shell, word), "["+s+"]"; got != want {
				t.Errorf("%v: %q was written %q and read %q", shell, s, word, got)
			}
		}
	}
}

func TestShRefusesNUL(t *testing.T) {
	t.Parallel()
	if got, err := Sh("a\x00b"); err == nil {
		t.Errorf("Sh wrote a NUL byte as %q", got)
	}
}

func FuzzSh(f *testing.F) {
	for _, s := range awkward {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		word, err := Sh(s)
		if err != nil {
			if !strings.Contains(s, "\x00") {
				t.Fatalf("%q is refused: %v", s, err)
			}
			return
		}
		if got, want := readBack(t, shells(t)[0], word), "["+s+"]"; got != want {
			t.Errorf("%q was written %q and read %q", s, word, got)
		}
	})
}
