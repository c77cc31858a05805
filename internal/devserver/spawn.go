package devserver

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

const (
	groupPoll     = 10 * time.Millisecond
	leftoverGrace = 2 * time.Second // for what a program leaves behind when it ends
	outputGrace   = time.Second     // for output that a background child may still hold
)

// program is what to start.
type program struct {
	argv  []string // argv[0] is a path, or a name to look up in PATH
	dir   string
	env   []string
	umask int
	conn  *os.File // descriptors 0 and 1; nil gives /dev/null and the log
	log   *appLog

	listener *os.File // descriptor 0, with conn nil
	apart    bool     // what it starts is in process groups of its own
	obedient bool     // ends what it has started, wherever that went, when it is asked again
}

// process is a started program, the leader of a session and a process group of its
// own, so that a Ctrl-C on the terminal reaches dev alone and that ending it reaches
// what it started.
type process struct {
	pid  int
	done chan struct{} // closed when the program has ended and its output is read
	how  string        // after done: "exited with status 1", "was killed by SIGKILL"
	ok   bool          // after done: status 0
	logs chan struct{} // closed when the output is read

	apart    bool  // as of its program
	obedient bool  // the same
	resident bool  // it kept running
	begun    []int // of a program for one request, what it was still running when it was asked to end
}

// spawner starts programs from one thread.
//
// The file mode mask belongs to the whole process, so two starts with different
// masks must not overlap, and Linux sends the parent-death signal when the
// thread that started a program ends, so that thread must live as long as dev.
type spawner struct {
	requests chan spawnRequest
	stopped  chan struct{}
}

type spawnRequest struct {
	cmd   *exec.Cmd
	umask int
	err   chan error
}

// newSpawner starts the thread; close ends it.
func newSpawner() *spawner {
	s := &spawner{requests: make(chan spawnRequest), stopped: make(chan struct{})}
	go s.loop()
	return s
}

func (s *spawner) loop() {
	runtime.LockOSThread()
	defer close(s.stopped)
	for r := range s.requests {
		old := syscall.Umask(r.umask)
		err := r.cmd.Start()
		syscall.Umask(old)
		r.err <- err
	}
}

// close ends the thread. Nothing may be started any more, and on Linux what
// still runs gets SIGTERM.
func (s *spawner) close() {
	close(s.requests)
	<-s.stopped
}

// start starts a program. Its standard error, and its output unless that is a
// connection, become lines of its log.
func (s *spawner) start(p *program) (*process, error) {
	cmd, err := p.command()
	if err != nil {
		return nil, err
	}
	read, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	cmd.Stderr = write
	if p.conn == nil {
		cmd.Stdout = write
	}
	request := spawnRequest{cmd: cmd, umask: p.umask, err: make(chan error, 1)}
	s.requests <- request
	err = <-request.err
	write.Close() //nolint:errcheck // our copy of the child's end
	if err != nil {
		read.Close() //nolint:errcheck // nothing was read from it
		return nil, explain(cmd.Path, err)
	}
	proc := &process{pid: cmd.Process.Pid, done: make(chan struct{}), logs: make(chan struct{}), apart: p.apart, obedient: p.obedient, resident: p.conn == nil}
	go proc.read(read, p.log)
	go proc.wait(cmd, read)
	return proc, nil
}

// explain names the two causes of a failed start that the system's words do not
// lead to.
func explain(path string, err error) error {
	if _, statErr := os.Stat(path); statErr != nil {
		return statErr
	}
	switch {
	case errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("%s: its interpreter, named in its first line, is not there", path)
	case errors.Is(err, os.ErrPermission):
		return fmt.Errorf("%s is not executable: chmod +x", path)
	}
	return err
}

func (p *program) command() (*exec.Cmd, error) {
	if _, err := os.Stat(p.dir); err != nil {
		return nil, fmt.Errorf("run.directory: %w", err)
	}
	path, err := lookProgram(p.argv[0], p.dir)
	if err != nil {
		return nil, err
	}
	cmd := &exec.Cmd{
		Path: path, Args: p.argv, Dir: p.dir, Env: p.env,
		SysProcAttr: processAttributes(),
	}
	if p.conn != nil {
		cmd.Stdin, cmd.Stdout = p.conn, p.conn
	}
	if p.listener != nil {
		cmd.Stdin = p.listener
	}
	return cmd, nil
}

// lookProgram finds argv[0]: a path as it is, a relative one in the working
// directory, and a bare name there first and in PATH after that.
func lookProgram(name, dir string) (string, error) {
	if filepath.IsAbs(name) {
		return name, nil
	}
	local := filepath.Join(dir, name)
	info, err := os.Stat(local)
	if err == nil && info.Mode().IsRegular() {
		return local, nil
	}
	if strings.Contains(name, "/") {
		return "", fmt.Errorf("%s: %w", local, os.ErrNotExist)
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return "", fmt.Errorf("%s is neither in %s nor in PATH", name, dir)
	}
	return path, nil
}

// read copies the output to the log.
func (p *process) read(output *os.File, log *appLog) {
	defer close(p.logs)
	log.copy(output)
}

