package install

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"
)

// stopRank orders units that go: a socket that still listened would start its service
// again, and instances are stopped once none can be added.
func stopRank(unit string) int {
	switch {
	case strings.HasSuffix(unit, ".socket"):
		return 0
	case strings.Contains(unit, "@"):
		return 2
	}
	return 1
}

// systemd plans what the manager is told of units that come, change and go.
func systemd(g *groups, stop, start *[]Action) {
	step := func(to *[]Action, v Verb, name string, apps []string) {
		*to = append(*to, Action{Op: Run, Target: "systemd", Apps: apps, Step: &Step{Verb: v, Target: "systemd", Name: name}})
	}
	isUnit := func(a *Action) bool {
		name := path.Base(a.Path)
		return a.Target == "systemd" && (strings.HasSuffix(name, ".service") || strings.HasSuffix(name, ".socket"))
	}
	changed := false
	var sockets []string
	for _, a := range g.put {
		if isUnit(&a) && strings.HasSuffix(a.Path, ".socket") {
			sockets = append(sockets, strings.TrimSuffix(path.Base(a.Path), ".socket"))
		}
	}
	var stopped, units, forget []Action
	for _, a := range g.remove {
		if isUnit(&a) {
			changed = true
			name := strings.Replace(path.Base(a.Path), "@.", "@*.", 1) // of a template: all of its instances
			step(&stopped, Stop, name, a.Apps)
			step(&forget, Forget, name, a.Apps)
		}
	}
	slices.SortStableFunc(stopped, func(a, b Action) int { return stopRank(a.Step.Name) - stopRank(b.Step.Name) })
	*stop = append(*stop, stopped...)
	for _, a := range g.put {
		if !isUnit(&a) {
			continue
		}
		changed = true
		name := path.Base(a.Path)
		switch {
		case strings.Contains(name, "@"), strings.HasSuffix(name, ".service") && slices.Contains(sockets, strings.TrimSuffix(name, ".service")):
			// its socket starts it
		case a.Before.Kind == Absent:
			step(&units, Start, name, a.Apps)
		default:
			step(&units, Restart, name, a.Apps)
		}
	}
	if changed {
		step(start, Reload, "", nil)
	}
	*start = append(*start, forget...)
	*start = append(*start, units...)
}

// systemctl tells systemd.
//
// Source: https://www.freedesktop.org/software/systemd/man/systemctl.html
// ("enable --now" does not restart a unit that runs; disable takes no pattern, and stop
// does; a pattern that no unit in memory has is no error, where a name would be one).
func (r *Runner) systemctl(ctx context.Context, s *Step) error {
	program, ok := find("systemctl")
	if !ok {
		r.Say("systemctl is not on this machine, so systemd is told nothing")
		return nil
	}
	argv := map[Verb][]string{
		// A unit that did not fail is not in memory any more once it is gone.
		Forget: {"reset-failed", "--", strings.Replace(s.Name, ".", "[.]", 1)},
		Reload: {"daemon-reload"}, Start: {"enable", "--now", "--", s.Name},
		Stop: {"disable", "--now", "--", s.Name}, Restart: {"restart", "--", s.Name},
	}[s.Verb]
	if s.Verb == Stop && strings.Contains(s.Name, "*") {
		argv = []string{"stop", "--", s.Name}
	}
	if argv == nil {
		return nil
	}
	text, err := output(ctx, append([]string{program}, argv...))
	if err != nil && s.Verb == Forget {
		r.Say("systemctl reset-failed: %s", strings.TrimSpace(text))
		return nil
	}
	if err != nil {
		return fmt.Errorf("systemctl %s: %s", argv[0], strings.TrimSpace(text))
	}
	return nil
}
