package supervise

import (
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"scgikit/internal/servicedir"
)

// service is one supervised folder: a service, or the log of one.
type service struct {
	folder
	sup  *supervisor
	name string // in messages: "blog", "blog/log"
	main *service
	log  *service

	pipe     int // what it writes and its log reads, open for both; -1: none
	pipeID   inode
	secret   secret
	former   former // folders that it was in before
	settings Settings
	problems []string
	machine  Machine
	process  process // ./run or ./finish
	session  int     // the last ./run
	paused   bool
	gotTERM  bool
	ready    bool
	asked    bool // the end that is to come was asked for
	restart  bool // and is to be followed by a start at once
	skip     bool // runit's control script has done what a signal would do

	since     time.Time // of the phase
	lastStart time.Time
	starts    int
	exitAt    time.Time
	exit      exitStatus
	history   history
	reason    string // why it could not be started
	waits     string // the service that it waits for
	circle    bool   // it was said that it waits for nobody, because that would be for itself
	next      time.Time

	notify int // descriptor that it says on that it is ready; -1: none
	queue  []command
	custom *custom         // control script that runs
	engine *engine         // its lines are written here; only a log has one
	busy   bool            // the engine had work since the last look
	awake  bool            // and is in the list of those
	timers [timerKinds]int // where they are among all, from 1; 0: there is none
	dirty  bool
	stale  bool      // its folder is not in the scan folder any more
	missed time.Time // since then
}

func newService(sup *supervisor, name string) *service {
	return &service{folder: noFolder(), sup: sup, name: name, pipe: -1, notify: -1, process: noProcess(), settings: defaults(sup.cfg.Dialect)}
}

func (s *service) key(k kind) key { return key{k, s.id.dev, s.id.ino} }

func (s *service) say(text string) { s.sup.say(s.name + ": " + text) }

// dialect is the one that is followed for this service.
func (s *service) dialect() Dialect { return s.settings.Dialect }

// hold keeps a copy of a descriptor where it outlives this process.
func (s *service) hold(k kind, fd, pid int) {
	s.sup.drops = slices.DeleteFunc(s.sup.drops, func(old key) bool { return old == s.key(k) })
	s.sup.tell(message{op: opStore, key: s.key(k), number: uint32(pid), fd: fd}) //nolint:gosec // process ids are not negative
}

func (s *service) drop(k kind) { s.sup.tell(message{op: opDrop, key: s.key(k), fd: -1}) }

// dropLater drops it once it is written down how things are: until then it is how
// the next supervisor would learn of the end of a process.
func (s *service) dropLater(k kind) { s.sup.drops = append(s.sup.drops, s.key(k)) }

// touch has the files about the service written before the next wait.
func (s *service) touch() {
	if !s.dirty {
		s.dirty = true
		s.sup.dirty = append(s.sup.dirty, s)
	}
}

// write writes the files that tell about the service. A folder that cannot be
// written to, or is gone, stops nothing.
func (s *service) write() {
	s.dirty = false
	if s.super < 0 || s.machine.Phase == PhaseGone {
		return
	}
	var b [servicedir.Size]byte
	status := s.status()
	status.Put(&b)
	err := s.folder.write("status", b[:])
	detail := s.detail()
	// Without room it is there at least, and who sees it empty looks further.
	s.sup.text = appendDetail(s.sup.text[:0], s.ident(), &detail)
	if other := s.folder.write("scgikit.json", s.sup.text); err == nil {
		err = other
	}
	if err == nil && s.dialect() == Runit {
		err = s.writeRunit(&status)
	}
	if err != nil && !s.stale {
		s.say("unable to write supervise/status: " + err.Error())
	}
	s.announce()
}

// status is what the tools of the families are told.
func (s *service) status() servicedir.Status {
	st := servicedir.Status{Since: s.since, PID: s.pid(), Paused: s.paused, GotTERM: s.gotTERM}
	switch {
	case s.machine.Exiting && s.dialect() == Runit:
		st.Want = servicedir.WantDown
	case s.machine.Failed:
		// Nothing will start it, and sv start does nothing where it reads that it
		// is wanted up.
		st.Want = servicedir.WantDown
	case s.machine.Phase == PhasePause && s.settings.Policy.pause(s.history) > time.Second:
		st.Want = servicedir.WantOnce // so that sv start does not wait for that time to pass
	case s.machine.Want == WantUp:
		st.Want = servicedir.WantUp
	case s.machine.Want == WantDown, s.dialect() == Runit:
		st.Want = servicedir.WantDown
	}
	switch s.machine.Phase {
	case PhaseUp, PhaseStop:
		st.Run = servicedir.RunUp
	case PhaseFinish:
		st.Run = servicedir.RunFinish
		if s.dialect() == Daemontools {
			st.PID = 0 // daemontools knows no ./finish
		}
	case PhaseDown, PhaseHeld, PhasePause, PhaseGone:
	}
	if s.exit.known {
		st.Exit = uint16(s.exit.status) //nolint:gosec // wait statuses have 16 bits
	}
	return st
}

