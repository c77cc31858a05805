package main

import (
	"slices"

	"github.com/spf13/cobra"
)

func newSuperviseCmd() *cobra.Command {
	return &cobra.Command{
		Use:     "supervise [DIR]",
		Aliases: []string{"up"},
		Short:   "run the services of a folder, and keep them running",
		Long: `Starts every service folder in DIR and its logger, starts them again when they end,
and stops all of them, in order, on TERM or Control-C. It stays in the foreground:
"scgikit service" makes it a service of the machine. svc, svstat, sv and the
commands status, start, stop, restart, reload and signal talk to it.

Killed, it takes nothing along: the services run on, and the next one takes them
over. It is "` + smallProgram + ` supervise", which stands next to this program or in PATH.`,
		Example:            "  scgikit supervise /etc/scgikit/service",
		GroupID:            groupRun,
		DisableFlagParsing: true,
		Annotations:        map[string]string{settingsOptional: "yes"},
		RunE: func(cmd *cobra.Command, args []string) error {
			if slices.Contains(args, "-h") || slices.Contains(args, "--help") {
				return cmd.Help()
			}
			return handOver("supervise", args)
		},
	}
}
