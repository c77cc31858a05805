package main

import (
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

func main() {
	var a actor
	flag.StringVar(&a.name, "name", "", "of the service")
	flag.StringVar(&a.state, "state", "", "folder for what it writes down")
	flag.IntVar(&a.rate, "rate", 0, "lines a second")
	flag.IntVar(&a.lines, "lines", -1, "how many; -1: for ever")
	flag.IntVar(&a.code, "code", 0, "exit code after that, and 7 on USR1")
	flag.BoolVar(&a.hang, "hang", false, "after that, go on without printing")
	flag.BoolVar(&a.stubborn, "stubborn", false, "do not end on TERM")
	flag.BoolVar(&a.nonblock, "nonblock", false, "print to a descriptor that does not wait")
	flag.IntVar(&a.long, "long", 0, "before that, print a line of so many bytes")
	flag.IntVar(&a.children, "children", 0, "before that, start so many short processes")
	flag.IntVar(&a.strays, "strays", 0, "before that, start so many that leave the session and ignore TERM")
	listen := flag.String("listen", "", "socket to get descriptors from, for the program in the arguments")
	stray := flag.Int("stray", 0, "be the last but N of them")
	flag.Parse()
	switch {
	case *listen != "":
		fatal(becomeWith(*listen, flag.Args()))
	case *stray > 0:
		fatal(beStray(*stray))
	default:
		fatal(a.play())
	}
	exit(a.code)
}

func fatal(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "actor:", err)
		exit(99)
	}
}

func exit(code int) {
	os.Exit(code) //nolint:forbidigo // this is a program
}

// actor is one service.
type actor struct {
	name, state       string
	rate, lines, code int
	long              int
	children, strays  int
	hang, stubborn    bool
	nonblock          bool
	instance          string
	accepted          *atomic.Uint64
	ended             chan os.Signal
	number            uint64
}

func (a *actor) file(kind string) string { return filepath.Join(a.state, a.name+"."+kind) }

func (a *actor) play() error {
	a.ended = make(chan os.Signal, 8)
	signal.Notify(a.ended, syscall.SIGTERM, syscall.SIGUSR1)
	a.instance = fmt.Sprintf("%d.%x", os.Getpid(), time.Now().UnixNano())
	if err := a.alone(); err != nil {
		return err
	}
	if err := a.count(); err != nil {
		return err
	}
	if err := appendTo(a.file("starts"), a.instance+"\n"); err != nil {
		return err
	}
	if a.nonblock {
		if err := unix.SetNonblock(1, true); err != nil {
			return err
		}
	}
	if err := a.misbehave(); err != nil {
		return err
	}
	if a.print() {
		return nil
	}
	for a.hang {
		if a.told(<-a.ended) {
			return nil
		}
	}
	return nil
}

// alone takes the lock that only one copy can have, and keeps it for good.
func (a *actor) alone() error {
	fd, err := unix.Open(a.file("lock"), unix.O_RDWR|unix.O_CREAT|unix.O_CLOEXEC, 0o644)
	if err != nil {
		return err
	}
	if unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB) != nil {
		return appendTo(a.file("copies"), a.instance+"\n")
	}
	return nil
}

// count maps the number of lines that the pipe has accepted: what is in it is in
// the file, however this process ends.
func (a *actor) count() error {
	f, err := os.OpenFile(a.file("count."+a.instance), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Truncate(8); err != nil {
		return err
	}
	page, err := unix.Mmap(int(f.Fd()), 0, 8, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return err
	}
	a.accepted = (*atomic.Uint64)(unsafe.Pointer(&page[0]))
	return nil
}

// told obeys a signal, and returns whether this is the end.
func (a *actor) told(s os.Signal) bool {
	if s == syscall.SIGUSR1 {
		a.code = 7
		return true
	}
	return !a.stubborn
}

const (
	beat     = 5 * time.Millisecond
	maxBatch = 4096 // bytes, PIPE_BUF: all of it is accepted, or nothing
)

// print prints the lines, and returns whether it was told to end.
func (a *actor) print() bool {
	ticks := time.NewTicker(beat)
	defer ticks.Stop()
	begun := time.Now()
	for a.lines < 0 || a.number < uint64(a.lines) {
		due := uint64(time.Since(begun).Seconds() * float64(a.rate))
		if a.lines >= 0 {
			due = min(due, uint64(a.lines))
		}
		if a.rate <= 0 {
			due = uint64(max(a.lines, 0))
		}
		for a.number < due {
			a.batch(due)
			if len(a.ended) > 0 && a.told(<-a.ended) {
				return true
			}
		}
		if a.lines >= 0 && a.number >= uint64(a.lines) {
			break
		}
		select {
		case <-ticks.C:
		case s := <-a.ended:
			if a.told(s) {
				return true
			}
		}
	}
	return false
}

// batch writes as many lines as one write can, up to a number.
func (a *actor) batch(due uint64) {
	var b []byte
	next := a.number
	for next < due {
		line := a.name + " " + a.instance + " " + strconv.FormatUint(next+1, 10) + "\n"
		if len(b)+len(line) > maxBatch {
			break
		}
		b = append(b, line...)
		next++
	}
	if a.write(b) != nil {
		return
	}
	a.number = next
	a.accepted.Store(next)
}

// write writes all of it, whatever the descriptor is set to.
func (a *actor) write(b []byte) error {
	for len(b) > 0 {
		n, err := unix.Write(1, b)
		switch err {
		case nil:
			b = b[n:]
		case unix.EINTR:
		case unix.EAGAIN:
			_, _ = unix.Poll([]unix.PollFd{{Fd: 1, Events: unix.POLLOUT}}, -1)
		default:
			fatal(err)
		}
	}
	return nil
}

func (a *actor) misbehave() error {
	block := make([]byte, 64<<10)
	for i := range block {
		block[i] = 'x'
	}
	for left := a.long; left > 0; left -= len(block) {
		if err := a.write(block[:min(left, len(block))]); err != nil {
			return err
		}
	}
	if a.long > 0 {
		if err := a.write([]byte("\n")); err != nil {
			return err
		}
	}
	for range a.children {
		if err := start(nil, "/bin/sh", "-c", "exec sleep 0.05"); err != nil {
			return err
		}
	}
	for range a.strays {
		if err := start(&syscall.SysProcAttr{Setsid: true}, "/proc/self/exe", "-stray", "2"); err != nil {
			return err
		}
	}
	return nil
}

// start starts a process that nobody waits for.
func start(sys *syscall.SysProcAttr, argv ...string) error {
	_, err := syscall.ForkExec(argv[0], argv, &syscall.ProcAttr{Env: os.Environ(), Files: []uintptr{0, 1, 2}, Sys: sys})
	return err
}

// beStray starts another in a session of its own and ends; the last ignores TERM.
func beStray(n int) error {
	if n > 1 {
		return start(&syscall.SysProcAttr{Setsid: true}, "/proc/self/exe", "-stray", strconv.Itoa(n-1))
	}
	signal.Ignore(syscall.SIGTERM, syscall.SIGHUP, syscall.SIGINT)
	for {
		_ = unix.Pause() // until it is killed
	}
}

func appendTo(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	if other := f.Close(); err == nil {
		err = other
	}
	return err
}
