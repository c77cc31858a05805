package logrotate

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// zstdProgram has the zstd library, and zstdFilter is its command that
// compresses from standard input to standard output. The library is not in the
// program that loggers are: its initialization would cost every start of that
// program a quarter more.
const (
	zstdProgram = "scgikit"
	zstdFilter  = "zstd-filter"
)

// zstdMagic begins a zstd frame.
//
// Source: RFC 8878, section 3.1.1.
var zstdMagic = []byte{0x28, 0xb5, 0x2f, 0xfd}

// errNoZstd says that zstdProgram is nowhere.
var errNoZstd = errors.New(zstdProgram + " is neither next to this program nor in PATH; zzstd needs it")

// findZstd returns the path of the program that compresses with zstd: next to
// this one, where builds and installations put it, else in PATH.
func findZstd() (path string, err error) {
	var dirs []string
	if self, err := os.Executable(); err == nil {
		if resolved, err := filepath.EvalSymlinks(self); err == nil {
			self = resolved
		}
		dirs = append(dirs, filepath.Dir(self))
	}
	dirs = append(dirs, filepath.SplitList(os.Getenv("PATH"))...)
	for _, dir := range dirs {
		// The working directory is no place for programs.
		if !filepath.IsAbs(dir) {
			continue
		}
		path := filepath.Join(dir, zstdProgram)
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 { //nolint:gosec // PATH says where programs are
			return path, nil
		}
	}
	return "", errNoZstd
}

// zstdThrough lets the program compress from one file to the other. It has a
// process group of its own: a TERM for the whole group of the logger, which
// supervisors and shells send, is not for it. Where a signal ends it all the
// same, nothing is lost, and the next start tries again.
func zstdThrough(program string, from, to *os.File, owner *Owner, cancel <-chan struct{}) error {
	attributes := owner.become(dieWithUs())
	if attributes == nil {
		attributes = new(syscall.SysProcAttr)
	}
	attributes.Setpgid = true
	child, err := os.StartProcess(program, []string{zstdProgram, zstdFilter}, &os.ProcAttr{
		// Nothing of this process's environment reaches it, but that it is to
		// use one processor.
		Env:   []string{"GOMAXPROCS=1"},
		Files: []*os.File{from, to, os.Stderr},
		Sys:   attributes,
	})
	if err != nil {
		return fmt.Errorf("start %s: %w", program, err)
	}
	ended := make(chan struct{})
	watching := make(chan struct{})
	go func() {
		defer close(watching)
		select {
		case <-cancel:
			_ = child.Kill() // which may have ended by itself
		case <-ended:
		}
	}()
	state, err := child.Wait()
	close(ended)
	<-watching
	select {
	case <-cancel:
		return errCompressionStopped
	default:
	}
	if err != nil {
		return fmt.Errorf("wait for %s: %w", program, err)
	}
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return errCompressionStopped
	}
	if !state.Success() {
		return fmt.Errorf("%s %s: %s", program, zstdFilter, state)
	}
	head := make([]byte, len(zstdMagic))
	if _, err := to.ReadAt(head, 0); err != nil || !bytes.Equal(head, zstdMagic) {
		return fmt.Errorf("%s %s: what it wrote is not zstd", program, zstdFilter)
	}
	return nil
}
