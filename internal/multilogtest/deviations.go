package multilogtest

import (
	"fmt"
	"slices"
	"strings"
)

// Deviations are what a program does otherwise than multilog, on purpose.
type Deviations struct {
	// RefusesWords: words that multilog ignores are wrong usage, and so is a
	// script that keeps nothing. There, a folder without "./" loses the log.
	RefusesWords bool
	// KeepsPartial: what was read of a line that is not complete outlives a kill,
	// in the lock file of the first folder, and the next logger on the same pipe
	// goes on with it.
	KeepsPartial bool
	// FreshScratch: a processor's files are made anew. multilog overwrites stale
	// ones in place, which destroys a finished file that "processed" is a second
	// link of.
	FreshScratch bool
	// KeepsPrevious: a "previous" beside a current that was ended cleanly is
	// finished when the next file is. multilog renames over it.
	KeepsPrevious bool
	// OneName: a file with two links is not written to: it is taken for complete
	// if it is current, and refused if it is a status file.
	OneName bool
	// OnePause: a processor that was killed is one reason to pause. multilog
	// takes it for one that has failed as well, and pauses twice.
	OnePause bool
	// WaitsForInput: a pipe with O_NONBLOCK that is empty is no end of input.
	WaitsForInput bool
	// NewestStays: a finished file sorts behind all that are there, whatever the
	// clock says. multilog removes the newest after the clock was set back.
	NewestStays bool
	// OutlivesSignals: USR1, USR2 and PIPE do not end it, and QUIT is an exit with
	// 111, without a clean end.
	OutlivesSignals bool
}

// Ours returns what scgi-run does otherwise, which is all of it.
func Ours() Deviations {
	return Deviations{
		RefusesWords: true, KeepsPartial: true, FreshScratch: true, KeepsPrevious: true,
		OneName: true, OnePause: true, WaitsForInput: true, NewestStays: true, OutlivesSignals: true,
	}
}

// refuse says what is wrong with words, if they are looked at.
func (m *Model) refuse(words []string) string {
	if !m.RefusesWords {
		return ""
	}
	keeps := false
	for i, word := range words {
		if word == "" {
			return fmt.Sprintf("word %d \"\": an empty word is not an action; leave it out", i+1)
		}
		stamp := word[0] == 't' || word == "T"
		switch {
		case (stamp || word[0] == 'e') && strings.Contains(word, "/"):
			return fmt.Sprintf("word %d %q: %c is an action of its own; a folder starts with . or /, such as ./%s", i+1, word, word[0], word)
		case stamp && i > 0:
			return fmt.Sprintf("word %d %q: stamps are put before all else; make it the first word", i+1, word)
		case !stamp && !slices.Contains([]byte("+-e=./sn!"), word[0]):
			return fmt.Sprintf("word %d %q: not an action; a folder starts with . or /, such as ./main", i+1, word)
		}
		keeps = keeps || slices.Contains([]byte("e=./"), word[0])
	}
	if !keeps {
		return "the script keeps nothing: name a folder such as ./main, a file such as =status, or e"
	}
	return ""
}
