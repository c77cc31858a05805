package devserver

import (
	"net/netip"
	"testing"

	"scgikit/internal/appfile"
)

// TestAccessRule: a client is the same one in each way that its address can be
// written. A listener for all addresses sees IPv4 clients as IPv6 ones.
func TestAccessRule(t *testing.T) {
	rule, err := newAccessRule(&appfile.HTTP{
		Allow: []string{"192.0.2.0/24", "fe80::/10", "2001:db8::1"},
		Deny:  []string{"192.0.2.7"},
	})
	if err != nil {
		t.Fatal(err)
	}
	for client, want := range map[string]string{
		"192.0.2.1":        "",
		"192.0.2.7":        "192.0.2.7 is in http.deny (192.0.2.7)",
		"198.51.100.1":     "198.51.100.1 is not in http.allow",
		"::ffff:192.0.2.1": "",
		"::ffff:192.0.2.7": "192.0.2.7 is in http.deny (192.0.2.7)",
		"fe80::1%eth0":     "",
		"2001:db8::1":      "",
		"2001:db8::2":      "2001:db8::2 is not in http.allow",
	} {
		if got := rule.refuses(netip.MustParseAddr(client)); got != want {
			t.Errorf("%s: %q, want %q", client, got, want)
		}
	}
	if got := rule.refuses(netip.Addr{}); got == "" {
		t.Error("a client without an address is let in")
	}
}
