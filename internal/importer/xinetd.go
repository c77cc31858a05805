package importer

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"scgikit/internal/printable"
)

// xinetdEntry is a service, or the defaults: attributes with their words.
type xinetdEntry struct {
	name  string // "" for the defaults
	at    place
	file  string
	words map[string][]string
	minus map[string][]string // what -= takes away from the defaults
	adds  map[string]bool     // the words are added to those of the defaults
	where map[string]place
	used  map[string]bool

	broken   string // why xinetd leaves the service out
	brokenAt place
}

// xinetd reads xinetd.conf, a file of xinetd.d, or that folder.
//
// Source: xinetd.conf(5).
func (r *reading) xinetd() error {
	x := &xinetdReader{r: r, seen: make(map[string]bool)}
	if err := x.file(r.base, 0); err != nil {
		return err
	}
	for _, e := range x.entries {
		x.service(e)
	}
	return nil
}

type xinetdReader struct {
	r        *reading
	seen     map[string]bool
	defaults *xinetdEntry
	entries  []*xinetdEntry
}

// file reads a file, or a folder without the names that xinetd leaves out: those
// with a dot in them, or a tilde at the end.
func (x *xinetdReader) file(file string, depth int) error {
	r := x.r
	if depth > maxDepth {
		return errors.New(printable.Text(r.name(file)) + ": files include each other too deeply")
	}
	if x.seen[file] {
		r.skip(r.at(file, 0), "it is included a second time")
		return nil
	}
	x.seen[file] = true
	names, err := r.entries(file)
	if err != nil {
		text, err := r.text(file)
		if err != nil {
			return err
		}
		return x.parse(file, text, depth)
	}
	for _, name := range names {
		inner := path.Join(file, name)
		if strings.Contains(name, ".") || strings.HasSuffix(name, "~") {
			r.skip(r.at(inner, 0), "xinetd leaves out a file with such a name")
			continue
		}
		text, err := r.text(inner)
		if err != nil {
			r.note(Lost, r.at(inner, 0), "", "", "", "%s", strings.TrimPrefix(err.Error(), printable.Text(r.name(inner))+": "))
			continue
		}
		if err := x.parse(inner, text, depth); err != nil {
			return err
		}
	}
	return nil
}

// parse reads blocks: a line with the name, "{" alone on a line, attributes, and
// "}".
func (x *xinetdReader) parse(file, text string, depth int) error {
	r := x.r
	var current, open *xinetdEntry
	skipping := false // to the end of a block
	for i, line := range lines(text) {
		at := r.at(file, i+1)
		words := strings.Fields(line)
		if len(words) == 0 || strings.HasPrefix(words[0], "#") {
			continue
		}
		switch {
		case skipping:
			skipping = words[0] != "}"
		case current != nil && words[0] != "{":
			r.refuse(current.at, current.name, "", "there is no line with { alone behind it, so xinetd leaves it out")
			current, skipping = nil, words[0] != "}"
		case open != nil && words[0] == "}":
			x.end(open)
			open = nil
		case open != nil:
			x.attribute(open, line, at)
		case words[0] == "{" && current != nil:
			open, current = current, nil
		case words[0] == "defaults":
			current = newXinetdEntry("", file, at)
		case words[0] == "service" && len(words) > 1:
			current = newXinetdEntry(words[1], file, at)
		case (words[0] == "include" || words[0] == "includedir") && len(words) > 1:
			if err := x.include(words[1], at, depth); err != nil {
				return err
			}
		default:
			r.note(Lost, at, "", "", "", "xinetd does not know the line %q", strings.TrimSpace(line))
		}
	}
	if current != nil {
		open = current
	}
	if open != nil {
		r.refuse(open.at, open.name, "", "the block has no end")
	}
	return nil
}

func newXinetdEntry(name, file string, at place) *xinetdEntry {
	return &xinetdEntry{name: name, at: at, file: file, words: make(map[string][]string), minus: make(map[string][]string), adds: make(map[string]bool), where: make(map[string]place), used: make(map[string]bool)}
}

func (x *xinetdReader) include(name string, at place, depth int) error {
	file := inside(".", name)
	if !path.IsAbs(name) || file == "" || !x.r.exists(file) {
		x.r.note(Lost, at, "", "", "", "%s is not there", name)
		return nil
	}
	return x.file(file, depth+1)
}

