package install

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"
)

// Report is what an apply did.
type Report struct {
	ID   int      // of the transaction; 0 where nothing was to be done
	Left []string // folders that something is still in
}

// RolledBack says that a program of the machine did not take the change, and that
// everything is as it was before.
type RolledBack struct {
	Step *Step
	Err  error
}

// Error names the step.
func (e *RolledBack) Error() string {
	return fmt.Sprintf("%s: %v; everything is as it was before", e.Step, e.Err)
}

// Unwrap returns the cause.
func (e *RolledBack) Unwrap() error { return e.Err }

// NotUndone says that a change was not taken back: the machine is between before
// and after until the next run, which tries again.
type NotUndone struct{ Err error }

// Error says what stands in the way.
func (e *NotUndone) Error() string {
	return fmt.Sprintf("undoing it did not work, the next scgikit install will try again: %v", e.Err)
}

// Unwrap returns the cause.
func (e *NotUndone) Unwrap() error { return e.Err }

// Changed says that something else changed a file between the plan and its turn.
type Changed struct{ Path string }

// Error names the file.
func (e *Changed) Error() string { return e.Path + ": was changed by somebody else just now" }

// Options of Apply.
type Options struct {
	Command string                             // for the history
	Run     func(context.Context, *Step) error // carries out the steps; nil leaves them out
}

// Apply carries a plan out, all of it or nothing. The lock must be held. What goes
// wrong, and the end of the context, undo what was done so far.
func (m *Machine) Apply(ctx context.Context, plan *Plan, o Options) (*Report, error) {
	r := new(Report)
	if len(plan.Refused) > 0 {
		return r, &Refusal{Files: plan.Refused, Rest: plan.Rest}
	}
	if plan.Empty() {
		return r, nil
	}
	// Whoever had the lock before may have changed what was looked at. Apply looks
	// at each path again in its turn; the receipt is looked at here.
	now, err := m.Receipt()
	if err != nil {
		return r, err
	}
	if now.Last != plan.before.Last {
		return r, &Changed{m.name(path.Join(m.state, receiptName))}
	}
	j, err := m.begin(plan, o.Command)
	if err != nil {
		if j == nil {
			return r, errors.Join(err, m.unfounded(plan.before))
		}
		return r, errors.Join(err, m.dropUndone(j.ID, plan.before))
	}
	r.ID = j.ID
	done := 0
	for done < len(j.Actions) && err == nil {
		a := &plan.Actions[done]
		if err = ctx.Err(); err == nil {
			err = m.do(ctx, j, done, a, &o, r)
		}
		done++
	}
	var undo, untold error
	if err == nil {
		if err = m.commit(plan, j, r.Left); err == nil {
			return r, m.trim()
		}
		// The receipt may have its name already, and not be on the disk for sure. It
		// goes first: what comes after is undone by the next run as well.
		undo = m.writeReceipt(plan.before)
	}
	if undo == nil {
		undo, untold = m.undo(ctx, j, done, &o)
	}
	if undo = errors.Join(undo, untold); undo != nil {
		if rolled, ok := errors.AsType[*RolledBack](err); ok {
			err = fmt.Errorf("%s: %w", rolled.Step, rolled.Err) // for it is not
		}
		return r, errors.Join(err, &NotUndone{undo})
	}
	for _, name := range j.Left {
		if changed, ok := errors.AsType[*Changed](err); !ok || changed.Path != name {
			err = errors.Join(err, &Changed{name})
		}
	}
	return r, errors.Join(err, m.dropUndone(j.ID, plan.before))
}

