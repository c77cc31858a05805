package supervise

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"scgikit/internal/lean"
	"scgikit/logrotate"
)

// supervisor is the process that does the work: one loop that owns everything.
type supervisor struct {
	cfg      Config
	rules    [phases][events]rule
	keeper   *mailbox
	watched  bool // a service manager starts us again
	epoll    int
	handlers []handler // by descriptor
	timers   timers
	signals  *signalPipe
	wake     int // eventfd: a log goes on
	spawner  *spawner
	env      []string
	boot     string
	told     map[int]unix.WaitStatus // what the keeper has seen
	held     map[key]heldFD          // what the keeper holds, and nobody has asked for yet
	claims   map[inode][]claim
	services map[inode]*service
	list     []*service // services, without their logs, in the order that they were first seen
	scan     scan
	dirty    []*service
	text     []byte    // of the file that is being written
	letter   []message // to the keeper, not sent yet
	unsaid   []message // the same, with descriptors of their own: it has not read what was sent before
	slow     bool      // and has been waited for
	drops    []key     // what it need not hold any more once all is written down
	pending  []pendingEvent
	buffers  *logrotate.Buffers
	helpers  map[int]*helper // by process id
	sweeps   map[inode]*strays
	stopping bool
	killing  bool
	ready    bool
	cgroup   *cgroup

	compressors chan struct{}
	awake       []*service // logs that had work since they were parked
	parkAt      time.Time  // when they are looked at
}

// pendingEvent is one that came up while another was obeyed.
type pendingEvent struct {
	s *service
	e Event
}

// handler is what a descriptor in the epoll set is for.
type handler struct {
	kind handlerKind
	s    *service
	pid  int
}

type handlerKind uint8

const (
	handleNothing handlerKind = iota
	handleKeeper
	handleSignals
	handleWake
	handleScan
	handleControl
	handleProcess
	handleNotify
	handleLog
	handleHelper
)

// superviseFrom runs the loop on what the keeper holds. It returns the exit code.
func superviseFrom(cfg Config, socket int) (int, error) {
	sup := &supervisor{
		cfg: cfg, rules: table(), keeper: newMailbox(socket), boot: bootID(), env: serviceEnv(), watched: watched(),
		told: map[int]unix.WaitStatus{}, held: map[key]heldFD{}, services: map[inode]*service{}, helpers: map[int]*helper{}, sweeps: map[inode]*strays{},
		buffers: logrotate.NewBuffers(), compressors: make(chan struct{}, 1),
	}
	if err := sup.prepare(); err != nil {
		return 0, err
	}
	if err := sup.fetch(); err != nil {
		return 0, err
	}
	sup.beginScan()
	sup.stopping = cfg.stopping
	sup.rescan()
	sup.adoptRest()
	if sup.stopping {
		sup.stopNext()
	}
	sup.ready = true
	sup.settle()
	sup.tell(message{op: opReady, fd: -1})
	sup.post()
	lean.Memory()
	return sup.loop()
}

// serviceEnv is the environment that services get: ours, without what is for
// this process alone. There is room for one more behind its end.
func serviceEnv() []string {
	env := slices.DeleteFunc(os.Environ(), func(v string) bool {
		return strings.HasPrefix(v, "NOTIFY_SOCKET=") || strings.HasPrefix(v, marker+"=")
	})
	return slices.Grow(env, 1)
}

func (sup *supervisor) say(text string) { sup.cfg.say(text) }

func (sup *supervisor) prepare() (err error) {
	if sup.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return fmt.Errorf("epoll: %w", err)
	}
	if sup.wake, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		return fmt.Errorf("eventfd: %w", err)
	}
	if sup.spawner, err = newSpawner(); err != nil {
		return err
	}
	if sup.signals, err = catchSignals(syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGALRM, syscall.SIGQUIT, syscall.SIGXFSZ); err != nil {
		return err
	}
	sup.cgroup = openCgroup(sup.cfg.Cgroup)
	sup.listen(sup.signals.fd, handler{kind: handleSignals})
	sup.listen(sup.wake, handler{kind: handleWake})
	return nil
}

