package importer

import (
	"fmt"
	"path"
	"strconv"
	"strings"
)

// chain reads the programs that start another one with something changed:
// setuidgid, envdir, softlimit, setlock of daemontools, chpst of runit, env and
// nice. The rest is the program itself, with its arguments.
//
// Sources: https://cr.yp.to/daemontools.html; chpst(8) of runit 2.1; the pages of s6;
// env(1),
// nice(1) of POSIX.
type chain struct {
	d    *draft
	at   place
	cwd  string            // where the program stands, in the file system of the machine
	svc  string            // the folder of the service, likewise; "" for none
	vars map[string]string // what "$1" stands for

	binDir string // the folder of the tools; "" where PATH finds them
	found  bool   // a tool was named
	user   bool
	nice   bool
	log    bool // the chain is that of a logger: its user is log.user

	pending      string // the account of s6-envuidgid
	listens      string // the program that listens, and starts the rest for each connection; or scgi-run, which keeps running
	ready        bool   // that says on readyDescriptor that it listens
	folder       string // what the script says of a socket: its folder, and whom it belongs to
	owner, group string
}

// run applies the chain to the draft. It returns what is started, or why the
// chain is not understood.
func (c *chain) run(words []string) (rest []string, why string) {
	for len(words) > 0 {
		step := c.step(path.Base(words[0]))
		if step == nil && !isListener(path.Base(words[0])) && !isOwn(words) || c.user && isAccount(path.Base(words[0])) {
			return words, ""
		}
		program := words[0]
		if isOwn(words) {
			if rest := c.own(words); rest != nil {
				return rest, ""
			}
			return words, ""
		}
		if isListener(path.Base(program)) {
			if rest := c.listener(words); rest != nil {
				return rest, ""
			}
			return words, ""
		}
		if words, why = step(words[1:]); why != "" {
			return nil, path.Base(program) + ": " + why
		}
		c.tool(program)
	}
	return nil, "it starts nothing"
}

func isAccount(name string) bool { return name == "setuidgid" || name == "s6-setuidgid" }

// step returns the reader of a program's arguments, or nil for one that is not
// part of a chain.
func (c *chain) step(name string) func([]string) ([]string, string) {
	switch name {
	case "setuidgid":
		return c.setuidgid
	case "envdir":
		return c.envdir
	case "softlimit":
		return c.softlimit
	case "chpst":
		return c.chpst
	case "env":
		return c.env
	case "nice":
		return c.niceness
	case "s6-setuidgid":
		return c.s6Setuidgid
	case "s6-envuidgid":
		return c.s6Envuidgid
	case "s6-applyuidgid":
		return c.s6Applyuidgid
	case "s6-envdir":
		return c.s6Envdir
	case "s6-softlimit":
		return c.softlimit
	}
	return nil
}

// tool remembers where the tools are.
func (c *chain) tool(program string) {
	if name := path.Base(program); name == "env" || name == "nice" || c.found {
		return
	}
	c.found = true
	if dir := path.Dir(program); dir != "." {
		c.binDir = dir
	}
}

func (c *chain) setuidgid(words []string) ([]string, string) {
	if len(words) < 2 {
		return nil, "no user and program"
	}
	c.account(words[0])
	return words[1:], ""
}

// account sets the user, and the groups behind colons.
func (c *chain) account(spec string) {
	numeric := strings.HasPrefix(spec, ":")
	names := strings.Split(strings.TrimPrefix(spec, ":"), ":")
	if c.log {
		c.d.text("log.user", names[0], c.at)
		if names[0] == "root" || names[0] == "0" {
			c.d.flag("security.allow_root", c.at)
		}
		if len(names) > 1 {
			c.d.lost(c.at, "the groups of %s: a logger has those of its user", spec)
		}
		c.user = true
		return
	}
	c.user = true
	c.d.user(names[0], c.at)
	if len(names) > 1 {
		c.d.text("run.group", names[1], c.at)
	}
	if len(names) > 2 {
		c.d.words("run.supplementary_groups", names[2:], c.at)
	}
	if numeric {
		c.d.lost(c.at, "chpst takes %s as numbers, and targets look names up; write the names", spec)
	}
}

func (c *chain) env(words []string) ([]string, string) {
	for len(words) > 0 {
		switch w := words[0]; {
		case w == "-i", w == "-", w == "--ignore-environment":
			c.d.lost(c.at, "env %s: the program gets the variables of the supervisor as well", w)
		case w == "-u" && len(words) > 1:
			c.d.lost(c.at, "env -u %s: the variable is not taken away", words[1])
			words = words[1:]
		case strings.HasPrefix(w, "-"):
			return nil, "unknown flag " + w
		case w == "GIDLIST=" && len(words) > 1 && path.Base(words[1]) == "s6-envuidgid": // it sets it anew
		case strings.Contains(w, "="):
			name, value, _ := strings.Cut(w, "=")
			c.d.env(name, value, c.at)
		default:
			return words, ""
		}
		words = words[1:]
	}
	return nil, "no program"
}

