package supervise

import (
	"errors"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// strays are processes that a service has left behind: those of its starts so far.
type strays struct {
	name    string
	starts  int
	log     *service
	helpers bool // only those

	// By these are known what has no marker.
	folder  string // path of the service's folder
	pipe    inode
	session int // of the last ./run
}

// sweep ends what a service has left behind when it is down: what is still in its
// process group, what is in its control group, and what has its marker, which
// also they have that went out of both. A service that has no time to end in, and
// so nothing that says it may be killed, is left what it has, as by daemontools,
// unless all is to end.
func (s *service) sweep() {
	if s.isLog() || s.settings.KillAfter == 0 && !s.sup.stopping {
		return
	}
	s.endHelpers(helperControl, helperReload, helperCheck)
	if s.sup.cgroup.kill(s) && s.former == (former{}) {
		return
	}
	left := &strays{name: s.name, starts: s.starts, log: s.log, pipe: s.pipeID, session: s.session}
	left.folder, _ = os.Readlink("/proc/self/fd/" + itoa(s.dir))
	s.sup.sweeps[s.id] = left
	for _, id := range s.former {
		if id != (inode{}) {
			s.sup.sweeps[id] = left
		}
	}
}

// sweepHelpers ends the helpers that a supervisor before this one has started:
// nobody waits for what they say.
func (s *service) sweepHelpers() {
	if s.isLog() || !s.executable("check") && !s.executable("reload") && !s.has("control") {
		return
	}
	s.sup.sweeps[s.id] = &strays{name: s.name, starts: s.starts, log: s.log, helpers: true}
}

// sweepAll ends the strays of all services that went down since the last time, in
// one look at all processes. At its beginning a supervisor waits with that for the
// last service.
func (sup *supervisor) sweepAll() {
	if len(sup.sweeps) == 0 || !sup.ready {
		return
	}
	forProcesses(func(pid int) {
		if left := sup.strayOf(pid); left != nil {
			sup.endStray(pid, left, func() bool { return sup.strayOf(pid) == left })
		}
	})
	sup.endUnmarked()
	clear(sup.sweeps)
}

// endStray kills a process. still asks once more whether it is the one that is
// meant, when nobody else can have its number any more.
func (sup *supervisor) endStray(pid int, left *strays, still func() bool) {
	if pid == os.Getpid() || pid == os.Getppid() || left.log != nil && pid == left.log.process.pid {
		return
	}
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	if !still() {
		return
	}
	if err := unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
		sup.say(left.name + ": unable to end process " + itoa(pid) + ", which it has left behind: " + err.Error())
	}
}

func (sup *supervisor) strayOf(pid int) *strays {
	m, ok := markOf(pid)
	if !ok {
		return nil
	}
	left := sup.sweeps[m.id]
	if left == nil || m.number > left.starts || left.helpers && m.proof != helperProof {
		return nil
	}
	return left
}

// endUnmarked ends what has no marker, but has become the keeper's child, as
// nobody else has it, and shows otherwise what service it is from; and what it has
// started.
func (sup *supervisor) endUnmarked() {
	if !ownProc() {
		return
	}
	keeper := os.Getppid()
	session := statNumber(stat(keeper), statSession)
	known := map[uint64]bool{session: true} // sessions that are whose they are
	for _, s := range sup.all() {
		if s.process.pidfd >= 0 {
			known[uint64(s.process.pid)] = true //nolint:gosec // process ids are not negative
		}
	}
	for _, pid := range children(keeper) {
		if pid == os.Getpid() || known[statNumber(stat(pid), statSession)] {
			continue
		}
		if _, marked := markOf(pid); marked {
			continue
		}
		for _, left := range sup.sweeps {
			if !left.helpers && (sup.cfg.Single || left.shows(pid)) {
				sup.endTree(pid, left)
				break
			}
		}
	}
}

// shows returns whether a process without a marker is from the service: it is in
// the session of its ./run, works in its folder, or writes to its log.
func (left *strays) shows(pid int) bool {
	if left.session != 0 && statNumber(stat(pid), statSession) == uint64(left.session) { //nolint:gosec // process ids are not negative
		return true
	}
	proc := "/proc/" + itoa(pid)
	if place, err := os.Readlink(proc + "/cwd"); err == nil && left.folder != "" {
		rest, below := strings.CutPrefix(place, left.folder)
		if below && (rest == "" || rest[0] == '/') && rest != "/log" && !strings.HasPrefix(rest, "/log/") {
			return true
		}
	}
	for _, name := range []string{"/fd/1", "/fd/2"} {
		var st unix.Stat_t
		if left.pipe != (inode{}) && unix.Stat(proc+name, &st) == nil && inodeOf(&st) == left.pipe {
			return true
		}
	}
	return false
}

// endTree ends a process and what it has started, but not what another service
// has marked.
func (sup *supervisor) endTree(pid int, left *strays) {
	start := startOf(pid)
	below := children(pid)
	sup.endStray(pid, left, func() bool { _, marked := markOf(pid); return !marked && startOf(pid) == start })
	for _, child := range below {
		if _, marked := markOf(child); !marked {
			sup.endTree(child, left)
		}
	}
}

// children returns the children of a process.
//
// Source: proc_pid_task_tid_children(5).
func children(pid int) []int {
	task := "/proc/" + itoa(pid) + "/task"
	threads, err := listFolder(unix.AT_FDCWD, task)
	if err != nil {
		return nil
	}
	var list []int
	for _, thread := range threads {
		data, err := os.ReadFile(task + "/" + thread + "/children")
		if err != nil {
			continue
		}
		for word := range strings.FieldsSeq(string(data)) {
			if pid, err := strconv.Atoi(word); err == nil {
				list = append(list, pid)
			}
		}
	}
	return list
}

// ownProc returns whether /proc names processes by the numbers that we know them
// by. It does not in a new namespace that has kept the old one's /proc.
func ownProc() bool {
	self, err := os.Readlink("/proc/self")
	return err == nil && self == itoa(os.Getpid())
}
