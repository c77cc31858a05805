package generate_test

import (
	"strings"
	"testing"
)

// TestNoHost asks nginx by HTTP/1.0, which needs no Host. The block that is the
// default for the address answers, and no other: $host is its first name, whatever
// that is, and the app finds no HTTP_HOST.
func TestNoHost(t *testing.T) {
	f := &fronts[1]
	for _, x := range []struct{ name, first, second, block, serverName string }{
		{"any", "", "", "a0", "_"},
		{"a name", "h.test", "", "a0", "h.test"},
		{"a pattern", `"*.w.test"`, "", "a0", "*.w.test"},
		{"names", "h.test", "i.test", "a0", "h.test"},
		{"a default", "h.test", "i.test", "a1", "i.test"},
	} {
		t.Run(x.name, func(t *testing.T) {
			f.find(t)
			var text strings.Builder
			for i, host := range []string{x.first, x.second} {
				if i == 1 && host == "" {
					continue
				}
				name, lines := "a"+string(rune('0'+i)), ""
				if host != "" {
					lines = "  host: " + host + "\n"
				}
				one := app(name, tcp(startBackend(t, name, "")), "/m/", lines)
				if x.block == "a1" && i == 1 {
					one = strings.Replace(one, "OPTIONS\n", "options: {nginx: {as: server, default_server: true}}\n", 1)
				}
				text.WriteString(one)
			}
			server := f.start(t, text.String())
			r := ask(t, server.Addr, "GET /m/x HTTP/1.0\r\n\r\n")
			if r.Received == nil || r.Received.Backend != x.block {
				t.Fatalf("without Host: %d %.80q, want %s", r.Status, r.Body, x.block)
			}
			if got := r.Received.all("SERVER_NAME"); len(got) != 1 || got[0] != x.serverName {
				t.Errorf("SERVER_NAME is %q, want %q", got, x.serverName)
			}
			if got := r.Received.all("HTTP_HOST"); len(got) != 0 {
				t.Errorf("HTTP_HOST is %q", got)
			}
			for _, request := range []string{"GET /m/x HTTP/1.1\r\nConnection: close\r\n\r\n", "GET /m/x HTTP/1.0\r\nHost:\r\n\r\n"} {
				if r := ask(t, server.Addr, request); r.Status != 400 {
					t.Errorf("%q: %d", request, r.Status)
				}
			}
		})
	}
}
