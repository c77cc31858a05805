package install

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"syscall"
	"time"
)

// keptTransactions is how far back a rollback can go.
const keptTransactions = 20

// Journal is one transaction: what it changes, with what was there before beside
// it. It is on the disk, whole, before the first change.
type Journal struct {
	ID      int      `json:"id"`
	Command string   `json:"command"`
	When    string   `json:"when"` // UTC, RFC 3339
	Actions []Action `json:"actions"`
	Before  *Receipt `json:"receipt_before"`

	// Left are files that somebody else changed before they could be undone. They
	// stay as they are.
	Left []string `json:"-"`
	// Untold is what programs did not do when it was undone.
	Untold []string `json:"-"`
}

func (m *Machine) historyDir(id int) string {
	return path.Join(m.state, historyName, fmt.Sprintf("%06d", id))
}

func beforeName(n int) string { return fmt.Sprintf("before-%d", n) }

// Lock is the right to change a machine.
type Lock struct{ file *os.File }

// Busy says that another install is at work.
type Busy struct{ Path string }

// Error names the lock.
func (e *Busy) Error() string { return e.Path + ": another scgikit is changing this machine" }

// Lock takes the lock, or returns *Busy at once. It makes the folder of receipts
// where there is none.
func (m *Machine) Lock() (*Lock, error) {
	folder, err := m.stateFolder()
	if err != nil {
		return nil, err
	}
	defer folder.Close()
	p := path.Join(m.state, lockName)
	f, err := folder.OpenFile(lockName, os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0o600)
	if err != nil {
		return nil, m.errorAt(p, err)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, errors.Join(&Busy{m.name(p)}, f.Close())
	}
	if err != nil {
		return nil, errors.Join(m.errorAt(p, err), f.Close())
	}
	// Somebody who had it may have removed it since it was opened.
	held, err := f.Stat()
	if err == nil {
		var named fs.FileInfo
		if named, err = folder.Lstat(lockName); err == nil && !os.SameFile(held, named) {
			err = fs.ErrNotExist
		}
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errors.Join(&Busy{m.name(p)}, f.Close())
	}
	if err != nil {
		return nil, errors.Join(m.errorAt(p, err), f.Close())
	}
	return &Lock{f}, nil
}

// Unlock gives the lock back.
func (l *Lock) Unlock() error { return l.file.Close() }

// stateFolder opens the folder of receipts, and makes it.
func (m *Machine) stateFolder() (*os.Root, error) {
	type made struct{ path, mode string }
	list := []made{{path.Join(m.state, historyName), "0700"}}
	for p := m.state; p != "/"; p = path.Dir(p) {
		list = append(list, made{p, "0755"})
	}
	for _, d := range slices.Backward(list) {
		parent, err := m.folder(path.Dir(d.path))
		if err != nil {
			return nil, err
		}
		if _, err = parent.Lstat(path.Base(d.path)); errors.Is(err, fs.ErrNotExist) {
			err = m.makeFolder(parent, d.path, &State{Mode: d.mode, UID: -1})
		}
		parent.Close()
		if err != nil {
			return nil, err
		}
	}
	return m.folder(m.state)
}

// begin writes the journal of a plan, and copies of what it replaces.
func (m *Machine) begin(plan *Plan, command string) (*Journal, error) {
	id, err := m.nextID(plan.before.Last)
	if err != nil {
		return nil, err
	}
	j := &Journal{ID: id, Command: command, When: time.Now().UTC().Format(time.RFC3339), Actions: plan.Actions, Before: plan.before}
	// A receipt stands before the first journal: one that is gone was lost, and no install
	// that was cut off.
	if plan.before.absent {
		if err := m.writeReceipt(plan.before); err != nil {
			return nil, err
		}
	}
	history, err := m.folder(path.Join(m.state, historyName))
	if err != nil {
		return nil, err
	}
	defer history.Close()
	dir := m.historyDir(id)
	if err := m.makeFolder(history, dir, &State{Mode: "0700", UID: -1}); err != nil {
		return nil, err
	}
	folder, err := m.folder(dir)
	if err != nil {
		return nil, err
	}
	defer folder.Close()
	for n := range j.Actions {
		if s := &j.Actions[n].Before; s.Kind == File {
			if err := m.record(folder, path.Join(dir, beforeName(n)), s.data); err != nil {
				return nil, err
			}
		}
	}
	text, err := encodeJSON(j)
	if err != nil {
		return nil, err
	}
	return j, m.record(folder, path.Join(dir, journalName), text)
}

