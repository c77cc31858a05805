package servicedir

import (
	"strconv"
	"strings"
	"time"
)

// Text is what svstat says of a status: "up (pid 17) 5 seconds, want down". The
// seconds are those since the last start or end, and 0 if the clock has gone
// back since.
//
// Source: daemontools 0.76 svstat.c.
func (s *Status) Text(now time.Time, normallyUp bool) string {
	var b strings.Builder
	up := s.PID != 0
	if up {
		b.WriteString("up (pid ")
		b.WriteString(strconv.FormatUint(uint64(uint32(s.PID)), 10)) //nolint:gosec // as it stands in the file
		b.WriteString(") ")
	} else {
		b.WriteString("down ")
	}
	b.WriteString(strconv.FormatUint(secondsSince(s.Since, now), 10))
	b.WriteString(" seconds")
	if up && !normallyUp {
		b.WriteString(", normally down")
	}
	if !up && normallyUp {
		b.WriteString(", normally up")
	}
	if up && s.Paused {
		b.WriteString(", paused")
	}
	if !up && s.Want == WantUp {
		b.WriteString(", want up")
	}
	if up && s.Want == WantDown {
		b.WriteString(", want down")
	}
	return b.String()
}

// secondsSince counts whole seconds as svstat does, which looks at no fraction,
// compares the seconds of TAI without a sign, and passes the difference through
// a double.
func secondsSince(then, now time.Time) uint64 {
	const epoch = 1<<62 + 10
	a, b := uint64(then.Unix())+epoch, uint64(now.Unix())+epoch //nolint:gosec // wraps around as it should
	if b < a {
		return 0
	}
	return uint64(float64(b - a))
}
