package main

import (
	"fmt"
	"strings"

	"scgikit/internal/servicedir"
)

// whyNot says why a service of ours is in its state.
func whyNot(d *servicedir.Detail, s *serviceState) string {
	var parts []string
	if d.Reason != "" {
		parts = append(parts, d.Reason) // "unable to start run: …", or which file is not understood
	}
	ended := ""
	if s.LastExit != nil && d.Reason == "" {
		ended = exitText(s.LastExit)
	}
	add := func(text string) {
		if text != "" {
			parts = append(parts, text)
		}
	}
	switch d.State {
	case servicedir.Waiting:
		add("waits for " + d.Waits)
	case servicedir.Starting:
		add("has not said that it is ready")
	case servicedir.BackOff:
		add(ended)
		add("next try in " + shortTime(s.Next))
	case servicedir.Failing:
		add(ended)
		add("failing, next try in " + shortTime(s.Next))
	case servicedir.Failed:
		add(ended)
		add("is left so, start tries again")
	case servicedir.Stopping:
		add("was told to end")
	case servicedir.Finish:
		add(ended)
		add("./finish runs")
	case servicedir.Down:
		add(ended)
	case servicedir.Running:
	}
	return strings.Join(parts, ", ")
}

// exitText says how a process ended.
func exitText(x *servicedir.Exit) string {
	switch {
	case x.Unknown:
		return "ended unseen"
	case x.Signal != "" && x.Core:
		return "killed by " + x.Signal + ", core dumped"
	case x.Signal != "":
		return "killed by " + x.Signal
	}
	return fmt.Sprintf("exit %d", x.Code)
}

// shortTime writes a span in at most two units: 12s, 3m20s, 2h3m, 5d4h.
func shortTime(seconds float64) string {
	n := int64(seconds)
	const minute, hour, day = 60, 60 * 60, 24 * 60 * 60
	switch {
	case n < minute:
		return fmt.Sprintf("%ds", n)
	case n < hour:
		return fmt.Sprintf("%dm%ds", n/minute, n%minute)
	case n < day:
		return fmt.Sprintf("%dh%dm", n/hour, n%hour/minute)
	}
	return fmt.Sprintf("%dd%dh", n/day, n%day/hour)
}
