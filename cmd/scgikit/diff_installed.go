package main

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"github.com/rogpeppe/go-internal/diff"

	"scgikit/internal/install"
)

// diffInstalled compares what the descriptions render with the machine. Nothing is
// written, and nothing is locked.
func (e *env) diffInstalled(ctx context.Context, flags *renderFlags, words []string, host string, form diffForm) error {
	folder, manifest, err := e.openDeploy()
	if err != nil {
		return err
	}
	defer folder.Close()
	r, err := e.render(ctx, flags, words, manifest)
	if err != nil {
		return err
	}
	r.tellSkipped(e)
	root := e.machineRoot()
	m, err := install.OpenMachine(root)
	if err != nil {
		return changeFailure(err)
	}
	defer m.Close() //nolint:errcheck // nothing was written
	w := &wantedSet{set: r.set, project: r.project, scope: install.Scope{Targets: r.scope.Targets, Apps: projectNames(r.project)}}
	if len(flags.only) > 0 {
		w.scope.Apps = flags.only
	}
	if err := e.resolve(m, w, host, isRoot(root)); err != nil {
		return changeFailure(err)
	}
	var bad troubles
	receipt, err := bad.receipt(m)
	if err != nil {
		return changeFailure(err)
	}
	if err := e.ofProject(&w.scope, receipt, false); err != nil {
		return err
	}
	if known := e.knownApps(r.project, nil, flags.only); known != nil {
		if plain, ok := e.plainNames(); ok {
			w.scope.Gone = w.scope.Undescribed(receipt, append(plain, known...))
		}
	}
	request := &install.Request{Want: w.items.Items, Receipt: receipt, Scope: w.scope}
	snap, err := m.Look(request.Paths())
	if err != nil {
		return changeFailure(err)
	}
	standing := install.Stand(request, snap)
	bad.unclear(standing)
	list := []difference{}
	for i := range standing {
		list = append(list, installedDifference(&standing[i]))
	}
	if err := e.showDifferences(list, r, form); err != nil && len(bad.list) == 0 {
		return err
	}
	return bad.tell(e, exitUsage)
}

// installedDifference shows one file of the machine against what it is to be.
func installedDifference(s *install.Standing) difference {
	name := s.Path
	if s.Block != "" {
		name += " (the block of " + s.Block + ")"
	}
	d := difference{Path: name, State: s.Written + " " + s.Wanted, Target: s.Target, Apps: append([]string{}, s.Apps...), Written: s.Written, Wanted: s.Wanted}
	old, now := "a"+name, "b"+name
	var head string
	switch {
	case s.Now.Kind == install.Absent:
		old, head = "/dev/null", "new "+describe(&s.Want)
	case s.Want.Kind == install.Absent:
		now, head = "/dev/null", "deleted "+describe(&s.Now)
	case describe(&s.Now) != describe(&s.Want):
		head = "old " + describe(&s.Now) + "new " + describe(&s.Want)
	}
	if s.Why != "" {
		d.Diff = visible(fmt.Sprintf("diff %s %s\n%s\n", old, now, s.Why))
		return d
	}
	body := diff.Diff(old, s.Now.Data(), now, s.Want.Data())
	first, rest, _ := bytes.Cut(body, []byte("\n"))
	if body == nil {
		first = fmt.Appendf(nil, "diff %s %s", old, now)
	}
	d.Diff = visible(string(first) + "\n" + fmt.Sprintf("installed: %s, wanted: %s\n", s.Written, s.Wanted) + head + string(rest))
	d.Added, d.Removed = countLines(d.Diff)
	return d
}

// describe is what a state is besides its bytes, as a line of a diff's head.
func describe(s *install.State) string {
	words := []string{string(s.Kind)}
	if s.Mode != "" {
		words = append(words, "mode "+s.Mode)
	}
	switch {
	case s.UID < 0:
	case s.UID == 0 && s.GID == 0:
		words = append(words, "owner root:root")
	default:
		words = append(words, fmt.Sprintf("owner %d:%d", s.UID, s.GID))
	}
	if s.Link != "" {
		words = append(words, "-> "+s.Link)
	}
	return strings.Join(words, " ") + "\n"
}
