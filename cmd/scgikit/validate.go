package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"scgikit/internal/appfile"
	"scgikit/internal/diag"
)

func newValidateCmd(e *env) *cobra.Command {
	var strict, system bool
	cmd := &cobra.Command{
		Use:   "validate [PATH…]",
		Short: "check descriptions: fields, values, and rules across apps",
		Long: `Reads descriptions and shows every problem of every file at once, with its
place, and what to do about it. "scgikit explain CODE" says more about the word
in brackets. A PATH is a description, or a folder of them.`,
		Example: "  scgikit validate\n  scgikit validate apps/ --strict",
		GroupID: groupDescribe,
		RunE: func(cmd *cobra.Command, args []string) error {
			project, list, err := e.load(cmd.Context(), args)
			if err != nil {
				return err
			}
			if system {
				found := systemProblems(project)
				if found.HasErrors() {
					return append(list, found...)
				}
				if err := e.warn(found); err != nil {
					return err
				}
				list = append(list, found...)
			}
			if strict && len(list) > 0 {
				return e.tooManyWarnings(list)
			}
			return e.result(validJSON(project, list), func(w io.Writer) error {
				if e.settings.LogLevel == "error" {
					return nil
				}
				for _, a := range project.Apps {
					fmt.Fprintf(w, "%s: %s is valid\n", a.Origin("name").Span.File, a.Name)
				}
				return nil
			})
		},
	}
	cmd.Flags().BoolVar(&strict, "strict", false, "warnings fail as well")
	cmd.Flags().BoolVar(&system, "system", false, "users, groups, files and ports must exist on this machine as well")
	return cmd
}

// tooManyWarnings fails for warnings, which are on stderr already.
func (e *env) tooManyWarnings(list diag.List) error {
	message := counted(list) + "; --strict takes none"
	if e.settings.Output != "text" {
		err := e.result(errorJSON{
			Error:    errorBody{Exit: exitInvalid, Kind: exitInvalid.kind(), Message: message},
			Problems: list,
		}, nil)
		if err != nil {
			return err
		}
	}
	return &failure{code: exitInvalid, err: errors.New(message)}
}

type validAppJSON struct {
	Name    string   `json:"name"`
	File    string   `json:"file"`
	Type    string   `json:"type"`
	Mount   string   `json:"mount"`
	Targets []string `json:"targets"`
}

func validJSON(project *appfile.Project, list diag.List) any {
	apps := []validAppJSON{}
	for _, a := range project.Apps {
		apps = append(apps, validAppJSON{
			Name: a.Name, File: a.Origin("name").Span.File, Type: string(a.Type), Mount: a.HTTP.Mount,
			Targets: append([]string{}, a.Targets...),
		})
	}
	return map[string]any{"valid": true, "apps": apps, "problems": append(diag.List{}, list...)}
}
