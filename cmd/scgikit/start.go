package main

import (
	"github.com/spf13/cobra"

	"scgikit/internal/servicedir"
)

func newStartCmd(e *env) *cobra.Command {
	var flags controlFlags
	return e.controlCommand(&cobra.Command{
		Use:   "start APP…",
		Short: "start services, from any state",
		Long: `Starts services that are down, failed or paused, and those that wait for their
next try at once. It waits until they run and have said that they are ready, or,
where nothing says so, until they have run for a second. Code 1 is that this did
not happen; the state and the end of the log are on stderr.`,
		Example: "  scgikit start blog\n  scgikit start shop-1 shop-2 --timeout 1m",
	}, &flags, true, planStart)
}

func planStart(before *serviceState) (order, error) {
	o := order{letters: "u", reached: isUp}
	if before.Paused {
		o.letters = "cu"
	}
	if before.State == servicedir.Stopping {
		o.reached = isUpAgain(*before) // the process of now is on its way out
	}
	return o, nil
}
