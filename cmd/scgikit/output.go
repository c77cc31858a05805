package main

// Output keeps these rules:
//
//   - results go to stdout, talk goes to stderr as "scgikit: …" and "scgikit: hint: …";
//   - with -o json or yaml there is exactly one value on stdout, on success and
//     on failure;
//   - the last line on stderr is the most important one;
//   - names of files and words of the command line reach a terminal as text only:
//     their control characters are written as \xNN, but in JSON and YAML, which
//     have escapes of their own, and in what is asked for byte by byte.

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v4"

	"scgikit/internal/appfile"
	"scgikit/internal/diag"
)

var errInterrupted = errors.New("interrupted")

// result puts a command's result on stdout: value as JSON or YAML where that
// was asked for, or what text writes. It is called once a run.
func (e *env) result(value any, text func(w io.Writer) error) error {
	return e.styled(value, func(w io.Writer) error {
		var b bytes.Buffer
		if err := text(&b); err != nil {
			return err
		}
		_, err := io.WriteString(w, visible(b.String()))
		return err
	})
}

// styled is result for a text that holds escape sequences of our own.
func (e *env) styled(value any, text func(w io.Writer) error) error {
	e.emitted = true
	switch e.settings.Output {
	case "json":
		return writeJSON(e.stdout, value)
	case "yaml":
		return writeYAML(e.stdout, value)
	}
	var b bytes.Buffer
	if err := text(&b); err != nil {
		return err
	}
	_, err := e.stdout.Write(b.Bytes())
	return err
}

func writeJSON(w io.Writer, value any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(value)
}

// writeYAML writes the same keys as writeJSON, by way of it.
func writeYAML(w io.Writer, value any) error {
	text, err := json.Marshal(value)
	if err != nil {
		return err
	}
	// JSON is YAML: reading it as such keeps the order of keys and the
	// difference between 1 and 1.0.
	var doc yaml.Node
	if err := yaml.Load(text, &doc); err != nil {
		return err
	}
	blockStyle(&doc)
	out, err := yaml.Dump(&doc)
	if err != nil {
		return err
	}
	_, err = w.Write(out)
	return err
}

// blockStyle drops the braces and quotes of JSON; a string that would read as
// something else without its quotes keeps its tag, and so gets them back.
func blockStyle(n *yaml.Node) {
	n.Style = 0
	for _, child := range n.Content {
		blockStyle(child)
	}
}

// say writes one line of talk, unless -q was given.
func (e *env) say(format string, args ...any) {
	if e.settings.LogLevel != "error" {
		e.talk(format, args...)
	}
}

// talk writes one line to stderr.
func (e *env) talk(format string, args ...any) {
	fmt.Fprintln(e.stderr, "scgikit: "+visible(fmt.Sprintf(format, args...)))
}

// detail writes one line of talk where -v was given.
func (e *env) detail(format string, args ...any) {
	if e.settings.LogLevel == "debug" {
		e.talk(format, args...)
	}
}

// hint writes one line of advice, unless -q was given.
func (e *env) hint(format string, args ...any) {
	if e.settings.LogLevel != "error" {
		e.talk("hint: "+format, args...)
	}
}

// warn shows the problems of a list that holds no error.
func (e *env) warn(list diag.List) error {
	if len(list) == 0 || e.settings.LogLevel == "error" {
		return nil
	}
	if err := list.Show(e.stderr); err != nil {
		return err
	}
	e.say("%s", counted(list))
	return nil
}

// errorJSON is the form of a failure on stdout; its keys only grow.
type errorJSON struct {
	Error    errorBody `json:"error"`
	Problems diag.List `json:"problems"`
}

type errorBody struct {
	Exit    exitCode `json:"exit"`
	Kind    string   `json:"kind"`
	Message string   `json:"message"`
	Hint    string   `json:"hint,omitempty"`
}

// report tells of an error, on stderr and in the result's form.
func (e *env) report(err error) {
	body := errorBody{Exit: codeOf(err), Kind: codeOf(err).kind(), Message: err.Error()}
	f, isFailure := errors.AsType[*failure](err)
	if isFailure {
		body.Hint = f.hint
	}
	list, isList := errors.AsType[diag.List](err)
	if isList {
		body.Message = counted(list)
		if code := lastError(list).Code; body.Hint == "" && isCode(code) {
			body.Hint = "scgikit explain " + code + " says more about the last error"
		}
	}
	if !isFailure || !f.told {
		if isList {
			_ = list.Show(e.stderr) // stderr itself is broken then; the exit code still tells
		}
		if body.Hint != "" {
			e.hint("%s", body.Hint)
		}
		e.talk("%s", body.Message)
	}
	if e.emitted {
		return
	}
	if list == nil {
		list = diag.List{}
	}
	switch e.settings.Output {
	case "json":
		_ = writeJSON(e.stdout, errorJSON{Error: body, Problems: list}) // as above
	case "yaml":
		_ = writeYAML(e.stdout, errorJSON{Error: body, Problems: list}) // as above
	}
}

// visible writes the control characters of a text as \xNN, all but line feed
// and tab, so that a terminal shows them and does not obey.
func visible(s string) string {
	control := func(r rune) bool { return (r < ' ' && r != '\n' && r != '\t') || (r >= 0x7f && r <= 0x9f) }
	if strings.IndexFunc(s, control) < 0 {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if control(r) {
			fmt.Fprintf(&b, `\x%02x`, r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// lastError returns the last problem that is more than a warning, or the last.
func lastError(list diag.List) *diag.Problem {
	for _, p := range slices.Backward(list) {
		if p.Severity == diag.Error {
			return p
		}
	}
	return list[len(list)-1]
}

func isCode(word string) bool {
	_, ok := appfile.ExplainCode(word)
	return ok
}

// counted sums a list up: "2 errors, 1 warning".
func counted(list diag.List) string {
	warnings := 0
	for _, p := range list {
		if p.Severity == diag.Warning {
			warnings++
		}
	}
	var parts []string
	if bad := len(list) - warnings; bad > 0 {
		parts = append(parts, plural(bad, "error"))
	}
	if warnings > 0 {
		parts = append(parts, plural(warnings, "warning"))
	}
	return strings.Join(parts, ", ")
}

func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}

// wants is the rule that a command takes so many arguments; breaking it is
// wrong usage. The arguments have their names in the command's Use.
func wants(least, most int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) >= least && len(args) <= most {
			return nil
		}
		hint := "see: " + cmd.CommandPath() + " -h"
		path := strings.TrimPrefix(cmd.CommandPath(), cmd.Root().Name()+" ")
		if most == 0 {
			return usagef(hint, "%s takes no argument, and got %q", path, args[0])
		}
		got := "no argument"
		if len(args) > 0 {
			got = plural(len(args), "argument")
		}
		_, names, _ := strings.Cut(cmd.Use, " ")
		return usagef(hint, "%s wants %s, and got %s", path, names, got)
	}
}

// exclusive returns a check that at most one of some flags is given. Cobra has
// one of its own, whose error is not told from a command's.
func exclusive(names ...string) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, _ []string) error {
		var given []string
		for _, name := range names {
			if cmd.Flags().Changed(name) {
				given = append(given, "--"+name)
			}
		}
		if len(given) > 1 {
			return usagef("give one of them", "%s contradict each other", strings.Join(given, " and "))
		}
		return nil
	}
}
