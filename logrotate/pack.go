package logrotate

import (
	"errors"
	"sync"

	"golang.org/x/sys/unix"

	"scgikit/internal/djberr"
)

// packer compresses the finished files of a folder, one after the other, the
// oldest first, in a goroutine that lives while there is work.
type packer struct {
	mu      sync.Mutex
	busy    bool
	more    bool // a file was finished since the last look
	stopped bool
	job     *compression
	ended   chan struct{} // closed when the goroutine has ended
	failed  string        // file that could not be compressed: told once, left
}

// compress has the finished files compressed, if the script says so.
func (f *folder) compress() {
	p := &f.packer
	p.mu.Lock()
	defer p.mu.Unlock()
	if f.Compression == Uncompressed || p.stopped {
		return
	}
	p.more = true
	if !p.busy {
		p.busy, p.ended = true, make(chan struct{})
		go f.pack(p.ended)
	}
}

// stopCompression ends what is being compressed; the file stays as it was.
func (f *folder) stopCompression() {
	p := &f.packer
	p.mu.Lock()
	p.stopped = true
	job, ended, busy := p.job, p.ended, p.busy
	p.mu.Unlock()
	if !busy {
		return
	}
	if job != nil {
		_ = job.stop()
	}
	<-ended
}

func (f *folder) pack(ended chan struct{}) {
	defer close(ended)
	for {
		name := f.nextToPack()
		if name == "" {
			if f.packed() {
				return
			}
			continue
		}
		if !f.packOne(name) {
			return
		}
	}
}

// packed ends the work if no file was finished since the last look.
func (f *folder) packed() bool {
	p := &f.packer
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.more && !p.stopped {
		p.more = false
		return false
	}
	p.busy = false
	return true
}

// packOne compresses a file. It returns false when the log ends.
func (f *folder) packOne(name string) bool {
	p, slots := &f.packer, f.log.cfg.Compressors
	select {
	case slots <- struct{}{}:
	case <-f.log.closing:
		return f.endPacking()
	}
	defer func() { <-slots }()
	p.mu.Lock()
	if p.stopped {
		p.mu.Unlock()
		return f.endPacking()
	}
	p.job = startCompression(compressionJob{
		dir: f.dir, name: name, kind: f.Compression, zstd: f.log.zstd, names: &f.names, owner: f.log.cfg.Owner,
	}, nil)
	job := p.job
	p.mu.Unlock()
	err := job.wait()
	switch {
	case err == nil, errors.Is(err, errPruned):
	case errors.Is(err, errCompressionStopped):
		return f.endPacking()
	default:
		p.failed = name
		f.log.warn("unable to compress " + f.word + "/" + name + ", leaving it: " + djberr.Text(err))
	}
	return true
}

func (f *folder) endPacking() bool {
	f.packer.mu.Lock()
	defer f.packer.mu.Unlock()
	f.packer.busy = false
	return false
}

// nextToPack returns the oldest finished file that is not compressed, or "".
// Behind one that could not be compressed, only newer ones are looked at.
//
// Between the two steps of naming a file it has two names, and would be refused.
func (f *folder) nextToPack() string {
	f.names.Lock()
	names, err := f.list()
	f.names.Unlock()
	if err != nil {
		return ""
	}
	oldest := ""
	for _, name := range names {
		if compressible(name) && name > f.packer.failed && (oldest == "" || name < oldest) {
			oldest = name
		}
	}
	return oldest
}

// preparePacking removes what a killed logger left of a compression.
func (f *folder) preparePacking() error {
	if f.Compression == Uncompressed {
		return nil
	}
	names, err := f.list()
	if err == nil {
		err = finishCompressions(f.dir, names)
	}
	if err != nil && !errors.Is(err, unix.ENOENT) {
		return &StartError{"unable to tidy up in " + f.word, err}
	}
	return nil
}
