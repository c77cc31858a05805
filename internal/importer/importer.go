// Package importer reads set-ups that exist (inetd.conf, xinetd.d, service
// folders of daemontools, runit and s6, systemd units, a Procfile, supervisord.conf)
// into descriptions, and says line by line what a description can not carry.
//
// It only reads, through the fs.FS that it is given. It guesses nothing without
// a word: what a description needs and the set-up does not say is a placeholder
// with a note.
package importer

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"scgikit/internal/inetdconf"
	"scgikit/internal/printable"
)

// Kind is a kind of set-up.
type Kind string

// The kinds.
const (
	Inetd       Kind = "inetd"
	Xinetd      Kind = "xinetd"
	Daemontools Kind = "daemontools"
	Runit       Kind = "runit"
	S6          Kind = "s6"
	Procfile    Kind = "procfile"
	Systemd     Kind = "systemd"
	Supervisord Kind = "supervisord"
)

// Values lists every kind.
func (Kind) Values() []string {
	return []string{"inetd", "xinetd", "daemontools", "runit", "s6", "procfile", "systemd", "supervisord"}
}

// Options are what the person who imports adds to what the files say.
type Options struct {
	Dialect inetdconf.Dialect // of inetd

	// By the name of the app; "" is for every app that has none of its own.
	Mounts, Listens, Users map[string]string

	// Of a Project.
	Answers []Answer
	App     string // which app of a folder, as a Choice has it
	Type    string // of the app; "" is any
	Ports   []int  // that other apps have, which a placeholder keeps away from

	Name       string            // of the only app; "" takes it from the files
	Env        map[string]string // %(ENV_NAME)s of supervisord.conf
	SecretsDir string            // variables that look like secrets become DIR/NAME; "" keeps them, with a note
	Targets    map[string]any    // as of appfile.Loader.Options: the descriptions are checked
}

// Class says what a note is about.
type Class string

// The classes.
const (
	Lost    Class = "lost"    // the set-up says it, and the description can not
	Assumed Class = "assumed" // the description needs it, and the set-up does not say it
	Secret  Class = "secret"  // a value that looks like one would stand in the description
	Skipped Class = "skipped" // no service: a comment, one that is off, or built in
	Refused Class = "refused" // a service that is not imported
)

// Note is something that a person has to know about the import.
type Note struct {
	File    string `json:"file"`
	Line    int    `json:"line,omitempty"`
	Class   Class  `json:"class"`
	App     string `json:"app,omitempty"`
	Field   string `json:"field,omitempty"` // of the description
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

// String returns "file:line: class: field: message".
func (n Note) String() string {
	var b strings.Builder
	b.WriteString(n.File)
	if n.Line > 0 {
		fmt.Fprintf(&b, ":%d", n.Line)
	}
	fmt.Fprintf(&b, ": %s: ", n.Class)
	if n.Field != "" {
		b.WriteString(n.Field + ": ")
	}
	b.WriteString(n.Message)
	return b.String()
}

// Description is one app as it was read.
type Description struct {
	Name string `json:"name"`
	Text string `json:"text"` // YAML, in the order of the fields
}

// Result is what was read.
type Result struct {
	Apps  []Description `json:"apps"`
	Notes []Note        `json:"notes"`

	// Of a Project.
	Wrong   []Wrong  `json:"-"` // answers that no description takes; there is no app then
	Choices []Choice `json:"-"` // several apps, of which Options.App names none; there is no app then
	Lacks   string   `json:"-"` // what was looked for, where nothing is found: "no manage.py, …"
}

// Read reads the set-up at name, a path in fsys, whose root is that of the
// machine. Messages call it shown. What is wrong with one service is a note;
// the error is for what makes the whole unreadable, and for a context that is done.
func Read(ctx context.Context, kind Kind, fsys fs.FS, name, shown string, o *Options) (*Result, error) {
	r := &reading{
		done: ctx.Err, fsys: fsys, base: path.Clean(name), shown: strings.TrimSuffix(shown, "/"), options: o, kind: kind,
		taken: make(map[string]bool), counted: make(map[string]int),
	}
	if r.shown == "" {
		r.shown = "/"
	}
	info, err := fs.Stat(fsys, r.base)
	switch {
	case err == nil:
		r.isDir = info.IsDir()
	case kind == Systemd && r.findUnit(path.Dir(r.base), path.Base(r.base)) != "": // an instance, of which the template is there
	default:
		if !utf8.ValidString(r.base) {
			err = errors.New("the path is not UTF-8, which no description can hold")
		}
		return nil, r.explain(r.base, err)
	}
	var read func() error
	switch kind {
	case Inetd:
		read = r.inetd
	case Xinetd:
		read = r.xinetd
	case Daemontools, Runit, S6:
		read = r.folders
	case Procfile:
		read = r.procfile
	case Systemd:
		read = r.systemd
	case Supervisord:
		read = r.supervisord
	case Project:
		read = r.project
	default:
		return nil, fmt.Errorf("there is no kind %q, only: %s", string(kind), strings.Join(kind.Values(), ", "))
	}
	if err := read(); err != nil {
		return nil, err
	}
	result := r.settle()
	return result, ctx.Err()
}

// reading is one run of Read.
type reading struct {
	done      func() error // says that nobody waits any more
	fsys      fs.FS
	kind      Kind
	base      string // what is read, and what messages call it
	shown     string
	isDir     bool
	options   *Options
	drafts    []*draft
	taken     map[string]bool // names of drafts
	counted   map[string]int  // how often a name has been numbered
	notes     []Note
	sockets   map[string]map[string][]string // by folder and service, of systemd
	instances map[string]map[string][]string // by folder and template
	files     int                            // read so far
	bytes     int64
	variables int

	// Of a Project.
	process int // line of a Procfile that is read; 0 is all
	wrong   []Wrong
	choices []Choice
	lacks   string
}

// place is a line of a file; a Line of 0 is the file as a whole.
type place struct {
	file string // as messages call it
	line int
}

func (r *reading) note(class Class, at place, app, field, hint, format string, args ...any) {
	r.notes = append(r.notes, Note{
		File: printable.Text(at.file), Line: at.line, Class: class, App: app, Field: printable.Text(short(field)),
		Message: printable.Text(short(fmt.Sprintf(format, args...))), Hint: printable.Text(short(hint)),
	})
}

// short cuts a text that is longer than anybody reads. The line that a note names has
// all of it.
func short(text string) string {
	const most = 500
	if len(text) <= most {
		return text
	}
	end := most - 100
	for !utf8.RuneStart(text[end]) && end > 0 {
		end--
	}
	return fmt.Sprintf("%s… (%d bytes more)", text[:end], len(text)-end)
}

func (r *reading) skip(at place, format string, args ...any) {
	r.note(Skipped, at, "", "", "", format, args...)
}

func (r *reading) refuse(at place, app, hint, format string, args ...any) {
	r.note(Refused, at, app, "", hint, format, args...)
}

// sortNotes puts the notes into the order of the files, keeping that of a line.
func (r *reading) sortNotes() {
	slices.SortStableFunc(r.notes, func(a, b Note) int {
		if c := strings.Compare(a.File, b.File); c != 0 {
			return c
		}
		return a.Line - b.Line
	})
	r.notes = slices.Compact(r.notes)
}
