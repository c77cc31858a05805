package importer

import (
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
)

// logFolder reads log/run, the folder it writes to, and svlogd's config.
func (d *draft) logFolder(dir string) {
	logDir := path.Join(dir, "log")
	run := path.Join(logDir, "run")
	if !d.r.exists(run) {
		d.assume(d.r.at(dir, 0), "log", "", "there is no log/run, so the output goes where the supervisor's goes; a description always has a log")
		return
	}
	s, failure := d.readLogScript(run, logDir)
	if failure != nil {
		d.note(Lost, d.r.at(run, failure.line), "log", "write log.dir, log.max_size and log.keep", "%s; the log is the usual one", failure.what)
		return
	}
	if !s.chain.user {
		if d.first("run.user") != "root" {
			d.text("log.user", "root", s.at)
			d.flag("security.allow_root", s.at)
			d.assume(s.at, "log.user", "use a user of its own, and setuidgid", "nothing changes the user, so the logger runs as root")
		}
	} else if v, ok := d.values["log.user"]; ok && v.text[0] == d.first("run.user") {
		delete(d.values, "log.user")
	}
	l := &logReader{d: d, at: s.at, cwd: s.chain.cwd, size: 99999, keep: 9, sizeAt: s.at, keepAt: s.at, rulesAt: s.at}
	stampAt := s.at
	words := s.words
	switch name := path.Base(words[0]); {
	case name == "scgi-run" && len(words) > 1 && words[1] == "multilog":
		d.text(d.option("logger"), "scgi-run", s.at)
		if words[0] != "/usr/local/bin/scgi-run" {
			d.text(d.option("scgi_run"), words[0], s.at)
		}
		l.multilog(words[2:])
	case name == "multilog":
		l.multilog(words[1:])
	case name == "svlogd":
		l.svlogd(words[1:])
	case name == "s6-log":
		l.s6log(words[1:])
	default:
		d.note(Lost, s.at, "log", "", "%s is no logger that is known here; the log is the usual one", words[0])
		return
	}
	l.at = stampAt
	l.finish()
}

// readLogScript reads the script of the logger. What it says of the user is the
// logger's; all else that the same words say in the script of the program would be
// that of the program.
func (d *draft) readLogScript(run, logDir string) (*script, *shellError) {
	own := &draft{r: d.r, name: d.name, at: d.at, values: make(map[string]value)}
	notes := len(d.r.notes)
	s, failure := own.readScript(run, logDir, true)
	if failure != nil {
		return nil, failure
	}
	kept := slices.DeleteFunc(slices.Clone(d.r.notes[notes:]), func(n Note) bool { return n.Class == Secret })
	d.r.notes = append(d.r.notes[:notes], kept...)
	for _, field := range own.sorted() {
		v := own.values[field]
		switch field {
		case "log.user", "security.allow_root":
			d.values[field] = v
		default:
			d.lost(v.at, "%s of the logger: a description has it for the program alone", field)
		}
	}
	return s, nil
}

// logReader reads the words of a logger.
//
// Sources: https://cr.yp.to/daemontools/multilog.html; svlogd(8); docs/logging.md
// for what scgi-run adds.
type logReader struct {
	d     *draft
	at    place
	cwd   string
	stamp string
	size  int64
	keep  int64
	dir   string
	rules []string

	sizeAt, keepAt, rulesAt place
}

func (l *logReader) multilog(words []string) {
	for i, word := range words {
		if word == "" {
			continue
		}
		switch first, rest := word[0], word[1:]; {
		case i == 0 && word == "t":
			l.stamp = "tai64n"
		case i == 0 && word == "T":
			l.stamp = "iso"
		case first == '+' || first == '-':
			l.rules = append(l.rules, word)
		case first == 's':
			l.number(word, rest, &l.size)
		case first == 'n':
			if l.number(word, rest, &l.keep) {
				l.keep-- // the file that is written to counts
			}
		case first == 'S':
			var n int64
			if l.number(word, rest, &n) {
				l.d.size("log.max_total", n, l.at)
			}
		case first == 'A':
			l.age("log.max_age", rest)
		case first == 'R':
			l.age("log.rotate_after", rest)
		case first == 'z' && rest != "":
			l.d.text("log.compress", rest, l.at)
		case first == '!':
			l.processor(rest)
		case first == '.' || first == '/':
			l.folder(word)
		default:
			l.d.lost(l.at, "the word %q of multilog", word)
		}
	}
}

