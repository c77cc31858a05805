package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// watchPause is how long a look at the services lasts. Looking is cheap: three
// small files each.
const watchPause = 500 * time.Millisecond

// watchStatus shows the states and their changes until the context ends, which
// is the ordinary end.
func (e *env) watchStatus(ctx context.Context, flags *statusFlags, places []servicePlace) error {
	e.emitted = true // with -o json, no change at all is a result, too
	screen := isTerminal(e.stdout) && e.settings.Output == "text"
	ticker := time.NewTicker(watchPause)
	defer ticker.Stop()
	shown := make(map[int]string)
	for {
		states := e.readStates(places, flags.lines)
		var err error
		switch {
		case screen:
			err = e.redraw(states)
		default:
			err = e.showChanges(states, shown)
		}
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// redraw shows the table in place of the one before. What does not fit on the
// screen is left out: a terminal that scrolls would keep the old top.
func (e *env) redraw(states []serviceState) error {
	lines := strings.SplitAfter(strings.TrimSuffix(visible(statusText(states)), "\n"), "\n")
	if f, ok := e.stdout.(*os.File); ok {
		if size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ); err == nil && size.Row > 1 && len(lines) >= int(size.Row) {
			lines = lines[:size.Row-1]
		}
	}
	// To the top left, each line erased behind its text, and what is below:
	// erasing all of it first would flicker.
	text := strings.ReplaceAll(strings.Join(lines, ""), "\n", "\x1b[K\n")
	_, err := fmt.Fprintf(e.stdout, "\x1b[H%s\x1b[K\n\x1b[J", text)
	return err
}

// showChanges prints the services whose state is another than was shown.
func (e *env) showChanges(states []serviceState, shown map[int]string) error {
	for i := range states {
		s := &states[i]
		key := fmt.Sprint(s.State, s.PID, s.Paused, s.Want, s.LogState)
		if shown[i] == key {
			continue
		}
		shown[i] = key
		if e.settings.Output == "json" {
			if err := json.NewEncoder(e.stdout).Encode(s); err != nil {
				return err
			}
			continue
		}
		if _, err := io.WriteString(e.stdout, changeLine(s)); err != nil {
			return err
		}
	}
	return nil
}

// changeLine is a change as one line.
func changeLine(s *serviceState) string {
	var b strings.Builder
	if s.Since != nil {
		b.WriteString(s.Since.Local().Format("2006-01-02 15:04:05 "))
	}
	row := statusRow(s)
	b.WriteString(row[0] + ": " + row[1])
	if s.PID != 0 {
		fmt.Fprintf(&b, ", process %d", s.PID)
	}
	if row[6] != "" {
		b.WriteString(", " + row[6])
	}
	return b.String() + "\n"
}
