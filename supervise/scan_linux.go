package supervise

import (
	"encoding/binary"
	"errors"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// scan is what is known of the scan folder.
type scan struct {
	dir      int // -1 for a single service
	inotify  int // -1: looked at every scanEvery
	watch    int // of the folder itself
	again    time.Time
	present  map[string]inode        // names of services that are there
	targets  map[int]map[string]bool // by watch: names that links of the scan folder lead to
	released bool                    // somebody may be able to go on
	refused  map[inode]string        // folders that cannot be supervised, and why
	left     map[inode]time.Time     // folders that were given back: not before then
	order    order
	renew    bool // somebody asks for another look at what is supervised
}

const (
	scanEvery = 5 * time.Second       // as svscan does
	scanDelay = 20 * time.Millisecond // after a change: what is being copied gets more names

	missedDelay = time.Second // until a service that is missing is ended
)

// maxName is how long the name of a service may be.
//
// Source: svscan.c of daemontools 0.76.
const maxName = 255

// beginScan opens the scan folder. Where that fails, services that run are
// supervised all the same, and it is tried again.
func (sup *supervisor) beginScan() {
	sup.scan = scan{dir: -1, inotify: -1, present: map[string]inode{}, targets: map[int]map[string]bool{}, refused: map[inode]string{}, left: map[inode]time.Time{}}
	if err := sup.openScan(); err != nil {
		sup.say(err.Error() + "; going on with the services that run, trying again")
	}
}

func (sup *supervisor) openScan() error {
	fd, err := unix.Open(sup.cfg.Dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return &openError{sup.cfg.Dir, err}
	}
	sup.scan.dir = fd
	if fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK); err == nil {
		if watch, err := unix.InotifyAddWatch(fd, sup.cfg.Dir, scanEvents|unix.IN_ONLYDIR); err != nil {
			unix.Close(fd)
		} else {
			sup.scan.inotify, sup.scan.watch = fd, watch
			sup.listen(fd, handler{kind: handleScan})
		}
	}
	return nil
}

const scanEvents = unix.IN_CREATE | unix.IN_DELETE | unix.IN_MOVED_FROM | unix.IN_MOVED_TO

type openError struct {
	path string
	err  error
}

func (e *openError) Error() string { return "open " + e.path + ": " + e.err.Error() }

func (e *openError) Unwrap() error { return e.err }

// forget has folders looked at that were given back or refused, and what clients
// find the others by.
func (c *scan) forget() {
	clear(c.refused)
	clear(c.left)
	c.renew = true
}

// soon has the scan folder looked at after a while.
func (c *scan) soon(wait time.Duration) {
	if at := time.Now().Add(wait); c.again.IsZero() || at.Before(c.again) {
		c.again = at
	}
}

// onInotify reads that something has changed. What it was hardly matters: the
// scan folder is looked at as a whole.
func (sup *supervisor) onInotify() {
	matters := false
	var b [4096]byte
	for {
		n, err := unix.Read(sup.scan.inotify, b[:])
		if n <= 0 || err != nil {
			break
		}
		for rest := b[:n]; len(rest) >= unix.SizeofInotifyEvent; {
			watch := int(int32(binary.NativeEndian.Uint32(rest))) //nolint:gosec // as the kernel wrote it
			mask, length := binary.NativeEndian.Uint32(rest[4:]), binary.NativeEndian.Uint32(rest[12:])
			name, _, _ := strings.Cut(string(rest[unix.SizeofInotifyEvent:][:length]), "\x00")
			rest = rest[unix.SizeofInotifyEvent+length:]
			if watch == sup.scan.watch && mask&(unix.IN_DELETE|unix.IN_MOVED_FROM) != 0 {
				sup.scan.unlinked(name)
			}
			names, parent := sup.scan.targets[watch]
			matters = matters || !parent || names[name] || watch == sup.scan.watch
		}
	}
	if matters {
		sup.scan.soon(scanDelay)
	}
}

