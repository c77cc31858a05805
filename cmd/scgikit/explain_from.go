package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"scgikit/generate"
	"scgikit/internal/appfile"
	"scgikit/internal/fileset"
	"scgikit/internal/lineage"
)

// fromJSON is the answer of explain --from.
type fromJSON struct {
	File       string          `json:"file"` // in the folder of generated files
	Line       int             `json:"line"`
	Text       string          `json:"text"`
	Kind       string          `json:"kind"` // "values", "fixed", "header" or "raw"
	Template   *templatePlace  `json:"template,omitempty"`
	Fields     []fromFieldJSON `json:"fields"`      // behind the line
	FileFields []fromFieldJSON `json:"file_fields"` // behind the name of the file, its place, owner and mode
	There      []fromFieldJSON `json:"there"`       // by which the file is there at all
}

type templatePlace struct {
	Name string `json:"name"`
	Line int    `json:"line"`
	Own  bool   `json:"own"` // not the built-in one
}

type fromFieldJSON struct {
	App    string `json:"app"`
	Path   string `json:"path"`
	Value  string `json:"value"`
	Origin string `json:"origin"` // "default", "file", "profile" or "--set"
	Place  string `json:"place,omitempty"`
	Doc    string `json:"doc"`
}

// explainFrom names the fields behind a line of a generated file.
func (e *env) explainFrom(ctx context.Context, targetName, place string) error {
	const form = "for example: scgikit explain --from nginx deploy/nginx/blog.location.conf:12"
	if err := knownTarget(targetName); err != nil {
		return err
	}
	cut := strings.LastIndexByte(place, ':')
	number, err := strconv.Atoi(place[cut+1:])
	if cut < 1 || err != nil || number < 1 {
		return usagef(form, "%q is not FILE:LINE", place)
	}
	target, _ := generate.Lookup(targetName)
	sources, err := e.sources(ctx, nil)
	if err != nil {
		return err
	}
	project, _, err := e.loadSources(sources)
	if err != nil {
		return err
	}
	overrides, err := e.overrides()
	if err != nil {
		return err
	}
	defer overrides.close()
	renderer := &generate.Renderer{}
	if len(overrides.layers) > 0 {
		renderer.Overrides = overrides
	}
	apps := filterApps(project, func(a *appfile.App) bool { return target.Fits(a) == "" })
	set, list := renderer.Render(target, project, apps)
	if set == nil {
		return list
	}
	file, err := e.generatedFile(set, target, place[:cut])
	if err != nil {
		return err
	}
	asked := filterApps(project, func(a *appfile.App) bool { return slices.Contains(file.Apps, a.Name) })
	p := &lineage.Project{Sources: sources, Loader: *e.loader(), Renderer: renderer}
	origins, err := lineage.Of(p, target, project, apps, asked)
	if err != nil {
		return err
	}
	lines := origins.Lines[file.Path]
	if number > len(lines) {
		return usagef("the lines count from 1", "%s has %s", file.Path, plural(len(lines), "line"))
	}
	out := fromOf(file, number, &lines[number-1])
	out.FileFields, out.There = fromFields(origins.Files[file.Path]), fromFields(origins.There[file.Path])
	if out.Template != nil {
		out.Template.Own = renderer.OwnTemplate(out.Template.Name)
	}
	out.File = path.Join(filepath.ToSlash(e.settings.OutDir), out.File)
	e.tellDifferent(out.File, file)
	return e.result(out, func(w io.Writer) error { return writeFrom(w, &out) })
}

// generatedFile returns the file that a word means: its path from the project's
// folder, in the folder of generated files, in that of the target, or its name.
func (e *env) generatedFile(set *fileset.Set, target *generate.Target, word string) (*fileset.File, error) {
	word = path.Clean(filepath.ToSlash(word))
	files := slices.DeleteFunc(slices.Clone(set.Files()), func(f fileset.File) bool { return f.Kind != fileset.Regular })
	var named []string
	for i := range files {
		f := &files[i]
		if word == f.Path || word == path.Join(filepath.ToSlash(e.settings.OutDir), f.Path) || path.Join(target.Name, word) == f.Path {
			return f, nil
		}
		if path.Base(word) == path.Base(f.Path) {
			named = append(named, f.Path)
		}
	}
	switch len(named) {
	case 0:
		hint := "scgikit generate --stdout " + target.Name + " shows the files"
		return nil, usagef(hint, "%s has no file %s", target.Name, word)
	case 1:
		i := slices.IndexFunc(files, func(f fileset.File) bool { return f.Path == named[0] })
		return &files[i], nil
	}
	return nil, usagef("write more of the path", "there are several: %s", strings.Join(named, ", "))
}