func (l *logReader) number(word, digits string, to *int64) bool {
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n < 0 {
		l.d.lost(l.at, "the word %q has no number", word)
		return false
	}
	*to = n
	return true
}

func (l *logReader) age(field, text string) {
	if rest, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := strconv.ParseInt(rest, 10, 32); err == nil && n < 4000 {
			l.d.bare(field, strconv.FormatInt(n, 10)+"d", l.at)
			return
		}
	}
	t, err := time.ParseDuration(text)
	if err != nil {
		l.d.lost(l.at, "%q is no age", text)
		return
	}
	l.d.duration(field, t, l.at)
}

// processor is a command of sh.
func (l *logReader) processor(command string) {
	words := []string{"/bin/sh", "-c", command}
	if commands, failure := splitShell(command); failure == nil && len(commands) == 1 && len(commands[0].redirects) == 0 {
		texts, open := closed(commands[0].words)
		if _, _, assigned := commands[0].words[0].assignment(); open == nil && strings.Contains(texts[0], "/") && !assigned {
			words = texts
		}
	}
	l.d.words("log.processor", words, l.at)
}

// folder takes the first folder that the logger writes to.
func (l *logReader) folder(word string) {
	if l.dir != "" {
		l.d.lost(l.at, "a second folder %s: a description has one log", word)
		return
	}
	l.dir = inside(l.cwd, word)
	where := l.dir
	if target, err := fs.ReadLink(l.d.r.fsys, l.dir); err == nil && path.IsAbs(target) {
		where = strings.TrimPrefix(target, "/")
	}
	if path.IsAbs(word) || where != l.dir {
		l.d.text("log.dir", path.Join("/", where), l.at)
	}
}

func (l *logReader) svlogd(words []string) {
	l.size, l.keep = 1000000, 10
	for i := 0; i < len(words); i++ {
		switch word := words[i]; {
		case word == "-t":
			l.stamp = "tai64n"
		case word == "-tt", word == "-ttt":
			l.stamp = "iso"
			if word == "-tt" {
				l.d.lost(l.at, "svlogd -tt: the stamp becomes that of -ttt, with a T and a fraction of a second")
			}
		case word == "-v":
		case len(word) == 2 && strings.ContainsAny(word[1:], "rRlb") && word[0] == '-' && i+1 < len(words):
			i++
			l.d.lost(l.at, "svlogd %s %s", word, words[i])
		case strings.HasPrefix(word, "-"):
			l.d.lost(l.at, "svlogd %s", word)
		default:
			l.folder(relativeWord(word))
		}
	}
	if l.dir != "" {
		l.config(path.Join(l.dir, "config"))
	}
}

// relativeWord makes "main" a path, as svlogd takes it.
func relativeWord(word string) string {
	if strings.HasPrefix(word, "/") || strings.HasPrefix(word, ".") {
		return word
	}
	return "./" + word
}

// config reads svlogd's config.
func (l *logReader) config(file string) {
	if !l.d.r.exists(file) {
		// In a folder that was generated and not installed yet, it stands beside it.
		file = path.Join(l.cwd, "dir", "config")
		if !l.d.r.exists(file) {
			return
		}
	}
	text, _ := l.d.r.optional(file)
	for i, line := range lines(text) {
		if line == "" || line[0] == '#' {
			continue
		}
		l.at = l.d.r.at(file, i+1)
		switch first, rest := line[0], line[1:]; first {
		case 's':
			l.sizeAt = l.at
			l.number(line, rest, &l.size)
		case 'n':
			l.keepAt = l.at
			l.number(line, rest, &l.keep)
		case 't':
			l.age("log.rotate_after", rest+"s")
		case '!':
			l.processor(rest)
		case '+', '-':
			l.rules, l.rulesAt = append(l.rules, line), l.at
		default:
			l.d.lost(l.at, "the line %q of svlogd's config", line)
		}
	}
}

// finish sets what differs from a description that says nothing.
func (l *logReader) finish() {
	switch l.stamp {
	case "":
		l.d.text("log.timestamp", "none", l.at)
	case "iso":
		l.d.text("log.timestamp", "iso", l.at)
	}
	if l.size != 1<<20 {
		l.d.size("log.max_size", l.size, l.sizeAt)
	}
	if l.keep != 10 {
		l.d.number("log.keep", l.keep, l.keepAt)
	}
	if len(l.rules) > 0 {
		l.d.words("log.filter", l.rules, l.rulesAt)
	}
}
