package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"

	"github.com/spf13/cobra"
)

func newDiffCmd(e *env) *cobra.Command {
	var flags renderFlags
	var nameOnly, stat, installed bool
	var root, host string
	cmd := &cobra.Command{
		Use:   "diff [TARGET…|all]",
		Short: "show what generate would change in deploy/",
		Long: `Compares the rendered files with those in the repository, as a unified diff from
what is there to what generate would write. Targets are taken as by generate.

With --installed it compares them with the machine instead. Two words then say how
each file stands: as it was installed (same, edited, removed, never), and as it is
wanted (same, differs, missing, unwanted: also of apps that are described no more).

What is damaged, such as the receipt or the marks of a block, is named, and "unclear"; the
rest is shown.

Exit code: 0 for no differences, 1 for some, 2 for any error.`,
		Example:           "  scgikit diff\n  scgikit diff nginx --stat",
		GroupID:           groupReview,
		ValidArgsFunction: targetArgs("all"),
		PreRunE:           exclusive("name-only", "stat"),
		RunE: func(cmd *cobra.Command, args []string) error {
			form := diffForm{nameOnly, stat}
			if installed {
				return strictly(e.diffInstalled(cmd.Context(), &flags, args, host, form))
			}
			return strictly(e.diff(cmd.Context(), &flags, args, form))
		},
	}
	flags.add(cmd, e)
	cmd.Flags().BoolVar(&installed, "installed", false, "compare with the machine, and not with the repository")
	cmd.Flags().StringVar(&root, "root", "/", "with --installed: folder `DIR` that is the machine's root")
	addHost(cmd, &host)
	cmd.Flags().BoolVar(&nameOnly, "name-only", false, "only the names of the files")
	cmd.Flags().BoolVar(&stat, "stat", false, "only names, states and numbers of lines")
	return cmd
}

// diffForm is how much of differences is shown.
type diffForm struct{ nameOnly, stat bool }

func (e *env) diff(ctx context.Context, flags *renderFlags, words []string, form diffForm) error {
	list, r, err := e.compare(ctx, flags, words)
	if err != nil {
		return err
	}
	return e.showDifferences(list, r, form)
}

// showDifferences is the result of diff.
func (e *env) showDifferences(list []difference, r *rendering, form diffForm) error {
	value := map[string]any{"differences": list, "skipped": append([]skipped{}, r.skipped...), "problems": append(r.list[:0:0], r.list...)}
	color := e.useColor(e.stdout)
	write := func(w io.Writer) error {
		for _, d := range list {
			switch {
			case form.nameOnly:
				fmt.Fprintln(w, visible(d.Path))
			case form.stat:
				fmt.Fprintf(w, "%-13s  +%-4d -%-4d  %s\n", d.State, d.Added, d.Removed, visible(d.Path))
			default:
				writeDiff(w, d.Diff, color)
			}
		}
		return nil
	}
	var err error
	if !form.nameOnly && !form.stat && len(list) > 0 {
		err = e.paged(value, write)
	} else {
		err = e.styled(value, write)
	}
	if err != nil || len(list) == 0 {
		return err
	}
	return &failure{code: exitFailed, told: true, err: errors.New(plural(len(list), "difference"))}
}

// compare renders, and compares with the repository.
func (e *env) compare(ctx context.Context, flags *renderFlags, words []string) ([]difference, *rendering, error) {
	folder, manifest, err := e.openDeploy()
	if err != nil {
		return nil, nil, err
	}
	defer folder.Close()
	r, err := e.render(ctx, flags, words, manifest)
	if err != nil {
		return nil, nil, err
	}
	r.tellSkipped(e)
	plan, err := folder.Compare(r.set, r.scope)
	if err != nil {
		return nil, nil, refusal(err)
	}
	list, err := differences(folder, plan)
	return list, r, err
}

// paged is result through the pager of the settings, where there is one and a
// person is looking.
func (e *env) paged(value any, text func(w io.Writer) error) error {
	words := strings.Fields(e.settings.Pager)
	if len(words) == 0 || e.settings.Output != "text" || !isTerminal(e.stdout) {
		return e.styled(value, text)
	}
	var b bytes.Buffer
	if err := text(&b); err != nil {
		return err
	}
	e.emitted = true
	pager := exec.Command(words[0], words[1:]...)
	pager.Stdin, pager.Stdout, pager.Stderr, pager.Env = &b, e.stdout, e.stderr, os.Environ()
	if err := pager.Run(); err != nil {
		return usagef("mend the setting pager, or unset it", "pager %s: %w", words[0], err)
	}
	return nil
}
