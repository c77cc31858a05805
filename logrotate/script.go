package logrotate

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// ActionKind is what an action of a script does with a line.
type ActionKind int

// The kinds of actions, with the first byte of their words.
const (
	Select   ActionKind = iota // +pattern
	Deselect                   // -pattern
	Alert                      // e
	Status                     // =file
	Folder                     // . or /
)

// Stamp is what stands before each line.
type Stamp int

// The stamps.
const (
	NoStamp Stamp = iota
	TAI64N        // t: a label and a space
	ISO8601       // T: 2026-11-22T10:37:10.243331Z and a space
)

// Compression is what finished files are compressed with.
type Compression int

// The compressions.
const (
	Uncompressed Compression = iota
	Gzip                     // zgzip
	Zstd                     // zzstd
)

// Settings are those of a folder: what the words before it in the script say.
type Settings struct {
	Size         int64         // sSIZE: bytes of a file at most, 4096..16777215
	Keep         uint64        // nNUM: files at most, current among them; at least 2
	Processor    string        // !command: for sh -c
	HasProcessor bool          // the empty command is one too
	MaxTotal     int64         // SSIZE: bytes of all finished files at most; 0 is no limit
	MaxAge       time.Duration // AAGE: finished files that are older are removed; 0 is no limit
	RotateAfter  time.Duration // RAGE: current is finished at this age; 0 is never
	Compression  Compression   // zKIND
}

// Action is one step of a script.
type Action struct {
	Kind     ActionKind
	Word     string   // pattern, or name of a file or folder
	Settings Settings // of a Folder
}

// Script is what is done with each line, from left to right.
type Script struct {
	Stamp   Stamp
	Actions []Action
}

// Settings of a folder without words before it, and the bounds that multilog
// has for its own two numbers.
//
// Source: daemontools 0.76 multilog.c.
const (
	defaultSize = 99999
	minSize     = 4096
	maxSize     = 16777215
	defaultKeep = 10
	minKeep     = 2
)

// ParseScript reads the words of a script, one action each. The words of
// multilog mean what they mean there, down to its reading of numbers ("s5000x"
// is 5000, "s" is the least). The words T, S, A, R and z are ours. What
// multilog silently ignores is an error, for it loses logs: unknown words, t
// and T after the first word, a script without any output; so is a word like
// "test/log", which multilog takes for t. Errors name the word and its number.
//
// Source: https://cr.yp.to/daemontools/multilog.html; daemontools 0.76 multilog.c.
func ParseScript(words []string) (Script, error) {
	var script Script
	settings := Settings{Size: defaultSize, Keep: defaultKeep}
	output := false
	for i, word := range words {
		action, isAction, err := parseWord(word, i == 0, &script.Stamp, &settings)
		if err != nil {
			return Script{}, fmt.Errorf("word %d %q: %w", i+1, word, err)
		}
		if isAction {
			script.Actions = append(script.Actions, action)
			output = output || action.Kind == Alert || action.Kind == Status || action.Kind == Folder
		}
	}
	if !output {
		return Script{}, errors.New("the script keeps nothing: name a folder such as ./main, a file such as =status, or e")
	}
	return script, nil
}

// parseWord reads one word: an action, or else a change of the stamp or of the
// settings for the folders that follow.
func parseWord(word string, first bool, stamp *Stamp, settings *Settings) (action Action, isAction bool, err error) {
	if word == "" {
		return Action{}, false, errors.New("an empty word is not an action; leave it out")
	}
	if strings.IndexByte(word, 0) >= 0 {
		return Action{}, false, errors.New("a word with a zero byte cannot be carried out; leave the byte out")
	}
	rest := word[1:]
	switch word[0] {
	case '+':
		return Action{Kind: Select, Word: rest}, true, nil
	case '-':
		return Action{Kind: Deselect, Word: rest}, true, nil
	case 'e':
		return Action{Kind: Alert}, true, refusePath(word)
	case '=':
		return Action{Kind: Status, Word: rest}, true, nil
	case '.', '/':
		return Action{Kind: Folder, Word: word, Settings: *settings}, true, nil
	case 't', 'T':
		*stamp, err = parseStamp(word, first)
		return Action{}, false, err
	default:
		return Action{}, false, parseSetting(word, settings)
	}
}