func (s *service) pid() int {
	if s.engine != nil {
		return os.Getpid()
	}
	if s.process.pidfd < 0 {
		return 0
	}
	return s.process.pid
}

// writeRunit writes the two files that runit has for scripts.
//
// Source: runsv.c of runit 2.1.2, update_status.
func (s *service) writeRunit(st *servicedir.Status) error {
	text := map[servicedir.Run]string{servicedir.RunDown: "down", servicedir.RunUp: "run", servicedir.RunFinish: "finish"}[st.Run]
	if st.Paused {
		text += ", paused"
	}
	if st.GotTERM {
		text += ", got TERM"
	}
	if st.Run != servicedir.RunDown && s.machine.Exiting {
		text += ", want exit"
	} else if st.Run != servicedir.RunDown && st.Want == servicedir.WantDown {
		text += ", want down"
	}
	if err := s.replace("stat", text+"\n"); err != nil {
		return err
	}
	pid := ""
	if st.PID != 0 {
		pid = itoa(st.PID) + "\n"
	}
	return s.replace("pid", pid)
}

// replace writes a file anew and moves it into its place.
func (s *service) replace(name, text string) error {
	fd, err := unix.Openat(s.super, name+".new", unix.O_WRONLY|unix.O_CREAT|unix.O_TRUNC|unix.O_CLOEXEC|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0o644)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := writeAll(fd, text); err != nil {
		return err
	}
	return unix.Renameat(s.super, name+".new", s.super, name)
}

// ident is what the next supervisor is told.
func (s *service) ident() ident {
	pid, start := s.process.pid, s.process.start
	if s.process.pidfd < 0 {
		pid, start = 0, 0
	}
	return ident{
		Boot: s.sup.boot, PID: pid, Start: start, Machine: s.machine, Paused: s.paused, GotTERM: s.gotTERM,
		Ready: s.ready, Asked: s.asked, Starts: s.starts, Since: s.since, LastStart: s.lastStart, ExitAt: s.exitAt,
		Exit: exitWord{uint32(s.exit.status), s.exit.known}, History: s.history, Pipe: s.pipeID, Former: s.former,
	}
}

// detail is what people are told.
func (s *service) detail() servicedir.Detail {
	d := servicedir.Detail{
		State: s.state(), Want: "up", PID: s.pid(), Since: seconds(s.since), Ready: s.ready, Paused: s.paused,
		Starts: s.starts, Reason: bounded(s.reason),
	}
	if s.machine.Phase == PhaseHeld {
		d.Waits = bounded(s.waits)
	}
	switch {
	case s.machine.Exiting:
		d.Want = "exit"
	case s.machine.Want == WantDown:
		d.Want = "down"
	case s.machine.Want == WantOnce:
		d.Want = "once"
	case s.machine.Want == WantUp:
	}
	if !s.exitAt.IsZero() {
		d.Last = servicedir.Exit{At: seconds(s.exitAt), Code: -1, Unknown: !s.exit.known}
		if s.exit.known && s.exit.status.Signaled() {
			d.Last.Signal, d.Last.Core = strings.TrimPrefix(unix.SignalName(s.exit.status.Signal()), "SIG"), s.exit.status.CoreDump()
		} else if s.exit.known {
			d.Last.Code = s.exit.status.ExitStatus()
		}
	}
	if s.machine.Phase == PhasePause {
		d.Next = seconds(s.next)
	}
	if len(s.problems) > 0 && d.Reason == "" {
		d.Reason = bounded(strings.Join(s.problems, "; "))
	}
	d.Reload = "signal " + strings.TrimPrefix(unix.SignalName(s.settings.ReloadSignal), "SIG")
	if s.executable("reload") {
		d.Reload = "command"
	}
	if s.log != nil {
		d.LogState = s.log.state()
		if s.log.engine != nil {
			d.Log = s.log.engine.place
		}
	}
	return d
}

// state is the word for what the service is doing.
func (s *service) state() servicedir.State {
	switch s.machine.Phase {
	case PhaseHeld:
		return servicedir.Waiting
	case PhaseUp:
		if !s.ready {
			return servicedir.Starting
		}
		return servicedir.Running
	case PhaseStop:
		return servicedir.Stopping
	case PhaseFinish:
		return servicedir.Finish
	case PhasePause:
		if s.settings.Policy.failing(s.history) {
			return servicedir.Failing
		}
		return servicedir.BackOff
	case PhaseDown, PhaseGone:
		if s.machine.Failed {
			return servicedir.Failed
		}
	}
	return servicedir.Down
}

// maxText bounds texts in the file with the details, which has a fixed size.
const maxText = 160

func bounded(s string) string {
	if len(s) > maxText {
		return s[:maxText] + "…"
	}
	return s
}

func seconds(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}
