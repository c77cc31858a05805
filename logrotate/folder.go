package logrotate

import (
	"errors"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// tolerance is how far before its full size a file may end at a newline.
//
// Source: daemontools 0.76, multilog.c.
const tolerance = 2000

// folder is one log: the files below one name of the script.
type folder struct {
	Settings
	word string // as in the script
	log  *Logger
	dir  int // descriptor of the folder
	lock int // descriptor of its lock file
	info fileInfo

	current    int // descriptor of current
	currentIno uint64
	bytes      int64     // in current
	start      int64     // size that current has where what is pending begins
	since      time.Time // when current got its first line; for RotateAfter
	out        []byte    // for current, before borrowed
	borrowed   []byte    // for current: a piece of the input buffer
	written    int       // of out and borrowed
	fresh      bool      // current is full: rotate before what is pending
	due        bool      // rotate after what is pending
	renamed    int       // descriptor of what was current while a rotation goes on, else -1
	takes      bool      // the line that is being passed on goes here

	// What the goroutine that finishes files shares with the loop.
	finisher finisher
	names    sync.Mutex // names of finished files are made and removed under it
	newest   time.Time  // stamp of the newest finished file
	// finishedFiles is how many there are, as far as this logger knows.
	finishedFiles int
	unremovable   map[string]bool // finished files that were warned about once
	packer        packer
}

// openFolder makes, opens, locks and recovers a folder, and opens its current.
func openFolder(l *Logger, word string, settings Settings) (*folder, error) {
	f := &folder{Settings: settings, word: word, log: l, dir: -1, lock: -1, current: -1, renamed: -1}
	f.finisher.folder = f
	if err := f.open(); err != nil {
		f.close()
		return nil, err
	}
	return f, nil
}

func (f *folder) open() error {
	f.log.makeFolder(f.word)
	var err error
	if f.dir, f.info, err = f.log.lookAt(f.word); err != nil {
		return &StartError{"unable to open directory " + f.word, err}
	}
	if f.lock = f.log.adopted.lockOf(f.info); f.lock < 0 {
		if err := f.takeLock(); err != nil {
			return &StartError{"unable to lock directory " + f.word, err}
		}
	}
	f.readNewest()
	if err := f.preparePacking(); err != nil {
		return err
	}
	return f.recover()
}

func (f *folder) takeLock() (err error) {
	if f.lock, err = openAt(f.dir, "lock", unix.O_RDWR|unix.O_CREAT, modeLock); err != nil {
		return err
	}
	if owner := f.log.cfg.Owner; owner != nil {
		info, err := statFd(f.lock)
		if err == nil {
			err = soleName(f.dir, "lock", info)
		}
		if err == nil {
			err = owner.accept(f.lock, info)
		}
		if err != nil {
			return err
		}
	}
	return lockNow(f.lock)
}

// unlock gives a lock back. To close the descriptor is not enough for that: a
// child of this process that is about to be another program has it, too.
func unlock(fd int) {
	_ = again(func() error { return unix.Flock(fd, unix.LOCK_UN) }) // it may not be locked
	unix.Close(fd)
}

func lockNow(fd int) error {
	return again(func() error { return unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB) })
}

// recover brings the folder from any state that a logger left to one with a
// current that is open, and sets bytes.
func (f *folder) recover() error {
	info, err := statAt(f.dir, "current")
	if err == nil && info.regular() && info.mode&finishedBit != 0 && info.links == 1 {
		return f.reuse()
	}
	if err != nil && !errors.Is(err, unix.ENOENT) {
		return &StartError{"unable to stat " + f.word + "/current", err}
	}
	if err == nil && info.mode&unix.S_IFMT == unix.S_IFDIR {
		return &StartError{"unable to append to " + f.word + "/current", unix.EISDIR}
	}
	if err := f.finishLeftovers(); err != nil {
		return err
	}
	if err := f.makeState(); err != nil {
		return &StartError{"unable to write to " + f.word + "/state", err}
	}
	fd, err := createNew(f.dir, "current", unix.O_WRONLY|unix.O_APPEND, f.log.cfg.Owner)
	if err != nil {
		return &StartError{"unable to append to " + f.word + "/current", err}
	}
	return f.setCurrent(fd)
}

