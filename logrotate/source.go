package logrotate

import (
	"errors"

	"golang.org/x/sys/unix"

	"scgikit/internal/djberr"
)

// source is where lines come from.
type source interface {
	// fill puts input into b, at most all of it: 0 is the end, EAGAIN means that
	// there is none now.
	fill(b []byte) (int, error)
	// consume takes input that fill has shown out of the pipe; its last bytes,
	// as many as marker has, go there.
	consume(input, marker []byte) error
	// identity tells the pipe from all others.
	identity() pipeIdentity
	// available returns how many bytes are in the pipe.
	available() uint64
}

// pipeIdentity is a pipe, and in which run of the machine.
type pipeIdentity struct {
	boot     [16]byte
	dev, ino uint64
}

// plain reads from what is no pipe, or must not be peeked at.
type plain struct{ fd int }

// plainSize is how much is read at a time: what a kill may cost.
const plainSize = 32 << 10

// fill asks first whether there is anything, whatever the descriptor says about
// blocking: a read that waits would hear no Stop.
func (p plain) fill(b []byte) (int, error) {
	ready := [1]unix.PollFd{{Fd: int32(p.fd), Events: unix.POLLIN}} //nolint:gosec // descriptors are small
	n := 0
	err := again(func() (err error) {
		if n, err = unix.Poll(ready[:], 0); n > 0 {
			n, err = unix.Read(p.fd, b[:min(len(b), plainSize)])
		} else if err == nil {
			err = unix.EAGAIN
		}
		return err
	})
	return max(n, 0), err
}

func (plain) consume(_, _ []byte) error { return nil }

func (plain) identity() pipeIdentity { return pipeIdentity{} }

func (plain) available() uint64 { return 0 }

// errReading is given with what reading said.
type errReading struct{ err error }

func (e *errReading) Error() string { return "unable to read input: " + djberr.Text(e.err) }

func (e *errReading) Unwrap() error { return e.err }

// robbedMessage warns where that happens.
const robbedMessage = "the pipe that is the input has another reader, which takes lines away"

// errShort is less from a pipe than was in it a moment ago.
var errShort = errors.New("fewer bytes than there were")

// errTrouble ends a log that was to stop while it could not write. What it did
// not write is still in the pipe; what it did not finish is for the next start.
var errTrouble = errors.New("stopped while there was trouble; the next start goes on from here")
