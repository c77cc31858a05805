package logrotate

import (
	"time"

	"scgikit/internal/tai64n"
)

// isoSize is the length of an ISO-8601 stamp, without the space.
const isoSize = len("2026-11-22T10:37:10.243331Z")

// maxStamp is the length of the longest stamp with its space.
const maxStamp = isoSize + 1

// size returns the length of a stamp with its space; 0 is no stamp.
func (s Stamp) size() int {
	switch s {
	case NoStamp:
		return 0
	case TAI64N:
		return tai64n.Size + 1
	case ISO8601:
		return isoSize + 1
	}
	return 0
}

// put writes the stamp of t, with its space, into b.
//
// multilog knows microseconds and writes the middle of one.
//
// Source: daemontools 0.76, timestamp.c.
func (s Stamp) put(b []byte, t time.Time) {
	switch s {
	case NoStamp:
		return
	case TAI64N:
		t = t.Truncate(time.Microsecond).Add(500)
		tai64n.Put(b, t)
	case ISO8601:
		putISO(b, t)
	}
	b[s.size()-1] = ' '
}

// putISO writes t in UTC, to the microsecond. Years beyond 9999 and before 0
// show their last four digits: the length is fixed.
func putISO(b []byte, t time.Time) {
	t = t.UTC()
	year, month, day := t.Date()
	hour, minute, second := t.Clock()
	put := func(from, digits, n int) {
		for i := from + digits - 1; i >= from; i-- {
			b[i] = byte('0' + n%10)
			n /= 10
		}
	}
	if year < 0 {
		year = 0
	}
	put(0, 4, year)
	put(5, 2, int(month))
	put(8, 2, day)
	put(11, 2, hour)
	put(14, 2, minute)
	put(17, 2, second)
	put(20, 6, t.Nanosecond()/1000)
	b[4], b[7], b[10], b[13], b[16], b[19], b[26] = '-', '-', 'T', ':', ':', '.', 'Z'
}
