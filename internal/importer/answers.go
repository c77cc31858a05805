package importer

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"scgikit/internal/diag"
	"scgikit/internal/printable"
)

// placeholderUser is who runs a program of which nobody has said it.
const placeholderUser = "www-data"

// answer puts the answers into a draft, and what nobody has said and every
// description needs.
func (d *draft) answer() {
	if d.r.kind != Project {
		return
	}
	for i := range d.r.options.Answers {
		d.take(&d.r.options.Answers[i])
	}
	if !d.has("run.user") && d.r.choice(d.r.options.Users, d.name) == "" {
		d.text("run.user", placeholderUser, d.at)
		d.assume(d.at, "run.user", "--user names it", "nothing says who runs it: %s is a placeholder", placeholderUser)
	}
}

func (d *draft) take(a *Answer) {
	for _, other := range alternatives[a.Field] {
		if d.r.answerOf(other) == "" { // what was found, and not what was said as well
			delete(d.values, other)
		}
	}
	for field := range d.values {
		if strings.HasPrefix(field, a.Field+".") && a.YAML {
			delete(d.values, field)
		}
	}
	if name, secret := strings.CutPrefix(a.Field, "run.secrets."); secret {
		d.hideFound(strings.TrimSuffix(name, ".file"))
	}
	notes := len(d.r.notes)
	ok := true
	switch {
	case a.Field == "listen" && !a.YAML:
		delete(d.values, "listen.tcp")
		delete(d.values, "listen.unix")
		d.listen(a.Words[0], d.at)
		for _, field := range []string{"listen.tcp", "listen.unix"} {
			if v, set := d.values[field]; set {
				d.raw(field, strings.ReplaceAll(v.text[0], "$$", "$"), d.at)
			}
		}
	case a.YAML && (a.Words[0] == "null" || a.Words[0] == "~"):
		delete(d.values, a.Field)
	case a.YAML:
		if ok = carriable(a.Words[0]) == ""; ok {
			d.yaml(a.Field, a.Words[0], d.at)
		}
	case a.List:
		ok = d.rawWords(a.Field, a.Words, d.at)
	default:
		ok = d.raw(a.Field, a.Words[0], d.at)
	}
	if !ok {
		d.r.notes = d.r.notes[:notes]
		for _, word := range a.Words {
			if why := carriable(word); why != "" {
				d.r.isWrong(a.Flag, fmt.Sprintf("%q %s", word, why), "")
			}
		}
	}
}

// hideFound takes a variable that was found out of the description, because an answer
// has a file for it.
func (d *draft) hideFound(name string) {
	field := "run.env." + name
	if d.r.answerOf(field) != "" {
		return
	}
	delete(d.values, field)
	d.r.notes = slices.DeleteFunc(d.r.notes, func(n Note) bool { return n.Class == Secret && n.Field == field })
}

// bareYAML are scalars that are no text, or may be something else as well: quotes
// would make them text alone.
var bareYAML = regexp.MustCompile(`^([0-9][0-9.]*[A-Za-z]*|true|false|[\[{"'].*)$`)

// yaml sets a field to what --set has: YAML where brackets, braces or quotes enclose it,
// else a scalar of any type.
func (d *draft) yaml(field, s string, at place) {
	if bareYAML.MatchString(s) {
		d.bare(field, s, at)
		return
	}
	d.raw(field, s, at)
}

func (r *reading) isWrong(flag, message, hint string) {
	r.wrong = append(r.wrong, Wrong{flag, printable.Text(message), printable.Text(hint)})
}

// answerOf returns the flag of the answer that sets a field, or "".
func (r *reading) answerOf(field string) string {
	for _, a := range slices.Backward(r.options.Answers) {
		if a.Field == field || strings.HasPrefix(field, a.Field+".") && (a.YAML || a.Field == "listen" && field != "listen.group") {
			return a.Flag
		}
	}
	return ""
}

// saidModule is the module of an answer for wsgi.module.
func (r *reading) saidModule() string {
	for _, a := range r.options.Answers {
		if a.Field == "wsgi.module" && !a.YAML {
			module, _, _ := strings.Cut(a.Words[0], ":")
			return module
		}
	}
	return ""
}

// blame makes problems that answers have into Wrong. It reports whether there are any.
func (d *draft) blame(list []*diag.Problem) bool {
	found := false
	for _, p := range list {
		if p.Severity != diag.Error {
			continue
		}
		if flag := d.r.answerOf(d.fieldOf(p.Path)); flag != "" {
			d.r.isWrong(flag, fmt.Sprintf("%s [%s]", p.Message, p.Code), p.Hint)
			found = true
		}
	}
	return found
}

// alternatives are the fields that a field takes the place of.
var alternatives = map[string][]string{
	"cgi.script":    {"cgi.directory"},
	"cgi.directory": {"cgi.script"},
}

// descriptionVariable is a variable of descriptions.
var descriptionVariable = regexp.MustCompile(`\$\{([a-z][A-Za-z0-9_.]*)\}`)

// Words cuts a line into words as a shell does, quotes taken away, and returns them in
// the syntax of descriptions: ${port} and the other variables stay, and another dollar
// sign is doubled. What a shell would put something in the place of is an error.
func Words(line string) ([]string, error) {
	const before, after = "\ue000", "\ue001" // in no line that somebody types
	commands, failure := splitShell(descriptionVariable.ReplaceAllString(line, before+"$1"+after))
	switch {
	case failure != nil:
		return nil, errors.New(failure.what)
	case len(commands) == 0:
		return nil, nil
	case len(commands) > 1 || commands[0].end != "" || len(commands[0].redirects) > 0:
		return nil, errors.New("it is more than one command; put the words in quotes that are for the program")
	}
	words, open := closed(commands[0].words)
	if open != nil {
		return nil, fmt.Errorf("a shell would put something else in the place of %s; put it in single quotes", open.raw)
	}
	for i := range words {
		words[i] = strings.NewReplacer(before, "${", after, "}").Replace(literal(words[i]))
	}
	return words, nil
}
