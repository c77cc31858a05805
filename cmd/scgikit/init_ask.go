package main

import (
	"cmp"
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"scgikit/internal/appfile"
	"scgikit/internal/diag"
	"scgikit/internal/importer"
	"scgikit/internal/inetdconf"
)

// askAll asks for what no flag says and, with --from, the folder does not. It returns
// what comes of the answers.
func (i *interview) askAll(ctx context.Context, result *importer.Result) (*importer.Result, error) {
	var err error
	if i.from == "" && i.kind() == "" {
		if result, err = i.askFrom(ctx); err != nil {
			return nil, err
		}
	}
	if len(result.Choices) > 0 {
		if result, err = i.askApp(ctx, result); err != nil {
			return nil, err
		}
	}
	found := i.from != "" && len(result.Apps) > 0
	if i.from != "" && !found {
		if i.kind() == "" && slices.ContainsFunc(result.Notes, refusedWhole) {
			return result, nil // questions do not mend it
		}
		i.env.showNotes(slices.DeleteFunc(slices.Clone(result.Notes), func(n importer.Note) bool {
			return n.Class == importer.Assumed || n.Class == importer.Refused && n.Field != ""
		}))
		if result.Lacks != "" {
			i.env.say("%s: %s", i.from, result.Lacks)
		}
	}
	presets := map[string]string{}
	if found {
		presets = i.presets(result)
	}
	if i.name == "" {
		preset := ""
		if i.from != "" {
			preset = filepath.Base(i.env.path(i.from))
			if found {
				preset = result.Apps[0].Name
			}
		}
		if err := i.ask(ctx, "Name of the app", preset, func(v string) (string, bool) { return i.nameIt(ctx, v) }, true); err != nil {
			return nil, err
		}
	}
	for _, q := range questions() {
		_, given := i.answers[q.flag]
		if given || found && !q.found || !i.wanted(&q) {
			continue
		}
		preset := presets[q.flag]
		switch {
		case preset != "":
		case q.flag == "mount":
			preset = "/" + i.name + "/"
		case q.flag == "listen":
			port := 8040
			for slices.Contains(i.ports(), port) {
				port++
			}
			preset = "127.0.0.1:" + strconv.Itoa(port)
		default:
			preset = q.preset
		}
		err := i.ask(ctx, q.ask, preset, func(v string) (string, bool) {
			i.answers[q.flag] = v
			if v == "" {
				return "", true
			}
			return i.complaint(ctx, q.flag)
		}, q.must)
		if err != nil {
			return nil, err
		}
	}
	if result, err = i.result(ctx); err != nil {
		return nil, err
	}
	return result, i.wrong(result)
}

// presets are what is found in a folder, where an answer would take its place.
func (i *interview) presets(result *importer.Result) map[string]string {
	loader := i.env.loader()
	loader.Sets, loader.Profile = nil, ""
	project, list := loader.Load([]appfile.Source{{Name: "found", Data: []byte(result.Apps[0].Text)}})
	if list.HasErrors() {
		return nil
	}
	a := project.Apps[0]
	out := map[string]string{"user": a.Run.User, "listen": a.Addr().String()}
	if a.Prefix() == "" { // else it has the name that is asked for
		out["mount"] = a.HTTP.Mount
	}
	return out
}

// askFrom asks for a folder that holds the app.
func (i *interview) askFrom(ctx context.Context) (result *importer.Result, err error) {
	err = i.ask(ctx, "A folder to look in for it, such as . for this one; empty for none", "", func(v string) (string, bool) {
		i.from = v
		got, err := i.result(ctx)
		if err != nil {
			return err.Error(), false
		}
		result = got
		return "", true
	}, false)
	return result, err
}

// nameIt takes the name of the app.
func (i *interview) nameIt(ctx context.Context, name string) (string, bool) {
	i.name = name
	complaint, ok := i.complaint(ctx, "name")
	if err := i.free(name); ok && err != nil {
		return withHint(err.Error(), "another name, or --force"), false
	}
	return complaint, ok
}

// askApp asks which of several apps is meant.
func (i *interview) askApp(ctx context.Context, result *importer.Result) (*importer.Result, error) {
	fmt.Fprintf(i.env.stderr, "%s holds several apps:\n", visible(i.from))
	for n, c := range result.Choices {
		fmt.Fprintf(i.env.stderr, "  %d  %s (%s, %s)\n", n+1, visible(c.ID), c.Type, visible(c.File))
	}
	list := result.Choices
	err := i.ask(ctx, "Which of them", "", func(v string) (string, bool) {
		if n, err := strconv.Atoi(v); err == nil && n > 0 && n <= len(list) {
			v = list[n-1].ID
		}
		if !slices.ContainsFunc(list, func(c importer.Choice) bool { return c.ID == v }) {
			return fmt.Sprintf("%q is none of them: a number from 1 to %d, or what stands behind it", v, len(list)), false
		}
		i.app = v
		return "", true
	}, true)
	if err != nil {
		return nil, err
	}
	return i.result(ctx)
}

