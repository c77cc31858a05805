package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"
)

// smallProgram is what super-servers and run scripts start: it has none of
// this program's start-up cost.
const smallProgram = "scgi-run"

// newHandoverCmd returns a hidden command that becomes "scgi-run NAME …". It
// is there for people who try the command by hand; machines start scgi-run.
func newHandoverCmd(name, short string) *cobra.Command {
	return &cobra.Command{
		Use:   name + " [ARG…]",
		Short: short,
		Long: `Hands over to "` + smallProgram + " " + name + `", the small program that super-servers and run
scripts start, which stands next to this one or in PATH. Its own help is
"` + smallProgram + " " + helpWords(name) + `".`,
		Example:            "  " + smallProgram + " " + helpWords(name),
		Hidden:             true,
		DisableFlagParsing: true,
		Annotations:        map[string]string{settingsOptional: "yes"},
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 && (args[0] == "-h" || args[0] == "--help") {
				return cmd.Help()
			}
			program, err := findSmallProgram()
			if err != nil {
				return err
			}
			err = syscall.Exec(program, append([]string{smallProgram, name}, args...), os.Environ())
			return failf(exitFailed, "", "run %s: %w", program, err)
		},
	}
}

// helpWords are the words that ask scgi-run for help on a program. multilog
// has no flags: there "-h" is a pattern.
func helpWords(name string) string {
	if name == "multilog" {
		return "help " + name
	}
	return name + " -h"
}

// findSmallProgram looks next to this program first: a build and an
// installation keep the two together, and PATH may hold another version.
func findSmallProgram() (string, error) {
	if self, err := os.Executable(); err == nil {
		if resolved, err := filepath.EvalSymlinks(self); err == nil {
			self = resolved
		}
		beside := filepath.Join(filepath.Dir(self), smallProgram)
		if info, err := os.Stat(beside); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return beside, nil
		}
	}
	found, err := exec.LookPath(smallProgram)
	// LookPath returns ErrDot for a program that it found only because PATH
	// names the working directory; that one is not run.
	if err != nil {
		return "", failf(exitFailed, "install "+smallProgram+" next to scgikit, or put it in PATH",
			"%s is neither next to scgikit nor in PATH: %w", smallProgram, errors.Unwrap(err))
	}
	return found, nil
}
