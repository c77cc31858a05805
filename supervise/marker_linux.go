package supervise

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/bits"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// marker is the variable by which what a service has started is known, also
// where it is nobody's child any more: the folder, the number of the start, and
// the proof that it is from us.
const marker = "SCGIKIT_SERVICE"

// helperProof is in the place of the proof in the marker of a program that was run
// beside ./run: it can be ended by its marker, and never taken for the service.
const helperProof = "helper"

// noProof is in its place where no secret could be kept.
const noProof = "-"

// mark is the marker for the process that is to be started.
func (s *service) mark() string {
	proof := noProof
	if s.makeSecret() {
		proof = fmt.Sprintf("%016x", s.secret.proof(s.starts))
	}
	return s.markAs(proof)
}

func (s *service) markAs(proof string) string {
	return fmt.Sprintf("%s=%d:%d:%d:%s", marker, s.id.dev, s.id.ino, s.starts, proof)
}

// proves returns whether a process with a marker of this service was started by a
// supervisor of it. Where no secret could be kept, the user has to be our own: it
// needs no marker to do as it likes.
func (s *service) proves(c claim) bool {
	if s.readSecret() {
		return c.proof == fmt.Sprintf("%016x", s.secret.proof(c.number))
	}
	var st unix.Stat_t
	return c.proof == noProof && unix.Stat("/proc/"+itoa(c.pid), &st) == nil && int(st.Uid) == os.Geteuid()
}

// mark is what a marker says.
type mark struct {
	id     inode
	number int
	proof  string
}

// markOf returns the marker in a process's environment.
func markOf(pid int) (m mark, ok bool) {
	data, err := os.ReadFile("/proc/" + itoa(pid) + "/environ")
	if err != nil {
		return mark{}, false
	}
	at := 0
	if !bytes.HasPrefix(data, []byte(marker+"=")) {
		if at = bytes.Index(data, []byte("\x00"+marker+"=")) + 1; at == 0 {
			return mark{}, false
		}
	}
	text, _, _ := strings.Cut(string(data[at+len(marker)+1:]), "\x00")
	fields := strings.Split(text, ":")
	if len(fields) != 4 {
		return mark{}, false
	}
	dev, err1 := strconv.ParseUint(fields[0], 10, 64)
	ino, err2 := strconv.ParseUint(fields[1], 10, 64)
	n, err3 := strconv.Atoi(fields[2])
	return mark{inode{dev, ino}, n, fields[3]}, err1 == nil && err2 == nil && err3 == nil
}

// secret is a key, in a file that only we can read, by which the markers of one
// service are known.
type secret struct {
	key   [2]uint64
	known bool
}

const (
	secretFile = "scgikit.key" //nolint:gosec // a name
	secretSize = 16
)

// readSecret has the secret be the one that is there. A file that others may have
// read or written is none.
func (s *service) readSecret() bool {
	if s.secret.known {
		return true
	}
	fd, err := unix.Openat(s.super, secretFile, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	var b [secretSize]byte
	if unix.Fstat(fd, &st) != nil || st.Mode&(unix.S_IFMT|0o077) != unix.S_IFREG || int(st.Uid) != os.Geteuid() {
		return false
	}
	if n, err := unix.Read(fd, b[:]); err != nil || n != secretSize {
		return false
	}
	s.secret.set(&b)
	return true
}

// makeSecret makes a secret if there is none.
func (s *service) makeSecret() bool {
	if s.readSecret() {
		return true
	}
	var b [secretSize]byte
	if n, err := unix.Getrandom(b[:], 0); err != nil || n != secretSize {
		return false
	}
	_ = unix.Unlinkat(s.super, secretFile, 0) // what is there is none
	fd, err := unix.Openat(s.super, secretFile, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	if n, err := unix.Write(fd, b[:]); err != nil || n != secretSize {
		_ = unix.Unlinkat(s.super, secretFile, 0) // half a secret is none
		return false
	}
	s.secret.set(&b)
	return true
}

func (s *secret) set(b *[secretSize]byte) {
	s.key = [2]uint64{binary.LittleEndian.Uint64(b[:8]), binary.LittleEndian.Uint64(b[8:])}
	s.known = true
}

// proof returns what only who has the secret can know of a start: SipHash-2-4 of
// its number.
//
// Source: Aumasson, Bernstein: SipHash: a fast short-input PRF, 2012.
func (s *secret) proof(start int) uint64 {
	v := [4]uint64{s.key[0] ^ 0x736f6d6570736575, s.key[1] ^ 0x646f72616e646f6d, s.key[0] ^ 0x6c7967656e657261, s.key[1] ^ 0x7465646279746573}
	rounds := func(n int) {
		for range n {
			v[0] += v[1]
			v[2] += v[3]
			v[1] = bits.RotateLeft64(v[1], 13) ^ v[0]
			v[3] = bits.RotateLeft64(v[3], 16) ^ v[2]
			v[0] = bits.RotateLeft64(v[0], 32)
			v[2] += v[1]
			v[0] += v[3]
			v[1] = bits.RotateLeft64(v[1], 17) ^ v[2]
			v[3] = bits.RotateLeft64(v[3], 21) ^ v[0]
			v[2] = bits.RotateLeft64(v[2], 32)
		}
	}
	// The number is one block; the last has only the length.
	for _, block := range [2]uint64{uint64(start), 8 << 56} { //nolint:gosec // bits
		v[3] ^= block
		rounds(2)
		v[0] ^= block
	}
	v[2] ^= 0xff
	rounds(4)
	return v[0] ^ v[1] ^ v[2] ^ v[3]
}
