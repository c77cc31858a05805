package diag

import (
	"strings"
	"testing"
)

func TestNearest(t *testing.T) {
	words := []string{"nginx", "lighttpd", "apache", "inetd", "daemontools"}
	for word, want := range map[string]string{
		"ngnix": "nginx", "nginx": "nginx", "ngin": "nginx", "lighttp": "lighttpd", "apahce": "apache",
		"daemontool": "daemontools", "xinetd": "inetd", "systemd": "", "": "", "x": "", "ab": "",
	} {
		if got := Nearest(word, words); got != want {
			t.Errorf("%q gives %q, want %q", word, got, want)
		}
	}
}

func TestDistance(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{
		{"", "", 0},
		{"a", "", 1},
		{"port", "prot", 1},
		{"port", "por", 1},
		{"port", "ports", 1},
		{"port", "part", 1},
		{"mount", "munot", 2},
		{"kitten", "sitting", 3},
		{strings.Repeat("a", 65), "a", 65},
	} {
		if got := distance(c.a, c.b); got != c.want {
			t.Errorf("distance(%q, %q) = %d, want %d", c.a, c.b, got, c.want)
		}
	}
}
