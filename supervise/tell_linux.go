package supervise

import (
	"errors"
	"os"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"
)

// tell says something to the keeper, if there is one, at the next post: a
// descriptor that it is about may not be closed before.
func (sup *supervisor) tell(m message) {
	if sup.keeper.socket < 0 {
		return
	}
	sup.letter = append(sup.letter, m)
	if len(sup.letter) == maxLetter {
		sup.post()
	}
}

// forget closes a descriptor that the keeper may not have been told of yet.
func (sup *supervisor) forget(fd int) {
	sup.post()
	unix.Close(fd)
}

// keeperPatience is how many milliseconds the keeper may take to read.
const keeperPatience = 100

// post sends what there is to say. A keeper that does not read, as it was
// stopped, is waited for once.
func (sup *supervisor) post() {
	if len(sup.letter) == 0 {
		return
	}
	if len(sup.unsaid) > 0 && !sup.slow {
		sup.catchUp()
	}
	sent := len(sup.unsaid) == 0 && sup.sent(sup.letter)
	if !sent && !sup.slow {
		fds := []unix.PollFd{{Fd: int32(sup.keeper.socket), Events: unix.POLLOUT}} //nolint:gosec // descriptors are small
		n, _ := unix.Poll(fds, keeperPatience)
		sup.slow = n == 0
		sup.catchUp()
		sent = len(sup.unsaid) == 0 && sup.sent(sup.letter)
	}
	if !sent {
		for _, m := range sup.letter {
			sup.putOff(m)
		}
	}
	sup.letter = sup.letter[:0]
}

// sent sends messages and returns whether there was room for them.
func (sup *supervisor) sent(letter []message) bool {
	err := sup.keeper.send(letter, unix.MSG_DONTWAIT)
	if err != nil && !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EPIPE) && !errors.Is(err, unix.ECONNRESET) {
		sup.say("unable to hand a descriptor to the keeper: " + err.Error())
	}
	return !errors.Is(err, unix.EAGAIN)
}

// putOff keeps a message until there is room. Of several about one descriptor the
// last is enough.
func (sup *supervisor) putOff(m message) {
	sup.unsaid = slices.DeleteFunc(sup.unsaid, func(old message) bool {
		same := m.key != key{} && old.key == m.key
		if same && old.fd >= 0 {
			unix.Close(old.fd)
		}
		return same
	})
	if m.op == opStore {
		// Ours may be closed until then.
		fd, err := unix.FcntlInt(uintptr(m.fd), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			sup.say("unable to hand a descriptor to the keeper: " + err.Error())
			return
		}
		m.fd = fd
	}
	sup.unsaid = append(sup.unsaid, m)
	sup.awaitRoom(unix.EPOLLIN | unix.EPOLLOUT)
}

// awaitRoom sets what is waited for at the socket to the keeper.
func (sup *supervisor) awaitRoom(events uint32) {
	event := unix.EpollEvent{Events: events, Fd: int32(sup.keeper.socket)}      //nolint:gosec // descriptors are small
	_ = unix.EpollCtl(sup.epoll, unix.EPOLL_CTL_MOD, sup.keeper.socket, &event) // before it is listened to, nothing is put off for long
}

// catchUp says what was put off.
func (sup *supervisor) catchUp() {
	for len(sup.unsaid) > 0 {
		part := sup.unsaid[:min(len(sup.unsaid), maxLetter)]
		if !sup.sent(part) {
			return
		}
		for _, m := range part {
			if m.fd >= 0 {
				unix.Close(m.fd)
			}
		}
		sup.unsaid = sup.unsaid[len(part):]
		if len(sup.unsaid) == 0 {
			sup.unsaid, sup.slow = nil, false
			sup.awaitRoom(unix.EPOLLIN)
		}
	}
}

// quit tells the keeper, as the last thing, that nothing is left to do. What it
// holds, it closes as it ends.
func (sup *supervisor) quit() {
	if sup.keeper.socket >= 0 {
		m := message{op: opQuit, fd: -1}
		if sup.stopping {
			m.status = endsAll
		}
		_ = sup.keeper.send([]message{m}, 0) // it waits for room
	}
}

// hearKeeper reads what the keeper says. If it has ended, this process takes its
// place, or, where a service manager starts the next keeper, makes room for it.
func (sup *supervisor) hearKeeper() {
	for sup.keeper.socket >= 0 {
		letter, err := sup.keeper.receive(unix.MSG_DONTWAIT)
		if errors.Is(err, unix.EAGAIN) {
			return
		}
		if err != nil {
			sup.replaceKeeper()
			return
		}
		for _, m := range letter {
			switch m.op {
			case opWait:
				sup.told[int(m.number)] = unix.WaitStatus(m.status)
				sup.onTold(int(m.number))
			case opSignal:
				sup.onSignal(syscall.Signal(m.number))
			case opStore, opDrop, opEnd, opQuit, opReady:
			}
		}
	}
}

func (sup *supervisor) replaceKeeper() {
	sup.ignore(sup.keeper.socket)
	sup.keeper.close()
	sup.letter = sup.letter[:0]
	for _, m := range sup.unsaid {
		if m.fd >= 0 {
			unix.Close(m.fd)
		}
	}
	sup.unsaid = nil
	// What the next one has to know may be on no disk yet.
	sup.settle()
	if sup.stopping && sup.finished() {
		return
	}
	if sup.watched {
		os.Exit(0) //nolint:forbidigo // as a kill would: what holds the rest is started again, and this must not run beside it
	}
	var held []heldFD
	add := func(s *service, k kind, fd, pid int) {
		if fd >= 0 {
			held = append(held, heldFD{key: s.key(k), fd: int32(fd), pid: int32(pid)}) //nolint:gosec // descriptors and process ids are small
		}
	}
	for _, s := range sup.all() {
		add(s, kindDir, s.dir, 0)
		add(s, kindLock, s.lock, 0)
		add(s, kindControl, s.control, 0)
		add(s, kindOK, s.ok, 0)
		add(s, kindPipe, s.pipe, 0)
		k := kindRun
		if s.machine.Phase == PhaseFinish {
			k = kindFinish
		}
		add(s, k, s.process.pidfd, s.process.pid)
	}
	sup.cfg.stopping = sup.stopping
	err := becomeKeeper(sup.cfg, held)
	sup.say("the keeper has ended, and nobody can take its place: " + err.Error())
}
