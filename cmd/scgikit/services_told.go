package main

import (
	"errors"
	"fmt"
	"io"

	"scgikit/internal/servicedir"
)

// showTold prints what came of the orders, and returns the first failure.
func (e *env) showTold(all []told) error {
	var failed []error
	for i := range all {
		t := &all[i]
		t.State, t.PID = t.last.State, t.last.PID
		if t.err == nil {
			continue
		}
		if _, ok := errors.AsType[*failure](t.err); !ok {
			t.err = e.unfinished(t)
		}
		t.Error = t.err.Error()
		failed = append(failed, t.err)
	}
	if len(failed) < len(all) || e.settings.Output != "text" {
		err := e.result(map[string]any{"services": all}, func(w io.Writer) error {
			for i := range all {
				if t := &all[i]; t.err == nil {
					fmt.Fprintln(w, toldLine(t))
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	if len(failed) == 0 {
		return nil
	}
	for _, err := range failed[1:] {
		e.talk("%v", err)
	}
	return failed[0]
}

func toldLine(t *told) string {
	name := harmless(t.Name)
	switch {
	case t.order.reached == nil:
		return name + ": told"
	case t.State == servicedir.Down:
		return name + ": down"
	case t.PID != 0:
		return fmt.Sprintf("%s: %s, process %d", name, t.State, t.PID)
	}
	return name + ": " + string(t.State)
}

// unfinished is the failure of a service that did not do its order: what it
// does instead, and the end of its log.
func (e *env) unfinished(t *told) error {
	s := &t.last
	e.addLines(s, t.place, 3)
	for _, line := range s.Lines {
		e.talk("%s: %s", harmless(t.Name), line.text())
	}
	what := string(s.State)
	if s.Paused {
		what = "paused"
	}
	if s.Why != "" {
		what += ", " + s.Why
	}
	hint := ""
	if s.running() && s.Want == "down" {
		hint = "scgikit signal KILL " + t.Name + " ends it at once"
	}
	return namedf(exitFailed, hint, "%s: %w: %s", t.Name, t.err, what)
}
