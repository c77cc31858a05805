package devserver

import (
	"regexp"
	"strings"
	"testing"
)

// The built-in web server and the expression that a real one is given allow the
// same hosts.
func TestHostPattern(t *testing.T) {
	rules := map[string]hostRule{
		"plain": {},
		"named": {names: []string{"shop.example", "*.example.org", "a_b.example"}},
		"lan":   {anyIP: true, self: "laptop"},
	}
	for host, allowed := range map[string]string{
		"":                         "plain named lan",
		"localhost":                "plain named lan",
		"LocalHost:8000":           "plain named lan",
		"localhost.":               "plain named lan",
		"127.0.0.1":                "plain named lan",
		"127.9.9.9:1":              "plain named lan",
		"[::1]":                    "plain named lan",
		"[::1]:8000":               "plain named lan",
		"shop.example":             "named",
		"SHOP.example.:80":         "named",
		"x.example.org":            "named",
		"x.y.example.org:80":       "named",
		"a_b.example":              "named",
		"laptop":                   "lan",
		"192.0.2.7:80":             "lan",
		"[2001:db8::1]":            "lan",
		"evil.example":             "",
		"shopxexample":             "",
		"example.org":              "",
		"evilexample.org":          "",
		"127.0.0.1.evil.example":   "",
		"localhost.evil.example":   "",
		"evil.example/localhost":   "",
		"localhost:80@evil":        "",
		"localhost:evil.example":   "",
		"localhost:80:80":          "",
		"xlocalhost":               "",
		"localhostx":               "",
		"localhost..":              "",
		"2130706433":               "",
		"0x7f.0.0.1":               "",
		"127.1":                    "",
		"10.0.0.1 localhost":       "",
		"localhost\tx":             "",
		"<script>":                 "",
		"[::ffff:127.0.0.1].evil":  "",
		"evil.example#.localhost":  "",
		"evil.example?localhost:1": "",
	} {
		for name, rule := range rules {
			want := false
			for word := range strings.FieldsSeq(allowed) {
				want = want || word == name
			}
			if got := rule.allows(host); got != want {
				t.Errorf("%s: %q: %t, want %t", name, host, got, want)
			}
			pattern := rule.pattern()
			if strings.ContainsAny(pattern, `\$"#`) {
				t.Fatalf("%s: a web server would read a part of it itself: %s", name, pattern)
			}
			// Go's expressions have no look-ahead.
			text, ok := strings.CutSuffix(pattern, "(?!.)")
			if got := regexp.MustCompile("(?i)" + text + "$").MatchString(host); !ok || (got != want && (name != "lan" || !looksLikeIP(host))) {
				t.Errorf("%s: %q: the expression says %t, want %t: %s", name, host, got, want, pattern)
			}
		}
	}
	if got := literal(`a"b`); got != "(?!)" {
		t.Errorf("a name that is none: %s", got)
	}
}

// looksLikeIP reports whether only digits and dots are in a host: the expression
// for a LAN takes those that are no address as well, which no browser asks for.
func looksLikeIP(host string) bool { return strings.Trim(host, "0123456789.") == "" }
