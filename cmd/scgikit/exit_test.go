package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"scgikit/internal/diag"
	"scgikit/internal/install"
)

// TestExitCodes holds the table to the numbers that scripts rely on.
func TestExitCodes(t *testing.T) {
	want := map[exitCode]string{
		0: "ok", 1: "failed", 2: "usage", 3: "invalid", 4: "permission", 5: "no-app", 6: "refused",
		7: "not-running", 8: "rejected", 9: "rolled-back", 130: "interrupted",
	}
	last := exitCode(-1)
	for _, row := range exitCodes() {
		if want[row.Code] != row.Kind || row.Code.kind() != row.Kind {
			t.Errorf("%d is %q, want %q", row.Code, row.Kind, want[row.Code])
		}
		if row.Code <= last {
			t.Errorf("%d is out of order", row.Code)
		}
		if row.Meaning == "" || !strings.Contains(exitCodesTopic(), row.Meaning) {
			t.Errorf("%d is not in help exit-codes", row.Code)
		}
		last = row.Code
		delete(want, row.Code)
	}
	if len(want) > 0 {
		t.Errorf("the table lacks %v", want)
	}
}

func TestCodeOf(t *testing.T) {
	problem := diag.List{{Code: "bad-mode", Message: "x"}}
	tests := []struct {
		err            error
		code, strictly exitCode
	}{
		{nil, 0, 0},
		{errors.New("x"), 1, 2},
		{usagef("", "x"), 2, 2},
		{problem, 3, 2},
		{fmt.Errorf("load: %w", problem), 3, 2},
		{&fs.PathError{Op: "open", Path: "x", Err: fs.ErrPermission}, 4, 2},
		{failf(exitNoApp, "", "x"), 5, 2},
		{failf(exitRefused, "", "x"), 6, 2},
		{failf(exitRejected, "", "x"), 8, 8},
		{context.Canceled, 130, 130},
		{&failure{code: exitFailed, told: true, err: errors.New("differences")}, 1, 1},
	}
	for _, tt := range tests {
		if got := codeOf(tt.err); got != tt.code {
			t.Errorf("%v gives %d, want %d", tt.err, got, tt.code)
		}
		if got := codeOf(strictly(tt.err)); got != tt.strictly {
			t.Errorf("for check and diff, %v gives %d, want %d", tt.err, got, tt.strictly)
		}
	}
	if f, ok := errors.AsType[*failure](strictly(usagef("do this", "x"))); !ok || f.hint != "do this" {
		t.Error("the hint is lost")
	}
}

// TestInterruptedUnclean: an interruption says no more than that, unless something
// could not be undone.
func TestInterruptedUnclean(t *testing.T) {
	if err := interrupted(errors.New("nginx: signal: interrupt")); codeOf(err) != exitInterrupted || err.Error() != "interrupted" {
		t.Errorf("%d, %v", codeOf(err), err)
	}
	err := interrupted(errors.Join(context.Canceled, &install.NotUndone{Err: errors.New("/etc/inetd.conf: no")}))
	if codeOf(err) != exitInterrupted || !strings.Contains(err.Error(), "interrupted; undoing it did not work") || !strings.Contains(err.Error(), "/etc/inetd.conf: no") {
		t.Errorf("%d, %v", codeOf(err), err)
	}
}
