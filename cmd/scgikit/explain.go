package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"scgikit/generate"
	"scgikit/internal/appfile"
	"scgikit/internal/diag"
)

func newExplainCmd(e *env) *cobra.Command {
	var resolved, matrix, draw bool
	var from string
	var flags flowFlags
	cmd := &cobra.Command{
		Use:   "explain [FIELD|CODE|FILE:LINE|APP]",
		Short: "help on a field of the description, the code of a problem, or a generated line",
		Long: `Explains a field, a section or the code of a problem; without an argument, lists
the fields. A field comes with what each target makes of it.

--resolved shows every value of the descriptions here, after profile, --set,
variables and defaults, and where each comes from. --matrix is the table of
fields and targets: "yes" is carried, "warns" is lost without harm and named in
a warning, "refuses" is an error, "-" is a matter of another part of the set-up.

--from TARGET FILE:LINE names the fields behind a line of a generated file, and
the line of the template. It renders the target with one value after another
changed, and looks whether the line changes; so it also names fields that decide
whether the line is there, and defaults. FILE is the file in the folder of
generated files, or its name there.

--flow draws the way of a request to the apps, or to one: browser, web server,
socket with owner and mode, what starts the program, program and log. It takes the
targets that a description names, or those of --target; where several of them start
the app, there is a drawing for each.`,
		Example: `  scgikit explain listen.mode
  scgikit explain bad-mode
  scgikit explain --resolved
  scgikit explain --matrix
  scgikit explain --from nginx deploy/nginx/blog.location.conf:12
  scgikit explain --flow blog
  scgikit explain --flow blog --target nginx --target systemd --format svg >blog.svg`,
		GroupID: groupDescribe,
		Args:    wants(0, 1),
		PreRunE: exclusive("resolved", "matrix", "from", "flow"),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return explainable(), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			word := ""
			if len(args) > 0 {
				word = args[0]
			}
			switch {
			case matrix:
				return e.explainMatrix(word)
			case resolved:
				return e.explainResolved(cmd.Context(), word)
			case cmd.Flags().Changed("from"):
				return e.explainFrom(cmd.Context(), from, word)
			case draw:
				return e.explainFlow(cmd.Context(), &flags, word)
			case cmd.Flags().Changed("format"), cmd.Flags().Changed("target"):
				return usagef("add --flow", "--format and --target are for --flow")
			}
			return e.explain(cmd.Context(), word)
		},
	}
	cmd.Flags().BoolVar(&resolved, "resolved", false, "the values of the descriptions here, and their origins")
	cmd.Flags().BoolVar(&matrix, "matrix", false, "what becomes of each field under each target")
	cmd.Flags().StringVar(&from, "from", "", "the fields behind a line of a file of `TARGET`")
	// This fails only for a flag that does not exist or has a function already.
	_ = cmd.RegisterFlagCompletionFunc("from", targetArgs())
	cmd.Flags().BoolVar(&draw, "flow", false, "the way of a request, drawn")
	cmd.Flags().StringVar(&flags.format, "format", "text", "`FORM` of --flow: text, mermaid or svg")
	cmd.Flags().StringArrayVar(&flags.targets, "target", nil, "draw --flow through `TARGET`; repeatable")
	_ = cmd.RegisterFlagCompletionFunc("target", targetArgs())
	return cmd
}

// explainable returns every field and code, for completion and hints.
func explainable() []string {
	var out []string
	for _, f := range allFields() {
		out = append(out, f.Path)
	}
	for _, c := range appfile.Codes() {
		out = append(out, c.Name)
	}
	return out
}

func allFields() []appfile.Field {
	return append(appfile.Fields(), appfile.OptionFields(generate.OptionTypes())...)
}

type fieldJSON struct {
	Path     string              `json:"path"`
	Type     string              `json:"type"`
	Default  string              `json:"default"`
	Required bool                `json:"required"`
	Words    []string            `json:"words,omitempty"`
	Rule     string              `json:"rule,omitempty"`
	Doc      string              `json:"doc"`
	Targets  map[string]cellJSON `json:"targets,omitempty"`
}

