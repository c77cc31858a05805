package install

import (
	"slices"
	"strings"
)

// Scope is what a plan is about. Nothing outside of it is touched.
type Scope struct {
	Targets []string // nil is every target
	Apps    []string // nil is every app
	Project string   // the folder of the descriptions; "" is every project
	Former  []string // projects whose apps are this one's now
	Gone    []string // apps that Project installed, and describes no more
	Chosen  []string // apps that this run alone has, and no description by itself
}

// another reports whether a thing belongs to an app of another project. What was
// installed before projects were recorded belongs to anyone.
func (s *Scope) another(e *Entry) bool {
	return s.Project != "" && e.Project != "" && e.Project != s.Project && !slices.Contains(s.Former, e.Project)
}

func (s *Scope) holds(e *Entry) bool {
	if e.Target == "" || s.another(e) || s.Targets != nil && !slices.Contains(s.Targets, e.Target) {
		return false
	}
	gone := e.Project != "" && e.Project == s.Project && !e.Kept // and of no former one
	return s.Apps == nil || !slices.ContainsFunc(e.Apps, func(a string) bool {
		return !slices.Contains(s.Apps, a) && (!gone || !slices.Contains(s.Gone, a))
	})
}

// Undescribed returns the apps of a receipt, sorted, that a project installed and
// that are none of known: it does not describe them any more. What was installed
// before projects were recorded, or by a project whose folder is gone, may be anybody's,
// and what a run was told to install that no description says is for that run to tell;
// neither is among them. Of a folder that several apps share another project's can be one.
func (s *Scope) Undescribed(r *Receipt, known []string) []string {
	var out []string
	for i := range r.Entries {
		e := &r.Entries[i]
		if e.Target == "" || e.Kind == Dir || e.Kept || e.Chosen || e.Project == "" || e.Project != s.Project {
			continue
		}
		for _, app := range e.Apps {
			if !slices.Contains(known, app) {
				out = append(out, app)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// chosen reports whether one of apps is there because this run says so.
func (s *Scope) chosen(apps []string) bool {
	return slices.ContainsFunc(apps, func(a string) bool { return slices.Contains(s.Chosen, a) })
}

// whyGone says of what goes that its app is described no more.
func (s *Scope) whyGone(apps []string) string {
	gone := slices.DeleteFunc(slices.Clone(apps), func(a string) bool { return !slices.Contains(s.Gone, a) })
	if len(gone) == 0 {
		return ""
	}
	return strings.Join(gone, ", ") + " is described no more"
}
