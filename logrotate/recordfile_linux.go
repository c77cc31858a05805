package logrotate

import "golang.org/x/sys/unix"

// allocate makes a file of zeros on disk.
func allocate(fd int, size int64) error {
	return again(func() error { return unix.Fallocate(fd, 0, 0, size) })
}

// mappable returns whether stores to pages of a file that are on disk always
// work: not where each goes to a new place, or to another machine.
//
// Source: statfs(2), linux/magic.h.
func mappable(fd int) bool {
	var st unix.Statfs_t
	if err := again(func() error { return unix.Fstatfs(fd, &st) }); err != nil {
		return false
	}
	const (
		zfs      = 0x2fc12fc1
		cifs     = 0xff534d42
		bcachefs = 0xca451a4e
	)
	switch int64(st.Type) { //nolint:unconvert // int32 on some machines
	case unix.BTRFS_SUPER_MAGIC, unix.NFS_SUPER_MAGIC, unix.FUSE_SUPER_MAGIC, unix.SMB_SUPER_MAGIC, unix.SMB2_SUPER_MAGIC,
		unix.V9FS_MAGIC, unix.CEPH_SUPER_MAGIC, unix.CODA_SUPER_MAGIC, zfs, cifs, bcachefs:
		return false
	}
	return true
}
