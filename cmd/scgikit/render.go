package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"scgikit/generate"
	"scgikit/internal/appfile"
	"scgikit/internal/deploy"
	"scgikit/internal/diag"
	"scgikit/internal/fileset"
)

// renderFlags are the flags of the commands that render.
type renderFlags struct {
	outDir    string
	templates string
	only      []string
}

func (r *renderFlags) add(cmd *cobra.Command, e *env) {
	cmd.Flags().StringVar(&r.outDir, "out-dir", "deploy", "`DIR` of the generated files")
	cmd.Flags().StringVar(&r.templates, "templates", "templates", "`DIR` of templates that replace built-in ones")
	cmd.Flags().StringArrayVar(&r.only, "only", nil, "only the files of `APP`; repeatable")
	// This fails only for a flag that does not exist or has a function already.
	_ = cmd.RegisterFlagCompletionFunc("only", func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		return e.appNames(cmd), cobra.ShellCompDirectiveNoFileComp
	})
}

// appNames is for completion: what can be read, and silence about the rest.
func (e *env) appNames(cmd *cobra.Command) []string {
	if e.prepare(cmd) != nil {
		return nil
	}
	e.settings.LogLevel = "error"
	project, _, err := e.load(cmd.Context(), nil)
	if err != nil {
		return nil
	}
	return projectNames(project)
}

func projectNames(p *appfile.Project) []string {
	var out []string
	for _, a := range p.Apps {
		out = append(out, a.Name)
	}
	return out
}

// targetArgs completes targets.
func targetArgs(words ...string) func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return append(targetNames(), words...), cobra.ShellCompDirectiveNoFileComp
	}
}

// job is one target and the apps to render for it.
type job struct {
	target *generate.Target
	apps   []*appfile.App
}

// skipped is an app that is left out of a target, or of everything.
type skipped struct {
	App    string `json:"app"`
	Target string `json:"target,omitempty"`
	Why    string `json:"why"`
}

// rendering is what one run renders, and what it is about.
type rendering struct {
	project *appfile.Project
	set     *fileset.Set
	jobs    []job
	skipped []skipped
	list    diag.List // warnings
	scope   deploy.Scope
}

// render loads the descriptions and renders the targets that words name: some
// of them, "all", or none for those that the apps themselves name.
func (e *env) render(ctx context.Context, flags *renderFlags, words []string, manifest *deploy.Manifest) (*rendering, error) {
	project, warnings, err := e.load(ctx, nil)
	if err != nil {
		return nil, err
	}
	r := &rendering{project: project, list: warnings, set: new(fileset.Set)}
	for _, name := range flags.only {
		if _, ok := project.App(name); !ok {
			return nil, noApp(name, project)
		}
	}
	if err := e.selectJobs(r, flags.only, words, manifest); err != nil {
		return nil, err
	}
	overrides, err := e.overrides()
	if err != nil {
		return nil, err
	}
	defer overrides.close()
	problems, err := r.run(overrides)
	if err != nil {
		return nil, err
	}
	if err := e.warn(problems); err != nil {
		return nil, err
	}
	r.list = append(r.list, problems...)
	overrides.tell(e)
	if len(flags.only) > 0 {
		r.scope.Apps = flags.only
		r.set = r.set.Filter(func(f fileset.File) bool {
			return slices.ContainsFunc(f.Apps, func(a string) bool { return slices.Contains(flags.only, a) })
		})
	}
	return r, nil
}

func noApp(name string, project *appfile.Project) error {
	hint := "the apps are " + strings.Join(projectNames(project), ", ")
	if near := diag.Nearest(name, projectNames(project)); near != "" {
		hint = fmt.Sprintf("did you mean %q?", near)
	}
	return failf(exitNoApp, hint, "there is no app %q", name)
}

// run renders every job, and returns the warnings. With --only, the files of
// other apps are rendered too where a file may hold several apps.
func (r *rendering) run(overrides *overlay) (diag.List, error) {
	renderer := &generate.Renderer{}
	if len(overrides.layers) > 0 {
		renderer.Overrides = overrides
	}
	var problems diag.List
	for _, j := range r.jobs {
		set, list := renderer.Render(j.target, r.project, j.apps)
		problems = append(problems, list...)
		if set == nil {
			continue
		}
		if err := r.set.Merge(set); err != nil {
			return nil, err
		}
	}
	problems.Sort()
	if problems.HasErrors() {
		return nil, problems
	}
	return problems, nil
}

