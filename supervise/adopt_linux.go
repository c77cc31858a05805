package supervise

import (
	"errors"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// open makes the folder and that of its log ready, with what is there from
// before: descriptors that the keeper held, and processes that run.
func (s *service) open() error {
	s.adoptFolder()
	if err := s.prepare(); err != nil {
		return err
	}
	if s.isLog() {
		return nil
	}
	return s.openLog()
}

// openLog makes the folder of the log ready, if there is one.
func (s *service) openLog() error {
	if s.sup.cfg.NoLog {
		return nil
	}
	dir, id, err := openDir(s.dir, "log")
	switch {
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENOTDIR):
		return nil
	case err != nil:
		return &openError{s.name + "/log", err}
	}
	if len(s.name)+len("/log") > maxName {
		unix.Close(dir)
		s.say("its name is too long for it to have a log")
		return nil
	}
	s.log = newService(s.sup, s.name+"/log")
	s.log.main, s.log.dir, s.log.id = s, dir, id
	return s.log.open()
}

// adoptFolder takes the descriptors of the folder that the keeper held.
func (s *service) adoptFolder() {
	for k, fd := range map[kind]*int{kindLock: &s.lock, kindControl: &s.control, kindOK: &s.ok, kindPipe: &s.pipe} {
		if h, ok := s.sup.takeHeld(s.key(k)); ok {
			*fd = int(h.fd)
		}
	}
	if h, ok := s.sup.takeHeld(s.key(kindDir)); ok {
		unix.Close(int(h.fd)) // it is open already
	}
}

func (sup *supervisor) takeHeld(k key) (heldFD, bool) {
	h, ok := sup.held[k]
	delete(sup.held, k)
	return h, ok
}

// abandon gives back what open has opened.
func (s *service) abandon() {
	if s.log != nil {
		s.log.abandon()
	}
	if s.pipe >= 0 {
		unix.Close(s.pipe)
		s.pipe = -1
	}
	s.close()
}

// begin starts the service, or goes on with it.
func (s *service) begin() {
	s.restore()
	if s.log != nil {
		s.log.restore()
		s.openPipe()
	}
	s.beginFolder()
	if s.log != nil {
		s.log.beginFolder()
		s.log.goOn()
	}
	s.goOn()
}

// restore reads what the last supervisor has left, and finds the process.
func (s *service) restore() {
	_ = s.readSettings() // a start reads them again
	s.since = time.Now()
	data, err := readSmall(s.super, "scgikit.json")
	id, known := parseIdent(string(data))
	if err != nil || !known || id.Boot != s.sup.boot || id.Boot == "" || id.Machine.Phase == PhaseGone {
		s.machine = Machine{Phase: PhaseDown, Want: WantUp}
		if s.has("down") {
			s.machine.Want = WantDown
		}
		if err == nil && known {
			return
		}
		// It may be that there was no room to write it down: what the keeper held
		// says so too, and, where there is the file at least, the marker.
		s.findHeld(ident{})
		if err == nil && s.process.pidfd < 0 {
			s.findClaimed(ident{})
		}
		return
	}
	s.machine, s.paused, s.gotTERM, s.ready, s.asked = id.Machine, id.Paused, id.GotTERM, id.Ready, id.Asked
	s.starts, s.since, s.lastStart, s.exitAt = id.Starts, id.Since, id.LastStart, id.ExitAt
	s.exit, s.history = exitStatus{unix.WaitStatus(id.Exit.Status), id.Exit.Known}, id.History
	s.pipeID, s.former, s.session = id.Pipe, id.Former, id.PID
	s.sweepHelpers()
	s.findProcess(id)
}

// findProcess finds the process that is to be there by what was written down:
// first by the descriptor that the keeper held, then by its id and its start, and
// last, if the supervisor was killed while it started one, by the marker.
func (s *service) findProcess(id ident) {
	if s.findHeld(id); s.process.pidfd >= 0 {
		return
	}
	if p, ok := openProcess(id.PID, id.Start); ok && id.PID != os.Getpid() {
		k := kindRun
		if s.machine.Phase == PhaseFinish {
			k = kindFinish
		}
		s.take(p, k)
		return
	}
	s.findClaimed(id)
}

