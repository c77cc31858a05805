package inetdconf

import (
	"encoding/hex"
	"errors"
	"net/netip"
	"slices"
	"strings"
)

// keyDefinition reads what follows "service on" in a file of NetBSD:
//
//	key = value value, key = value;
//
// over as many lines as it takes. Values may have quotes of both kinds, with
// escapes in them. A mistake in a value skips the definition, and one in the form
// ends the file.
//
// Source: inetd.conf(5) of NetBSD 10; usr.sbin/inetd/parse_v2.c.
func (p *parser) keyDefinition(e *Entry) bool {
	on := e.SocketType == "on"
	e.SocketType = ""
	k := &keys{p: p, e: e, seen: make(map[string]bool), valid: true}
	for end := byte(','); end == ','; {
		var err error
		if end, err = k.key(); err != nil {
			return p.fail("%s: %v: nothing below is read", e.Service, err)
		}
	}
	p.rest = strings.TrimLeft(p.rest, " \t")
	p.more = p.rest != ""
	if !on {
		return p.complain("%s is off", e.Service)
	}
	return k.complete()
}

// keys is one definition.
type keys struct {
	p     *parser
	e     *Entry
	seen  map[string]bool
	valid bool
}

var (
	errKeysEnd   = errors.New("the file ends before the semicolon")
	errKeysSign  = errors.New("no = after the name of a key")
	errKeysQuote = errors.New("a quote that is not closed, or a backslash in quotes before what it does not belong to")
)

// blank goes to the next character that is no blank, line end or comment.
func (k *keys) blank() error {
	for {
		k.p.rest = strings.TrimLeft(k.p.rest, " \t")
		if k.p.rest != "" && k.p.rest[0] != '#' {
			return nil
		}
		if !k.p.line() {
			return errKeysEnd
		}
	}
}

