package logrotate

import "golang.org/x/sys/unix"

// allocate makes a file of zeros on disk.
func allocate(fd int, size int64) error {
	return again(func() error { return unix.Fallocate(fd, 0, 0, size) })
}

// mappable returns whether stores to pages of a file that are on disk always
// work: on file systems of this machine that change files in place. What is below
// an overlay is not known; mostly it is one of the others.
//
// Source: statfs(2), linux/magic.h.
func mappable(fd int) bool {
	var st unix.Statfs_t
	if err := again(func() error { return unix.Fstatfs(fd, &st) }); err != nil {
		return false
	}
	switch int64(st.Type) { //nolint:unconvert // int32 on some machines
	case unix.EXT4_SUPER_MAGIC, unix.XFS_SUPER_MAGIC, unix.TMPFS_MAGIC, unix.RAMFS_MAGIC, unix.OVERLAYFS_SUPER_MAGIC:
		return true
	}
	return false
}
