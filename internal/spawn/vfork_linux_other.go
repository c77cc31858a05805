//go:build linux && !amd64

package spawn

// hasVfork: what the child does is written for each architecture, and this is none
// of them.
const hasVfork = false

func vfork(*child) (result int) { panic("spawn: no vfork here") }
