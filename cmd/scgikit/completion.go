package main

import (
	"bytes"
	"io"
	"strings"

	"github.com/spf13/cobra"
)

func newCompletionCmd(e *env) *cobra.Command {
	shells := []string{"bash", "zsh", "fish"}
	return &cobra.Command{
		Use:   "completion bash|zsh|fish",
		Short: "write the completion script of a shell",
		Long: `Writes a script that completes commands, flags, targets and apps. Put it where
your shell looks for such files:

  bash  ~/.local/share/bash-completion/completions/scgikit; needs bash-completion
  zsh   a folder of $fpath, as _scgikit
  fish  ~/.config/fish/completions/scgikit.fish`,
		Example:     "  source <(scgikit completion bash)",
		GroupID:     groupMachine,
		ValidArgs:   shells,
		Args:        wants(1, 1),
		Annotations: map[string]string{settingsOptional: "yes"},
		RunE: func(cmd *cobra.Command, args []string) error {
			var script bytes.Buffer
			var err error
			switch args[0] {
			case "bash":
				err = cmd.Root().GenBashCompletionV2(&script, true)
			case "zsh":
				err = cmd.Root().GenZshCompletion(&script)
			case "fish":
				err = cmd.Root().GenFishCompletion(&script, true)
			default:
				return usagef("the shells are "+strings.Join(shells, ", "), "there is no completion for %q", args[0])
			}
			if err != nil {
				return err
			}
			return e.result(map[string]string{"shell": args[0], "script": script.String()}, func(w io.Writer) error {
				_, err := w.Write(script.Bytes())
				return err
			})
		},
	}
}
