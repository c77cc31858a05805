package importer

import (
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	"scgikit/internal/printable"
)

// script is what a run script comes to, once it is understood.
type script struct {
	chain  *chain
	words  []string // of the program
	at     place    // of the line that starts it
	stderr bool     // it goes where standard output goes
	notify bool     // standard output goes to the descriptor that says it is ready
}

// scriptReader reads a script of a service folder. Only the usual commands are
// known: redirections of all that follows, umask, cd, ulimit, variables, and at
// the end exec with a chain of programs.
type scriptReader struct {
	d        *draft
	file     string
	svc      string // the folder of the service
	out      script
	shell    map[string]string // variables of the shell alone
	exported map[string]bool
	room     int // what variables may still put in
	done     bool
}

// newScriptReader begins to read a script in a folder.
func newScriptReader(d *draft, file, svc string, log bool) *scriptReader {
	s := &scriptReader{d: d, file: file, svc: svc, shell: make(map[string]string), exported: make(map[string]bool), room: maxExpanded}
	s.out.chain = &chain{d: d, cwd: svc, svc: svc, vars: make(map[string]string), log: log}
	return s
}

// readScript reads a script into the draft. What it does not know is an error
// with its line, and leaves the draft as it was.
func (d *draft) readScript(file, svc string, log bool) (*script, *shellError) {
	text, err := d.r.text(file)
	if err != nil {
		return nil, &shellError{0, strings.TrimPrefix(err.Error(), printable.Text(d.r.name(file))+": ")}
	}
	values, notes := maps.Clone(d.values), len(d.r.notes)
	s := newScriptReader(d, file, svc, log)
	failure := s.read(text)
	if failure == nil {
		return &s.out, nil
	}
	d.values, d.r.notes = values, d.r.notes[:notes]
	return nil, failure
}

var shells = regexp.MustCompile(`^#![ \t]*(/usr)?(/local)?/bin/(env[ \t]+)?(sh|dash|bash|ksh|mksh|zsh)[ \t]*(-e|-u|-eu)?[ \t]*\r?(\n|$)`)

func (s *scriptReader) read(text string) *shellError {
	if !shells.MatchString(text) {
		return &shellError{1, "it is no script of a shell"}
	}
	commands, failure := splitShell(markListener(markEnvFile(text)))
	if failure != nil {
		return failure
	}
	for len(commands) > 0 && !s.done && s.d.r.done() == nil {
		used, what := s.command(commands)
		if what != "" {
			return &shellError{commands[0].line, what}
		}
		commands = commands[used:]
	}
	switch {
	case !s.done:
		return &shellError{len(lines(text)), "nothing is started with exec"}
	case len(commands) > 0:
		s.d.lost(s.d.r.at(s.file, commands[0].line), "what follows exec is never reached")
	}
	return nil
}

// command reads one command, and says how many it has used up.
func (s *scriptReader) command(commands []shellCommand) (used int, what string) {
	c := &commands[0]
	at := s.d.r.at(s.file, c.line)
	words := c.words
	before := make(map[string]*string) // what stands before a command is not yet set for its words
	vars := func(name string) (string, bool) {
		if old, changed := before[name]; changed {
			if old == nil {
				return "", false
			}
			return *old, true
		}
		return s.now(name)
	}
	for len(words) > 0 {
		name, value, ok := words[0].assignment()
		if !ok {
			break
		}
		if words[0].open {
			_, raw, _ := strings.Cut(words[0].raw, "=")
			if value, ok = expand(raw, s.now, &s.room); !ok && s.room < 0 {
				return 0, s.full()
			} else if !ok {
				return 0, "a variable with a value that the shell works out: " + words[0].raw
			}
		}
		if _, changed := before[name]; !changed {
			before[name] = nil
			if old, known := s.shell[name]; known {
				before[name] = &old
			}
		}
		if why := s.assign(name, value); why != "" {
			return 0, why
		}
		// Every supervisor has a PATH, which is exported before the script begins.
		s.exported[name] = s.exported[name] || name == "PATH" || len(words) > 1 || len(c.words) > 1 && words[len(words)-1].text == "exec"
		words = words[1:]
	}
	if len(words) == 0 && len(c.redirects) == 0 {
		return 1, afterward(c.end, false)
	}
	if len(words) == 0 || words[0].open {
		return 0, "a command that is not known here"
	}
	if words[0].text == "exec" {
		return 1, s.exec(words[1:], vars, c, at)
	}
	if len(c.redirects) > 0 {
		return 0, "a redirection of " + words[0].text
	}
	if words[0].text == "set" {
		return 1, s.set(words[1:])
	}
	args, open := s.closed(words[1:], vars)
	if open != nil {
		return 0, s.unread(open)
	}
	used = 1
	if c.end == "||" {
		if !endsScript(commands) {
			return 0, "||, which goes on in another way"
		}
		used = 2
	}
	return used, s.builtin(words[0].text, args, at)
}

