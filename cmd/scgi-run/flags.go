package main

import (
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"scgikit/bridge"
	"scgikit/internal/accounts"
)

// option is a flag of a program. The package flag of the standard library is
// not used because it brings fmt and reflect, which cost start-up time.
type option struct {
	name  string // without the dashes
	value string // what stands for its value in the help text; "" for a switch
	help  string
	set   func(value string) error // value is "" for a switch
}

// usageError is a wrong command line.
type usageError string

func (e usageError) Error() string { return string(e) }

// errHelp is -h or --help.
const errHelp = usageError("help")

// parseFlags applies the flags at the start of args and returns what follows
// them. Flags are written --name VALUE or --name=VALUE, and "--" ends them.
func parseFlags(options []option, args []string) (rest []string, err error) {
	for len(args) > 0 {
		arg := args[0]
		if arg == "" || arg[0] != '-' || arg == "-" {
			return args, nil
		}
		args = args[1:]
		if arg == "--" {
			return args, nil
		}
		if arg == "-h" || arg == "--help" {
			return nil, errHelp
		}
		name, value, hasValue := strings.Cut(strings.TrimPrefix(arg, "--"), "=")
		o := findOption(options, name)
		switch {
		case o == nil || !strings.HasPrefix(arg, "--"):
			return nil, usageError("no flag " + arg + ": see -h")
		case o.value == "" && hasValue:
			return nil, usageError("flag --" + name + " takes no value")
		case o.value != "" && !hasValue:
			if len(args) == 0 {
				return nil, usageError("flag --" + name + " needs a value: " + o.value)
			}
			value, args = args[0], args[1:]
		}
		if err := o.set(value); err != nil {
			return nil, usageError("flag --" + name + ": " + err.Error())
		}
	}
	return nil, nil
}

func findOption(options []option, name string) *option {
	for i := range options {
		if options[i].name == name {
			return &options[i]
		}
	}
	return nil
}

// describe lists flags for a help text.
func describe(options []option) string {
	const column = 26
	var b strings.Builder
	for _, o := range options {
		flag := "  --" + o.name
		if o.value != "" {
			flag += " " + o.value
		}
		b.WriteString(flag)
		b.WriteString(strings.Repeat(" ", max(1, column-utf8.RuneCountInString(flag))))
		b.WriteString(strings.ReplaceAll(o.help, "\n", "\n"+strings.Repeat(" ", column)))
		b.WriteByte('\n')
	}
	return b.String()
}

func setString(to *string) func(string) error {
	return func(value string) error {
		*to = value
		return nil
	}
}

func setBool(to *bool, value bool) func(string) error {
	return func(string) error {
		*to = value
		return nil
	}
}

func appendString(to *[]string) func(string) error {
	return func(value string) error {
		*to = append(*to, value)
		return nil
	}
}

// setDuration takes a Go duration that is longer than nothing.
func setDuration(to *time.Duration) func(string) error {
	return func(value string) error {
		d, err := time.ParseDuration(value)
		if err != nil || d <= 0 {
			return usageError(strconv.Quote(value) + " is not a time like 10s or 1m30s")
		}
		*to = d
		return nil
	}
}

// setSize takes a number of bytes, with KiB, MiB or GiB for multiples.
func setSize(to *int64) func(string) error {
	return func(value string) error {
		number, unit := value, int64(1)
		for _, u := range []struct {
			suffix string
			bytes  int64
		}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}} {
			if n, ok := strings.CutSuffix(value, u.suffix); ok {
				number, unit = n, u.bytes
			}
		}
		n, err := strconv.ParseUint(number, 10, 31)
		if unit == 1 {
			n, err = strconv.ParseUint(number, 10, 62)
		}
		if err != nil {
			return usageError(strconv.Quote(value) + " is not a size like 500000, 64KiB or 10MiB")
		}
		*to = int64(n) * unit // fits: 31 bits, and 30 for the unit
		return nil
	}
}

// addNames takes names of variables, separated by commas, into a list that the
// first use of the flag empties. An empty value leaves it empty.
func addNames(to *[]string) func(string) error {
	first := true
	return func(value string) error {
		if first {
			*to, first = nil, false
		}
		for name := range strings.SplitSeq(value, ",") {
			if name == "" {
				continue
			}
			if !isName(name) {
				return usageError(strconv.Quote(name) + " is not the name of a variable")
			}
			*to = append(*to, name)
		}
		return nil
	}
}

// addExceptions takes words of bridge.Exceptions, separated by commas.
func addExceptions(to *[]bridge.Exception) func(string) error {
	return func(value string) error {
		for word := range strings.SplitSeq(value, ",") {
			e := bridge.Exception(word)
			if !slices.Contains(bridge.Exceptions(), e) {
				return usageError(strconv.Quote(word) + " is none of hidden, backup, writable, setuid, owner")
			}
			*to = append(*to, e)
		}
		return nil
	}
}