// selectJobs decides which targets are rendered for which apps.
func (e *env) selectJobs(r *rendering, only, words []string, manifest *deploy.Manifest) error {
	asked := func(a *appfile.App) bool { return len(only) == 0 || slices.Contains(only, a.Name) }
	switch {
	case len(words) == 0:
		return e.selectOwn(r, asked, manifest)
	case slices.Contains(words, "all"):
		if len(words) > 1 {
			return usagef("leave out the others", `"all" stands for every target`)
		}
		r.selectAll(asked)
		return nil
	}
	for _, word := range words {
		if err := knownTarget(word); err != nil {
			return err
		}
	}
	for _, t := range generate.Targets() {
		if slices.Contains(words, t.Name) {
			// An app that was asked for and does not fit is an error, which
			// rendering names; one that was not is no part of this run.
			apps := filterApps(r.project, func(a *appfile.App) bool { return asked(a) || sharesFiles(t) && t.Fits(a) == "" })
			r.jobs = append(r.jobs, job{t, apps})
			r.scope.Targets = append(r.scope.Targets, t.Name)
		}
	}
	r.scope.Folders = r.scope.Targets
	return nil
}

// sharesFiles reports whether a file of a target may hold several apps, so that
// one app can not be rendered without the others: the server blocks of web
// servers. Lines and service folders are of one app each, and what is wrong
// with another one does not matter.
func sharesFiles(t *generate.Target) bool { return t.Kind == generate.WebServer }

// knownTarget returns an error, with the nearest name, for a word that no
// target has.
func knownTarget(word string) error {
	if _, ok := generate.Lookup(word); ok {
		return nil
	}
	hint := "the targets are " + strings.Join(targetNames(), ", ") + ", and all"
	if near := diag.Nearest(strings.ToLower(word), targetNames()); near != "" {
		hint = fmt.Sprintf("did you mean %q?", near)
	}
	return usagef(hint, "there is no target %q", word)
}

func filterApps(p *appfile.Project, keep func(*appfile.App) bool) []*appfile.App {
	var out []*appfile.App
	for _, a := range p.Apps {
		if keep(a) {
			out = append(out, a)
		}
	}
	return out
}

func (r *rendering) selectAll(asked func(*appfile.App) bool) {
	for _, t := range generate.Targets() {
		apps := filterApps(r.project, func(a *appfile.App) bool {
			why := t.Fits(a)
			if why != "" && asked(a) {
				r.skipped = append(r.skipped, skipped{App: a.Name, Target: t.Name, Why: why})
			}
			return why == "" && (asked(a) || sharesFiles(t))
		})
		if len(apps) > 0 {
			r.jobs = append(r.jobs, job{t, apps})
		}
	}
	r.scope.Folders = targetNames()
}

// selectOwn takes, for each app, the targets that its description names, else
// those of the settings, else those that the manifest says it was rendered for.
func (e *env) selectOwn(r *rendering, asked func(*appfile.App) bool, manifest *deploy.Manifest) error {
	own := make(map[*appfile.App][]string, len(r.project.Apps))
	for _, a := range r.project.Apps {
		switch {
		case len(a.Targets) > 0:
			own[a] = a.Targets
		case len(e.settings.Targets) > 0:
			own[a] = e.settings.Targets
		default:
			own[a] = recordedTargets(manifest, a.Name)
		}
		if len(own[a]) == 0 && asked(a) {
			r.skipped = append(r.skipped, skipped{App: a.Name, Why: "its description names no targets"})
		}
	}
	for _, word := range e.settings.Targets {
		if err := knownTarget(word); err != nil {
			return fmt.Errorf("setting targets: %w", err)
		}
	}
	for _, t := range generate.Targets() {
		apps := filterApps(r.project, func(a *appfile.App) bool {
			return slices.Contains(own[a], t.Name) && (asked(a) || sharesFiles(t))
		})
		if len(apps) > 0 {
			r.jobs = append(r.jobs, job{t, apps})
		}
	}
	if !slices.ContainsFunc(r.jobs, func(j job) bool { return slices.ContainsFunc(j.apps, asked) }) {
		return usagef("name targets here, or in the description as targets: [nginx]; scgikit help targets lists them",
			"no description names a target")
	}
	r.scope.Folders = targetNames()
	return nil
}

// recordedTargets returns the targets an app was rendered for before. One that
// this version does not have is left out: its files are orphans.
func recordedTargets(m *deploy.Manifest, app string) []string {
	var out []string
	for i := range m.Files {
		f := &m.Files[i]
		if slices.Contains(f.Apps, app) && !slices.Contains(out, f.Target) && slices.Contains(targetNames(), f.Target) {
			out = append(out, f.Target)
		}
	}
	return out
}

// tellSkipped names what was left out, on stderr.
func (r *rendering) tellSkipped(e *env) {
	for _, s := range r.skipped {
		if s.Target == "" {
			e.say("%s is left out: %s", s.App, s.Why)
		} else {
			e.say("%s is left out of %s: %s", s.App, s.Target, s.Why)
		}
	}
}
