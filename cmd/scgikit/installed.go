package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"scgikit/internal/install"
)

func newInstalledCmd(e *env) *cobra.Command {
	var root string
	cmd := &cobra.Command{
		Use:   "installed",
		Short: "what was installed, and whether it is as it was installed",
		Long: `Lists every file, link and block of the receipt: "same" is as it was installed,
"edited" and "removed" are by hand, "kept" is the log of what was taken away. Apps that
the project here installed and describes no more are named. Below stand the installs that
rollback can take back, the newest first. A receipt, journal or mark that is damaged is
named, and all else is shown: code 1. Nothing is written.`,
		Example:           "  scgikit installed --root /tmp/package",
		GroupID:           groupApply,
		ValidArgsFunction: cobra.NoFileCompletions,
		Args:              wants(0, 0),
		RunE:              func(*cobra.Command, []string) error { return e.listInstalled() },
	}
	cmd.Flags().StringVar(&root, "root", "/", "folder `DIR` that is the machine's root")
	return cmd
}

// installedJSON is one thing of the receipt.
type installedJSON struct {
	Path   string   `json:"path"`
	Block  string   `json:"block,omitempty"`
	State  string   `json:"state"`
	Target string   `json:"target"`
	Apps   []string `json:"apps"`

	Project string `json:"project,omitempty"` // the folder of the descriptions
}

// transactionJSON is one install that can be taken back.
type transactionJSON struct {
	ID      int    `json:"id"`
	When    string `json:"when"`
	Command string `json:"command"`
	Actions int    `json:"actions"`
}

func (e *env) listInstalled() error {
	m, err := install.OpenMachine(e.machineRoot())
	if err != nil {
		return changeFailure(err)
	}
	defer m.Close() //nolint:errcheck // nothing was written
	var bad troubles
	receipt, err := bad.receipt(m)
	if err != nil {
		return changeFailure(err)
	}
	r := &install.Request{Receipt: receipt}
	snap, err := m.Look(r.Paths())
	if err != nil {
		return changeFailure(err)
	}
	standing := receipt.Standing(snap)
	bad.unclear(standing)
	history, err := m.History()
	if err := bad.add(err); err != nil {
		return changeFailure(err)
	}
	files, transactions := []installedJSON{}, []transactionJSON{}
	var rows [][]string
	for _, s := range standing {
		files = append(files, installedJSON{s.Path, s.Block, s.Written, s.Target, append([]string{}, s.Apps...), s.Project})
		name := s.Path
		if s.Block != "" {
			name += " (block)"
		}
		rows = append(rows, []string{s.Written, s.Target, strings.Join(s.Apps, ","), name})
	}
	var past [][]string
	for _, j := range history {
		transactions = append(transactions, transactionJSON{j.ID, j.When, j.Command, len(j.Actions)})
		past = append(past, []string{fmt.Sprint(j.ID), j.When, j.Command})
	}
	gone := e.undescribed(receipt)
	err = e.result(map[string]any{"files": files, "transactions": transactions, "undescribed": append([]string{}, gone...), "problems": list(bad.list)}, func(w io.Writer) error {
		fmt.Fprint(w, columns("", rows))
		if len(past) > 0 {
			fmt.Fprint(w, "\n"+columns("", past))
		}
		return nil
	})
	if len(files) == 0 && len(bad.list) == 0 {
		e.say("nothing is installed below %s", e.machineRoot())
	}
	if len(gone) > 0 {
		e.say("%s: installed from this project, and described no more", strings.Join(gone, ", "))
		e.hint("scgikit install all takes it away; scgikit diff --installed shows it")
	}
	if err != nil {
		return err
	}
	return bad.tell(e, exitFailed)
}
