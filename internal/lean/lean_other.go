//go:build !linux

package lean

import "runtime/debug"

// Memory gives back free memory.
func Memory() { debug.FreeOSMemory() }

// Program does nothing: only Linux tells a process what it has mapped.
func Program() {}
