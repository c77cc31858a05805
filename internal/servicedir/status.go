package servicedir

import (
	"encoding/binary"
	"errors"
	"time"

	"scgikit/internal/tai64n"
)

// Run is byte 19 of a status file, runit's word for what runs.
type Run byte

// The values of Run.
const (
	RunDown   Run = 0
	RunUp     Run = 1 // ./run
	RunFinish Run = 2 // ./finish
)

// Want is byte 17 of a status file.
type Want byte

// The values of Want.
const (
	WantOnce Want = 0 // nothing more is to be done; runit writes WantDown
	WantUp   Want = 'u'
	WantDown Want = 'd'
)

// Size is the length of a status file that all the tools read: longer ones
// would give encore's svstat a log to print.
const Size = 35

// The lengths of what others write.
const (
	sizeDaemontools = 18
	sizeRunit       = 20
)

// Status is what a status file says.
type Status struct {
	Since   time.Time // of the last start or end
	PID     int       // of ./run, or of ./finish where Run is RunFinish; 0 is none
	Paused  bool
	Want    Want
	GotTERM bool // TERM was sent to it
	Run     Run
	Exit    uint16 // wait status of the last process, 0 before the first has ended
}

// s6 keeps what runs in the flags of byte 34.
const (
	s6Paused    = 1
	s6Finishing = 2
	s6WantUp    = 4
)

// Put writes s in the one form that the tools of the three families read:
// daemontools' 18 bytes, runit's 20, and s6's process id, wait status and flags
// at its own places behind. What s6 would call the time of readiness is where
// the others have theirs, so s6 never sees a service as ready.
func (s *Status) Put(b *[Size]byte) {
	*b = [Size]byte{}
	tai64n.PutBinary(b[:12], s.Since)
	binary.LittleEndian.PutUint32(b[12:], uint32(s.PID)) //nolint:gosec // process ids are small
	if s.Paused {
		b[16] = 1
		b[34] |= s6Paused
	}
	b[17] = byte(s.Want)
	if s.GotTERM {
		b[18] = 1
	}
	b[19] = byte(s.Run)
	binary.BigEndian.PutUint64(b[24:], uint64(s.PID)) //nolint:gosec // process ids are positive
	binary.BigEndian.PutUint16(b[32:], s.Exit)
	if s.Run == RunFinish {
		b[34] |= s6Finishing
	}
	if s.Want == WantUp {
		b[34] |= s6WantUp
	}
}

// ErrFormat says that a file is no status file.
var ErrFormat = errors.New("bad format")

// ParseStatus reads the status file of any of the families: 18 bytes of
// daemontools, 20 of runit, 35 of scgikit. A longer file is read as daemontools'
// own tools do it, by its first 18 bytes. A file of s6 looks like one of ours;
// who wrote it has to be known.
func ParseStatus(b []byte) (Status, error) {
	if len(b) < sizeDaemontools {
		return Status{}, ErrFormat
	}
	s := Status{
		Since:  since(b),
		PID:    int(binary.LittleEndian.Uint32(b[12:])),
		Paused: b[16] != 0,
		Want:   Want(b[17]),
	}
	if s.PID != 0 {
		s.Run = RunUp
	}
	if len(b) == sizeRunit || len(b) == Size {
		s.GotTERM, s.Run = b[18] != 0, Run(b[19])
	}
	if len(b) == Size {
		s.Exit = binary.BigEndian.Uint16(b[32:])
	}
	return s, nil
}

// Check is ErrFormat for what no supervisor writes: a stamp outside 1970 to 9999,
// which dates can not be written of, or letters that mean nothing.
func (s *Status) Check() error {
	ok := s.Since.Unix() >= 0 && s.Since.Unix() < lastSecond
	switch s.Want {
	case WantOnce, WantUp, WantDown:
	default:
		ok = false
	}
	switch s.Run {
	case RunDown, RunUp, RunFinish:
	default:
		ok = false
	}
	if !ok {
		return ErrFormat
	}
	return nil
}

// lastSecond is the first that is none any more: 10000-01-01.
const lastSecond = 253402300800

// since reads the stamp. Nanoseconds that are none do not carry over into the
// seconds, which the tools show.
func since(b []byte) time.Time {
	var label [tai64n.BinarySize]byte
	copy(label[:8], b)
	nanoseconds := min(binary.BigEndian.Uint32(b[8:]), 999_999_999)
	binary.BigEndian.PutUint32(label[8:], nanoseconds)
	return tai64n.Binary(label[:])
}
