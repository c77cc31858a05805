package spawn

const hasVfork = true

// vfork starts the child, and returns when the program runs or the child has given
// up. The result is the number of the process, or a negative error.
//
//go:noescape
func vfork(c *child) (result int)
