package supervise

import (
	"errors"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

func (s *service) isLog() bool { return s.main != nil }

// act does one thing that the machine has decided.
func (s *service) act(a Action) {
	switch a {
	case ActNone:
	case ActRun:
		s.start()
	case ActFinish:
		s.startFinish()
	case ActStop:
		s.stop()
	case ActKill:
		if s.engine != nil {
			s.closeEngine()
			s.sup.later(s, EventDied)
			return
		}
		s.signal(unix.SIGKILL)
		_ = s.process.signalGroup(unix.SIGKILL) // the group may be gone
	case ActPause:
		s.pause()
	case ActQuiet:
		s.sup.timers.set(s, timerMachine, time.Time{})
	case ActSweep:
		s.sweep()
	case ActLeave:
		s.sup.leave(s)
	}
}

// start starts ./run, or has a log's lines written here.
func (s *service) start() {
	err := s.readSettings()
	s.asked, s.restart, s.gotTERM, s.paused, s.reason, s.waits = false, false, false, false, "", ""
	s.lastStart = time.Now()
	s.starts++
	s.ready = s.settings.Notify < 0 && !s.executable("check")
	if err != nil {
		// How to run it is not known.
		s.failed(err)
		return
	}
	if s.isLog() {
		s.ready = true
		if done := s.startEngine(); done {
			return
		}
	}
	if err := s.spawnRun(); err != nil {
		s.failed(err)
		return
	}
	if !s.ready {
		s.sup.timers.set(s, timerStart, s.lastStart.Add(s.settings.StartTimeout))
		if s.settings.Notify < 0 {
			s.sup.timers.set(s, timerReady, s.lastStart.Add(checkEvery))
		}
	}
}

// readSettings reads the small files, and says what is wrong with them, each time
// that this is something else.
func (s *service) readSettings() error {
	settings, problems, err := readSettings(s.dir, s.sup.cfg.Dialect)
	s.settings = settings
	if err != nil {
		return err
	}
	if !slices.Equal(problems, s.problems) {
		for _, problem := range problems {
			s.say(problem)
		}
	}
	s.problems = problems
	return nil
}

// failed notes that a service could not be started.
func (s *service) failed(err error) {
	s.reason = "unable to start run: " + err.Error()
	s.say(s.reason)
	if s.dialect() == Runit && !s.isLog() && s.executable("finish") {
		// runsv's child has ended by itself then.
		s.ended(exitStatus{temporaryFailure << 8, true})
		s.sup.later(s, EventDied)
		return
	}
	s.history.note(time.Now(), s.settings.Policy)
	s.sup.later(s, EventFailed)
}

// temporaryFailure is the exit code of what runit starts ./run with.
//
// Source: runsv.c of runit 2.1.2, startservice.
const temporaryFailure = 111

// stop tells the service to end, and sets the time that it has.
func (s *service) stop() {
	s.asked = true
	if s.engine != nil {
		s.engine.log.Stop()
		s.stepLog()
		return
	}
	if s.machine.Want == WantUp && !s.machine.Exiting {
		s.restart = true
	}
	if !s.skip {
		s.signal(s.settings.StopSignal)
		s.gotTERM = s.settings.StopSignal == unix.SIGTERM
	}
	s.signal(unix.SIGCONT)
	s.paused = false
	switch {
	case s.sup.killing:
		s.signal(unix.SIGKILL)
		_ = s.process.signalGroup(unix.SIGKILL) // the group may be gone
	default:
		s.limit()
	}
}

// limit sets the time that a service has to end in. To be told again gives it no
// more of it.
func (s *service) limit() {
	limit := s.settings.KillAfter
	if limit == 0 && s.sup.stopping {
		limit = s.sup.cfg.StopLimit
	}
	if limit == 0 {
		return
	}
	at := time.Now().Add(limit)
	if old, ok := s.sup.timers.of(s, timerMachine); !ok || at.Before(old) {
		s.sup.timers.set(s, timerMachine, at)
	}
}

// signal sends one to the process.
func (s *service) signal(signal unix.Signal) {
	if err := s.process.signal(signal); err != nil && !errors.Is(err, unix.ESRCH) {
		s.say("signal " + unix.SignalName(signal) + ": " + err.Error())
	}
}

// pause sets the time of the next start, which may be now.
func (s *service) pause() {
	now := time.Now()
	wait := s.settings.Policy.pause(s.history)
	if s.restart {
		wait = 0
	}
	next := s.lastStart.Add(wait)
	if next.Sub(now) > wait {
		next = now.Add(wait) // the clock was set back
	}
	s.next = next
	if !next.After(now) {
		s.sup.later(s, EventDue)
		return
	}
	s.sup.timers.set(s, timerMachine, next)
}

// ended notes the end of ./run.
func (s *service) ended(exit exitStatus) {
	s.exit, s.exitAt = exit, time.Now()
	s.ready, s.paused = false, false
	s.endHelpers(helperCheck)
	s.sup.timers.set(s, timerReady, time.Time{})
	s.sup.timers.set(s, timerStart, time.Time{})
	if s.notify >= 0 {
		s.sup.ignore(s.notify)
		unix.Close(s.notify)
		s.notify = -1
	}
	if !s.asked {
		s.history.note(s.exitAt, s.settings.Policy)
	}
}

// onProcess looks whether the process has ended.
func (s *service) onProcess() {
	if s.process.pidfd < 0 {
		return
	}
	if s.settings.KillAfter > 0 && (s.asked || s.sup.stopping) {
		if ended, reaped := pidfdState(s.process.pidfd); ended && !reaped {
			// What it has left, if anything; once it has been waited for, its number
			// may be that of another group.
			_ = s.process.signalGroup(unix.SIGKILL)
		}
	}
	exit, err := s.process.reap(s.sup.told)
	if err != nil {
		return // not yet
	}
	s.processEnded(exit)
}

func (s *service) processEnded(exit exitStatus) {
	delete(s.sup.told, s.process.pid)
	s.sup.ignore(s.process.pidfd)
	s.sup.forget(s.process.pidfd)
	s.process.pidfd = -1
	if s.machine.Phase == PhaseFinish {
		s.dropLater(kindFinish)
		s.finishEnded(exit)
		return
	}
	s.dropLater(kindRun)
	s.ended(exit)
	s.sup.apply(s, EventDied)
}

// Exit codes of ./finish that say not to start the service again; in runit's
// folders none does.
//
// Source: supervise(8) of daemontools-encore; https://skarnet.org/software/s6/s6-supervise.html
const (
	encoreFailed = 100
	s6Failed     = 125
)

func (s *service) finishEnded(exit exitStatus) {
	code := -1
	if exit.known && exit.status.Exited() {
		code = exit.status.ExitStatus()
	}
	if code == s6Failed && s.dialect() == S6 || code == encoreFailed && s.dialect() == Daemontools {
		s.sup.apply(s, EventGiveUp)
		return
	}
	s.sup.apply(s, EventFinished)
}

// onNotify reads whether the service says that it is ready: a newline does.
//
// Source: https://skarnet.org/software/s6/notifywhenup.html
func (s *service) onNotify() {
	var b [256]byte
	n, err := unix.Read(s.notify, b[:])
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR) {
		return
	}
	if n > 0 && !strings.Contains(string(b[:n]), "\n") {
		return
	}
	s.sup.ignore(s.notify)
	unix.Close(s.notify)
	s.notify = -1
	if n > 0 && (s.machine.Phase == PhaseUp || s.machine.Phase == PhaseStop) {
		s.becomeReady()
	}
}

func (s *service) becomeReady() {
	s.ready = true
	s.sup.timers.set(s, timerStart, time.Time{})
	s.sup.scan.released = true
	s.touch()
}
