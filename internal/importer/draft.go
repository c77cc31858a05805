package importer

import (
	"fmt"
	"net"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"scgikit/internal/appfile"
)

// draft is a description in the making.
type draft struct {
	r      *reading
	name   string
	at     place // where the service stands
	values map[string]value

	ownUmask bool   // scgi-run sets the mask, so that of its starter is not seen
	loopback string // the host of a placeholder for listen.tcp; "" is 127.0.0.1
	served   served // what scgi-run that keeps running says besides
	logFile  string // the file that the program logs to, as it was read
	logPlace place

	template string // of systemd, of which this is an instance with a number
	instance int
}

// value is what one field holds. Text is in the syntax of descriptions, where
// "$" is written "$$".
type value struct {
	text []string
	list bool
	bare bool // a number, a duration, a size, true or false
	at   place
}

// newDraft begins a description; the name is mended where a description takes
// another one.
func (r *reading) newDraft(name string, at place) *draft {
	d := &draft{r: r, at: at, values: make(map[string]value)}
	want := name
	if r.options.Name != "" && len(r.drafts) == 0 {
		name, want = r.options.Name, r.options.Name
	}
	d.name = r.freeName(mendedName(name))
	switch {
	case d.name != want && r.kind == Project && r.options.Name != "":
		r.isWrong("name", fmt.Sprintf("%q is no name of an app", want), "a small letter, then small letters, digits and -, at most 31 characters, such as "+d.name)
	case d.name != want:
		hint := "--name names an app that is alone"
		if r.kind == Project {
			hint = "scgikit init NAME names it"
		}
		d.note(Assumed, at, "name", hint, "%q is no name of an app, or is taken: it is %s", want, d.name)
	}
	return d
}

var (
	isName    = regexp.MustCompile(`^[a-z][a-z0-9-]{0,30}$`)
	notInName = regexp.MustCompile(`[^a-z0-9]+`)
)

// mendedName makes a name of an app from any text.
func mendedName(name string) string {
	if isName.MatchString(name) {
		return name
	}
	name = strings.Trim(notInName.ReplaceAllString(strings.ToLower(name), "-"), "-")
	if name == "" || name[0] < 'a' {
		name = strings.TrimSuffix("app-"+name, "-")
	}
	return strings.TrimRight(name[:min(len(name), 31)], "-")
}

func (r *reading) freeName(name string) string {
	base := name
	for r.taken[name] {
		// Counting goes on from the last one: a thousand services may have one name.
		r.counted[base] = max(r.counted[base], 1) + 1
		end := "-" + strconv.Itoa(r.counted[base])
		name = base[:min(len(base), 31-len(end))] + end
	}
	return name
}

// full reports whether no further service is read, and says so.
func (r *reading) full(at place) bool {
	if r.done() != nil {
		return true
	}
	if len(r.drafts) < maxApps {
		return false
	}
	r.refuse(at, "", "import a part", "more than %d services; the rest is not read", maxApps)
	return true
}

// add makes the draft one of the result.
func (d *draft) add() {
	d.r.drafts = append(d.r.drafts, d)
	d.r.taken[d.name] = true
}

func (d *draft) note(class Class, at place, field, hint, format string, args ...any) {
	d.r.note(class, at, d.name, field, hint, format, args...)
}

func (d *draft) lost(at place, format string, args ...any) {
	d.note(Lost, at, "", "", format, args...)
}

func (d *draft) assume(at place, field, hint, format string, args ...any) {
	d.note(Assumed, at, field, hint, format, args...)
}

func (d *draft) has(field string) bool {
	_, ok := d.values[field]
	return ok
}

// carriable says why a description can not hold a text, or "".
func carriable(s string) string {
	switch {
	case !utf8.ValidString(s):
		return "is not UTF-8"
	case strings.IndexFunc(s, appfile.Hidden) >= 0:
		return "holds a control character, which no description does"
	}
	return ""
}

// literal writes a text as descriptions do.
func literal(s string) string { return strings.ReplaceAll(s, "$", "$$") }

// text sets a field. It reports whether the description can hold the value.
func (d *draft) text(field, s string, at place) bool {
	return d.raw(field, literal(s), at)
}

// raw sets a field to a text in the syntax of descriptions.
func (d *draft) raw(field, s string, at place) bool {
	if why := carriable(s); why != "" {
		d.note(Lost, at, field, "", "the value %s", why)
		return false
	}
	d.values[field] = value{text: []string{s}, at: at}
	return true
}

func (d *draft) words(field string, words []string, at place) bool {
	texts := make([]string, len(words))
	for i, w := range words {
		texts[i] = literal(w)
	}
	return d.rawWords(field, texts, at)
}

