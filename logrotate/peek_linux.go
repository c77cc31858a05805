package logrotate

import (
	"bytes"
	"encoding/hex"
	"unsafe"

	"golang.org/x/sys/unix"
)

// peeker shows what is in a pipe without taking it out, by tee(2) into another
// one.
type peeker struct {
	*peekPipe
	fd    int
	id    pipeIdentity
	grown bool
	waits bool // the kernel has no reads from pipes that do not wait
}

// peekPipe is what peekers share: a pipe of their own, which is empty but within
// a fill, and where bytes go that are read for the second time.
type peekPipe struct {
	// scratch stands first: the kernel copies to the start of a cache line faster
	// than to an odd place.
	scratch [16 << 10]byte
	iov     [inputSize/(16<<10) + 2]unix.Iovec
	r, w    int // -1 while there is none
	large   bool
}

// open makes the pipe, if there is none, as large as the one before.
func (p *peekPipe) open() error {
	if p.r >= 0 {
		return nil
	}
	var ends [2]int
	if err := unix.Pipe2(ends[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		return err
	}
	p.r, p.w = ends[0], ends[1]
	if p.large {
		p.enlarge()
	}
	return nil
}

// enlarge is for where there is much to read.
func (p *peekPipe) enlarge() {
	p.large = true
	_, _ = unix.FcntlInt(uintptr(p.w), unix.F_SETPIPE_SZ, inputSize)
}

// close gives the pipe up, with what is in it.
func (p *peekPipe) close() {
	if p.r >= 0 {
		unix.Close(p.r)
		unix.Close(p.w)
		p.r, p.w = -1, -1
	}
}

// Sizes of pipes: what they have, and what is worth having once there is much
// to read.
const (
	defaultPipe = 64 << 10
	largePipe   = 1 << 20
)

// openPeeker returns a peeker for fd if it is a pipe. It looks through the pipe
// of the buffers.
func openPeeker(fd int, b *Buffers) (source, bool) {
	info, err := statFd(fd)
	if err != nil || info.mode&unix.S_IFMT != unix.S_IFIFO {
		return nil, false
	}
	boot, ok := bootID()
	if !ok {
		return nil, false
	}
	if b.peek == nil {
		b.peek = &peekPipe{r: -1, w: -1}
	}
	if b.peek.open() != nil {
		return nil, false
	}
	return &peeker{peekPipe: b.peek, fd: fd, id: pipeIdentity{boot: boot, dev: info.dev, ino: info.ino}}, true
}

// bootID returns which run of the machine this is.
//
// Source: random(4), /proc/sys/kernel/random/boot_id.
func bootID() (id [16]byte, ok bool) {
	fd, err := unix.Open("/proc/sys/kernel/random/boot_id", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return id, false
	}
	defer unix.Close(fd)
	var text [64]byte
	n, err := unix.Read(fd, text[:])
	if err != nil {
		return id, false
	}
	digits := bytes.ReplaceAll(bytes.TrimSpace(text[:n]), []byte("-"), nil)
	if hex.DecodedLen(len(digits)) != len(id) {
		return id, false
	}
	_, err = hex.Decode(id[:], digits)
	return id, err == nil
}

func (p *peeker) identity() pipeIdentity { return p.id }

// fill shows the beginning of what is in the pipe. The bytes stay there until
// consume. Where the other pipe is the trouble, the error is a *trouble.
func (p *peeker) fill(b []byte) (int, error) {
	if p.r < 0 {
		if err := p.open(); err != nil {
			return 0, troubled(err, "create pipe")
		}
	}
	n, errno := rawSyscall(unix.SYS_TEE, uintptr(p.fd), uintptr(p.w), uintptr(len(b)), unix.SPLICE_F_NONBLOCK, 0, 0)
	if errno != 0 || n == 0 {
		return 0, errnoError(errno)
	}
	for got := 0; got < n; {
		m, errno := rawSyscall(unix.SYS_READ, uintptr(p.r), uintptr(unsafe.Pointer(&b[got])), uintptr(n-got), 0, 0, 0) //nolint:gosec // read(2) needs the address
		if errno != 0 {
			// What is left in there is nobody else's.
			p.close()
			return 0, troubled(errnoError(errno), "read from pipe")
		}
		got += m
	}
	if n >= defaultPipe && !p.grown {
		p.grow()
	}
	return n, nil
}

// grow makes the pipes larger where there is much to read: fewer, larger pieces
// are cheaper. An ordinary user may have no more pages for pipes; then they stay
// as they are.
func (p *peeker) grow() {
	p.grown = true
	if !p.large {
		p.enlarge()
	}
	if size, err := unix.FcntlInt(uintptr(p.fd), unix.F_GETPIPE_SZ, 0); err == nil && size < largePipe {
		_, _ = unix.FcntlInt(uintptr(p.fd), unix.F_SETPIPE_SZ, largePipe)
	}
}

// consume reads what fill has shown once more, this time for good. The last
// bytes go to the marker, by the same call, which the kernel carries out as a
// whole: it waits for nothing, since all of it is there, and a signal, SIGKILL
// too, is only looked at where a read from a pipe would wait. Only from a pipe
// that keeps its packets apart it takes a call for each of them.
//
// Source: linux/fs/pipe.c, pipe_read.
func (p *peeker) consume(input, marker []byte) error {
	for left := len(input); left > 0; {
		got, errno := p.read(left-len(marker), marker)
		if errno == unix.EAGAIN || errno == 0 && got == 0 {
			return errShort
		}
		if errno != 0 {
			return errnoError(errno)
		}
		left -= got
		marker = marker[max(len(marker)-left, 0):]
	}
	return nil
}

// read reads n bytes to nowhere, and then to the marker. It does not wait where
// another reader was faster, which could be for ever.
func (p *peeker) read(n int, marker []byte) (int, unix.Errno) {
	v := 0
	for n > 0 {
		size := min(n, len(p.scratch))
		p.iov[v] = unix.Iovec{Base: &p.scratch[0]}
		p.iov[v].SetLen(size)
		n -= size
		v++
	}
	p.iov[v] = unix.Iovec{Base: &marker[0]}
	p.iov[v].SetLen(len(marker))
	v++
	if !p.waits {
		const current = ^uintptr(0)                                                                                                                  // offset -1: as readv does
		got, errno := rawSyscall(unix.SYS_PREADV2, uintptr(p.fd), uintptr(unsafe.Pointer(&p.iov[0])), uintptr(v), current, current, unix.RWF_NOWAIT) //nolint:gosec // preadv2(2) needs the address
		if errno != unix.EOPNOTSUPP && errno != unix.ENOSYS {
			return got, errno
		}
		p.waits = true
	}
	return rawSyscall(unix.SYS_READV, uintptr(p.fd), uintptr(unsafe.Pointer(&p.iov[0])), uintptr(v), 0, 0, 0) //nolint:gosec // readv(2) needs the address
}

// available returns how many bytes are in the pipe.
func (p *peeker) available() uint64 {
	n, err := unix.IoctlGetInt(p.fd, unix.TIOCINQ)
	if err != nil || n < 0 {
		return 0
	}
	return uint64(n)
}
