package appfile

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// fault is what is wrong with a value, before its place is known.
type fault struct {
	code, message, hint string
}

// maxDuration is the longest time a field takes. It keeps every target's
// arithmetic in seconds and milliseconds within 32 bits of seconds.
const maxDuration = 10 * 365 * 24 * time.Hour

var (
	modeSyntax = regexp.MustCompile(`^0[0-7]{3}$`)
	digits     = regexp.MustCompile(`^[0-9]+$`)
	octal3     = regexp.MustCompile(`^[0-7]{3}$`)
	intSyntax  = regexp.MustCompile(`^(0|-?[1-9][0-9]*)$`)
	sizeSyntax = regexp.MustCompile(`^(0|[1-9][0-9]*) ?(B|KiB|MiB|GiB)?$`)
	looseSize  = regexp.MustCompile(`^([0-9]+) ?([kKmMgG])i?[bB]?$`)
)

// parseMode reads a file mode as it is written: a zero and three octal digits.
// YAML's own reading of the scalar is not asked, because 0660, 0o660 and 432
// are one number to it and mean different things to people.
func parseMode(s string) (Mode, *fault) {
	if modeSyntax.MatchString(s) {
		v, err := strconv.ParseUint(s, 8, 32)
		if err == nil {
			return Mode(v), nil
		}
	}
	f := &fault{code: "bad-mode", message: s + " is not an octal file mode", hint: `quote it and use digits 0-7, for example "0660"`}
	n, err := strconv.ParseUint(s, 10, 32)
	switch {
	case octal3.MatchString(s):
		f.message = s + " is not four octal digits"
		f.hint = fmt.Sprintf("write %q", "0"+s)
		if n <= 0o777 && n != 0 && !strings.HasPrefix(s, "0") && likelyMode(n) && !likelyMode(octalOf(s)) {
			f.hint = fmt.Sprintf("write %q; %s is its decimal form", fmt.Sprintf("%04o", n), s)
		}
	case strings.HasPrefix(s, "0o") && octal3.MatchString(s[2:]):
		f.message = s + " is not how a mode is written here"
		f.hint = fmt.Sprintf("write %q", "0"+s[2:])
	case len(s) == 9 && strings.Trim(s, "rwx-") == "":
		f.hint = fmt.Sprintf("write %q", fmt.Sprintf("%04o", symbolicMode(s)))
	case digits.MatchString(s) && strings.Trim(s, "01234567") == "" && len(s) > 3:
		f.message = s + " has more than permission bits"
		f.hint = fmt.Sprintf("write %q", "0"+s[len(s)-3:])
	case err == nil && n <= 0o777 && n > 7 && !strings.HasPrefix(s, "0"):
		f.hint = fmt.Sprintf("write %q; %s is its decimal form", fmt.Sprintf("%04o", n), s)
	}
	return 0, f
}

// likelyMode reports whether a number, taken as a mode, gives its owner at
// least as much as its group, and its group at least as much as others: 0660
// does, 0432 does not.
func likelyMode(n uint64) bool {
	owner, group, other := n>>6&7, n>>3&7, n&7
	return owner != 0 && group&^owner == 0 && other&^group == 0
}

func octalOf(s string) uint64 {
	v, err := strconv.ParseUint(s, 8, 32)
	if err != nil {
		return 0
	}
	return v
}

// symbolicMode reads the nine characters that ls shows.
func symbolicMode(s string) uint64 {
	var m uint64
	for i := range 9 {
		m <<= 1
		if s[i] != '-' {
			m |= 1
		}
	}
	return m
}

// parseSize reads a number of bytes with an optional unit.
func parseSize(s string) (Size, *fault) {
	f := &fault{code: "bad-size", message: s + " is not a size", hint: "write a whole number with B, KiB, MiB or GiB, for example 10MiB"}
	m := sizeSyntax.FindStringSubmatch(s)
	if m == nil {
		if loose := looseSize.FindStringSubmatch(s); loose != nil {
			f.hint = fmt.Sprintf("write %s%siB", strings.TrimLeft(loose[1][:len(loose[1])-1], "0")+loose[1][len(loose[1])-1:], strings.ToUpper(loose[2]))
		}
		return 0, f
	}
	shift := map[string]uint{"": 0, "B": 0, "KiB": 10, "MiB": 20, "GiB": 30}[m[2]]
	n, err := strconv.ParseInt(m[1], 10, 64)
	if err != nil || n > maxSize>>shift {
		f.message, f.hint = s+" is too big", fmt.Sprintf("the largest size is %s", Size(maxSize))
		return 0, f
	}
	return Size(n << shift), nil
}

// maxSize is 1 TiB: more than any field can mean, and far from the end of int64.
const maxSize = 1 << 40

// day is a day of a duration, whatever the clocks of a country do in it.
const day = 24 * time.Hour

// parseDuration reads a Go duration, which may begin with whole days: 7d, 1d12h.
func parseDuration(s string) (time.Duration, *fault) {
	d, err := daysAndTime(s)
	switch {
	case err != nil && digits.MatchString(s):
		return 0, &fault{code: "bad-duration", message: s + " has no unit", hint: "write " + s + "s for seconds; the units are ms, s, m, h and d"}
	case err != nil:
		return 0, &fault{code: "bad-duration", message: s + " is not a duration", hint: "write a number with ms, s, m, h or d, for example 90s or 1m30s"}
	case d < 0:
		return 0, &fault{code: "bad-duration", message: s + " is negative", hint: "write how long, for example 10s"}
	case d > maxDuration:
		return 0, &fault{code: "bad-duration", message: s + " is longer than ten years", hint: "write a shorter time"}
	}
	return d, nil
}

// daysAndTime adds the days that a duration may begin with to the rest. More
// days than any field takes count as one more than that.
func daysAndTime(s string) (time.Duration, error) {
	number, rest, ok := strings.Cut(s, "d")
	if !ok || !digits.MatchString(number) {
		return time.ParseDuration(s)
	}
	const most = int(maxDuration/day) + 1
	days, err := strconv.Atoi(number)
	if err != nil || days > most {
		days = most
	}
	total := time.Duration(days) * day
	if rest == "" {
		return total, nil
	}
	if strings.ContainsAny(rest[:1], "+-") {
		return 0, strconv.ErrSyntax
	}
	d, err := time.ParseDuration(rest)
	return total + min(d, maxDuration), err
}

// parseInt reads a whole decimal number.
func parseInt(s string) (int64, *fault) {
	if intSyntax.MatchString(s) {
		if n, err := strconv.ParseInt(s, 10, 64); err == nil {
			return n, nil
		}
	}
	return 0, &fault{code: "bad-number", message: s + " is not a whole number", hint: "write decimal digits, for example 4"}
}

// parseBool reads true or false, and none of YAML 1.1's other words.
func parseBool(s string) (bool, *fault) {
	switch s {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	f := &fault{code: "wrong-type", message: s + " is neither true nor false", hint: "write true or false"}
	switch strings.ToLower(s) {
	case "yes", "on", "y", "true", "1":
		f.hint = "write true"
	case "no", "off", "n", "false", "0":
		f.hint = "write false"
	}
	return false, f
}
