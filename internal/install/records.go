package install

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
)

// Damaged says that a record of what was installed can not be used.
type Damaged struct {
	Path string
	Err  error
	Hint string // what to do
}

// Error names the file.
func (e *Damaged) Error() string { return fmt.Sprintf("%s: %v", e.Path, e.Err) }

// Unwrap returns the cause.
func (e *Damaged) Unwrap() error { return e.Err }

// lookRecord looks at a file that scgikit keeps for itself. What it says is done as root,
// so that nobody else may have written it: it belongs to whoever runs this or to root,
// and to nobody's group.
func (m *Machine) lookRecord(p string) (State, error) {
	s, err := m.look(p)
	switch {
	case err != nil, s.Kind == Absent:
		return s, err
	case s.Kind != File:
		return s, &Unsafe{Path: m.name(p), Why: "is no file", Record: true}
	case s.UID != 0 && s.UID != m.uid:
		return s, &Unsafe{Path: m.name(p), Why: fmt.Sprintf("belongs to user %d, who could have written what is in it", s.UID), Record: true}
	case s.perm()&0o022 != 0:
		return s, &Unsafe{Path: m.name(p), Why: fmt.Sprintf("others may write to it (mode %s), and could have changed what is in it", s.Mode), Record: true}
	}
	return s, nil
}

// lost says that the receipt is not the one that the history ends with.
func (m *Machine) lost(why string) error {
	return &Damaged{
		Path: m.name(path.Join(m.state, receiptName)), Err: errors.New(why),
		Hint: "put it back from a backup; without one, move it away, if it is there, and " + m.name(path.Join(m.state, historyName)) +
			": what stands as it is wanted then counts as there before",
	}
}

// damaged says that a file of the history is of no use.
func (m *Machine) damaged(p string, err error) error {
	return &Damaged{
		Path: m.name(p), Err: err,
		Hint: "put it back from a backup, or move " + m.name(path.Dir(p)) + " away: what came before it can not be rolled back to then",
	}
}

// dropUndone removes a transaction that was undone.
func (m *Machine) dropUndone(id int, before *Receipt) error {
	return errors.Join(m.drop(id), m.unfounded(before))
}

// unfounded removes the receipt that a first journal needed, where there is no journal.
func (m *Machine) unfounded(before *Receipt) error {
	if before.Last > 0 || len(before.Entries) > 0 {
		return nil
	}
	ids, err := m.transactions()
	if err != nil || len(ids) > 0 {
		return err
	}
	folder, err := m.folder(m.state)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer folder.Close()
	p := path.Join(m.state, receiptName)
	if s, err := m.lookIn(folder, p); err != nil || s.Kind == Absent {
		return err
	}
	if err := m.unlinkIn(folder, p); err != nil {
		return err
	}
	return m.syncFolder(folder, p)
}

// historyNames returns the names in the folder of the history, which has to be as safe
// as what is in it.
func (m *Machine) historyNames() ([]string, error) {
	at := path.Join(m.state, historyName)
	folder, err := m.folder(at)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer folder.Close()
	names, err := namesIn(folder, ".")
	if err != nil {
		return nil, m.errorAt(at, err)
	}
	return names, nil
}
