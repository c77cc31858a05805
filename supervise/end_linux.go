package supervise

import (
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"scgikit/internal/servicedir"
)

// leave gives a folder back: its FIFOs have no reader and its lock no holder any
// more, so that clients find it unsupervised.
func (sup *supervisor) leave(s *service) {
	if s.isLog() {
		sup.letGo(s)
		sup.ended(s.main)
		return
	}
	sup.letGo(s)
	if s.log != nil && s.log.machine.Phase != PhaseGone {
		// The log comes to the end of what is in the pipe once nobody can write to
		// it any more.
		s.closePipe()
		sup.endLog(s.log)
		return
	}
	sup.ended(s)
}

// endLog has a log end behind its last line: the engine and loggers of all
// families do at the end of their input. One that does not run is given back.
func (sup *supervisor) endLog(log *service) {
	log.machine.Exiting = true
	log.touch()
	switch log.machine.Phase {
	case PhaseDown, PhaseHeld, PhasePause:
		sup.later(log, EventExit)
	case PhaseUp, PhaseStop, PhaseFinish:
		log.machine.Want = WantDown
		if log.engine != nil {
			log.stepLog()
		}
		switch {
		case sup.killing:
			sup.timers.set(log, timerMachine, time.Now().Add(lastLines))
		default:
			log.limit()
		}
	case PhaseGone:
	}
}

// lastLines is how long a log has for what is in the pipe where all is to end at
// once.
const lastLines = time.Second

// letGo closes what clients see.
func (sup *supervisor) letGo(s *service) {
	sup.ignore(s.control)
	s.closeEngine()
	// Nothing is left to be known by the next supervisor.
	_ = unix.Unlinkat(s.super, "scgikit.json", 0) // it may not be there
	// The starts are counted anew, and nothing from before proves to be one of them.
	_ = unix.Unlinkat(s.super, secretFile, 0) // as above
	s.secret = secret{}
	s.custom, s.queue = nil, nil
	s.endHelpers(helperControl, helperReload, helperCheck)
	var b [servicedir.Size]byte
	status := s.status()
	status.Put(&b)
	_ = s.folder.write("status", b[:]) // the folder may be gone
	s.announce()
	for _, k := range []kind{kindDir, kindLock, kindControl, kindOK} {
		s.drop(k)
	}
	sup.post()
	s.close()
	for kind := range timerKinds {
		sup.timers.set(s, kind, time.Time{})
	}
}

func (s *service) closePipe() {
	if s.pipe >= 0 {
		s.drop(kindPipe)
		s.sup.forget(s.pipe)
		s.pipe = -1
	}
}

// ended forgets a service that was given back, and its log with it. If it is in
// the scan folder still, daemontools' svscan would start it again at its next
// look, and so does this, for daemontools; else it stays given back until its
// name was away, or somebody asks for another look.
func (sup *supervisor) ended(s *service) {
	if s.machine.Phase != PhaseGone || s.log != nil && s.log.machine.Phase != PhaseGone {
		return
	}
	s.closePipe()
	delete(sup.services, s.id)
	sup.list = slices.DeleteFunc(sup.list, func(other *service) bool { return other == s })
	if sup.stopping || sup.cfg.Single {
		return
	}
	if s.stale {
		sup.scan.soon(0) // for one that has come with its name
		return
	}
	sup.scan.left[s.id] = time.Time{}
	if s.dialect() == Daemontools {
		sup.scan.left[s.id] = time.Now().Add(scanEvery)
		sup.scan.soon(scanEvery)
	}
}

// finished returns whether there is nothing left to do.
func (sup *supervisor) finished() bool {
	return (sup.stopping || sup.cfg.Single) && len(sup.list) == 0
}

// stop ends all services, those first that nobody else comes after, and their
// logs behind them.
func (sup *supervisor) stop() {
	sup.stopping = true
	sup.cfg.stopping = true
	sup.stopNext()
}

// kill ends everything at once: somebody has asked for the end a second time.
func (sup *supervisor) kill() {
	sup.killing = true
	sup.stopNext()
	for _, s := range sup.all() {
		if s.isLog() && s.main.machine.Phase != PhaseGone {
			continue // its turn comes when nobody writes to it any more
		}
		if s.process.pidfd >= 0 || s.engine != nil {
			sup.later(s, EventLate)
		}
	}
}

// onTold looks at what waits for the end of a process that the keeper has seen.
func (sup *supervisor) onTold(pid int) {
	for _, s := range sup.all() {
		if s.process.pidfd >= 0 && s.process.pid == pid {
			s.onProcess()
			return
		}
	}
	if h := sup.helpers[pid]; h != nil {
		sup.onHelper(h.pidfd, pid)
		return
	}
	delete(sup.told, pid)
}

// move has a service go on in a folder that took the place of its own, as when a
// package is upgraded: the process, the pipe and what is wanted stay.
func (sup *supervisor) move(s *service, dir int, id inode) {
	old := s.folder
	next := noFolder()
	next.dir, next.id = dir, id
	if err := next.prepare(); err != nil {
		unix.Close(dir)
		sup.say(s.name + ": unable to go on in its new folder: " + err.Error())
		sup.scan.soon(scanEvery)
		return
	}
	s.rehome(next, old)
	delete(sup.services, old.id)
	sup.services[id] = s
	sup.watch(s.name, s.dir)
	if s.log == nil {
		s.gainLog()
		return
	}
	logDir, logID, err := openDir(s.dir, "log")
	if err != nil {
		sup.say(s.name + ": its new folder has no log, the one that runs goes on in the old one: " + err.Error())
		return
	}
	log := noFolder()
	log.dir, log.id = logDir, logID
	if err := log.prepare(); err != nil {
		unix.Close(logDir)
		sup.say(s.name + ": unable to go on with its log in the new folder: " + err.Error())
		return
	}
	s.log.rehome(log, s.log.folder)
	// Its logger has the old folder open.
	if s.log.machine.Phase == PhaseUp {
		s.log.obeySignal(unix.SIGTERM, false)
	}
}

// gainLog begins with a log that only the new folder of a service has.
func (s *service) gainLog() {
	if err := s.openLog(); err != nil {
		s.say("unable to supervise the log that its new folder has: " + err.Error())
		if s.log != nil {
			s.log.abandon()
			s.log = nil
		}
		return
	}
	if s.log == nil {
		return
	}
	s.say("its new folder has a log, which gets what is printed from the next start on")
	s.log.restore()
	s.openPipe()
	s.log.beginFolder()
	s.log.goOn()
}

// rehome replaces the folder and all that is known by it. What was started in the
// old one has that in its marker.
func (s *service) rehome(next, old folder) {
	kinds := []kind{kindDir, kindLock, kindControl, kindOK, kindPipe, kindRun, kindFinish}
	for _, k := range kinds {
		s.drop(k)
	}
	s.sup.ignore(old.control)
	copy(s.former[1:], s.former[:])
	s.former[0] = old.id
	s.folder, s.secret = next, secret{}
	s.sup.post()
	old.close()
	s.beginFolder()
	if s.pipe >= 0 {
		s.hold(kindPipe, s.pipe, 0)
	}
	if s.process.pidfd >= 0 {
		k := kindRun
		if s.machine.Phase == PhaseFinish {
			k = kindFinish
		}
		s.hold(k, s.process.pidfd, s.process.pid)
	}
	s.stale = false
	s.touch()
}
