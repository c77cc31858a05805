package logrotate

import (
	"time"

	"golang.org/x/sys/unix"
)

// birthTime returns when a file was made, where the file system knows it.
func birthTime(fd int) (time.Time, bool) {
	var st unix.Statx_t
	err := again(func() error { return unix.Statx(fd, "", unix.AT_EMPTY_PATH, unix.STATX_BTIME, &st) })
	if err != nil || st.Mask&unix.STATX_BTIME == 0 {
		return time.Time{}, false
	}
	return time.Unix(st.Btime.Sec, int64(st.Btime.Nsec)), true
}