// tellDifferent says that the file in the repository is another one: its lines
// may be others.
func (e *env) tellDifferent(name string, file *fileset.File) {
	where := e.path(filepath.FromSlash(name))
	info, err := os.Stat(where)
	if err != nil || !info.Mode().IsRegular() {
		return // a pipe would wait for a writer
	}
	different := info.Size() != int64(len(file.Data))
	if !different {
		data, err := os.ReadFile(where)
		different = err == nil && !bytes.Equal(data, file.Data)
	}
	if different {
		e.say("%s is not as the description says now; the line is that of what generate would write", name)
	}
}

func fromOf(file *fileset.File, number int, line *lineage.Line) fromJSON {
	texts := strings.Split(string(file.Data), "\n")
	out := fromJSON{File: file.Path, Line: number, Text: texts[number-1], Fields: fromFields(line.Fields)}
	switch line.Kind {
	case generate.LineFixed:
		out.Kind = "fixed"
	case generate.LineValue:
		out.Kind = "values"
	case generate.LineHeader:
		out.Kind = "header"
	case generate.LineRaw:
		out.Kind = "raw"
	}
	if line.Template != "" {
		out.Template = &templatePlace{Name: line.Template, Line: line.Number}
	}
	return out
}

func fromFields(fields []lineage.Field) []fromFieldJSON {
	out := []fromFieldJSON{}
	all := allFields()
	for _, f := range fields {
		j := fromFieldJSON{App: f.App.Name, Path: f.Path, Origin: "default"}
		j.Value, _ = f.App.Value(f.Path)
		if f.IsSet() {
			origin := f.App.Origin(f.Path)
			j.Origin, j.Place = origin.Kind.String(), origin.Span.String()
		}
		for _, want := range []string{f.Path, appfile.FieldOf(f.Path)} {
			if i := slices.IndexFunc(all, func(info appfile.Field) bool { return info.Path == want }); i >= 0 {
				j.Doc = all[i].Doc
				break
			}
		}
		out = append(out, j)
	}
	return out
}

// writeFrom writes the line, where it is from, and a row for each field.
func writeFrom(w io.Writer, out *fromJSON) error {
	fmt.Fprintf(w, "%s:%d\n\n    %s\n\n", out.File, out.Line, out.Text)
	own := ""
	if out.Template != nil && out.Template.Own {
		own = ", which is yours"
	}
	switch out.Kind {
	case "header":
		fmt.Fprintln(w, "The generator writes it into every file: the apps, and digests of the file and of what it is made from.")
	case "raw":
		fmt.Fprintln(w, "The file has no template: its bytes are a value.")
	case "fixed":
		fmt.Fprintf(w, "Text of the template %s:%d%s.\n", out.Template.Name, out.Template.Line, own)
	default:
		fmt.Fprintf(w, "Values in the template %s:%d%s.\n", out.Template.Name, out.Template.Line, own)
	}
	if out.Kind == "values" && len(out.Fields) == 0 {
		fmt.Fprintln(w, "The generator decides them; no field of this description alone changes them.")
	}
	writeFromFields(w, "The line changes, or is not there, with", out.Fields)
	writeFromFields(w, "The file has its name, place, owner or mode by", out.FileFields)
	writeFromFields(w, "The file is there by", out.There)
	return nil
}

func writeFromFields(w io.Writer, what string, fields []fromFieldJSON) {
	if len(fields) == 0 {
		return
	}
	var rows [][]string
	several := slices.ContainsFunc(fields, func(f fromFieldJSON) bool { return f.App != fields[0].App })
	for _, f := range fields {
		from := cmp.Or(f.Place, "default of "+f.Path)
		row := []string{f.Path, cmp.Or(f.Value, "-"), from, f.Doc}
		if several {
			row = append([]string{f.App}, row...)
		}
		rows = append(rows, row)
	}
	fmt.Fprintf(w, "\n%s\n\n%s", what, columns("    ", rows))
}
