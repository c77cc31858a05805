package devserver

import (
	"net"
	"net/netip"
	"slices"
	"strings"
)

// hostRule says which Host headers are answered. A page on the internet can
// point a name of its own at 127.0.0.1 and then read what it gets from there
// (DNS rebinding); the Host header still holds that name, so names that are
// not ours are refused.
type hostRule struct {
	names []string // of the apps, with "*.example.org" for all below it
	self  string   // this machine's name, on a LAN only
	anyIP bool     // any literal address, on a LAN only: rebinding needs a name
}

// allows reports whether a request with this Host header is answered. An empty
// one is: only HTTP/1.0 clients send it, and no browser is one.
func (h hostRule) allows(header string) bool {
	if _, port, err := net.SplitHostPort(header); err == nil && strings.Trim(port, "0123456789") != "" {
		return false // apps build addresses of it
	}
	host := hostName(header)
	if host == "" || host == "localhost" || (h.self != "" && host == h.self) || h.named(host) {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && (h.anyIP || ip.Unmap().IsLoopback())
}

// named reports whether an app names the host.
func (h hostRule) named(host string) bool {
	return slices.ContainsFunc(h.names, func(name string) bool { return matchHost(name, host) })
}

// matchHost compares a name of http.host with a host. A leading "*." stands for
// one or more labels, as in nginx.
func matchHost(pattern, host string) bool {
	if suffix, ok := strings.CutPrefix(pattern, "*"); ok {
		return strings.HasSuffix(host, suffix) && len(host) > len(suffix)
	}
	return host == pattern
}

// hostName cuts the port, the brackets of an IPv6 address and a final dot from
// a Host header, and folds its case.
func hostName(header string) string {
	host := header
	if h, _, err := net.SplitHostPort(header); err == nil {
		host = h
	} else if inner, ok := strings.CutPrefix(header, "["); ok {
		host = strings.TrimSuffix(inner, "]")
	}
	return strings.ToLower(strings.TrimSuffix(host, "."))
}
