package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
)

// Why no logger can be asked.
var (
	errNoLogger   = errors.New("no logger runs there: nobody holds its lock")
	errNotLogger  = errors.New("which does not expect ALRM and so is no logger")
	errUnsafeLock = errors.New("is a link or no file, and so no logger's")
)

// rotated is what --rotate did for one log.
type rotated struct {
	App string `json:"app"`
	Dir string `json:"dir"`
	PID int    `json:"pid"`
}

// rotateLogs asks the loggers of the folders to begin a new file. All are asked,
// although one can not be, and each once.
func (e *env) rotateLogs(places []logPlace, skipped []error) error {
	done := []rotated{}
	denied, err := e.tellSkipped(len(places), skipped)
	if err != nil {
		return err
	}
	var failed []error
	for _, p := range onePerFolder(places) {
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
	if denied != nil {
		failed = append(failed, denied)
	}
	if len(failed) == 0 {
		return nil
	}
	for _, err := range failed[1:] {
		e.talk("%v", err)
	}
	return failed[0]
}

// onePerFolder leaves out places whose folder is that of one before.
func onePerFolder(places []logPlace) []logPlace {
	var out []logPlace
	var known []fs.FileInfo
	for _, p := range places {
		info, err := os.Stat(p.dir)
		if err == nil && slices.ContainsFunc(known, func(other fs.FileInfo) bool { return os.SameFile(info, other) }) {
			continue
		}
		if err == nil {
			known = append(known, info)
		}
		out = append(out, p)
	}
	return out
}

func rotationFailure(p logPlace, err error) error {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return failf(exitPermission, "ask as root, or as the user of the logger", "%s: %w", p.dir, err)
	case errors.Is(err, fs.ErrNotExist):
		return failf(exitNoApp, "", "%s: there is no log: %w", p.dir, err)
	case errors.Is(err, errNotLogger), errors.Is(err, errUnsafeLock):
		return failf(exitRefused, "", "%s/lock %w", p.dir, err)
	case errors.Is(err, errNoLogger):
		return failf(exitNotRunning, "", "%s: %w", p.dir, err)
	}
	return failf(exitFailed, "svc -a asks a logger under supervise: svc -a SERVICE/log", "%s: %w", p.dir, err)
}