func (s *service) findHeld(id ident) {
	for _, k := range []kind{kindRun, kindFinish} {
		h, ok := s.sup.takeHeld(s.key(k))
		if !ok {
			continue
		}
		pid := int(h.pid)
		if pid == 0 {
			pid = pidOf(int(h.fd))
		}
		if pid == 0 {
			pid = id.PID
		}
		start := id.Start
		if pid != id.PID {
			start = startOf(pid)
			s.newer(k)
		}
		s.process = process{pid, int(h.fd), start}
		if k == kindRun {
			s.session = pid
		}
		s.sup.listen(s.process.pidfd, handler{kind: handleProcess, s: s})
		return
	}
}

func (s *service) findClaimed(id ident) {
	if c, ok := s.sup.claimed(s, id.Starts); ok {
		if p, ok := openProcess(c.pid, c.start); ok {
			s.starts = c.number
			s.newer(kindRun)
			s.take(p, kindRun)
		}
	}
}

// newer has the phase be that of a process which is not in what was written down.
func (s *service) newer(k kind) {
	s.machine.Phase, s.lastStart, s.since = PhaseUp, time.Now(), time.Now()
	s.asked, s.gotTERM, s.paused = false, false, false
	s.ready = s.settings.Notify < 0 && !s.executable("check")
	if k == kindFinish {
		s.machine.Phase = PhaseFinish
	}
}

// openPipe makes the pipe to the log. Where nobody has held it, a process that
// runs still has it: its output.
func (s *service) openPipe() {
	defer func() {
		if s.pipe >= 0 {
			s.hold(kindPipe, s.pipe, 0)
			s.pipeID = fifoOf(s.pipe)
		}
	}()
	if s.pipe >= 0 {
		return
	}
	for _, from := range []string{"/proc/" + itoa(s.process.pid) + "/fd/1", "/proc/" + itoa(s.log.process.pid) + "/fd/0"} {
		if strings.HasPrefix(from, "/proc/0/") {
			continue
		}
		fd, err := unix.Open(from, unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
		if err != nil {
			continue
		}
		// It may have made itself another output. Where nothing could be written
		// down, that is not known.
		if is := fifoOf(fd); is != (inode{}) && (is == s.pipeID || s.pipeID == inode{}) {
			_ = unix.SetNonblock(fd, false) // of a FIFO
			s.pipe = fd
			return
		}
		unix.Close(fd)
	}
	var ends [2]int
	if err := unix.Pipe2(ends[:], unix.O_CLOEXEC); err != nil {
		s.say("unable to make a pipe to its log: " + err.Error())
		return
	}
	defer unix.Close(ends[0])
	defer unix.Close(ends[1])
	fd, err := reopen(ends[0], unix.O_RDWR)
	if err != nil {
		s.say("unable to open the pipe to its log: " + err.Error())
		return
	}
	s.pipe = fd
}

// beginFolder writes the status and opens the FIFOs, in the order that clients
// rely on: who finds ok can read the status.
func (s *service) beginFolder() {
	s.write()
	var err error
	if s.control < 0 {
		s.control, err = s.openFIFO("control")
	}
	if err == nil && s.ok < 0 {
		s.ok, err = s.openFIFO("ok")
	}
	if err != nil {
		s.say("it cannot be commanded: " + err.Error())
	}
	s.hold(kindDir, s.dir, 0)
	s.hold(kindLock, s.lock, 0)
	if s.control >= 0 {
		s.hold(kindControl, s.control, 0)
		s.sup.listen(s.control, handler{kind: handleControl, s: s})
	}
	if s.ok >= 0 {
		s.hold(kindOK, s.ok, 0)
	}
}

// goOn starts a service that is to be up, or goes on with one that is.
func (s *service) goOn() {
	running := s.process.pidfd >= 0
	// A log may still have lines to write; what is not there need not come.
	ending := s.sup.stopping && !s.isLog()
	switch s.machine.Phase {
	case PhaseUp, PhaseStop, PhaseFinish:
		switch {
		case running:
			s.goOnRunning()
		case s.isLog() && s.machine.Phase != PhaseFinish:
			// It was written by the process that was killed.
			s.machine.Phase = PhaseDown
			s.goOn()
		case s.machine.Phase == PhaseFinish:
			s.sup.later(s, EventFinished)
		default:
			s.ended(exitStatus{})
			s.sup.later(s, EventDied)
		}
	case PhasePause:
		if !ending {
			s.pause()
		}
	case PhaseDown, PhaseHeld:
		if ending {
			break
		}
		if s.machine.Want == WantUp && !s.machine.Failed {
			s.sup.later(s, EventUp)
		} else if s.machine.Want == WantOnce && s.machine.Phase == PhaseHeld {
			s.sup.later(s, EventOnce)
		}
	case PhaseGone:
	}
	s.touch()
}

func (s *service) goOnRunning() {
	switch {
	case s.machine.Phase == PhaseStop:
		s.limit()
	case s.machine.Phase == PhaseFinish && s.settings.FinishTimeout > 0:
		s.sup.timers.set(s, timerMachine, time.Now().Add(s.settings.FinishTimeout))
	case s.machine.Phase == PhaseUp && !s.ready && s.settings.Notify >= 0:
		// What it would have said it on is gone: it is taken for ready, or nobody
		// who waits would ever start.
		s.ready = true
	case s.machine.Phase == PhaseUp && !s.ready:
		s.sup.timers.set(s, timerReady, time.Now().Add(checkEvery))
	}
}

// adoptRest goes on with services that are supervised and not in the scan folder
// any more, and lets go of what nobody needs.
func (sup *supervisor) adoptRest() {
	var dirs []heldFD
	logs := map[inode]bool{}
	for k, h := range sup.held {
		if k.kind == kindDir {
			dirs = append(dirs, h)
			if dir, id, err := openDir(int(h.fd), "log"); err == nil {
				unix.Close(dir)
				logs[id] = true
			}
		}
	}
	for _, h := range dirs {
		id := inode{h.dev, h.ino}
		if logs[id] || sup.services[id] != nil {
			continue
		}
		name, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(int(h.fd)))
		if err != nil {
			continue
		}
		dir, err := unix.Open("/proc/self/fd/"+strconv.Itoa(int(h.fd)), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			continue
		}
		name = strings.TrimSuffix(name, " (deleted)")
		sup.supervise(name[strings.LastIndexByte(name, '/')+1:], dir, id)
		if s := sup.services[id]; s != nil {
			s.stale = true
			if _, taken := sup.scan.present[s.name]; !taken {
				sup.scan.present[s.name] = id
			}
			sup.scan.soon(scanDelay)
		}
	}
	for k, h := range sup.held {
		unix.Close(int(h.fd))
		sup.tell(message{op: opDrop, key: k, fd: -1})
		delete(sup.held, k)
	}
}