func (c *chain) niceness(words []string) ([]string, string) {
	n := "10"
	switch {
	case len(words) > 1 && words[0] == "-n":
		n, words = words[1], words[2:]
	case len(words) > 0 && strings.HasPrefix(words[0], "-n") && len(words[0]) > 2:
		n, words = words[0][2:], words[1:]
	case len(words) > 0 && strings.HasPrefix(words[0], "-") && len(words[0]) > 1:
		n, words = words[0][1:], words[1:]
	}
	return words, c.setNice(n)
}

func (c *chain) setNice(text string) string {
	n, err := strconv.Atoi(text)
	if err != nil || c.nice {
		return fmt.Sprintf("niceness %q", text)
	}
	c.nice = true
	c.d.number("run.nice", int64(n), c.at)
	return ""
}

func (c *chain) envdir(words []string) ([]string, string) {
	if len(words) < 2 {
		return nil, "no folder and program"
	}
	return words[1:], c.readEnvdir(words[0])
}

func (c *chain) readEnvdir(dir string) string {
	where := inside(c.cwd, dir)
	if where == "" {
		return fmt.Sprintf("the folder %q", dir)
	}
	return c.d.envFolder(where)
}

// chpst reads the flags of chpst.
func (c *chain) chpst(words []string) ([]string, string) {
	for len(words) > 0 && strings.HasPrefix(words[0], "-") && len(words[0]) > 1 {
		flags := words[0][1:]
		words = words[1:]
		if flags == "-" {
			break
		}
		for flags != "" {
			letter := flags[:1]
			flags = flags[1:]
			if strings.ContainsAny(letter, "vVP012") {
				c.chpstSwitch(letter)
				continue
			}
			value := flags
			flags = ""
			if value == "" {
				if len(words) == 0 {
					return nil, "-" + letter + " without a value"
				}
				value, words = words[0], words[1:]
			}
			if letter == "b" && value == "softlimit" && len(words) > 1 && path.Base(words[0]) == "chpst" {
				rest, why := c.softlimit(words[1:]) // runit's chpst is softlimit by that name
				return rest, why
			}
			if why := c.chpstFlag(letter, value); why != "" {
				return nil, why
			}
		}
	}
	if len(words) == 0 {
		return nil, "no program"
	}
	return words, ""
}

func (c *chain) chpstSwitch(letter string) {
	switch letter {
	case "P":
		c.d.lost(c.at, "chpst -P: the program does not get a process group of its own")
	case "0", "1", "2":
		c.d.lost(c.at, "chpst -%s: the descriptor stays open", letter)
	}
}

func (c *chain) chpstFlag(letter, value string) string {
	switch letter {
	case "u":
		c.account(value)
	case "e":
		return c.readEnvdir(value)
	case "/":
		c.d.text("security.chroot", value, c.at)
	case "C":
		if !path.IsAbs(value) {
			return "-C " + value
		}
		c.d.text("run.directory", value, c.at)
		c.cwd = inside(".", value)
	case "n":
		return c.setNice(value)
	case "b":
		c.d.lost(c.at, "chpst -b %s: argv[0] is the path of the program", value)
	case "l", "L":
		c.d.lost(c.at, "chpst -%s %s: the file is not locked", letter, value)
	case "U":
		return "-U sets UID and GID for the program to use"
	default:
		return c.limit(letter, value)
	}
	return ""
}

func (c *chain) softlimit(words []string) ([]string, string) {
	for len(words) > 0 && strings.HasPrefix(words[0], "-") && len(words[0]) > 1 {
		letter, value := words[0][1:2], words[0][2:]
		words = words[1:]
		if value == "" {
			if len(words) == 0 {
				return nil, "-" + letter + " without a number"
			}
			value, words = words[0], words[1:]
		}
		if why := c.limit(letter, value); why != "" {
			return nil, why
		}
	}
	if len(words) == 0 {
		return nil, "no program"
	}
	return words, ""
}

// limit sets one limit, by softlimit's letter.
func (c *chain) limit(letter, value string) string {
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil || n < 0 {
		if strings.ContainsAny(letter, "acdfmloprst") && value == "=" {
			c.d.lost(c.at, "-%s =: the limit stays as the supervisor has it", letter)
			return ""
		}
		return fmt.Sprintf("the limit -%s %q", letter, value)
	}
	switch letter {
	case "c":
		c.d.coreLimit(n, c.at)
	case "o":
		c.d.number("run.limits.nofile", n, c.at)
	case "p":
		c.d.number("run.limits.nproc", n, c.at)
	case "t":
		c.d.number("run.limits.cpu_seconds", n, c.at)
	case "a":
		c.d.size("run.limits.memory", n, c.at)
	case "m":
		c.d.size("run.limits.memory", n, c.at)
		c.d.lost(c.at, "-m limits data, stack and locked memory as well, and run.limits.memory the address space alone")
	case "d", "f", "l", "r", "s":
		c.d.lost(c.at, "the limit -%s %s: a description has none for it", letter, value)
	default:
		return "unknown flag -" + letter
	}
	return ""
}

// coreLimit sets the size of core files, which is 0 in a description that says nothing.
func (d *draft) coreLimit(n int64, at place) {
	if n > 0 {
		d.size("run.limits.core", n, at)
	}
}
