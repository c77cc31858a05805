package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
)

// Why no logger can be asked.
var (
	errNoLogger  = errors.New("no logger runs there: nobody holds its lock")
	errNotLogger = errors.New("is held by a program that does not expect ALRM, so it is no logger")
)

// rotated is what --rotate did for one log.
type rotated struct {
	App string `json:"app"`
	Dir string `json:"dir"`
	PID int    `json:"pid"`
}

// rotateLogs asks the loggers of the folders to begin a new file. All are asked,
// although one can not be.
func (e *env) rotateLogs(places []logPlace) error {
	done := []rotated{}
	var failed []error
	for _, p := range places {
		pid, err := askRotation(p.dir)
		if err != nil {
			failed = append(failed, rotationFailure(p, err))
			continue
		}
		done = append(done, rotated{p.name, p.dir, pid})
	}
	if len(done) > 0 {
		err := e.result(done, func(w io.Writer) error {
			for _, r := range done {
				if _, err := fmt.Fprintf(w, "asked %s of %s, process %d\n", "the logger", r.App, r.PID); err != nil {
					return err
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

func rotationFailure(p logPlace, err error) error {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return failf(exitPermission, "ask as root, or as the user of the logger", "%s: %w", p.dir, err)
	case errors.Is(err, fs.ErrNotExist):
		return failf(exitNoApp, "", "%s: there is no log: %w", p.dir, err)
	case errors.Is(err, errNotLogger):
		return failf(exitRefused, "", "%s/lock %w", p.dir, err)
	case errors.Is(err, errNoLogger):
		return failf(exitNotRunning, "", "%s: %w", p.dir, err)
	}
	return failf(exitFailed, "svc -a asks a logger under supervise: svc -a SERVICE/log", "%s: %w", p.dir, err)
}
