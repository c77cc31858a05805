package logrotate

import (
	"errors"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// finisher completes a file that is no longer written to: to disk, through the
// processor, to its name. It works in a goroutine that lives while there is
// work, so that neither a slow disk nor a slow processor stops the log, until
// the next file is full too. More than one file does not wait: which came first
// could not be told from the folder after a kill.
type finisher struct {
	folder *folder
	busy   atomic.Bool
	// running is the goroutine.
	running sync.WaitGroup
	// named is the file that got its name, if one did; unsettled says that this is
	// not on disk yet, and that nothing was removed for it.
	named     string
	unsettled bool
}

// add takes previous over, and its descriptor with it. The finisher is idle.
func (w *finisher) add(fd int) {
	w.busy.Store(true)
	w.running.Go(func() {
		if !w.complete(fd) {
			w.folder.log.unfinished.Store(true)
		}
		w.folder.compress()
		w.busy.Store(false)
		w.folder.log.wake()
	})
}

// complete brings previous to its name. It returns false where the log is to end
// and there is trouble.
func (w *finisher) complete(fd int) bool {
	f, l := w.folder, w.folder.log
	defer unix.Close(fd)
	if !l.insist(func() error { return troubled(fsync(fd), "write "+f.word+"/current to disk") }) ||
		!l.insist(func() error { return troubled(fchmod(fd, modeFinished), "set mode of "+f.word+"/previous") }) {
		return false
	}
	if f.HasProcessor {
		return w.process()
	}
	return l.insist(func() error { return w.name("previous", ".s") })
}

// name gives a file its name among the finished ones, and removes those that
// are too many. A file that is not there, or is no file of ours, is done with.
func (w *finisher) name(file, suffix string) error {
	f := w.folder
	f.names.Lock()
	defer f.names.Unlock()
	info, err := statAt(f.dir, file)
	if errors.Is(err, unix.ENOENT) {
		return w.settle()
	}
	if err != nil {
		return troubled(err, "stat "+f.word+"/"+file)
	}
	w.named = ""
	if info.regular() && info.links == 1 {
		if w.named, err = f.link(file, suffix); err != nil {
			return err
		}
		f.finishedFiles++
	}
	// With a second name it is a file that was linked before a crash, or one of
	// somebody else's: this name goes, the other stays.
	if err := unlinkIfThere(f.dir, file); err != nil {
		return troubled(err, "remove "+f.word+"/"+file)
	}
	w.unsettled = true
	return w.settle()
}

// settle brings the new name to disk and removes what is too much.
func (w *finisher) settle() error {
	if !w.unsettled {
		return nil
	}
	f := w.folder
	if err := syncFolder(f.dir); err != nil {
		return troubled(err, "write "+f.word+" to disk")
	}
	if err := f.prune(w.named); err != nil {
		return err
	}
	w.unsettled = false
	return nil
}

// link gives a file the next name.
func (f *folder) link(file, suffix string) (name string, err error) {
	for {
		name = f.nextName(suffix)
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
