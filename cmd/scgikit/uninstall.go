package main

import (
	"context"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"scgikit/internal/install"
)

func newUninstallCmd(e *env) *cobra.Command {
	var flags changeFlags
	var only []string
	var keepLogs, purge bool
	cmd := &cobra.Command{
		Use:   "uninstall TARGET…|all",
		Short: "take away exactly what was installed",
		Long: `Removes what the receipt lists, and nothing else: files, links, blocks of shared
files, folders that were made and are empty then. A file that was changed by hand
is left and named, and so is what others put into a folder. Logs go along, unless
--keep-logs says no. No description is needed.

scgikit rollback takes it back, but for logs; --purge removes what that needs, too,
then or later. A log that was kept stays in the receipt: uninstall without --keep-logs
removes it, and an install of the same app goes on with it.`,
		Example: `  scgikit uninstall nginx --dry-run --root /tmp/package
  scgikit uninstall all --yes --root /tmp/package`,
		GroupID:           groupApply,
		ValidArgsFunction: targetArgs("all"),
		Args:              wants(1, 100),
		PreRunE:           exclusive("keep-local", "overwrite-local"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return e.uninstall(cmd.Context(), &flags, args, only, keepLogs, purge)
		},
	}
	flags.add(cmd)
	cmd.Flags().StringArrayVar(&only, "only", nil, "only the files of `APP`; repeatable")
	cmd.Flags().BoolVar(&keepLogs, "keep-logs", false, "leave logs and their folders")
	cmd.Flags().BoolVar(&purge, "purge", false, "forget everything, where nothing is installed any more")
	return cmd
}

func (e *env) uninstall(ctx context.Context, flags *changeFlags, words, only []string, keepLogs, purge bool) error {
	scope := install.Scope{Apps: only}
	if !slices.Contains(words, "all") {
		for _, word := range words {
			if err := knownTarget(word); err != nil {
				return err
			}
		}
		scope.Targets = words
	}
	c, err := e.openChange(flags, "uninstall "+strings.Join(words, " "))
	if err != nil {
		return err
	}
	defer c.close()
	c.purge = purge
	return c.run(ctx, func(receipt *install.Receipt) (*install.Plan, error) {
		records, err := c.machine.Records()
		if err != nil {
			return nil, err
		}
		if !receipt.Holds(scope) && (!purge || !records || receipt.Installed()) {
			return nil, failf(exitNoApp, "scgikit installed lists what is", "nothing of %s is installed", strings.Join(append(words, only...), ", "))
		}
		r := &install.Request{Receipt: receipt, Scope: scope, Local: flags.local(), KeepLogs: keepLogs, Live: c.live}
		return c.machine.Plan(r)
	})
}
