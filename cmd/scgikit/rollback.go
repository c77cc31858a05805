package main

import (
	"context"
	"strconv"

	"github.com/spf13/cobra"

	"scgikit/internal/install"
)

func newRollbackCmd(e *env) *cobra.Command {
	var flags changeFlags
	cmd := &cobra.Command{
		Use:   "rollback [ID]",
		Short: "make the machine as it was before an install",
		Long: `Takes an install, uninstall or rollback back, and all that came after it: the last
one, or the one with an ID that "scgikit installed" shows. What was replaced comes
back from the copies that were kept. Of shared files only the blocks of scgikit
change. The last 20 are kept.`,
		Example:           "  scgikit rollback --dry-run --root /tmp/package\n  scgikit rollback 1 --yes --root /tmp/package",
		GroupID:           groupApply,
		ValidArgsFunction: cobra.NoFileCompletions,
		Args:              wants(0, 1),
		PreRunE:           exclusive("keep-local", "overwrite-local"),
		RunE: func(cmd *cobra.Command, args []string) error {
			id := 0
			if len(args) > 0 {
				n, err := strconv.Atoi(args[0])
				if err != nil || n < 1 {
					return usagef("scgikit installed lists them", "%q is no ID of an install", args[0])
				}
				id = n
			}
			return e.rollback(cmd.Context(), &flags, id)
		},
	}
	flags.add(cmd)
	return cmd
}

func (e *env) rollback(ctx context.Context, flags *changeFlags, id int) error {
	command := "rollback"
	if id > 0 {
		command += " " + strconv.Itoa(id)
	}
	c, err := e.openChange(flags, command)
	if err != nil {
		return err
	}
	defer c.close()
	return c.run(ctx, func(*install.Receipt) (*install.Plan, error) {
		return c.machine.PlanRollback(id, flags.local(), c.live)
	})
}
