package multilogtest

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Program is one that is said to do what multilog does.
type Program struct {
	Path string
	Args []string            // before the words of the script
	User *syscall.Credential // nil is the user of the tests
}

// patience is how long a program may take to come to rest or to end; pauses of
// five seconds are part of what it does.
const patience = 60 * time.Second

// driver is a scenario that is being played.
type driver struct {
	program Program
	dir     string // the scenario's folder
	in, out int    // the pipe: what the program reads, what we write
	printed *os.File
	known   Tree
	record  transcript
	process *os.Process
	ended   chan *os.ProcessState
	locks   []int
}

// Drive plays a scenario in an empty folder and returns its transcript. Another
// folder takes what the program prints.
func (p Program) Drive(s Scenario, dir, aside string) (string, error) {
	d := &driver{program: p, dir: dir, known: s.Tree.clone(), record: transcript{root: dir}}
	if err := s.Tree.Plant(dir); err != nil {
		return "", err
	}
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
		return "", err
	}
	d.in, d.out = pipe[0], pipe[1]
	defer d.close()
	var err error
	if d.printed, err = os.Create(filepath.Join(aside, "printed")); err != nil {
		return "", err
	}
	for i, step := range s.Steps {
		if err := d.step(step); err != nil {
			return "", fmt.Errorf("step %d: %w\n%s", i+1, err, d.record.String())
		}
	}
	return d.finish()
}

// close lets go of everything; a program that still runs is killed.
func (d *driver) close() {
	if d.process != nil {
		_ = d.process.Kill()
		<-d.ended
	}
	for _, fd := range append(d.locks, d.in, d.out) {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
	if d.printed != nil {
		d.printed.Close()
	}
}

func (d *driver) finish() (string, error) {
	left := make([]byte, d.waiting())
	if len(left) > 0 {
		if _, err := unix.Read(d.in, left); err != nil {
			return "", err
		}
	}
	d.record.left(string(left))
	if err := d.show(); err != nil {
		return "", err
	}
	return d.record.String(), nil
}

func (d *driver) step(s Step) error {
	switch s.Kind {
	case Start:
		return d.start(s.Words)
	case Write:
		if _, err := unix.Write(d.out, []byte(s.Data)); err != nil {
			return err
		}
	case Signal:
		if d.process == nil {
			return nil // it has ended, which the transcript says
		}
		if err := d.process.Signal(s.Signal); err != nil {
			return err
		}
	case Close:
		unix.Close(d.out)
		d.out = -1
	case Hold:
		fd, err := unix.Open(filepath.Join(d.dir, s.Path, "lock"), unix.O_WRONLY|unix.O_CREAT|unix.O_CLOEXEC, 0o600)
		if err != nil {
			return err
		}
		d.locks = append(d.locks, fd)
		return unix.Flock(fd, unix.LOCK_EX)
	case Show:
		return d.show()
	case Make:
		maps.Copy(d.known, s.Tree)
		return s.Tree.Plant(d.dir)
	case Unblock:
		return unix.SetNonblock(d.in, true)
	}
	return d.rest()
}

func (d *driver) show() error {
	tree, err := Look(d.dir)
	d.record.shown(tree, d.known)
	return err
}

func (d *driver) start(words []string) error {
	argv := append([]string{d.program.Path}, d.program.Args...)
	for _, word := range words {
		argv = append(argv, strings.ReplaceAll(word, Root, d.dir))
	}
	if err := d.printed.Truncate(0); err != nil {
		return err
	}
	// A duplicate, because the file that is given away is closed.
	in, err := unix.FcntlInt(uintptr(d.in), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return err
	}
	stdin := os.NewFile(uintptr(in), "pipe")
	defer stdin.Close()
	if _, err = d.printed.Seek(0, 0); err != nil {
		return err
	}
	d.process, err = os.StartProcess(d.program.Path, argv, &os.ProcAttr{
		Dir: d.dir, Env: []string{"PATH=" + os.Getenv("PATH")}, Files: []*os.File{stdin, d.printed, d.printed},
		Sys: &syscall.SysProcAttr{Credential: d.program.User},
	})
	if err != nil {
		return err
	}
	d.ended = make(chan *os.ProcessState, 1)
	go func(process *os.Process, ended chan<- *os.ProcessState) {
		state, _ := process.Wait() // it fails only without a process
		ended <- state
	}(d.process, d.ended)
	return d.rest()
}

// waiting counts the bytes in the pipe.
func (d *driver) waiting() int {
	n, err := unix.IoctlGetInt(d.in, unix.TIOCINQ)
	if err != nil {
		return 0
	}
	return n
}

// rest waits until the program has ended, or has taken all input and does
// nothing but wait for more. Where there is no more, it has to end.
func (d *driver) rest() error {
	if d.process == nil {
		return nil
	}
	pause := 50 * time.Microsecond
	again := time.NewTimer(pause)
	defer again.Stop()
	deadline := time.After(patience)
	for {
		if d.out >= 0 && d.waiting() == 0 && rests(d.process.Pid) {
			return nil
		}
		select {
		case state := <-d.ended:
			d.process = nil
			return d.noteEnd(state)
		case <-deadline:
			return errors.New("the program neither rests nor ends")
		case <-again.C:
			pause = min(2*pause, 2*time.Millisecond)
			again.Reset(pause)
		}
	}
}

func (d *driver) noteEnd(state *os.ProcessState) error {
	printed, err := os.ReadFile(d.printed.Name())
	if err != nil {
		return err
	}
	status := state.Sys().(syscall.WaitStatus)
	how := exited(status.ExitStatus())
	if status.Signaled() {
		how = killed(status.Signal())
	}
	d.record.ended(how, string(printed))
	return nil
}
