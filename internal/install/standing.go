package install

import (
	"slices"
	"strings"
)

// Standing is how one item stands on the machine: what was last installed against
// what is there, and what is there against what is wanted.
type Standing struct {
	Path      string
	Block     string
	Target    string
	Apps      []string
	Project   string
	Written   string // "same", "edited", "removed"; "never" where it was not installed; "unclear"
	Wanted    string // "same", "differs", "missing"; "unwanted" where it is to go; "unclear"
	Why       string // it is unclear
	Now, Want State
}

// now finds what stands in the place of an item. Where that can not be told, Why says
// so, and the others are told.
func (s *Standing) now(snap Snapshot) {
	s.Now = snap[s.Path]
	if s.Now.unsafe != nil {
		s.Why = s.Now.why
	}
	if s.Block == "" || s.Why != "" {
		return
	}
	text, there, err := getBlock(s.Now.data, s.Path, s.Block)
	s.Now = State{Kind: Absent}
	if err != nil {
		s.Why = err.Error()
	}
	if there {
		s.Now = blockState(text)
	}
}

// Stand compares without planning anything. What is as it was installed and as it
// is wanted is left out.
func Stand(r *Request, snap Snapshot) []Standing {
	recorded := r.Receipt.entries()
	wanted := make(map[string]bool)
	var out []Standing
	add := func(s Standing, e *Entry) {
		s.now(snap)
		s.Written, s.Wanted = written(&s, e), want(&s)
		if s.Wanted != "same" || s.Written != "same" && s.Written != "never" {
			out = append(out, s)
		}
	}
	for i := range r.Want {
		it := &r.Want[i]
		wanted[it.key()] = true
		s := Standing{Path: it.Path, Block: it.Block, Target: it.Target, Apps: it.Apps, Want: it.Want}
		if it.Block != "" {
			s.Want = blockState(blockText(it.Block, it.Want.data))
		}
		add(s, recorded[it.key()])
	}
	for key, e := range recorded {
		if !wanted[key] && r.Scope.holds(e) && !e.Kept {
			s := Standing{Path: e.Path, Block: e.Block, Target: e.Target, Apps: e.Apps, Want: State{Kind: Absent}}
			add(s, e)
		}
	}
	slices.SortFunc(out, func(a, b Standing) int { return strings.Compare(a.Path+"\x00"+a.Block, b.Path+"\x00"+b.Block) })
	return out
}

func written(s *Standing, e *Entry) string {
	switch {
	case s.Why != "":
		return "unclear"
	case e == nil:
		return "never"
	case s.Now.Kind == Absent:
		return "removed"
	case s.Block != "" && e.SHA256 == s.Now.SHA256:
		return "same"
	case s.Block == "":
		if was := e.state(); s.Now.equal(&was) {
			return "same"
		}
	}
	return "edited"
}

func want(s *Standing) string {
	switch {
	case s.Why != "":
		return "unclear"
	case s.Want.Kind == Absent && s.Now.Kind == Absent:
		return "same"
	case s.Want.Kind == Absent:
		return "unwanted"
	case s.Now.Kind == Absent:
		return "missing"
	case s.Block != "" && s.Now.SHA256 == s.Want.SHA256, s.Block == "" && s.Now.equal(&s.Want):
		return "same"
	}
	return "differs"
}

// Standing returns what is installed, sorted, each with how it stands: "same",
// "edited", "removed", "unclear" or, of the folder of a log that outlived its service,
// "kept".
func (r *Receipt) Standing(snap Snapshot) []Standing {
	var out []Standing
	for i := range r.Entries {
		e := &r.Entries[i]
		if e.Target == "" {
			continue
		}
		s := Standing{Path: e.Path, Block: e.Block, Target: e.Target, Apps: e.Apps, Project: e.Project}
		s.now(snap)
		s.Written = written(&s, e)
		if e.Kept && s.Written == "same" {
			s.Written = "kept"
		}
		out = append(out, s)
	}
	return out
}
