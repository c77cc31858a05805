package supervise

import (
	"errors"
	"time"

	"golang.org/x/sys/unix"

	"scgikit/internal/servicedir"
)

// custom is a script of runit's control folder, run before a command.
type custom struct {
	command command
	rest    []string // scripts still to be run
	skip    bool     // one that stands for the signal has done its work
	first   bool
}

// maxQueue bounds the commands that wait for control scripts.
const maxQueue = 1000

// readControl reads commands.
func (s *service) readControl() {
	var letters [256]byte
	n, err := unix.Read(s.control, letters[:])
	if err != nil || n <= 0 {
		return
	}
	if len(s.queue) < maxQueue {
		for _, c := range parseCommands(letters[:n], s.dialect()) {
			to := s
			if c.log {
				to = s.log
			}
			if to != nil {
				to.queue = append(to.queue, c)
			}
		}
	}
	s.runQueue()
	if s.log != nil {
		s.log.runQueue()
	}
}

// runQueue obeys commands in their order, until a script has to be waited for.
func (s *service) runQueue() {
	for len(s.queue) > 0 && s.custom == nil {
		c := s.queue[0]
		s.queue = s.queue[1:]
		s.custom = &custom{command: c, rest: scriptsOf(c), first: true}
		s.nextScript()
	}
	if len(s.queue) == 0 {
		s.queue = nil
	}
}

// scriptsOf names the scripts that a command asks for.
//
// Source: runsv(8) of runit 2.1.2, CUSTOMIZE CONTROL.
func scriptsOf(c command) []string {
	switch c.letter {
	case 'd':
		return []string{"t", "d"}
	case 'x':
		return []string{"t", "x"}
	case 'o':
		return []string{"u"}
	case 0:
		return nil
	}
	return []string{string(rune(c.letter))}
}

// nextScript starts the next script that there is, or obeys the command.
func (s *service) nextScript() {
	c := s.custom
	for len(c.rest) > 0 {
		name := "control/" + c.rest[0]
		c.rest = c.rest[1:]
		if s.isLog() || !s.executable(name) {
			c.first = false
			continue
		}
		err := s.spawnHelper(helperControl, []string{name})
		if err == nil {
			return
		}
		s.say("unable to run " + name + ": " + err.Error())
		c.first = false
	}
	s.custom = nil
	s.obey(c.command, c.skip)
}

// scriptEnded goes on behind a control script. The one for the signal stands in
// for it where it exits with 0.
func (s *service) scriptEnded(success bool) {
	c := s.custom
	if c == nil {
		return
	}
	c.skip = c.skip || c.first && success
	c.first = false
	s.nextScript()
	s.runQueue()
}

// obey does what a command says. skip says that its signal is not to be sent.
func (s *service) obey(c command, skip bool) {
	switch {
	case c.reload:
		s.reload()
	case c.signal != 0:
		if !skip {
			s.obeySignal(c.signal, c.group)
		}
	case s.isLog() && s.dialect() == Runit && (c.event == EventExit || c.event == EventStopExit):
		// runsv ignores it for the log.
	default:
		s.keepDown(c.letter)
		if c.event == EventRestart && s.dialect() == S6 && s.machine.Phase != PhaseUp && s.machine.Phase != PhaseStop {
			break // s6 restarts what is up
		}
		if s.machine.Phase == PhaseFinish && (c.event == EventUp || c.event == EventRestart) {
			s.asked = true // what its policy thinks of its end does not matter any more
		}
		s.skip = skip
		s.sup.apply(s, c.event)
		s.skip = false
	}
	s.touch()
}

// keepDown has what s6's large letters say hold for the next supervisor too: the
// file down.
//
// Source: https://skarnet.org/software/s6/s6-svc.html
func (s *service) keepDown(letter byte) {
	var err error
	switch letter {
	case 'D', 'Q':
		var fd int
		fd, err = unix.Openat(s.dir, servicedir.DownFile, unix.O_WRONLY|unix.O_CREAT|unix.O_CLOEXEC|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0o644)
		if err == nil {
			unix.Close(fd)
		}
	case 'U':
		if err = unix.Unlinkat(s.dir, servicedir.DownFile, 0); errors.Is(err, unix.ENOENT) {
			err = nil
		}
	}
	if err != nil {
		s.say("file " + servicedir.DownFile + ": " + err.Error())
	}
}

// obeySignal sends a signal that somebody asks for, to the process or its group.
func (s *service) obeySignal(signal unix.Signal, group bool) {
	if s.engine != nil {
		s.signalEngine(signal)
		return
	}
	if s.process.pidfd < 0 || s.machine.Phase == PhaseFinish {
		return
	}
	if group {
		_ = s.process.signalGroup(signal) // it may be gone, which is noticed
	} else {
		s.signal(signal)
	}
	switch signal {
	case unix.SIGSTOP:
		s.paused = true
	case unix.SIGCONT:
		s.paused = false
	case unix.SIGTERM:
		s.gotTERM, s.asked = true, true
	case unix.SIGHUP, unix.SIGINT, unix.SIGKILL, unix.SIGQUIT, unix.SIGABRT:
		// If it ends of that, it was asked to.
		s.asked = true
	}
}

// reload has the service read its configuration again.
func (s *service) reload() {
	switch {
	case s.engine != nil:
		s.signalEngine(unix.SIGALRM)
	case s.process.pidfd < 0 || s.machine.Phase == PhaseFinish:
	case s.executable("reload"):
		if err := s.spawnHelper(helperReload, []string{"reload", itoa(s.process.pid)}); err != nil {
			s.say("unable to run reload: " + err.Error())
		}
	default:
		s.signal(s.settings.ReloadSignal)
	}
}

// checkEvery is how often a service that has a ./check is asked until it is
// ready.
const checkEvery = 250 * time.Millisecond

// check asks whether the service is ready.
func (s *service) check() {
	if s.ready || s.machine.Phase != PhaseUp {
		return
	}
	if err := s.spawnHelper(helperCheck, []string{"check"}); err != nil && !errors.Is(err, errBusy) {
		s.say("unable to run check: " + err.Error())
	}
	s.sup.timers.set(s, timerReady, time.Now().Add(checkEvery))
}
