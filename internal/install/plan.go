package install

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"
)

// Op is what an action does.
type Op string

// The operations.
const (
	Mkdir  Op = "mkdir"  // make a folder
	Chmod  Op = "chmod"  // give a folder of ours its owner and mode
	Write  Op = "write"  // put a whole file in place, in one step
	Link   Op = "link"   // put a symbolic link in place, in one step
	Remove Op = "remove" // remove a file or a link
	Clear  Op = "clear"  // remove what a supervisor or a logger of ours left in a folder of ours
	Rmdir  Op = "rmdir"  // remove an empty folder
	Run    Op = "run"    // tell a program of the machine, see Step
)

// Action is one step of a plan.
type Action struct {
	Op     Op       `json:"op"`
	Path   string   `json:"path,omitempty"`
	Before State    `json:"before"`
	After  State    `json:"after"`
	Blocks []string `json:"blocks,omitempty"` // of a shared file: the apps whose blocks change
	Target string   `json:"target,omitempty"`
	Apps   []string `json:"apps,omitempty"`
	Why    string   `json:"why,omitempty"`
	Step   *Step    `json:"step,omitempty"` // of Run
}

// String is the line that people see.
func (a *Action) String() string {
	if a.Op == Run {
		return a.Step.String()
	}
	line := fmt.Sprintf("%-6s  %s", a.Op, a.Path)
	switch a.Op {
	case Mkdir, Chmod, Write:
		owner := a.After.Owner
		if owner == "" {
			owner = fmt.Sprintf("%d:%d", a.After.UID, a.After.GID)
		}
		line += fmt.Sprintf("  %s %s", a.After.Mode, owner)
	case Link:
		line += " -> " + a.After.Link
	case Remove, Clear, Rmdir, Run:
	}
	if len(a.Blocks) > 0 {
		line += "  (the blocks of " + strings.Join(a.Blocks, ", ") + ")"
	}
	if a.Why != "" {
		line += "  (" + a.Why + ")"
	}
	return line
}

// Local is what is done about files that were changed by hand.
type Local uint8

// The choices.
const (
	RefuseLocal    Local = iota // nothing is done at all
	KeepLocal                   // they stay as they are
	OverwriteLocal              // they are replaced; rollback has them back
)

// Refused is a file that is not touched for safety.
type Refused struct {
	Path  string `json:"path"`
	Why   string `json:"why"`
	Local bool   `json:"local"` // it is ours and was changed by hand
	Other bool   `json:"other"` // it is of another project
	Dir   bool   `json:"dir"`   // a folder that is not ours has another owner or mode

	Targets []string `json:"targets,omitempty"` // of Path that is on the way: whose files are behind it
	Unsafe  *Unsafe  `json:"-"`                 // why it is not written through

	Edited *Standing `json:"-"` // of what was changed by hand: what stands, and what would
}

// Refusal says that nothing was done, because something would be lost.
type Refusal struct {
	Files []Refused
	Rest  []string // targets that nothing of it is about, where it is about some targets alone

	Command string // that can be given Rest
}