type cellJSON struct {
	Support string `json:"support"` // "yes", "warns", "refuses", "-"
	Note    string `json:"note,omitempty"`
}

func fieldToJSON(f *appfile.Field) fieldJSON {
	j := fieldJSON{
		Path: f.Path, Type: f.Type, Default: f.Default, Required: f.Required, Words: f.Enum, Rule: f.Rule(), Doc: f.Doc,
		Targets: make(map[string]cellJSON),
	}
	for _, t := range targetsOfField(f.Path) {
		if got, ok := t.Fields.Lookup(appfile.FieldOf(f.Path)); ok {
			j.Targets[t.Name] = cellJSON{got.Support.String(), got.Note}
		}
	}
	return j
}

// targetsOfField returns the targets that a field concerns: a target's own
// option is no matter of the others.
func targetsOfField(path string) []*generate.Target {
	if name, ok := strings.CutPrefix(path, "options."); ok {
		name, _, _ = strings.Cut(name, ".")
		if t, ok := generate.Lookup(name); ok {
			return []*generate.Target{t}
		}
	}
	return generate.Targets()
}

// isApp reports whether the descriptions here have an app of a name. That they can not
// be read is no matter of who asks for a word.
func (e *env) isApp(ctx context.Context, name string) bool {
	apps, err := e.loadAgain(ctx, nil)
	return err == nil && slices.ContainsFunc(apps, func(a *appfile.App) bool { return a.Name == name })
}

func (e *env) explain(ctx context.Context, word string) error {
	if code, ok := appfile.ExplainCode(word); ok {
		i := slices.IndexFunc(appfile.Codes(), func(c appfile.Code) bool { return c.Name == word })
		return e.result(appfile.Codes()[i], func(w io.Writer) error {
			_, err := io.WriteString(w, code)
			return err
		})
	}
	text, err := appfile.Explain(word, generate.OptionTypes())
	if unknown, ok := errors.AsType[*appfile.UnknownFieldError](err); ok {
		hint := unknown.Hint()
		_, target := generate.Lookup(word)
		switch near := diag.Nearest(word, explainable()); {
		case target:
			hint = fmt.Sprintf("%s is a target: scgikit explain --matrix, or scgikit explain --flow --target %[1]s", word)
		case e.isApp(ctx, word):
			hint = fmt.Sprintf("%s is an app: scgikit explain --flow %[1]s, or scgikit explain --resolved %[1]s", word)
		case near != "":
			hint = fmt.Sprintf("did you mean %s?", near)
		case strings.Contains(word, ":"):
			hint = "a line of a generated file is explained by scgikit explain --from TARGET FILE:LINE"
		}
		return usagef(hint, "there is no field or code %q", word)
	}
	if err != nil {
		return err
	}
	return e.result(fieldsBelow(word), func(w io.Writer) error {
		fmt.Fprint(w, text)
		writeSupport(w, word)
		return nil
	})
}

// fieldsBelow returns the field of a path or the fields of a section, with
// indexes and map keys in the path passed over.
func fieldsBelow(word string) any {
	list := []fieldJSON{}
	all := allFields()
	for _, want := range []string{word, appfile.FieldOf(word)} {
		for i := range all {
			rest, ok := strings.CutPrefix(all[i].Path, want)
			if ok && (want == "" || rest == "" || rest[0] == '.' || rest[0] == '[') {
				list = append(list, fieldToJSON(&all[i]))
			}
		}
		if len(list) > 0 {
			break
		}
	}
	return map[string]any{"fields": list}
}

