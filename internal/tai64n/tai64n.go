// Package tai64n reads and writes TAI64N labels, the time stamps of multilog.
package tai64n

import (
	"encoding/binary"
	"errors"
	"time"
)

// ErrSyntax is the error for what is not a label.
var ErrSyntax = errors.New("not a TAI64N label, which is @ and 24 digits of 0-9 and a-f")

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
	seconds := uint64(t.Unix()) + epoch //nolint:gosec // wraps around as it should
	for i := 16; i >= 1; i-- {
		b[i] = digits[seconds&15]
		seconds >>= 4
	}
	nanoseconds := uint32(t.Nanosecond()) //nolint:gosec // less than a billion
	for i := 24; i >= 17; i-- {
		b[i] = digits[nanoseconds&15]
		nanoseconds >>= 4
	}
}

// BinarySize is the length of a binary label in bytes.
const BinarySize = 12

// PutBinary writes the label of t in its binary form, as it stands in status
// files of supervisors: 8 bytes of seconds and 4 of nanoseconds, the highest
// first.
func PutBinary(b []byte, t time.Time) {
	binary.BigEndian.PutUint64(b, uint64(t.Unix())+epoch)               //nolint:gosec // wraps around as it should
	binary.BigEndian.PutUint32(b[8:BinarySize], uint32(t.Nanosecond())) //nolint:gosec // less than a billion
}

// Binary reads what PutBinary wrote. Any bytes are a time.
func Binary(b []byte) time.Time {
	seconds := binary.BigEndian.Uint64(b) - epoch
	return time.Unix(int64(seconds), int64(binary.BigEndian.Uint32(b[8:BinarySize]))) //nolint:gosec // wraps around as it should
}

// Format returns the label of t.
func Format(t time.Time) string {
	var b [Size]byte
	Put(b[:], t)
	return string(b[:])
}

// Parse reads a label: "@" and 24 lower-case hexadecimal digits, 16 for the
// second and 8 for the nanosecond. Any other shape is ErrSyntax, and so are
// seconds from 2^63 on, which the format keeps for later, and a billion
// nanoseconds and more. What Parse takes, Put writes as it was.
//
// Source: https://cr.yp.to/libtai/tai64.html
func Parse(label string) (time.Time, error) {
	if len(label) != Size || label[0] != '@' {
		return time.Time{}, ErrSyntax
	}
	seconds, ok := hex(label[1:17])
	nanoseconds, ok2 := hex(label[17:])
	if !ok || !ok2 || seconds >= 1<<63 || nanoseconds >= 1e9 {
		return time.Time{}, ErrSyntax
	}
	return time.Unix(int64(seconds)-epoch, int64(nanoseconds)), nil //nolint:gosec // both fit: see above
}

// hex reads at most 16 lower-case digits.
func hex(digits string) (value uint64, ok bool) {
	for _, c := range []byte(digits) {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		default:
			return 0, false
		}
		value = value<<4 | uint64(c)
	}
	return value, true
}
