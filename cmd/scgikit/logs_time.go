package main

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"scgikit/internal/tai64n"
)

// agoPattern is how long ago something was: 90s, 7d, 1h30m.
var agoPattern = regexp.MustCompile(`^(?:\d+[smhdw])+$`)

// parseLogTime reads a time as people write it; zones and days are those of
// now.
func parseLogTime(text string, now time.Time) (time.Time, error) {
	year, month, day := now.Date()
	midnight := time.Date(year, month, day, 0, 0, 0, 0, now.Location())
	switch {
	case text == "now":
		return now, nil
	case text == "today":
		return midnight, nil
	case text == "yesterday":
		return midnight.AddDate(0, 0, -1), nil
	case strings.HasPrefix(text, "@"):
		return tai64n.Parse(text)
	case agoPattern.MatchString(text):
		return ago(text, now)
	}
	const stamped, svlogd = "2006-01-02 15:04:05Z07:00", "2006-01-02_15:04:05"
	for _, layout := range []string{time.RFC3339, stamped, svlogd} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	for _, layout := range []string{time.DateOnly, "2006-01-02 15:04", time.DateTime} {
		for _, between := range []string{" ", "T"} {
			t, err := time.ParseInLocation(strings.Replace(layout, " ", between, 1), text, now.Location())
			if err == nil {
				return t, nil
			}
		}
	}
	return time.Time{}, fmt.Errorf("%q is not a time", text)
}

// clockPattern is a time of day with seconds and at most microseconds.
var clockPattern = regexp.MustCompile(`\d\d:\d\d:\d\d(?:[.,]\d{1,6})?(?:Z|[+-]\d\d:\d\d)?$`)

// lastMoment returns the end of the microsecond that a text names: lines are
// shown with microseconds, and what is shown of one selects it.
func lastMoment(text string, t time.Time) time.Time {
	if clockPattern.MatchString(text) {
		return t.Add(time.Microsecond - time.Nanosecond)
	}
	return t
}

// ago returns the time that is so long before now. A day has 24 hours.
func ago(text string, now time.Time) (time.Time, error) {
	units := map[byte]time.Duration{'s': time.Second, 'm': time.Minute, 'h': time.Hour, 'd': 24 * time.Hour, 'w': 7 * 24 * time.Hour}
	const most = 200 * 365 * 24 * time.Hour
	total := time.Duration(0)
	for rest := text; rest != ""; {
		end := strings.IndexAny(rest, "smhdw")
		n, err := strconv.ParseInt(rest[:end], 10, 64)
		unit := units[rest[end]]
		if err != nil || n > int64(most/unit) || total+time.Duration(n)*unit > most {
			return time.Time{}, fmt.Errorf("%q is too long ago", text)
		}
		total += time.Duration(n) * unit
		rest = rest[end+1:]
	}
	return now.Add(-total), nil
}