// unlinked notes that a name was taken out. A folder that was given back for as
// long as it had its name may get it again before the next look.
func (c *scan) unlinked(name string) {
	if id, known := c.present[name]; known && c.left[id].IsZero() {
		delete(c.left, id)
	}
}

// rescan looks at the scan folder, and where somebody has asked for it, at what
// clients find the services by.
func (sup *supervisor) rescan() {
	sup.lookAround()
	if sup.scan.renew {
		sup.scan.renew = false
		for _, s := range sup.all() {
			s.renew()
		}
	}
}

// lookAround looks at the scan folder: new services are supervised, and what
// happens to those that are not there any more is the dialect's.
func (sup *supervisor) lookAround() {
	sup.scan.again = time.Time{}
	sup.scan.order.circles = nil
	// What was due is not done any more once all is over: a single service that has
	// ended would be supervised again.
	if sup.ready && (sup.stopping || sup.finished()) {
		return
	}
	if sup.scan.dir < 0 && sup.openScan() != nil {
		sup.scan.soon(scanEvery)
		return
	}
	if sup.cfg.Single {
		sup.look(".")
		return
	}
	names, err := listFolder(sup.scan.dir, ".")
	if err != nil {
		sup.say("unable to read " + sup.cfg.Dir + ": " + err.Error())
		sup.scan.soon(scanEvery)
		return
	}
	slices.Sort(names)
	seen := make(map[inode]bool, len(names))
	for _, name := range names {
		if name[0] == '.' || len(name) > maxName {
			continue
		}
		if id, ok := sup.look(name); ok {
			seen[id] = true
		} else if sup.link(name) {
			// What it leads to may be on the way to be made anew, and nothing tells.
			if id, known := sup.scan.present[name]; known {
				seen[id] = true
			}
			sup.scan.soon(scanEvery)
		}
	}
	for name, id := range sup.scan.present {
		if !seen[id] {
			if sup.services[id] == nil {
				// Else another folder may come with its name, and it goes on there.
				delete(sup.scan.present, name)
			}
			delete(sup.scan.left, id)
			delete(sup.scan.refused, id)
		}
	}
	for _, s := range slices.Clone(sup.list) {
		sup.missed(s, !seen[s.id])
		if s.machine.Phase == PhaseHeld {
			s.readAfter()
			sup.scan.released = true
		}
	}
	if sup.scan.inotify < 0 {
		sup.scan.soon(scanEvery)
	}
}

// missed notes whether a service is missing in the scan folder. runsvdir ends it
// then, a second after the change or later: a folder that is made anew may be
// there again by that time.
//
// Source: runsvdir.c of runit 2.1.2.
func (sup *supervisor) missed(s *service, missing bool) {
	now := time.Now()
	if missing && !s.stale {
		s.missed = now
	}
	s.stale = missing
	if !missing || s.dialect() != Runit || s.machine.Exiting {
		return
	}
	if wait := s.missed.Add(missedDelay).Sub(now); wait > 0 && wait <= missedDelay {
		sup.scan.soon(wait)
		return
	}
	sup.apply(s, EventStopExit)
}

// link returns whether a name is a link.
func (sup *supervisor) link(name string) bool {
	_, err := unix.Readlinkat(sup.scan.dir, name, make([]byte, 1))
	return err == nil
}

// remade returns the service with a name whose folder was removed: a new folder
// of that name is taken for its successor.
func (sup *supervisor) remade(name string) *service {
	for _, s := range sup.list {
		var st unix.Stat_t
		if s.stale && s.name == sup.title(name) && unix.Fstat(s.dir, &st) == nil && st.Nlink == 0 {
			return s
		}
	}
	return nil
}

