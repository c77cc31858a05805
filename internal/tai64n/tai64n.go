// Package tai64n reads and writes TAI64N labels, the time stamps of multilog.
package tai64n

import "time"

// Size is the length of a label in bytes: "@" and 24 hexadecimal digits.
const Size = 25

// epoch is the label's second at 1970-01-01 00:00:00 UTC: TAI is taken as
// UTC + 10 s, without leap seconds, as daemontools does.
//
// Source: https://cr.yp.to/libtai/tai64.html; daemontools 0.76 timestamp.c.
const epoch = 1<<62 + 10

// Put writes the label of t into b, which has room for Size bytes. Times
// before 1970 and after 2^62 seconds have labels too; nanoseconds are t's own.
func Put(b []byte, t time.Time) {
	const digits = "0123456789abcdef"
	b = b[:Size]
	b[0] = '@'
	seconds := uint64(t.Unix()) + epoch
	for i := 16; i >= 1; i-- {
		b[i] = digits[seconds&15]
		seconds >>= 4
	}
	nanoseconds := uint32(t.Nanosecond())
	for i := 24; i >= 17; i-- {
		b[i] = digits[nanoseconds&15]
		nanoseconds >>= 4
	}
}