// Error names every file.
func (r *Refusal) Error() string {
	lines := make([]string, 0, len(r.Files)+1)
	if len(r.Files) > 1 {
		lines = append(lines, fmt.Sprintf("%d files are in the way", len(r.Files)))
	}
	for _, f := range r.Files {
		line := f.Path + ": " + f.Why
		if len(f.Targets) > 0 {
			line += " (on the way of " + strings.Join(f.Targets, ", ") + ")"
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n  ")
}

// Unwrap returns what is not safe.
func (r *Refusal) Unwrap() []error {
	var out []error
	for _, f := range r.Files {
		if f.Unsafe != nil {
			out = append(out, f.Unsafe)
		}
	}
	return out
}

// Plan is what it takes to make the machine as wanted.
type Plan struct {
	Actions   []Action
	Receipt   *Receipt // after it
	Unchanged int      // items that are as wanted
	Left      []string // files that stay although they were to go, or as they are although they were to change
	Refused   []Refused
	Rest      []string // where some targets alone are refused: the others

	before *Receipt
}

// Empty reports whether there is nothing to do, not even in the receipt.
func (p *Plan) Empty() bool {
	if len(p.Actions) > 0 {
		return false
	}
	before, after := *p.before, *p.Receipt
	after.Last = before.Last
	a, errA := before.encode()
	b, errB := after.encode()
	return errA == nil && errB == nil && string(a) == string(b)
}

// Request is what a plan is made from, besides the snapshot.
type Request struct {
	Want     []Item // nil takes everything of the scope away
	Receipt  *Receipt
	Scope    Scope
	Local    Local
	KeepLogs bool    // of services that go; an install takes no log away
	Live     bool    // the machine runs: its programs are told
	Probes   []Probe // requests that have to be answered at the end
	State    string  // the folder of receipts; "" is StateDir
}

func (r *Request) state() string { return cmp.Or(r.State, StateDir) }

// Paths returns every path that a plan has to know of.
func (r *Request) Paths() []string {
	seen := make(map[string]bool)
	add := func(p string) {
		for ; p != "/"; p = path.Dir(p) {
			seen[p] = true
		}
	}
	add(r.state())
	for i := range r.Want {
		add(r.Want[i].Path)
	}
	for i := range r.Receipt.Entries {
		e := &r.Receipt.Entries[i]
		if !r.Scope.holds(e) && e.Target != "" {
			continue
		}
		seen[e.Path] = true
		if e.Kind == Dir {
			for _, name := range runtimeFolders() {
				seen[path.Join(e.Path, name)] = true
			}
		}
	}
	out := make([]string, 0, len(seen))
	for p := range seen {
		out = append(out, p)
	}
	slices.Sort(out)
	return out
}

// planner makes one plan.
type planner struct {
	*Request
	snap     Snapshot
	plan     *Plan
	recorded map[string]*Entry
	entries  map[string]Entry    // of the receipt to be
	made     map[string]bool     // folders that the plan makes
	gone     map[string]bool     // paths that the plan removes
	blocked  map[string]*Refused // by what on the way is not safe, or leads nowhere
	kept     map[string]bool     // folders of logs that stay, and those on the way to them

	groups
}

// NewPlan compares what is wanted with what stands. It touches nothing.
func NewPlan(r *Request, snap Snapshot) (*Plan, error) {
	own := *r
	p := &planner{
		Request: &own, snap: snap, recorded: r.Receipt.entries(),
		plan:    &Plan{Receipt: &Receipt{Last: r.Receipt.Last, Glued: slices.Clone(r.Receipt.Glued)}, before: r.Receipt},
		entries: make(map[string]Entry, len(r.Receipt.Entries)), made: make(map[string]bool), gone: make(map[string]bool), kept: make(map[string]bool), blocked: make(map[string]*Refused),
	}
	for key, e := range p.recorded {
		p.entries[key] = *e
	}
	p.Want = slices.Clone(r.Want)
	for i := range p.Want {
		p.Want[i].Project, p.Want[i].Chosen = r.Scope.Project, r.Scope.chosen(p.Want[i].Apps)
	}
	p.items()
	p.leftovers()
	if err := p.shared(); err != nil {
		return nil, err
	}
	p.folders()
	if len(p.unlink)+len(p.put)+len(p.remove)+len(p.start)+len(p.finish) > 0 {
		p.needState()
	}
	p.plan.Actions = p.ordered(p.Live, p.Probes)
	for _, e := range p.entries {
		p.plan.Receipt.Entries = append(p.plan.Receipt.Entries, e)
	}
	slices.SortFunc(p.plan.Receipt.Entries, func(a, b Entry) int { return strings.Compare(a.key(), b.key()) })
	p.unblocked()
	slices.Sort(p.plan.Left)
	slices.SortFunc(p.plan.Refused, func(a, b Refused) int { return strings.Compare(a.Path, b.Path) })
	return p.plan, nil
}

func (p *planner) refuse(at, why string) {
	p.plan.Refused = append(p.plan.Refused, Refused{Path: at, Why: why})
}

// items plans what is wanted.
func (p *planner) items() {
	for i := range p.Want {
		it := &p.Want[i]
		if it.Block == "" && p.mayTake(it) {
			p.item(it)
		}
	}
}

// mayTake refuses a path that is recorded for other apps, or for another project.
func (p *planner) mayTake(it *Item) bool {
	e := p.recorded[it.key()]
	if e == nil || e.Target == "" || it.Want.Kind == Dir {
		return true
	}
	if p.Scope.another(e) {
		why := fmt.Sprintf("belongs to %s of the project in %s", strings.Join(e.Apps, ", "), e.Project)
		p.plan.Refused = append(p.plan.Refused, Refused{Path: it.Path, Why: why, Other: true})
		return false
	}
	if e.Target == it.Target && slices.ContainsFunc(e.Apps, func(a string) bool { return slices.Contains(it.Apps, a) }) {
		return true
	}
	p.refuse(it.Path, fmt.Sprintf("belongs to %s of %s", e.Target, strings.Join(e.Apps, ", ")))
	return false
}

func (p *planner) item(it *Item) {
	found, want, e := p.snap[it.Path], it.Want, p.recorded[it.key()]
	if want.Kind == Dir && e != nil && p.Scope.Apps != nil {
		// It is that of apps that are not looked at, too.
		it.Apps = union(it.Apps, slices.DeleteFunc(slices.Clone(e.Apps), func(app string) bool { return slices.Contains(p.Scope.Apps, app) }))
	}
	why := ""
	switch {
	case p.notSafe(&found, it.Target):
		return
	case found.equal(&want):
		p.plan.Unchanged++
		// What was there before is not ours to remove.
		if want.Kind != Dir || e != nil {
			entry := entryOf(it, &want)
			entry.Stood = e == nil || e.Stood
			p.entries[it.key()] = entry
		}
		return
	case found.Kind == Absent:
		if e != nil {
			why = "was removed by hand"
		}
	case e == nil:
		p.plan.Refused = append(p.plan.Refused, Refused{Path: it.Path, Why: foreign(&found, &want), Dir: found.Kind == Dir && want.Kind == Dir})
		return
	case !p.intact(&found, e):
		switch {
		case found.Kind == Other || (found.Kind == Dir) != (want.Kind == Dir):
			p.refuse(it.Path, foreign(&found, &want))
			return
		case p.Local == RefuseLocal:
			p.refuseEdited(it.Path, "", "was changed by hand since it was installed", &found, &want)
			return
		case p.Local == KeepLocal:
			p.plan.Left = append(p.plan.Left, it.Path)
			return
		case p.Local == OverwriteLocal:
			why = "was changed by hand"
		}
	}
	if !p.parents(it.Path, it.Target) {
		return
	}
	a := Action{Op: Write, Path: it.Path, Before: found, After: want, Target: it.Target, Apps: it.Apps, Why: why}
	switch want.Kind {
	case Dir:
		a.Op = Mkdir
		if found.Kind == Dir {
			a.Op = Chmod
		}
		p.made[it.Path] = true
	case Symlink:
		a.Op = Link
	case File, Absent, Other:
	}
	p.entries[it.key()] = entryOf(it, &want)
	if it.Last {
		p.start = append(p.start, a)
	} else {
		p.put = append(p.put, a)
	}
}

// intact reports whether what stands is what was installed.
func (p *planner) intact(found *State, e *Entry) bool {
	was := e.state()
	return found.equal(&was)
}

// parents plans the folders that a path needs and that are missing. It is false where
// a link on the way leads nowhere.
func (p *planner) parents(at, target string) bool {
	dir := path.Dir(at)
	if s := p.snap[dir]; s.dangling {
		p.nowhere(dir, s.Link, target)
		return false
	}
	if dir == "/" || p.made[dir] || p.snap[dir].Kind != Absent {
		return true
	}
	if !p.parents(dir, target) {
		return false
	}
	p.made[dir] = true
	it := Item{Path: dir}
	want := State{Kind: Dir, Mode: "0755", Owner: "root:root", UID: -1, GID: -1}
	if slices.ContainsFunc(p.Want, func(it Item) bool { return it.Want.UID >= 0 }) {
		want.UID, want.GID = 0, 0
	}
	p.entries[it.key()] = entryOf(&it, &want)
	p.put = append(p.put, Action{Op: Mkdir, Path: dir, Before: State{Kind: Absent}, After: want})
	return true
}

// needState shows the folder of receipts where it is missing: it is made first.
func (p *planner) needState() {
	if p.snap[p.state()].Kind == Dir || p.made[p.state()] {
		return
	}
	rest := p.put
	p.put = nil
	p.parents(path.Join(p.state(), receiptName), "")
	p.put = append(p.put, rest...)
}

// leftovers plans the removal of what is recorded and wanted no more.
func (p *planner) leftovers() {
	wanted := make(map[string]bool, len(p.Want))
	for i := range p.Want {
		wanted[p.Want[i].key()] = true
	}
	keys := make([]string, 0, len(p.recorded))
	for key := range p.recorded {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	slices.Reverse(keys) // what is in a folder before the folder
	for _, key := range keys {
		e := p.recorded[key]
		if wanted[key] || e.Block != "" || e.Kind == Dir || !p.Scope.holds(e) {
			continue
		}
		p.takeAway(e)
	}
}

func (p *planner) takeAway(e *Entry) {
	found := p.snap[e.Path]
	why := p.Scope.whyGone(e.Apps)
	switch {
	case p.notSafe(&found, e.Target):
		return
	case found.Kind == Absent:
		delete(p.entries, e.key())
		return
	case e.Stood:
		p.plan.Left = append(p.plan.Left, e.Path)
		delete(p.entries, e.key())
		return
	case p.intact(&found, e):
	case p.Local == OverwriteLocal && (found.Kind == File || found.Kind == Symlink):
		why = "was changed by hand"
	case p.Local == RefuseLocal && p.Want != nil:
		p.refuseEdited(e.Path, "", "was changed by hand since it was installed, and is not wanted any more", &found, &State{Kind: Absent})
		return
	default:
		// Uninstalling leaves what a person wrote, and forgets it.
		p.plan.Left = append(p.plan.Left, e.Path)
		delete(p.entries, e.key())
		return
	}
	delete(p.entries, e.key())
	p.gone[e.Path] = true
	a := Action{Op: Remove, Path: e.Path, Before: found, After: State{Kind: Absent}, Target: e.Target, Apps: e.Apps, Why: why}
	if e.Kind == Symlink && isServices(e.Target) && path.IsAbs(e.Link) && p.recorded[e.Link+"\x00"] != nil {
		p.unlink = append(p.unlink, a) // a supervisor that still sees it would start it again
		return
	}
	p.remove = append(p.remove, a)
}