// parseStamp reads t (or any word with it) or T, which stand first.
func parseStamp(word string, first bool) (Stamp, error) {
	if err := refusePath(word); err != nil {
		return NoStamp, err
	}
	if word[0] == 'T' && word != "T" {
		return NoStamp, errNoAction
	}
	if !first {
		return NoStamp, errors.New("stamps are put before all else; make it the first word")
	}
	if word == "T" {
		return ISO8601, nil
	}
	return TAI64N, nil
}

// errNoAction is said of words that begin with no action's byte.
var errNoAction = errors.New("not an action; a folder starts with . or /, such as ./main")

// refusePath reports a word whose first byte makes it an action, but which was
// meant as the name of a folder.
func refusePath(word string) error {
	if strings.IndexByte(word, '/') < 0 {
		return nil
	}
	return fmt.Errorf("%c is an action of its own; a folder starts with . or /, such as ./%s", word[0], word)
}

// parseSetting reads a word that changes the settings of the folders after it.
func parseSetting(word string, settings *Settings) (err error) {
	rest := word[1:]
	switch word[0] {
	case 's':
		settings.Size = int64(min(max(leadingNumber(rest), minSize), maxSize))
	case 'n':
		settings.Keep = max(leadingNumber(rest), minKeep)
	case '!':
		settings.Processor, settings.HasProcessor = rest, true
	case 'S':
		settings.MaxTotal, err = parseBytes(rest)
	case 'A':
		settings.MaxAge, err = parseAge(rest)
	case 'R':
		settings.RotateAfter, err = parseAge(rest)
	case 'z':
		settings.Compression, err = parseCompression(rest)
	default:
		err = errNoAction
	}
	return err
}

// leadingNumber reads numbers as multilog does: the decimal digits at the start,
// modulo 2^64, and 0 where there are none.
//
// Source: daemontools 0.76 scan_ulong.c.
func leadingNumber(s string) (n uint64) {
	digits, _ := cutDigits(s)
	for i := range len(digits) {
		n = n*10 + uint64(digits[i]-'0')
	}
	return n
}

// cutDigits splits s after the decimal digits at its start.
func cutDigits(s string) (digits, unit string) {
	unit = strings.TrimLeft(s, "0123456789")
	return s[:len(s)-len(unit)], unit
}

// parseBytes reads decimal digits and perhaps one of k, M and G.
func parseBytes(s string) (int64, error) {
	digits, suffix := cutDigits(s)
	unit, known := map[string]int64{"": 1, "k": 1 << 10, "M": 1 << 20, "G": 1 << 30}[suffix]
	if digits == "" || !known {
		return 0, errors.New("not a number of bytes; write digits and perhaps k, M or G, such as S100M, or S0 for no limit")
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n > math.MaxInt64/unit {
		return 0, errors.New("more bytes than can be counted; write S0 for no limit")
	}
	return n * unit, nil
}

// parseAge reads decimal digits and one of s, m, h, d and w; 0 needs none.
func parseAge(s string) (time.Duration, error) {
	const day = 24 * time.Hour
	digits, suffix := cutDigits(s)
	unit, known := map[string]time.Duration{
		"s": time.Second, "m": time.Minute, "h": time.Hour, "d": day, "w": 7 * day,
	}[suffix]
	if s == "0" {
		return 0, nil
	}
	if digits == "" || !known {
		return 0, errors.New("not an age; write digits and one of s, m, h, d and w, such as 30d, or 0 for no limit")
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n > int64(math.MaxInt64/unit) {
		return 0, errors.New("an age of more than 292 years; write 0 for no limit")
	}
	return time.Duration(n) * unit, nil
}

// parseCompression reads the name of a compression.
func parseCompression(s string) (Compression, error) {
	switch s {
	case "none":
		return Uncompressed, nil
	case "gzip":
		return Gzip, nil
	case "zstd":
		return Zstd, nil
	default:
		return Uncompressed, errors.New("not a compression; write zgzip, zzstd or znone")
	}
}
