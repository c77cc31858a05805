//go:build linux

package main

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"

	"scgikit/bench/measure"
)

// running is a logger that reads from a pipe.
type running struct {
	logger
	cmd   *exec.Cmd
	input *os.File // the end of the pipe that is written to
	dir   string
}

// start starts a logger in a folder, on a new pipe.
func (l logger) start(dir string) (*running, error) {
	// os.Pipe would make the descriptors non-blocking, and with them the
	// logger's standard input.
	var pipe [2]int
	if err := syscall.Pipe2(pipe[:], syscall.O_CLOEXEC); err != nil {
		return nil, os.NewSyscallError("pipe2", err)
	}
	output, input := os.NewFile(uintptr(pipe[0]), "pipe"), os.NewFile(uintptr(pipe[1]), "pipe")
	defer output.Close() //nolint:errcheck // the logger has its own
	cmd, err := l.command(dir)
	if err != nil {
		return nil, err
	}
	cmd.Stdin = output
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	if file, ok := cmd.Stdout.(*os.File); ok {
		defer file.Close() //nolint:errcheck // the logger has its own
	}
	return &running{logger: l, cmd: cmd, input: input, dir: dir}, nil
}

// feed lets cat write a file into the pipe.
func (r *running) feed(path string) error {
	cat := exec.Command("cat", path)
	cat.Stdout, cat.Stderr = r.input, os.Stderr
	return cat.Run()
}

// finish closes the pipe and waits for the logger's end. It returns the
// logger's processor time, user and system.
func (r *running) finish() (time.Duration, error) {
	if err := r.input.Close(); err != nil {
		return 0, err
	}
	if err := r.cmd.Wait(); err != nil {
		return 0, fmt.Errorf("%s: %w", r.name, err)
	}
	return r.cmd.ProcessState.UserTime() + r.cmd.ProcessState.SystemTime(), nil
}

// kill ends a logger that can not be waited for, after an error.
func (r *running) kill() {
	_ = r.input.Close()
	_ = r.cmd.Process.Kill()
	_ = r.cmd.Wait()
}

// check compares what is in the log with what must be there.
func (r *running) check(want int64) error {
	got, err := written(r.dir)
	if err != nil {
		return err
	}
	if got != want {
		return fmt.Errorf("%s wrote %d bytes of %d", r.name, got, want)
	}
	return nil
}

// once runs a logger on an input from its start to its end.
func (b *bench) once(l logger, in input, parent string) (measure.Sample, error) {
	dir, remove, err := b.folder(parent)
	if err != nil {
		return measure.Sample{}, err
	}
	defer remove()
	begin := time.Now()
	r, err := l.start(dir)
	if err != nil {
		return measure.Sample{}, err
	}
	if err := r.feed(in.path); err != nil {
		r.kill()
		return measure.Sample{}, fmt.Errorf("cat into %s: %w", l.name, err)
	}
	cpu, err := r.finish()
	if err != nil {
		return measure.Sample{}, err
	}
	sample := measure.Sample{Wall: time.Since(begin), CPU: cpu}
	return sample, r.check(in.want(l))
}
