package main

import (
	"github.com/spf13/cobra"

	"scgikit/internal/servicedir"
)

func newStopCmd(e *env) *cobra.Command {
	var flags controlFlags
	return e.controlCommand(&cobra.Command{
		Use:   "stop APP…",
		Short: "stop services, and keep them down",
		Long: `Stops services with their stop signal, TERM where nothing else is said, and waits
until the process is gone. They stay down until start. Code 7 is that one was down
already.`,
		Example: "  scgikit stop blog",
	}, &flags, true, planStop)
}

func planStop(before *serviceState) (order, error) {
	if before.State == servicedir.Down && before.Want != "up" {
		return order{}, namedf(exitNotRunning, "", "%s is down already", before.Name)
	}
	return order{letters: "d", reached: isDown}, nil
}