// key reads a key with its values, and returns the "," or ";" behind them.
func (k *keys) key() (byte, error) {
	if err := k.blank(); err != nil {
		return 0, err
	}
	after := strings.TrimLeft(k.p.rest, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_")
	name := k.p.rest[:len(k.p.rest)-len(after)]
	if k.p.rest = after; after == "" {
		return 0, errKeysSign
	}
	if err := k.blank(); err != nil {
		return 0, err
	}
	if k.p.rest[0] != '=' {
		return 0, errKeysSign
	}
	k.p.rest = k.p.rest[1:]
	var values []string
	for {
		if err := k.blank(); err != nil {
			return 0, err
		}
		if end := k.p.rest[0]; end == ',' || end == ';' {
			k.p.rest = k.p.rest[1:]
			k.set(name, values)
			return end, nil
		}
		value, err := k.value()
		if err != nil {
			return 0, err
		}
		values = append(values, value)
	}
}

// value reads one value, up to what ends it.
func (k *keys) value() (string, error) {
	var b strings.Builder
	for k.p.rest != "" && !strings.ContainsRune(" \t#,;", rune(k.p.rest[0])) {
		c := k.p.rest[0]
		k.p.rest = k.p.rest[1:]
		if c != '"' && c != '\'' {
			b.WriteByte(c)
			continue
		}
		if !k.quoted(c, &b) {
			return "", errKeysQuote
		}
	}
	return b.String(), nil
}

// quoted reads the rest of what stands in quotes of a kind.
func (k *keys) quoted(quote byte, b *strings.Builder) bool {
	for k.p.rest != "" {
		c := k.p.rest[0]
		k.p.rest = k.p.rest[1:]
		switch {
		case c == quote:
			return true
		case c != '\\':
			b.WriteByte(c)
		case k.p.rest == "":
			return false
		default:
			if !k.escape(b) {
				return false
			}
		}
	}
	return false
}

// escape reads what stands behind a backslash.
func (k *keys) escape(b *strings.Builder) bool {
	c := k.p.rest[0]
	k.p.rest = k.p.rest[1:]
	switch c {
	case 'n':
		c = '\n'
	case 't':
		c = '\t'
	case 'r':
		c = '\r'
	case '\\', '\'', '"':
	case 'x':
		if len(k.p.rest) < 2 {
			return false
		}
		two, err := hex.DecodeString(k.p.rest[:2])
		if err != nil {
			return false
		}
		c, k.p.rest = two[0], k.p.rest[2:]
	default:
		return false
	}
	b.WriteByte(c)
	return true
}

// wrong says why the definition is left out.
func (k *keys) wrong(format string, args ...any) {
	k.valid = k.p.complain(k.e.Service+": the definition is left out: "+format, args...)
}

// set takes the values of a key in.
func (k *keys) set(name string, values []string) {
	if k.seen[name] && slices.Contains([]string{"bind", "wait", "service_max", "ip_max", "user", "args", "ipsec"}, name) || name == "bind" && k.e.Host != "" {
		k.wrong("%s is there twice", name)
		return
	}
	k.seen[name] = true
	into := map[string]*string{
		"bind": &k.e.Host, "socktype": &k.e.SocketType, "protocol": &k.e.Protocol, "user": &k.e.User, "group": &k.e.Group, "exec": &k.e.Program,
	}[name]
	switch {
	case name == "args":
		if k.e.Args = values; len(values) > maxArgsNetBSD {
			k.wrong("more than %d arguments", maxArgsNetBSD)
		}
	case name == "ipsec", name == "acceptfilter":
		k.p.complain("%s: %s = %s", k.e.Service, name, strings.Join(values, " "))
	case into == nil && !slices.Contains([]string{"wait", "service_max", "ip_max", "sndbuf", "recvbuf"}, name):
		k.wrong("there is no key %q", name)
	case len(values) != 1:
		k.wrong("%s takes one value, and has %d", name, len(values))
	case into != nil:
		*into = values[0]
	default:
		k.setOther(name, values[0])
	}
}

// setOther takes a value in that is no text.
func (k *keys) setOther(name, value string) {
	ok := true
	switch name {
	case "wait":
		k.e.Wait = value == "yes"
		ok = k.e.Wait || value == "no"
	case "service_max":
		k.e.Limit, ok = wholeNumber(value)
	case "ip_max":
		k.e.PerAddressMinute, ok = wholeNumber(value)
	default:
		k.p.complain("%s: %s = %s", k.e.Service, name, value)
	}
	if !ok {
		k.wrong("%s = %q", name, value)
	}
}

// complete reports whether the definition says all that it has to.
func (k *keys) complete() bool {
	e := k.e
	if e.Program == "" || e.Program == "internal" {
		e.Program = "internal"
		return k.valid && k.p.notInternal(e)
	}
	if e.SocketType == "" && strings.HasPrefix(e.Protocol, "tcp") {
		e.SocketType = "stream"
	}
	if e.SocketType == "" && strings.HasPrefix(e.Protocol, "udp") {
		e.SocketType = "dgram"
	}
	for _, must := range []struct {
		key   string
		there bool
	}{{"socktype", e.SocketType != ""}, {"wait", k.seen["wait"]}, {"user", e.User != ""}, {"protocol", e.Protocol != ""}} {
		if !must.there {
			k.wrong("%s is missing", must.key)
		}
	}
	if !slices.Contains([]string{"stream", "dgram", "rdm", "seqpacket", "raw", ""}, e.SocketType) {
		k.wrong("socktype = %q", e.SocketType)
	}
	if e.Protocol == "tcp" || e.Protocol == "udp" {
		host := e.Host
		if host == "" {
			host = k.p.defaultHost
		}
		if _, err := netip.ParseAddr(host); err != nil {
			k.wrong("protocol = %s with no numeric address: %s4 or %s6 is needed", e.Protocol, e.Protocol, e.Protocol)
		}
	}
	if e.Protocol == "unix" && len(e.Service) >= 104 {
		k.wrong("the path of the socket is longer than 103 bytes")
	}
	return k.valid
}