// wait reaps the program, and closes its output even where a child in the
// background still holds the other end.
func (p *process) wait(cmd *exec.Cmd, output *os.File) {
	err := cmd.Wait()
	p.how, p.ok = ending(cmd.ProcessState, err)
	grace := time.AfterFunc(outputGrace, func() {
		// An error here means that the reader is gone, which is what we want.
		_ = output.SetReadDeadline(time.Now())
	})
	<-p.logs
	grace.Stop()
	output.Close() //nolint:errcheck // only read from
	close(p.done)
}

// ending says in words how a program ended.
func ending(state *os.ProcessState, err error) (how string, ok bool) {
	if state == nil {
		return fmt.Sprintf("could not be waited for: %v", err), false
	}
	status, isUnix := state.Sys().(syscall.WaitStatus)
	if isUnix && status.Signaled() {
		return fmt.Sprintf("was killed by signal %d (%v)", int(status.Signal()), status.Signal()), false
	}
	return fmt.Sprintf("exited with status %d", state.ExitCode()), state.Success()
}

// stop asks the whole process group to end and kills it after a time, or when
// hurry is closed. It returns when the program is reaped and its group is gone.
func (p *process) stop(signal syscall.Signal, limit time.Duration, hurry <-chan struct{}) {
	if p.apart && !p.resident {
		p.begun, _ = below(p.pid)
	}
	p.signal(signal)
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-p.done:
	case <-timer.C:
		if p.obedient {
			p.askAgain()
		} else if p.apart {
			p.killBelow()
		}
		p.signal(syscall.SIGKILL)
	case <-hurry:
		if p.apart && !p.killBelow() && p.obedient {
			p.askAgain()
		}
		p.signal(syscall.SIGKILL)
	}
	<-p.done
	p.sweep(hurry)
}

// killBelow kills a program that keeps what it has started in process groups of its
// own, and all of that, at once. It reports whether the system says what that is.
func (p *process) killBelow() (known bool) {
	// What stands still starts nothing that the next look would not find.
	p.signal(syscall.SIGSTOP)
	var stopped []int
	for range looksBelow {
		pids, known := below(p.pid)
		if !known {
			p.signal(syscall.SIGCONT)
			return false
		}
		pids = slices.DeleteFunc(pids, func(pid int) bool { return slices.Contains(stopped, pid) })
		if len(pids) == 0 {
			break
		}
		signalAll(pids, syscall.SIGSTOP)
		stopped = append(stopped, pids...)
	}
	signalAll(stopped, syscall.SIGKILL)
	p.signal(syscall.SIGKILL)
	return true
}

// killGrace is how long killed processes may take to be gone.
const killGrace = 2 * time.Second

// looksBelow is how often killBelow looks, where each time there is more.
const looksBelow = 20

// signalAll sends a signal to processes. One that has ended meanwhile is what was wanted.
func signalAll(pids []int, s syscall.Signal) {
	for _, pid := range pids {
		_ = syscall.Kill(pid, s)
	}
}

// againGrace is for what scgi-run does when it is asked twice: scripts and workers
// get two seconds and less before they are killed.
const againGrace = 6 * time.Second

// askAgain asks once more, and waits a while for the end. What scgi-run has started
// is in process groups of its own, which it alone can kill.
func (p *process) askAgain() {
	p.signal(syscall.SIGTERM)
	timer := time.NewTimer(againGrace)
	defer timer.Stop()
	select {
	case <-p.done:
	case <-timer.C:
	}
}

// sweep ends what a program that has ended left behind: workers of a server that
// crashed would keep its listener. Of one that kept running that is its whole session;
// what one for a single request has left in the background in another process group
// it may have left on purpose, as from any super-server; but not what it was still
// running, such as a script that does not mind TERM.
func (p *process) sweep(hurry <-chan struct{}) {
	if !p.tell(syscall.SIGTERM) {
		return
	}
	tick := time.NewTicker(groupPoll)
	defer tick.Stop()
	limit := time.NewTimer(leftoverGrace)
	defer limit.Stop()
	for waiting := true; waiting; {
		select {
		case <-tick.C:
			if !p.tell(0) {
				return
			}
		case <-limit.C:
			waiting = false
		case <-hurry:
			waiting = false
		}
	}
	// What was just being started is found by the next look.
	limit.Reset(killGrace)
	for p.tell(syscall.SIGKILL) {
		select {
		case <-tick.C:
		case <-limit.C:
			return
		}
	}
}

// tell sends a signal to all that sweep ends, and reports whether there is any.
func (p *process) tell(s syscall.Signal) bool {
	left := p.signal(s)
	if !p.resident && len(p.begun) == 0 {
		return left
	}
	if s == syscall.SIGKILL {
		more, _ := below(p.begun...)
		p.begun = append(p.begun, more...)
	}
	pids, known := inSession(p.pid)
	switch {
	case !p.resident:
		// A number may be another's by now, and nothing else of the session is asked.
		pids = slices.DeleteFunc(pids, func(pid int) bool { return !slices.Contains(p.begun, pid) })
		left = left || len(pids) > 0
	case known:
		// The group is part of it, but may have members that have ended and that nobody
		// has waited for.
		left = len(pids) > 0
	}
	signalAll(pids, s)
	return left
}

// signal sends a signal to the process group and reports whether there is one.
func (p *process) signal(s syscall.Signal) bool {
	err := syscall.Kill(-p.pid, s)
	// EPERM: the group is there, but its members changed user.
	return err == nil || errors.Is(err, syscall.EPERM)
}
