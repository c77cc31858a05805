package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"scgikit/internal/servicedir"
)

// controlFlags are the flags of the commands that tell services something.
type controlFlags struct {
	dirs    []string
	wait    bool
	timeout time.Duration
}

// order is what a service is told: the letters of svc, and what to wait for.
type order struct {
	letters string
	// reached says whether it has come to that; an error is that it never will.
	reached func(now *serviceState) (bool, error)
}

// planner decides on the order, by the state before.
type planner func(before *serviceState) (order, error)

// told is what came of an order. Its keys in JSON only grow.
type told struct {
	Name  string           `json:"name"`
	Dir   string           `json:"dir"`
	Sent  string           `json:"sent"` // letters of svc
	State servicedir.State `json:"state"`
	PID   int              `json:"pid"`
	Error string           `json:"error,omitempty"`

	place servicePlace
	order order
	last  serviceState
	open  bool // its order is not done yet
	err   error
}

// controlCommand returns a command that gives services an order. Those that
// wait have --wait and --timeout.
func (e *env) controlCommand(cmd *cobra.Command, flags *controlFlags, waits bool, plan planner) *cobra.Command {
	cmd.GroupID = groupRun
	cmd.Long = strings.TrimRight(cmd.Long, "\n") + "\n\n" + placesHelp
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return usagef("see: "+cmd.CommandPath()+" -h", "%s wants the name of an app", cmd.Name())
		}
		return nil
	}
	cmd.PreRunE = func(*cobra.Command, []string) error {
		if waits && flags.timeout <= 0 {
			return usagef("for example 10s or 2m; --wait=false does not wait", "--timeout: %v is no time to wait", flags.timeout)
		}
		return noEmptyDir(flags.dirs)
	}
	cmd.ValidArgsFunction = func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		return e.serviceNames(cmd.Context(), flags.dirs), cobra.ShellCompDirectiveNoFileComp
	}
	if cmd.RunE == nil {
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			return e.control(cmd.Context(), flags, args, plan)
		}
	}
	f := cmd.Flags()
	f.SortFlags = false
	addDirFlag(cmd, &flags.dirs)
	if waits {
		f.BoolVar(&flags.wait, "wait", true, "wait until it is so; --wait=false only sends")
		f.DurationVar(&flags.timeout, "timeout", 10*time.Second, "wait for `TIME` at most")
	}
	return cmd
}

// control gives an order to services: all of them get it first, and then all
// are waited for, within one time. One that fails does not keep the others from
// theirs.
func (e *env) control(ctx context.Context, flags *controlFlags, words []string, plan planner) error {
	places, err := e.servicePlaces(ctx, flags.dirs, words)
	if err != nil {
		return err
	}
	all := make([]told, len(places))
	for i, p := range places {
		all[i] = tell(p, plan)
	}
	if !flags.wait {
		for i := range all {
			all[i].order.reached, all[i].open = nil, false
		}
	}
	if err := await(ctx, all, flags.timeout); err != nil {
		return err
	}
	return e.showTold(all)
}

// tell gives one service its order.
func tell(p servicePlace, plan planner) told {
	t := told{Name: p.name, Dir: p.dir, place: p}
	if t.err = p.absent; t.err != nil {
		return t
	}
	t.last = readState(p, time.Now())
	if t.err = orderable(&t.last); t.err != nil {
		return t
	}
	if t.order, t.err = plan(&t.last); t.err != nil {
		return t
	}
	if t.err = controlFailure(p.name, send(p.dir, t.order.letters)); t.err == nil {
		t.Sent, t.open = t.order.letters, t.order.reached != nil
	}
	return t
}

// send gives the letters to the supervisor. Whoever may write in the folder can
// put a link or a file in the place of the FIFO, which is not written to.
func send(dir, letters string) error {
	path := filepath.Join(dir, servicedir.Control)
	if info, err := os.Lstat(path); err == nil && info.Mode().Type() != fs.ModeNamedPipe {
		return fmt.Errorf("%s is no FIFO: %w", path, errForeign)
	}
	return servicedir.Send(dir, letters)
}

// errForeign says that something is not what it has to be.
var errForeign = errors.New("nothing is sent")

// orderable is an error for a service that nobody could tell anything.
func orderable(s *serviceState) error {
	switch {
	case s.denied:
		return namedf(exitPermission, "ask as root, or as the user of the supervisor", "%s: %s", s.Name, s.Why)
	case s.State == stateUnsupervised:
		return namedf(exitNotRunning, "scgikit supervise, svscan or runsvdir must look after the folder that "+s.Dir+" is in",
			"%s: no supervisor runs in %s", s.Name, s.Dir)
	case s.Supervisor == "":
		return namedf(exitFailed, "", "%s: %s", s.Name, s.Why)
	}
	return nil
}

func controlFailure(name string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, servicedir.ErrNotSupervised):
		return namedf(exitNotRunning, "", "%s: its supervisor has just ended", name)
	case errors.Is(err, fs.ErrPermission):
		return namedf(exitPermission, "ask as root, or as the user of the supervisor", "%s: %w", name, err)
	}
	code := exitFailed
	if errors.Is(err, errForeign) {
		code = exitRefused
	}
	return namedf(code, "", "%s: %w", name, err)
}

// await looks at the services until each has done its order, or the time is over.
func await(ctx context.Context, all []told, timeout time.Duration) error {
	const pause = 25 * time.Millisecond
	end := time.NewTimer(timeout)
	defer end.Stop()
	ticker := time.NewTicker(pause)
	defer ticker.Stop()
	for {
		waiting := false
		for i := range all {
			t := &all[i]
			if !t.open {
				continue
			}
			t.last = readState(t.place, time.Now())
			done, err := t.order.reached(&t.last)
			t.err, t.open = err, !done && err == nil
			waiting = waiting || t.open
		}
		if !waiting {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-end.C:
			for i := range all {
				if t := &all[i]; t.open {
					t.err = fmt.Errorf("not done after %v", timeout)
				}
			}
			return nil
		case <-ticker.C:
		}
	}
}

// isUp reports whether a service runs for good. A supervisor that does not know
// about readiness calls it up as soon as it is started, and daemontools sleeps a
// second then, before it sees that the process is gone: it must last longer.
func isUp(s *serviceState) (bool, error) {
	const settled = 1.25 // seconds
	if s.State == servicedir.Failed {
		return false, errors.New("it failed")
	}
	if s.State != servicedir.Running || s.Paused {
		return false, nil
	}
	return s.ready || s.Seconds >= settled, nil
}

// isUpAgain is isUp for a process other than the one before.
func isUpAgain(before serviceState) func(*serviceState) (bool, error) {
	return func(s *serviceState) (bool, error) {
		if s.PID == before.PID && s.running() {
			return false, nil
		}
		return isUp(s)
	}
}

func isDown(s *serviceState) (bool, error) {
	return s.PID == 0 && (s.State == servicedir.Down || s.State == servicedir.Failed), nil
}
