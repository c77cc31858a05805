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

// handovers are the commands of the small program that people may try by hand,
// each with what it does. Their own pages are the small program's.
func handovers() [][2]string {
	return [][2]string{
		{"bridge", "answer one SCGI request with a CGI program"},
		{"wsgi", "answer one SCGI request with a WSGI callable"},
		{"multilog", "write lines to folders of rotated files"},
		{"tai64n", "put a TAI64N time stamp before each line"},
		{"tai64nlocal", "show TAI64N time stamps as local dates"},
		{"svscan", "supervise the services of a folder, as daemontools' svscan does"},
		{"svc", "tell services what to do"},
		{"svok", "ask whether a service is supervised"},
		{"svstat", "show what services do"},
		{"svup", "ask whether services are up"},
		{"setuidgid", "start a program as a user"},
		{"envuidgid", "start a program with UID and GID of a user in its environment"},
		{"envdir", "start a program with the environment that a folder holds"},
		{"softlimit", "start a program with limits of its own"},
		{"setlock", "start a program that holds a lock"},
		{"pgrphack", "start a program in a process group of its own"},
		{"fghack", "keep a program that goes to the background in the foreground"},
		{"readproctitle", "show lines in the list of processes"},
	}
}

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
			return handOver(name, args)
		},
	}
}

// handOver becomes the small program.
func handOver(name string, args []string) error {
	program, err := findSmallProgram()
	if err != nil {
		return err
	}
	err = syscall.Exec(program, append([]string{smallProgram, name}, args...), os.Environ())
	return failf(exitFailed, "", "run %s: %w", program, err)
}

// helpWords are the words that ask scgi-run for help on a program. To multilog
// "-h" is a pattern, to svc a signal, and to others the program to start.
func helpWords(name string) string {
	switch name {
	case "bridge", "wsgi", "tai64n", "tai64nlocal":
		return name + " -h"
	}
	return "help " + name
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
