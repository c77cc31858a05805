package multilogtest

import "strings"

// recordMagic begins a lock file that tells what a killed logger had read of a
// line. multilog leaves lock files empty.
const recordMagic = "scgilog1"

func holdsRecord(lock *File) bool { return strings.HasPrefix(lock.Data, recordMagic) }

// adopt goes on with the line that a killed logger had begun, and keeps a record
// from now on if the lock file of the first folder is free for it.
func (m *Model) adopt() {
	p := m.process
	folders := p.folders()
	if !m.KeepsPartial || len(folders) == 0 {
		return
	}
	adopted := false
	for _, f := range folders {
		lock := f.file("lock")
		if !holdsRecord(lock) {
			continue
		}
		if !adopted {
			p.partial = m.records[lock]
			p.newline = !p.begun
		}
		adopted = true
		lock.Data = ""
	}
	if lock := folders[0].file("lock"); lock.Data == "" {
		lock.Data = recordMagic
		p.record = lock
	}
}

// dropRecord empties the lock file at a clean end.
func (m *Model) dropRecord() {
	if p := m.process; p.record != nil {
		p.record.Data = ""
	}
}
