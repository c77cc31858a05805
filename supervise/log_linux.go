package supervise

import (
	"fmt"
	"path"
	"time"

	"golang.org/x/sys/unix"

	"scgikit/internal/accounts"
	"scgikit/internal/lean"
	"scgikit/logrotate"
)

// engine writes the lines of a log in this process.
type engine struct {
	log        *logrotate.Logger
	in         int    // what it reads; only it has no other end for writing
	place      string // its first folder, as seen from the service's
	listening  bool   // for lines
	background bool   // it goes on when it wakes us
}

// parkAfter is how long a log is quiet before its memory is given back.
const parkAfter = 2 * time.Second

// startEngine opens the log if ./run is a script that only becomes a multilog. It
// returns false where the script is to be run.
func (s *service) startEngine() bool {
	data, err := readSmall(s.dir, "run")
	if err != nil || !s.executable("run") {
		return false
	}
	script, ok := parseLogScript(string(data))
	if !ok || s.sup.cfg.Outside {
		return false
	}
	owner, ok := logOwner(script.User)
	if !ok {
		return false
	}
	words, err := logrotate.ParseScript(script.Words)
	if err != nil {
		return false // it says so itself
	}
	if err := s.openEngine(words, owner); err != nil {
		s.reason = err.Error()
		s.say(s.reason)
		s.history.note(time.Now(), s.settings.Policy)
		s.sup.later(s, EventFailed)
	}
	return true
}

// logOwner returns for whom a log is to be written: nil is for this process's own
// user. It returns false where this process cannot.
func logOwner(name string) (*logrotate.Owner, bool) {
	if name == "" {
		return nil, true
	}
	account, ok := accounts.Find(name)
	if !ok {
		return nil, false
	}
	if self := unix.Geteuid(); self != 0 {
		return nil, false // setuidgid says what it thinks of that
	}
	return &logrotate.Owner{UID: account.UID, GID: account.GID}, true
}

func (s *service) openEngine(words logrotate.Script, owner *logrotate.Owner) error {
	in, err := reopen(s.main.pipe, unix.O_RDONLY|unix.O_NONBLOCK)
	if err != nil {
		return err
	}
	sup := s.sup
	wake := sup.wake
	l, err := logrotate.Open(logrotate.Config{
		Script: words, Input: in, Dir: s.dir,
		Alert:   func(lines []byte) { _, _ = unix.Write(2, lines) }, // as multilog would; nobody hears of trouble with it
		Warn:    func(message string) { s.say(message) },
		Wake:    func() { _, _ = unix.Write(wake, []byte{1, 0, 0, 0, 0, 0, 0, 0}) }, // a full counter wakes too
		Buffers: sup.buffers, Owner: owner, Compressors: sup.compressors,
	})
	if err != nil {
		unix.Close(in)
		return err
	}
	s.engine = &engine{log: l, in: in}
	for _, a := range words.Actions {
		if a.Kind == logrotate.Folder {
			s.engine.place = path.Join("log", a.Word)
			if path.IsAbs(a.Word) {
				s.engine.place = a.Word
			}
			break
		}
	}
	sup.listen(in, handler{kind: handleLog, s: s})
	s.engine.listening = true
	if s.since.IsZero() {
		s.since = time.Now()
	}
	// A line that a log before this one had begun may be all that there is.
	s.stepLog()
	return nil
}

// stepLog lets the engine do what can be done now.
func (s *service) stepLog() {
	e := s.engine
	if e == nil {
		return
	}
	e.background = false
	s.sup.timers.set(s, timerLog, time.Time{})
	wait := e.log.Step()
	if wait.Done {
		err := e.log.Err()
		s.closeEngine()
		s.exit, s.exitAt = exitStatus{0, true}, time.Now()
		if err != nil {
			s.reason = err.Error()
			s.say(s.reason)
			s.exit.status = 111 << 8
		}
		s.ended(s.exit)
		s.sup.later(s, EventDied)
		return
	}
	e.background = wait.Background
	if wait.Input != e.listening {
		if wait.Input {
			s.sup.listen(e.in, handler{kind: handleLog, s: s})
		} else {
			s.sup.ignore(e.in)
		}
		e.listening = wait.Input
	}
	switch {
	case !wait.Until.IsZero():
		s.sup.timers.set(s, timerLog, wait.Until)
	case wait.Input && !wait.Background:
		s.sup.busy(s)
	}
}

// closeEngine ends the log as it is.
func (s *service) closeEngine() {
	e := s.engine
	if e == nil {
		return
	}
	if e.listening {
		s.sup.ignore(e.in)
	}
	e.log.Close()
	unix.Close(e.in)
	s.engine = nil
}

// signalEngine does what the signal would do to a multilog.
func (s *service) signalEngine(signal unix.Signal) {
	switch signal {
	case unix.SIGALRM:
		s.engine.log.Rotate()
		s.stepLog()
	case unix.SIGTERM:
		s.asked = true
		s.engine.log.Stop()
		s.stepLog()
	case unix.SIGHUP, unix.SIGINT, unix.SIGKILL, unix.SIGQUIT, unix.SIGABRT:
		s.asked = true
		s.closeEngine()
		s.ended(exitStatus{unix.WaitStatus(signal), true})
		s.sup.apply(s, EventDied)
	default:
		s.say(fmt.Sprintf("the log is written by the supervisor, which cannot take %s for it", unix.SignalName(signal)))
	}
}

// busy notes that a log has had work. Once it has been quiet for a while, its
// memory is given back.
func (sup *supervisor) busy(s *service) {
	if sup.parkAt.IsZero() {
		sup.parkAt = time.Now().Add(parkAfter)
	}
	s.busy = true
	if !s.awake {
		s.awake = true
		sup.awake = append(sup.awake, s)
	}
}

// park gives back the memory of the logs that had no work since the last time.
func (sup *supervisor) park() {
	sup.parkAt = time.Time{}
	left := sup.awake[:0]
	for _, s := range sup.awake {
		if s.engine != nil && (s.busy || !s.engine.log.Park()) {
			s.busy = false
			left = append(left, s)
			continue
		}
		s.awake, s.busy = false, false
	}
	clear(sup.awake[len(left):])
	sup.awake = left
	if len(left) > 0 {
		sup.parkAt = time.Now().Add(parkAfter)
		return
	}
	sup.awake = nil
	lean.Memory()
}
