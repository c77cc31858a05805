package supervise

import (
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
)

// signalPipe makes signals readable: a byte each, in a pipe.
type signalPipe struct {
	fd     int
	writer int
}

// catchSignals has signals come through a pipe. They do for as long as the
// process lives.
func catchSignals(list ...os.Signal) (*signalPipe, error) {
	var ends [2]int
	if err := unix.Pipe2(ends[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		return nil, err
	}
	p := &signalPipe{ends[0], ends[1]}
	// Where nobody reads what is said any more, writing it fails, and is not the
	// end. An ignored signal would be passed on to services.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	ch := make(chan os.Signal, 64)
	signal.Notify(ch, list...)
	go func() {
		for s := range ch {
			if number, ok := s.(syscall.Signal); ok {
				// A full pipe has enough to wake anybody.
				_, _ = unix.Write(p.writer, []byte{byte(number)}) //nolint:gosec // signals are below 65
			}
		}
	}()
	return p, nil
}

// take returns the signals that came, each once.
func (p *signalPipe) take() []syscall.Signal {
	var b [64]byte
	var list []syscall.Signal
	seen := [65]bool{}
	for {
		n, err := unix.Read(p.fd, b[:])
		if n <= 0 || err != nil {
			return list
		}
		for _, number := range b[:n] {
			if number < 65 && !seen[number] {
				seen[number] = true
				list = append(list, syscall.Signal(number))
			}
		}
	}
}