// fetch takes over what the keeper holds.
func (sup *supervisor) fetch() error {
	for {
		letter, err := sup.keeper.receive(0)
		if errors.Is(err, errGone) && !sup.watched {
			// What it has handed over so far is better than nothing.
			err = becomeKeeper(sup.cfg, slices.Collect(maps.Values(sup.held)))
		}
		if err != nil {
			return fmt.Errorf("the keeper: %w", err)
		}
		for _, m := range letter {
			switch m.op {
			case opStore:
				if m.fd < 0 {
					sup.say("unable to take a descriptor from the keeper: too many open files")
					continue
				}
				sup.held[m.key] = heldFD{key: m.key, fd: int32(m.fd), pid: int32(m.number)} //nolint:gosec // descriptors and process ids are small
			case opWait:
				sup.told[int(m.number)] = unix.WaitStatus(m.status)
			case opEnd:
				sup.listen(sup.keeper.socket, handler{kind: handleKeeper})
				return nil
			case opDrop, opQuit, opReady, opSignal: // signals come behind opEnd
			}
		}
	}
}

// listen has a descriptor's events handled.
func (sup *supervisor) listen(fd int, h handler) {
	for fd >= len(sup.handlers) {
		sup.handlers = append(sup.handlers, handler{})
	}
	sup.handlers[fd] = h
	event := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)} //nolint:gosec // descriptors are small
	if err := unix.EpollCtl(sup.epoll, unix.EPOLL_CTL_ADD, fd, &event); err != nil {
		sup.say("epoll: " + err.Error())
	}
}

// ignore ends that.
func (sup *supervisor) ignore(fd int) {
	if fd < 0 || fd >= len(sup.handlers) || sup.handlers[fd].kind == handleNothing {
		return
	}
	sup.handlers[fd] = handler{}
	_ = unix.EpollCtl(sup.epoll, unix.EPOLL_CTL_DEL, fd, nil) // it fails for one that is not in the set
}

// loop obeys events until all services are gone and that was wished for.
func (sup *supervisor) loop() (int, error) {
	events := make([]unix.EpollEvent, 64)
	for {
		if sup.finished() {
			sup.quit()
			return 0, nil
		}
		n, err := unix.EpollWait(sup.epoll, events, sup.timeout())
		if err != nil && !errors.Is(err, unix.EINTR) {
			return 0, fmt.Errorf("epoll: %w", err)
		}
		// Ends first: a command that comes with the end of a process is about
		// what is then.
		for _, first := range []bool{true, false} {
			for i := range max(n, 0) {
				h := sup.handlers[events[i].Fd]
				if ends := h.kind == handleProcess || h.kind == handleKeeper; ends == first {
					sup.handle(int(events[i].Fd), h)
				}
			}
		}
		sup.onTime()
		sup.settle()
	}
}

// timeout returns how long to wait, in milliseconds; -1 is for ever.
func (sup *supervisor) timeout() int {
	at, ok := sup.timers.next()
	if !sup.scan.again.IsZero() && (!ok || sup.scan.again.Before(at)) {
		at, ok = sup.scan.again, true
	}
	if !sup.parkAt.IsZero() && (!ok || sup.parkAt.Before(at)) {
		at, ok = sup.parkAt, true
	}
	if !ok {
		return -1
	}
	wait := time.Until(at)
	if wait <= 0 {
		return 0
	}
	return int(min((wait+time.Millisecond-1)/time.Millisecond, time.Hour/time.Millisecond))
}

