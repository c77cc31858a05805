package devserver

import (
	"path"
	"strings"
	"testing"
)

func TestParseTargetForms(t *testing.T) {
	for raw, want := range map[string]Target{
		"/":                            {Raw: "/", Path: "/"},
		"/a?b?c":                       {Raw: "/a?b?c", Path: "/a", Query: "b?c"},
		"/a#f":                         {Raw: "/a#f", Path: "/a"},
		"/a?b#f":                       {Raw: "/a?b#f", Path: "/a", Query: "b"},
		"http://h.example/a%20b?c":     {Raw: "/a%20b?c", Path: "/a b", Query: "c"},
		"HTTPS://h.example":            {Raw: "/", Path: "/"},
		"http://h.example?c":           {Raw: "/?c", Path: "/", Query: "c"},
		"/a/./b/../c//":                {Raw: "/a/./b/../c//", Path: "/a/c/"},
		"/%2e%2E/":                     {},
		"/a/%2e%2e/%2e%2e":             {},
		"/%":                           {},
		"/%g0":                         {},
		"/%0":                          {},
		"/%00":                         {},
		"/\x00":                        {},
		"":                             {},
		"*":                            {},
		"ftp://h.example/":             {},
		"h.example:443":                {},
		"/%7E%41%2f%2F%5c":             {Raw: "/%7E%41%2f%2F%5c", Path: `/~A/\`},
		"/a/b/..":                      {Raw: "/a/b/..", Path: "/a/"},
		"/..a/...":                     {Raw: "/..a/...", Path: "/..a/..."},
		"/http://h.example/not/a/host": {Raw: "/http://h.example/not/a/host", Path: "/http:/h.example/not/a/host"},
	} {
		got, err := ParseTarget(raw)
		if got != want || (err == nil) != (want.Raw != "") {
			t.Errorf("%q: %+v, %v, want %+v", raw, got, err, want)
		}
	}
}

// Whatever comes, the path is absolute and clean, and a second pass over what
// was decoded changes nothing.
func FuzzParseTarget(f *testing.F) {
	for _, seed := range []string{"/blog/a%2Fb?x", "/..%2f", "//a/./b/../%2e%2e/", "/%25%32%46", "http://h/a", "/a\\..\\b", "/%", "/é%00", "/\x00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		got, err := ParseTarget(raw)
		if err != nil {
			if got != (Target{}) {
				t.Fatalf("%q: %+v with %v", raw, got, err)
			}
			return
		}
		clean := path.Clean(got.Path)
		if clean != "/" && strings.HasSuffix(got.Path, "/") {
			clean += "/"
		}
		if got.Path != clean || got.Path[0] != '/' || strings.IndexByte(got.Path, 0) >= 0 {
			t.Fatalf("%q: the path is %q", raw, got.Path)
		}
		again, err := ParseTarget(escapePath(got.Path))
		if err != nil || again.Path != got.Path {
			t.Fatalf("%q: %q becomes %q, %v", raw, got.Path, again.Path, err)
		}
	})
}

func TestMatchHost(t *testing.T) {
	for _, want := range []struct {
		pattern, host string
		ok            bool
	}{
		{"example.org", "example.org", true},
		{"example.org", "www.example.org", false},
		{"*.example.org", "www.example.org", true},
		{"*.example.org", "a.b.example.org", true},
		{"*.example.org", "example.org", false},
		{"*.example.org", ".example.org", false},
		{"*.example.org", "evilexample.org", false},
	} {
		if got := matchHost(want.pattern, want.host); got != want.ok {
			t.Errorf("%s, %s: %v", want.pattern, want.host, got)
		}
	}
}

func TestLANHosts(t *testing.T) {
	rule := hostRule{anyIP: true, self: "laptop"}
	for host, want := range map[string]bool{
		"192.0.2.7:8000": true, "[2001:db8::1]:8000": true, "laptop:8000": true, "LAPTOP": true, "localhost": true, "evil.example": false, "laptop.evil.example": false,
	} {
		if got := rule.allows(host); got != want {
			t.Errorf("%s: %v", host, got)
		}
	}
}
