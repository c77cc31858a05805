package supervise

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// helperKind is what a helper is run for.
type helperKind uint8

const (
	helperControl helperKind = iota
	helperReload
	helperCheck
)

// helper is a program that is run for a service beside ./run.
type helper struct {
	s     *service
	kind  helperKind
	pid   int
	pidfd int
	begun time.Time
}

// errBusy says that the last one has not ended yet.
var errBusy = errors.New("the last one has not ended yet")

// checkLimit is how long ./check may take at least: longer where others wait longer
// for the service to be ready.
const checkLimit = 10 * time.Second

// spawnHelper runs a program of the service folder. A ./check that takes too long
// is killed, and makes room for the next.
func (s *service) spawnHelper(kind helperKind, argv []string) error {
	for _, h := range s.sup.helpers {
		if h.s != s || h.kind != kind {
			continue
		}
		if kind == helperCheck && time.Since(h.begun) >= max(checkLimit, s.settings.StartTimeout) {
			h.kill()
		}
		return errBusy
	}
	out := source{kind: sourceInherited, fd: 1}
	if kind == helperCheck {
		out = source{kind: sourceNull}
	}
	pid, err := s.sup.spawner.spawn(&spawnRequest{
		path: "./" + argv[0], argv: argv, dir: s.dir, cgroup: s.sup.cgroup.make(s),
		env:   append(s.sup.env, s.markAs(helperProof)), // in the room that there is: only one process starts at a time
		files: []source{{kind: sourceNull}, out, {kind: sourceInherited, fd: 2}},
	})
	if err != nil {
		return err
	}
	pidfd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		_ = unix.Kill(pid, unix.SIGKILL)
		_, _ = unix.Wait4(pid, nil, 0, nil)
		return fmt.Errorf("pidfd: %w", err)
	}
	s.sup.helpers[pid] = &helper{s, kind, pid, pidfd, time.Now()}
	s.sup.listen(pidfd, handler{kind: handleHelper, pid: pid})
	return nil
}

// kill ends a helper and its process group, whose number is its own until it has
// been waited for.
func (h *helper) kill() { _ = unix.Kill(-h.pid, unix.SIGKILL) }

// endHelpers ends those of some kinds that run for a service.
func (s *service) endHelpers(kinds ...helperKind) {
	for _, h := range s.sup.helpers {
		if h.s == s && slices.Contains(kinds, h.kind) {
			h.kill()
		}
	}
}

// onHelper looks whether a helper has ended.
func (sup *supervisor) onHelper(fd, pid int) {
	h := sup.helpers[pid]
	if h == nil {
		sup.ignore(fd)
		return
	}
	exit, err := process{h.pid, h.pidfd, 0}.reap(sup.told)
	if err != nil {
		return
	}
	delete(sup.helpers, pid)
	sup.ignore(fd)
	unix.Close(fd)
	success := exit.known && exit.status.Exited() && exit.status.ExitStatus() == 0
	switch h.kind {
	case helperControl:
		h.s.scriptEnded(success)
	case helperCheck:
		if success && !h.s.ready && h.s.machine.Phase == PhaseUp {
			h.s.sup.timers.set(h.s, timerReady, time.Time{})
			h.s.becomeReady()
		}
	case helperReload:
		if !success {
			h.s.say("reload has failed")
		}
	}
}
