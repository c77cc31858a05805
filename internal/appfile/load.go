package appfile

import "scgikit/internal/diag"

// Source is one description file.
type Source struct {
	Name string // as messages show it: "apps/blog.yaml"
	Data []byte
	// Profile is the text of the file "apps/blog.NAME.yaml" that stands next
	// to it for the chosen profile, or nil.
	Profile *Source
}

// Loader reads descriptions.
type Loader struct {
	Profile string                      // name of the profile; "" for none
	Sets    []string                    // "path=value", applied after the profile
	Env     func(string) (string, bool) // the outer environment, asked only for names in vars_from_env; nil has none
	Options map[string]any              // for each target, a pointer to the zero value of its options struct
	Targets []string                    // names that "targets:" may hold
}

// Load reads every source and checks each app and the rules across apps. The
// list holds all problems, sorted; the project is nil where one is an error.
func (l *Loader) Load(sources []Source) (*Project, diag.List) {
	return nil, nil
}

// Fields returns every leaf field of the description in the order of the
// structs, without the target options.
func Fields() []Field { return nil }

// FieldOf returns the field that a path belongs to: indexes and map keys are
// cut, so that it is a Path of Fields ("run.env.LANG" is "run.env",
// "http.static[0].dir" is "http.static[].dir", "options.inetd.dialect" is
// "options").
func FieldOf(path string) string { return path }

// SetPaths returns the paths of every leaf value that the description sets,
// sorted.
func (a *App) SetPaths() []string { return nil }

// FindString returns the path of the first leaf whose resolved value is, or
// contains, the string: to name the field behind a value that a target refuses.
func (a *App) FindString(value string) (path string, ok bool) { return "", false }

// Canonical returns the app, resolved, in a stable text form, for hashing and
// for explain --resolved. Equal descriptions give equal bytes.
func (a *App) Canonical() []byte { return nil }
