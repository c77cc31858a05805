package main

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"scgikit/internal/install"
)

// env is the world of one run: streams, folder, flags and settings. Commands
// get it instead of reaching for os.Stdout, os.Getenv or the working
// directory.
type env struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	lookup         func(string) (string, bool) // the environment

	flags    globalFlags
	settings settings // complete once a command runs

	root    *cobra.Command
	emitted bool // a result is on stdout
}

// globalFlags are the flags that every command has.
type globalFlags struct {
	dir     string
	files   []string
	profile string
	sets    []string
	output  string
	color   string
	quiet   bool
	verbose bool
	noInput bool
	config  string
}

// execute runs one command line and returns the exit code. What went wrong is
// on stderr then, and on stdout as well where the format is JSON or YAML.
func (e *env) execute(ctx context.Context, args []string) exitCode {
	e.root = newRootCmd(e)
	e.root.SetArgs(args)
	err := e.root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	if ctx.Err() != nil {
		err = interrupted(err)
	}
	e.settleOutput(args)
	e.report(err)
	return codeOf(err)
}

// interrupted is what an interruption makes of an error: why something ended is
// clear, but not that it could not be undone.
func interrupted(err error) error {
	if left, ok := errors.AsType[*install.NotUndone](err); ok {
		return failf(exitInterrupted, "", "%w; %w", errInterrupted, left)
	}
	return &failure{code: exitInterrupted, err: errInterrupted}
}

// settleOutput finds the output format of a command line that could not be
// parsed, so that a program that asked for JSON gets its error as JSON.
func (e *env) settleOutput(args []string) {
	if e.settings.Output != "" {
		return
	}
	// Settings with errors are reported by the commands that need them.
	if err := e.loadSettings(e.root); err != nil {
		e.settings.Output = e.flags.output
	}
	for i, arg := range args {
		value, ok := strings.CutPrefix(arg, "--output=")
		switch {
		case ok:
		case (arg == "-o" || arg == "--output") && i+1 < len(args):
			value = args[i+1]
		case strings.HasPrefix(arg, "-o") && !strings.HasPrefix(arg, "--"):
			value = strings.TrimPrefix(strings.TrimPrefix(arg, "-o"), "=")
		}
		if slices.Contains(outputFormats, value) {
			e.settings.Output = value
		}
	}
}

// path returns where a path of the command line or of a setting is, seen from
// the working directory: relative ones start at --chdir.
func (e *env) path(name string) string {
	if filepath.IsAbs(name) || e.flags.dir == "" {
		return name
	}
	return filepath.Join(e.flags.dir, name)
}

// folder returns the folder that relative paths start at.
func (e *env) folder() string {
	if e.flags.dir == "" {
		return "."
	}
	return e.flags.dir
}

// configHome returns the folder of the user's own settings, or "".
func (e *env) configHome() string {
	if dir, ok := e.lookup("XDG_CONFIG_HOME"); ok && filepath.IsAbs(dir) {
		return filepath.Join(dir, "scgikit")
	}
	if dir, ok := e.lookup("HOME"); ok && filepath.IsAbs(dir) {
		return filepath.Join(dir, ".config", "scgikit")
	}
	return ""
}

// useColor reports whether escape sequences may go to a stream.
//
// Source: https://no-color.org (any non-empty NO_COLOR turns colour off).
func (e *env) useColor(stream io.Writer) bool {
	if v, ok := e.lookup("NO_COLOR"); ok && v != "" && e.flags.color != "always" {
		return false
	}
	switch e.settings.Color {
	case "always":
		return true
	case "never":
		return false
	}
	if term, ok := e.lookup("TERM"); !ok || term == "" || term == "dumb" {
		return false
	}
	return isTerminal(stream)
}

// checkFolder makes a wrong --chdir one clear error instead of many.
func (e *env) checkFolder() error {
	if e.flags.dir == "" {
		return nil
	}
	info, err := os.Stat(e.flags.dir)
	if err != nil {
		return usagef("", "--chdir: %w", err)
	}
	if !info.IsDir() {
		return usagef("", "--chdir: %s is not a folder", e.flags.dir)
	}
	return nil
}
