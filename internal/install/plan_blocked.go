package install

import (
	"fmt"
	"slices"
)

// notSafe reports whether what a target has is behind a folder that is not safe, and
// refuses it then. Each such folder is named once, with the targets: nothing at all is
// done, and the rest can be asked for without them.
func (p *planner) notSafe(s *State, target string) bool {
	if s.unsafe == nil {
		return false
	}
	p.refuseAt(s.unsafe.Path, s.unsafe.Why, target).Unsafe = s.unsafe
	return true
}

// nowhere refuses what a target has behind a link that leads to nothing.
func (p *planner) nowhere(at, link, target string) {
	p.refuseAt(at, whyNowhere(link), target)
}

func whyNowhere(link string) string { return fmt.Sprintf("is a link to %s, which is no folder", link) }

// refuseEdited refuses what somebody changed by hand, and has what was changed to show.
func (p *planner) refuseEdited(at, block, why string, now, want *State) {
	p.plan.Refused = append(p.plan.Refused, edited(at, block, why, now, want))
}

func edited(at, block, why string, now, want *State) Refused {
	s := &Standing{Path: at, Block: block, Written: "edited", Now: *now, Want: *want}
	if s.Wanted = "differs"; want.Kind == Absent {
		s.Wanted = "unwanted"
	}
	return Refused{Path: at, Why: why, Local: true, Edited: s}
}

// blockState is a block as it stands, or shall.
func blockState(text []byte) State {
	return State{Kind: File, data: text, SHA256: digest(text), UID: -1, GID: -1}
}

// foreign says why what stands is not replaced.
func foreign(found, want *State) string {
	switch {
	case found.Kind == Other:
		return found.why
	case found.Kind == Dir && want.Kind == Dir:
		owner := "" // whose is told where it matters
		if want.UID >= 0 && (found.UID != want.UID || found.GID != want.GID) {
			owner = fmt.Sprintf(" of user %d and group %d", found.UID, found.GID)
		}
		return fmt.Sprintf("is there with mode %s%s, and not of scgikit; it should have %s %s", found.Mode, owner, want.Mode, want.Owner)
	case found.Kind == Dir:
		return "a folder stands in its place"
	case found.Kind == Symlink && want.Kind != Symlink:
		return "a symbolic link stands in its place"
	}
	return "is there, and scgikit did not install it"
}

func (p *planner) refuseAt(at, why, target string) *Refused {
	r := p.blocked[at]
	if r == nil {
		r = &Refused{Path: at, Why: why}
		p.blocked[at] = r
	}
	if target != "" && !slices.Contains(r.Targets, target) {
		r.Targets = append(r.Targets, target)
	}
	return r
}

// unblocked puts what is on the way among what is refused, and finds the targets that
// nothing of it is about.
func (p *planner) unblocked() {
	if len(p.blocked) == 0 {
		return
	}
	var all, named []string
	for i := range p.Want {
		all = append(all, p.Want[i].Target)
	}
	for _, e := range p.recorded {
		if p.Want == nil && p.Scope.holds(e) {
			all = append(all, e.Target)
		}
	}
	whole := false
	for _, r := range p.blocked { // NewPlan sorts what is refused
		slices.Sort(r.Targets)
		named = append(named, r.Targets...)
		whole = whole || len(r.Targets) == 0
		p.plan.Refused = append(p.plan.Refused, *r)
	}
	slices.Sort(all)
	if !whole {
		p.plan.Rest = slices.DeleteFunc(slices.Compact(all), func(t string) bool { return slices.Contains(named, t) })
	}
}
