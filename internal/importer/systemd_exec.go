package importer

import (
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
)

// start reads ExecStart and the type of the service. It reports whether the
// service can be a description.
func (s *serviceReader) start() bool {
	d, u := s.d, s.u
	kind, at := "simple", d.at
	if l, ok := u.last("Service", "Type"); ok {
		kind, at = l.value, l.at
	} else if l, ok := u.last("Service", "BusName"); ok {
		kind, at = "dbus", l.at // which makes it that
	}
	switch kind {
	case "simple", "exec", "notify", "idle":
	case "forking":
		d.r.refuse(at, d.name, "let the program stay in the foreground, and remove Type=", "Type=forking: the program goes into the background, where no supervisor but systemd finds it")
		return false
	default:
		d.r.refuse(at, d.name, "", "Type=%s is for no program that serves", kind)
		return false
	}
	starts := u.all("Service", "ExecStart")
	if len(starts) != 1 {
		d.r.refuse(d.at, d.name, "", "it has %d ExecStart=, and a description has one command", len(starts))
		return false
	}
	l := starts[0]
	commands, err := splitCommands(l.value)
	if err == nil && len(commands) > 1 {
		d.r.refuse(l.at, d.name, "", "ExecStart= has %d commands with ; between, which systemd takes for Type=oneshot alone, and a description has one", len(commands))
		return false
	}
	var words []string
	if err == nil && len(commands) > 0 {
		words, err = u.expanded(commands[0])
	}
	if err == nil {
		words, err = s.variables(words)
	}
	if err != nil {
		d.r.refuse(l.at, d.name, "write the words out", "ExecStart=: %v", err)
		return false
	}
	if len(words) == 0 {
		d.r.refuse(l.at, d.name, "", "ExecStart= starts nothing")
		return false
	}
	return s.program(words, kind, at, l.at)
}

// program takes the prefixes off the first word, and sets the command.
func (s *serviceReader) program(words []string, kind string, kindAt, at place) bool {
	d := s.d
	for words[0] != "" && strings.IndexByte("-@:+!", words[0][0]) >= 0 {
		switch words[0][0] {
		case '@':
			d.r.refuse(at, d.name, "", "ExecStart=@ gives the program another argv[0] than its path, which no description does")
			return false
		case '+', '!':
			d.lost(at, "ExecStart=%c: the program is run as run.user", words[0][0])
		case '-':
			if !s.request {
				d.lost(at, "ExecStart=-: an exit with an error counts as one")
			}
		case ':':
		}
		words[0] = words[0][1:]
	}
	if w := d.r.wrapper(s.u.file, words[0]); w != nil {
		s.credentials(w)
		w.apply(d)
		if dir := path.Dir(words[0]); dir != "/usr/local/libexec/scgikit" {
			d.text("options.systemd.wrapper_dir", dir, at)
		}
		words = append([]string{w.program}, w.args...)
	}
	if s.request {
		if !d.perRequest(words[0], words, "systemd", at) {
			d.r.refuse(at, d.name, "a CGI program, or a folder of them, can run under scgi-run bridge",
				"it starts %s for each connection, which speaks to that itself; a description has programs per request as CGI scripts and WSGI callables alone", words[0])
			return false
		}
		d.text("run.mode", "per-request", at)
		return true
	}
	if s.bridge = isOwn(words) && words[1] != "listen" && d.perRequest(words[0], words, "systemd", at); s.bridge {
		if d.served.listen != "systemd" && d.ownAddress() {
			c := &chain{d: d, at: at}
			s.bridge = c.ownSocket(d.served.mode, d.served.owner)
		}
	}
	if s.bridge {
		if d.has("wsgi.server") { // uwsgi, of which this is a good end
			s.known("Service", "SuccessExitStatus", "15")
		}
		return true
	}
	d.text("type", "server", at)
	if kind == "notify" || kind == "simple" {
		d.text("options.systemd.readiness", kind, kindAt)
	}
	if kind == "idle" {
		d.lost(kindAt, "Type=idle becomes Type=exec")
	}
	return d.command(words, at)
}

// credentials puts the files behind a script's credentials in their place.
func (s *serviceReader) credentials(w *wrapper) {
	files := make(map[string]string)
	for _, l := range s.u.all("Service", "LoadCredential") {
		if name, file, ok := strings.Cut(l.value, ":"); ok {
			if text, err := s.u.specifiers(file); err == nil {
				files[name] = text
			}
		}
	}
	for i := range w.secrets {
		w.secrets[i][1] = files[strings.TrimPrefix(w.secrets[i][1], credentialMark)]
	}
	if name, ok := strings.CutPrefix(w.envFile, credentialMark); ok {
		w.envFile = files[name]
	}
}

var unitVariable = regexp.MustCompile(`\$(\$|\{[A-Za-z_][A-Za-z0-9_]*\}|[A-Za-z_][A-Za-z0-9_]*)`)

// variables puts in the values of variables that the unit itself sets, or a file
// that it names. Another one is only known when the program starts. As in systemd
// a $NAME is the words of its value where it is a word of its own, and itself in
// the middle of one; ${NAME} is its value anywhere.
func (s *serviceReader) variables(words []string) ([]string, error) {
	if len(words) > 0 && strings.ContainsRune(words[0][:len(words[0])-len(strings.TrimLeft(words[0], "-@:+!"))], ':') {
		return words, nil // the prefix for a command without variables
	}
	env, from, complete := s.knownVariables()
	var unknown string
	used := make(map[string]bool)
	room := maxExpanded
	get := func(name string) string {
		value, ok := env[name]
		if room -= len(value); room < 0 {
			return ""
		}
		if used[name] = true; !ok || !complete {
			unknown = "$" + name
		}
		return value
	}
	var out []string
	for i, word := range words {
		if name, whole := strings.CutPrefix(word, "$"); whole && i > 0 && envName.MatchString(name) {
			out = append(out, strings.Fields(get(name))...)
			continue
		}
		out = append(out, unitVariable.ReplaceAllStringFunc(word, func(v string) string {
			switch {
			case v == "$$":
				return "$"
			case v[1] == '{':
				return get(strings.Trim(v, "${}"))
			}
			return v
		}))
	}
	if room < 0 {
		return nil, fmt.Errorf("its variables come to more than %d bytes", maxExpanded)
	}
	if unknown != "" {
		return nil, unknownVariable(unknown)
	}
	s.tellVariables(used, from)
	return out, nil
}

