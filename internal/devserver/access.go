package devserver

import (
	"net/netip"

	"scgikit/internal/appfile"
)

// network is one entry of http.allow or http.deny: a CIDR or one address.
type network struct {
	text   string
	prefix netip.Prefix
}

// accessRule is http.allow and http.deny of an app.
type accessRule struct{ allow, deny []network }

func newAccessRule(h *appfile.HTTP) (accessRule, error) {
	allow, err := networks(h.Allow)
	if err != nil {
		return accessRule{}, err
	}
	deny, err := networks(h.Deny)
	return accessRule{allow: allow, deny: deny}, err
}

func networks(texts []string) ([]network, error) {
	var list []network
	for _, text := range texts {
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			ip, ipErr := netip.ParseAddr(text)
			if ipErr != nil {
				return nil, err
			}
			prefix = netip.PrefixFrom(ip, ip.BitLen())
		}
		list = append(list, network{text: text, prefix: prefix.Masked()})
	}
	return list, nil
}

// refuses returns why an address may not ask, or "". http.deny is asked first;
// where http.allow has entries, all others are refused.
func (r accessRule) refuses(ip netip.Addr) string {
	ip = ip.Unmap().WithZone("")
	for _, n := range r.deny {
		if n.prefix.Contains(ip) {
			return ip.String() + " is in http.deny (" + n.text + ")"
		}
	}
	for _, n := range r.allow {
		if n.prefix.Contains(ip) {
			return ""
		}
	}
	if len(r.allow) > 0 {
		return ip.String() + " is not in http.allow"
	}
	return ""
}
