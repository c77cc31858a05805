package generate_test

import (
	"slices"
	"testing"

	"scgikit/internal/webserver"
)

// TestIPv6Host: an app may be at an address of IPv6, which stands in brackets in the
// Host of a request, and which some web servers compare without them. The other app of
// the server is asked by everybody else.
func TestIPv6Host(t *testing.T) {
	t.Parallel()
	all := slices.DeleteFunc(slices.Concat(fronts, gateways), func(f front) bool {
		// These have no hosts in what they write.
		return f.name == "nginx" || f.name == "apache" || f.name == "caddy"
	})
	for i := range all {
		f := &all[i]
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			f.find(t)
			text := ""
			for name, host := range map[string]string{"other": "other.test", "six": `"2001:db8::1"`, "both": `[both.test, "2001:db8::2"]`} {
				text += gatewayApp("fastcgi", name, tcp(startGateway(t, "fastcgi", name, "").backend), "/m/", "  host: "+host+"\n")
			}
			server := f.start(t, text)
			for host, want := range map[string]string{
				"other.test": "other", "both.test": "both", "[2001:db8::1]": "six", "[2001:db8::1]:8080": "six", "[2001:DB8::1]": "six", "[2001:db8::2]": "both",
			} {
				r := ask(t, server.Addr, "GET /m/x HTTP/1.1\r\nHost: "+host+"\r\nConnection: close\r\n\r\n")
				if r.Received == nil || r.Received.Backend != want {
					t.Errorf("%s: %d %.80q, want the app %s", host, r.Status, r.Body, want)
				}
			}
		})
	}
	if len(all) < 4 || !slices.ContainsFunc(all, func(f front) bool { return f.program == webserver.HAProxy }) {
		t.Error("few web servers are asked")
	}
}