func (d *draft) rawWords(field string, words []string, at place) bool {
	for _, w := range words {
		if why := carriable(w); why != "" {
			d.note(Lost, at, field, "", "the word %q %s", w, why)
			return false
		}
	}
	d.values[field] = value{text: words, list: true, at: at}
	return true
}

func (d *draft) bare(field, s string, at place) {
	d.values[field] = value{text: []string{s}, bare: true, at: at}
}

func (d *draft) number(field string, n int64, at place) { d.bare(field, strconv.FormatInt(n, 10), at) }

func (d *draft) flag(field string, at place) { d.bare(field, "true", at) }

func (d *draft) mode(field string, mode uint32, at place) bool {
	if mode > 0o777 {
		d.note(Lost, at, field, "", "%04o has more than permission bits", mode)
		return false
	}
	return d.text(field, fmt.Sprintf("%04o", mode), at)
}

// octal reads a mode as C and shells do.
func octal(s string) (uint32, bool) {
	n, err := strconv.ParseUint(s, 8, 32)
	return uint32(n), err == nil && n <= 0o7777
}

func (d *draft) duration(field string, t time.Duration, at place) {
	text := t.String()
	if rest, ok := strings.CutSuffix(text, "m0s"); ok {
		text = rest + "m"
	}
	if rest, ok := strings.CutSuffix(text, "h0m"); ok {
		text = rest + "h"
	}
	d.bare(field, text, at)
}

func (d *draft) size(field string, n int64, at place) {
	for _, unit := range []struct {
		name  string
		bytes int64
	}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if n > 0 && n%unit.bytes == 0 {
			d.bare(field, strconv.FormatInt(n/unit.bytes, 10)+unit.name, at)
			return
		}
	}
	d.number(field, n, at)
}

// command sets run.command. A program without a slash is looked up by env(1),
// because a description looks it up in run.directory.
func (d *draft) command(words []string, at place) bool {
	if len(words) == 0 || words[0] == "" {
		d.r.refuse(at, d.name, "", "there is no program")
		return false
	}
	if !strings.Contains(words[0], "/") {
		if strings.HasPrefix(words[0], "-") || strings.Contains(words[0], "=") {
			d.r.refuse(at, d.name, "", "%q is no program that can be looked up", words[0])
			return false
		}
		words = append([]string{"/usr/bin/env"}, words...)
	}
	if !d.words("run.command", words, at) {
		d.r.refuse(at, d.name, "", "no description can hold the command")
		return false
	}
	if !d.has("protocol") {
		d.speaks(words, at)
	}
	return true
}

// speakers are programs that speak something else than SCGI, as long as their
// arguments do not say otherwise.
var speakers = map[string]string{
	"gunicorn": "http", "uvicorn": "http", "hypercorn": "http", "daphne": "http", "waitress-serve": "http", "puma": "http", "unicorn": "http",
	"thin": "http", "rails": "http", "rackup": "http", "node": "http", "npm": "http", "php": "http",
	"fcgiwrap": "fastcgi", "php-cgi": "fastcgi", "spawn-fcgi": "fastcgi", "php-fpm": "fastcgi",
}

// speaks takes the protocol from the name of a program, and from what uwsgi and
// others call a socket; else it is SCGI. Nothing else of a set-up says what a
// program of one's own speaks.
func (d *draft) speaks(words []string, at place) {
	name := path.Base(words[0])
	if words[0] == "/usr/bin/env" && len(words) > 1 {
		name = path.Base(words[1])
	}
	const hint = "set it to what the program speaks: scgi, fastcgi, uwsgi, http or ajp"
	protocol := ""
	for i, word := range words {
		if known, ok := speakers[path.Base(word)]; ok && i < 3 {
			protocol = known
		}
		if path.Base(word) == "uwsgi" && i < 3 {
			protocol = "uwsgi"
		}
		flag, value, _ := strings.Cut(strings.TrimLeft(word, "-"), "=")
		switch {
		case !strings.HasPrefix(word, "--"):
		case flag == "scgi-socket":
			protocol = "scgi"
		case flag == "fastcgi-socket":
			protocol = "fastcgi"
		case flag == "http", flag == "http-socket":
			protocol = "http"
		case flag == "protocol" && slices.Contains([]string{"scgi", "fastcgi", "uwsgi", "http", "ajp"}, value):
			protocol = value
		}
	}
	if protocol != "" && protocol != "scgi" {
		d.text("protocol", protocol, at)
		d.assume(at, "protocol", hint, "%s speaks %s", name, protocol)
		return
	}
	d.assume(at, "protocol", hint, "nothing says what %s speaks", name)
}