// do carries one action out.
func (m *Machine) do(ctx context.Context, j *Journal, n int, a *Action, o *Options, r *Report) error {
	if a.Op == Run {
		if o.Run == nil {
			return nil
		}
		if err := o.Run(ctx, a.Step); err != nil {
			return &RolledBack{a.Step, err}
		}
		return nil
	}
	folder, err := m.folder(path.Dir(a.Path))
	if err != nil {
		return err
	}
	defer folder.Close()
	if a.Op != Clear && a.Op != Rmdir {
		now, err := m.lookIn(folder, a.Path)
		switch {
		case err != nil:
			return err
		case a.Op == Mkdir && now.Kind == Dir && now.equal(&a.After):
			return nil // the folder of receipts
		case a.Op == Mkdir && m.halfMade(a.Path, &now):
			// Whoever did not get the lock has not come to its mode yet.
		case !now.equal(&a.Before), len(a.Blocks) > 0 && now.links > 1:
			return &Changed{m.name(a.Path)}
		}
	}
	temp := tempName(a.Path, j.ID, n)
	switch a.Op {
	case Mkdir, Chmod:
		if a.After.UID > 0 {
			m.loosen(a.Path)
		}
		return m.makeFolder(folder, a.Path, &a.After)
	case Write:
		if len(a.Blocks) > 0 {
			return m.putShared(folder, a.Path, temp, &a.After)
		}
		return m.putFile(folder, a.Path, temp, &a.After)
	case Link:
		return m.putLink(folder, a.Path, temp, &a.After)
	case Remove:
		if err := m.unlinkIn(folder, a.Path); err != nil {
			return err
		}
		return m.syncFolder(folder, a.Path)
	case Clear:
		if a.After.Kind == Absent {
			return m.clear(a.Path, func(string) bool { return true }, true)
		}
		return m.clear(a.Path, a.isLog, false)
	case Rmdir:
		left, err := m.removeFolder(folder, a.Path)
		if left {
			r.Left = append(r.Left, a.Path)
		}
		return err
	case Run:
	}
	return nil
}

// halfMade reports whether a folder is one on the way to the lock, as it is between
// its making and its mode.
func (m *Machine) halfMade(p string, now *State) bool {
	return m.onTheWay(p) && now.Kind == Dir && now.Mode == "0700" && now.UID == m.uid
}

// commit writes the receipt: from here on the transaction is done. Folders that a log
// has kept stay in it.
func (m *Machine) commit(plan *Plan, j *Journal, left []string) error {
	after := *plan.Receipt
	after.Last = j.ID
	known := after.entries()
	for _, e := range plan.before.keptFolders(left) {
		if known[e.key()] == nil {
			after.Entries = append(slices.Clone(after.Entries), e)
		}
	}
	return m.writeReceipt(&after)
}

func (m *Machine) writeReceipt(r *Receipt) error {
	text, err := r.encode()
	if err != nil {
		return err
	}
	folder, err := m.folder(m.state)
	if err != nil {
		return err
	}
	defer folder.Close()
	return m.record(folder, path.Join(m.state, receiptName), text)
}

// trim forgets old transactions.
func (m *Machine) trim() error {
	ids, err := m.transactions()
	if err != nil {
		return err
	}
	for len(ids) > keptTransactions {
		if err := m.drop(ids[0]); err != nil {
			return err
		}
		ids = ids[1:]
	}
	return nil
}

// undo takes the first actions of a journal back, the last one first, and tells
// programs that were told of the change. What is neither as before nor as after
// was changed by somebody else, and stays: it is named in the journal, and nothing
// that could be undone the next time. untold is about programs alone.
func (m *Machine) undo(ctx context.Context, j *Journal, done int, o *Options) (err, untold error) {
	ctx = context.WithoutCancel(ctx) // it is the answer to an interruption
	var failed, deaf []error
	tell := func(s *Step) {
		if o.Run == nil || s == nil {
			return
		}
		if err := o.Run(ctx, s); err != nil {
			deaf = append(deaf, fmt.Errorf("%s: %w", s, err))
		}
	}
	var stop, again []*Step
	for n := done - 1; n >= 0; n-- {
		a := &j.Actions[n]
		switch {
		case a.Op != Run:
			err := m.undoOne(j, n, a)
			if changed, ok := errors.AsType[*Changed](err); ok {
				j.Left = append(j.Left, changed.Path)
			} else if err != nil {
				failed = append(failed, err)
			}
		case a.Step.Verb == Start && managed(a.Target):
			tell(a.Step.undone())
		case a.Step.Verb == Start:
			stop = append(stop, a.Step.undone())
		default:
			again = append(again, a.Step.undone())
		}
		// A service is stopped once no supervisor sees its link, and before its files go.
		if a.Op == Link && len(stop) > 0 && (n == 0 || j.Actions[n-1].Op != Link) {
			for _, s := range stop {
				tell(s)
			}
			stop = nil
		}
	}
	// Managers read the former files before they start anything of them.
	slices.SortStableFunc(again, func(a, b *Step) int { return managerReads(b) - managerReads(a) })
	for _, s := range again {
		tell(s)
	}
	return errors.Join(failed...), errors.Join(deaf...)
}

// managerReads is 1 for a step that has a manager read its files again.
func managerReads(s *Step) int {
	if s != nil && s.Verb == Reload && managed(s.Target) {
		return 1
	}
	return 0
}

