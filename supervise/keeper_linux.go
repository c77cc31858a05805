package supervise

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"scgikit/internal/lean"
)

// keeper is the first process. It holds a copy of each descriptor that may not
// be lost, waits for what has no other parent, and starts the supervisor, again
// and again. It knows nothing of services.
type keeper struct {
	cfg     Config
	held    []heldFD
	mail    *mailbox // to the supervisor, if there is one
	pid     int      // of the supervisor; 0: there is none
	started time.Time
	quick   int  // supervisors in a row that ended at once
	killing bool // the end was asked for twice
	retry   time.Time
	signals *signalPipe
	ends    int // TERM and INT that came where there was no supervisor for them
	quit    bool
	all     bool // that services have started is to end
	code    int
	systemd *systemd
	tidyAt  time.Time // when memory is given back that this has needed
}

// heldFD is a descriptor that is kept.
type heldFD struct {
	key
	fd     int32
	pid    int32 // of a pidfd
	status int32 // of the process, once it was waited for here
	ended  bool
}

// keep is the main loop of the keeper. It returns the exit code.
func keep(cfg Config, held []heldFD) (int, error) {
	k := &keeper{cfg: cfg, held: held, mail: newMailbox(-1), systemd: openSystemd()}
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return 0, fmt.Errorf("become subreaper: %w", err)
	}
	signals, err := catchSignals(syscall.SIGCHLD, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGALRM, syscall.SIGUSR2, syscall.SIGQUIT)
	if err != nil {
		return 0, err
	}
	k.signals = signals
	if len(held) == 0 {
		k.held = k.systemd.inherited()
	}
	for !k.quit || k.pid != 0 {
		if err := k.once(); err != nil {
			return 0, err
		}
	}
	if k.all {
		k.endChildren()
	}
	return k.code, nil
}

// once does what can be done and waits for more.
func (k *keeper) once() error {
	k.reap()
	if k.quit && k.pid == 0 {
		return nil
	}
	timeout := k.tidy()
	if k.pid == 0 {
		if wait := time.Until(k.retry); wait > 0 {
			timeout = int(wait/time.Millisecond) + 1 // nothing is tidied meanwhile
		} else if err := k.startSupervisor(); err != nil {
			k.cfg.say("unable to start the supervisor, trying again: " + err.Error())
			k.retry = time.Now().Add(time.Second)
			timeout = 1000
		}
	}
	fds := []unix.PollFd{{Fd: int32(k.signals.fd), Events: unix.POLLIN}, {Fd: int32(k.mail.socket), Events: unix.POLLIN}} //nolint:gosec // descriptors are small
	if _, err := unix.Poll(fds, timeout); err != nil && !errors.Is(err, unix.EINTR) {
		return fmt.Errorf("poll: %w", err)
	}
	for _, s := range k.signals.take() {
		k.onSignal(s)
	}
	if k.mail.socket >= 0 && fds[1].Revents != 0 {
		k.listen()
		k.tidyAt = time.Now().Add(parkAfter)
	}
	return nil
}

// tidy gives memory back once it has been quiet for a while. It returns the
// milliseconds until then, or -1.
func (k *keeper) tidy() int {
	if k.tidyAt.IsZero() {
		return -1
	}
	if wait := time.Until(k.tidyAt); wait > 0 {
		return int(wait/time.Millisecond) + 1
	}
	k.tidyAt = time.Time{}
	k.held = slices.Clip(k.held)
	lean.Memory()
	return -1
}

// onSignal passes on what is for the supervisor.
func (k *keeper) onSignal(s syscall.Signal) {
	switch s {
	case syscall.SIGCHLD:
	case syscall.SIGUSR2:
		k.upgrade()
	default:
		end := s == syscall.SIGTERM || s == syscall.SIGINT
		if end {
			// One that is started from now on goes on with it.
			k.cfg.stopping, k.killing = true, k.cfg.stopping
		}
		k.passOn(s)
		if end && (k.pid == 0 || k.quick > tooQuick) {
			k.endAlone()
		}
	}
}

// passOn tells the supervisor, if there is one, of a signal.
func (k *keeper) passOn(s syscall.Signal) {
	if k.mail.socket < 0 {
		return
	}
	err := k.mail.send([]message{{op: opSignal, number: uint32(s), fd: -1}}, unix.MSG_DONTWAIT) //nolint:gosec // signals are below 65
	if errors.Is(err, unix.EAGAIN) {
		// So much that was not read yet is before it that it catches signals by now.
		_ = syscall.Kill(k.pid, s)
	}
}

// tooQuick is how many supervisors in a row may end at once before the keeper
// takes its time with the next.
const tooQuick = 3

// endAlone ends without a supervisor, which cannot be started: at once if there is
// no service, else when it is asked again. Then services are told to end.
func (k *keeper) endAlone() {
	k.ends++
	services := 0
	for _, h := range k.held {
		if h.kind == kindRun && !h.ended {
			services++
		}
	}
	if services > 0 && k.ends == 1 {
		k.cfg.say("there is no supervisor to end the services; once more, and they are told to end without one")
		return
	}
	for _, h := range k.held {
		if (h.kind == kindRun || h.kind == kindFinish) && !h.ended {
			_ = unix.PidfdSendSignal(int(h.fd), unix.SIGTERM, nil, 0) // it may have ended
			_ = unix.PidfdSendSignal(int(h.fd), unix.SIGCONT, nil, 0)
		}
	}
	k.quit, k.code = true, exitAlone
}

// exitAlone is the exit code for an end that was not in order: a temporary
// failure.
const exitAlone = 111

