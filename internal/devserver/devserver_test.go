package devserver

import (
	"fmt"
	"strings"
	"testing"

	"scgikit/internal/appfile"
)

// wantParams is what a target must reach the app with. The values are those
// that nginx 1.22, Lighttpd 1.4.69 and Apache 2.4 agree on; where they do not,
// nginx's.
type wantParams struct{ target, script, info, query string }

func checkParams(t *testing.T, s *site, rows []wantParams) {
	t.Helper()
	for _, want := range rows {
		got := s.params(want.target)
		for name, value := range map[string]string{
			"SCRIPT_NAME": want.script, "PATH_INFO": want.info, "QUERY_STRING": want.query, "REQUEST_URI": want.target,
		} {
			if got[name] != value {
				t.Errorf("%s: %s is %q, want %q", want.target, name, got[name], value)
			}
		}
	}
}

func TestTargetsUnderMount(t *testing.T) {
	s := start(t, residentDesc(t, "blog", "/blog/"))
	checkParams(t, s, []wantParams{
		{"/blog/", "/blog", "/", ""},
		{"/blog/?x=1", "/blog", "/", "x=1"},
		{"/blog/a/b", "/blog", "/a/b", ""},
		{"/blog/a%20b", "/blog", "/a b", ""},
		{"/blog/a%2Fb", "/blog", "/a/b", ""},
		{"/blog/a//b", "/blog", "/a/b", ""},
		{"//blog/a", "/blog", "/a", ""},
		{"/blog/a;p=1", "/blog", "/a;p=1", ""},
		{"/blog/%C3%A9", "/blog", "/é", ""},
		{"/blog/é", "/blog", "/é", ""},
		{"/blog/a+b", "/blog", "/a+b", ""},
		{"/blog/x/../y", "/blog", "/y", ""},
		{"/blog/x/./y", "/blog", "/x/y", ""},
		{"/blog/x/..", "/blog", "/", ""},
		{"/blog/a%0Ab", "/blog", "/a\nb", ""},
		{"/blog/a%3Fb?c", "/blog", "/a?b", "c"},
		{"/blog/a%23b", "/blog", "/a#b", ""},
		{"/blog/a%25b", "/blog", "/a%b", ""},
		{"/blog/a%252Fb", "/blog", "/a%2Fb", ""},
		{`/blog/a\b`, "/blog", `/a\b`, ""},
		{"/%62log/x", "/blog", "/x", ""},
		{"/blog%2Fx", "/blog", "/x", ""},
		{"/blog/x.css", "/blog", "/x.css", ""},
		{"/blog/x.php", "/blog", "/x.php", ""},
		{"/blog/a/b/", "/blog", "/a/b/", ""},
		{"/blog//a", "/blog", "/a", ""},
		{"/blog/%E9", "/blog", "/\ufffd", ""}, // JSON replaces the byte
		{"/blog/a%22b'c", "/blog", `/a"b'c`, ""},
		{"/blog/a%09b", "/blog", "/a\tb", ""},
		{"/blog/.htaccess", "/blog", "/.htaccess", ""},
		{"/blog/$x/${y}/%7Bz%7D", "/blog", "/$x/${y}/{z}", ""},
		{"/blog/blog/blog", "/blog", "/blog/blog", ""},
		{"/blog/?", "/blog", "/", ""},
		{"/blog/x#frag", "/blog", "/x", ""},
		{"/blog/?%41?+;", "/blog", "/", "%41?+;"},
		{"/blog/?q=%zz", "/blog", "/", "q=%zz"},
		{"/blog/?a=/../b", "/blog", "/", "a=/../b"},
	})
	for target, location := range map[string]string{"/blog": "/blog/", "/blog?x=1": "/blog/?x=1", "/%62log": "/blog/", "//blog": "/blog/"} {
		response, _ := s.do("POST", target, "a=1")
		if response.StatusCode != 308 || response.Header.Get("Location") != location {
			t.Errorf("%s: %s, Location %q, want 308, %q", target, response.Status, response.Header.Get("Location"), location)
		}
	}
	for _, target := range []string{"/", "/blog2", "/blog2/x", "/blogx", "/blog.x", "/blog;p=1", "/BLOG/x", "/blog/%2e%2e/blog2", "/blog/../blog2/x"} {
		response, body := s.get(target)
		if response.StatusCode != 404 || !strings.Contains(body, `href="/blog/"`) {
			t.Errorf("%s: %s, want a 404 that names /blog/\n%s", target, response.Status, body)
		}
	}
	for _, target := range []string{"/blog/a%00b", "/blog/%zz", "/blog/%", "/blog/a%2", "/..", "/blog/..%2f..%2fetc", "*", "blog"} {
		if answer := s.raw("GET " + target + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"); !strings.HasPrefix(answer, "HTTP/1.1 400 ") {
			t.Errorf("%s: %.40q, want 400", target, answer)
		}
	}
}

func TestTargetsAtRoot(t *testing.T) {
	s := start(t, residentDesc(t, "site", "/"))
	checkParams(t, s, []wantParams{
		{"/", "", "/", ""},
		{"/?x", "", "/", "x"},
		{"/a/b/", "", "/a/b/", ""},
		{"//a", "", "/a", ""},
		{"/a%2Fb", "", "/a/b", ""},
		{"/style.css", "", "/style.css", ""},
		{"/a/..", "", "/", ""},
	})
}

// The longest mount wins, whatever the order.
func TestNestedMounts(t *testing.T) {
	outer, inner, site := residentDesc(t, "blog", "/blog/"), oneshotDesc("admin", "/blog/admin/"), oneshotDesc("site", "/")
	site.Protocol = appfile.FastCGI // its bridge speaks both
	inner.HTTP.RedirectBare = false
	for i := range 2 {
		apps := []wantParams{
			{"/blog/x", "/blog", "/x", ""},
			{"/blog/administrator", "/blog", "/administrator", ""},
			{"/blog/admin/y", "/blog/admin", "/y", ""},
			{"/blog/admin", "/blog/admin", "", ""},
			{"/blog/x/../admin/y", "/blog/admin", "/y", ""},
			{"/blog2", "", "/blog2", ""},
			{"/", "", "/", ""},
		}
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			order := []int{0, 1, 2}
			if i == 1 {
				order = []int{2, 1, 0}
			}
			list := []*appfile.App{outer, inner, site}
			s := start(t, list[order[0]], list[order[1]], list[order[2]])
			checkParams(t, s, apps)
		})
	}
}
