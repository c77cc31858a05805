// Package inetdconf reads inetd.conf the way each of five inetd programs does:
// the same word splitting, quoting, limits and silent losses. It says what a
// program would make of a line on machines where that program can not run. It
// reads the services of xinetd as well, whose files are others.
//
// Sources: FreeBSD usr.sbin/inetd/inetd.c; NetBSD usr.sbin/inetd/parse.c;
// OpenBSD usr.sbin/inetd/inetd.c, which Debian packages as openbsd-inetd; GNU
// inetutils src/inetd.c with libinetutils/argcv.c; busybox networking/inetd.c
// with libbb/parse_config.c. The third and fourth were also run against what
// is read here.
package inetdconf

import (
	"fmt"
	"strconv"
	"strings"
)

// Dialect names one inetd program.
type Dialect string

// The dialects.
const (
	FreeBSD   Dialect = "freebsd"
	NetBSD    Dialect = "netbsd"
	OpenBSD   Dialect = "openbsd" // and Debian's openbsd-inetd
	Inetutils Dialect = "inetutils"
	Busybox   Dialect = "busybox"
)

// Values lists every dialect.
func (Dialect) Values() []string {
	return []string{"freebsd", "netbsd", "openbsd", "inetutils", "busybox"}
}

// NoLimit is the Limit of an entry that names none, so that the program's own
// default holds.
const NoLimit = -1

// Entry is one service as the program understands it.
type Entry struct {
	Line int // where it begins, from 1

	// Host is the address to listen on, as written; "" is any, or what an
	// earlier "host:" line set, which is DefaultHost.
	Host        string
	DefaultHost string
	Service     string // path of a socket, number of a port, or name of a service

	// SocketUser, SocketGroup and SocketMode are those of a socket on disk,
	// which only FreeBSD's inetd can set; SocketUser is "" where it is not set.
	SocketUser, SocketGroup string
	SocketMode              uint32

	SocketType string // "stream"; a word that the program does not know stays as it is
	Protocol   string // "unix", "tcp", "tcp4", "tcp6"
	Wait       bool

	// Limit is the number of processes at a time (FreeBSD), or of starts a
	// minute (the others); NoLimit where the entry has none. FreeBSD also has
	// connections a minute, and processes, from one address; NetBSD connections.
	Limit, PerAddressMinute, PerAddress int

	User, Group, Class string // Class is FreeBSD's login class
	Program            string
	Args               []string // with argv[0]
}

// Problem is what the program logs, or does without a word, about a line.
type Problem struct {
	Line    int
	Message string
	Fatal   bool // the program ends, or reads no further
}

// String returns "line 3: message".
func (p Problem) String() string { return fmt.Sprintf("line %d: %s", p.Line, p.Message) }

// Parse reads a whole file as the program of the dialect does. Entries that
// the program skips are missing, and named by a problem.
func Parse(d Dialect, text string) ([]Entry, []Problem) {
	p := &parser{reader: reader{text: text}}
	switch d {
	case FreeBSD:
		p.size, p.next, p.entry = 2048, wordFreeBSD, p.entryFreeBSD
	case NetBSD:
		p.size, p.next, p.entry = 2048, wordNetBSD, p.entryNetBSD
	case OpenBSD:
		p.size, p.next, p.entry = 1024, wordPlain, p.entryOpenBSD
	case Inetutils:
		return p.parseInetutils()
	case Busybox:
		return p.parseBusybox()
	default:
		return nil, []Problem{{Message: "unknown dialect " + string(d), Fatal: true}}
	}
	return p.parseBSD()
}

// parser collects what one file holds.
type parser struct {
	reader
	entry    func(first string, e *Entry) bool // the rest of an entry whose first word is read; false skips it
	entries  []Entry
	problems []Problem
	started  int  // line of the entry being read
	ended    bool // a fatal problem

	more        bool   // of the line, another entry begins in rest (NetBSD)
	defaultHost string // of a line "host:"
}

func (p *parser) complain(format string, args ...any) bool {
	p.problems = append(p.problems, Problem{Line: p.started, Message: fmt.Sprintf(format, args...)})
	return false
}

func (p *parser) fail(format string, args ...any) bool {
	p.complain(format, args...)
	p.problems[len(p.problems)-1].Fatal = true
	p.ended = true
	return false
}

// parseBSD is the loop that the three programs of BSD descent share.
func (p *parser) parseBSD() ([]Entry, []Problem) {
	for !p.ended && (p.more || p.line()) {
		p.more = false
		p.started = p.number
		if strings.HasPrefix(p.rest, "#@") {
			p.complain("a comment that begins with #@ is an IPsec policy")
		}
		if strings.HasPrefix(p.rest, "#") {
			continue
		}
		first, ok := p.word()
		if !ok {
			continue
		}
		e := Entry{Line: p.started, Limit: NoLimit, PerAddressMinute: NoLimit, PerAddress: NoLimit}
		if p.entry(first, &e) {
			p.entries = append(p.entries, e)
		}
	}
	return p.entries, p.problems
}

// args reads the argument vector: all words that are left.
func (p *parser) args() []string {
	var args []string
	for {
		word, ok := p.word()
		if !ok {
			return args
		}
		args = append(args, word)
	}
}

// words reads the next words of an entry, all of which must be there.
func (p *parser) words(into ...*string) bool {
	for _, w := range into {
		word, ok := p.word()
		if !ok {
			return false
		}
		*w = word
	}
	return true
}

// splitHost cuts "host:service" at the last colon.
func splitHost(word string) (host, service string, found bool) {
	at := strings.LastIndexByte(word, ':')
	if at < 0 {
		return "", word, false
	}
	return word[:at], word[at+1:], true
}

// splitUser cuts "user.group" or "user:group" at the first of the separators
// that occurs, tried in the order given.
func splitUser(word, separators string) (user, group string) {
	for _, sep := range separators {
		if user, group, ok := strings.Cut(word, string(sep)); ok {
			return user, group
		}
	}
	return word, ""
}

// leadingNumber reads the decimal digits that a word begins with, as strtoul does.
func leadingNumber(word string) (n int, rest string, ok bool) {
	end := 0
	for end < len(word) && word[end] >= '0' && word[end] <= '9' {
		end++
	}
	n, err := strconv.Atoi(word[:end])
	return n, word[end:], err == nil
}
