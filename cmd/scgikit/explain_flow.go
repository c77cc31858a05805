package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"scgikit/generate"
	"scgikit/internal/appfile"
	"scgikit/internal/flow"
)

// flowFlags are the flags of explain --flow.
type flowFlags struct {
	format  string
	targets []string
}

// flowFormats are the words of --format.
func flowFormats() []string { return []string{"text", "mermaid", "svg"} }

// flowJSON is the answer of explain --flow.
type flowJSON struct {
	Diagrams []flow.Diagram `json:"diagrams"`
}

// explainFlow draws the way of a request to the apps, or to one of them.
func (e *env) explainFlow(ctx context.Context, flags *flowFlags, word string) error {
	if !slices.Contains(flowFormats(), flags.format) {
		return usagef("the formats are "+strings.Join(flowFormats(), ", "), "there is no format %q", flags.format)
	}
	if flags.format != "text" && e.settings.Output != "text" {
		return usagef("leave one of them out", "--format %s and -o %s contradict each other", flags.format, e.settings.Output)
	}
	for _, name := range flags.targets {
		if err := knownTarget(name); err != nil {
			return err
		}
	}
	project, _, err := e.load(ctx, nil)
	if err != nil {
		return err
	}
	apps := project.Apps
	if word != "" {
		a, ok := project.App(word)
		if _, target := generate.Lookup(word); !ok && target {
			return failf(exitNoApp, fmt.Sprintf("%s is a target: scgikit explain --flow --target %[1]s", word), "there is no app %q", word)
		}
		if !ok {
			return noApp(word, project)
		}
		apps = []*appfile.App{a}
	}
	diagrams := []flow.Diagram{}
	for _, a := range apps {
		targets, err := e.targetsOfFlow(a, flags.targets)
		if err != nil {
			return err
		}
		diagrams = append(diagrams, flow.Of(a, targets)...)
		e.noteFlow(project, a, targets)
	}
	if flags.format != "text" && len(diagrams) > 1 {
		return usagef("name one app, and with --target one target that starts it: "+waysText(diagrams), "one drawing has one way, and there are %d", len(diagrams))
	}
	return e.result(flowJSON{diagrams}, func(w io.Writer) error {
		for i := range diagrams {
			writeFlow(w, &diagrams[i], flags.format, i, len(diagrams))
		}
		return nil
	})
}

// noteFlow says of a drawing what it does not show: that nothing starts the app, or that
// a target refuses what the description says.
func (e *env) noteFlow(project *appfile.Project, a *appfile.App, targets []*generate.Target) {
	starts := false
	for _, t := range targets {
		starts = starts || t.Kind != generate.WebServer
		if _, list := new(generate.Renderer).Render(t, project, []*appfile.App{a}); list.HasErrors() {
			e.say("%s refuses %s as it is described; scgikit generate %[1]s says why", t.Name, a.Name)
		}
	}
	if !starts {
		e.say("none of the targets starts %s, so the drawing does not show what does", a.Name)
		e.hint("name what starts it as well, as in --target nginx --target systemd")
	}
}

// targetsOfFlow returns the targets that the words name, else those of the app,
// else of the settings; without those that it does not fit.
func (e *env) targetsOfFlow(a *appfile.App, words []string) ([]*generate.Target, error) {
	asked := len(words) > 0
	if !asked {
		words = a.Targets
	}
	if len(words) == 0 {
		words = e.settings.Targets
	}
	if len(words) == 0 {
		return nil, usagef("name them in the description, as targets: [nginx, systemd], or here: --target nginx --target systemd",
			"the description of %s names no targets", a.Name)
	}
	var out []*generate.Target
	for _, t := range generate.Targets() {
		if !slices.Contains(words, t.Name) {
			continue
		}
		if why := t.Fits(a); why != "" {
			if asked {
				return nil, failf(exitInvalid, "", "%s can not run %s: %s", t.Name, a.Name, why)
			}
			e.say("%s is left out, because it can not run %s: %s", t.Name, a.Name, why)
			continue
		}
		out = append(out, t)
	}
	return out, nil
}

func waysText(diagrams []flow.Diagram) string {
	var words []string
	for i := range diagrams {
		words = append(words, diagrams[i].App+" by "+diagrams[i].Starter)
	}
	return strings.Join(words, ", ")
}

func writeFlow(w io.Writer, d *flow.Diagram, format string, number, count int) {
	switch format {
	case "mermaid":
		fmt.Fprint(w, flow.Mermaid(d))
	case "svg":
		fmt.Fprint(w, flow.SVG(d))
	default:
		if number > 0 {
			fmt.Fprintln(w)
		}
		if count > 1 {
			head := d.App
			if d.Starter != "" {
				head += ", started by " + d.Starter
			}
			fmt.Fprintf(w, "%s\n\n", head)
		}
		fmt.Fprint(w, flow.Text(d))
	}
}
