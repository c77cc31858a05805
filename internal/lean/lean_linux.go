package lean

import (
	"os"
	"runtime/debug"
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
	data, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return
	}
	for line := range strings.Lines(string(data)) {
		begin, end, ok := programPages(line)
		if !ok {
			continue
		}
		_, _, _ = unix.Syscall(unix.SYS_MADVISE, begin, end-begin, unix.MADV_DONTNEED) // at worst they stay
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
