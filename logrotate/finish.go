package logrotate

import (
	"errors"
	"sync"

	"golang.org/x/sys/unix"
)

// maxBacklog is how many files may wait for a processor, besides the one that
// it works on. They are @….u files: what another logger, or a later start, would
// find is a finished file that no processor has seen.
const maxBacklog = 4

// finisher completes files that are no longer written to: to disk, through the
// processor, to their names. It works in a goroutine that lives while there is
// work, so that neither a slow disk nor a slow processor stops the log.
type finisher struct {
	folder *folder
	mu     sync.Mutex // may be taken by who holds folder.names, not the other way round
	busy   bool
	queue  []finished
}

// finished is a file that was current.
type finished struct {
	name string // previous, or a name in the backlog
	fd   int
}

// place returns the name that current may be moved to; "" means that the
// finisher has to come along first.
func (w *finisher) place() string {
	f := w.folder
	w.mu.Lock()
	busy, waiting := w.busy, len(w.queue)
	w.mu.Unlock()
	switch {
	case !busy:
		return "previous"
	case f.HasProcessor && waiting < min(maxBacklog, int(min(f.Keep, maxBacklog+2))-2):
		return f.nextName(".u")
	}
	return ""
}

// idle returns whether everything is finished.
func (w *finisher) idle() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return !w.busy
}

// add takes a file over, and its descriptor with it.
func (w *finisher) add(f finished) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.queue = append(w.queue, f)
	if !w.busy {
		w.busy = true
		go w.run()
	}
}

func (w *finisher) run() {
	for {
		next, ok := w.take()
		if !ok {
			break
		}
		if !w.complete(next) {
			w.folder.log.unfinished.Store(true)
		}
		w.folder.compress()
		w.folder.log.wake()
	}
	w.folder.log.wake()
}

func (w *finisher) take() (next finished, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.queue) == 0 {
		w.busy = false
		return finished{}, false
	}
	next = w.queue[0]
	w.queue = append(w.queue[:0], w.queue[1:]...)
	return next, true
}

// waiting returns whether a name is in the backlog.
func (w *finisher) waiting(name string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, f := range w.queue {
		if f.name == name {
			return true
		}
	}
	return false
}

// complete brings one file to its name. It returns false where the log is to
// end and there is trouble.
func (w *finisher) complete(file finished) bool {
	f, l := w.folder, w.folder.log
	defer unix.Close(file.fd)
	if file.name != "previous" && !l.insist(func() error { return w.fetch(file.name) }) {
		return false
	}
	if !l.insist(func() error { return troubled(fsync(file.fd), "write "+f.word+"/current to disk") }) ||
		!l.insist(func() error { return troubled(fchmod(file.fd, modeFinished), "set mode of "+f.word+"/previous") }) {
		return false
	}
	if f.HasProcessor {
		return w.process()
	}
	return l.insist(func() error { return w.name("previous", ".s") })
}

// fetch makes a file of the backlog previous.
func (w *finisher) fetch(name string) error {
	f := w.folder
	f.names.Lock()
	defer f.names.Unlock()
	err := again(func() error { return unix.Renameat(f.dir, name, f.dir, "previous") })
	if errors.Is(err, unix.ENOENT) {
		return nil // somebody removed it: what there is to do is done
	}
	return troubled(err, "rename "+name+" to previous in directory "+f.word)
}

// name gives a file its name among the finished ones, and removes those that
// are too many. A file that is not there, or is no file of ours, is done with.
func (w *finisher) name(file, suffix string) error {
	f := w.folder
	info, err := statAt(f.dir, file)
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	if err != nil {
		return troubled(err, "stat "+f.word+"/"+file)
	}
	f.names.Lock()
	defer f.names.Unlock()
	name := ""
	if info.regular() && info.links == 1 {
		if name, err = f.link(file, suffix); err != nil {
			return err
		}
	}
	// With a second name it is a file that was linked before a crash, or one of
	// somebody else's: this name goes, the other stays.
	if err := unlinkIfThere(f.dir, file); err != nil {
		return troubled(err, "remove "+f.word+"/"+file)
	}
	if err := syncFolder(f.dir); err != nil {
		return troubled(err, "write "+f.word+" to disk")
	}
	return f.prune(name)
}

// link gives a file the next name.
func (f *folder) link(file, suffix string) (name string, err error) {
	for {
		name = f.nextNameLocked(suffix)
		err = again(func() error { return unix.Linkat(f.dir, file, f.dir, name, 0) })
		switch {
		case err == nil:
			return name, nil
		case errors.Is(err, unix.EEXIST):
			// A name from the future that came after the start.
		case errors.Is(err, unix.EPERM), errors.Is(err, unix.ENOTSUP), errors.Is(err, unix.ENOSYS):
			// No hard links here, or the file is another user's.
			err = again(func() error { return unix.Renameat(f.dir, file, f.dir, name) })
			return name, troubled(err, "rename "+f.word+"/"+file+" to "+name)
		default:
			return "", troubled(err, "link to "+f.word+"/"+name)
		}
	}
}
