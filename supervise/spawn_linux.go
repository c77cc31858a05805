package supervise

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// spawnRun starts ./run.
func (s *service) spawnRun() error {
	files := []source{{kind: sourceNull}, s.output(), {kind: sourceInherited, fd: 2}}
	if s.isLog() {
		files[0] = source{kind: sourceReopen, fd: s.main.pipe, flag: unix.O_RDONLY}
	}
	if n := s.settings.Notify; n >= 0 {
		var ends [2]int
		if err := unix.Pipe2(ends[:], unix.O_CLOEXEC); err != nil {
			return err
		}
		defer unix.Close(ends[1])
		_ = unix.SetNonblock(ends[0], true) // of a pipe
		s.notify = ends[0]
		s.sup.listen(s.notify, handler{kind: handleNotify, s: s})
		for len(files) < n {
			files = append(files, source{kind: sourceClosed})
		}
		files = append(files, source{kind: sourceReopen, fd: ends[1], flag: unix.O_WRONLY})
	}
	return s.spawn("./run", []string{"./run"}, files, kindRun)
}

// output is where a process writes to: the pipe to the log, open for reading too,
// so that it is there, with what is in it, as long as the process is, and writing
// to it never ends the process.
func (s *service) output() source {
	if s.pipe < 0 {
		return source{kind: sourceInherited, fd: 1}
	}
	return source{kind: sourceReopen, fd: s.pipe, flag: unix.O_RDWR}
}

// spawn starts the process of a service, in a session of its own.
func (s *service) spawn(path string, argv []string, files []source, k kind) error {
	s.sup.post() // what has to outlive us is held before there is a process
	pid, err := s.sup.spawner.spawn(&spawnRequest{
		path: path, argv: argv, files: files, dir: s.dir, cgroup: s.sup.cgroup.make(s),
		env: append(withEnv(s.sup.env, s.settings.Env), s.mark()), // in the room that there is: only one process starts at a time
	})
	if err != nil {
		return err
	}
	pidfd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		// It cannot be watched, so it may not stay.
		_ = unix.Kill(pid, unix.SIGKILL)
		_, _ = unix.Wait4(pid, nil, 0, nil)
		return fmt.Errorf("pidfd: %w", err)
	}
	s.take(process{pid, pidfd, startOf(pid)}, k)
	return nil
}

// take makes a process that of the service.
func (s *service) take(p process, k kind) {
	s.process = p
	if k == kindRun {
		s.session = p.pid
	}
	s.hold(k, p.pidfd, p.pid)
	s.sup.listen(p.pidfd, handler{kind: handleProcess, s: s})
}

// startFinish starts ./finish with what the families tell it: how ./run ended.
//
// Source: runsv(8) of runit 2.1.2;
// https://skarnet.org/software/s6/servicedir.html
func (s *service) startFinish() {
	status, code, last := s.exit.status, -1, 0
	switch {
	case !s.exit.known:
	case status.Exited():
		code = status.ExitStatus()
	default:
		last = int(status.Signal())
	}
	argv := []string{"./finish", itoa(code), itoa(int(uint8(status)))} //nolint:gosec // the low byte of the status is meant
	if s.dialect() == S6 {
		if code < 0 {
			code = 256
		}
		argv = []string{"./finish", itoa(code), itoa(last), s.name, itoa(s.process.pid)}
	}
	err := s.spawn("./finish", argv, []source{{kind: sourceNull}, s.output(), {kind: sourceInherited, fd: 2}}, kindFinish)
	if err != nil {
		s.say("unable to run finish: " + err.Error())
		s.sup.later(s, EventFinished)
		return
	}
	if s.settings.FinishTimeout > 0 {
		s.sup.timers.set(s, timerMachine, time.Now().Add(s.settings.FinishTimeout))
	}
}

// reopen opens what a descriptor of a pipe is of once more.
func reopen(fd, flags int) (int, error) {
	return unix.Open("/proc/self/fd/"+itoa(fd), flags|unix.O_CLOEXEC, 0)
}