// now returns the value of a variable as it is.
func (s *scriptReader) now(name string) (value string, known bool) {
	value, known = s.shell[name]
	return value, known
}

// afterward says why a command can not be followed by what follows it.
func afterward(end string, canFail bool) string {
	if end == "||" && !canFail {
		return "||, which goes on in another way"
	}
	return ""
}

// endsScript reports whether the second command is "exit", with a number.
func endsScript(commands []shellCommand) bool {
	if len(commands) < 2 || len(commands[1].words) == 0 || len(commands[1].redirects) > 0 {
		return false
	}
	return commands[1].words[0].raw == "exit" && len(commands[1].words) <= 2
}

func (s *scriptReader) builtin(name string, args []string, at place) (what string) {
	d := s.d
	switch name {
	case ":", "true":
	case "umask":
		if len(args) != 1 {
			return "umask without a number"
		}
		mode, ok := octal(args[0])
		if !ok {
			return "umask " + args[0]
		}
		d.mode("run.umask", mode, at)
	case "cd":
		if len(args) == 2 && args[0] == "--" {
			args = args[1:]
		}
		if len(args) != 1 || args[0] == "" || args[0] == "-" {
			return "cd without a folder"
		}
		where := inside(s.out.chain.cwd, args[0])
		if where == "" {
			return "cd " + args[0]
		}
		s.out.chain.cwd = where
		if !s.out.chain.log {
			d.text("run.directory", path.Join("/", where), at)
		}
	case "ulimit":
		return s.ulimit(args, at)
	case "export":
		return s.export(args)
	case envFileMark:
		if len(args) != 1 {
			return "the env file"
		}
		d.text("run.env_file", args[0], at)
		s.out.chain.vars[`"$@"`] = envFlags
	case folderMark, ownerMark, groupMark:
		if len(args) != 1 {
			return "the socket"
		}
		s.out.chain.socketLine(name, args[0])
	default:
		return name + " is not known here"
	}
	return ""
}

func (s *scriptReader) export(args []string) string {
	for _, arg := range args {
		name, value, set := strings.Cut(arg, "=")
		if !envName.MatchString(name) {
			return "export " + arg
		}
		if set {
			if why := s.assign(name, value); why != "" {
				return why
			}
		}
		s.exported[name] = true
	}
	return ""
}

// set reads the flags that change nothing for a script that only starts a
// program, and the one form that generated scripts have.
func (s *scriptReader) set(words []shellWord) string {
	switch {
	case len(words) == 1 && slices.Contains([]string{"-e", "-u", "-eu", "-ue", "--"}, words[0].raw):
		return ""
	case len(words) == 2 && words[0].raw == "--" && words[1].raw == `"`+ownFolder+`/env"` && s.out.chain.cwd == s.svc:
		s.out.chain.vars[`"$1"`] = path.Join("/", s.svc, "env")
		return ""
	}
	return "set"
}

// ulimit reads the limits that a description has.
func (s *scriptReader) ulimit(args []string, at place) string {
	if len(args) == 0 || s.out.chain.log {
		return "ulimit"
	}
	letter, soft := "f", false
	value := args[len(args)-1]
	for _, arg := range args[:len(args)-1] {
		soft = soft || strings.Contains(arg, "S")
		if arg = strings.TrimLeft(arg, "-SH"); arg != "" {
			letter = arg
		}
	}
	if !soft {
		s.d.lost(at, "ulimit lowers the hard limit as well, and softlimit and chpst the soft one alone")
	}
	if value == "unlimited" {
		s.d.lost(at, "ulimit -%s unlimited: a description only sets limits", letter)
		return ""
	}
	scale := map[string]int64{"n": 1, "u": 1, "p": 1, "t": 1, "v": 1024, "c": 512}[letter]
	var n int64
	if _, err := fmt.Sscanf(value, "%d", &n); err != nil || n < 0 || n > 1<<40 || scale == 0 {
		return "ulimit " + strings.Join(args, " ")
	}
	s.out.chain.at = at
	name := map[string]string{"n": "o", "u": "p", "p": "p", "t": "t", "v": "a", "c": "c"}[letter]
	return s.out.chain.limit(name, fmt.Sprint(n*scale))
}

