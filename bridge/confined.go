package bridge

import (
	"errors"
	"runtime"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"scgikit/internal/spawn"
)

// A script with limits is started through a second scgi-run, which sets them
// and becomes the script. The bridge itself could not work under them, nothing
// of ours can run between Go's fork and exec, and limits that are set for a
// script that runs already come too late. It costs an exec, so there is no
// second scgi-run where there are no such limits.

// ConfinedProgram is the name of the program of scgi-run that RunConfined is.
const ConfinedProgram = "confined"

// reportFD is where RunConfined reports: nothing, by the end of the pipe, when
// the script runs; the number of an error of execve; or a sentence.
const reportFD = 3

// RunConfined sets limits and becomes the program with that path and those
// arguments, in the environment of this process. It returns only if that fails,
// and then has said so to the bridge.
func RunConfined(limits []Limit, argv []string) int {
	// On Linux the signal at the bridge's end is bound to this thread, and so
	// goes on only with a program that this thread becomes.
	runtime.LockOSThread()
	keepParentSignal()
	unix.CloseOnExec(reportFD)
	s := &Setting{Limits: limits}
	err := s.become(argv[0], argv, syscall.Environ())
	report := err.Error()
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		report = strconv.Itoa(int(errno))
	}
	_, _ = unix.Write(reportFD, []byte(report))
	return ExitTemporary
}

// forker starts a program, as spawn.Plainly does. An error may be a settingError as
// well.
type forker func(p *spawn.Program) (pid, exit int, err error)

// fork is the forker of a process that starts one program: it adjusts itself
// first.
func (s *Setting) fork(p *spawn.Program) (pid, exit int, err error) {
	if err := s.adjust(); err != nil {
		return 0, -1, err
	}
	return spawn.Plainly(p)
}

// startScript starts a script, through RunConfined if it has limits.
func startScript(s *script, setting *Setting, fork forker, p *spawn.Program) (pid, exit int, err error) {
	limits := setting.confining()
	if len(limits) == 0 {
		pid, exit, err = fork(p)
		if _, ok := errors.AsType[*settingError](err); ok {
			return 0, -1, notGranted(s.name, err)
		}
		if err != nil {
			return 0, -1, cannotRun(s, err)
		}
		return pid, exit, nil
	}
	report, err := newPipe()
	if err != nil {
		return 0, -1, unable(s.name, "pipe", err)
	}
	defer unix.Close(report[0])
	p.Files = append(p.Files, report[1])
	pid, exit, err = startConfined(s, limits, fork, p)
	unix.Close(report[1])
	if err != nil {
		return 0, -1, err
	}
	if err := readReport(s, report[0]); err != nil {
		reap(pid)
		closed(exit)
		return 0, -1, err
	}
	return pid, exit, nil
}

// startConfined starts RunConfined.
func startConfined(s *script, limits []Limit, fork forker, p *spawn.Program) (pid, exit int, err error) {
	self, err := ownPath()
	if err != nil {
		return 0, -1, unable(s.name, "own path", err)
	}
	argv := []string{"scgi-run", ConfinedProgram}
	for _, l := range limits {
		argv = append(argv, "--limit="+l.String())
	}
	argv = append(append(argv, "--"), s.argv...)
	p.Path, p.Argv = self, argv
	pid, exit, err = fork(p)
	_, refused := errors.AsType[*settingError](err)
	switch {
	case err == nil:
		return pid, exit, nil
	case refused:
		return 0, -1, notGranted(s.name, err)
	case unix.Access(self, unix.X_OK) != nil:
		return 0, -1, unable(s.name, "start "+self, err)
	}
	return 0, -1, cannotRun(s, err) // the folder, or too many parameters
}

// readReport returns when a script runs that was started through RunConfined,
// or why it does not. It waits for that, and so the scheduler has to know.
func readReport(s *script, fd int) error {
	var report []byte
	buf := make([]byte, 512)
	for {
		n, err := unix.Read(fd, buf)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return unable(s.name, "read how the script has started", err)
		}
		if n == 0 {
			break
		}
		report = append(report, buf[:n]...)
	}
	if len(report) == 0 {
		return nil
	}
	if errno, err := strconv.Atoi(string(report)); err == nil {
		return cannotRun(s, syscall.Errno(errno))
	}
	return notGranted(s.name, errors.New(string(report)))
}

// notGranted is the refusal for a part of a Setting that the system refuses.
func notGranted(script string, err error) error {
	return &refusal{status: 500, script: script, message: err.Error(), temporary: true}
}
