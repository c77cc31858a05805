package chainload

import "golang.org/x/sys/unix"

// OpenBSD has no limit of the whole address space.
//
// Source: https://man.openbsd.org/getrlimit.2
func addressSpace() []int { return nil }

func lockedMemory() []int { return []int{unix.RLIMIT_MEMLOCK} }

func processes() []int { return []int{unix.RLIMIT_NPROC} }

func residentSize() []int { return []int{unix.RLIMIT_RSS} }
