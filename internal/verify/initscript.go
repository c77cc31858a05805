package verify

import (
	"bytes"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"scgikit/internal/fileset"
)

// The places of scripts that an init runs.
const (
	initPlace = "init.d"
	rcPlace   = "rc.d"
)

// openrcShebang is the first line of a service script of OpenRC.
const openrcShebang = "#!/sbin/openrc-run"

// checkInits reads service scripts as the init of each does, as far as it reads
// them itself: the dependencies, and the variables that must have a shape. None
// has a test of its own.
//
// Sources: openrc-run(8) and supervise-daemon(8); rc.subr(8) and rcorder(8) of
// FreeBSD; LSB 5.0, Comment Conventions for Init Scripts.
func checkInits(set *fileset.Set) []Result {
	var out []Result
	for _, target := range targetsOf(set) {
		r := Result{Target: target, Checker: "service scripts"}
		for _, f := range filesOf(set, target) {
			if f.Kind != fileset.Regular || f.Place != initPlace && f.Place != rcPlace {
				continue
			}
			r.Files++
			s := &serviceScript{file: f, lines: strings.Split(string(f.Data), "\n")}
			switch {
			case f.Mode&0o100 == 0:
				s.complain(0, "can not be executed")
			case f.Place == rcPlace:
				s.freebsd()
			case s.lines[0] == openrcShebang:
				s.openrc()
			default:
				s.lsb()
			}
			r.Complaints = append(r.Complaints, s.complaints...)
		}
		if r.Files == 0 {
			continue
		}
		if len(r.Complaints) > 0 {
			r.Outcome = Rejected
		}
		out = append(out, r)
	}
	return out
}

// serviceScript is one script, and what is wrong with it.
type serviceScript struct {
	file       fileset.File
	lines      []string
	complaints []Complaint
}

func (s *serviceScript) complain(line int, format string, args ...any) {
	s.complaints = append(s.complaints, Complaint{Path: s.file.Path, Line: line, Message: fmt.Sprintf(format, args...)})
}

// name is the name of the file, which is that of the service.
func (s *serviceScript) name() string { return path.Base(s.file.Path) }

var (
	// NAME=value, or : "${NAME:=value}", at the start of a line.
	assignment = regexp.MustCompile(`^(?:([A-Za-z_][A-Za-z0-9_]*)=(.*)|: "\$\{([A-Za-z_][A-Za-z0-9_]*):=([^}]*)\}")$`)
	// A name with "-" that is assigned to: sh -n takes it, for a word that stands
	// in for a variable that is not set.
	badVariable = regexp.MustCompile(`\$\{[A-Za-z0-9_]*-[A-Za-z0-9_-]*:?=`)
	identifier  = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	number      = regexp.MustCompile(`^[0-9]{1,9}$`)
	schedule    = regexp.MustCompile(`^SIG[A-Z0-9]+/[0-9]+(?:/SIG[A-Z0-9]+/[0-9]+)*$`)
)

// variables returns what the script assigns, with the line of each.
func (s *serviceScript) variables() (values map[string]string, lines map[string]int) {
	values, lines = make(map[string]string), make(map[string]int)
	for i, line := range s.lines {
		m := assignment.FindStringSubmatch(line)
		switch {
		case m == nil:
		case m[1] != "":
			values[m[1]], lines[m[1]] = strings.Trim(m[2], `"'`), i+1
		default:
			values[m[3]], lines[m[3]] = m[4], i+1
		}
	}
	return values, lines
}

// require complains of a variable that has not got a shape. A missing one has
// none, unless it may be left out.
func (s *serviceScript) require(values map[string]string, lines map[string]int, name string, shape *regexp.Regexp, optional bool) {
	value, ok := values[name]
	switch {
	case !ok && optional:
	case !ok:
		s.complain(0, "does not set %s", name)
	case !shape.MatchString(value):
		s.complain(lines[name], "%s is %q, which supervise-daemon does not take", name, value)
	}
}

func (s *serviceScript) openrc() {
	values, lines := s.variables()
	s.require(values, lines, "supervisor", regexp.MustCompile(`^supervise-daemon$`), false)
	s.require(values, lines, "command", regexp.MustCompile(`.`), false)
	s.require(values, lines, "pidfile", regexp.MustCompile(`^/`), false)
	// Without it, supervise-daemon gives up after ten restarts, however late.
	s.require(values, lines, "respawn_max", number, false)
	s.require(values, lines, "respawn_delay", regexp.MustCompile(`^[1-9][0-9]{0,8}$`), true)
	s.require(values, lines, "respawn_period", regexp.MustCompile(`^[1-9][0-9]{0,8}$`), true)
	s.require(values, lines, "retry", schedule, false)
	if !slices.Contains(s.lines, "depend() {") {
		s.complain(0, "has no depend")
	}
}

func (s *serviceScript) freebsd() {
	values, lines := s.variables()
	name := values["name"]
	if !identifier.MatchString(name) {
		s.complain(lines["name"], "name is %q, and rc.subr makes names of variables of it", name)
	}
	if name != s.name() {
		s.complain(lines["name"], "name is %q, and service(8) looks for the file of that name", name)
	}
	if values["rcvar"] != name+"_enable" {
		s.complain(lines["rcvar"], "rcvar is %q, not %s_enable", values["rcvar"], name)
	}
	provides, keywords := false, false
	for i, line := range s.lines {
		provides = provides || line == "# PROVIDE: "+name
		keywords = keywords || strings.HasPrefix(line, "# KEYWORD:")
		if badVariable.MatchString(line) {
			s.complain(i+1, "has a variable whose name is none to a shell")
		}
	}
	if !provides {
		s.complain(0, "does not provide %s, so rcorder knows it by no name", name)
	}
	if !keywords {
		s.complain(0, "has no KEYWORD, so it is not stopped at shutdown")
	}
	if text := bytes.TrimSpace(s.file.Data); !bytes.HasSuffix(text, []byte("\nrun_rc_command \"$1\"")) {
		s.complain(0, "does not end with run_rc_command")
	}
}

// lsb reads the block of an LSB script.
func (s *serviceScript) lsb() {
	begin, end := slices.Index(s.lines, "### BEGIN INIT INFO"), slices.Index(s.lines, "### END INIT INFO")
	if begin < 0 || end < begin {
		s.complain(0, "has no block INIT INFO")
		return
	}
	words := make(map[string][]string)
	for i, line := range s.lines[begin+1 : end] {
		key, value, ok := strings.Cut(strings.TrimPrefix(line, "# "), ":")
		if !ok || !strings.HasPrefix(line, "# ") {
			s.complain(begin+i+2, "stands in the block INIT INFO, and has no keyword")
			continue
		}
		words[key] = strings.Fields(value)
	}
	if got := words["Provides"]; len(got) != 1 || got[0] != s.name() {
		s.complain(begin+1, "provides %q, and is %s", got, s.name())
	}
	for key, levels := range map[string]string{"Default-Start": "2345", "Default-Stop": "016S"} {
		if len(words[key]) == 0 {
			s.complain(begin+1, "has no %s", key)
		}
		for _, level := range words[key] {
			if len(level) != 1 || !strings.Contains(levels, level) {
				s.complain(begin+1, "has the runlevel %q in %s", level, key)
			}
		}
	}
	for _, key := range []string{"Required-Start", "Required-Stop", "Short-Description"} {
		if len(words[key]) == 0 {
			s.complain(begin+1, "has no %s", key)
		}
	}
}
