package inetdconf

import "strings"

// parseInetutils reads a file as GNU inetutils does: lines of any length, no
// continuation, and
//
//	[host:]service type protocol wait[.max] user[:group] program args
func (p *parser) parseInetutils() ([]Entry, []Problem) {
	for p.line() {
		p.started = p.number
		if p.rest == "" || p.rest[0] == '#' {
			continue
		}
		if words := splitInetutils(p.rest); len(words) > 0 {
			p.entryInetutils(words)
		}
	}
	return p.entries, p.problems
}

func (p *parser) entryInetutils(words []string) {
	if len(words) < 6 {
		if len(words) == 1 && strings.HasSuffix(words[0], ":") {
			p.defaultHost = strings.TrimSuffix(words[0], ":")
			p.complain("the address %s becomes that of the lines below", p.defaultHost)
			return
		}
		p.complain("not enough fields")
		return
	}
	e := p.fields(words)
	if e.Protocol == "unix" {
		p.complain("unix: unknown protocol")
		return
	}
	word, limit, ok := strings.Cut(words[3], ".")
	e.Wait = word == "wait"
	if word != "wait" && word != "nowait" {
		p.complain("bad wait type %q", word)
	}
	if ok {
		n, rest, ok := leadingNumber(limit)
		if !ok || rest != "" {
			p.complain("invalid number %q", limit)
		}
		e.Limit = n
	}
	e.User, e.Group = splitUser(words[4], ":.")
	if len(e.Args) == 0 {
		e.Args = []string{e.Program[strings.LastIndexByte(e.Program, '/')+1:]}
	}
	if p.notInternal(&e) {
		p.entries = append(p.entries, e)
	}
}

// fields fills what the two Linux programs read alike.
func (p *parser) fields(words []string) Entry {
	e := Entry{
		Line: p.started, Limit: NoLimit, PerAddressMinute: NoLimit, PerAddress: NoLimit,
		SocketType: words[1], Protocol: words[2], Program: words[5], Args: words[6:],
	}
	var found bool
	if e.Host, e.Service, found = splitHost(words[0]); !found {
		e.DefaultHost = p.defaultHost
	}
	return e
}

// splitInetutils splits a line as argcv_get does with no delimiters: a word
// that begins with a quote ends at the next one of that kind; a double quote
// inside a word ends it and begins another. Blanks at the end do not count.
//
// Source: GNU inetutils libinetutils/argcv.c, argcv_scan.
func splitInetutils(line string) []string {
	line = strings.TrimRight(line, " \t\n\v\f\r")
	var words []string
	for {
		line = strings.TrimLeft(line, " \t")
		if line == "" {
			return words
		}
		var word string
		word, line = wordInetutils(line)
		words = append(words, word)
	}
}

func wordInetutils(line string) (word, rest string) {
	if line[0] == '"' || line[0] == '\'' {
		word, rest, closed := strings.Cut(line[1:], line[:1])
		if closed {
			return word, rest
		}
		return line, "" // a quote without its pair takes the rest, itself included
	}
	if at := strings.IndexAny(line, " \t\""); at >= 0 {
		return line[:at], line[at:]
	}
	return line, ""
}

// maxArgsBusybox is busybox's MAXARGV; what follows is glued to the last one.
const maxArgsBusybox = 20

// parseBusybox reads a file as busybox does: "#" cuts a line wherever it
// stands, a backslash at its end joins the next one, blanks separate, and
// nothing quotes:
//
//	[host:]service type protocol wait[.max] user[.group] program args
func (p *parser) parseBusybox() ([]Entry, []Problem) {
	for p.line() {
		p.started = p.number
		line := p.rest
		for strings.HasSuffix(line, "\\") && p.line() {
			line = line[:len(line)-1] + p.rest
		}
		line, _, _ = strings.Cut(line, "#")
		if words := strings.FieldsFunc(line, blank); len(words) > 0 {
			p.entryBusybox(words, strings.Trim(line, " \t"))
		}
	}
	return p.entries, p.problems
}

func (p *parser) entryBusybox(words []string, line string) {
	if len(words) == 1 && strings.HasSuffix(words[0], ":") {
		p.defaultHost = strings.TrimSuffix(words[0], ":")
		p.complain("the address %s becomes that of the lines below", p.defaultHost)
		return
	}
	if len(words) < 6 {
		p.complain("parse error: the line is ignored")
		return
	}
	e := p.fields(words)
	if !p.waitBusybox(words[3], &e) || !p.protocolBusybox(&e) {
		return
	}
	e.User, e.Group = splitUser(words[4], ".:")
	if len(e.Args) > maxArgsBusybox {
		p.complain("the arguments from the %dth on become one", maxArgsBusybox)
		e.Args = append(e.Args[:maxArgsBusybox-1:maxArgsBusybox-1], fieldsFrom(line, 6+maxArgsBusybox-1))
	}
	if len(e.Args) == 0 {
		e.Args = []string{e.Program}
	}
	p.entries = append(p.entries, e)
}

func (p *parser) waitBusybox(word string, e *Entry) bool {
	word, limit, ok := strings.Cut(word, ".")
	if ok {
		if e.Limit, ok = wholeNumber(limit); !ok {
			return p.complain("parse error in %q: the line is ignored", limit)
		}
	}
	e.Wait = word == "wait"
	if word != "wait" && word != "nowait" {
		return p.complain("parse error in %q: the line is ignored", word)
	}
	return true
}

func (p *parser) protocolBusybox(e *Entry) bool {
	switch strings.TrimSuffix(e.Protocol, "6") {
	case "unix", "tcp", "udp":
		return true
	}
	return p.complain("parse error in %q: the line is ignored", e.Protocol)
}

// fieldsFrom returns the rest of a line from its nth field on, from 0.
func fieldsFrom(line string, n int) string {
	for range n {
		line = strings.TrimLeftFunc(line, blank)
		line = strings.TrimLeftFunc(line, func(r rune) bool { return !blank(r) })
	}
	return strings.TrimLeftFunc(line, blank)
}

func blank(r rune) bool { return r == ' ' || r == '\t' }
