package importer

import (
	"fmt"
	"path"
	"regexp"
	"strconv"
	"strings"
)

// procfile reads a Procfile as foreman does: a process a line, started by a
// shell in the folder of the file, with the variables of .env and a PORT of its
// own, 5000 for the first process and 100 more for each one after it.
//
// Source: the manual page foreman(1).
func (r *reading) procfile() error {
	file := r.base
	if r.isDir {
		file = path.Join(r.base, "Procfile")
	}
	text, err := r.text(file)
	if err != nil {
		return err
	}
	p := &procfileReader{r: r, file: file, dir: path.Dir(file), port: 5000}
	p.dotenv(path.Join(p.dir, ".env"))
	p.settings(path.Join(p.dir, ".foreman"))
	index := 0
	for i, line := range lines(text) {
		at := r.at(file, i+1)
		if trimmed := strings.TrimSpace(line); trimmed == "" || trimmed[0] == '#' {
			continue
		}
		m := processLine.FindStringSubmatch(line)
		if m == nil {
			r.skip(at, "the line is no NAME: COMMAND")
			continue
		}
		if r.full(at) {
			break
		}
		if r.process == 0 || r.process == i+1 {
			p.process(m[1], strings.TrimSpace(m[2]), p.port+100*index, at)
		}
		index++
	}
	return nil
}

var (
	processLine = regexp.MustCompile(`^([A-Za-z0-9_-]+):[ \t]*(.+)$`)
	dotenvLine  = regexp.MustCompile(`^(?:export +)?([A-Za-z_0-9]+)=(.*)$`)
	portUse     = regexp.MustCompile(`\$(PORT\b|\{PORT(:-[0-9]+)?\})`)
)

// variable is one line of .env.
type variable struct {
	name, value string
	at          place
}

type procfileReader struct {
	r         *reading
	file, dir string
	port      int
	portAt    place // where that stands
	env       []variable
}

// dotenv reads the variables of a file.
func (p *procfileReader) dotenv(file string) {
	if !p.r.exists(file) {
		return
	}
	text, _ := p.r.optional(file)
	for i, line := range lines(text) {
		at := p.r.at(file, i+1)
		m := dotenvLine.FindStringSubmatch(line)
		if m == nil {
			if trimmed := strings.TrimSpace(line); trimmed != "" && trimmed[0] != '#' {
				p.r.skip(at, "the line is no NAME=VALUE")
			}
			continue
		}
		value := m[2]
		switch {
		case len(value) > 1 && value[0] == '\'' && value[len(value)-1] == '\'':
			value = value[1 : len(value)-1]
		case len(value) > 1 && value[0] == '"' && value[len(value)-1] == '"':
			value = regexp.MustCompile(`\\(.)`).ReplaceAllString(strings.ReplaceAll(value[1:len(value)-1], `\n`, "\n"), "$1")
		}
		if n, err := strconv.ParseUint(value, 10, 16); m[1] == "PORT" && err == nil {
			p.port, p.portAt = int(n), at
			continue
		}
		if len(p.env) >= maxVariables {
			p.r.note(Lost, at, "", "run.env", "", "more than %d variables; the rest is not read", maxVariables)
			return
		}
		p.env = append(p.env, variable{m[1], value, at})
	}
}

// settings reads foreman's own file: the port of the first process, where .env has
// none. Nothing else there is in a description.
func (p *procfileReader) settings(file string) {
	if !p.r.exists(file) {
		return
	}
	text, _ := p.r.optional(file)
	for i, line := range lines(text) {
		line = strings.TrimSpace(line)
		key, value, _ := strings.Cut(line, ":")
		value = strings.Trim(strings.TrimSpace(value), `"'`)
		n, err := strconv.ParseUint(value, 10, 16)
		switch {
		case line == "", line[0] == '#', line == "---":
		case key == "port" && err == nil && n > 0:
			if p.portAt == (place{}) {
				p.port, p.portAt = int(n), p.r.at(file, i+1)
			}
		default:
			p.r.note(Lost, p.r.at(file, i+1), "", "", "", "%s: no description has that of foreman", line)
		}
	}
}

// process reads one line.
func (p *procfileReader) process(name, command string, port int, at place) {
	r := p.r
	if name != "web" && !portUse.MatchString(command) {
		r.refuse(at, name, "keep it under a supervisor of your own", "the process does not use its PORT, and a description is of a program that a web server asks")
		return
	}
	app := path.Base(path.Join("/", p.dir))
	if name != "web" || app == "/" {
		app = strings.TrimPrefix(app+"-"+name, "/-")
	}
	d := r.newDraft(app, at)
	d.text("type", "server", at)
	d.text("protocol", "http", at)
	d.assume(at, "protocol", "set it to scgi where the program speaks that", "processes of a Procfile speak HTTP")
	d.text("run.directory", path.Join("/", p.dir), at)
	for _, v := range p.env {
		d.env(v.name, v.value, v.at)
	}
	d.raw("run.env.PORT", "${port}", at)
	if words, ok := p.simple(d, command, at); ok {
		if !d.rawCommand(words, at) {
			return
		}
	} else if !d.command([]string{"/bin/sh", "-c", command}, at) {
		return
	} else {
		d.assume(at, "run.command", "write the words of the program, and no shell is needed", "a shell reads the line, as it does now")
	}
	if user := r.choice(r.options.Users, d.name); user == "" {
		d.text("run.user", d.name, at)
		d.assume(at, "run.user", "--user names it", "a Procfile names no user: %s is a placeholder", d.name)
	} else {
		d.user(user, place{"--user", 0})
	}
	d.defaultUmask(at, "the shell that starts foreman")
	if r.choice(r.options.Listens, d.name) == "" {
		said := fmt.Sprintf("PORT is %d, as foreman counts", port)
		if own, why := portOf(command); own > 0 {
			port, said = own, why
		}
		d.listen(fmt.Sprintf("127.0.0.1:%d", port), at)
		d.assume(at, "listen.tcp", "--listen names another one", "%s; 127.0.0.1 is a placeholder for the address", said)
	}
	if r.kind == Project {
		d.text("http.mount", "/", at)
		d.assume(at, "http.mount", "--mount names another one", "what a Procfile starts has a host for itself, and knows of no prefix: / is a placeholder")
	}
	d.add()
}

