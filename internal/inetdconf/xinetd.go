package inetdconf

import (
	"fmt"
	"slices"
	"strings"
)

// XinetdService is one service as xinetd understands it. What is not written
// has the value that xinetd gives it; a block "defaults" of another file may
// give it another.
type XinetdService struct {
	Line     int // of the word "service", from 1
	Name, ID string

	Types, Flags         []string
	SocketType, Protocol string
	Port                 int
	Bind                 string // "" is every address
	V6Only               bool
	OnlyFrom             []string // nil lets everybody in
	Wait                 bool
	User, Group          string
	Groups               bool // those of the user
	Umask                int  // -1 is xinetd's own
	Nice                 int

	// Instances and PerSource are processes at a time; NoLimit for any number.
	Instances, PerSource int

	// PerSecond is connections a second, above which the service is closed for
	// Pause seconds; 0 is no limit.
	PerSecond, Pause int

	PassEnv []string // nil passes everything
	Env     []string

	Program string
	Args    []string // with argv[0]
}

// ParseXinetd reads a file of /etc/xinetd.d as xinetd 2.3.15.3 does. Services
// that it leaves out are missing, and named by a problem, as is everything that
// it ignores. What depends on the machine is not looked at: whether the user,
// the program and the protocol are there. A file that is included, a block
// "defaults", a service inside xinetd and one whose port is in /etc/services are
// named by a problem too.
//
// Source: xinetd 2.3.15.3, src/parse.c, src/parsers.c, src/parsesup.c,
// src/confparse.c; also run against what is read here.
func ParseXinetd(text string) ([]XinetdService, []Problem) {
	x := &xinetd{text: text}
	for {
		line, ok := x.line()
		if !ok {
			return x.services, x.problems
		}
		x.entry(line)
	}
}

// maxXinetdLine is a block of most file systems. A longer line is cut or not,
// as the blocks of the file fall.
const maxXinetdLine = 4096

// xinetd reads one file.
type xinetd struct {
	text     string
	number   int // of the line last read
	services []XinetdService
	problems []Problem
}

func (x *xinetd) complain(format string, args ...any) {
	x.problems = append(x.problems, Problem{Line: x.number, Message: fmt.Sprintf(format, args...)})
}

// line returns the next line that is neither empty nor a comment.
func (x *xinetd) line() (line string, ok bool) {
	for x.text != "" {
		line, x.text, _ = strings.Cut(x.text, "\n")
		x.number++
		if len(line) >= maxXinetdLine {
			x.complain("the line is longer than %d bytes, and may be cut", maxXinetdLine-1)
		}
		line, _, _ = strings.Cut(line, "\x00") // a C string
		if first := strings.TrimLeftFunc(line, isSpace); first != "" && first[0] != '#' {
			return line, true
		}
	}
	return "", false
}

// isSpace is isspace of C.
func isSpace(r rune) bool { return strings.ContainsRune(" \t\n\v\f\r", r) }

// only reports whether a line holds a brace and nothing else.
func only(line, brace string) bool { return strings.TrimFunc(line, isSpace) == brace }

// entry reads an entry that begins with the line.
func (x *xinetd) entry(line string) {
	words := strings.FieldsFunc(line, blank)
	if len(words) == 0 {
		return // other white space alone can not begin a line that is not empty
	}
	switch words[0] {
	case "service", "include", "includedir":
		if len(words) < 2 {
			x.complain("service name missing")
			x.skip()
			return
		}
	case "defaults":
		x.complain("defaults are for all services")
		x.skip()
		return
	default:
		x.complain("missing service keyword: %s", words[0])
		x.skip()
		return
	}
	if words[0] != "service" {
		x.complain("%s is not read here", words[1])
		return
	}
	s := newXinetdService(words[1], x.number)
	if line, ok := x.line(); !ok || !only(line, "{") {
		x.complain("service %s: missing '{'", s.Name)
		x.skip()
		return
	}
	if !x.attributes(s) {
		x.skip()
		return
	}
	if x.complete(s) {
		x.services = append(x.services, s.XinetdService)
	}
}