func (x *xinetdReader) end(e *xinetdEntry) {
	if e.name == "" {
		x.defaults = e
		return
	}
	if len(x.entries) >= maxApps {
		x.r.refuse(e.at, e.name, "import a part", "more than %d services; the rest is not read", maxApps)
		return
	}
	x.entries = append(x.entries, e)
}

// several are the attributes that may be set again, and take += and -=.
var several = [...]string{"env", "log_on_failure", "log_on_success", "no_access", "only_from", "passenv"}

// attribute reads NAME = WORDS; += adds words, and -= takes them away, of those of
// the defaults too. Of an attribute that is set twice xinetd takes the first.
//
// Source: xinetd 2.3.15.3, src/parse.c; also run against what is read here.
func (x *xinetdReader) attribute(e *xinetdEntry, line string, at place) {
	name, value, ok := strings.Cut(line, "=")
	name = strings.TrimLeft(name, " \t")
	plain := strings.TrimRight(name, " \t+-")
	op := strings.TrimSpace(name[len(plain):])
	if !ok || plain == "" || plain == name || len(op) > 1 || strings.ContainsAny(plain, " \t") || name[len(plain)] != ' ' && name[len(plain)] != '\t' {
		e.broken, e.brokenAt = fmt.Sprintf("the line %q is no attribute, a space and =, so xinetd leaves it out", strings.TrimSpace(line)), at
		return
	}
	name = plain
	if name == "interface" {
		name = "bind" // two names of one
	}
	words := strings.Fields(value)
	again := slices.Contains(several[:], name) || e.name == "" && (name == "disabled" || name == "enabled")
	_, set := e.words[name]
	switch {
	case !again && op != "":
		x.r.note(Lost, at, e.name, "", "", "%s takes no %s=, and xinetd leaves out the line", name, op)
		return
	case !again && set:
		x.r.note(Lost, at, e.name, "", "", "%s is set already, and xinetd leaves out the line", name)
		return
	case op == "+":
		e.adds[name] = e.adds[name] || !set
		words = append(slices.Clone(e.words[name]), words...)
	case op == "-":
		e.adds[name] = e.adds[name] || !set
		e.minus[name] = append(e.minus[name], words...)
		words = slices.DeleteFunc(slices.Clone(e.words[name]), func(w string) bool { return slices.Contains(words, w) })
	case name == "env":
		words = append(slices.Clone(e.words[name]), words...)
	default:
		e.adds[name] = false
	}
	e.words[name], e.where[name] = words, at
}

// inherited are the attributes that the defaults may have for every service.
//
// Source: xinetd.conf(5), CONFIGURATION FILE, default attributes.
var inherited = [...]string{
	"access_times", "banner", "banner_fail", "banner_success", "bind", "cps", "deny_time", "flags", "groups", "instances", "libwrap", "log_on_failure",
	"log_on_success", "log_type", "max_load", "mdns", "nice", "no_access", "only_from", "passenv", "per_source", "rlimit_as", "rlimit_cpu",
	"rlimit_data", "rlimit_files", "rlimit_rss", "rlimit_stack", "umask", "v6only",
}

// get returns the words of an attribute, from the defaults where the service has
// none and those may have it.
func (x *xinetdReader) get(e *xinetdEntry, name string) (words []string, at place) {
	e.used[name] = true
	return x.peek(e, name)
}

func (x *xinetdReader) peek(e *xinetdEntry, name string) (words []string, at place) {
	own, set := e.words[name]
	if set && !e.adds[name] {
		return own, e.where[name]
	}
	if x.defaults == nil || !slices.Contains(inherited[:], name) {
		return own, e.where[name]
	}
	if !set {
		return x.defaults.words[name], x.defaults.where[name]
	}
	kept := slices.DeleteFunc(slices.Clone(x.defaults.words[name]), func(w string) bool { return slices.Contains(e.minus[name], w) })
	return append(kept, own...), e.where[name]
}

func (x *xinetdReader) one(e *xinetdEntry, name string) (word string, at place) {
	words, at := x.get(e, name)
	if len(words) == 0 {
		return "", at
	}
	return words[0], at
}