// writeSupport says what each target makes of one field.
func writeSupport(w io.Writer, word string) {
	field := appfile.FieldOf(word)
	if !slices.ContainsFunc(appfile.Fields(), func(f appfile.Field) bool { return f.Path == field }) {
		return
	}
	var rows [][]string
	for _, target := range targetsOfField(word) {
		if got, ok := target.Fields.Lookup(field); ok {
			rows = append(rows, []string{target.Name, got.Support.String(), got.Note})
		}
	}
	fmt.Fprint(w, "\nUnder each target:\n\n"+table(rows))
}

// explainMatrix writes the table of fields and targets, as Markdown, which is
// readable as it is.
func (e *env) explainMatrix(word string) error {
	fields, cells := generate.Matrix()
	if word != "" {
		fields = slices.DeleteFunc(fields, func(f string) bool { return f != word && !strings.HasPrefix(f, word+".") })
		if len(fields) == 0 {
			return usagef("scgikit explain lists the fields", "there is no field or section %q", word)
		}
	}
	value := make(map[string]map[string]cellJSON, len(fields))
	for _, f := range fields {
		value[f] = make(map[string]cellJSON)
		for name, got := range cells[f] {
			value[f][name] = cellJSON{got.Support.String(), got.Note}
		}
	}
	return e.result(map[string]any{"targets": targetNames(), "fields": value}, func(w io.Writer) error {
		rows := [][]string{append([]string{"field"}, targetNames()...)}
		for _, f := range fields {
			row := []string{f}
			for _, name := range targetNames() {
				row = append(row, cells[f][name].Support.String())
			}
			rows = append(rows, row)
		}
		writeMarkdown(w, rows)
		return nil
	})
}

// writeMarkdown writes a table; the first row is its head.
func writeMarkdown(w io.Writer, rows [][]string) {
	width := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			width[i] = max(width[i], len(cell))
		}
	}
	for n, row := range rows {
		for i, cell := range row {
			fmt.Fprintf(w, "| %-*s ", width[i], cell)
		}
		fmt.Fprintln(w, "|")
		if n == 0 {
			for i := range row {
				fmt.Fprintf(w, "|%s", strings.Repeat("-", width[i]+2))
			}
			fmt.Fprintln(w, "|")
		}
	}
}

type resolvedJSON struct {
	App    string                  `json:"app"`
	File   string                  `json:"file"`
	Fields []appfile.ResolvedField `json:"fields"`
}

// explainResolved shows every value and its origin; word limits it to an app,
// a field or a section.
func (e *env) explainResolved(ctx context.Context, word string) error {
	project, _, err := e.load(ctx, nil)
	if err != nil {
		return err
	}
	_, isApp := project.App(word)
	out := []resolvedJSON{}
	for _, a := range project.Apps {
		if isApp && a.Name != word {
			continue
		}
		fields := slices.DeleteFunc(a.Resolved(), func(f appfile.ResolvedField) bool {
			return word != "" && !isApp && f.Path != word && !strings.HasPrefix(f.Path, word+".")
		})
		if len(fields) > 0 {
			out = append(out, resolvedJSON{App: a.Name, File: a.Origin("name").Span.File, Fields: fields})
		}
	}
	if len(out) == 0 {
		return failf(exitNoApp, "the apps are "+strings.Join(projectNames(project), ", "), "there is no app and no field %q", word)
	}
	return e.result(map[string]any{"apps": out}, func(w io.Writer) error {
		for i, app := range out {
			if len(out) > 1 {
				if i > 0 {
					fmt.Fprintln(w)
				}
				fmt.Fprintf(w, "%s:\n", app.App)
			}
			writeResolved(w, app.Fields)
		}
		return nil
	})
}

func writeResolved(w io.Writer, fields []appfile.ResolvedField) {
	var rows [][]string
	for _, f := range fields {
		from := f.Layer
		if at := f.Place.String(); strings.HasPrefix(at, f.Layer) {
			from = at // "--set PATH=VALUE" is place and layer
		} else if at != "" {
			from += " " + at
		}
		rows = append(rows, []string{f.Path, cmp.Or(f.Value, "-"), from})
	}
	fmt.Fprint(w, columns("", rows))
}