// skip reads up to the end of an entry.
func (x *xinetd) skip() {
	for {
		line, ok := x.line()
		if !ok {
			x.complain("missing '}' in the last entry")
			return
		}
		if only(line, "}") {
			return
		}
	}
}

// attributes reads what stands between the braces; false leaves the service out
// and its rest unread.
func (x *xinetd) attributes(s *xinetdEntry) bool {
	for {
		line, ok := x.line()
		if !ok {
			x.complain("incomplete entry")
			return false
		}
		if only(line, "}") {
			return true
		}
		name, op, values, why := splitXinetd(line)
		if why != "" {
			x.complain("service %s: %s", s.Name, why)
			return false
		}
		x.attribute(s, name, op, values)
		if name == "disable" && s.disabled {
			x.complain("service %s is disabled: the rest of it is not read", s.Name)
			return false
		}
	}
}

// splitXinetd splits "name = value value". A name ends at white space and not at
// the operator, and values are separated by spaces and tabs alone.
func splitXinetd(line string) (name, op string, values []string, why string) {
	line = strings.TrimLeftFunc(line, isSpace)
	end := strings.IndexFunc(line, func(r rune) bool { return isSpace(r) || r == '=' })
	if end < 0 {
		return "", "", nil, "nothing after attribute " + line
	}
	name = line[:end]
	if line[end] == '=' {
		return "", "", nil, "attribute " + name + " needs a space before the operator"
	}
	rest := strings.TrimLeftFunc(line[end:], isSpace)
	if rest == "" {
		return "", "", nil, "nothing after attribute " + name
	}
	for _, op := range []string{"=", "+=", "-="} {
		if values, ok := strings.CutPrefix(rest, op); ok {
			return name, op, strings.FieldsFunc(values, blank), ""
		}
	}
	return "", "", nil, "bad operator for attribute " + name
}

// complete takes the protocol from the type of the socket, or the other way round.
func (s *xinetdEntry) complete() {
	for _, pair := range [][2]string{{"stream", "tcp"}, {"dgram", "udp"}} {
		switch {
		case !s.set["protocol"] && s.SocketType == pair[0]:
			s.Protocol, s.set["protocol"] = pair[1], true
		case !s.set["socket_type"] && s.Protocol == pair[1]:
			s.SocketType, s.set["socket_type"] = pair[0], true
		}
	}
}

// complete checks a whole service, and fills in what is not written.
func (x *xinetd) complete(s *xinetdEntry) bool {
	refuse := func(format string, args ...any) bool {
		x.complain("service %s: "+format, slices.Concat([]any{s.Name}, args)...)
		return false
	}
	if s.ID == "" {
		s.ID = s.Name
	}
	if slices.ContainsFunc(s.Types, func(name string) bool { return name != "UNLISTED" }) || slices.Contains(s.Flags, "SENSOR") {
		return refuse("it is a service inside xinetd, or one of RPC or TCPMUX")
	}
	if s.disabled {
		return refuse("it is disabled")
	}
	s.complete()
	for _, name := range []string{"socket_type", "wait", "user", "server"} {
		if !s.set[name] {
			return refuse("missing attribute %s", name)
		}
	}
	if !slices.Contains(s.Types, "UNLISTED") {
		return refuse("it is not UNLISTED, so that its port is looked up in /etc/services")
	}
	for _, name := range []string{"protocol", "port"} {
		if !s.set[name] {
			return refuse("missing attribute %s", name)
		}
	}
	if s.Name == "intercept" || s.Name == "logging" {
		return refuse("xinetd has a service of this name, and checks neither address nor number of connections")
	}
	switch nameInArgs := slices.Contains(s.Flags, "NAMEINARGS"); {
	case nameInArgs && !s.set["server_args"]:
		return refuse("the flag NAMEINARGS needs server_args")
	case !s.set["server_args"] || !s.nameInArgs:
		// Where the flag comes after the arguments, the first one is lost to it.
		s.Args = append([]string{s.Program[strings.LastIndexByte(s.Program, '/')+1:]}, s.Args...)
		if nameInArgs && !s.nameInArgs {
			return refuse("the flag NAMEINARGS has to stand before server_args")
		}
	}
	return true
}
