package importer

import (
	"os/exec"
	"slices"
	"strings"
	"testing"

	"scgikit/internal/need"
	"scgikit/internal/quote"
)

// TestShellWords compares the words with those that a real shell makes of them.
func TestShellWords(t *testing.T) {
	t.Parallel()
	sh := need.Program(t, "dash")
	for _, text := range []string{
		`a b`, `'a b' "c d" e\ f`, `"a\"b\\c\d\$e" 'x'y"z"`, `'' "" a''b`, "a\\\nb", "\"a\\\nb\"", `\#x a#b # comment`, "a\tb", `a=b 'c=d'`,
		`100% $ a$ "b$" \'`, `"x'y" 'x"y'`, `\\ "\\" '\\'`, `é 日本 "é"`, `a,b +x -y !z @q`,
	} {
		commands, failure := splitShell(text)
		if failure != nil || len(commands) != 1 {
			t.Errorf("%q: %v %d", text, failure, len(commands))
			continue
		}
		got, open := closed(commands[0].words)
		if open != nil {
			t.Errorf("%q: %q is open", text, open.raw)
			continue
		}
		out, err := exec.CommandContext(t.Context(), sh, "-c", "printf '%s\\0' "+text).Output()
		if err != nil {
			t.Fatal(err)
		}
		if want := strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00"); !slices.Equal(got, want) {
			t.Errorf("%q: %q, and the shell has %q", text, got, want)
		}
	}
}

// TestShellStrict asks that what a shell works out is seen as such, with its line.
func TestShellStrict(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"a\n(b)": "line 2: a subshell or a function", "a | b": "line 1: a pipe", "x &": "line 1: & puts a command into the background",
		"cat <<E\nE": "line 1: a here-document", "a `b`": "line 1: a command substitution", "a $(b)": "line 1: a command substitution",
		`a "$(b)"`: "line 1: a command substitution", "'a\n": "line 1: a quote without its pair", "\n\"a": "line 2: a quote without its pair", "case x in a) ;; esac": "line 1: a subshell or a function",
	} {
		_, failure := splitShell(text)
		if failure == nil || failure.Error() != want {
			t.Errorf("%q: %v, not %q", text, failure, want)
		}
	}
	for _, text := range []string{"$x", `"$x"`, "${x}", "*", "a?", "[ab]", "~", "~root/x", "a=~/b", "{a,b}", "$?", "$1", `"$@"`, "$'a'"} {
		commands, failure := splitShell("x " + text)
		if failure == nil && len(commands) == 1 {
			if _, open := closed(commands[0].words); open == nil {
				t.Errorf("%q is not seen as open", text)
			}
		}
	}
}

// FuzzShellWords quotes words, and requires that the reader gives them back.
func FuzzShellWords(f *testing.F) {
	f.Add("a b", "it's", `"\$x`)
	f.Add("", "#", "\n")
	f.Fuzz(func(t *testing.T, a, b, c string) {
		want := []string{"x", a, b, c}
		quoted := make([]string, len(want))
		for i, word := range want {
			var err error
			if quoted[i], err = quote.Sh(word); err != nil {
				return
			}
		}
		commands, failure := splitShell(strings.Join(quoted, " "))
		if failure != nil || len(commands) != 1 {
			t.Fatalf("%q: %v %d", quoted, failure, len(commands))
		}
		if got, open := closed(commands[0].words); open != nil || !slices.Equal(got, want) {
			t.Errorf("%q becomes %q", want, got)
		}
	})
}

// FuzzSplitShell feeds raw text: it may not panic or hang.
func FuzzSplitShell(f *testing.F) {
	f.Add("exec 2>&1\nexec setuidgid www ./x 'a")
	f.Add("a=b c>d 2>e <f;&&")
	f.Fuzz(func(_ *testing.T, text string) { _, _ = splitShell(text) })
}

// TestUnitWords is how systemd splits a value.
func TestUnitWords(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]string{
		`a  b`: {"a", "b"}, `"a b" 'c d'e`: {"a b", "c de"}, `x\x20y \s \u00e9 \101`: {"x y", " ", "é", "A"}, `"" ''`: {"", ""}, `a"b"`: {"ab"},
	} {
		if got, err := splitUnitWords(text); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %q %v, not %q", text, got, err, want)
		}
	}
	for _, text := range []string{`"a`, `a\`, `\q`, `\x0`, `\000`, `\u12`} {
		if got, err := splitUnitWords(text); err == nil {
			t.Errorf("%q: %q", text, got)
		}
	}
}

// TestPosixWords compares with Python's shlex, which supervisord uses.
func TestPosixWords(t *testing.T) {
	t.Parallel()
	python := need.Program(t, "python3")
	for _, text := range []string{`a 'b c' "d\"e\\f\g" h\ i`, `'' "" x''y`, "a\tb\nc", `a#b # c`, `\'x "it's"`} {
		got, err := splitPosix(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		out, err := exec.CommandContext(t.Context(), python, "-c", "import shlex, sys; sys.stdout.write('\\0'.join(shlex.split(sys.argv[1])))", text).Output()
		if err != nil {
			t.Fatal(err)
		}
		if want := strings.Split(string(out), "\x00"); !slices.Equal(got, want) {
			t.Errorf("%q: %q, and Python has %q", text, got, want)
		}
	}
}
