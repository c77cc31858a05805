package bridge

import "golang.org/x/sys/unix"

// maxInherited bounds the search for open descriptors where the system can not
// mark them all at once. A starter opens few, and from the lowest number up.
const maxInherited = 1024

// closeEach marks every descriptor beyond standard error, one by one.
func closeEach() {
	for fd := 3; fd < maxInherited; fd++ {
		unix.CloseOnExec(fd)
	}
}
