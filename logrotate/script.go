package logrotate

import "time"

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