// tellVariables says which values of the command stand in files that may change.
func (s *serviceReader) tellVariables(used map[string]bool, from map[string]string) {
	for _, name := range slices.Sorted(maps.Keys(used)) {
		if file := from[name]; file != "" && !s.told[name] {
			if s.told == nil {
				s.told = make(map[string]bool)
			}
			s.told[name] = true
			s.d.assume(s.d.at, "run.command", "import it again where that changes", "$%s is what %s", name, file)
		}
	}
}

// knownVariables returns the variables of the unit, and where each stands if that is
// a file: those of a later file count. It is not complete where a file can not be read.
func (s *serviceReader) knownVariables() (env, from map[string]string, complete bool) {
	env, from = make(map[string]string), make(map[string]string)
	for _, l := range s.u.all("Service", "Environment") {
		if list, err := s.u.words(l.value); err == nil {
			for _, word := range list {
				name, value, _ := strings.Cut(word, "=")
				env[name] = value
			}
		}
	}
	for _, l := range s.u.all("Service", "EnvironmentFile") {
		file, err := s.u.specifiers(l.value)
		shown, optional := strings.CutPrefix(file, "-")
		where := inside(".", shown)
		if err != nil || !path.IsAbs(shown) || where == "" || strings.ContainsAny(shown, "*?[") {
			return env, from, false
		}
		if !s.d.r.exists(where) {
			if !optional {
				return env, from, false
			}
			for name := range env {
				if from[name] == "" {
					from[name] = "Environment= says; " + shown + ", which may change it, is not there"
				}
			}
			continue
		}
		text, err := s.d.r.text(where)
		if err != nil {
			return env, from, false
		}
		for _, pair := range environmentFile(text) {
			env[pair[0]], from[pair[0]] = pair[1], shown+" says now"
		}
	}
	return env, from, true
}

type unknownVariable string

func (v unknownVariable) Error() string {
	return string(v) + " is only known when the program starts"
}

// environment reads the variables of the program.
func (s *serviceReader) environment() {
	d, u := s.d, s.u
	for _, l := range u.all("Service", "Environment") {
		words, err := u.words(l.value)
		if err != nil {
			d.lost(l.at, "Environment=: %v", err)
			continue
		}
		for _, word := range words {
			name, value, ok := strings.Cut(word, "=")
			if !ok {
				d.lost(l.at, "Environment=%s has no value, and systemd ignores it", word)
				continue
			}
			d.env(name, value, l.at)
		}
	}
	s.environmentFiles()
	for _, l := range u.all("Service", "LoadCredential") {
		if name, file, ok := strings.Cut(l.value, ":"); !d.has("run.secrets."+name+".file") && file != d.envCredentialFile() {
			_ = ok
			d.note(Lost, l.at, "run.secrets", "write run.secrets."+name+": {file: "+file+"}: the value becomes the variable "+name,
				"LoadCredential=%s: the program finds it in $CREDENTIALS_DIRECTORY, and a secret of a description in a variable", l.value)
		}
	}
}

// environmentFiles takes the last of the files for that of the description: it counts
// most. One that need not be there, and is not, would keep the program from being
// started.
func (s *serviceReader) environmentFiles() {
	d := s.d
	var files []string
	var places []place
	for _, l := range s.u.all("Service", "EnvironmentFile") {
		file, err := s.u.specifiers(l.value)
		file, optional := strings.CutPrefix(file, "-")
		where := inside(".", file)
		switch {
		case err != nil:
			d.lost(l.at, "EnvironmentFile=: %v", err)
		case strings.ContainsAny(file, "*?["):
			d.lost(l.at, "EnvironmentFile=%s: a description names one file", file)
		case optional && where != "" && !d.r.exists(where):
			d.lost(l.at, "EnvironmentFile=-%s: the file is not there, and is left out; a description has no file that may be missing", file)
		default:
			if optional {
				d.lost(l.at, "EnvironmentFile=-: a file that is missing keeps the program from being started")
			}
			files, places = append(files, file), append(places, l.at)
		}
	}
	for i, file := range files {
		if i < len(files)-1 {
			d.lost(places[i], "EnvironmentFile=%s: a description has one run.env_file, and the last one counts most", file)
			continue
		}
		d.text("run.env_file", file, places[i])
	}
}

func (d *draft) envCredentialFile() string {
	if v, ok := d.values["run.env_file"]; ok {
		return strings.ReplaceAll(v.text[0], "$$", "$")
	}
	return ""
}

// list reads a setting that holds words in each of its lines.
func (s *serviceReader) list(section, key string) (words []string, at place) {
	seen := make(map[string]bool)
	for _, l := range s.u.all(section, key) {
		more, err := s.u.words(l.value)
		if err != nil {
			s.d.lost(l.at, "%s=: %v", key, err)
			continue
		}
		at = l.at
		for _, w := range more {
			if !seen[w] {
				words, seen[w] = append(words, w), true
			}
		}
	}
	return words, at
}