var envName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// secretName are names of variables whose values are secrets more often than not.
var secretName = regexp.MustCompile(`(?i)(^|_)(password|passwd|passphrase|pass|pwd|secret|token|credentials?|private_?key|secret_?key|access_?key|api_?key|auth_?key|encryption_?key|dsn|database_url)(_|$)|(?i)(password|secret|apikey)$`)

// env sets a variable.
func (d *draft) env(name, value string, at place) {
	if d.r.variables++; d.r.variables > maxAllVariables {
		if d.r.variables == maxAllVariables+1 {
			d.note(Lost, at, "run.env", "import a part", "more than %d variables in all; the rest is not read", maxAllVariables)
		}
		return
	}
	field := "run.env." + name
	if !envName.MatchString(name) {
		d.note(Lost, at, "run.env", "", "%q is not the name of a variable in a description", name)
		return
	}
	if secretName.MatchString(name) && value != "" {
		file := "/etc/scgikit/secrets/" + d.name + "/" + name
		if d.r.options.SecretsDir != "" {
			delete(d.values, field)
			d.secret(name, hiddenMark, at)
			return
		}
		second := "--secrets-dir does the second part"
		if d.r.kind == Project {
			second = "--set run.secrets." + name + ".file=" + file + " does the second part"
		}
		d.note(Secret, at, field, "put the value into a file for root alone to read, and write run.secrets."+name+": {file: "+file+"}; "+second,
			"it looks like a secret, and would stand in the description")
	}
	delete(d.values, "run.secrets."+name+".file")
	d.text(field, value, at)
}

// hiddenMark stands for the file of a secret until it is known how many apps there
// are: each of several has a folder of its own, because they may have a variable in
// common and not its value.
const hiddenMark = "\x00hidden"

// hide names the files of the secrets whose values were left out.
func (d *draft) hide() {
	for _, field := range d.sorted() {
		v := d.values[field]
		name, ok := strings.CutPrefix(strings.TrimSuffix(field, ".file"), "run.secrets.")
		if !ok || v.text[0] != hiddenMark {
			continue
		}
		file := path.Join(d.r.options.SecretsDir, name)
		if len(d.r.drafts) > 1 {
			file = path.Join(d.r.options.SecretsDir, d.name, name)
		}
		d.text(field, file, v.at)
		d.note(Secret, v.at, "run.secrets."+name, "", "the value is not in the description; write it to %s, for root alone to read", file)
	}
}

// secret names the file that holds the value of a variable.
func (d *draft) secret(name, file string, at place) {
	if !envName.MatchString(name) {
		d.note(Lost, at, "run.secrets", "", "%q is not the name of a variable in a description", name)
		return
	}
	delete(d.values, "run.env."+name)
	if field := "run.secrets." + name + ".file"; file == hiddenMark {
		d.values[field] = value{text: []string{file}, at: at}
	} else {
		d.text(field, file, at)
	}
}

// user sets run.user. As root the description has to say so twice.
func (d *draft) user(name string, at place) {
	d.text("run.user", name, at)
	if name == "root" || name == "0" {
		d.flag("security.allow_root", at)
	}
}

// asRoot is for a set-up that names no user, under a starter that is root.
func (d *draft) asRoot(at place, why string) {
	if want := d.r.choice(d.r.options.Users, d.name); want != "" {
		d.user(want, place{"--user", 0})
		return
	}
	d.user("root", at)
	d.assume(at, "run.user", "--user names another one", "%s, so the program runs as root", why)
}

// umask sets run.umask where the set-up leaves it to the starter.
func (d *draft) defaultUmask(at place, who string) {
	if !d.has("run.umask") {
		d.mode("run.umask", 0o022, at)
		d.assume(at, "run.umask", "", "the mask is that of %s: 0022 where nobody changed it", who)
	}
}

// choice returns what an option has for an app.
func (r *reading) choice(options map[string]string, app string) string {
	if v, ok := options[app]; ok {
		return v
	}
	return options[""]
}

// listen sets the listener from an address as people write it: host:port,
// unix:/path or /path.
func (d *draft) listen(address string, at place) {
	if p, ok := strings.CutPrefix(address, "unix:"); ok || strings.HasPrefix(address, "/") {
		if !ok {
			p = address
		}
		d.text("listen.unix", p, at)
		return
	}
	d.text("listen.tcp", address, at)
	host, _, err := net.SplitHostPort(address)
	if ip := net.ParseIP(host); err == nil && ip != nil && !ip.IsLoopback() {
		d.flag("security.allow_public_listen", at)
		d.assume(at, "security.allow_public_listen", "use 127.0.0.1 where the web server is on the same machine",
			"%s can be reached from other machines, and SCGI has no authentication", host)
	}
}