// look looks at one name. It returns which folder that is.
func (sup *supervisor) look(name string) (inode, bool) {
	dir, id, err := openDir(sup.scan.dir, name)
	if err != nil {
		if !errors.Is(err, unix.ENOTDIR) && !errors.Is(err, unix.ENOENT) {
			sup.say("unable to open " + name + ": " + err.Error())
		}
		return inode{}, false
	}
	if _, held := sup.held[key{kindDir, id.dev, id.ino}]; sup.stopping && !held {
		// The supervisor before this one has given it back already.
		unix.Close(dir)
		return inode{}, false
	}
	before, known := sup.scan.present[name]
	sup.scan.present[name] = id
	if s := sup.services[id]; s != nil {
		unix.Close(dir)
		s.name = sup.title(name)
		return id, true
	}
	if at, left := sup.scan.left[id]; left {
		if at.IsZero() || time.Now().Before(at) {
			unix.Close(dir)
			if !at.IsZero() {
				sup.scan.soon(time.Until(at))
			}
			return id, true
		}
		delete(sup.scan.left, id)
	}
	if known && before != id {
		if old := sup.services[before]; old != nil && !sup.linked(before) {
			if old.machine.Exiting {
				sup.scan.present[name] = before // its end brings us back
				unix.Close(dir)
				return id, true
			}
			sup.move(old, dir, id)
			return id, true
		}
	}
	if old := sup.remade(name); old != nil {
		sup.move(old, dir, id)
		return id, true
	}
	sup.supervise(name, dir, id)
	return id, true
}

// title is what a service is called in messages.
func (sup *supervisor) title(name string) string {
	if !sup.cfg.Single {
		return name
	}
	return sup.cfg.Dir[strings.LastIndexByte(strings.TrimRight(sup.cfg.Dir, "/"), '/')+1:]
}

// linked returns whether a folder still has a name in the scan folder.
func (sup *supervisor) linked(id inode) bool {
	for name := range sup.scan.present {
		var st unix.Stat_t
		if unix.Fstatat(sup.scan.dir, name, &st, 0) == nil && inodeOf(&st) == id {
			return true
		}
	}
	return false
}

// supervise begins with a service.
func (sup *supervisor) supervise(name string, dir int, id inode) {
	s := newService(sup, sup.title(name))
	s.dir, s.id = dir, id
	if err := s.open(); err != nil {
		s.abandon()
		why := err.Error()
		if sup.scan.refused[id] != why {
			sup.scan.refused[id] = why
			sup.say(s.name + ": unable to supervise it: " + why)
		}
		sup.scan.soon(scanEvery)
		return
	}
	delete(sup.scan.refused, id)
	sup.services[id] = s
	sup.list = append(sup.list, s)
	sup.scan.order.circles = nil
	sup.watch(name, s.dir)
	s.begin()
	// The next one does not have to be looked at first.
	sup.settle()
}

// watch has it noticed where a service's folder is moved or removed: it may be on
// the way to be made anew. Of one that a link leads to, the folder that it is in
// tells.
func (sup *supervisor) watch(name string, dir int) {
	if sup.scan.inotify < 0 || sup.cfg.Single {
		return
	}
	// Without these, that is seen when the scan folder changes or on HUP.
	_, _ = unix.InotifyAddWatch(sup.scan.inotify, sup.cfg.Dir+"/"+name, unix.IN_MOVE_SELF|unix.IN_DELETE_SELF|unix.IN_ATTRIB|unix.IN_ONLYDIR)
	path, err := os.Readlink("/proc/self/fd/" + itoa(dir))
	at := strings.LastIndexByte(path, '/')
	if err != nil || at < 1 || !sup.link(name) {
		return
	}
	watch, err := unix.InotifyAddWatch(sup.scan.inotify, path[:at], scanEvents|unix.IN_ONLYDIR|unix.IN_MASK_ADD)
	if err != nil {
		return
	}
	if sup.scan.targets[watch] == nil {
		sup.scan.targets[watch] = map[string]bool{}
	}
	sup.scan.targets[watch][path[at+1:]] = true
}
