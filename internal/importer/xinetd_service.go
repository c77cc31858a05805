package importer

import (
	"fmt"
	"net"
	"net/netip"
	"path"
	"slices"
	"strconv"
	"strings"
)

// service reads one service.
func (x *xinetdReader) service(e *xinetdEntry) {
	r := x.r
	if off, at := x.one(e, "disable"); off == "yes" {
		r.skip(at, "the service %s is off (disable = yes)", e.name)
		return
	}
	if x.defaults != nil {
		if slices.Contains(x.defaults.words["disabled"], e.name) {
			r.skip(e.at, "the service %s is off (disabled, in the defaults)", e.name)
			return
		}
		if on, named := x.defaults.words["enabled"]; named && !slices.Contains(on, e.name) {
			r.skip(e.at, "the service %s is not among those that are enabled", e.name)
			return
		}
	}
	if e.broken != "" {
		r.refuse(e.brokenAt, e.name, "", "%s", e.broken)
		return
	}
	kind, kindAt := x.get(e, "type")
	if slices.Contains(kind, "INTERNAL") {
		r.skip(kindAt, "%s is a service inside xinetd", e.name)
		return
	}
	if why, at := x.unfit(e, kind); why != "" {
		r.refuse(at, e.name, "", "%s", why)
		return
	}
	id, _ := x.one(e, "id")
	if id == "" {
		id = e.name
		if base := path.Base(e.file); id == base+"-scgi" {
			id = base // as generated services are called
		}
	}
	d := r.newDraft(id, e.at)
	if x.program(e, d) {
		x.settings(e, d)
		x.limits(e, d)
		x.listen(e, d, kind)
		x.others(e, d)
		d.add()
	}
}

// unfit says why a service can not be that of a web program, or "".
func (x *xinetdReader) unfit(e *xinetdEntry, kind []string) (why string, at place) {
	protocol, protocolAt := x.one(e, "protocol")
	socket, socketAt := x.one(e, "socket_type")
	wait, waitAt := x.one(e, "wait")
	redirect, redirectAt := x.one(e, "redirect")
	user, _ := x.one(e, "user")
	flags, flagsAt := x.get(e, "flags")
	switch {
	case slices.Contains(kind, "RPC"), slices.Contains(kind, "TCPMUX"), slices.Contains(kind, "TCPMUXPLUS"):
		return "a service of type " + strings.Join(kind, " ") + " has no port of its own", e.where["type"]
	case socket != "stream" && (socket != "" || protocol != "tcp"):
		return fmt.Sprintf("a socket of type %q is for no web program", socket), orAt(socketAt, e.at)
	case protocol != "" && protocol != "tcp" && protocol != "tcp6":
		return "the protocol " + protocol + " is for no web program", protocolAt
	case wait == "":
		return "there is no wait, and xinetd starts no service without it", e.at
	case wait != "no":
		return "the program takes the listening socket (wait = yes), and scgi-run one connection", waitAt
	case redirect != "":
		return "it passes connections on, and starts no program", redirectAt
	case slices.Contains(flags, "SENSOR"):
		return "it watches for connections, and starts no program (flags = SENSOR)", flagsAt
	case user == "":
		return "there is no user, and xinetd starts no service without one", e.at
	}
	return "", place{}
}

// orAt is the first place that is one.
func orAt(at, other place) place {
	if at == (place{}) {
		return other
	}
	return at
}

