package inetdconf

import (
	"strconv"
	"strings"
)

// maxArgsBSD is MAXARGV of FreeBSD and OpenBSD; NetBSD has had 64 since 10.0.
const (
	maxArgsBSD    = 20
	maxArgsNetBSD = 64
)

// maxChildren is FreeBSD's MAX_MAXCHLD.
const maxChildren = 32767

// entryFreeBSD reads
//
//	[:user:group:mode:]service type protocol wait[/max[/perminute[/peraddress]]] user[:group][/class] program args
//
// A line that ends too early makes the program exit.
func (p *parser) entryFreeBSD(first string, e *Entry) bool {
	e.Service = first
	if strings.HasPrefix(first, ":") && !p.socketFreeBSD(first[1:], e) {
		return false
	}
	if strings.HasPrefix(e.Service, "tcpmux/") {
		return p.complain("%s is a TCPMUX service", e.Service)
	}
	var wait string
	if !p.words(&e.SocketType, &e.Protocol, &wait, &e.User, &e.Program) {
		return p.fail("syntax error: the program ends here")
	}
	if e.Protocol == "unix" && len(e.Service) >= 104 {
		return p.complain("the path of the socket is longer than 103 bytes")
	}
	if !p.waitFreeBSD(wait, e) {
		return false
	}
	if at := strings.LastIndexByte(e.User, '/'); at >= 0 {
		e.User, e.Class = e.User[:at], e.User[at+1:]
	}
	if at := strings.LastIndexByte(e.User, ':'); at >= 0 {
		e.User, e.Group = e.User[:at], e.User[at+1:]
	}
	e.Args = p.args()
	if len(e.Args) > maxArgsBSD {
		return p.complain("too many arguments: the entry is left out")
	}
	return p.notInternal(e)
}

// socketFreeBSD reads "user:group:mode:service".
func (p *parser) socketFreeBSD(word string, e *Entry) bool {
	parts := strings.SplitN(word, ":", 4)
	if len(parts) < 4 {
		return p.complain("no owner, group and mode before the path")
	}
	mode, err := strconv.ParseUint(parts[2], 8, 32)
	if err != nil {
		return p.complain("bad mode %q", parts[2])
	}
	e.SocketUser, e.SocketGroup, e.SocketMode, e.Service = parts[0], parts[1], uint32(mode), parts[3]
	return true
}

// waitFreeBSD reads "nowait/16/0/0". What follows the words wait and nowait
// up to the slash is not looked at.
func (p *parser) waitFreeBSD(word string, e *Entry) bool {
	switch {
	case strings.HasPrefix(word, "wait"):
		e.Wait = true
	case strings.HasPrefix(word, "nowait"):
	default:
		return p.complain("bad wait/nowait %q", word)
	}
	_, limits, ok := strings.Cut(word, "/")
	if !ok {
		return true
	}
	n, rest, ok := leadingNumber(limits)
	if !ok || n > maxChildren {
		return p.complain("bad limit %q", limits)
	}
	e.Limit = n
	for _, into := range []*int{&e.PerAddressMinute, &e.PerAddress} {
		after, ok := strings.CutPrefix(rest, "/")
		if !ok {
			break
		}
		*into, rest, _ = leadingNumber(after)
	}
	return true
}

// entryNetBSD reads the positional form
//
//	[host:]service type protocol wait[:max] user[:group] program args
//
// or the form with keys, which has "on" or "off" in the place of the type.
func (p *parser) entryNetBSD(first string, e *Entry) bool {
	if strings.HasPrefix(first, ".") {
		p.args()
		return p.complain("directive %s", first)
	}
	if !p.host(first, e) {
		return false
	}
	var wait string
	if !p.words(&e.SocketType) {
		return p.complain("expected more arguments")
	}
	if e.SocketType == "on" || e.SocketType == "off" {
		return p.keyDefinition(e)
	}
	if !p.words(&e.Protocol, &wait, &e.User, &e.Program) {
		return p.complain("expected more arguments")
	}
	if e.Protocol == "unix" && len(e.Service) >= 104 {
		return p.complain("the path of the socket is longer than 103 bytes")
	}
	word, limit, ok := strings.Cut(wait, ":")
	if !ok {
		word, limit, ok = strings.Cut(wait, ".")
	}
	if e.Wait = word == "wait"; !e.Wait && word != "nowait" {
		p.complain("%q counts as nowait, without what follows", word)
	}
	if ok {
		if e.Limit, ok = wholeNumber(limit); !ok {
			e.Limit = 0
			p.complain("improper limit %q: 0 is used", limit)
		}
	}
	e.User, e.Group = splitUser(e.User, ":.")
	e.Args = p.args()
	if len(e.Args) > maxArgsNetBSD {
		p.complain("the arguments after the %dth are lost", maxArgsNetBSD)
		e.Args = e.Args[:maxArgsNetBSD]
	}
	return p.notInternal(e)
}

// entryOpenBSD reads
//
//	[host:]service type protocol wait[.max] user[.group] program args
//
// where any word but "wait" is nowait, and a limit that is no number is the
// default of 256 starts a minute.
func (p *parser) entryOpenBSD(first string, e *Entry) bool {
	if !p.host(first, e) {
		return false
	}
	var wait string
	if !p.words(&e.SocketType, &e.Protocol, &wait, &e.User, &e.Program) {
		return p.complain("syntax error: the entry is left out")
	}
	word, limit, ok := strings.Cut(wait, ".")
	if e.Wait = word == "wait"; !e.Wait && word != "nowait" {
		p.complain("%q counts as nowait, without what follows", word)
	}
	if ok {
		n, err := strconv.ParseUint(limit, 0, 31)
		if err != nil || n < 1 {
			p.complain("illegal limit %q: the default is used", limit)
		} else {
			e.Limit = int(n)
		}
	}
	e.User, e.Group = splitUser(e.User, ".:")
	e.Args = p.args()
	if len(e.Args) > maxArgsBSD {
		p.complain("the arguments after the %dth are lost", maxArgsBSD)
		e.Args = e.Args[:maxArgsBSD]
	}
	if len(e.Args) == 0 {
		e.Args = []string{e.Program[strings.LastIndexByte(e.Program, '/')+1:]}
	}
	return p.notInternal(e)
}

// host reads "host:service". A line of "host:" alone sets the address of the
// lines after it; Entry.Host then stays empty, which is why generated lines
// always write it.
func (p *parser) host(first string, e *Entry) bool {
	host, service, found := splitHost(first)
	e.Service = service
	if !found {
		e.DefaultHost = p.defaultHost
		return true
	}
	if strings.HasPrefix(host, "[") && strings.HasSuffix(host, "]") && len(host) > 1 {
		host = host[1 : len(host)-1]
	}
	e.Host = host
	if service != "" {
		return true
	}
	word, ok := p.word()
	e.Service = word
	if !ok {
		p.defaultHost = host
		return p.complain("the address %s becomes that of the lines below", host)
	}
	return true
}

func (p *parser) notInternal(e *Entry) bool {
	if e.Program == "internal" {
		return p.complain("%s is a service inside inetd", e.Service)
	}
	return true
}

// wholeNumber reads a word of decimal digits.
func wholeNumber(word string) (int, bool) {
	n, rest, ok := leadingNumber(word)
	return n, ok && rest == ""
}