// record writes a file of ours, which nobody else can read.
func (m *Machine) record(folder *os.Root, p string, text []byte) error {
	return m.putFile(folder, p, path.Join(path.Dir(p), ".new"), &State{Kind: File, Mode: "0600", UID: -1, data: text})
}

func (m *Machine) nextID(last int) (int, error) {
	ids, err := m.transactions()
	if err != nil {
		return 0, err
	}
	if len(ids) > 0 {
		last = max(last, ids[len(ids)-1])
	}
	return last + 1, nil
}

// transactions returns the numbers of the folders of history, sorted.
func (m *Machine) transactions() ([]int, error) {
	names, err := m.historyNames()
	if err != nil {
		return nil, err
	}
	var ids []int
	for _, name := range names {
		if id, err := strconv.Atoi(name); err == nil && id > 0 && path.Base(m.historyDir(id)) == name {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids, nil
}

// Journal reads the journal of a transaction; nil where there is none.
func (m *Machine) Journal(id int) (*Journal, error) {
	p := path.Join(m.historyDir(id), journalName)
	s, err := m.lookRecord(p)
	if err != nil || s.Kind != File {
		return nil, err
	}
	j := new(Journal)
	if err := json.Unmarshal(s.data, j); err != nil {
		return nil, m.damaged(p, err)
	}
	if j.ID != id || j.Before == nil {
		return nil, m.damaged(p, fmt.Errorf("is no journal of transaction %d", id))
	}
	m.expect(j.Before)
	for n := range j.Actions {
		if a := &j.Actions[n]; a.Op == Mkdir && a.After.UID > 0 {
			m.loosen(a.Path)
		}
	}
	return j, nil
}

// History returns the journals of what was done, the newest first. Where some can not
// be read it has the others, and the errors of all of those together.
func (m *Machine) History() ([]*Journal, error) {
	ids, err := m.transactions()
	if err != nil {
		return nil, err
	}
	var out []*Journal
	var bad []error
	for _, id := range slices.Backward(ids) {
		j, err := m.Journal(id)
		if err != nil {
			bad = append(bad, err)
		}
		if j != nil {
			out = append(out, j)
		}
	}
	return out, errors.Join(bad...)
}

// before reads what an action replaced.
func (m *Machine) before(j *Journal, n int) (State, error) {
	s := j.Actions[n].Before
	if s.Kind != File {
		return s, nil
	}
	p := path.Join(m.historyDir(j.ID), beforeName(n))
	kept, err := m.lookRecord(p)
	if err != nil {
		return s, err
	}
	if kept.Kind != File || kept.SHA256 != s.SHA256 {
		return s, m.damaged(p, fmt.Errorf("the copy of %s is damaged", m.name(j.Actions[n].Path)))
	}
	s.data = kept.data
	return s, nil
}

// drop removes a transaction from the history, its journal first: without one it
// never was.
func (m *Machine) drop(id int) error {
	dir := m.historyDir(id)
	folder, err := m.folder(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer folder.Close()
	if err := m.unlinkIn(folder, path.Join(dir, journalName)); err != nil {
		return err
	}
	if err := m.syncFolder(folder, path.Join(dir, journalName)); err != nil {
		return err
	}
	return m.clear(dir, func(string) bool { return true }, true)
}
