package supervise

import (
	"encoding/binary"
	"errors"
	"unsafe"

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
// that ended, then opEnd; from then on it says what changes. Signals come in this
// way, too: one that is sent to a supervisor in its first moments would kill it.
const (
	opStore  op = 'S' // with the descriptor, and the process's id where it is a pidfd
	opDrop   op = 'D' // close the copy
	opEnd    op = 'E' // all has been sent
	opWait   op = 'W' // a process ended: number is its id, status its wait status
	opQuit   op = 'Q' // the supervisor ends for good: number is the exit code, status may be endsAll
	opReady  op = 'R' // all services have been looked at
	opSignal op = 'G' // a signal came that is for the supervisor: number is which
)

// endsAll says that what services have left behind is to end too.
const endsAll = 1

// message is one of those that a datagram carries.
type message struct {
	op     op
	key    key
	number uint32 // process id, or exit code
	status uint32
	fd     int // of opStore, else -1
}

const messageSize = 1 + 1 + 8 + 8 + 4 + 4

// maxLetter is how many messages one datagram carries at most, and with it how
// many descriptors: fewer than the kernel allows.
const maxLetter = 32

func (m *message) encode(b []byte) {
	b[0], b[1] = byte(m.op), byte(m.key.kind)
	binary.LittleEndian.PutUint64(b[2:], m.key.dev)
	binary.LittleEndian.PutUint64(b[10:], m.key.ino)
	binary.LittleEndian.PutUint32(b[18:], m.number)
	binary.LittleEndian.PutUint32(b[22:], m.status)
}

func decode(b []byte) message {
	return message{
		op:     op(b[0]),
		key:    key{kind(b[1]), binary.LittleEndian.Uint64(b[2:]), binary.LittleEndian.Uint64(b[10:])},
		number: binary.LittleEndian.Uint32(b[18:]),
		status: binary.LittleEndian.Uint32(b[22:]),
		fd:     -1,
	}
}

// mailbox is one side of the socket between keeper and supervisor. What it works
// in is there once, because a process that waits most of its time should have no
// garbage.
type mailbox struct {
	socket int // -1: there is nobody on the other side
	data   [maxLetter * messageSize]byte
	rights rights
	letter [maxLetter]message
	iov    unix.Iovec
	header unix.Msghdr
}

// rights is what goes along with a datagram: descriptors.
//
// Source: cmsg(3), unix(7); the header needs no padding on Linux.
type rights struct {
	header unix.Cmsghdr
	fds    [maxLetter]int32
}

func newMailbox(socket int) *mailbox { return &mailbox{socket: socket} }

// close closes the socket.
func (m *mailbox) close() {
	if m.socket >= 0 {
		unix.Close(m.socket)
		m.socket = -1
	}
}

// send sends messages, at most maxLetter of them, in one datagram: all of them or
// none. flags may be MSG_DONTWAIT; then EAGAIN says that there is no room.
func (m *mailbox) send(letter []message, flags int) error {
	fds := 0
	for i := range letter {
		letter[i].encode(m.data[i*messageSize:])
		if letter[i].op == opStore {
			m.rights.fds[fds] = int32(letter[i].fd) //nolint:gosec // descriptors are small
			fds++
		}
	}
	m.point(len(letter)*messageSize, 0)
	if fds > 0 {
		m.rights.header = unix.Cmsghdr{Level: unix.SOL_SOCKET, Type: unix.SCM_RIGHTS}
		m.rights.header.SetLen(unix.CmsgLen(4 * fds))
		m.point(len(letter)*messageSize, unix.CmsgLen(4*fds))
	}
	for {
		_, _, errno := unix.Syscall(unix.SYS_SENDMSG, uintptr(m.socket), uintptr(unsafe.Pointer(&m.header)), uintptr(flags|unix.MSG_NOSIGNAL)) //nolint:gosec // the kernel's structure
		switch errno {
		case 0:
			return nil
		case unix.EINTR:
		case unix.ETOOMANYREFS:
			return unix.EAGAIN // more descriptors are on their way than one user may have there
		default:
			return errno
		}
	}
}

// point has the kernel read and write so much of what the mailbox has.
//
// Source: sendmsg(2), cmsg(3).
func (m *mailbox) point(data, rights int) {
	m.iov.Base = &m.data[0]
	m.iov.SetLen(data)
	m.header = unix.Msghdr{Iov: &m.iov}
	m.header.SetIovlen(1)
	if rights > 0 {
		m.header.Control = (*byte)(unsafe.Pointer(&m.rights)) //nolint:gosec // the kernel's structure
		m.header.SetControllen(rights)
	}
}

// errGone says that the other side has ended.
var errGone = errors.New("the other process has ended")

// receive reads one datagram; what it returns is good until the next call. flags
// may be MSG_DONTWAIT; then EAGAIN says that there is none. A message of opStore
// whose descriptor could not be had comes without one.
func (m *mailbox) receive(flags int) ([]message, error) {
	var n uintptr
	for {
		m.point(len(m.data), int(unsafe.Sizeof(m.rights)))
		var errno unix.Errno
		n, _, errno = unix.Syscall(unix.SYS_RECVMSG, uintptr(m.socket), uintptr(unsafe.Pointer(&m.header)), uintptr(flags|unix.MSG_CMSG_CLOEXEC)) //nolint:gosec // the kernel's structure
		if errno == unix.EINTR {
			continue
		}
		if errno == unix.ECONNRESET || errno == 0 && n == 0 {
			return nil, errGone
		}
		if errno != 0 {
			return nil, errno
		}
		break
	}
	var fds []int32
	if c := &m.rights.header; m.header.Controllen >= unix.SizeofCmsghdr && c.Level == unix.SOL_SOCKET && c.Type == unix.SCM_RIGHTS {
		fds = m.rights.fds[:min((int(c.Len)-unix.SizeofCmsghdr)/4, maxLetter)] //nolint:gosec // the kernel's length
	}
	letter := m.letter[:n/messageSize]
	for i := range letter {
		letter[i] = decode(m.data[i*messageSize:])
		if letter[i].op == opStore && len(fds) > 0 {
			letter[i].fd, fds = int(fds[0]), fds[1:]
		}
	}
	return letter, nil
}
