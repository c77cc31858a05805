package importer

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"scgikit/internal/inetdconf"
)

// inetdPort sets the listener of a port.
func (d *draft) inetdPort(e *inetdconf.Entry, dialect inetdconf.Dialect, at place) bool {
	host, lost, ok := inetdAddress(e, dialect)
	if !ok {
		d.r.refuse(at, d.name, "", "the protocol %s is for no web program", e.Protocol)
		return false
	}
	if dialect == inetdconf.FreeBSD {
		if _, err := strconv.ParseUint(e.Service, 10, 64); err == nil || strings.Contains(e.Service, ":") {
			d.r.refuse(at, d.name, "give the port a name in /etc/services, and write that",
				"FreeBSD's inetd knows a port by its name in /etc/services alone, and leaves out %s as an unknown service", e.Service)
			return false
		}
		d.text("options.inetd.service", e.Service, at)
		d.flag("security.allow_public_listen", at)
	}
	for _, what := range lost {
		d.lost(at, "%s", what)
	}
	port, ok := d.r.port(e.Service)
	if !ok {
		d.assume(at, "listen.tcp", "--listen names it", "the port of %s is not in /etc/services", e.Service)
		if strings.Contains(host, ":") {
			d.loopback = "[::1]"
		}
		return true
	}
	d.listen(net.JoinHostPort(host, strconv.Itoa(port)), at)
	return true
}

// inetdAddress returns the address of an entry, and what of its protocol no
// description has. It reports false for a protocol that is not TCP.
//
// Sources: inetd(8) of FreeBSD, NetBSD, OpenBSD; openbsd-inetd and GNU inetutils 2.4
// were run: tcp is both families for the first, and IPv4 for the second; for the
// first any name that ends in 6 is IPv6, and for the second one that it does not know
// is IPv4.
func inetdAddress(e *inetdconf.Entry, dialect inetdconf.Dialect) (host string, lost []string, ok bool) {
	end := strings.IndexAny(e.Protocol, "/,")
	name := e.Protocol
	if end >= 0 {
		name = e.Protocol[:end]
		lost = append(lost, fmt.Sprintf("%s of the protocol %s", e.Protocol[end:], e.Protocol))
	}
	host = "0.0.0.0"
	const other = "the protocol %s listens on IPv6 as well, and a description has one address"
	switch name {
	case "tcp":
		if dialect == inetdconf.OpenBSD && end < 0 && (e.Host == "" || e.Host == "*") {
			lost = append(lost, fmt.Sprintf(other, name))
		}
	case "tcp4":
	case "tcp6":
		host = "::"
	case "tcp46":
		switch dialect {
		case inetdconf.OpenBSD:
			host = "::"
		case inetdconf.FreeBSD:
			lost = append(lost, fmt.Sprintf(other, name))
		case inetdconf.Inetutils:
			lost = append(lost, "the protocol tcp46 is one of FreeBSD's, and is taken for tcp")
		case inetdconf.NetBSD, inetdconf.Busybox:
			return "", nil, false
		}
	default:
		return "", nil, false
	}
	if e.Host != "" && e.Host != "*" {
		host = e.Host
	}
	return host, lost, true
}

// port returns a port by its number, or by its name in /etc/services.
func (r *reading) port(service string) (int, bool) {
	if n, err := strconv.ParseUint(service, 10, 16); err == nil {
		return int(n), n > 0
	}
	if !r.exists("etc/services") {
		return 0, false
	}
	text, _ := r.optional("etc/services")
	for _, line := range lines(text) {
		line, _, _ = strings.Cut(line, "#")
		words := strings.Fields(line)
		if len(words) < 2 || !slices.Contains(append(words[2:], words[0]), service) {
			continue
		}
		var n int
		if _, err := fmt.Sscanf(words[1], "%d/tcp", &n); err == nil {
			return n, true
		}
	}
	return 0, false
}
