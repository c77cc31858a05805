package appfile

import (
	"strings"

	"scgikit/internal/diag"
)

// Origin says where a value came from.
type Origin struct {
	Kind OriginKind
	Span diag.Span // of the value; of the variable's use where it was expanded
	Key  diag.Span // of the key, where there is one

	leaf bool // a value, and not a mapping or a list of others
}

// OriginKind is the layer that set a value.
type OriginKind uint8

// The layers, from the weakest to the strongest.
const (
	FromDefault OriginKind = iota
	FromFile
	FromProfile
	FromSet // --set path=value
)

// String returns "default", "file", "profile" or "--set".
func (k OriginKind) String() string {
	switch k {
	case FromDefault:
		return "default"
	case FromFile:
		return "file"
	case FromProfile:
		return "profile"
	case FromSet:
		return "--set"
	}
	return "unknown"
}

// Origin returns where the value at a field path ("run.command[1]",
// "run.env.LANG", "http.static[0].dir") came from. A path that was not set has
// the origin of what encloses it, as a default; where nothing does, the span is
// the file as a whole.
func (a *App) Origin(field string) Origin {
	if o, ok := a.origins[field]; ok {
		return o
	}
	for field != "" {
		cut := strings.LastIndexAny(field, ".[")
		if cut < 0 {
			break
		}
		field = field[:cut]
		if o, ok := a.origins[field]; ok {
			return Origin{Kind: FromDefault, Span: o.Span, Key: o.Key}
		}
	}
	file := a.File
	if o, ok := a.origins["name"]; ok {
		file = o.Span.File
	}
	return Origin{Kind: FromDefault, Span: diag.Span{Position: diag.Position{File: file}}}
}

// IsSet reports whether the description sets the field, or one below it,
// rather than leaving the default.
func (a *App) IsSet(field string) bool {
	o, ok := a.origins[field]
	return ok && o.Kind != FromDefault
}

// Problem returns an error at a field of the description.
func (a *App) Problem(field, code, message, hint string) *diag.Problem {
	return &diag.Problem{Span: a.Origin(field).Span, Code: code, Path: field, Message: message, Hint: hint}
}

// Warning returns a warning at a field of the description.
func (a *App) Warning(field, code, message, hint string) *diag.Problem {
	p := a.Problem(field, code, message, hint)
	p.Severity = diag.Warning
	return p
}
