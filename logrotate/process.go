package logrotate

import (
	"errors"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// process runs the processor on previous until it ends well, and names what it
// made. When the log ends meanwhile, a processor that fails is not run again:
// previous keeps its bytes as an @….u file.
func (w *finisher) process() bool {
	f, l := w.folder, w.folder.log
	for {
		err := w.runProcessor()
		if err == nil {
			break
		}
		l.warn(err.Error())
		if l.pauseOrLeave() {
			return l.insist(func() error { return w.name("previous", ".u") })
		}
	}
	return l.insist(func() error {
		return troubled(unlinkIfThere(f.dir, "previous"), "remove "+f.word+"/previous")
	}) && l.insist(func() error {
		err := again(func() error { return unix.Renameat(f.dir, "newstate", f.dir, "state") })
		if errors.Is(err, unix.ENOENT) {
			return nil // renamed before the trouble
		}
		return troubled(err, "rename newstate to state in directory "+f.word)
	}) && l.insist(func() error { return w.name("processed", ".s") })
}

// runProcessor runs the processor once: standard input is previous, standard
// output is processed, descriptor 4 is the state, 5 the next state. Afterwards
// both results are on disk and processed is marked as complete.
//
// Source: daemontools 0.76, multilog.c, fullcurrent.
func (w *finisher) runProcessor() error {
	f := w.folder
	files, err := f.processorFiles()
	if err != nil {
		return err
	}
	child, err := os.StartProcess("/bin/sh", []string{"sh", "-c", f.Processor}, &os.ProcAttr{
		Dir:   f.path(),
		Files: []*os.File{files.previous, files.processed, os.Stderr, nil, files.state, files.newstate},
		Sys:   f.log.cfg.Owner.become(nil),
	})
	files.close()
	if err != nil {
		return troubled(err, "fork for processor in "+f.word)
	}
	ended, err := child.Wait()
	if err != nil {
		return troubled(err, "wait for processor in "+f.word)
	}
	if !ended.Exited() {
		return errors.New("processor crashed in " + f.word + ", pausing: " + ended.String())
	}
	if !ended.Success() {
		return errors.New("processor failed in " + f.word + ", pausing")
	}
	if err := f.keepResult("processed", modeFinished); err != nil {
		return err
	}
	return f.keepResult("newstate", modeWritten)
}

// processorFiles are what a processor is given.
type processorFiles struct{ previous, processed, state, newstate *os.File }

func (p *processorFiles) close() {
	for _, file := range []*os.File{p.previous, p.processed, p.state, p.newstate} {
		if file != nil {
			_ = file.Close() // the processor has them; results are made sure of by keepResult
		}
	}
}

func (f *folder) processorFiles() (*processorFiles, error) {
	p := &processorFiles{}
	open := func(to **os.File, name, action string, open func(name string) (int, error)) error {
		fd, err := open(name)
		if err != nil {
			p.close()
			return troubled(err, action+" "+f.word+"/"+name)
		}
		*to = os.NewFile(uintptr(fd), name)
		return nil
	}
	read := func(name string) (int, error) {
		fd, _, err := openRegular(f.dir, name, unix.O_RDONLY, 0, f.log.cfg.Owner)
		return fd, err
	}
	create := func(name string) (int, error) {
		if err := unlinkIfThere(f.dir, name); err != nil {
			return -1, err
		}
		return createNew(f.dir, name, unix.O_WRONLY, f.log.cfg.Owner)
	}
	if err := open(&p.previous, "previous", "read", read); err != nil {
		return nil, err
	}
	if err := open(&p.processed, "processed", "create", create); err != nil {
		return nil, err
	}
	if err := open(&p.state, "state", "read", read); err != nil {
		return nil, err
	}
	if err := open(&p.newstate, "newstate", "create", create); err != nil {
		return nil, err
	}
	return p, nil
}

// keepResult brings a file that the processor wrote to disk. A processor may
// have removed or replaced it.
func (f *folder) keepResult(name string, mode uint32) error {
	fd, _, err := openRegular(f.dir, name, unix.O_WRONLY|unix.O_CREAT|unix.O_APPEND, modeWritten, f.log.cfg.Owner)
	if err != nil {
		return troubled(err, "create "+f.word+"/"+name)
	}
	defer unix.Close(fd)
	if err := fsync(fd); err != nil {
		return troubled(err, "write "+f.word+"/"+name+" to disk")
	}
	return troubled(fchmod(fd, mode), "set mode of "+f.word+"/"+name)
}

// path returns a name of the folder that a child process can change to.
func (f *folder) path() string {
	held := "/proc/self/fd/" + strconv.Itoa(f.dir)
	if _, err := os.Stat(held + "/."); err == nil {
		return held
	}
	return f.word
}
