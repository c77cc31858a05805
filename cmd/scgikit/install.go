package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"scgikit/internal/appfile"
	"scgikit/internal/deploy"
	"scgikit/internal/fileset"
	"scgikit/internal/install"
	"scgikit/internal/verify"
)

// changeFlags are the flags of the commands that change a machine.
type changeFlags struct {
	root       string
	dryRun     bool
	yes        bool
	noActivate bool
	keep       bool
	overwrite  bool
}

func (f *changeFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.root, "root", "/", "folder `DIR` that is the machine's root; below another than / nothing is started, and owners are recorded alone")
	cmd.Flags().BoolVarP(&f.dryRun, "dry-run", "n", false, "only show what would be done")
	cmd.Flags().BoolVarP(&f.yes, "yes", "y", false, "do not ask")
	cmd.Flags().BoolVar(&f.noActivate, "no-activate", false, "tell no program of the machine")
	cmd.Flags().BoolVar(&f.keep, "keep-local", false, "leave files that were changed by hand as they are")
	cmd.Flags().BoolVar(&f.overwrite, "overwrite-local", false, "replace files that were changed by hand; rollback has them back")
}

func (f *changeFlags) local() install.Local {
	switch {
	case f.keep:
		return install.KeepLocal
	case f.overwrite:
		return install.OverwriteLocal
	}
	return install.RefuseLocal
}

// installFlags are the flags of install.
type installFlags struct {
	changeFlags
	renderFlags
	render bool
	take   bool
	host   string
	web    string
}

func newInstallCmd(e *env) *cobra.Command {
	var flags installFlags
	cmd := &cobra.Command{
		Use:   "install TARGET…|all",
		Short: "put the generated files where the machine reads them",
		Long: `Takes the files of deploy/ as they were reviewed, or with --render renders them anew
("all" is then the targets that the descriptions name). It shows every folder, file,
link, block of a shared file, and every program that is told. Once that is confirmed,
all of it is done, or nothing: what goes wrong is undone, and a run that was killed is
undone by the next one.

In order: the files are shown to the programs' own parsers, put in place, the complete
configuration is tested (as by nginx -t), services are started, servers read their
configuration again, and each app's health.path has to be answered by a web server that
runs at --web.

An app that the project installed and describes no more is taken away with it, but for
its log; --only leaves such apps alone, and so do --file and SCGIKIT_APPS_DIR.

A file that scgikit did not install is not replaced, nor one that an app of another
project's folder has, unless that folder is gone or --take-over is given; and one that was
changed by hand not without --overwrite-local or --keep-local: code 6. What a program of
the machine does not take is rolled back: code 9. Installed twice, nothing is written.`,
		Example: `  scgikit install nginx daemontools --dry-run --root /tmp/package --host debian
  scgikit install nginx daemontools --yes --root /tmp/package --host debian`,
		GroupID:           groupApply,
		ValidArgsFunction: targetArgs("all"),
		Args:              wants(1, 100),
		PreRunE:           exclusive("keep-local", "overwrite-local"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return e.install(cmd.Context(), &flags, args)
		},
	}
	flags.changeFlags.add(cmd)
	flags.renderFlags.add(cmd, e)
	cmd.Flags().BoolVar(&flags.render, "render", false, "install what the descriptions render now, reviewed or not")
	cmd.Flags().BoolVar(&flags.take, "take-over", false, "apps that were installed from the folder of another project are this one's from now on")
	addHost(cmd, &flags.host)
	cmd.Flags().StringVar(&flags.web, "web", "127.0.0.1:80", "`ADDRESS` of the web server, which has to answer for each app; - asks for nothing")
	return cmd
}

func addHost(cmd *cobra.Command, host *string) {
	cmd.Flags().StringVar(host, "host", "", "`FAMILY` of hosts, for their places: "+strings.Join(install.Families(), ", ")+"; default is what this one is")
}

// wantedSet is what is to be installed, and what it is about.
type wantedSet struct {
	set     *fileset.Set
	scope   install.Scope
	project *appfile.Project // nil where there is no description
	places  install.Places
	items   *install.Resolved
	known   []string // every app of the project; nil where a part of it is looked at
}

