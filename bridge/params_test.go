package bridge

import (
	"runtime"
	"strconv"
	"strings"
	"testing"

	"scgikit/internal/scgi"
)

// A request of the largest size with one name in it again and again takes no
// more memory than another one: it is joined once, not at each repetition.
func TestManyDuplicates(t *testing.T) {
	headers := []scgi.Header{{Name: "REQUEST_METHOD", Value: "GET"}}
	for range 30_000 {
		headers = append(headers, scgi.Header{Name: "HTTP_A", Value: "x"})
	}
	for i := range 30_000 {
		headers = append(headers, scgi.Header{Name: "N" + strconv.Itoa(i), Value: "x"})
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	p, _, err := mergeParams(headers)
	if err != nil {
		t.Fatal(err)
	}
	env, dropped := buildEnv(p, &script{path: "/x"}, &Options{})
	runtime.ReadMemStats(&after)
	// Joining anew for each header would take more than a gigabyte.
	if taken := (after.TotalAlloc - before.TotalAlloc) >> 20; taken > 128 {
		t.Errorf("took %d MiB", taken)
	}
	if want := 30_000*len("x, ") - len(", "); len(p.get("HTTP_A")) != want || len(someOf(dropped)) > 1000 {
		t.Errorf("%d bytes joined, want %d; %d bytes for the log", len(p.get("HTTP_A")), want, len(someOf(dropped)))
	}
	for _, variable := range env {
		if strings.HasPrefix(variable, "N") {
			t.Errorf("%s got through", variable)
		}
	}
}

func TestSplitHost(t *testing.T) {
	for in, want := range map[string][2]string{
		"": {"", ""}, "h": {"h", ""}, "h:81": {"h", "81"}, "h:": {"h", ""}, "[::1]": {"[::1]", ""}, "[::1]:81": {"[::1]", "81"}, "h:x": {"h:x", ""},
	} {
		if name, port := splitHost(in); name != want[0] || port != want[1] {
			t.Errorf("%q: got %q, %q", in, name, port)
		}
	}
}

func TestIsCGI(t *testing.T) {
	for name, want := range map[string]bool{
		"REQUEST_METHOD": true, "HTTP_X": true, "HTTP_X_9": true, "SSL_CLIENT_S_DN": true, "REDIRECT_STATUS": true, "CONTEXT_PREFIX": true,
		"HTTP_": false, "HTTP": false, "HTTP_x": false, "HTTP_A-B": false, "HTTP_A\nB": false, "http_x": false, "PATH": false, "PATH_": false,
		"LD_PRELOAD": false, "HTTPS": true, "HTTPSX": false, "": false, "BASH_FUNC_x%%": false, "HTTP_Ä": false,
	} {
		if got := isCGI(name); got != want {
			t.Errorf("%q: got %v", name, got)
		}
	}
}

func TestEscape(t *testing.T) {
	for in, want := range map[string]string{
		"plain ü €": "plain ü €", "a\nb": `a\x0ab`, "\x1b[0m": `\x1b[0m`, "\x7f": `\x7f`, "\xff": `\xff`, "\u0085": `\xc2\x85`, "\uFFFD": "\uFFFD", "\x00": `\x00`,
	} {
		if got := escape(in); got != want {
			t.Errorf("%q: got %q", in, got)
		}
	}
}
