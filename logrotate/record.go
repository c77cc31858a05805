package logrotate

import (
	"encoding/binary"
	"sync/atomic"
	"unsafe"
)

// A record says, in the lock file of the first folder, how far a logger has
// come with the input: what the next one needs to go on behind a kill -9 as if
// nothing had happened. It is mapped, so it outlives the process and costs no
// system call; it need not outlive the machine, because the pipe does not.
//
// A commit is: note the sizes that the files have, write to the files, take the
// input out of the pipe. Whether the last step was done is known exactly,
// because it is one vectored read whose last bytes land in the record. What a line
// that is still incomplete needs is in one of two slots; the commit changes
// from one to the other.
//
//	   0  magic
//	   8  boot: which run of the machine
//	  24  pipe: device, inode
//	  40  state: 8 bytes, the phase and the slot, changed by one store
//	  48  tail, marker: 8 bytes each; equal once the input is taken
//	  64  number of folders: 4 bytes
//	  72  length of the input that a commit takes: 8 bytes
//	 128  slots: 1280 bytes each
//	2688  folders: 40 bytes each
type record struct {
	mem []byte // nil where there is none
}

const (
	recordMagic   = "scgilog1"
	recordSize    = 8192
	recordBoot    = 8
	recordPipe    = 24
	recordState   = 40
	recordTail    = 48
	recordMarker  = 56
	recordFolders = 64
	recordInput   = 72
	recordSlots   = 128
	slotSize      = 1280
	recordEntries = recordSlots + 2*slotSize
	entrySize     = 40

	// Within a slot.
	slotFlags    = 0
	slotHead     = 4
	slotSelected = 8
	slotText     = 16 // to 1016

	flagStarted = 1
	flagLong    = 2
	flagEnds    = 4
)

// maxRecorded is how many folders a record has room for.
const maxRecorded = (recordSize - recordEntries) / entrySize

// Phases.
const (
	phaseIdle       = 0
	phaseCommitting = 1
)

// entry is what a record says of one folder.
type entry struct {
	dirDev, dirIno uint64
	currentIno     uint64
	before, after  int64 // sizes of current around the commit
}

// state is a word of its own, so that phase and slot change together.
func (r record) state() *uint64 {
	_ = r.mem[recordState+7]
	return (*uint64)(unsafe.Pointer(&r.mem[recordState])) //nolint:gosec // the mapping is aligned, and so is the offset
}

func (r record) committing() bool { return atomic.LoadUint64(r.state())&phaseCommitting != 0 }

func (r record) slot() uint64 { return atomic.LoadUint64(r.state()) >> 32 & 1 }

// setState is atomic so that no other store is moved across it.
func (r record) setState(slot, phase uint64) { atomic.StoreUint64(r.state(), slot<<32|phase) }

// begin says that what the entries and the next slot hold is being written.
func (r record) begin() { r.setState(r.slot(), phaseCommitting) }

// end says that the commit is done.
func (r record) end() { r.setState(r.slot()^1, phaseIdle) }

// settle ends a commit that a killed logger began: as done if its input was
// taken, as never begun if not.
func (r record) settle() {
	slot := r.slot()
	if r.committing() && r.consumed() {
		slot ^= 1
	}
	r.setState(slot, phaseIdle)
}

func (r record) slotBytes(slot uint64) []byte {
	at := recordSlots + int(slot&1)*slotSize
	return r.mem[at : at+slotSize]
}

// consumed returns whether the input of the commit was taken out of the pipe.
func (r record) consumed() bool {
	return string(r.mem[recordTail:recordTail+8]) == string(r.mem[recordMarker:recordMarker+8])
}

// expect notes the last bytes of the input that a commit takes, and makes the
// marker differ from them in every byte. It returns the part of the record that
// these bytes are to be read into.
func (r record) expect(input []byte) (marker []byte) {
	n := min(len(input), 8)
	tail := r.mem[recordTail : recordTail+8]
	mark := r.mem[recordMarker : recordMarker+8]
	clear(tail)
	copy(tail, input[len(input)-n:])
	copy(mark, tail)
	for i := range mark {
		if i < n || n == 0 {
			mark[i] = ^tail[i]
		}
	}
	binary.LittleEndian.PutUint64(r.mem[recordInput:], uint64(len(input)))
	return mark[:n]
}

// input returns how many bytes the commit takes out of the pipe.
func (r record) input() uint64 { return binary.LittleEndian.Uint64(r.mem[recordInput:]) }