// makeState makes an empty state in place of what is there.
func (f *folder) makeState() error {
	fd, err := createNew(f.dir, "state", unix.O_WRONLY, f.log.cfg.Owner)
	if errors.Is(err, unix.EEXIST) {
		// It could not be removed; opening it says why it is of no use.
		if fd, _, err = openRegular(f.dir, "state", unix.O_WRONLY, 0, f.log.cfg.Owner); err == nil {
			err = again(func() error { return unix.Ftruncate(fd, 0) })
		}
	}
	if fd >= 0 {
		unix.Close(fd)
	}
	return err
}

// reuse appends to a current that was ended cleanly. Nothing else is looked at.
func (f *folder) reuse() error {
	fd, _, err := openRegular(f.dir, "current", unix.O_WRONLY|unix.O_APPEND, 0, f.log.cfg.Owner)
	if err != nil {
		return &StartError{"unable to append to " + f.word + "/current", err}
	}
	if err := fchmod(fd, modeWritten); err != nil {
		unix.Close(fd)
		return &StartError{"unable to set mode of " + f.word + "/current", err}
	}
	return f.setCurrent(fd)
}

func (f *folder) setCurrent(fd int) error {
	info, err := statFd(fd)
	if err != nil {
		unix.Close(fd)
		return &StartError{"unable to stat " + f.word + "/current", err}
	}
	f.current, f.currentIno, f.bytes = fd, info.ino, info.size
	if f.RotateAfter > 0 && f.bytes > 0 {
		f.since = f.log.now()
		if born, ok := birthTime(fd); ok {
			f.since = born
		}
	}
	return nil
}

// finishLeftovers names what a killed logger left.
func (f *folder) finishLeftovers() error {
	// Whether that works shows when they are made.
	_ = unlinkIfThere(f.dir, "state")
	_ = unlinkIfThere(f.dir, "newstate")
	info, err := statAt(f.dir, "processed")
	if err != nil && !errors.Is(err, unix.ENOENT) {
		return &StartError{"unable to stat " + f.word + "/processed", err}
	}
	gone, kept, suffix := "processed", "previous", ".u"
	if err == nil && info.regular() && info.mode&finishedBit != 0 {
		gone, kept, suffix = "previous", "processed", ".s"
	}
	if err := unlinkIfThere(f.dir, gone); err != nil {
		return &StartError{"unable to remove " + f.word + "/" + gone, err}
	}
	if err := f.finisher.name(kept, suffix); err != nil {
		return startError(err)
	}
	return startError(f.finisher.name("current", ".u"))
}

// close gives the descriptors back, and with them the lock.
func (f *folder) close() {
	if f.lock >= 0 {
		unlock(f.lock)
		f.lock = -1
	}
	for _, fd := range []*int{&f.current, &f.renamed, &f.dir} {
		if *fd >= 0 {
			unix.Close(*fd)
			*fd = -1
		}
	}
}

// pending returns how many bytes are still to be written.
func (f *folder) pending() int { return len(f.out) + len(f.borrowed) - f.written }

// length returns the size that current has after what is pending.
func (f *folder) length() int64 { return f.start + int64(len(f.out)+len(f.borrowed)) }

// full returns whether a rotation is due where a line ends at this length.
func (f *folder) full(length int64) bool { return length >= f.Size-tolerance }

// beginBatch forgets what was written, and finds out whether current has room.
func (f *folder) beginBatch() {
	f.out, f.borrowed, f.written = f.out[:0], nil, 0
	f.start, f.fresh = f.bytes, f.bytes >= f.Size
	if f.fresh {
		f.start = 0
	}
}