// addVariable takes NAME=VALUE.
func addVariable(to *[]string) func(string) error {
	return func(value string) error {
		if name, _, ok := strings.Cut(value, "="); !ok || !isName(name) {
			return usageError(strconv.Quote(value) + " is not NAME=VALUE")
		}
		*to = append(*to, value)
		return nil
	}
}

// setUmask takes four octal digits.
func setUmask(to **int) func(string) error {
	return func(value string) error {
		mask, err := strconv.ParseUint(value, 8, 12)
		if err != nil || len(value) != 4 || mask > 0o777 {
			return usageError(strconv.Quote(value) + " is not a mask of four octal digits, like 0027")
		}
		n := int(mask)
		*to = &n
		return nil
	}
}

// setMode takes a file mode of three or four octal digits.
func setMode(to *uint32) func(string) error {
	return func(value string) error {
		mode, err := strconv.ParseUint(value, 8, 12)
		if err != nil || len(value) < 3 || len(value) > 4 || mode > 0o777 {
			return usageError(strconv.Quote(value) + " is not a mode like 0660")
		}
		*to = uint32(mode)
		return nil
	}
}

// setCount takes a number above 0.
func setCount(to *int) func(string) error {
	return func(value string) error {
		n, err := strconv.ParseUint(value, 10, 20)
		if err != nil || n == 0 {
			return usageError(strconv.Quote(value) + " is not a number from 1 to 1048575")
		}
		*to = int(n)
		return nil
	}
}

// setOwner takes a user, a group or both, by name or by number.
func setOwner(uid, gid *int) func(string) error {
	return func(value string) error {
		user, group, _ := strings.Cut(value, ":")
		if user == "" && group == "" {
			return usageError("want USER, :GROUP or USER:GROUP")
		}
		if user != "" {
			if n, err := strconv.ParseUint(user, 10, 31); err == nil {
				*uid = int(n)
			} else if a, ok := accounts.Find(user); ok {
				*uid = int(a.UID)
			} else {
				return usageError("no user " + user + " in /etc/passwd")
			}
		}
		if group != "" {
			if n, err := strconv.ParseUint(group, 10, 31); err == nil {
				*gid = int(n)
			} else if n, ok := accounts.FindGroup(group); ok {
				*gid = int(n)
			} else {
				return usageError("no group " + group + " in /etc/group")
			}
		}
		return nil
	}
}

// setNice takes a number that can be added to a niceness.
func setNice(to *int) func(string) error {
	return func(value string) error {
		n, err := strconv.Atoi(value)
		if err != nil || n < -20 || n > 19 {
			return usageError(strconv.Quote(value) + " is not a number from -20 to 19")
		}
		*to = n
		return nil
	}
}

func limitFlag(to *[]bridge.Limit) option {
	return option{
		"limit", "NAME=N[,…]",
		"limit of the program: nofile, nproc, memory (500MiB),\ncore, cpu (seconds); soft and hard (may be repeated)",
		addLimits(to),
	}
}

// addLimits takes limits, separated by commas.
func addLimits(to *[]bridge.Limit) func(string) error {
	return func(value string) error {
		for word := range strings.SplitSeq(value, ",") {
			name, number, _ := strings.Cut(word, "=")
			l := bridge.Limit{Resource: bridge.Resource(name)}
			if !slices.Contains(bridge.Resources(), l.Resource) {
				return usageError(strconv.Quote(word) + " is not NAME=N with one of the names core, cpu, nofile, nproc, memory")
			}
			var err error
			if l.Value, err = limitValue(l.Resource, number); err != nil {
				return usageError(name + ": " + err.Error())
			}
			*to = append(*to, l)
		}
		return nil
	}
}

// limitValue reads a size for what is counted in bytes, else a plain number.
// Only a core file may be limited to nothing: a program could not even start.
func limitValue(r bridge.Resource, text string) (uint64, error) {
	if r == bridge.LimitCore || r == bridge.LimitMemory {
		var bytes int64
		if err := setSize(&bytes)(text); err != nil {
			return 0, err
		}
		if bytes == 0 && r == bridge.LimitMemory {
			return 0, usageError("0 leaves the program nothing")
		}
		return uint64(bytes), nil //nolint:gosec // setSize takes no negative ones
	}
	n, err := strconv.ParseUint(text, 10, 62)
	if err != nil || n == 0 {
		return 0, usageError(strconv.Quote(text) + " is not a number above 0")
	}
	return n, nil
}

// setMount takes a URL prefix.
func setMount(to *string) func(string) error {
	return func(value string) error {
		if !strings.HasPrefix(value, "/") {
			return usageError(strconv.Quote(value) + " does not start with /")
		}
		*to = value
		return nil
	}
}

// isName reports whether s can be the name of an environment variable.
func isName(s string) bool {
	for i := range len(s) {
		c := s[i]
		if (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && c != '_' && (c < '0' || c > '9' || i == 0) {
			return false
		}
	}
	return s != ""
}