// expects returns whether these are the last bytes of the input that a commit
// takes, as far as it notes them.
func (r record) expects(input []byte) bool {
	n := min(len(input), 8)
	return string(r.mem[recordTail:recordTail+n]) == string(input[len(input)-n:])
}

// accept notes that the input is taken, where there was none to be read.
func (r record) accept() {
	copy(r.mem[recordMarker:recordMarker+8], r.mem[recordTail:recordTail+8])
}

// folders returns how many entries there are.
func (r record) folders() int {
	return min(int(binary.LittleEndian.Uint32(r.mem[recordFolders:])), maxRecorded)
}

// identity returns the pipe that the record is about; ok is false where it is no
// record.
func (r record) identity() (id pipeIdentity, ok bool) {
	if len(r.mem) < recordSize || string(r.mem[:recordBoot]) != recordMagic {
		return id, false
	}
	copy(id.boot[:], r.mem[recordBoot:])
	id.dev = binary.LittleEndian.Uint64(r.mem[recordPipe:])
	id.ino = binary.LittleEndian.Uint64(r.mem[recordPipe+8:])
	return id, true
}

// start makes it the record of a run. What it says of a line stays if keep is
// true.
func (r record) start(id pipeIdentity, folders int, keep bool) {
	if !keep {
		// Where the entries fit into the first page, the other one is never touched.
		// The magic stays, if it is there: a file without it is somebody else's.
		clear(r.mem[recordBoot : recordEntries+folders*entrySize])
	}
	copy(r.mem[recordBoot:], id.boot[:])
	binary.LittleEndian.PutUint64(r.mem[recordPipe:], id.dev)
	binary.LittleEndian.PutUint64(r.mem[recordPipe+8:], id.ino)
	binary.LittleEndian.PutUint32(r.mem[recordFolders:], uint32(folders)) //nolint:gosec // at most maxRecorded
	copy(r.mem, recordMagic)
}

func (r record) entry(i int) entry {
	b := r.mem[recordEntries+i*entrySize:][:entrySize]
	return entry{
		dirDev: binary.LittleEndian.Uint64(b), dirIno: binary.LittleEndian.Uint64(b[8:]),
		currentIno: atomic.LoadUint64((*uint64)(unsafe.Pointer(&b[16]))),                                        //nolint:gosec // the mapping is aligned, and so are the offsets
		before:     int64(binary.LittleEndian.Uint64(b[24:])), after: int64(binary.LittleEndian.Uint64(b[32:])), //nolint:gosec // sizes, written by setEntry
	}
}

func (r record) setEntry(i int, e entry) {
	b := r.mem[recordEntries+i*entrySize:][:entrySize]
	binary.LittleEndian.PutUint64(b, e.dirDev)
	binary.LittleEndian.PutUint64(b[8:], e.dirIno)
	binary.LittleEndian.PutUint64(b[24:], uint64(e.before)) //nolint:gosec // sizes are not negative
	binary.LittleEndian.PutUint64(b[32:], uint64(e.after))  //nolint:gosec // sizes are not negative
	// Last, and not before: the sizes of a new file fit no old one.
	atomic.StoreUint64((*uint64)(unsafe.Pointer(&b[16])), e.currentIno) //nolint:gosec // the mapping is aligned, and so are the offsets
}

// saveLine puts the state of an incomplete line into the slot that the commit
// changes to.
func (r record) saveLine(l *line) {
	b := r.slotBytes(r.slot() ^ 1)
	flags := uint32(0)
	if l.started {
		flags |= flagStarted
	}
	if l.long {
		flags |= flagLong
	}
	if l.ends {
		flags |= flagEnds
	}
	binary.LittleEndian.PutUint32(b[slotFlags:], flags)
	binary.LittleEndian.PutUint32(b[slotHead:], uint32(len(l.head))) //nolint:gosec // at most maxLine
	if !l.started {
		return
	}
	binary.LittleEndian.PutUint64(b[slotSelected:], l.selected)
	copy(b[slotText:], l.head)
}

// loadLine reads the state of the incomplete line in the slot that is valid.
func (r record) loadLine(l *line) {
	b := r.slotBytes(r.slot())
	flags := binary.LittleEndian.Uint32(b[slotFlags:])
	n := binary.LittleEndian.Uint32(b[slotHead:])
	if flags&flagStarted == 0 || n > maxLine {
		return
	}
	l.started, l.long, l.ends = true, flags&flagLong != 0, flags&flagEnds != 0
	l.selected = binary.LittleEndian.Uint64(b[slotSelected:])
	l.head = append(l.head[:0], b[slotText:slotText+int(n)]...)
}