// reap waits for every child that has ended.
func (k *keeper) reap() {
	for {
		var status unix.WaitStatus
		pid, err := unix.Wait4(-1, &status, unix.WNOHANG, nil)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil || pid <= 0 {
			return
		}
		if pid == k.pid {
			k.listen() // what it said last
			k.supervisorEnded(status)
			continue
		}
		for i := range k.held {
			if h := &k.held[i]; int(h.pid) == pid {
				h.ended, h.status = true, int32(status)
			}
		}
		if k.mail.socket >= 0 {
			// A supervisor that does not read can ask the kernel, or what is held.
			_ = k.mail.send([]message{{op: opWait, number: uint32(pid), status: uint32(status), fd: -1}}, unix.MSG_DONTWAIT) //nolint:gosec // as above
		}
	}
}

func (k *keeper) supervisorEnded(status unix.WaitStatus) {
	k.pid = 0
	k.mail.close()
	if k.quit {
		return
	}
	if time.Since(k.started) < time.Second {
		k.quick++
	} else {
		k.quick = 0
	}
	if k.quick > tooQuick {
		k.retry = time.Now().Add(min(time.Duration(k.quick)*100*time.Millisecond, 5*time.Second))
	}
	if !k.cfg.stopping && (!status.Signaled() || status.Signal() != unix.SIGKILL) {
		k.cfg.say(fmt.Sprintf("the supervisor has ended (%s), starting it again", describeStatus(status)))
	}
}

// listen reads what the supervisor says.
func (k *keeper) listen() {
	for k.mail.socket >= 0 {
		letter, err := k.mail.receive(unix.MSG_DONTWAIT)
		if err == unix.EAGAIN { //nolint:errorlint // errors.Is has garbage, and this is what the kernel said
			return
		}
		if err != nil {
			k.mail.close()
			return
		}
		for i := range letter {
			k.hear(&letter[i])
		}
	}
}

func (k *keeper) hear(m *message) {
	switch m.op {
	case opStore:
		k.drop(m.key)
		if m.fd < 0 {
			k.cfg.say("unable to hold a descriptor of a service: too many open files")
			return
		}
		k.held = append(k.held, heldFD{key: m.key, fd: int32(m.fd), pid: int32(m.number)}) //nolint:gosec // descriptors and process ids are small
		k.systemd.store(m.key, m.fd)
	case opDrop:
		k.drop(m.key)
	case opReady:
		k.systemd.ready()
	case opQuit:
		k.quit, k.code, k.all = true, int(m.number), m.status == endsAll
	case opEnd, opWait, opSignal:
	}
}

func (k *keeper) drop(of key) {
	for i := range k.held {
		if k.held[i].key == of {
			unix.Close(int(k.held[i].fd))
			k.systemd.drop(of)
			last := len(k.held) - 1
			k.held[i] = k.held[last] // their order means nothing
			k.held = k.held[:last]
			return
		}
	}
}

// startSupervisor starts the second process and tells it all that there is.
func (k *keeper) startSupervisor() error {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	argv := append(slices.Clone(k.cfg.Program), "--supervisor-of=3")
	if k.cfg.stopping {
		argv = append(argv, "--stopping")
	}
	argv = append(argv, k.cfg.Args...)
	attr := &syscall.ProcAttr{
		Env:   os.Environ(),
		Files: []uintptr{0, 1, 2, uintptr(pair[1])},
	}
	path := k.cfg.path()
	if k.quick > tooQuick {
		path = ownProgram // what is there now may be something else
	}
	pid, err := syscall.ForkExec(path, argv, attr)
	if err != nil && !lacking(err) && path != ownProgram {
		// The file is gone, or no program; what runs now is still to be had.
		k.cfg.say(path + ": " + err.Error() + "; going on with the program that runs")
		pid, err = syscall.ForkExec(ownProgram, argv, attr)
	}
	unix.Close(pair[1])
	if err != nil {
		unix.Close(pair[0])
		return fmt.Errorf("%s: %w", k.cfg.path(), err)
	}
	k.mail.socket, k.pid, k.started = pair[0], pid, time.Now()
	k.handOver()
	if k.killing {
		k.passOn(syscall.SIGTERM)
	}
	return nil
}

// ownProgram is the program that runs, whatever is in its place now.
const ownProgram = "/proc/self/exe"

// lacking says that the system lacks something for the moment.
func lacking(err error) bool {
	for _, lack := range []error{unix.EAGAIN, unix.ENOMEM, unix.EMFILE, unix.ENFILE} {
		if errors.Is(err, lack) {
			return true
		}
	}
	return false
}

// handOver tells a new supervisor all that there is. One that has ended already
// is noticed elsewhere.
func (k *keeper) handOver() {
	var letter []message
	for _, h := range k.held {
		letter = append(letter, message{op: opStore, key: h.key, number: uint32(h.pid), fd: int(h.fd)}) //nolint:gosec // process ids are not negative
		if h.ended {
			letter = append(letter, message{op: opWait, number: uint32(h.pid), status: uint32(h.status), fd: -1}) //nolint:gosec // as above
		}
	}
	letter = append(letter, message{op: opEnd, fd: -1})
	for part := range slices.Chunk(letter, maxLetter) {
		for {
			err := k.mail.send(part, 0)
			if errors.Is(err, unix.EAGAIN) {
				time.Sleep(time.Millisecond) // it has to take some before the kernel lets more be on their way
				continue
			}
			if err != nil {
				return
			}
			break
		}
	}
}
