package main

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"scgikit/internal/diag"
)

// signalLetter is a signal, and the letter of svc that sends it.
type signalLetter struct {
	name   string
	number string
	letter string
	by     []supervisorKind // who knows the letter; nil is all
}

// signalLetters returns the signals that a supervisor can be asked for.
//
// Source: svc.8 of daemontools-encore 1.11, runsv.8 of runit 2.1.2.
func signalLetters() []signalLetter {
	newer := []supervisorKind{kindScgikit, kindRunit, kindEncore}
	return []signalLetter{
		{"HUP", "1", "h", nil},
		{"INT", "2", "i", nil},
		{"QUIT", "3", "q", newer},
		{"KILL", "9", "k", nil},
		{"USR1", "10", "1", newer},
		{"USR2", "12", "2", newer},
		{"ALRM", "14", "a", nil},
		{"TERM", "15", "t", nil},
		{"CONT", "18", "c", nil},
		{"STOP", "19", "p", nil},
		{"WINCH", "28", "w", []supervisorKind{kindScgikit, kindEncore}},
	}
}

func signalNames() []string {
	var names []string
	for _, s := range signalLetters() {
		names = append(names, s.name)
	}
	return names
}

func newSignalCmd(e *env) *cobra.Command {
	var flags controlFlags
	cmd := &cobra.Command{
		Use:   "signal SIG APP…",
		Short: "send services a signal",
		Long: `Sends a signal by way of the supervisor, which knows the process for certain. SIG
is ` + strings.Join(signalNames(), ", ") + `. STOP pauses
a service, and CONT wakes it. Code 7 is that one does not run.

daemontools knows no QUIT, USR1, USR2 and WINCH, and runit no WINCH.`,
		Example: "  scgikit signal USR1 blog",
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		sig, err := findSignal(args[0])
		if err != nil {
			return err
		}
		if len(args) == 1 {
			return usagef("see: scgikit signal -h", "signal wants the name of an app behind the signal")
		}
		return e.control(cmd.Context(), &flags, args[1:], sig.plan)
	}
	cmd = e.controlCommand(cmd, &flags, false, nil)
	names := cmd.ValidArgsFunction
	cmd.ValidArgsFunction = func(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
		if len(args) == 0 {
			return signalNames(), cobra.ShellCompDirectiveNoFileComp
		}
		return names(cmd, args[1:], word)
	}
	return cmd
}

// findSignal reads TERM, SIGTERM, term or, as Linux counts, 15.
func findSignal(word string) (signalLetter, error) {
	name := strings.TrimPrefix(strings.ToUpper(word), "SIG")
	for _, s := range signalLetters() {
		if s.name == name || s.number == word {
			return s, nil
		}
	}
	hint := "the signals are " + strings.Join(signalNames(), ", ")
	if near := diag.Nearest(name, signalNames()); near != "" {
		hint = "did you mean " + near + "?"
	}
	return signalLetter{}, usagef(hint, "%q is no signal that a supervisor sends", word)
}

func (sig signalLetter) plan(before *serviceState) (order, error) {
	if !before.running() {
		return order{}, notRunning(before)
	}
	if sig.by != nil && !slices.Contains(sig.by, before.Supervisor) {
		return order{}, namedf(exitFailed, "kill -"+sig.name+" PROCESS sends it; scgikit status shows the process",
			"%s: its supervisor, %s, can not send %s", before.Name, before.Supervisor, sig.name)
	}
	return order{letters: sig.letter}, nil
}
