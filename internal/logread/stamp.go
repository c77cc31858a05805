package logread

import (
	"bytes"
	"time"

	"scgikit/internal/tai64n"
)

// longestStamp is the length of the longest stamp, with the blank behind it:
// an ISO 8601 one with nanoseconds.
const longestStamp = len("2006-01-02T15:04:05.999999999Z ")

// readStamp returns the time that a line begins with, and the length of its
// stamp with the blank, or 0: a TAI64N label (t), 2026-11-22T10:37:10.243331Z
// (T), and svlogd's 2026-11-22_10:37:10.24333 and -ttt form.
//
// Source: svlogd(8), -t.
func readStamp(line []byte) (when time.Time, length int) {
	if len(line) > tai64n.Size && line[0] == '@' && line[tai64n.Size] == ' ' {
		label, err := tai64n.Parse(string(line[:tai64n.Size]))
		if err != nil {
			return time.Time{}, 0
		}
		return label, tai64n.Size + 1
	}
	const date = len("2006-01-02T15:04:05.")
	if len(line) < date+2 || line[4] != '-' || line[date-1] != '.' {
		return time.Time{}, 0
	}
	end := bytes.IndexByte(line[:min(len(line), longestStamp)], ' ')
	if end < date+1 {
		return time.Time{}, 0
	}
	layout := "2006-01-02T15:04:05.999999999Z"
	if line[end-1] != 'Z' {
		layout = "2006-01-02T15:04:05.999999999"
	}
	if line[10] == '_' {
		layout = "2006-01-02_15:04:05.999999999"
	}
	when, err := time.Parse(layout, string(line[:end]))
	if err != nil {
		return time.Time{}, 0
	}
	return when, end + 1
}

// mayBeStamp reports whether a text that is not all there yet may become a
// stamp.
func mayBeStamp(head []byte) bool {
	if len(head) >= longestStamp || bytes.ContainsAny(head, " \n") {
		return false
	}
	return head[0] == '@' || head[0] >= '0' && head[0] <= '9'
}
