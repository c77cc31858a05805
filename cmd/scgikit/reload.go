package main

import "github.com/spf13/cobra"

func newReloadCmd(e *env) *cobra.Command {
	var flags controlFlags
	return e.controlCommand(&cobra.Command{
		Use:   "reload APP…",
		Short: "let services read their configuration again",
		Long: `Runs the reload command that a service of scgikit's supervisor has, or sends HUP.
It does not wait: nothing tells when a service has read its files. Code 7 is that
one does not run.`,
		Example: "  scgikit reload blog",
	}, &flags, false, planReload)
}

func planReload(before *serviceState) (order, error) {
	if !before.running() {
		return order{}, notRunning(before)
	}
	if before.Supervisor == kindScgikit {
		return order{letters: "l"}, nil
	}
	return order{letters: "h"}, nil
}

func notRunning(s *serviceState) error {
	why := string(s.State)
	if s.Why != "" {
		why += ", " + s.Why
	}
	return namedf(exitNotRunning, "", "%s does not run: %s", s.Name, why)
}
