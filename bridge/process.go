package bridge

import (
	"errors"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"scgikit/internal/nowait"
	"scgikit/internal/spawn"
)

// killAfter is the time between the request to end and the end by force.
const killAfter = 2 * time.Second

// process is a running script, leader of a process group of its own.
type process struct {
	pid    int
	stdout int // reading ends of its pipes
	stderr int
	exit   int // a descriptor that becomes readable when the script has ended
	ended  bool
	status syscall.WaitStatus // once wait has returned
	reaped chan struct{}      // closed when somebody else has taken the status; nil if nobody does
}

// start runs a script with that standard input.
func start(s *script, setting *Setting, fork forker, stdin int, env []string) (*process, error) {
	out, err := outputPipe()
	if err != nil {
		return nil, unable(s.name, "pipe", err)
	}
	defer nowait.Close(out[1])
	errs, err := outputPipe()
	if err != nil {
		unix.Close(out[0])
		return nil, unable(s.name, "pipe", err)
	}
	defer nowait.Close(errs[1])
	p := &process{stdout: out[0], stderr: errs[0]}
	p.pid, p.exit, err = startScript(s, setting, fork, &spawn.Program{
		Path:         s.path,
		Argv:         s.argv,
		Env:          env,
		Dir:          s.dir(),
		Files:        []int{stdin, out[1], errs[1]},
		ParentSignal: syscall.SIGTERM,
	})
	if err != nil {
		unix.Close(out[0])
		unix.Close(errs[0])
		return nil, err
	}
	if p.exit < 0 {
		if err := p.watch(); err != nil {
			p.kill(syscall.SIGKILL)
			reap(p.pid)
			p.close()
			return nil, unable(s.name, "pipe", err)
		}
	}
	return p, nil
}

// watch provides the exit descriptor where the system has none: a pipe that is
// closed when the script has ended. The goroutine ends with the script.
func (p *process) watch() error {
	fds, err := newPipe()
	if err != nil {
		return err
	}
	p.exit = fds[0]
	p.reaped = make(chan struct{})
	go func() {
		p.status = reap(p.pid)
		close(p.reaped)
		unix.Close(fds[1])
	}()
	return nil
}

// wait returns when the script has ended and its status is known.
func (p *process) wait() {
	if p.reaped != nil {
		<-p.reaped
	} else {
		p.status = reap(p.pid)
	}
}

// close closes the descriptors. A background process of the script may have the
// other ends.
func (p *process) close() {
	p.stdout, p.stderr, p.exit = closed(p.stdout), closed(p.stderr), closed(p.exit)
}

// closed closes a descriptor, if it is one, and returns what stands for none:
// poll passes over it.
func closed(fd int) int {
	if fd >= 0 {
		nowait.Close(fd)
	}
	return -1
}

// reap waits for the end of a child and takes its status.
func reap(pid int) (status syscall.WaitStatus) {
	if ended, its, err := nowait.Reap(pid); err == nil && ended == pid {
		return its
	}
	for {
		_, err := syscall.Wait4(pid, &status, 0, nil)
		if !errors.Is(err, syscall.EINTR) {
			return status
		}
	}
}

// kill sends a signal to the script and all its children that have not left its
// process group.
func (p *process) kill(sig syscall.Signal) { _ = syscall.Kill(-p.pid, sig) }

// outcome describes an end that is not a success, or returns "".
func (p *process) outcome() string {
	switch s := p.status; {
	case s.Signaled():
		return "killed by signal " + strconv.Itoa(int(s.Signal())) + " (" + s.Signal().String() + ")"
	case s.ExitStatus() != 0:
		return "ended with exit status " + strconv.Itoa(s.ExitStatus())
	}
	return ""
}

// cannotRun explains why execve refused a script. The kernel says "no such
// file" of a script whose interpreter is missing, which has sent many people
// looking for the wrong file.
//
// Source: execve(2).
func cannotRun(s *script, err error) error {
	interpreter, hasOne := readInterpreter(s.path)
	switch {
	case errors.Is(err, unix.ENOEXEC):
		return refuse(500, s.name, "can not be run: it has no #! line and is no program for this machine")
	case errors.Is(err, unix.ENOENT) && strings.HasSuffix(interpreter, "\r"):
		return refuse(500, s.name, "can not be run: its #! line ends in CR LF; write its lines with LF alone")
	case errors.Is(err, unix.ENOENT) && hasOne:
		return refuse(500, s.name, "can not be run: interpreter "+quote(interpreter)+" of its #! line not found")
	case errors.Is(err, unix.ENOENT):
		return refuse(500, s.name, "can not be run: the script, its folder or its dynamic loader not found")
	case errors.Is(err, unix.EACCES) && unix.Access(s.path, unix.X_OK) == nil && hasOne:
		return refuse(500, s.name, "can not be run: no permission for interpreter "+quote(interpreter)+" of its #! line")
	case errors.Is(err, unix.EACCES):
		return refuse(403, s.name, "can not be run: no permission for it or its folder, or a file system mounted noexec")
	case errors.Is(err, unix.E2BIG):
		return refuse(400, s.name, "can not be run: the request's parameters are longer than the system passes to a program")
	}
	return &refusal{status: 503, script: s.name, message: "can not be run: " + err.Error(), temporary: true}
}

// readInterpreter returns the first word of a script's #! line. It is read
// without the package os, whose descriptor for waiting a limit may forbid.
func readInterpreter(path string) (interpreter string, ok bool) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", false
	}
	defer unix.Close(fd)
	buf := make([]byte, 256)
	n, err := unix.Read(fd, buf)
	if err != nil {
		return "", false
	}
	line, _, _ := strings.Cut(string(buf[:n]), "\n")
	line, ok = strings.CutPrefix(line, "#!")
	line = strings.TrimLeft(line, " \t")
	if i := strings.IndexAny(line, " \t"); i >= 0 {
		line = line[:i]
	}
	return line, ok
}

// handOff becomes the script, which gets the connection as its standard input
// and output. It returns only if that fails.
func handOff(conn *connection, s *script, setting *Setting, env []string) error {
	if conn.socket {
		if err := moveTo(conn.in, 1); err != nil {
			return unable(s.name, "dup", err)
		}
		// A script expects reads and writes that wait.
		if err := unix.SetNonblock(conn.in, false); err != nil {
			return unable(s.name, "fcntl", err)
		}
	}
	if err := os.Chdir(s.dir()); err != nil {
		return cannotLook(s.name, s.dir(), err)
	}
	err := setting.become(s.path, s.argv, env)
	if _, ok := errors.AsType[*settingError](err); ok {
		return notGranted(s.name, err)
	}
	return cannotRun(s, err)
}

// outputPipe makes a pipe for a script's output. A script can open the end that is read
// here, as /dev/stdout, and be faster at reading.
func outputPipe() (fds [2]int, err error) {
	if fds, err = newPipe(); err != nil {
		return fds, err
	}
	if err = nowait.Unblock(fds[0]); err != nil {
		unix.Close(fds[0])
		unix.Close(fds[1])
	}
	return fds, err
}

// readPipe reads from a descriptor that poll has found readable. An error may be EAGAIN
// all the same.
func readPipe(fd int, buf []byte) (int, error) {
	for {
		n, err := nowait.Read(fd, buf)
		if !errors.Is(err, unix.EINTR) {
			return n, err
		}
	}
}
