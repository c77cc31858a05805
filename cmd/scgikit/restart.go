package main

import "github.com/spf13/cobra"

func newRestartCmd(e *env) *cobra.Command {
	var flags controlFlags
	return e.controlCommand(&cobra.Command{
		Use:   "restart APP…",
		Short: "stop services and start them again",
		Long: `Stops services and starts them again, and starts those that are down. It waits
until another process runs, as start does.`,
		Example: "  scgikit restart blog",
	}, &flags, true, planRestart)
}

// planRestart: scgikit's supervisor has a letter for it. The others are told to
// end it and to want it up in one go, so that a service that takes long to end
// is not left down by whoever loses patience.
func planRestart(before *serviceState) (order, error) {
	switch {
	case !before.running():
		return planStart(before)
	case before.Supervisor == kindScgikit:
		return order{letters: "r", reached: isUpAgain(*before)}, nil
	}
	return order{letters: "du", reached: isUpAgain(*before)}, nil
}