// wanted reads the reviewed files, or renders them.
func (e *env) wanted(ctx context.Context, flags *renderFlags, words []string, render bool) (*wantedSet, error) {
	folder, manifest, err := e.openDeploy()
	if err != nil {
		return nil, err
	}
	defer folder.Close()
	w := new(wantedSet)
	if render {
		named := words
		if slices.Contains(words, "all") {
			named = nil // those that the descriptions name: a machine has no use for every target
		}
		r, err := e.render(ctx, flags, named, manifest)
		if err != nil {
			return nil, err
		}
		r.tellSkipped(e)
		w.set, w.project = r.set, r.project
	} else if err := e.reviewed(ctx, w, folder, manifest, flags.only, words); err != nil {
		return nil, err
	}
	if len(words) > 0 && !slices.Contains(words, "all") {
		w.scope.Targets = words
	} else if render && e.chosen("targets") {
		w.scope.Targets = targetsOf(w.set) // apps may have others in another run
	}
	for _, f := range w.set.Files() {
		w.scope.Apps = append(w.scope.Apps, f.Apps...)
	}
	if render {
		manifest = nil
	}
	if w.known = e.knownApps(w.project, manifest, flags.only); w.known != nil && manifest != nil {
		w.scope.Apps = append(w.scope.Apps, manifestApps(manifest)...) // also of targets that they do not have any more
	}
	slices.Sort(w.scope.Apps)
	w.scope.Apps = slices.Compact(w.scope.Apps)
	return w, nil
}

