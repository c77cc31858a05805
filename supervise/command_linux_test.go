package supervise

import (
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// commandText is one command as tests write it.
func commandText(c command) string {
	var s string
	switch {
	case c.reload:
		s = "reload"
	case c.signal != 0:
		s = strings.TrimPrefix(unix.SignalName(c.signal), "SIG")
	default:
		s = eventNames[c.event]
	}
	if c.group {
		s += "+"
	}
	if c.log {
		s = "log:" + s
	}
	return s
}

func commandTexts(letters string, d Dialect) string {
	var list []string
	for _, c := range parseCommands([]byte(letters), d) {
		list = append(list, commandText(c))
	}
	return strings.Join(list, " ")
}

// Every byte by itself: what it means, and in which dialect it means something
// else.
func TestLetters(t *testing.T) {
	same := map[byte]string{
		'u': "up", 'U': "up", 'd': "down", 'D': "down", 'o': "once", 'O': "at-most", 'Q': "at-most", 'r': "restart",
		'p': "STOP", 'c': "CONT", 'h': "HUP", 'a': "ALRM", 'i': "INT", 't': "TERM", 'k': "KILL", 'q': "QUIT",
		'1': "USR1", '2': "USR2", 'b': "ABRT", 'w': "WINCH", 'y': "WINCH", 'l': "reload",
		'P': "STOP+", 'C': "CONT+", 'K': "KILL+",
	}
	for _, d := range []Dialect{Daemontools, Runit, S6} {
		for b := range 256 {
			want := same[byte(b)]
			if b == 'x' {
				want = "exit"
				if d == Runit {
					want = "stop-exit"
				}
			}
			if got := commandTexts(string([]byte{byte(b)}), d); got != want {
				t.Errorf("%q in dialect %d: %q, want %q", []byte{byte(b)}, d, got, want)
			}
		}
	}
}

func TestLettersTogether(t *testing.T) {
	for _, c := range []struct{ letters, daemontools, runit string }{
		{"tcu", "TERM CONT up", ""},
		{"t\n", "TERM", ""},
		{"l\n", "reload", ""},
		{"dx", "down exit", ""},
		{"ox", "once exit", ""},
		{"lx", "exit", ""},
		{"lu", "up", ""},
		{"x", "exit", "stop-exit"},
		{"ux", "up exit", "up stop-exit"},
		{"xd", "exit down", "stop-exit down"},
		{"Ld", "log:down", ""},
		{"Ldlu", "log:down up", ""},
		{"+k=t", "KILL+ TERM", ""},
		{"l+t", "TERM+", ""},
		{"\x00\xffu", "up", ""},
		{"", "", ""},
	} {
		if got := commandTexts(c.letters, Daemontools); got != c.daemontools {
			t.Errorf("%q: %q, want %q", c.letters, got, c.daemontools)
		}
		want := c.runit
		if want == "" {
			want = c.daemontools
		}
		if got := commandTexts(c.letters, Runit); got != want {
			t.Errorf("%q in runit's dialect: %q, want %q", c.letters, got, want)
		}
	}
}

// FuzzCommands asks that each command is an event or a signal, never both, and
// that no byte gives more than one.
func FuzzCommands(f *testing.F) {
	f.Add([]byte("ludx"), byte(0))
	f.Add([]byte("L+tcu\n"), byte(1))
	f.Fuzz(func(t *testing.T, letters []byte, dialect byte) {
		d := Dialect(dialect % 3)
		list := parseCommands(letters, d)
		if len(list) > len(letters) {
			t.Fatalf("%q: %d commands", letters, len(list))
		}
		for _, c := range list {
			kinds := 0
			for _, is := range []bool{c.reload, c.signal != 0, c.event != EventNone} {
				if is {
					kinds++
				}
			}
			if kinds != 1 || c.event > EventRestart || c.group && c.signal == 0 || c.event == EventStopExit && d != Runit {
				t.Errorf("%q: %+v", letters, c)
			}
		}
	})
}