func (m *Machine) undoOne(j *Journal, n int, a *Action) error {
	folder, err := m.folder(path.Dir(a.Path))
	unsafe, _ := errors.AsType[*Unsafe](err)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case errors.Is(err, syscall.ENOTDIR), unsafe != nil && unsafe.theirs:
		return &Changed{m.name(a.Path)} // whose folder it is on the way could do that for ever
	case err != nil:
		return err
	}
	defer folder.Close()
	temp := tempName(a.Path, j.ID, n)
	if err := m.unlinkIn(folder, temp); err != nil {
		return err
	}
	now, err := m.lookIn(folder, a.Path)
	if err != nil || now.equal(&a.Before) {
		return err
	}
	switch a.Op {
	case Mkdir:
		return m.undoFolder(folder, a, &now)
	case Chmod, Rmdir:
		if now.Kind == Dir || now.Kind == Absent {
			return m.makeFolder(folder, a.Path, &a.Before)
		}
		return &Changed{m.name(a.Path)}
	case Write, Link, Remove:
		if !now.equal(&a.After) {
			return &Changed{m.name(a.Path)}
		}
		before, err := m.before(j, n)
		if err != nil {
			return err
		}
		if len(a.Blocks) > 0 && before.Kind == File {
			return m.putShared(folder, a.Path, temp, &before)
		}
		return m.restore(folder, a.Path, temp, &before)
	case Clear, Run:
	}
	return nil
}

// undoFolder removes a folder that was made, with what a supervisor and a logger
// have put there since. One that others use by now stays.
func (m *Machine) undoFolder(folder *os.Root, a *Action, now *State) error {
	if now.Kind != Dir {
		return nil
	}
	if isServices(a.Target) {
		for _, name := range now.names {
			if slices.Contains(runtimeFolders(), name) {
				if err := m.clear(path.Join(a.Path, name), func(string) bool { return true }, true); err != nil {
					return err
				}
			}
		}
	}
	if e := (Entry{Kind: Dir, Target: a.Target, Owner: a.After.Owner}); e.holdsLogs() {
		if err := m.clear(a.Path, a.isLog, false); err != nil {
			return err
		}
	}
	_, err := m.removeFolder(folder, a.Path)
	return err
}

// restore puts a file, a link or nothing where something of ours stands.
func (m *Machine) restore(folder *os.Root, p, temp string, s *State) error {
	switch s.Kind {
	case File:
		return m.putFile(folder, p, temp, s)
	case Symlink:
		return m.putLink(folder, p, temp, s)
	case Absent, Dir, Other:
	}
	if err := m.unlinkIn(folder, p); err != nil {
		return err
	}
	return m.syncFolder(folder, p)
}

// Interrupted returns the transaction that was begun and neither done nor undone,
// or nil.
func (m *Machine) Interrupted() (*Journal, error) {
	r, err := m.Receipt()
	if err != nil {
		return nil, err
	}
	ids, err := m.transactions()
	if err != nil || len(ids) == 0 || ids[len(ids)-1] <= r.Last {
		return nil, err
	}
	last := ids[len(ids)-1]
	switch {
	case r.absent && last > 1:
		return nil, m.lost(fmt.Sprintf("is gone, and there are transactions up to %d", last))
	case last != r.Last+1 || len(ids) > 1 && ids[len(ids)-2] > r.Last:
		return nil, m.lost(fmt.Sprintf("says that transaction %d was the last one, and there are later ones up to %d: it is not the last receipt", r.Last, last))
	}
	j, err := m.Journal(last)
	if j != nil && r.absent {
		return nil, m.lost(fmt.Sprintf("is gone, and transaction %d was done", last))
	}
	if j == nil && err == nil {
		j = &Journal{ID: last, Before: r} // it was cut off before its first change
	}
	return j, err
}

// Recover undoes a transaction that was interrupted. The lock must be held. What a
// program of the machine does not do then stands in the journal, and is no reason to
// come back to it: the files are as before, and it may be broken for another one.
func (m *Machine) Recover(ctx context.Context, o Options) (*Journal, error) {
	j, err := m.Interrupted()
	if err != nil || j == nil {
		return nil, err
	}
	err, untold := m.undo(ctx, j, len(j.Actions), &o)
	if err != nil {
		return j, err
	}
	if untold != nil {
		j.Untold = strings.Split(untold.Error(), "\n")
	}
	return j, m.dropUndone(j.ID, j.Before)
}
