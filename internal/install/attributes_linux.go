package install

import "golang.org/x/sys/unix"

// noAttribute is the error where a file has no extended attribute of a name.
const noAttribute = unix.ENODATA