// targetsOf returns the targets that a set has files of.
func targetsOf(set *fileset.Set) []string {
	var out []string
	for _, f := range set.Files() {
		out = append(out, f.Target)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// reviewed reads the files of the repository.
func (e *env) reviewed(ctx context.Context, w *wantedSet, folder *deploy.Folder, manifest *deploy.Manifest, only, words []string) error {
	scope := deploy.Scope{Apps: only}
	if len(words) > 0 && !slices.Contains(words, "all") {
		for _, word := range words {
			if err := knownTarget(word); err != nil {
				return err
			}
		}
		scope.Targets = words
	}
	if len(manifest.Files) == 0 {
		return failf(exitNoApp, "scgikit generate writes them; --render installs without review", "there are no generated files in %s", e.settings.OutDir)
	}
	set, err := folder.Reviewed(scope)
	if r, ok := errors.AsType[*deploy.Refusal](err); ok {
		return failf(exitRefused, "scgikit diff shows it; generate again, or restore it from the repository", "%w", r)
	}
	if err != nil {
		return refusal(err)
	}
	if set.Len() == 0 {
		return failf(exitNoApp, "scgikit generate "+strings.Join(words, " ")+" writes them", "%s holds nothing for %s", e.settings.OutDir, strings.Join(append(words, only...), ", "))
	}
	w.set = set
	if e.described() {
		w.project, _, err = e.load(ctx, nil)
	}
	return err
}

// machineRoot is the folder that is the machine's root.
func (e *env) machineRoot() string { return e.path(e.settings.Root) }

// places finds the family of the host.
func (e *env) places(m *install.Machine, host string) (install.Places, error) {
	word := host
	if word == "" {
		var err error
		if word, err = m.Recognise(); err != nil {
			return install.Places{}, err
		}
		if word == "" {
			return install.Places{}, usagef("name its family: --host "+strings.Join(install.Families(), "|"), "%s is no host that scgikit knows the places of", e.machineRoot())
		}
	}
	places, ok := install.PlacesOf(word)
	if !ok {
		return places, usagef("the families are "+strings.Join(install.Families(), ", "), "there is no family of hosts %q", word)
	}
	return places, nil
}

func (e *env) install(ctx context.Context, flags *installFlags, words []string) error {
	w, err := e.wanted(ctx, &flags.renderFlags, words, flags.render)
	if err != nil {
		return err
	}
	c, err := e.openChange(&flags.changeFlags, "install "+strings.Join(words, " "))
	if err != nil {
		return err
	}
	defer c.close()
	if err := e.resolve(c.machine, w, flags.host, c.real); err != nil {
		return err
	}
	if dir := c.machine.Homebrew(); dir != "" {
		if outside := install.Outside(w.items.Items, dir); len(outside) > 0 {
			return failf(exitPermission, "install those as root, with sudo; the others without it, as this user",
				"%s: has files outside of %s, which are root's", strings.Join(outside, ", "), dir)
		}
	}
	c.manual, c.family = w.items.Manual, w.places.Family
	c.accept = func() error { return e.accepted(ctx, w) }
	probes, err := probesOf(w, flags.web)
	if err != nil {
		return err
	}
	return c.run(ctx, func(receipt *install.Receipt) (*install.Plan, error) {
		if err := e.ofProject(&w.scope, receipt, flags.take); err != nil {
			return nil, err
		}
		e.takeUndescribed(w, receipt)
		w.scope.Chosen = e.chosenNames(w.scope.Apps)
		r := &install.Request{Want: w.items.Items, Receipt: receipt, Scope: w.scope, Local: flags.local(), Live: c.live, Probes: probes}
		return c.machine.Plan(r)
	})
}

// ofProject has a scope end at the folder of this project: an app of the same name
// that another project installed is not this one's, as long as that folder is there.
func (e *env) ofProject(s *install.Scope, receipt *install.Receipt, take bool) error {
	folder, err := filepath.Abs(e.folder())
	if err != nil {
		return err
	}
	if s.Project, err = filepath.EvalSymlinks(folder); err != nil {
		return err
	}
	s.Former = nil
	for _, other := range receipt.Projects() {
		if _, err := os.Stat(other); take || errors.Is(err, fs.ErrNotExist) {
			s.Former = append(s.Former, other)
		}
	}
	return nil
}

// resolve finds the places of the files.
func (e *env) resolve(m *install.Machine, w *wantedSet, host string, real bool) error {
	var err error
	if w.places, err = e.places(m, host); err != nil {
		return err
	}
	// What is in a user's own prefix belongs to that user.
	w.items, err = install.Resolve(w.set, w.places, install.Owners{Apply: real && m.Homebrew() == ""})
	if owner, ok := errors.AsType[*install.OwnerError](err); ok {
		return failf(exitFailed, "create it, or name another in the description", "%w", owner)
	}
	if clash, ok := errors.AsType[*install.Clash](err); ok {
		return usagef("name the targets that this machine has", "%w", clash)
	}
	if err != nil {
		return err
	}
	m.Expect(w.items.Items)
	return nil
}

// accepted shows the files to the real parsers before anything is touched.
func (e *env) accepted(ctx context.Context, w *wantedSet) error {
	o := &verify.Options{Programs: e.settings.Validators}
	if w.project != nil {
		o = e.verifyOptions(w.project)
	}
	results, err := verify.Check(ctx, w.set, o)
	if err != nil {
		return err
	}
	for _, r := range results {
		if r.Outcome != verify.Rejected {
			continue
		}
		for _, c := range r.Complaints {
			e.talk("%s: %s: %s", r.Checker, c.Path, c.Message)
		}
		return failf(exitRejected, "scgikit check shows all that parsers say", "%s rejects the files of %s; nothing was done", r.Checker, r.Target)
	}
	return nil
}

// probesOf returns the requests that have to be answered once everything runs.
func probesOf(w *wantedSet, web string) ([]install.Probe, error) {
	if w.project == nil || web == "-" {
		return nil, nil
	}
	var out []install.Probe
	for _, a := range w.project.Apps {
		if !slices.Contains(w.scope.Apps, a.Name) || a.Health.Path == "" {
			continue
		}
		p := install.Probe{App: a.Name, Address: web, Path: a.Health.Path}
		if len(a.HTTP.Host) > 0 {
			p.Host = a.HTTP.Host[0]
		}
		if n := len(a.Instances); n > 1 {
			p.Times = 2 * n // a web server's processes take turns by themselves
		}
		if _, err := fmt.Sscanf(a.Health.Expect, "%d-%d", &p.Low, &p.High); err != nil {
			if _, err := fmt.Sscanf(a.Health.Expect, "%d", &p.Low); err != nil {
				return nil, fmt.Errorf("%s: health.expect %q: %w", a.Name, a.Health.Expect, err)
			}
			p.High = p.Low
		}
		out = append(out, p)
	}
	return out, nil
}

// isRoot reports whether the machine itself is meant.
func isRoot(dir string) bool {
	info, err := os.Stat(dir)
	if err != nil {
		return false
	}
	slash, err := os.Stat("/")
	return err == nil && os.SameFile(info, slash)
}
