//go:build !linux

package logrotate

import "time"

// birthTime knows nothing here.
func birthTime(int) (time.Time, bool) { return time.Time{}, false }
