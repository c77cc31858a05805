package supervise

import (
	"os/exec"
	"slices"
	"strings"
	"testing"

	"scgikit/internal/quote"
)

func logRun(command string) string { return "#!/bin/sh\n" + command + "\n" }

// quoted writes words as the log scripts of scgikit have them.
func quoted(t *testing.T, words ...string) string {
	t.Helper()
	list := make([]string, len(words))
	for i, w := range words {
		q, err := quote.Sh(w)
		if err != nil {
			t.Fatal(err)
		}
		list[i] = q
	}
	return strings.Join(list, " ")
}

func awkwardWords() []string {
	return []string{
		"", " ", "a b", "'", "''", "a'b", `\`, `\'`, `a\`, `"`, "$HOME", "`id`", "$(id)", "*", "?", "[a]", "~", "~root", "{a,b}", "#x", "x#", "!x", "a;b", "a&b", "a|b",
		"<x", ">x", "(x)", "é", "\xff", "\x01", "\t", "=", "a=b", "-a=b", "--x", "+*", "-*: fatal*", "%", "^", "@", "a:b", ",", "t", "s99999", "n10", "./main", "!tai64nlocal", "=status",
	}
}

func TestLogScript(t *testing.T) {
	words := awkwardWords()
	for _, c := range []struct {
		before []string
		user   string
	}{
		{[]string{"multilog"}, ""},
		{[]string{"/usr/bin/multilog"}, ""},
		{[]string{"scgi-run", "multilog"}, ""},
		{[]string{"/usr/local/bin/scgi-run", "multilog"}, ""},
		{[]string{"setuidgid", "log", "multilog"}, "log"},
		{[]string{"/command/setuidgid", "o'brien", "/opt/my tools/scgi-run", "multilog"}, "o'brien"},
	} {
		for _, indent := range []string{"", "\t", "# a comment; rm -rf \\\n\n  "} {
			text := logRun(indent + "exec " + quoted(t, append(slices.Clone(c.before), words...)...))
			got, ok := parseLogScript(text)
			if !ok || got.User != c.user || !slices.Equal(got.Words, words) {
				t.Errorf("%q: %q %q, %t", text, got.User, got.Words, ok)
			}
		}
	}
}

func TestLogScriptRefused(t *testing.T) {
	for _, text := range []string{
		"",
		"#!/bin/sh\n",
		"#!/bin/sh",
		"#!/bin/bash\nexec multilog t ./main\n",
		"#!/bin/sh -x\nexec multilog t ./main\n",
		"#! /bin/sh\nexec multilog t ./main\n",
		"#!/bin/sh\r\nexec multilog t ./main\r\n",
		"exec multilog t ./main\n",
		logRun("multilog t ./main"),
		logRun("exec multilog"),
		logRun("exec"),
		logRun("exec svlogd -tt ./main"),
		logRun("exec setuidgid log"),
		logRun("exec setuidgid log cat multilog"),
		logRun("exec setuidgid log envdir env multilog ./main"),
		logRun("exec -a x multilog t ./main"),
		logRun("A=b exec multilog t ./main"),
		logRun("exec A=b multilog t ./main"),
		logRun("exec multilog t $DIR"),
		logRun("exec multilog t \"./main\""),
		logRun("exec multilog t ./ma\\in"),
		logRun("exec multilog t \\"),
		logRun("exec multilog t ./main \\\n  s1000"),
		logRun("exec multilog t ~/main"),
		logRun("exec multilog t ~"),
		logRun("exec multilog t *.d"),
		logRun("exec multilog t ./ma?n"),
		logRun("exec multilog t [ab]"),
		logRun("exec multilog t {a,b}"),
		logRun("exec multilog t `id`"),
		logRun("exec multilog t $(id)"),
		logRun("exec multilog t ./main 2>&1"),
		logRun("exec multilog t ./main <x"),
		logRun("exec multilog t ./main &"),
		logRun("exec multilog t ./main; true"),
		logRun("exec multilog t ./main && true"),
		logRun("exec multilog t ./main | cat"),
		logRun("(exec multilog t ./main)"),
		logRun("exec multilog t ./main # why"),
		logRun("exec multilog t #./main"),
		logRun("exec multilog t !x"),
		logRun("! exec multilog t ./main"),
		logRun("umask 027\nexec multilog t ./main"),
		logRun("exec multilog t ./main\nexec multilog t ./other"),
		logRun("exec multilog t 'a\nb'"),
		logRun("exec multilog t './main"),
		logRun("exec multilog t é"),
		logRun("exec multilog\u00a0t ./main"),
		logRun("exec multilog\vt ./main"),
		logRun("exec multilog t\x00 ./main"),
		logRun("exec 2>&1 multilog t ./main"),
	} {
		if got, ok := parseLogScript(text); ok {
			t.Errorf("%q: %+v", text, got)
		}
	}
}

// FuzzLogScriptQuoted asks that the words of every script that scgikit writes are
// read back.
func FuzzLogScriptQuoted(f *testing.F) {
	for _, w := range awkwardWords() {
		f.Add(w, w)
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		if strings.ContainsAny(a+b, "\x00\n") {
			return
		}
		words := []string{a, b}
		if got, ok := parseLogScript(logRun("exec multilog " + quoted(t, words...))); !ok || !slices.Equal(got.Words, words) {
			t.Errorf("%q: %q, %t", words, got.Words, ok)
		}
	})
}

// FuzzLogScript asks that what is recognised is what the shell makes of it: one
// command, with these words.
func FuzzLogScript(f *testing.F) {
	sh, err := exec.LookPath("sh")
	if err != nil {
		f.Skip(err)
	}
	for _, command := range []string{"multilog t './a b'", `multilog \'x\'`, "multilog a=b x~y a:~b", "multilog ''~", "multilog -a=~b", "multilog %^@+,"} {
		f.Add(command)
	}
	f.Fuzz(func(t *testing.T, command string) {
		script, ok := parseLogScript(logRun("exec " + command))
		if !ok || strings.HasPrefix(strings.TrimLeft(command, " \t"), "-") {
			return
		}
		words := strings.Join(script.Words, "\x00") + "\x00"
		if strings.Count(words, "\x00") != len(script.Words) {
			return
		}
		// set puts the words where exec would have them.
		out, err := exec.CommandContext(t.Context(), sh, "-c", "set -- "+command+"\nprintf '%s\\0' \"$@\"").Output()
		if err != nil || !strings.HasSuffix("\x00"+string(out), "\x00"+words) {
			t.Errorf("%q: the shell has %q, %v, this %q", command, out, err, words)
		}
	})
}
