package importer

import (
	"maps"
	"net"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// A folder for an app that is started for each request: what is kept up there
// listens, and starts scgi-run for each connection. Any other program behind a
// listener is, together with it, one that listens by itself.

// Marks stand for lines of generated scripts, as envFileMark does.
const (
	folderMark = "\x00folder"
	ownerMark  = "\x00owner"
	groupMark  = "\x00group"

	envFlags = "\x00envflags" // what "$@" stands for

	readyDescriptor = "3"
)

const shellText = `((?:'[^'\n]*'|\\'|[A-Za-z0-9_./:@%+,=-])+)`

var (
	folderLine = regexp.MustCompile(`(?m)^\[ -d ` + shellText + ` \] \|\| \(umask 022 && mkdir -p ` + shellText + `\) \|\| exit 111$`)
	ownerLine  = regexp.MustCompile(`(?m)^scgikit_uid=\$\(id -u ` + shellText + `\) \|\| exit 111$`)
	groupLines = regexp.MustCompile(`(?m)^scgikit_gid=\$\(getent group ` + shellText + `\) \|\| \{\n\techo run: no group ` + shellText +
		`\n\texit 111\n\}\nscgikit_gid=\$\{scgikit_gid#\*:\*:\}\nscgikit_gid=\$\{scgikit_gid%%:\*\}$`)
)

// markListener puts commands in the place of the lines by which a generated
// script prepares a socket, and keeps the number of lines.
func markListener(text string) string {
	for _, line := range []struct {
		form *regexp.Regexp
		mark string
		both bool // the word stands there twice
	}{{folderLine, folderMark, true}, {ownerLine, ownerMark, false}, {groupLines, groupMark, true}} {
		m := line.form.FindStringSubmatch(text)
		if m == nil || line.both && m[1] != m[2] {
			continue
		}
		text = strings.Replace(text, m[0], line.mark+" "+m[1]+strings.Repeat("\n", strings.Count(m[0], "\n")), 1)
	}
	return text
}

// socketLine takes what such a line says.
func (c *chain) socketLine(mark, word string) {
	switch mark {
	case folderMark:
		c.folder = word
	case ownerMark:
		c.owner = word
		c.vars[`"$scgikit_uid"`] = ownerMark
	case groupMark:
		c.group = word
		c.vars[`"$scgikit_gid"`] = groupMark
	}
}

// listenerFlags are the flags that a listener may have here: those with a value,
// and those without that change nothing for scgi-run.
//
// Sources: https://cr.yp.to/ucspi-tcp/tcpserver.html; unixserver(1);
// s6-tcpserver.html, s6-ipcserver-socketbinder.html.
type listenerFlags struct{ values, switches string }

func flagsOf(listener string) (f listenerFlags, ok bool) {
	switch listener {
	case "tcpserver":
		return listenerFlags{values: "bclt", switches: "1HhRrPpOoDdqQv"}, true
	case "unixserver":
		return listenerFlags{values: "bcopr", switches: "qQv"}, true
	case "s6-tcpserver":
		return listenerFlags{values: "bcC", switches: "1qQv"}, true
	case "s6-ipcserver-socketbinder":
		return listenerFlags{values: "ab"}, true
	case "s6-ipcserverd":
		return listenerFlags{values: "cC", switches: "1qQv"}, true
	}
	return listenerFlags{}, false
}

func isListener(name string) bool {
	_, ok := flagsOf(name)
	return ok && name != "s6-ipcserverd"
}

// read returns the flags of a listener, or false for one that is not known here.
func (f listenerFlags) read(words []string, found map[byte]string) (rest []string, ok bool) {
	for len(words) > 0 && len(words[0]) > 1 && words[0][0] == '-' {
		flags := words[0][1:]
		words = words[1:]
		if flags == "-" {
			break
		}
		for flags != "" {
			letter := flags[0]
			flags = flags[1:]
			switch {
			case strings.IndexByte(f.switches, letter) >= 0:
				found[letter] = ""
			case strings.IndexByte(f.values, letter) < 0:
				return nil, false
			case flags != "":
				found[letter], flags = flags, ""
			case len(words) == 0:
				return nil, false
			default:
				found[letter], words = words[0], words[1:]
			}
		}
	}
	return words, true
}

// giveAway is the script by which a socket gets its owner.
const giveAway = `chown -h "$0" "$1" && shift && exec "$@"`

// listener reads a listener and all that it starts. It returns nil, and leaves
// the draft as it was, where that is not scgi-run, or where a flag is not known.
func (c *chain) listener(words []string) (rest []string) {
	before := *c
	values, notes := maps.Clone(c.d.values), len(c.d.r.notes)
	if rest = c.readListener(words); rest == nil {
		*c = before
		c.d.values, c.d.r.notes = values, c.d.r.notes[:notes]
	}
	return rest
}

func (c *chain) readListener(words []string) []string {
	d, program, name := c.d, words[0], path.Base(words[0])
	flags, _ := flagsOf(name)
	found := make(map[byte]string)
	words, ok := flags.read(words[1:], found)
	unix := name == "unixserver" || name == "s6-ipcserver-socketbinder"
	if !ok || len(words) < 3 || c.log {
		return nil
	}
	if unix {
		d.listen("unix:"+words[0], c.at)
		words = words[1:]
	} else {
		port, known := d.r.port(words[1])
		if !known {
			return nil
		}
		host := words[0]
		if host == "0" {
			host = "0.0.0.0"
		}
		d.listen(net.JoinHostPort(host, strconv.Itoa(port)), c.at)
		words = words[2:]
	}
	owner, group, mode := c.owner, c.group, found['p']
	c.listens = name
	if name == "s6-ipcserver-socketbinder" {
		c.listens, mode = "s6-ipcserver", found['a']
		if len(words) > 5 && words[0] == "sh" && words[1] == "-c" && words[2] == giveAway && literal(words[4]) == d.first("listen.unix") {
			owner, group, _ = strings.Cut(words[3], ":")
			words = words[5:]
		}
	}
	words, why := c.run(words)
	if name == "s6-ipcserver-socketbinder" && why == "" && len(words) > 1 && path.Base(words[0]) == "s6-ipcserverd" {
		flags, _ = flagsOf("s6-ipcserverd")
		if words, ok = flags.read(words[1:], found); !ok {
			return nil
		}
		words, why = c.run(words)
	} else if name == "s6-ipcserver-socketbinder" {
		return nil
	}
	if why != "" || len(words) == 0 || !d.perRequest(words[0], words, string(d.r.kind), c.at) {
		return nil
	}
	if unix && !c.socket(owner, group, mode, found) {
		return nil
	}
	return c.listenerSettings(program, found, words)
}

// socket sets whom a socket belongs to, and who may use it.
func (c *chain) socket(owner, group, mode string, found map[byte]string) bool {
	d := c.d
	if o, ok := found['o']; ok && o != ownerMark || found['r'] != "" && found['r'] != groupMark {
		return false // numbers, of which no description says whose they are
	}
	bits, ok := octal(mode)
	if !ok || c.folder != "" && literal(c.folder) != path.Dir(d.first("listen.unix")) {
		return false
	}
	if owner == "" {
		owner = "root"
	}
	if literal(owner) != d.first("run.user") || bits&0o020 == 0 {
		d.text("listen.user", owner, c.at)
	}
	if group != "" {
		d.text("listen.group", group, c.at)
	}
	if bits != 0o660 {
		return d.mode("listen.mode", bits, c.at)
	}
	return true
}

func (c *chain) listenerSettings(program string, found map[byte]string, words []string) []string {
	d := c.d
	for _, number := range []struct {
		letter byte
		field  string
		own    string // what the listener has by itself
		usual  int64
	}{{'c', "run.max_concurrent", "40", 16}, {'b', "listen.backlog", "20", 128}} {
		text, ok := found[number.letter]
		if !ok {
			text = number.own
		}
		n, err := strconv.ParseInt(text, 10, 32)
		if err != nil {
			return nil
		}
		if n != number.usual {
			d.number(number.field, n, c.at)
		}
	}
	for _, letter := range slices.Sorted(maps.Keys(found)) {
		if strings.IndexByte("OoDdqQvt", letter) >= 0 && !d.has("listen.unix") {
			d.lost(c.at, "%s -%c", path.Base(program), letter)
		}
	}
	usual := "tcpserver"
	if d.has("listen.unix") {
		if usual = "unixserver"; d.r.kind == S6 {
			usual = "s6-ipcserver"
		}
	}
	if c.listens != usual {
		d.text(d.option("listener"), c.listens, c.at)
	} else {
		d.text("run.mode", "per-request", c.at)
	}
	if dir := path.Dir(program); dir != "." {
		d.text(d.option("listener_dir"), dir, c.at)
	}
	return words
}

// listening completes an app that is started for each request.
func (d *draft) listening(s *script, run string) {
	at := d.r.at(run, 0)
	if s.chain.binDir != "" {
		d.text(d.option("bin_dir"), s.chain.binDir, s.at)
	}
	if !s.chain.user {
		d.asRoot(s.at, "nothing changes the user")
	}
	d.defaultUmask(at, "the supervisor")
	if !s.stderr {
		d.lost(at, "there is no exec 2>&1: standard error does not go to the log, and will")
	}
	if d.first("type") == "cgi" {
		delete(d.values, "run.directory") // a script runs in its own folder
	}
}

// listenerReady is for what says by itself that it listens, which the folders of
// s6 have anyway.
func (d *draft) listenerReady(s *script, dir string) {
	delete(d.values, d.option("notification_fd"))
	if (s.notify || s.chain.ready) && d.r.kind != S6 {
		d.text(d.option("supervisor"), "scgikit", d.r.at(path.Join(dir, "notification-fd"), 0))
	}
}
