package main

// Exit codes and errors keep four rules:
//
//   - one table, exitCodes, is the truth for the program, its help and its tests;
//   - an error that needs another code than 1 carries it, as a failure;
//   - check and diff keep 1 for "there are differences", so that all that goes
//     wrong there is 2, as with diff(1) and cmp(1);
//   - only main ends the process.

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"scgikit/internal/diag"
)

// exitCode is what the process ends with.
type exitCode int

// The codes. A script may rely on them: a new meaning takes a new number.
const (
	exitOK          exitCode = 0
	exitFailed      exitCode = 1
	exitUsage       exitCode = 2
	exitInvalid     exitCode = 3
	exitPermission  exitCode = 4
	exitNoApp       exitCode = 5
	exitRefused     exitCode = 6
	exitNotRunning  exitCode = 7
	exitRejected    exitCode = 8
	exitRolledBack  exitCode = 9
	exitInterrupted exitCode = 130
)

// exitMeaning is one row of the table.
type exitMeaning struct {
	Code    exitCode `json:"code"`
	Kind    string   `json:"kind"` // the word in JSON errors
	Meaning string   `json:"meaning"`
}

// exitCodes returns the table, sorted by code.
func exitCodes() []exitMeaning {
	return []exitMeaning{
		{exitOK, "ok", "it worked; for check and diff: no differences"},
		{exitFailed, "failed", "it did not work; for check and diff: there are differences"},
		{exitUsage, "usage", "wrong usage or wrong settings; for check and diff: any error"},
		{exitInvalid, "invalid", "the description, or a target, has errors; for status: one is not as wanted"},
		{exitPermission, "permission", "the system denied access"},
		{exitNoApp, "no-app", "there is no such app, no log or service of it, or it is not installed"},
		{exitRefused, "refused", "refused for safety: local edits, a foreign file, a link that leads outside"},
		{exitNotRunning, "not-running", "what was to be told something is not running"},
		{exitRejected, "rejected", "a real parser rejected the output"},
		{exitRolledBack, "rolled-back", "activation failed and was rolled back"},
		{exitInterrupted, "interrupted", "interrupted"},
	}
}

// kind returns the code's word.
func (c exitCode) kind() string {
	for _, row := range exitCodes() {
		if row.Code == c {
			return row.Kind
		}
	}
	return "failed"
}

// failure is an error that knows its exit code and the way out.
type failure struct {
	code exitCode
	err  error
	hint string
	told bool // what happened stands in the result already: end with the code, say nothing more
}

func (f *failure) Error() string { return f.err.Error() }

func (f *failure) Unwrap() error { return f.err }

// failf returns a failure with a code.
func failf(code exitCode, hint, format string, args ...any) error {
	return &failure{code: code, err: fmt.Errorf(format, args...), hint: hint}
}

// usagef returns a failure for wrong usage.
func usagef(hint, format string, args ...any) error {
	return failf(exitUsage, hint, format, args...)
}

// strictly gives an error of check or diff code 2, where 1 means differences.
// Failures that say more than that (a rejecting parser, an interruption, the
// differences themselves) keep theirs.
func strictly(err error) error {
	if err == nil {
		return nil
	}
	f := &failure{code: exitUsage, err: err}
	if inner, ok := errors.AsType[*failure](err); ok {
		if inner.told || inner.code == exitRejected {
			return err
		}
		f.hint = inner.hint
	}
	if codeOf(err) == exitInterrupted {
		return err
	}
	return f
}

// codeOf returns the exit code of an error.
func codeOf(err error) exitCode {
	if err == nil {
		return exitOK
	}
	if f, ok := errors.AsType[*failure](err); ok {
		return f.code
	}
	if _, ok := errors.AsType[diag.List](err); ok {
		return exitInvalid
	}
	switch {
	case errors.Is(err, context.Canceled):
		return exitInterrupted
	case errors.Is(err, fs.ErrPermission):
		return exitPermission
	}
	return exitFailed
}
