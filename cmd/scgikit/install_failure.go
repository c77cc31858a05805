package main

import (
	"context"
	"errors"
	"slices"
	"strings"
	"syscall"

	"scgikit/internal/install"
)

// refused is the failure of a plan that would lose something.
func (c *change) refused(p *install.Plan) error {
	c.showEdits(p)
	verb := strings.Fields(c.command)[0]
	return changeFailure(&install.Refusal{Files: p.Refused, Rest: p.Rest, Command: verb})
}

// maxEdits is how many lines of what was changed by hand a refusal shows.
const maxEdits = 60

// showEdits shows, on stderr, what would be lost of files that were changed by hand.
func (c *change) showEdits(p *install.Plan) {
	e := c.env
	if e.settings.LogLevel == "error" {
		return
	}
	var text strings.Builder
	left := 0
	for i := range p.Refused {
		s := p.Refused[i].Edited
		if s == nil {
			continue
		}
		d := installedDifference(s)
		for line := range strings.Lines(d.Diff) {
			if left++; left <= maxEdits {
				text.WriteString(line)
			}
		}
	}
	if left == 0 {
		return
	}
	e.say("what stands there (-), and what %s would have there (+):", strings.Fields(c.command)[0])
	writeDiff(e.stderr, text.String(), e.useColor(e.stderr))
	if left > maxEdits {
		e.say("… and %s more", plural(left-maxEdits, "line"))
	}
}

// changeFailure gives errors of an install their exit codes.
func changeFailure(err error) error {
	if r, ok := errors.AsType[*install.Refusal](err); ok {
		hint := "move it away, or let it be"
		some := func(is func(f install.Refused) bool) bool { return slices.ContainsFunc(r.Files, is) }
		switch {
		case some(func(f install.Refused) bool { return f.Unsafe != nil }):
			hint = hintUnsafe(r.Files[slices.IndexFunc(r.Files, func(f install.Refused) bool { return f.Unsafe != nil })].Unsafe) + "; nothing was done"
		case some(func(f install.Refused) bool { return len(f.Targets) > 0 }):
			hint = "make that folder, or have the link lead elsewhere; nothing was done"
		case some(func(f install.Refused) bool { return f.Other }):
			hint = "give the app another name, or take it over from there with --take-over"
		case some(func(f install.Refused) bool { return f.Dir }):
			hint = "give it that owner and mode with chown and chmod, if nobody else needs it; else name another folder in the description, such as in log.dir"
		case !some(func(f install.Refused) bool { return !f.Local }):
			hint = "scgikit diff --installed shows it; --overwrite-local replaces it, and rollback has it back; --keep-local leaves it"
		}
		if len(r.Rest) > 0 {
			hint += "; without it: scgikit " + r.Command + " " + strings.Join(r.Rest, " ")
		}
		return failf(exitRefused, hint, "%w", r)
	}
	if rolled, ok := errors.AsType[*install.RolledBack](err); ok && !errors.Is(err, context.Canceled) {
		return failf(exitRolledBack, "", "%w", rolled)
	}
	if damaged, ok := errors.AsType[*install.Damaged](err); ok {
		return failf(exitFailed, damaged.Hint, "%w", damaged)
	}
	if unsafe, ok := errors.AsType[*install.Unsafe](err); ok {
		return failf(exitRefused, hintUnsafe(unsafe), "%w", unsafe)
	}
	if busy, ok := errors.AsType[*install.Busy](err); ok {
		return failf(exitRefused, "wait for it", "%w", busy)
	}
	if changed, ok := errors.AsType[*install.Changed](err); ok {
		return failf(exitRefused, "look again", "%w", changed)
	}
	switch {
	case errors.Is(err, install.ErrNoTransaction):
		return failf(exitNoApp, "scgikit installed lists what there is", "%w", err)
	case errors.Is(err, syscall.EROFS):
		return failf(exitPermission, "", "%w", err)
	case errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM):
		return failf(exitPermission, "ask as root, or install below a folder of yours with --root", "%w", err)
	}
	return err
}