func (x *xinetdReader) program(e *xinetdEntry, d *draft) bool {
	server, at := x.one(e, "server")
	args, _ := x.get(e, "server_args")
	flags, _ := x.get(e, "flags")
	if !slices.Contains(flags, "NAMEINARGS") {
		args = append([]string{path.Base(server)}, args...)
	}
	if w := x.r.wrapper(e.file, server); w != nil {
		w.apply(d)
		if dir := path.Dir(server); dir != "/usr/local/libexec/scgikit" {
			d.text("options.xinetd.wrapper_dir", dir, at)
		}
		server, args = w.program, append([]string{path.Base(w.program)}, w.args...)
	}
	env, envAt := x.get(e, "env")
	for _, word := range env {
		name, value, _ := strings.Cut(word, "=")
		d.env(name, value, envAt)
	}
	if server == "" || !d.perRequest(server, args, "xinetd", at) {
		x.r.refuse(at, d.name, "a CGI program, or a folder of them, can run under scgi-run bridge",
			"it starts %q, which speaks to the connection itself; a description has programs per request as CGI scripts and WSGI callables alone", server)
		return false
	}
	if pass, passAt := x.get(e, "passenv"); passAt != (place{}) && !isSCGIRun(server) && len(pass) > 0 {
		d.words("cgi.env_pass", pass, passAt)
	}
	return true
}

func isSCGIRun(program string) bool { return path.Base(program) == "scgi-run" }

func (x *xinetdReader) settings(e *xinetdEntry, d *draft) {
	user, at := x.one(e, "user")
	d.user(user, at)
	if group, at := x.one(e, "group"); group != "" {
		d.text("run.group", group, at)
	}
	if groups, at := x.one(e, "groups"); groups == "yes" {
		d.flag("options.xinetd.groups", at)
	}
	if text, at := x.one(e, "umask"); text != "" && !d.ownUmask {
		if mode, ok := octal(text); ok {
			d.mode("run.umask", mode, at)
		} else {
			d.lost(at, "umask = %s", text)
		}
	}
	d.defaultUmask(e.at, "xinetd")
	if text, at := x.one(e, "nice"); text != "" {
		n, err := strconv.Atoi(text)
		switch {
		case err != nil || d.has("run.nice"):
			d.lost(at, "nice = %s", text)
		default:
			d.number("run.nice", int64(n), at)
		}
	}
}

// limits reads how many processes there may be, and what each may use.
func (x *xinetdReader) limits(e *xinetdEntry, d *draft) {
	if text, at := x.one(e, "instances"); text == "" {
		d.lost(e.at, "no number of instances is named, and a description always has run.max_concurrent, 16 by default")
	} else {
		if n, err := strconv.ParseInt(text, 10, 32); err != nil {
			d.lost(at, "instances = %s: a description always has run.max_concurrent, 16 by default", text)
		} else if n != 16 {
			d.number("run.max_concurrent", n, at)
		}
	}
	for _, limit := range []struct{ name, field string }{
		{"rlimit_as", "run.limits.memory"}, {"rlimit_files", "run.limits.nofile"}, {"rlimit_cpu", "run.limits.cpu_seconds"},
	} {
		text, at := x.one(e, limit.name)
		if text == "" || text == "UNLIMITED" {
			continue
		}
		n, ok := xinetdSize(text)
		switch {
		case !ok || d.has(limit.field):
			d.lost(at, "%s = %s", limit.name, text)
		case limit.name == "rlimit_as":
			d.size(limit.field, n, at)
		default:
			d.number(limit.field, n, at)
		}
	}
}

// xinetdSize reads a number with K or M behind it.
func xinetdSize(text string) (int64, bool) {
	unit := int64(1)
	if rest, ok := strings.CutSuffix(text, "K"); ok {
		text, unit = rest, 1<<10
	} else if rest, ok := strings.CutSuffix(text, "M"); ok {
		text, unit = rest, 1<<20
	}
	n, err := strconv.ParseInt(text, 10, 40)
	return n * unit, err == nil && n > 0
}

