package supervise

import (
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// kind is what a descriptor is for.
type kind byte

// The descriptors of a service that outlive the supervisor.
const (
	kindDir     kind = 'd' // its folder
	kindLock    kind = 'l'
	kindControl kind = 'c'
	kindOK      kind = 'o'
	kindPipe    kind = 'p' // to its log
	kindRun     kind = 'r' // pidfd of ./run
	kindFinish  kind = 'f' // pidfd of ./finish
)

// key names a descriptor: its kind, and the service by its folder's device and
// inode.
type key struct {
	kind     kind
	dev, ino uint64
}

// op is what a message between keeper and supervisor says.
type op byte

// The messages. A supervisor gets all descriptors and what is known of processes
// that ended, then opEnd; from then on it says what changes.
const (
	opStore op = 'S' // with the descriptor, and the process's id where it is a pidfd
	opDrop  op = 'D' // close the copy
	opEnd   op = 'E' // all has been sent
	opWait  op = 'W' // a process ended: number is its id, status its wait status
	opQuit  op = 'Q' // the supervisor ends for good: number is the exit code
	opReady op = 'R' // all services have been looked at
)

// message is one datagram.
type message struct {
	op     op
	key    key
	number uint32 // process id, or exit code
	status uint32
	fd     int // of opStore, else -1
}

const messageSize = 1 + 1 + 8 + 8 + 4 + 4

func (m *message) encode(b *[messageSize]byte) {
	b[0], b[1] = byte(m.op), byte(m.key.kind)
	binary.LittleEndian.PutUint64(b[2:], m.key.dev)
	binary.LittleEndian.PutUint64(b[10:], m.key.ino)
	binary.LittleEndian.PutUint32(b[18:], m.number)
	binary.LittleEndian.PutUint32(b[22:], m.status)
}

func decode(b *[messageSize]byte) message {
	return message{
		op:     op(b[0]),
		key:    key{kind(b[1]), binary.LittleEndian.Uint64(b[2:]), binary.LittleEndian.Uint64(b[10:])},
		number: binary.LittleEndian.Uint32(b[18:]),
		status: binary.LittleEndian.Uint32(b[22:]),
		fd:     -1,
	}
}

// send writes one message, waiting for room. flags may be MSG_DONTWAIT; then EAGAIN
// is none.
func send(socket int, m message, flags int) error {
	var b [messageSize]byte
	m.encode(&b)
	var rights []byte
	if m.op == opStore {
		rights = unix.UnixRights(m.fd)
	}
	for {
		err := unix.Sendmsg(socket, b[:], rights, nil, flags|unix.MSG_NOSIGNAL)
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// errGone says that the other side has ended.
var errGone = errors.New("the other process has ended")

// receive reads one message. flags may be MSG_DONTWAIT; then EAGAIN is none.
func receive(socket, flags int) (message, error) {
	var b [messageSize]byte
	var rights [32]byte
	for {
		n, rn, _, _, err := unix.Recvmsg(socket, b[:], rights[:], flags|unix.MSG_CMSG_CLOEXEC)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.ECONNRESET), err == nil && n == 0:
			return message{}, errGone
		case err != nil:
			return message{}, err
		}
		m := decode(&b)
		if m.fd, err = onlyRight(rights[:rn]); err != nil {
			return message{}, err
		}
		return m, nil
	}
}

// onlyRight returns the descriptor that came along, or -1.
func onlyRight(rights []byte) (int, error) {
	if len(rights) == 0 {
		return -1, nil
	}
	control, err := unix.ParseSocketControlMessage(rights)
	if err != nil || len(control) != 1 {
		return -1, fmt.Errorf("a message with %d parts: %w", len(control), err)
	}
	fds, err := unix.ParseUnixRights(&control[0])
	if err != nil || len(fds) != 1 {
		return -1, fmt.Errorf("a message with %d descriptors: %w", len(fds), err)
	}
	return fds[0], nil
}