func (s *scriptReader) exec(words []shellWord, vars lookup, c *shellCommand, at place) string {
	for _, r := range c.redirects {
		switch {
		case r.fd == "2" && r.op == ">&" && r.to.raw == "1", r.fd == "" && r.op == ">&" && r.to.raw == "2":
			s.out.stderr = true
		case len(words) > 0 && r.fd == "" && r.op == ">&" && r.to.raw == readyDescriptor, len(words) > 0 && r.fd == readyDescriptor && r.op == ">&" && r.to.raw == "-":
			s.out.notify = true
		default:
			return "a redirection of " + r.fd + r.op + r.to.raw
		}
	}
	if len(words) == 0 {
		return ""
	}
	var texts []string
	for i := range words {
		text, known := s.out.chain.vars[words[i].raw]
		switch {
		case known && text == envFlags: // flags for the variables of the env file
		case known:
			texts = append(texts, text)
		default:
			text, open := s.closed(words[i:i+1], vars)
			if open != nil {
				return s.unread(open)
			}
			texts = append(texts, text...)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.exported)) {
		if value, set := s.shell[name]; set && s.exported[name] && (name != "PATH" || !s.out.chain.log) {
			s.d.env(name, value, at)
		}
	}
	s.out.chain.at, s.out.at, s.done = at, at, true
	var why string
	s.out.words, why = s.out.chain.run(texts)
	switch ch := s.out.chain; {
	case why != "" || ch.listens != "":
	case s.out.notify:
		why = "standard output goes to a descriptor that says the program is ready"
	case ch.folder != "" || ch.owner != "" || ch.group != "":
		why = "it prepares a socket for a listener that is not known here"
	}
	return why
}

// envFileMark is the command that the loop of a generated script becomes. No
// script has a word like it, because a NUL byte makes a file no text.
const envFileMark = "\x00envfile"

var (
	envFileLoop = regexp.MustCompile(`(?m)^while IFS= read -r scgikit_line \|\| \[ -n "\$scgikit_line" \]; do\n((?:\t.*\n)+)done <(.*) \|\| (?:exit 111|fail "can not read the env file")` +
		// Those of before 0034 set each line as they read it.
		`(?:\nunset scgikit_line\nset -- "\$@" \'\'(?: "\$1"\nshift)?\nwhile \[ -n "\$1" \]; do\n((?:\t.*\n)+)done\nshift)?$`)
	envFileBody = regexp.MustCompile(`^(` + strings.Join([]string{
		`case \$scgikit_line in`, `'' \| '#'\*\) continue ;;`, `\[A-Za-z_\]\*=\*\) ;;`, `\*\)`, `\*\[!A-Za-z0-9_\]\*( \| [A-Za-z0-9_*]+)*\)`,
		`echo "[a-z]+: the env file (has a line that is no NAME=value|may not set \$scgikit_name; use run\.env)"`, `exit 111`, `;;`, `esac`,
		`\*\) fail "the env file has a line that is no NAME=value" ;;`, `\*\[!A-Za-z0-9_\]\*\) fail "the env file has a bad name" ;;`,
		`'' \| '#'\*\) ;;`, `\*\) set -- "\$@" "\$scgikit_line" ;;`, `case \$1 in`, `case \$\{1%%=\*\} in`, `export "\$\{1%%=\*\}=\$\{1#\*=\}"`, `shift`,
		`eval "\[ \\"\\\$\$\{1%%=\*\}\\" = \\"\\\$\{1#\*=\}\\" \]" \|\| (\{|fail "this shell keeps \$\{1%%=\*\} of the env file for itself")`, `\}`,
		`\*\[!A-Za-z0-9_\]\*( \| [A-Za-z0-9_*]+)*\) fail "the env file has a name that can not be set" ;;`,
		`echo "[a-z]+: this shell keeps \$\{1%%=\*\} of the env file for itself; use run\.env"`,
		`echo "[a-z]+: the env file may not set \$\{1%%=\*\}; use run\.env"`, `set -- "\$@" --env-pass "\$\{1%%=\*\}"`, `set -- "\$@" "--env-pass=\$\{1%%=\*\}"`,
		`scgikit_name=\$\{scgikit_line%%=\*\}`, `case \$scgikit_name in`, `export "\$scgikit_name=\$\{scgikit_line#\*=\}"`,
		`set -- "\$@" --env-pass "\$scgikit_name"`, `set -- "\$@" "--env-pass=\$scgikit_name"`,
	}, "|") + `)$`)
)

// markEnvFile puts a command in the place of the loop by which generated scripts
// read an env file, and keeps the number of lines.
func markEnvFile(text string) string {
	found := envFileLoop.FindStringSubmatchIndex(text)
	if found == nil {
		return text
	}
	body := text[found[2]:found[3]]
	if found[6] >= 0 {
		body += text[found[6]:found[7]]
	}
	for _, line := range lines(body) {
		if !envFileBody.MatchString(strings.TrimLeft(line, "\t")) {
			return text
		}
	}
	mark := strings.Repeat("\n", strings.Count(text[found[0]:found[1]], "\n")) + envFileMark + " " + text[found[4]:found[5]]
	return text[:found[0]] + mark + text[found[1]:]
}
