package main

import (
	"errors"
	"fmt"

	"scgikit/internal/install"
)

// troubleJSON is something that a command which only reads could not make out.
type troubleJSON struct {
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

// troubles are what is damaged: a command that only reads says the rest all the same,
// names them, and ends with a code for it.
type troubles struct{ list []troubleJSON }

// add takes the errors of damaged records, of those that somebody else could have
// written, and of folders that somebody could have exchanged. It returns any other error.
func (t *troubles) add(err error) error {
	if err == nil {
		return nil
	}
	all := []error{err}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		all = joined.Unwrap()
	}
	for _, err := range all {
		damaged, isDamaged := errors.AsType[*install.Damaged](err)
		unsafe, isUnsafe := errors.AsType[*install.Unsafe](err)
		switch {
		case isDamaged:
			t.note(damaged.Error(), damaged.Hint)
		case isUnsafe:
			t.note(unsafe.Error(), hintUnsafe(unsafe))
		default:
			return err
		}
	}
	return nil
}

func (t *troubles) note(message, hint string) {
	for _, had := range t.list {
		if had.Message == message {
			return
		}
	}
	t.list = append(t.list, troubleJSON{message, hint})
}

// receipt reads the receipt; one that can not be used is as none.
func (t *troubles) receipt(m *install.Machine) (*install.Receipt, error) {
	r, err := m.Receipt()
	if err == nil {
		_, err = m.Interrupted() // a receipt that is not the one that the history ends with
	}
	if r == nil {
		r = new(install.Receipt)
	}
	return r, t.add(err)
}

// unclear names what stands in the way of telling how something stands.
func (t *troubles) unclear(standing []install.Standing) {
	for i := range standing {
		if s := &standing[i]; s.Why != "" {
			t.note(s.Why, hintUnclear(s))
		}
	}
}

func hintUnclear(s *install.Standing) string {
	if s.Block != "" {
		begin, end := install.BlockMarks(s.Block)
		return fmt.Sprintf("mend %s: the block stands once, between the lines %q and %q", s.Path, begin, end)
	}
	return "mend its owner and mode: folders that scgikit writes to as root are root's alone"
}

func hintUnsafe(u *install.Unsafe) string {
	if u.Homebrew {
		return "what Homebrew's folders hold is its user's: run scgikit as that user, without sudo, for those targets"
	}
	if u.Record {
		return "find out who changed it; put it back from a backup, or, if it is as it was, make it your own (root's, as root) with mode 0600"
	}
	return "mend its owner and mode: folders that scgikit writes to as root are root's alone"
}

// tell names what is damaged, and ends the command with a code where something is.
func (t *troubles) tell(e *env, code exitCode) error {
	if len(t.list) == 0 {
		return nil
	}
	for _, trouble := range t.list {
		e.talk("%s", trouble.Message)
		if trouble.Hint != "" {
			e.hint("%s", trouble.Hint)
		}
	}
	return &failure{code: code, told: true, err: errors.New(t.list[0].Message)}
}
