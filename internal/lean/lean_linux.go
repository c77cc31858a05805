package lean

import (
	"bytes"
	"encoding/binary"
	"runtime/debug"

	"golang.org/x/sys/unix"
)

// worthwhile is how many bytes of memory of its own a process has to have for a
// collection to give back more than it takes: it needs some hundreds of KiB
// itself, a page for each size of object.
const worthwhile = 2 << 20

// Memory gives back what is needed for work and not for waiting: free memory, if
// that may be much, and what Program does.
func Memory() {
	if own() > worthwhile {
		debug.FreeOSMemory()
	}
	Program()
}

// own returns how many bytes are in memory that are of no file; 0 where nobody
// tells.
//
// Source: proc_pid_statm(5).
func own() int {
	fd, err := unix.Open("/proc/self/statm", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0
	}
	defer unix.Close(fd)
	var b [256]byte
	n, err := unix.Read(fd, b[:])
	if err != nil {
		return 0
	}
	_, rest, _ := bytes.Cut(b[:n], []byte(" "))
	resident, rest := number(rest, 10)
	shared, _ := number(bytes.TrimLeft(rest, " "), 10)
	return int(resident-shared) * unix.Getpagesize()
}

// piece is how much of the program the kernel maps at most when one page of it is
// needed, and a multiple of the size of a page.
const piece = 8 << 10

// Program gives back the pages of the program that are mapped: a start maps many
// more than the work behind it needs. They come back from the page cache as they
// are needed, some microseconds each.
//
// With one page the kernel maps those around it that it has at hand, up to a
// megabyte of them, but not beyond the mapping. So the mapping is divided: pieces
// in a row differ by whether they are in core dumps, where unchanged pages of
// files are not anyway.
//
// In a program that a dynamic linker has put together it does nothing: pages that
// the linker has changed, and then protected, look like those of the file.
//
// It does not ask package os, whose first file opens the run-time's poll
// descriptors, and without descriptors for these the process would end; and it
// allocates nothing.
//
// Source: madvise(2), core(5); linux/mm/filemap.c, filemap_map_pages.
func Program() {
	if !asInFile() {
		return
	}
	fd, err := unix.Open("/proc/self/maps", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	var b [4096]byte
	left := 0
	for {
		n, err := unix.Read(fd, b[left:])
		if err == unix.EINTR {
			continue
		}
		if err != nil || n <= 0 {
			return
		}
		rest := b[:left+n]
		for {
			line, after, whole := bytes.Cut(rest, []byte("\n"))
			if !whole {
				break
			}
			giveBack(line)
			rest = after
		}
		if left = copy(b[:], rest); left == len(b) {
			return // no line is that long
		}
	}
}

// asInFile reports whether nobody has changed what of the program is in memory and
// cannot be written to: it has no interpreter, and nothing that is protected only
// after it was put right.
//
// Source: elf(5), "Program header".
func asInFile() bool {
	const dynamic, interpreter, protected = 2, 3, 0x6474e552
	fd, err := unix.Open("/proc/self/exe", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	var b [4096]byte
	n, err := unix.Read(fd, b[:])
	if err != nil || n < 64 {
		return false
	}
	begin, size, count := uint64(binary.NativeEndian.Uint32(b[28:])), b[42:], b[44:]
	if wide := b[4] == 2; wide {
		begin, size, count = binary.NativeEndian.Uint64(b[32:]), b[54:], b[56:]
	}
	step := uint64(binary.NativeEndian.Uint16(size))
	for range binary.NativeEndian.Uint16(count) {
		if begin > uint64(n-4) {
			return false
		}
		switch binary.NativeEndian.Uint32(b[begin:]) {
		case dynamic, interpreter, protected:
			return false
		}
		begin += step
	}
	return true
}

// giveBack divides a mapping if it is a part of a file that nobody can write to,
// and gives it back: it is the same in the file.
func giveBack(line []byte) {
	begin, end, ok := programPages(line)
	if !ok {
		return
	}
	for at := begin + piece; at < end; at += 2 * piece {
		advise(at, min(at+piece, end), unix.MADV_DONTDUMP)
	}
	advise(begin, end, unix.MADV_DONTNEED)
}

// advise calls madvise. What is refused stays as it is.
func advise(begin, end uintptr, advice int) {
	_, _, _ = unix.Syscall(unix.SYS_MADVISE, begin, end-begin, uintptr(advice))
}

// programPages returns the place of a mapping if it is of a file and cannot be
// written to.
//
// Source: proc_pid_maps(5).
func programPages(line []byte) (begin, end uintptr, ok bool) {
	begin, rest := number(line, 16)
	end, rest = number(bytes.TrimPrefix(rest, []byte("-")), 16)
	// The name follows the mode, and numbers.
	if len(rest) < 6 || rest[0] != ' ' || rest[2] == 'w' || bytes.IndexByte(rest, '/') < 0 {
		return 0, 0, false
	}
	return begin, end, begin < end
}

// number reads a number and returns what follows it.
func number(b []byte, base uintptr) (n uintptr, rest []byte) {
	for len(b) > 0 {
		digit := uintptr(b[0] - '0')
		if b[0] >= 'a' {
			digit = uintptr(b[0]-'a') + 10
		}
		if digit >= base {
			break
		}
		n, b = n*base+digit, b[1:]
	}
	return n, b
}