func (sup *supervisor) handle(fd int, h handler) {
	switch h.kind {
	case handleNothing:
	case handleKeeper:
		sup.catchUp()
		sup.hearKeeper()
	case handleSignals:
		for _, s := range sup.signals.take() {
			sup.onSignal(s)
		}
	case handleWake:
		var b [8]byte
		_, _ = unix.Read(fd, b[:]) // nothing there is all right
		for _, s := range sup.list {
			if s.log != nil && s.log.engine != nil && s.log.engine.background {
				s.log.stepLog()
			}
		}
	case handleScan:
		sup.onInotify()
	case handleControl:
		h.s.readControl()
	case handleProcess:
		h.s.onProcess()
	case handleNotify:
		h.s.onNotify()
	case handleLog:
		h.s.stepLog()
	case handleHelper:
		sup.onHelper(fd, h.pid)
	}
}

// all returns services and their logs.
func (sup *supervisor) all() []*service {
	var list []*service
	for _, s := range sup.list {
		list = append(list, s)
		if s.log != nil {
			list = append(list, s.log)
		}
	}
	return list
}

func (sup *supervisor) onSignal(s syscall.Signal) {
	switch s {
	case syscall.SIGTERM, syscall.SIGINT:
		if sup.stopping {
			sup.kill()
			return
		}
		sup.stop()
	case syscall.SIGHUP, syscall.SIGALRM:
		sup.scan.forget()
		sup.rescan()
	case syscall.SIGQUIT:
		// Leave everything as it is, as a kill would; the keeper starts the next.
		sup.settle()
		os.Exit(0) //nolint:forbidigo // as a kill would
	}
}

// apply has an event happen to a service, and obeys what follows from it.
func (sup *supervisor) apply(s *service, e Event) {
	guard := Guard{
		Held:   s.held(),
		Finish: s.engine == nil && !s.isLog() && s.executable("finish") || s.isLog() && s.engine == nil && s.executable("finish"),
		Again:  s.asked || s.settings.Policy.again(s.exit.known && s.exit.status.Exited() && s.exit.status.ExitStatus() == 0),
	}
	before := s.machine
	next, actions := before.Next(e, guard, &sup.rules)
	s.machine = next
	if next.Phase != before.Phase && next.Phase != PhaseStop {
		s.since = time.Now()
	}
	for _, a := range actions {
		s.act(a)
	}
	s.touch()
	if next.Phase != before.Phase {
		sup.scan.released = true
	}
}

// later has an event happen once the one at hand is obeyed.
func (sup *supervisor) later(s *service, e Event) {
	sup.pending = append(sup.pending, pendingEvent{s, e})
}

// settle obeys what has come up, and then writes down how things are.
func (sup *supervisor) settle() {
	for {
		for len(sup.pending) > 0 {
			p := sup.pending[0]
			sup.pending = sup.pending[1:]
			sup.apply(p.s, p.e)
		}
		sup.pending = nil
		if !sup.scan.released {
			break
		}
		sup.scan.released = false
		sup.release()
	}
	sup.sweepAll()
	for _, s := range sup.dirty {
		s.write()
	}
	sup.dirty = sup.dirty[:0]
	for _, k := range sup.drops {
		sup.tell(message{op: opDrop, key: k, fd: -1})
	}
	sup.drops = nil
	sup.post()
}

// onTime does what is due.
func (sup *supervisor) onTime() {
	now := time.Now()
	for {
		t, ok := sup.timers.take(now)
		if !ok {
			break
		}
		switch t.kind {
		case timerMachine:
			if t.s.machine.Phase == PhasePause {
				sup.apply(t.s, EventDue)
			} else {
				sup.apply(t.s, EventLate)
			}
		case timerReady:
			t.s.check()
		case timerStart:
			sup.scan.released = true
		case timerLog:
			t.s.stepLog()
		case timerKinds:
		}
	}
	if !sup.scan.again.IsZero() && !sup.scan.again.After(now) {
		sup.rescan()
	}
	if !sup.parkAt.IsZero() && !sup.parkAt.After(now) {
		sup.park()
	}
}
