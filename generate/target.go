// Package generate renders app descriptions into the configuration of web
// servers, super-servers and supervisors: a Project in, a fileset.Set out.
// Nothing here reads or writes a disk, but for the templates that override
// built-in ones, through the fs.FS that the caller gives.
//
// A target is one Go file here, one folder of templates, one folder of golden
// files, and its line in targets.go.
package generate

import (
	"io/fs"
	"maps"
	"slices"
	"strings"

	"scgikit/internal/appfile"
	"scgikit/internal/diag"
	"scgikit/internal/fileset"
)

// Kind is the part of a set-up that a target configures.
type Kind uint8

// The kinds of target.
const (
	WebServer   Kind = iota // takes HTTP requests and passes them on
	SuperServer             // listens and starts the program for each connection
	Supervisor              // keeps the program running
)

// String returns "web server", "super-server" or "supervisor".
func (k Kind) String() string {
	switch k {
	case WebServer:
		return "web server"
	case SuperServer:
		return "super-server"
	case Supervisor:
		return "supervisor"
	}
	return "unknown"
}

// Codes of the problems that more than one target finds in descriptions.
const (
	codeCannotCarry = "cannot-carry"
	codeCannotQuote = "cannot-quote"
	codeMissing     = "missing"
	codeNotCarried  = "not-carried"
)

// Target is a program that scgikit writes configuration for.
type Target struct {
	Name    string // the CLI word, and the folder under templates and deploy
	Kind    Kind
	Summary string // half a line for help and the README
	Source  string // where its syntax is documented
	Options any    // pointer to the zero value of what "options.NAME:" holds; nil for nothing

	// Fields says what becomes of every field of the description.
	Fields Fields

	// Fits reports why an app can not be rendered at all, in a few words
	// ("it listens by itself"), or "". "generate all" leaves such an app out
	// and says so; asking for the target by name makes it an error.
	Fits func(*appfile.App) string

	// Accept returns the problems that depend on values, of one app.
	Accept func(*Scope, *appfile.App) diag.List

	// Files returns what to render. It decides everything; templates lay out.
	Files func(*Scope) ([]Spec, error)

	// Way is that of a request through a target that starts apps; nil is the usual
	// one of its kind, see WayOf.
	Way func(*appfile.App) Way

	// Quote is {{ q … }} in the target's templates, but for those that Quotes
	// names: a target that writes several syntaxes has a template for each.
	Quote  func(string) (string, error)
	Quotes map[string]func(string) (string, error)

	// Printers are further functions that its templates may print with, by
	// name: where one file holds values of several syntaxes.
	Printers map[string]func(string) (string, error)

	// Parts are templates of other targets that its own include, as
	// "inetd/_script.tmpl".
	Parts []string
}

// Scope is what one target renders in one run.
type Scope struct {
	Target  *Target
	Project *appfile.Project // every app, for rules across apps
	Apps    []*appfile.App   // the apps to render, sorted by name
}

// Spec is one file to be made: from a template, or as it is.
type Spec struct {
	Path  string // below the target's folder: "blog.conf", "blog/log/run"
	Kind  fileset.Kind
	Mode  fs.FileMode
	User  string // on the target machine; "" is root
	Group string
	Place string // where the program reads it, in the target's words
	Link  string // of a symlink
	Apps  []*appfile.App

	Template string              // "location.conf.tmpl" in the target's folder; "" takes Raw
	Data     any                 // what the template is given
	Raw      []byte              // the bytes themselves, without a header
	Tidy     func([]byte) []byte // lays out what the template gave; nil keeps it
	NoHeader bool                // of a file whose syntax has no comments; the manifest covers it
}

// Support says what becomes of a field under a target.
type Support uint8

// What can become of a field.
const (
	Elsewhere Support = iota + 1 // another part of the set-up carries it
	Carried                      // it is in the output
	Warned                       // it is lost, which does no harm; a warning names it
	Refused                      // it would be lost, which does harm; an error names it
)

// String returns the word of the matrix: "-", "yes", "warns" or "refuses".
func (s Support) String() string {
	switch s {
	case Elsewhere:
		return "-"
	case Carried:
		return "yes"
	case Warned:
		return "warns"
	case Refused:
		return "refuses"
	}
	return "?"
}

// Field is what becomes of one field, and why.
type Field struct {
	Support Support
	Note    string // for Warned and Refused: why, and what to do instead
}

// Fields maps field paths, without indexes, to what becomes of them. A key
// that ends in ".*" stands for all fields below it; the longest match wins.
type Fields map[string]Field

// Lookup returns what becomes of a field such as "run.env" or
// "http.static[].dir".
func (f Fields) Lookup(field string) (Field, bool) {
	if got, ok := f[field]; ok {
		return got, true
	}
	for prefix := field; ; {
		cut := strings.LastIndexByte(prefix, '.')
		if cut < 0 {
			break
		}
		prefix = prefix[:cut]
		if got, ok := f[prefix+".*"]; ok {
			return got, true
		}
	}
	got, ok := f["*"]
	return got, ok
}

// Matrix returns, for every field of the description and every target, what
// becomes of it: matrix[field][target]. The fields come sorted as well.
func Matrix() (fields []string, matrix map[string]map[string]Field) {
	matrix = make(map[string]map[string]Field)
	for _, info := range appfile.Fields() {
		row := make(map[string]Field, len(Targets()))
		for _, t := range Targets() {
			if got, ok := t.Fields.Lookup(info.Path); ok {
				row[t.Name] = got
			}
		}
		matrix[info.Path] = row
	}
	return slices.Sorted(maps.Keys(matrix)), matrix
}

// unsupported returns a problem for each field that the description sets and
// the target can not carry.
func (t *Target) unsupported(a *appfile.App) diag.List {
	var list diag.List
	for _, field := range a.SetPaths() {
		got, ok := t.Fields.Lookup(appfile.FieldOf(field))
		if !ok {
			continue
		}
		switch got.Support {
		case Elsewhere, Carried:
		case Warned:
			list = append(list, a.Warning(field, codeNotCarried, t.Name+" does not carry it", got.Note))
		case Refused:
			list = append(list, a.Problem(field, codeCannotCarry, t.Name+" cannot express it", got.Note))
		}
	}
	return list
}
