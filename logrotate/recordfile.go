package logrotate

import "golang.org/x/sys/unix"

// openRecord maps a record from the lock file of a folder. It takes only a file
// that is empty or holds a record: anything else in it is somebody's. ok is false
// also where the file system could fail a store to a mapped page later.
func openRecord(dir, lock int, id pipeIdentity, folders int, keep bool) (r record, ok bool) {
	info, err := statFd(lock)
	if err != nil || soleName(dir, "lock", info) != nil || !mappable(lock) {
		return record{}, false
	}
	if info.size > 0 && !holdsRecord(lock) {
		return record{}, false
	}
	if r, err = mapRecord(lock); err != nil {
		return record{}, false
	}
	r.start(id, folders, keep)
	return r, true
}

// mapRecord maps a lock file that is empty or a record.
func mapRecord(lock int) (record, error) {
	info, err := statFd(lock)
	if err != nil {
		return record{}, err
	}
	// The pages have to be there before they are needed: on a full disk a store
	// to one that is not would be a SIGBUS.
	if info.size < recordSize {
		if err := allocate(lock, recordSize); err != nil {
			_ = unix.Ftruncate(lock, 0)
			return record{}, err
		}
	}
	mem, err := unix.Mmap(lock, 0, recordSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	return record{mem: mem}, err
}

// holdsRecord returns whether a file begins as a record does, or is one that a
// logger made and was killed before it could write to it.
func holdsRecord(lock int) bool {
	var b [recordSize + 1]byte
	n, err := unix.Pread(lock, b[:], 0)
	if err != nil || n != recordSize {
		return false
	}
	return string(b[:recordBoot]) == recordMagic || b == [recordSize + 1]byte{}
}

// close unmaps the record; what it says stays in the file.
func (r *record) close() {
	if r.mem != nil {
		_ = unix.Munmap(r.mem)
		r.mem = nil
	}
}
