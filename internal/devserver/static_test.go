package devserver

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"scgikit/internal/appfile"
)

// staticSite serves two static folders of an app, one inside the other.
func staticSite(t *testing.T) *site {
	t.Helper()
	top := t.TempDir()
	files := map[string]string{
		"secret.txt":             "secret",
		"static/x.css":           "body{}",
		"static/a b.txt":         "space",
		"static/sub/y.txt":       "y",
		"static/é.txt":           "accent",
		"static/inner/lost":      "shadowed by the longer prefix",
		"inner/start.html":       "<p>inner",
		"inner/more/index.html":  "not the index here",
		"static/sub2/index.html": "sub2",
		"static-neighbour.txt":   "neighbour",
	}
	for name, text := range files {
		path := filepath.Join(top, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, to := range map[string]string{"out": "../secret.txt", "absolute": filepath.Join(top, "secret.txt"), "in": "sub/y.txt", "up": ".."} {
		if err := os.Symlink(to, filepath.Join(top, "static", name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(filepath.Join(top, "static", "fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	desc := oneshotDesc("blog", "/blog/")
	desc.HTTP.Static = []appfile.Static{
		{URL: "/blog/static/", Dir: top + "/static/"},
		{URL: "/blog/static/inner/", Dir: top + "/inner/", Index: "start.html", Expires: time.Hour},
		{URL: "/blog/lost/", Dir: top + "/lost/"},
	}
	return start(t, desc)
}

func TestStatic(t *testing.T) {
	s := staticSite(t)
	for _, want := range []struct {
		target string
		status int
		text   string // of the body, or of Location
	}{
		{"/blog/static/x.css", 200, "body{}"},
		{"/blog//static/./x.css?v=1", 200, "body{}"},
		{"/blog/static/a%20b.txt", 200, "space"},
		{"/blog/static/%C3%A9.txt", 200, "accent"},
		{"/blog/static/sub/y.txt", 200, "y"},
		{"/blog/static/in", 200, "y"},
		{"/blog/static/inner/", 200, "<p>inner"},
		{"/blog/static/inner/start.html", 200, "<p>inner"},
		{"/blog/static/inner/more?a=b", 301, "/blog/static/inner/more/?a=b"},
		{"/blog/static/inner/more/", 404, "no file"},
		{"/blog/static/inner/lost", 404, "no file"},
		{"/blog/static/sub", 301, "/blog/static/sub/"},
		{"/blog/static/sub/", 404, "index.html"},
		{"/blog/static/sub2/", 200, "sub2"},
		{"/blog/static/", 404, "index.html"},
		{"/blog/static/none", 404, "no file"},
		{"/blog/static/x.css/", 404, "no file"},
		{"/blog/static/x.css/y", 404, "no file"},
		{"/blog/static/" + strings.Repeat("x", 300), 404, "no file"},
		{"/blog/lost/x", 404, "no file"},
		// Links and paths that lead out.
		{"/blog/static/out", 403, "outside"},
		{"/blog/static/absolute", 403, "outside"},
		{"/blog/static/up/secret.txt", 403, "outside"},
		{"/blog/static/fifo", 403, "not a regular file"},
		{"/blog/static/..%2fsecret.txt", 200, "PATH_INFO"}, // becomes /blog/secret.txt, which is the app's
		{"/blog/static/../secret.txt", 200, "PATH_INFO"},
		{"/blog/static", 200, "PATH_INFO"},
		{"/blog/static-neighbour.txt", 200, "PATH_INFO"},
		{"/blog/static../secret.txt", 200, "PATH_INFO"},
		{"/blog/static/..%5csecret.txt", 404, "no file"},
	} {
		response, body := s.get(want.target)
		if response.StatusCode == http.StatusMovedPermanently {
			body = response.Header.Get("Location")
		}
		if response.StatusCode != want.status || !strings.Contains(body, want.text) {
			t.Errorf("%s: %s, want %d with %q\n%s", want.target, response.Status, want.status, want.text, body)
		}
	}
}

func TestStaticHeaders(t *testing.T) {
	s := staticSite(t)
	response, _ := s.get("/blog/static/inner/")
	expires, err := http.ParseTime(response.Header.Get("Expires"))
	if err != nil || response.Header.Get("Cache-Control") != "max-age=3600" || time.Until(expires) < 59*time.Minute {
		t.Errorf("%v, %v", response.Header, err)
	}
	response, _ = s.get("/blog/static/x.css")
	if got := response.Header; got.Get("Content-Type") != "text/css; charset=utf-8" || got.Get("Expires") != "" {
		t.Errorf("%v", got)
	}
	since := response.Header.Get("Last-Modified")
	if response, _ := s.get("/blog/static/x.css", "If-Modified-Since: "+since); response.StatusCode != http.StatusNotModified {
		t.Errorf("If-Modified-Since: %s", response.Status)
	}
	if response, body := s.get("/blog/static/x.css", "Range: bytes=0-3"); response.StatusCode != http.StatusPartialContent || body != "body" {
		t.Errorf("Range: %s %q", response.Status, body)
	}
	if response, body := s.do("HEAD", "/blog/static/x.css", ""); response.StatusCode != 200 || body != "" || response.ContentLength != 6 {
		t.Errorf("HEAD: %s %q", response.Status, body)
	}
	if response, _ := s.do("POST", "/blog/static/x.css", "a=1"); response.StatusCode != 405 || response.Header.Get("Allow") != "GET, HEAD" {
		t.Errorf("POST: %s %v", response.Status, response.Header)
	}
}

func TestEscapePath(t *testing.T) {
	for path, want := range map[string]string{
		"/blog/a b/": "/blog/a%20b/", "/é": "/%C3%A9", "/a?b#c%d": "/a%3Fb%23c%25d", "/a\nb": "/a%0Ab", `/a\b`: "/a%5Cb", `/"<>`: "/%22%3C%3E", "/a;b=c,d+e~": "/a;b=c,d+e~",
	} {
		if got := escapePath(path); got != want {
			t.Errorf("%q: %q, want %q", path, got, want)
		}
	}
}

func TestAllowAndDeny(t *testing.T) {
	for name, want := range map[string]struct {
		allow, deny []string
		status      int
	}{
		"none":         {nil, nil, 200},
		"allowed":      {[]string{"127.0.0.0/8"}, nil, 200},
		"one address":  {[]string{"10.0.0.0/8", "127.0.0.1"}, nil, 200},
		"not allowed":  {[]string{"10.0.0.0/8", "::1"}, nil, 403},
		"denied":       {nil, []string{"127.0.0.1/32"}, 403},
		"other denied": {nil, []string{"10.0.0.0/8"}, 200},
		"both":         {[]string{"127.0.0.0/8"}, []string{"127.0.0.1"}, 403},
	} {
		desc := oneshotDesc("blog", "/blog/")
		desc.HTTP.Allow, desc.HTTP.Deny = want.allow, want.deny
		s := start(t, desc)
		for _, target := range []string{"/blog/x", "/blog/"} {
			if response, body := s.get(target); response.StatusCode != want.status {
				t.Errorf("%s: %s, want %d\n%s", name, response.Status, want.status, body)
			}
		}
		s.stop()
	}
	bad := appfile.HTTP{Allow: []string{"nonsense"}}
	if _, err := newAccessRule(&bad); err == nil {
		t.Error("nonsense is a network")
	}
}

// Every answer of dev's own is one page with a policy that runs nothing.
func TestPages(t *testing.T) {
	desc := oneshotDesc("blog", "/blog/")
	desc.Description = `<img src=x onerror=alert(1)> & "co"`
	s := start(t, desc)
	for _, target := range []string{"/<script>alert(1)</script>", "/%3Cscript%3E%1b[31m", "/x%22onmouseover=%22"} {
		response, body := s.get(target)
		if response.StatusCode != 404 || strings.Contains(body, "<script") || strings.Contains(body, "<img") || strings.Contains(body, "\x1b") || strings.Contains(body, `"onmouse`) {
			t.Errorf("%s: %s\n%s", target, response.Status, body)
		}
		policy := response.Header.Get("Content-Security-Policy")
		if !strings.HasPrefix(policy, "default-src 'none'") || response.Header.Get("X-Content-Type-Options") != "nosniff" || response.ContentLength != int64(len(body)) {
			t.Errorf("%s: %v", target, response.Header)
		}
	}
	for i := range 3 {
		if response, body := s.get("/", fmt.Sprintf("Host: <b>%d", i)); response.StatusCode/100 != 4 || strings.Contains(body, "<b>") {
			t.Errorf("Host: %s\n%s", response.Status, body)
		}
	}
}
