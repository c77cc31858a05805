package logrotate

import (
	"strings"
	"testing"
)

func TestMatch(t *testing.T) {
	long := strings.Repeat("x", 1000)
	for _, c := range []struct {
		name, pattern, line string
		want                bool
	}{
		{"the empty pattern and the empty line", "", "", true},
		{"the empty pattern and a line", "", "a", false},
		{"equal", "abc", "abc", true},
		{"the pattern is longer", "abc", "ab", false},
		{"the line is longer", "ab", "abc", false},
		{"one star and nothing", "*", "", true},
		{"one star and anything", "*", "abc", true},
		{"a start", "ab*", "abc", true},
		{"a start that is all", "ab*", "ab", true},
		{"another start", "ab*", "ac", false},
		{"an end", "*c", "abc", true},
		{"an end whose byte comes twice", "*c", "abcc", false},
		{"in the middle", "a*c", "abbc", true},
		{"the star skips nothing", "a*c", "ac", true},
		{"the byte after the star is missing", "a*c", "abbb", false},
		{"a word in the middle", "*fatal*", "x fatal: y", true},
		{"a word after another with its first byte", "*fatal*", "if fatal: y", false},
		{"no going back", "*fatal*", "ffatal: x", false},
		{"two words", "*: GET *", "host: GET /", true},
		{"after a stamp", "* fatal: *", "@4000000065f0000a00000000 fatal: x", true},
		{"a stamp that holds the byte", "*fatal: *", "@4000000065f0000a00000000 fatal: x", false},
		{"two stars look for a star", "**", "abc", false},
		{"two stars find a star", "**", "ab*c", true},
		{"two stars and an end", "**c", "ab*c", true},
		{"two stars and no end", "**c", "ab*cd", false},
		{"two stars and the empty line", "**", "", false},
		{"three stars", "***", "a*b*c", true},
		{"no class", "[ab]", "a", false},
		{"no class but its bytes", "[ab]", "[ab]", true},
		{"no escape", `\*`, "*", false},
		{"no escape but its byte", `\*`, `\anything`, true},
		{"any byte but one", "?", "a", false},
		{"zero bytes are bytes", "*\x01", "a\x00b\x01", true},
		{"high bytes are bytes", "\xff*\x80", "\xff\xfe\x80", true},
		{"a return is a byte", "a", "a\r", false},
		{"a thousand bytes", long, long, true},
		{"a thousand bytes but one", long, long[1:], false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := match(c.pattern, []byte(c.line)); got != c.want {
				t.Errorf("match(%q, %q) = %v", c.pattern, c.line, got)
			}
			if got := plainMatch(c.pattern, c.line); got != c.want {
				t.Errorf("the reference says %v for %q, %q", got, c.pattern, c.line)
			}
		})
	}
}

func TestMatchDoesNotAllocate(t *testing.T) {
	line := []byte("@4000000065f0000a00000000 GET /index.html 200")
	if n := testing.AllocsPerRun(100, func() { match("* GET */index.html *", line) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// plainMatch says the same as match, in the words of the man page and one byte
// at a time.
func plainMatch(pattern, line string) bool {
	switch {
	case pattern == "":
		return line == ""
	case pattern == "*":
		return true
	case pattern[0] == '*':
		if line == "" {
			return false
		}
		if line[0] == pattern[1] {
			return plainMatch(pattern[1:], line)
		}
		return plainMatch(pattern, line[1:])
	default:
		return line != "" && line[0] == pattern[0] && plainMatch(pattern[1:], line[1:])
	}
}

func FuzzMatch(f *testing.F) {
	for _, seed := range [][2]string{
		{"", ""},
		{"*fatal*", "ffatal: x"},
		{"**", "a*"},
		{"a*b*c", "axbxc"},
		{"\x00*\xff", "\x00\xff"},
	} {
		f.Add(seed[0], []byte(seed[1]))
	}
	f.Fuzz(func(t *testing.T, pattern string, line []byte) {
		if got, want := match(pattern, line), plainMatch(pattern, string(line)); got != want {
			t.Errorf("match(%q, %q) = %v, the reference says %v", pattern, line, got, want)
		}
	})
}
