package chainload

import "golang.org/x/sys/unix"

func addressSpace() []int { return []int{unix.RLIMIT_AS} }

// Solaris has no limits of locked memory, processes and resident size.
//
// Source: https://docs.oracle.com/cd/E88353_01/html/E37841/getrlimit-2.html
func lockedMemory() []int { return nil }

func processes() []int { return nil }

func residentSize() []int { return nil }
