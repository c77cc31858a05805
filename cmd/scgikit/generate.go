package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"scgikit/internal/deploy"
	"scgikit/internal/diag"
	"scgikit/internal/fileset"
)

func newGenerateCmd(e *env) *cobra.Command {
	var flags renderFlags
	var options deploy.Options
	var stdout bool
	cmd := &cobra.Command{
		Use:   "generate [TARGET…|all]",
		Short: "write the configuration to deploy/, for review",
		Long: `Renders the descriptions and writes the files to a folder of the repository.
Without a target, each app is rendered for the targets that its description
names; with one, every app is, and one that the target can not run is an error;
"all" is every target for every app that fits it.

A file that was changed by hand, or that scgikit did not make, is not
overwritten: then nothing is written, and the exit code is 6. Files that nothing
renders any more are named, and removed with --prune.`,
		Example: `  scgikit generate nginx daemontools
  scgikit generate all --prune
  scgikit generate nginx --stdout --only blog`,
		GroupID:           groupReview,
		ValidArgsFunction: targetArgs("all"),
		PreRunE: func(cmd *cobra.Command, args []string) error {
			return errors.Join(exclusive("stdout", "prune")(cmd, args), exclusive("stdout", "force")(cmd, args))
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			folder, manifest, err := e.openDeploy()
			if err != nil {
				return err
			}
			defer folder.Close()
			r, err := e.render(cmd.Context(), &flags, args, manifest)
			if err != nil {
				return err
			}
			r.tellSkipped(e)
			if stdout {
				return e.printSet(r)
			}
			return e.write(cmd, folder, r, options)
		},
	}
	flags.add(cmd, e)
	cmd.Flags().BoolVar(&stdout, "stdout", false, "write the files to stdout as one txtar archive, and none to disk")
	cmd.Flags().BoolVar(&options.Prune, "prune", false, "remove files that nothing renders any more")
	cmd.Flags().BoolVar(&options.Force, "force", false, "overwrite what was changed by hand or is not scgikit's")
	return cmd
}

// openDeploy opens the folder of generated files and reads its manifest.
func (e *env) openDeploy() (*deploy.Folder, *deploy.Manifest, error) {
	folder, err := deploy.Open(e.folder(), e.settings.OutDir)
	if err != nil {
		return nil, nil, refusal(err)
	}
	manifest, err := folder.Manifest()
	if err != nil {
		return nil, nil, errors.Join(refusal(err), folder.Close())
	}
	return folder, manifest, nil
}

// refusal gives errors of the deploy folder their exit code.
func refusal(err error) error {
	if r, ok := errors.AsType[*deploy.Refusal](err); ok {
		hint := "move it away, or choose another --out-dir"
		if r.Force {
			hint = `"scgikit diff" shows what would be lost, --force overwrites it`
		}
		return &failure{code: exitRefused, err: err, hint: hint}
	}
	if _, ok := errors.AsType[*deploy.ManifestError](err); ok {
		return &failure{
			code: exitRefused, err: err,
			hint: "restore the manifest from the repository, or delete it and generate again: files with a header are known without it",
		}
	}
	return err
}

// fileJSON is one line of generate's result.
type fileJSON struct {
	Path   string   `json:"path"`
	Action string   `json:"action"`
	State  string   `json:"state"`
	Target string   `json:"target"`
	Apps   []string `json:"apps"`
}

type generateJSON struct {
	OutDir   string     `json:"out_dir"`
	Files    []fileJSON `json:"files"`
	Skipped  []skipped  `json:"skipped"`
	Problems diag.List  `json:"problems"`
}

func (e *env) write(cmd *cobra.Command, folder *deploy.Folder, r *rendering, options deploy.Options) error {
	plan, err := folder.Compare(r.set, r.scope)
	if err != nil {
		return refusal(err)
	}
	if err := folder.Apply(cmd.Context(), plan, options); err != nil {
		return refusal(err)
	}
	out := generateJSON{
		OutDir: e.settings.OutDir, Files: []fileJSON{},
		Skipped: append([]skipped{}, r.skipped...), Problems: append(diag.List{}, r.list...),
	}
	count := make(map[deploy.Action]int)
	for i := range plan.Changes {
		c := &plan.Changes[i]
		action := options.Action(c)
		count[action]++
		out.Files = append(out.Files, fileJSON{folder.Path(c.Path), action.String(), c.State.String(), c.Target, c.Apps})
	}
	err = e.result(out, func(w io.Writer) error {
		if e.settings.LogLevel == "error" {
			return nil
		}
		for _, f := range out.Files {
			fmt.Fprintf(w, "%-9s  %s\n", f.Action, f.Path)
		}
		return nil
	})
	if count[deploy.Leave] > 0 {
		e.hint("nothing renders the orphans any more; --prune removes them")
	}
	e.say("%s", summary(count))
	return err
}

// summary counts actions: "2 created, 1 updated, 5 unchanged".
func summary(count map[deploy.Action]int) string {
	var parts []string
	for _, row := range []struct {
		action deploy.Action
		word   string
	}{{deploy.Create, "created"}, {deploy.Update, "updated"}, {deploy.Remove, "removed"}, {deploy.Keep, "unchanged"}} {
		if count[row.action] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", count[row.action], row.word))
		}
	}
	if count[deploy.Leave] > 0 {
		parts = append(parts, plural(count[deploy.Leave], "orphan"))
	}
	if len(parts) == 0 {
		return "no files"
	}
	return strings.Join(parts, ", ")
}

// setFileJSON is one file of "generate --stdout -o json".
type setFileJSON struct {
	Path   string   `json:"path"`
	Kind   string   `json:"kind"`
	Mode   string   `json:"mode"`
	User   string   `json:"user"`  // "" is root
	Group  string   `json:"group"` // "" is the user's
	Target string   `json:"target"`
	Place  string   `json:"place"`
	Apps   []string `json:"apps"`
	Link   string   `json:"link,omitempty"`
	Data   string   `json:"data"`
}

func (e *env) printSet(r *rendering) error {
	files := []setFileJSON{}
	for _, f := range r.set.Files() {
		j := setFileJSON{
			Path: f.Path, Kind: f.Kind.String(), Mode: fmt.Sprintf("%04o", f.Mode.Perm()), User: f.User, Group: f.Group,
			Target: f.Target, Place: f.Place, Apps: append([]string{}, f.Apps...), Link: f.Link,
		}
		if f.Kind == fileset.Regular {
			j.Data = string(f.Data)
		}
		files = append(files, j)
	}
	value := map[string]any{"files": files, "skipped": append([]skipped{}, r.skipped...), "problems": append(diag.List{}, r.list...)}
	return e.result(value, func(w io.Writer) error {
		_, err := w.Write(r.set.Txtar())
		return err
	})
}
