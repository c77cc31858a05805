package supervise

import (
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// orphanPatience is how long the keeper waits at the end of all for what it has
// killed: each that ends may leave it others.
const orphanPatience = 5 * time.Second

// endChildren kills what has become a child of the keeper because nobody else has
// it: services have left it behind, without the marker by which it would have been
// found before. What has the keeper's session is from who started it: services have
// their own, and nobody can come into another.
func (k *keeper) endChildren() {
	own, err := unix.Getsid(0)
	if err != nil || !ownProc() {
		return
	}
	for deadline := time.Now().Add(orphanPatience); ; {
		k.reap()
		left := 0
		for _, pid := range children(os.Getpid()) {
			if session, err := unix.Getsid(pid); err == nil && session != own {
				_ = syscall.Kill(pid, syscall.SIGKILL) // a child that was not waited for keeps its number
				left++
			}
		}
		if left == 0 {
			return
		}
		if time.Now().After(deadline) {
			k.cfg.say("processes that services have left behind do not end")
			return
		}
		fds := []unix.PollFd{{Fd: int32(k.signals.fd), Events: unix.POLLIN}} //nolint:gosec // descriptors are small
		_, _ = unix.Poll(fds, 10)                                            // then it is looked again
		k.signals.take()
	}
}
