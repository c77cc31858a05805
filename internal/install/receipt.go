package install

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strings"
)

// StateDir is where receipts and the journals of earlier installs are, below the
// root.
const StateDir = "/var/lib/scgikit"

// Its files. The folder itself is for all to pass: service folders stand in it.
const (
	receiptName = "receipts.json"
	lockName    = "lock"
	historyName = "history"
	journalName = "journal.json"
)

const receiptVersion = 1

// Entry is one thing that was put on the machine.
type Entry struct {
	Path   string   `json:"path"`
	Block  string   `json:"block,omitempty"` // the app whose block of a shared file it is
	Kind   Kind     `json:"kind"`
	Mode   string   `json:"mode,omitempty"`
	Owner  string   `json:"owner"`
	UID    int      `json:"uid"` // -1 where owners were not applied
	GID    int      `json:"gid"`
	SHA256 string   `json:"sha256,omitempty"` // of a file, or of a block with its marks
	Link   string   `json:"link,omitempty"`
	Target string   `json:"target,omitempty"` // "" for a folder that others needed
	Apps   []string `json:"apps,omitempty"`

	Project string `json:"project,omitempty"` // the folder of the descriptions it is from
	Chosen  bool   `json:"chosen,omitempty"`  // the run was told of its app, which no description says by itself
	Stood   bool   `json:"stood,omitempty"`   // it was there, as it was wanted, before the first install
	Kept    bool   `json:"kept,omitempty"`    // a log, or a folder on the way to one, that outlived what wrote it
}

func (e *Entry) key() string { return e.Path + "\x00" + e.Block }

func (e *Entry) state() State {
	return State{Kind: e.Kind, Mode: e.Mode, Owner: e.Owner, UID: e.UID, GID: e.GID, SHA256: e.SHA256, Link: e.Link}
}

func entryOf(it *Item, s *State) Entry {
	return Entry{
		Path: it.Path, Block: it.Block, Kind: s.Kind, Mode: s.Mode, Owner: s.Owner, UID: s.UID, GID: s.GID,
		SHA256: s.SHA256, Link: s.Link, Target: it.Target, Apps: it.Apps, Project: it.Project, Chosen: it.Chosen,
	}
}

// Receipt is all that is installed below a root.
type Receipt struct {
	Version int      `json:"version"`
	Last    int      `json:"last"`            // the transaction that wrote it
	Glued   []string `json:"glued,omitempty"` // shared files whose last line got its end from us
	Entries []Entry  `json:"entries"`

	absent bool // there is no such file
}

// entries returns the receipt by path and block.
func (r *Receipt) entries() map[string]*Entry {
	out := make(map[string]*Entry, len(r.Entries))
	for i := range r.Entries {
		out[r.Entries[i].key()] = &r.Entries[i]
	}
	return out
}

// Apps returns the apps of the receipt, sorted. One of which a log alone is left is
// none of them.
func (r *Receipt) Apps() []string {
	var out []string
	for i := range r.Entries {
		if !r.Entries[i].Kept {
			out = append(out, r.Entries[i].Apps...)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Projects returns the projects of the receipt, sorted.
func (r *Receipt) Projects() []string {
	var out []string
	for i := range r.Entries {
		if project := r.Entries[i].Project; project != "" {
			out = append(out, project)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func (r *Receipt) encode() ([]byte, error) {
	r.Version = receiptVersion
	slices.SortFunc(r.Entries, func(a, b Entry) int { return strings.Compare(a.key(), b.key()) })
	slices.Sort(r.Glued)
	return encodeJSON(r)
}

func encodeJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", " ")
	err := enc.Encode(v)
	return b.Bytes(), err
}

func decodeReceipt(text []byte) (*Receipt, error) {
	r := new(Receipt)
	if err := json.Unmarshal(text, r); err != nil {
		return nil, err
	}
	if r.Version != receiptVersion {
		return nil, fmt.Errorf("version %d is not %d", r.Version, receiptVersion)
	}
	if r.Last < 0 {
		return nil, fmt.Errorf("%d is no number of a transaction", r.Last)
	}
	for i := range r.Entries {
		if p := r.Entries[i].Path; !path.IsAbs(p) || path.Clean(p) != p || p == "/" {
			return nil, fmt.Errorf("%q is no path of an installed file", p)
		}
	}
	return r, nil
}

// Receipt reads the receipt; without one nothing is installed.
func (m *Machine) Receipt() (*Receipt, error) {
	p := path.Join(m.state, receiptName)
	s, err := m.lookRecord(p)
	switch {
	case err != nil:
		return nil, err
	case s.Kind == Absent:
		return &Receipt{absent: true}, nil
	}
	r, err := decodeReceipt(s.data)
	if err != nil {
		return nil, m.lost("is damaged: " + err.Error())
	}
	m.expect(r)
	return r, nil
}

// expect learns the folders of ours that are another user's by design.
func (m *Machine) expect(r *Receipt) {
	for i := range r.Entries {
		if e := &r.Entries[i]; e.Kind == Dir && e.UID > 0 {
			m.loosen(e.Path)
		}
	}
}

// Expect tells the machine of items that will be other users' folders.
func (m *Machine) Expect(items []Item) {
	for i := range items {
		if it := &items[i]; it.Want.Kind == Dir && it.Want.UID > 0 {
			m.loosen(it.Path)
		}
	}
}

func (m *Machine) loosen(p string) {
	if m.loose == nil {
		m.loose = make(map[string]bool)
	}
	m.loose[p] = true
}

// Holds reports whether something of a scope is installed.
func (r *Receipt) Holds(s Scope) bool {
	return slices.ContainsFunc(r.Entries, func(e Entry) bool { return s.holds(&e) })
}

// Installed reports whether anything is, be it a log alone.
func (r *Receipt) Installed() bool {
	return slices.ContainsFunc(r.Entries, func(e Entry) bool { return e.Target != "" })
}

// Records reports whether there is a receipt or a history to purge.
func (m *Machine) Records() (bool, error) {
	for _, name := range []string{receiptName, historyName} {
		s, err := m.look(path.Join(m.state, name))
		if err != nil || s.Kind != Absent {
			return true, err
		}
	}
	return false, nil
}

// Purge removes the receipt and the history where nothing is installed any more,
// and reports whether it did. The lock must be held.
func (m *Machine) Purge() (done bool, err error) {
	r, err := m.Receipt()
	if err != nil || r.Installed() {
		return false, err
	}
	ids, err := m.transactions()
	if err != nil {
		return false, err
	}
	for _, id := range ids {
		if err := m.drop(id); err != nil {
			return false, err
		}
	}
	if err := m.clear(path.Join(m.state, historyName), func(string) bool { return false }, true); err != nil {
		return false, err
	}
	if err := m.clear(m.state, func(name string) bool { return name == receiptName || name == lockName }, true); err != nil {
		return false, err
	}
	for i := len(r.Entries) - 1; i >= 0; i-- { // folders that were made for it
		if e := &r.Entries[i]; e.Kind == Dir && e.Path != m.state && m.onTheWay(e.Path) {
			if err := m.clear(e.Path, func(string) bool { return false }, true); err != nil {
				return false, err
			}
		}
	}
	return true, nil
}