// wanted reports whether a question is one for this app.
func (i *interview) wanted(q *question) bool {
	switch {
	case i.from != "" && q.found && len(q.types) == 0 && q.flag != "listen-group" && q.flag != "dialect":
		return true
	case len(q.types) > 0 && !slices.Contains(q.types, i.kind()):
		return false
	case q.flag == "type":
		return i.kind() == ""
	case q.flag == "scripts":
		return i.answers["script"] == ""
	case q.flag == "listen-group":
		return strings.HasPrefix(i.answers["listen"], "unix:") || strings.HasPrefix(i.answers["listen"], "/")
	case q.flag == "dialect":
		return slices.Contains(i.values("targets"), "inetd")
	}
	return true
}

// complaint returns what is wrong with an answer, as far as the others are known.
func (i *interview) complaint(ctx context.Context, flag string) (string, bool) {
	_, given := i.answers["dialect"]
	if flag != "targets" || given || !slices.Contains(i.values("targets"), "inetd") {
		return i.complaintAbout(ctx, flag)
	}
	// The dialect is asked next, and has to have an answer that is taken.
	defer delete(i.answers, "dialect")
	first := ""
	for _, dialect := range inetdconf.Dialect("").Values() {
		i.answers["dialect"] = dialect
		complaint, ok := i.complaintAbout(ctx, flag)
		if ok {
			return "", true
		}
		first = cmp.Or(first, complaint)
	}
	return first, false
}

func (i *interview) complaintAbout(ctx context.Context, flag string) (string, bool) {
	result, err := i.result(ctx)
	if err != nil {
		return err.Error(), false
	}
	for _, w := range result.Wrong {
		if w.Flag == flag {
			return withHint(w.Message, w.Hint), false
		}
	}
	if len(result.Apps) == 0 {
		return i.spoils(ctx, flag, result) // or more has to be known
	}
	list, err := i.generated(result)
	if err != nil {
		return err.Error(), false
	}
	for _, p := range list {
		if p.Severity == diag.Error && concerns(flag, p.Path) {
			return withHint(fmt.Sprintf("%s [%s]", p.Message, p.Code), p.Hint), false
		}
	}
	return "", true
}

// spoils tells of an answer without which there is an app, and with which there is
// none: what was said or found before does not go with it.
func (i *interview) spoils(ctx context.Context, flag string, result *importer.Result) (string, bool) {
	v, given := i.answers[flag]
	if !given {
		return "", true
	}
	delete(i.answers, flag)
	before, err := i.result(ctx)
	i.answers[flag] = v
	if err != nil || len(before.Apps) == 0 {
		return "", true
	}
	for _, w := range result.Wrong {
		return withHint(called(w.Flag)+": "+w.Message, w.Hint), false
	}
	for _, n := range result.Notes {
		if n.Class == importer.Refused {
			return withHint(n.Message, n.Hint), false
		}
	}
	return "", true
}

// concerns reports whether another answer to a question can mend a problem of a field, by
// what is known when it is asked. A dialect that is missing is what is asked next.
func concerns(flag, field string) bool {
	switch flag {
	case "listen":
		return strings.HasPrefix(field, "listen.")
	case "mount":
		return field == "http.mount"
	case "targets":
		return field != "options.inetd"
	case "dialect":
		return true
	}
	return false
}

func withHint(message, hint string) string {
	if hint != "" {
		message += "; " + hint
	}
	return message
}

// ask asks until the answer is taken, or the input ends.
func (i *interview) ask(ctx context.Context, text, preset string, take func(string) (string, bool), must bool) error {
	for {
		shown := ""
		if preset != "" {
			shown = " [" + preset + "]"
		}
		fmt.Fprintf(i.env.stderr, "%s%s: ", visible(text), visible(shown))
		line, err := i.line(ctx)
		if err != nil {
			return err
		}
		if line = strings.TrimSpace(line); line == "" {
			line = preset
		}
		if line == "" && must {
			fmt.Fprintln(i.env.stderr, "  an answer is needed")
			continue
		}
		complaint, ok := take(line)
		if ok {
			return nil
		}
		fmt.Fprintf(i.env.stderr, "  %s\n", visible(complaint))
	}
}

// line reads a line, until the context ends.
func (i *interview) line(ctx context.Context) (string, error) {
	type result struct {
		text string
		err  error
	}
	done := make(chan result, 1)
	go func() {
		text, err := i.in.ReadString('\n')
		done <- result{text, err}
	}()
	select {
	case r := <-done:
		if r.err != nil {
			fmt.Fprintln(i.env.stderr)
			return "", usagef("every answer is a flag as well: scgikit init -h", "the answers ended before the questions")
		}
		return r.text, nil
	case <-ctx.Done():
		fmt.Fprintln(i.env.stderr)
		return "", ctx.Err()
	}
}
