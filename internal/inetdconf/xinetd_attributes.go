package inetdconf

import (
	"slices"
	"strconv"
	"strings"
)

// xinetdEntry is a service while it is read.
type xinetdEntry struct {
	XinetdService
	set        map[string]bool // attributes with a value that holds
	nameInArgs bool            // the flag was there when server_args was read
	disabled   bool
}

func newXinetdService(name string, line int) *xinetdEntry {
	return &xinetdEntry{
		XinetdService: XinetdService{Line: line, Name: name, Umask: -1, Instances: NoLimit, PerSource: NoLimit, PerSecond: 50, Pause: 10},
		set:           make(map[string]bool),
	}
}

// How many values an attribute takes.
const (
	anyNumber  = -1 // set once
	modifiable = -2 // any number, set as often as there is an operator
)

// xinetdAttribute says how an attribute is read: with how many values, and by
// what. The function reports why the service is disabled, or "".
type xinetdAttribute struct {
	name   string
	values int
	read   func(s *xinetdEntry, op string, values []string) string
}

// xinetdAttributes are those of a service, as src/parse.c has them.
func xinetdAttributes() []xinetdAttribute {
	ignored := func(*xinetdEntry, string, []string) string { return "" }
	return []xinetdAttribute{
		{"socket_type", 1, toWord(func(s *xinetdEntry) *string { return &s.SocketType }, "stream", "dgram", "raw", "seqpacket")},
		{"protocol", 1, toText(func(s *xinetdEntry) *string { return &s.Protocol })},
		{"wait", 1, toBool(func(s *xinetdEntry) *bool { return &s.Wait })},
		{"user", 1, toText(func(s *xinetdEntry) *string { return &s.User })},
		{"group", 1, toText(func(s *xinetdEntry) *string { return &s.Group })},
		{"server", 1, toText(func(s *xinetdEntry) *string { return &s.Program })},
		{"server_args", anyNumber, readServerArgs},
		{"instances", 1, toLimit(func(s *xinetdEntry) *int { return &s.Instances })},
		{"log_on_success", modifiable, flagNames("HOST", "DURATION", "EXIT", "PID", "USERID", "TRAFFIC")},
		{"log_on_failure", modifiable, flagNames("HOST", "ATTEMPT", "USERID")},
		{"log_type", anyNumber, ignored},
		{"only_from", modifiable, readOnlyFrom},
		{"no_access", modifiable, ignored},
		{"access_times", anyNumber, ignored},
		{"type", anyNumber, readTypes},
		{"rpc_version", 1, ignored},
		{"rpc_number", 1, ignored},
		{"id", 1, toText(func(s *xinetdEntry) *string { return &s.ID })},
		{"env", modifiable, readEnv},
		{"port", 1, toNumber(func(s *xinetdEntry) *int { return &s.Port }, 0, 65535)},
		{"passenv", modifiable, readPassEnv},
		{"flags", anyNumber, readFlags},
		{"nice", 1, toNumber(func(s *xinetdEntry) *int { return &s.Nice }, -1<<31, 1<<31-1)},
		{"redirect", 2, ignored},
		{"banner", 1, ignored},
		{"bind", 1, toText(func(s *xinetdEntry) *string { return &s.Bind })},
		{"interface", 1, toText(func(s *xinetdEntry) *string { return &s.Bind })},
		{"per_source", 1, toLimit(func(s *xinetdEntry) *int { return &s.PerSource })},
		{"groups", 1, toBool(func(s *xinetdEntry) *bool { return &s.Groups })},
		{"banner_success", 1, ignored},
		{"banner_fail", 1, ignored},
		{"cps", 2, readPerSecond},
		{"disable", 1, toBool(func(s *xinetdEntry) *bool { return &s.disabled })},
		{"max_load", 1, ignored},
		{"rlimit_as", 1, ignored},
		{"rlimit_cpu", 1, ignored},
		{"rlimit_data", 1, ignored},
		{"rlimit_files", 1, ignored},
		{"rlimit_rss", 1, ignored},
		{"rlimit_stack", 1, ignored},
		{"v6only", 1, toBool(func(s *xinetdEntry) *bool { return &s.V6Only })},
		{"deny_time", 1, ignored},
		{"umask", 1, readUmask},
		{"libwrap", 1, ignored},
	}
}

// attribute takes one line of a service. What is wrong with it is ignored, or
// disables the service.
func (x *xinetd) attribute(s *xinetdEntry, name, op string, values []string) {
	all := xinetdAttributes()
	at := slices.IndexFunc(all, func(a xinetdAttribute) bool { return a.name == name })
	if at < 0 {
		x.complain("bad service attribute: %s", name)
		return
	}
	a := &all[at]
	if name == "interface" {
		name = "bind" // two names of one
	}
	switch {
	case a.values != modifiable && s.set[name]:
		x.complain("service %s: attribute already set: %s", s.Name, name)
	case a.values != modifiable && op != "=":
		x.complain("service %s: operator %s cannot be used for attribute %s", s.Name, op, name)
	case a.values > 0 && len(values) != a.values:
		x.complain("attribute %s expects %d values and %d values were specified", name, a.values, len(values))
	default:
		if why := a.read(s, op, values); why != "" {
			x.complain("service %s: %s: %s", s.Name, name, why)
			s.disabled = true
			return
		}
		s.set[name] = true
	}
}

