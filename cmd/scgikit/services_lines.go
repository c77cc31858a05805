package main

import (
	"bytes"
	"errors"
	"io"
	"path/filepath"
	"strings"
	"time"

	"scgikit/internal/logread"
	"scgikit/internal/printable"
)

// logLine is a line of a log beside the state of its service.
type logLine struct {
	Time *time.Time `json:"time"` // null where the line has no stamp
	Line string     `json:"line"`
}

// maxShown is how much of a line is shown beside a state.
const maxShown = 400

// addLines reads the last lines of a service's log, as far as it may.
func (e *env) addLines(s *serviceState, p servicePlace, count int) {
	if count == 0 {
		return
	}
	for _, dir := range e.linePlaces(s, p) {
		if isFolder(dir) != nil {
			continue
		}
		source, err := logread.Open(p.name, dir, logread.Options{Last: count})
		if err != nil {
			continue // logs says why; here it is an extra
		}
		s.Log = dir
		for {
			line, err := source.Next()
			if errors.Is(err, io.EOF) || err != nil {
				break
			}
			s.Lines = append(s.Lines, shownLine(line))
		}
		source.Close()
		return
	}
}

// linePlaces returns where the log of a service may be: where its supervisor
// says, where its description says, and where multilog has it.
func (e *env) linePlaces(s *serviceState, p servicePlace) []string {
	var dirs []string
	if s.logDir != "" {
		dir := s.logDir
		if !filepath.IsAbs(dir) {
			dir = filepath.Join(p.dir, dir)
		}
		dirs = append(dirs, dir)
	}
	if p.dir != "" {
		dirs = append(dirs, filepath.Join(p.dir, "log", "main"))
	}
	if p.inst != nil {
		if dir, err := e.findLog(p.inst); err == nil {
			dirs = append(dirs, dir)
		}
	}
	return dirs
}

func shownLine(line *logread.Line) logLine {
	text := line.Text
	more := line.More
	if len(text) > maxShown {
		text, more = text[:maxShown], true
	}
	shown := logLine{Line: string(bytes.TrimSuffix(text, []byte("\r")))}
	if more {
		shown.Line += "…"
	}
	if line.Stamped {
		t := line.Time
		shown.Time = &t
	}
	return shown
}

// text returns the line as people read it, and harmless.
func (l *logLine) text() string {
	if l.Time == nil {
		return harmless(l.Line)
	}
	return l.Time.Local().Format("2006-01-02 15:04:05 ") + harmless(l.Line)
}

// harmless writes what a terminal would obey, or what would break a table, as
// \xNN and \uNNNN.
func harmless(s string) string { return printable.Text(strings.ReplaceAll(s, "\t", " ")) }

// namedf is failf for names that may hold anything: they stand harmless in the
// text, on one line.
func namedf(code exitCode, hint, format string, args ...any) error {
	shown := make([]any, len(args))
	for i, arg := range args {
		switch arg := arg.(type) {
		case string:
			shown[i] = harmless(arg)
		case error:
			shown[i] = harmlessError{arg}
		default:
			shown[i] = arg
		}
	}
	return failf(code, harmless(hint), format, shown...)
}

// harmlessError is an error whose text holds names.
type harmlessError struct{ error }

func (e harmlessError) Error() string { return harmless(e.error.Error()) }

func (e harmlessError) Unwrap() error { return e.error }
