package install

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
)

// ErrNoTransaction says that the history does not go back so far.
var ErrNoTransaction = errors.New("there is no such transaction in the history")

// PlanRollback returns what makes the machine as it was before a transaction, and
// so before all that came after it. Zero is the last one. It touches nothing.
func (m *Machine) PlanRollback(id int, local Local, live bool) (*Plan, error) {
	receipt, err := m.Receipt()
	if err != nil {
		return nil, err
	}
	history, err := m.since(id)
	if err != nil {
		return nil, err
	}
	if id == 0 && len(history) > 0 {
		id = history[0].ID
	}
	at := slices.IndexFunc(history, func(j *Journal) bool { return j.ID == id })
	if at < 0 {
		return nil, fmt.Errorf("%d: %w", id, ErrNoTransaction)
	}
	b := &back{m: m, local: local, live: live, last: make(map[string]State), target: make(map[string]State), plan: &Plan{before: receipt}}
	for _, j := range history[:at+1] {
		if err := b.take(j); err != nil {
			return nil, err
		}
	}
	was := *history[at].Before
	was.Entries = slices.Clone(was.Entries)
	known := was.entries()
	for _, e := range receipt.Entries { // folders that the history still is in
		if m.onTheWay(e.Path) && known[e.key()] == nil {
			was.Entries = append(was.Entries, e)
		}
	}
	b.plan.Receipt = &was
	return b.plan, b.actions()
}

// since returns the journals down to one, or with zero the last one, the newest first.
// One before them that is damaged does not matter.
func (m *Machine) since(id int) ([]*Journal, error) {
	ids, err := m.transactions()
	if err != nil {
		return nil, err
	}
	var out []*Journal
	for _, n := range slices.Backward(ids) {
		if n < id || id == 0 && len(out) > 0 {
			break
		}
		j, err := m.Journal(n)
		if err != nil {
			return nil, err
		}
		if j != nil {
			out = append(out, j)
		}
	}
	return out, nil
}

// onTheWay reports whether a folder is that of receipts, or one that it is in.
func (m *Machine) onTheWay(p string) bool { return p == m.state || strings.HasPrefix(m.state, p+"/") }

// back collects what a rollback changes.
type back struct {
	m      *Machine
	local  Local
	live   bool
	order  []string         // paths, those that were changed last first
	last   map[string]State // as they were left
	target map[string]State // as they are to be
	info   map[string]Action
	plan   *Plan
}

// take adds a journal that is older than those before.
func (b *back) take(j *Journal) error {
	for n, a := range slices.Backward(j.Actions) {
		if a.Op == Run || a.Op == Clear {
			continue
		}
		before, err := b.m.before(j, n)
		if err != nil {
			return err
		}
		if _, seen := b.last[a.Path]; !seen {
			b.last[a.Path] = a.After
			b.order = append(b.order, a.Path)
		}
		b.target[a.Path] = before
		if b.info == nil {
			b.info = make(map[string]Action)
		}
		known := b.info[a.Path]
		known.Target, known.Apps = a.Target, a.Apps
		for _, app := range a.Blocks {
			if !slices.Contains(known.Blocks, app) {
				known.Blocks = append(known.Blocks, app)
			}
		}
		b.info[a.Path] = known
	}
	return nil
}

