package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// statusFlags are the flags of status.
type statusFlags struct {
	dirs  []string
	lines int
	watch bool
}

func newStatusCmd(e *env) *cobra.Command {
	var flags statusFlags
	cmd := &cobra.Command{
		Use:   "status [APP…]",
		Short: "show which services run, and why others do not",
		Long: `Shows what the services of apps do, or of all apps of the project: process, time
in this state, how often they were started again, and why one does not run, with the
last lines of its log. It works on folders of scgikit's supervisor, of daemontools
and of runit; the last two do not tell how a process ended.

` + placesHelp + `

States: running, starting (not ready yet), waiting (for another service), stopping,
finish, down, backoff and failing (ended, and is started again soon, or once in a
while), failed (is left so), paused; unsupervised, absent (no folder), unknown.

The code is 3 where a service is not as it was told to be: one that somebody stopped
is, and one that is paused or not ready is not.

--watch shows the table again with each change, until Control-C. Where stdout is no
terminal, each change is a line; with -o json it is an object of one line.`,
		Example: `  scgikit status
  scgikit status blog --lines 20
  scgikit status --dir /etc/service --watch`,
		GroupID: groupRun,
		PreRunE: func(*cobra.Command, []string) error {
			if flags.lines < 0 || flags.lines > 1000 {
				return usagef("use a number from 0 to 1000", "--lines: %d is no number of lines", flags.lines)
			}
			if flags.watch && e.settings.Output == "yaml" {
				return usagef("use -o json", "status --watch has no YAML form")
			}
			return noEmptyDir(flags.dirs)
		},
		ValidArgsFunction: func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
			return e.serviceNames(cmd.Context(), flags.dirs), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			places, err := e.servicePlaces(cmd.Context(), flags.dirs, args)
			if err != nil {
				return err
			}
			if flags.watch {
				return e.watchStatus(cmd.Context(), &flags, places)
			}
			return e.status(cmd.Context(), &flags, places)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	addDirFlag(cmd, &flags.dirs)
	f.IntVarP(&flags.lines, "lines", "n", 3, "last `N` lines of the log of each service that is not as wanted")
	f.BoolVar(&flags.watch, "watch", false, "show changes until interrupted")
	return cmd
}

// placesHelp is what the commands about services say of where they look.
const placesHelp = `APP is an app of the project, one instance such as shop-2, or with a slash in it the
path of a service folder. A service is looked for in /service, /etc/service,
/var/service, /etc/scgikit/service, the user's own scan folder and --out-dir. Without a
description, or with --dir, APP is the name of a folder there.`

// addDirFlag adds --dir to a command about services.
func addDirFlag(cmd *cobra.Command, dirs *[]string) {
	cmd.Flags().StringArrayVar(dirs, "dir", nil, "scan folder `DIR` of the services; repeatable")
}

func noEmptyDir(dirs []string) error {
	if slices.Contains(dirs, "") {
		return usagef("the working directory is .", "--dir: the value is empty")
	}
	return nil
}

// status shows the states once.
func (e *env) status(ctx context.Context, flags *statusFlags, places []servicePlace) error {
	states := e.readStates(places, flags.lines)
	err := e.result(map[string]any{"services": states}, func(w io.Writer) error {
		_, err := io.WriteString(w, statusText(states))
		return err
	})
	if err != nil {
		return err
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return e.statusOutcome(states)
}

// readStates looks at the services, with lines of the logs of those that are
// not as wanted.
func (e *env) readStates(places []servicePlace, lines int) []serviceState {
	states := []serviceState{}
	now := time.Now()
	for _, p := range places {
		s := readState(p, now)
		if !s.AsWanted {
			e.addLines(&s, p, lines)
		}
		states = append(states, s)
	}
	return states
}

// statusOutcome is an error where a service is not as wanted; the table says why.
func (e *env) statusOutcome(states []serviceState) error {
	wrong, denied := 0, false
	for i := range states {
		if !states[i].AsWanted {
			wrong++
		}
		denied = denied || states[i].denied
	}
	if wrong == 0 {
		return nil
	}
	code := exitInvalid
	if denied {
		code = exitPermission
		e.hint("ask as root, or as the user of the supervisor")
	}
	e.say("%d of %s not as wanted", wrong, plural(len(states), "service"))
	return &failure{code: code, err: fmt.Errorf("%d of %s not as wanted", wrong, plural(len(states), "service")), told: true}
}

// statusText is the table, and below it the lines of logs.
func statusText(states []serviceState) string {
	rows := [][]string{{"NAME", "STATE", "PID", "FOR", "RESTARTS", "LAST EXIT", "WHY"}}
	for i := range states {
		rows = append(rows, statusRow(&states[i]))
	}
	var b strings.Builder
	b.WriteString(columns("", rows))
	for i := range states {
		s := &states[i]
		if len(s.Lines) == 0 {
			continue
		}
		fmt.Fprintf(&b, "\n%s, the end of %s:\n", harmless(s.Name), harmless(s.Log))
		for _, line := range s.Lines {
			b.WriteString(strings.TrimRight("  "+line.text(), " ") + "\n")
		}
	}
	return b.String()
}

func statusRow(s *serviceState) []string {
	state := string(s.State)
	if s.Paused {
		state = "paused"
	}
	row := []string{harmless(s.Name), state, "-", "-", "-", "-", harmless(s.Why)}
	if s.PID != 0 {
		row[2] = fmt.Sprint(s.PID)
	}
	if s.Since != nil {
		row[3] = shortTime(s.Seconds)
	}
	if s.Restarts != nil {
		row[4] = fmt.Sprint(*s.Restarts)
	}
	if s.LastExit != nil {
		row[5] = exitText(s.LastExit)
	}
	return row
}
