package lean

import (
	"runtime/debug"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Memory gives back what is needed for work and not for waiting: free memory, and
// what Program does.
func Memory() {
	debug.FreeOSMemory()
	Program()
}

// Program gives back the pages of the program that are mapped: a start maps many
// more than the work behind it needs. They come back from the page cache as they
// are needed, some microseconds each.
func Program() {
	for line := range strings.Lines(string(mappings())) {
		begin, end, ok := programPages(line)
		if !ok {
			continue
		}
		_, _, _ = unix.Syscall(unix.SYS_MADVISE, begin, end-begin, unix.MADV_DONTNEED) // at worst they stay
	}
}

// mappings returns what the process has mapped, as proc_pid_maps(5) has it, or
// nothing. It does not ask package os, whose first file opens the run-time's poll
// descriptors, and without descriptors for these the process would end.
func mappings() []byte {
	fd, err := unix.Open("/proc/self/maps", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	defer unix.Close(fd)
	text := make([]byte, 0, 8192)
	for {
		n, err := unix.Read(fd, text[len(text):cap(text)])
		switch {
		case err == unix.EINTR:
		case err != nil:
			return nil
		case n == 0:
			return text
		default:
			text = slices.Grow(text[:len(text)+n], 4096)
		}
	}
}

// programPages returns the place of a mapping if it is a part of a file that
// nobody can write to: then it is the same in the file.
//
// Source: proc_pid_maps(5).
func programPages(line string) (begin, end uintptr, ok bool) {
	fields := strings.Fields(line)
	if len(fields) < 6 || len(fields[1]) != 4 || fields[1][1] == 'w' || !strings.HasPrefix(fields[5], "/") {
		return 0, 0, false
	}
	from, to, _ := strings.Cut(fields[0], "-")
	first, err1 := strconv.ParseUint(from, 16, 64)
	last, err2 := strconv.ParseUint(to, 16, 64)
	return uintptr(first), uintptr(last), err1 == nil && err2 == nil && first < last
}
