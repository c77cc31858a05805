package install

import (
	"fmt"
	"slices"
	"strings"
)

// shared plans the blocks of shared files, one write for each file.
func (p *planner) shared() error {
	files := make(map[string][]Item)
	for i := range p.Want {
		if it := &p.Want[i]; it.Block != "" {
			files[it.Path] = append(files[it.Path], *it)
		}
	}
	wanted := make(map[string]bool)
	for i := range p.Want {
		wanted[p.Want[i].key()] = true
	}
	for _, e := range p.recorded {
		if e.Block != "" && !wanted[e.key()] && p.Scope.holds(e) {
			files[e.Path] = append(files[e.Path], Item{Path: e.Path, Block: e.Block, Want: State{Kind: Absent}, Target: e.Target, Apps: e.Apps})
		}
	}
	paths := make([]string, 0, len(files))
	for at := range files {
		paths = append(paths, at)
	}
	slices.Sort(paths)
	for _, at := range paths {
		items := files[at]
		slices.SortFunc(items, func(a, b Item) int { return strings.Compare(a.Block, b.Block) })
		if err := p.sharedFile(at, items); err != nil {
			return err
		}
	}
	return nil
}

func (p *planner) sharedFile(at string, items []Item) error {
	found := p.snap[at]
	if p.notSafe(&found, items[0].Target) {
		return nil
	}
	if found.Kind != File && found.Kind != Absent {
		p.refuse(at, foreign(&found, &State{Kind: File}))
		return nil
	}
	a := Action{Op: Write, Path: at, Before: found, After: found, Target: items[0].Target}
	if found.Kind == Absent {
		want := State{Kind: File, Mode: "0644", Owner: "root:root", UID: -1, GID: -1}
		if items[0].Want.UID >= 0 {
			want.UID, want.GID = 0, 0
		}
		a.After = want
	}
	text := found.data
	for i := range items {
		next, changed, err := p.block(text, &items[i])
		if err != nil {
			return err
		}
		if changed {
			a.Blocks, a.Apps = append(a.Blocks, items[i].Block), append(a.Apps, items[i].Block)
			a.Why = p.Scope.whyGone(a.Apps)
			text = next
		}
	}
	if len(a.Blocks) == 0 {
		return nil
	}
	if found.links > 1 {
		p.refuse(at, severalNames(&found))
		return nil
	}
	if !p.parents(at, items[0].Target) {
		return nil
	}
	if p.lastBlock(at) && slices.Contains(p.plan.Receipt.Glued, at) {
		if p.endsWithBlock(found.data, at) {
			text = unglued(text)
		}
		p.plan.Receipt.Glued = slices.DeleteFunc(p.plan.Receipt.Glued, func(g string) bool { return g == at })
	}
	own := Item{Path: at}
	if found.Kind == Absent {
		p.entries[own.key()] = entryOf(&own, &a.After) // made by us: it goes with the last block
	}
	if _, ours := p.entries[own.key()]; ours && p.lastBlock(at) && len(text) == 0 {
		delete(p.entries, own.key())
		a.Op, a.After = Remove, State{Kind: Absent}
		if found.Kind != Absent {
			p.gone[at] = true
			p.remove = append(p.remove, a)
		}
		return nil
	}
	a.After.data, a.After.SHA256, a.After.names = text, digest(text), nil
	p.put = append(p.put, a)
	return nil
}

// severalNames says why a file with hard links is not replaced.
func severalNames(s *State) string {
	return fmt.Sprintf("has %d names (hard links), of which the others would keep the former file; give it one name of its own, as cp and mv do", s.links)
}

// block plans one block of a shared file.
func (p *planner) block(text []byte, it *Item) (next []byte, changed bool, err error) {
	now, there, err := getBlock(text, it.Path, it.Block)
	if err != nil {
		if bad, ok := err.(*BlockError); ok { //nolint:errorlint // findBlock returns it as it is
			p.refuse(it.Path, "the block of "+bad.App+" "+bad.Why)
			return text, false, nil
		}
		return nil, false, err
	}
	if !p.mayTake(it) {
		return text, false, nil
	}
	e := p.recorded[it.key()]
	var want []byte
	if it.Want.Kind != Absent {
		want = blockText(it.Block, it.Want.data)
	}
	same := there == (want != nil) && string(now) == string(want)
	edited := there && !same && (e == nil || e.SHA256 != digest(now))
	switch {
	case want == nil && e != nil && e.Stood:
		// It was there, as it was wanted, before the first install.
		if there {
			p.plan.Left = append(p.plan.Left, it.Path+": the block of "+it.Block)
		}
		delete(p.entries, it.key())
		return text, false, nil
	case edited && e == nil:
		p.refuse(it.Path, "has a block of "+it.Block+" that scgikit did not install")
		return text, false, nil
	case edited && (p.Local == KeepLocal || p.Want == nil && p.Local == RefuseLocal):
		p.plan.Left = append(p.plan.Left, it.Path+": the block of "+it.Block)
		if want == nil {
			delete(p.entries, it.key())
		}
		return text, false, nil
	case edited && p.Local == RefuseLocal:
		s := State{Kind: Absent}
		if want != nil {
			s = blockState(want)
		}
		p.refuseEdited(it.Path, it.Block, "the block of "+it.Block+" was changed by hand since it was installed", new(blockState(now)), &s)
		return text, false, nil
	}
	if want == nil {
		delete(p.entries, it.key())
	} else {
		s := it.Want
		s.SHA256 = digest(want)
		entry := entryOf(it, &s)
		entry.Stood = same && (e == nil || e.Stood)
		p.entries[it.key()] = entry
	}
	if same {
		p.plan.Unchanged++
		return text, false, nil
	}
	next, glued, err := setBlock(text, it.Path, it.Block, want)
	if glued && !slices.Contains(p.plan.Receipt.Glued, it.Path) {
		p.plan.Receipt.Glued = append(p.plan.Receipt.Glued, it.Path)
	}
	return next, true, err
}

// lastBlock reports whether no block of ours will be in a shared file.
func (p *planner) lastBlock(at string) bool {
	for _, e := range p.entries {
		if e.Path == at && e.Block != "" {
			return false
		}
	}
	return true
}

// endsWithBlock reports whether a block of ours is the last thing in a file.
func (p *planner) endsWithBlock(text []byte, at string) bool {
	for _, e := range p.recorded {
		if e.Path != at || e.Block == "" {
			continue
		}
		if _, end, err := findBlock(text, at, e.Block); err == nil && end == len(text) {
			return true
		}
	}
	return false
}