func toText(field func(*xinetdEntry) *string) func(*xinetdEntry, string, []string) string {
	return func(s *xinetdEntry, _ string, values []string) string {
		*field(s) = values[0]
		return ""
	}
}

func toWord(field func(*xinetdEntry) *string, words ...string) func(*xinetdEntry, string, []string) string {
	return func(s *xinetdEntry, _ string, values []string) string {
		if !slices.Contains(words, values[0]) {
			return "bad value " + values[0]
		}
		*field(s) = values[0]
		return ""
	}
}

func toBool(field func(*xinetdEntry) *bool) func(*xinetdEntry, string, []string) string {
	return func(s *xinetdEntry, _ string, values []string) string {
		if values[0] != "yes" && values[0] != "no" {
			return "bad value " + values[0]
		}
		*field(s) = values[0] == "yes"
		return ""
	}
}

func toNumber(field func(*xinetdEntry) *int, least, most int) func(*xinetdEntry, string, []string) string {
	return func(s *xinetdEntry, _ string, values []string) string {
		n, err := strconv.Atoi(values[0])
		if err != nil || n < least || n > most {
			return "bad number " + values[0]
		}
		*field(s) = n
		return ""
	}
}

func toLimit(field func(*xinetdEntry) *int) func(*xinetdEntry, string, []string) string {
	plain := toNumber(field, 0, 1<<31-1)
	return func(s *xinetdEntry, op string, values []string) string {
		if values[0] == "UNLIMITED" {
			*field(s) = NoLimit
			return ""
		}
		return plain(s, op, values)
	}
}

func flagNames(words ...string) func(*xinetdEntry, string, []string) string {
	return func(_ *xinetdEntry, _ string, values []string) string {
		for _, value := range values {
			if !slices.Contains(words, value) {
				return "bad flag " + value
			}
		}
		return ""
	}
}

func readTypes(s *xinetdEntry, op string, values []string) string {
	s.Types = values
	if len(values) == 0 {
		return "at least 1 value is expected"
	}
	return flagNames("RPC", "INTERNAL", "UNLISTED", "SPECIAL", "TCPMUX", "TCPMUXPLUS")(s, op, values)
}

func readFlags(s *xinetdEntry, op string, values []string) string {
	s.Flags = values
	if len(values) == 0 {
		return "at least 1 value is expected"
	}
	return flagNames("REUSE", "INTERCEPT", "NORETRY", "IDONLY", "NAMEINARGS", "NODELAY", "KEEPALIVE", "NOLIBWRAP", "SENSOR", "IPv4", "IPv6", "LABELED")(s, op, values)
}

func readServerArgs(s *xinetdEntry, _ string, values []string) string {
	if len(values) == 0 {
		return "at least 1 value is expected"
	}
	s.Args, s.nameInArgs = values, slices.Contains(s.Flags, "NAMEINARGS")
	return ""
}

// change does what an operator says to a list.
func change(list []string, op string, values []string) []string {
	switch op {
	case "=":
		list = nil
	case "-=":
		return slices.DeleteFunc(slices.Clone(list), func(word string) bool { return slices.Contains(values, word) })
	}
	return append(append([]string{}, list...), values...)
}

func readOnlyFrom(s *xinetdEntry, op string, values []string) string {
	for _, value := range values {
		if strings.Contains(value, ",") && !strings.Contains(value, "{") {
			return value + " has a comma in it"
		}
	}
	s.OnlyFrom = change(s.OnlyFrom, op, values)
	return ""
}

func readEnv(s *xinetdEntry, op string, values []string) string {
	if op == "-=" {
		return "the operator -= is not supported"
	}
	for _, value := range values {
		if !strings.Contains(value, "=") {
			return value + " has no '='"
		}
	}
	s.Env = change(s.Env, op, values)
	return ""
}

// readPassEnv takes names once.
func readPassEnv(s *xinetdEntry, op string, values []string) string {
	var names []string
	for _, name := range change(s.PassEnv, op, values) {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	s.PassEnv = append([]string{}, names...)
	return ""
}

func readPerSecond(s *xinetdEntry, _ string, values []string) string {
	var numbers [2]int
	for i := range numbers {
		n, err := strconv.ParseUint(values[i], 10, 31)
		if err != nil {
			return "bad number " + values[i]
		}
		numbers[i] = int(n)
	}
	s.PerSecond, s.Pause = numbers[0], numbers[1]
	return ""
}

func readUmask(s *xinetdEntry, _ string, values []string) string {
	n, err := strconv.ParseUint(values[0], 8, 32)
	if err != nil || n > 0o777 {
		return "bad mask " + values[0]
	}
	s.Umask = int(n)
	return ""
}