// claim is a process that has a marker: the number of the start that it is from.
type claim struct {
	pid    int
	start  uint64
	number int
	proof  string
}

// claimTries is how many milliseconds a process may take from fork to exec that
// a supervisor was killed in between of.
const claimTries = 200

// claimed returns the process of a service that was started after what was
// written down.
func (sup *supervisor) claimed(s *service, starts int) (best claim, ok bool) {
	for try := 0; sup.claims == nil; try++ {
		found, undecided := findClaims()
		if undecided && try < claimTries {
			time.Sleep(time.Millisecond)
			continue
		}
		sup.claims = found
	}
	for _, c := range sup.claims[s.id] {
		if c.number <= starts || !s.proves(c) {
			continue
		}
		// Of several the first that was started is the one: the others were
		// started by it.
		if !ok || c.number > best.number || c.number == best.number && c.start < best.start {
			best, ok = c, true
		}
	}
	return best, ok
}

// findClaims looks at all processes for the markers of leaders of sessions.
func findClaims() (found map[inode][]claim, undecided bool) {
	claims := map[inode][]claim{}
	forProcesses(func(pid int) {
		m, ok := markOf(pid)
		if !ok {
			undecided = undecided || isFork(pid)
			return
		}
		fields := stat(pid)
		if int(statNumber(fields, statSession)) != pid { //nolint:gosec // process ids are small
			return
		}
		claims[m.id] = append(claims[m.id], claim{pid, statNumber(fields, statStart), m.number, m.proof})
	})
	return claims, undecided
}

// isFork returns whether a process is a copy of a supervisor that is about to
// become a service.
func isFork(pid int) bool {
	if pid == os.Getpid() || pid == os.Getppid() || parentOf(pid) != os.Getppid() {
		return false
	}
	theirs, err1 := os.Readlink("/proc/" + itoa(pid) + "/exe")
	ours, err2 := os.Readlink("/proc/self/exe")
	return err1 == nil && err2 == nil && theirs == ours
}

// forProcesses calls f with the id of each process.
func forProcesses(f func(pid int)) {
	if !ownProc() {
		return // others would be meant
	}
	names, err := listFolder(unix.AT_FDCWD, "/proc")
	if err != nil {
		return
	}
	for _, name := range names {
		if pid, err := strconv.Atoi(name); err == nil {
			f(pid)
		}
	}
}