// actions plans what is to be done now: what is made before what is removed, and
// folders around both.
func (b *back) actions() error {
	snap, err := b.m.Look(b.order)
	if err != nil {
		return err
	}
	var unlink, dirs, puts, links, removes, rmdirs []Action
	for _, p := range b.order {
		now, target, info := snap[p], b.target[p], b.info[p]
		if u := now.unsafe; u != nil {
			if !slices.ContainsFunc(b.plan.Refused, func(r Refused) bool { return r.Path == u.Path }) {
				b.plan.Refused = append(b.plan.Refused, Refused{Path: u.Path, Why: u.Why, Unsafe: u})
			}
			continue
		}
		a := Action{Path: p, Before: now, After: target, Target: info.Target, Apps: info.Apps, Blocks: info.Blocks}
		if len(info.Blocks) > 0 {
			if a.After, err = b.shared(&a); err != nil {
				return err
			}
		}
		if now.equal(&a.After) {
			continue
		}
		if len(a.Blocks) > 0 && now.links > 1 {
			b.plan.Refused = append(b.plan.Refused, Refused{Path: p, Why: severalNames(&now)})
			continue
		}
		if b.edited(&a) {
			switch b.local {
			case RefuseLocal:
				b.plan.Refused = append(b.plan.Refused, edited(p, "", "was changed by hand since it was installed", &a.Before, &a.After))
				continue
			case KeepLocal:
				b.plan.Left = append(b.plan.Left, p)
				continue
			case OverwriteLocal:
				a.Why = "was changed by hand"
			}
		}
		switch a.After.Kind {
		case File:
			a.Op = Write
			puts = append(puts, a)
		case Symlink:
			a.Op = Link
			if isServiceLink(&a) {
				links = append(links, a)
			} else {
				puts = append(puts, a)
			}
		case Dir:
			a.Op = Mkdir
			if now.Kind == Dir {
				a.Op = Chmod
			}
			dirs = append(dirs, a)
		case Absent:
			switch {
			case now.Kind == Dir && b.m.onTheWay(p):
			case now.Kind == Dir:
				a.Op = Rmdir
				rmdirs = append(rmdirs, b.clears(p, &now, info.Target)...)
				rmdirs = append(rmdirs, a)
			case isServiceLink(&a):
				a.Op = Remove
				unlink = append(unlink, a)
			default:
				a.Op = Remove
				removes = append(removes, a)
			}
		case Other:
		}
	}
	up := func(x, y Action) int { return strings.Compare(x.Path, y.Path) }
	slices.SortFunc(dirs, up)
	slices.SortStableFunc(rmdirs, func(x, y Action) int { return strings.Compare(rmdirKey(&y), rmdirKey(&x)) })
	g := groups{unlink: unlink, put: append(dirs, puts...), remove: removes, start: links, finish: rmdirs}
	b.plan.Actions = g.ordered(b.live, nil)
	return nil
}

// rmdirKey sorts what is in a folder before the folder, once reversed.
func rmdirKey(a *Action) string {
	if a.Op == Clear {
		return a.Path + "/\xff"
	}
	return a.Path
}

// clears plans what stands in a folder of a service that goes.
func (b *back) clears(p string, now *State, target string) []Action {
	var out []Action
	if !isServices(target) {
		return nil
	}
	for _, name := range now.names {
		if slices.Contains(runtimeFolders(), name) {
			out = append(out, Action{Op: Clear, Path: path.Join(p, name), Target: target, Why: "what the supervisor left", After: State{Kind: Absent}})
		}
	}
	return out
}

// isServiceLink reports whether an action is about the link that a supervisor sees.
func isServiceLink(a *Action) bool {
	s := &a.After
	if s.Kind != Symlink {
		s = &a.Before
	}
	return s.Kind == Symlink && isServices(a.Target) && path.Base(path.Dir(a.Path)) != "env" && path.Base(path.Dir(a.Path)) != "log"
}

// edited reports whether somebody changed what was installed: of a shared file a
// block of ours.
func (b *back) edited(a *Action) bool {
	last := b.last[a.Path]
	if a.Before.Kind == Dir && last.Kind == Absent {
		return false // a folder that was not empty when it was to go
	}
	if len(a.Blocks) == 0 {
		return !a.Before.equal(&last) && (a.Before.Kind != Dir || last.Kind != Dir)
	}
	recorded := b.plan.before.entries()
	return slices.ContainsFunc(a.Blocks, func(app string) bool {
		block, there, err := getBlock(a.Before.data, a.Path, app)
		e := recorded[a.Path+"\x00"+app]
		return err != nil || there != (e != nil) || there && digest(block) != e.SHA256
	})
}

// shared returns a shared file with the blocks as they were and all else as it is.
func (b *back) shared(a *Action) (State, error) {
	was, after := b.target[a.Path], a.Before
	if was.Kind == Absent && a.Before.equal(new(b.last[a.Path])) {
		return was, nil
	}
	text := a.Before.data
	for _, app := range a.Blocks {
		block, _, err := getBlock(was.data, a.Path, app)
		if err != nil {
			return after, err
		}
		if text, _, err = setBlock(text, a.Path, app, block); err != nil {
			return after, err
		}
	}
	if a.Before.equal(new(b.last[a.Path])) {
		text = was.data // nobody else has touched it: even a missing last line end comes back
	}
	if after.Kind == Absent && len(text) > 0 {
		after = was // somebody removed the file, and our blocks come back
	}
	after.data, after.SHA256, after.names = text, digest(text), nil
	return after, nil
}
