package main

import (
	"bytes"
	"math"
	"os"
	"strconv"
	"time"
)

const tai64nlocalHelp = `  Read a log with local dates:

    scgi-run tai64nlocal </service/blog/log/main/current | less

Reads lines on standard input and writes them with the TAI64N label that a line
begins with, "@" and digits, as local date and time. Other lines, and labels
elsewhere in a line, stay as they are. TZ names the time zone.

usage: scgi-run tai64nlocal

exit codes: 0 end of input, 111 input or output is broken
`

// runTAI64NLocal is tai64nlocal of daemontools 0.76 with the C library of GNU,
// byte by byte, but for these:
//
//   - years that no int holds, where the original crashes: such a line stays as
//     it is
//   - time zones with leap seconds (TZ=right/…), which are not counted here
//   - offsets of more than 24 hours in TZ, which that library cuts to 24 and
//     package time does not
//   - a TZ with a summer time and no rules for it, such as CET-1CEST: that library
//     looks into the file posixrules, and here it has the rules of the USA of
//     today for every year
func runTAI64NLocal(args []string) int {
	if asksHelp(args) {
		return help(tai64nlocalHelp)
	}
	l := localizer{zone: localZone(os.LookupEnv), lineStart: true}
	return filter(l.step)
}

// localizer replaces labels by dates. What it has read of a line that began
// with "@" is in digits, until a byte ends the label.
type localizer struct {
	zone      *time.Location
	lineStart bool
	inLabel   bool
	label     labelValue
	digits    []byte // as they were read; more than any sane label are not kept
	lost      bool   // digits is not all of them

	second int64 // date is that of this second
	date   []byte
}

// labelValue is what the digits of a label are worth. A label may have any
// number of digits: the last 8 are nanoseconds, the 16 before them seconds,
// and those before are shifted out.
type labelValue struct {
	seconds     uint64
	nanoseconds uint32
}

func (v *labelValue) shift(digit byte) {
	v.seconds = v.seconds<<4 | uint64(v.nanoseconds>>28)
	v.nanoseconds = v.nanoseconds<<4 | uint32(digit)
}

func (l *localizer) step(out *output, in []byte) {
	for len(in) > 0 {
		switch {
		case l.inLabel:
			in = l.readLabel(out, in)
		case l.lineStart && in[0] == '@':
			l.inLabel, l.lineStart, l.lost = true, false, false
			l.label, l.digits = labelValue{}, append(l.digits[:0], '@')
			in = in[1:]
		default:
			end := bytes.IndexByte(in, '\n') + 1
			l.lineStart = end > 0
			if end == 0 {
				end = len(in)
			}
			out.add(in[:end])
			in = in[end:]
		}
	}
}

// readLabel reads digits, and writes the date once another byte follows. A
// label at the end of the input is not written, as in the original.
func (l *localizer) readLabel(out *output, in []byte) []byte {
	for i, c := range in {
		switch {
		case c >= '0' && c <= '9':
			l.label.shift(c - '0')
		case c >= 'a' && c <= 'f':
			l.label.shift(c - 'a' + 10)
		default:
			l.keep(in[:i])
			l.inLabel = false
			l.writeDate(out)
			return in[i:]
		}
	}
	l.keep(in)
	return nil
}

// keep remembers digits of a label that may turn out to have no date.
func (l *localizer) keep(digits []byte) {
	if len(l.digits)+len(digits) > filterSize {
		l.lost = true
		return
	}
	l.digits = append(l.digits, digits...)
}

// writeDate writes "2026-11-22 10:37:10.243321452".
func (l *localizer) writeDate(out *output) {
	second := int64(l.label.seconds - (1<<62 + 10)) //nolint:gosec // the original wraps around as well
	if l.date == nil || second != l.second {
		l.second, l.date = second, appendDate(l.date[:0], time.Unix(second, 0).In(l.zone))
	}
	if len(l.date) == 0 && !l.lost {
		out.add(l.digits)
		return
	}
	var b [64]byte
	line := append(b[:0], l.date...)
	line = append(line, '.')
	out.add(appendDigits(line, uint64(l.label.nanoseconds), 9))
}

// appendDate appends "2026-11-22 10:37:10", or nothing for a year that the C
// library has no room for: it counts them from 1900 in an int.
func appendDate(b []byte, t time.Time) []byte {
	year, month, day := t.Date()
	if since := int64(year) - 1900; since > math.MaxInt32 || since < math.MinInt32 {
		return b
	}
	hour, minute, second := t.Clock()
	// The original prints the int as an unsigned long.
	b = strconv.AppendUint(b, uint64(int64(int32(year))), 10) //nolint:gosec // see above
	b = appendDigits(append(b, '-'), uint64(month), 2)        //nolint:gosec // 1 to 12
	b = appendDigits(append(b, '-'), uint64(day), 2)          //nolint:gosec // 1 to 31
	b = appendDigits(append(b, ' '), uint64(hour), 2)         //nolint:gosec // 0 to 23
	b = appendDigits(append(b, ':'), uint64(minute), 2)       //nolint:gosec // 0 to 59
	return appendDigits(append(b, ':'), uint64(second), 2)    //nolint:gosec // 0 to 59
}

// appendDigits appends a number with at least so many digits.
func appendDigits(b []byte, n uint64, width int) []byte {
	for limit, digits := uint64(10), 1; digits < width; digits++ {
		if n < limit {
			b = append(b, '0')
		}
		limit *= 10
	}
	return strconv.AppendUint(b, n, 10)
}
