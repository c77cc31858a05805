//go:build unix && !openbsd && !solaris

package chainload

import "golang.org/x/sys/unix"

func addressSpace() []int { return []int{unix.RLIMIT_AS} }

func lockedMemory() []int { return []int{unix.RLIMIT_MEMLOCK} }

func processes() []int { return []int{unix.RLIMIT_NPROC} }

func residentSize() []int { return []int{unix.RLIMIT_RSS} }
