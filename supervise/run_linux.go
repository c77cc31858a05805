package supervise

import (
	"fmt"
	"math"

	"golang.org/x/sys/unix"
)

// Run supervises until everything has ended on request. It returns the exit
// code. An error is said before anything was started.
func Run(cfg Config, role Role) (int, error) {
	// Nothing of who started us is for services, but the first three.
	_ = unix.CloseRange(3, math.MaxInt32, unix.CLOSE_RANGE_CLOEXEC) // before Linux 5.11 they have what they have
	cfg.stopping = role.Stopping
	spareThreads()
	if role.Supervisor > 0 {
		return superviseFrom(cfg, role.Supervisor)
	}
	// The supervisor would fail for ever.
	fd, err := unix.Open(cfg.Dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, &openError{cfg.Dir, err}
	}
	unix.Close(fd)
	var held []heldFD
	if role.Held > 0 {
		if held, err = readHeld(role.Held); err != nil {
			return 0, fmt.Errorf("what the keeper before this one held: %w", err)
		}
	}
	return keep(cfg, held)
}