func (x *xinetdReader) listen(e *xinetdEntry, d *draft, kind []string) {
	if protocol, at := x.one(e, "protocol"); protocol != "" && protocol != "tcp" {
		d.lost(at, "protocol = %s", protocol)
	}
	port, at := x.one(e, "port")
	if port == "" {
		port, at = e.name, e.at
		if slices.Contains(kind, "UNLISTED") {
			d.lost(at, "type = UNLISTED without a port")
		}
	}
	n, ok := x.r.port(port)
	if !ok {
		d.assume(at, "listen.tcp", "--listen names it", "the port of %s is not in /etc/services", port)
		return
	}
	host, hostAt := x.one(e, "bind")
	if host == "" {
		host = "0.0.0.0"
		if flags, _ := x.get(e, "flags"); slices.Contains(flags, "IPv6") {
			host = "::"
		}
	}
	d.listen(net.JoinHostPort(host, strconv.Itoa(n)), at)
	ip := net.ParseIP(host)
	if only, onlyAt := x.one(e, "v6only"); host == "::" && only != "yes" {
		d.lost(orAt(onlyAt, orAt(hostAt, e.at)), "the socket takes IPv4 as well, and that of a generated service IPv6 alone (v6only)")
	}
	x.onlyFrom(e, d, ip != nil && ip.IsLoopback())
}

// onlyFrom reads who may connect. A generated service for a loopback address lets
// in this machine alone.
func (x *xinetdReader) onlyFrom(e *xinetdEntry, d *draft, loopback bool) {
	words, at := x.get(e, "only_from")
	if at == (place{}) || loopback && slices.Equal(words, []string{"127.0.0.0/8", "::1"}) {
		return
	}
	var networks []string
	for _, word := range words {
		network := xinetdNetwork(word)
		if network == "" {
			d.lost(at, "only_from: %s is no address and no network, and is left out; so fewer may connect", word)
			continue
		}
		networks = append(networks, network)
	}
	if len(networks) == 0 {
		d.lost(at, "only_from is left with nobody, and becomes this machine alone")
		networks = []string{"127.0.0.0/8", "::1"}
	}
	d.words("options.xinetd.only_from", networks, at)
}

// xinetdNetwork writes an address or a network as a description does, or "" for
// a name and for another form. An IPv4 address is a network by the zeros at its
// end.
//
// Source: xinetd.conf(5), only_from.
func xinetdNetwork(word string) string {
	if prefix, err := netip.ParsePrefix(word); err == nil {
		return prefix.Masked().String()
	}
	addr, err := netip.ParseAddr(word)
	switch {
	case err != nil:
		return ""
	case !addr.Is4():
		return addr.String()
	}
	bits := 32
	for octets := addr.As4(); bits > 0 && octets[bits/8-1] == 0; {
		bits -= 8
	}
	if bits == 32 {
		return addr.String()
	}
	return netip.PrefixFrom(addr, bits).String()
}

// others tells of every attribute that has no field, of the service and of the
// defaults.
func (x *xinetdReader) others(e *xinetdEntry, d *draft) {
	// What generated files have, because the web server is the only client.
	expected := map[string]string{
		"groups": "no", "per_source": "UNLIMITED", "cps": "0 0", "log_on_success": "", "log_on_failure": "HOST", "log_type": "SYSLOG daemon info",
	}
	var names []string
	for name := range e.words {
		names = append(names, name)
	}
	if x.defaults != nil {
		for name := range x.defaults.words {
			if _, own := e.words[name]; !own && slices.Contains(inherited[:], name) {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	for _, name := range names {
		words, at := x.peek(e, name)
		text := strings.Join(words, " ")
		usual, known := expected[name]
		switch {
		case name == "flags":
			x.otherFlags(d, words, at)
		case e.used[name] || known && usual == text || name == "v6only" && text == "no":
		default:
			d.lost(at, "%s = %s", name, text)
		}
	}
}

// otherFlags tells of the flags that no generated service has. REUSE is what
// xinetd does anyway.
func (x *xinetdReader) otherFlags(d *draft, flags []string, at place) {
	for _, flag := range flags {
		if !slices.Contains([]string{"NAMEINARGS", "REUSE", "IPv4", "IPv6"}, flag) {
			d.lost(at, "flags = %s", flag)
		}
	}
}