var (
	// saidPort is a port in the words of a server.
	saidPort = regexp.MustCompile(`(?:^|\s)(?:--port[= ]|-p ?|(?:--bind|--listen|-b|-l)[= ]?(?:[A-Za-z0-9_.*-]*|\[[0-9a-f:]*\]):)([1-9][0-9]{1,4})(?:\s|$)`)
	// ownPort are servers that do not look at PORT, and what they listen at by
	// themselves.
	//
	// Source: uvicorn --help, hypercorn --help, daphne --help, waitress-serve --help.
	ownPort = map[string]int{"uvicorn": 8000, "hypercorn": 8000, "daphne": 8000, "waitress-serve": 8080}
)

// portOf returns the port of a command that does not use PORT, where it is known, and
// what tells it.
func portOf(command string) (port int, why string) {
	if portUse.MatchString(command) {
		return 0, ""
	}
	if m := saidPort.FindStringSubmatch(command); m != nil {
		if n, err := strconv.ParseUint(m[1], 10, 16); err == nil && n > 0 {
			return int(n), "the command says port " + m[1]
		}
	}
	for word := range strings.FieldsSeq(command) {
		if own, ok := ownPort[path.Base(word)]; ok {
			return own, fmt.Sprintf("%s listens at %d and does not look at PORT", path.Base(word), own)
		}
	}
	return 0, ""
}

// simple reads a command that needs no shell: one program, variables in front of
// it, and "cd FOLDER &&". Words come in the syntax of descriptions, with the
// port as ${port}.
func (p *procfileReader) simple(d *draft, command string, at place) ([]string, bool) {
	commands, failure := splitShell(command)
	if failure != nil || len(commands) == 0 || len(commands) > 2 {
		return nil, false
	}
	last := commands[len(commands)-1]
	if len(commands) == 2 {
		cd, open := closed(commands[0].words)
		if open != nil || len(cd) != 2 || cd[0] != "cd" || commands[0].end != "&&" {
			return nil, false
		}
		where := inside(p.dir, cd[1])
		if where == "" {
			return nil, false
		}
		defer func() { d.text("run.directory", path.Join("/", where), at) }()
	}
	if len(last.redirects) > 0 || last.end != "" {
		return nil, false
	}
	var out []string
	for i := range last.words {
		w := &last.words[i]
		if name, value, ok := w.assignment(); ok && !w.open && len(out) == 0 {
			d.env(name, value, at)
			continue
		}
		if w.raw == "exec" && len(out) == 0 {
			continue
		}
		text, ok := portWord(w)
		if !ok {
			return nil, false
		}
		out = append(out, text)
	}
	return out, len(out) > 0 && !isShellWord(out[0])
}

// isShellWord reports whether a word begins something that only a shell knows.
func isShellWord(word string) bool {
	switch word {
	case "if", "for", "while", "until", "case", "{", "!", "[[", "cd", "export", "source", ".", "eval", "ulimit", "umask", "set", "trap", "unset", "wait", "test", "[":
		return true
	}
	return false
}

// portWord writes a word as descriptions do, with ${port} for $PORT. It fails
// for one that the shell changes in another way.
func portWord(w *shellWord) (text string, ok bool) {
	if !w.open {
		return literal(w.text), true
	}
	inner := w.raw
	if len(inner) > 1 && inner[0] == '"' && inner[len(inner)-1] == '"' {
		inner = inner[1 : len(inner)-1]
	}
	rest := portUse.ReplaceAllString(inner, "")
	if strings.ContainsAny(rest, "'\"\\$`*?[]{}~") {
		return "", false
	}
	return portUse.ReplaceAllString(inner, "$${port}"), true
}

// rawCommand is command for words in the syntax of descriptions.
func (d *draft) rawCommand(words []string, at place) bool {
	if !strings.Contains(words[0], "/") {
		if strings.HasPrefix(words[0], "-") || strings.ContainsAny(words[0], "=$") {
			d.r.refuse(at, d.name, "", "%q is no program that can be looked up", words[0])
			return false
		}
		words = d.lookedUp(words)
	}
	return d.rawWords("run.command", words, at)
}

// lookedUp is a command whose program stands in PATH: in that of a project, its virtual
// environment comes first.
func (d *draft) lookedUp(words []string) []string {
	if d.r.kind == Project {
		for _, name := range environments {
			if file := path.Join(d.r.base, name, "bin", words[0]); d.runs(file) {
				return append([]string{literal(path.Join("/", file))}, words[1:]...)
			}
		}
	}
	return append([]string{"/usr/bin/env"}, words...)
}
