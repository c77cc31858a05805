package install

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"
)

// maxFile bounds what is read of a file that stands in a place of ours.
const maxFile = 64 << 20

// maxLinks is how many symbolic links a path may have, as in Linux.
const maxLinks = 40

// Machine is the tree that an install changes: "/", or the folder of --root.
type Machine struct {
	dir   string
	root  *os.Root
	uid   int
	state string // the folder of receipts
	brew  string // the prefix of Homebrew whose owner runs this, "" for none
	// loose are folders of ours that are another user's by design, such as those
	// that a logger writes to. What is written there can not leave them.
	loose map[string]bool
}

// Unsafe says that a path is not written to, because another user could have
// made it lead elsewhere.
type Unsafe struct {
	Path string // of the component
	Why  string

	Homebrew bool // it is its user's by design, for whom it is safe
	Record   bool // it is a record of scgikit's own, and what is in it is not believed

	theirs bool // it is in a folder that is another user's by design
}

// Error returns "PATH: why".
func (e *Unsafe) Error() string { return e.Path + ": " + e.Why }

// OpenMachine opens the tree below a folder, which must be there.
func OpenMachine(dir string) (*Machine, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	m := &Machine{dir: dir, root: root, uid: os.Geteuid(), state: StateDir}
	info, err := root.Stat(".")
	if err == nil {
		err = m.trust(info, "/")
	}
	if err != nil {
		return nil, errors.Join(err, root.Close())
	}
	m.homebrew()
	return m, nil
}

// Close closes the handle.
func (m *Machine) Close() error { return m.root.Close() }

// Real reports whether this is the machine that runs, and no folder of files.
func (m *Machine) Real() bool { return path.Clean(m.dir) == "/" }

// name returns how messages name a path below the root.
func (m *Machine) name(p string) string {
	if m.Real() {
		return p
	}
	return path.Join(m.dir, p)
}

// trust refuses a folder that a user other than the one who writes could change.
// A sticky bit is no excuse: names that are not there yet are anybody's.
func (m *Machine) trust(info fs.FileInfo, p string) error {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || m.loose[p] {
		return nil
	}
	forbidden := fs.FileMode(0o022)
	if m.uid != 0 {
		forbidden = 0o002 // a group of one's own is how distributions set users up
	}
	switch {
	case m.uid == 0 && st.Uid != 0 && m.inHomebrew(p):
		return &Unsafe{Path: m.name(p), Why: fmt.Sprintf("belongs to user %d, as Homebrew has it, who could put a link in the way of root", st.Uid), Homebrew: true}
	case st.Uid != 0 && int(st.Uid) != m.uid:
		return &Unsafe{Path: m.name(p), Why: fmt.Sprintf("belongs to user %d, who could put a link in the way", st.Uid)}
	case info.Mode().Perm()&forbidden != 0:
		return &Unsafe{Path: m.name(p), Why: fmt.Sprintf("others may write to it (mode %04o), and could put a link in the way", info.Mode().Perm())}
	}
	return nil
}

// folder opens a folder, one name at a time. Each is looked at, opened, and
// compared with what was looked at, so that a link put there in between is seen. A
// link that stands in a trusted folder is the administrator's, such as /var/run,
// and is followed below the root. The caller closes what it gets.
func (m *Machine) folder(p string) (*os.Root, error) {
	for range maxLinks {
		at, rest, err := m.descend(p)
		if err != nil || rest == "" {
			return at, err
		}
		p = rest
	}
	return nil, &Unsafe{Path: m.name(p), Why: "has too many symbolic links"}
}

// descend opens a folder, or returns the path that a link on the way makes of it.
func (m *Machine) descend(p string) (at *os.Root, instead string, err error) {
	at, err = m.root.OpenRoot(".")
	if err != nil {
		return nil, "", m.errorAt("/", err)
	}
	names := strings.Split(strings.Trim(path.Clean("/"+p), "/"), "/")
	if names[0] == "" {
		return at, "", nil
	}
	before := "/"
	for i, name := range names {
		here := path.Join(before, name)
		next, link, err := m.step(at, name, here)
		_ = at.Close() // nothing was written through it
		if err != nil {
			return nil, "", err
		}
		if link != "" {
			if m.loose[before] {
				return nil, "", &Unsafe{Path: m.name(here), Why: "is a link, which the user whose folder it is in could have put there", theirs: true}
			}
			if !path.IsAbs(link) {
				link = path.Join(before, link)
			}
			return nil, path.Join(append([]string{"/", link}, names[i+1:]...)...), nil
		}
		at, before = next, here
	}
	return at, "", nil
}

// step opens one name of a folder that is trusted, or returns the link there.
func (m *Machine) step(at *os.Root, name, here string) (next *os.Root, link string, err error) {
	info, err := at.Lstat(name)
	if err != nil {
		return nil, "", m.errorAt(here, err)
	}
	switch {
	case info.Mode().Type() == fs.ModeSymlink:
		link, err = at.Readlink(name)
		if err != nil {
			return nil, "", m.errorAt(here, err)
		}
		return nil, link, nil
	case !info.IsDir():
		return nil, "", &fs.PathError{Op: "open", Path: m.name(here), Err: syscall.ENOTDIR}
	}
	next, err = at.OpenRoot(name)
	if err != nil {
		return nil, "", m.errorAt(here, err)
	}
	opened, err := next.Stat(".")
	switch {
	case err != nil:
		err = m.errorAt(here, err)
	case !os.SameFile(info, opened):
		err = &Unsafe{Path: m.name(here), Why: "was exchanged while it was looked at"}
	default:
		err = m.trust(opened, here)
	}
	if err != nil {
		return nil, "", errors.Join(err, next.Close())
	}
	return next, "", nil
}

// errorAt gives an error of a handle the whole path.
func (m *Machine) errorAt(p string, err error) error {
	if inner, ok := errors.AsType[*fs.PathError](err); ok {
		return &fs.PathError{Op: inner.Op, Path: m.name(p), Err: inner.Err}
	}
	if inner, ok := errors.AsType[*os.LinkError](err); ok {
		return &fs.PathError{Op: inner.Op, Path: m.name(p), Err: inner.Err}
	}
	return fmt.Errorf("%s: %w", m.name(p), err)
}

// look returns what stands at a path. Nothing of it is followed.
func (m *Machine) look(p string) (State, error) {
	folder, err := m.folder(path.Dir(p))
	if errors.Is(err, fs.ErrNotExist) {
		return State{Kind: Absent}, nil
	}
	if errors.Is(err, syscall.ENOTDIR) {
		return State{Kind: Other, why: "something on the way is no folder"}, nil
	}
	if err != nil {
		return State{}, err
	}
	defer folder.Close()
	return m.lookIn(folder, p)
}

func (m *Machine) lookIn(folder *os.Root, p string) (State, error) {
	name := path.Base(p)
	info, err := folder.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return State{Kind: Absent}, nil
	}
	if err != nil {
		return State{}, m.errorAt(p, err)
	}
	s := State{Mode: modeText(info.Mode())}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		s.UID, s.GID, s.links = int(st.Uid), int(st.Gid), uint64(st.Nlink) //nolint:unconvert // other systems have other types
	}
	switch kind := info.Mode().Type(); {
	case kind == fs.ModeSymlink:
		s.Kind, s.Mode = Symlink, ""
		s.Link, err = folder.Readlink(name)
	case kind == fs.ModeDir:
		s.Kind = Dir
		s.names, err = namesIn(folder, name)
	case kind != 0:
		s.Kind, s.why = Other, "something that is no file stands in its place"
	default:
		s.Kind = File
		s.data, err = readIn(folder, name, info)
		s.SHA256 = digest(s.data)
	}
	if err != nil {
		return State{}, m.errorAt(p, err)
	}
	return s, nil
}

// readIn reads a file that was looked at. A FIFO that took its place since does
// not make this wait.
func readIn(folder *os.Root, name string, info fs.FileInfo) ([]byte, error) {
	f, err := folder.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // nothing was written
	opened, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !os.SameFile(info, opened) || !opened.Mode().IsRegular() {
		return nil, errors.New("was exchanged while it was looked at")
	}
	if opened.Size() > maxFile {
		return nil, fmt.Errorf("is larger than %d MiB", maxFile>>20)
	}
	return io.ReadAll(io.LimitReader(f, maxFile+1))
}

func namesIn(folder *os.Root, name string) ([]string, error) {
	f, err := folder.OpenFile(name, os.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // nothing was written
	names, err := f.Readdirnames(-1)
	slices.Sort(names)
	return names, err
}

// Look takes a snapshot of paths. What is behind a folder that is not safe is not
// looked at, and is Other.
func (m *Machine) Look(paths []string) (Snapshot, error) {
	s := make(Snapshot, len(paths))
	for _, p := range paths {
		if _, ok := s[p]; ok {
			continue
		}
		state, err := m.look(p)
		if unsafe, ok := errors.AsType[*Unsafe](err); ok {
			state, err = State{Kind: Other, why: unsafe.Error(), unsafe: unsafe}, nil
		}
		state.dangling = err == nil && state.Kind == Symlink && m.dangling(p)
		if err != nil {
			return nil, err
		}
		s[p] = state
	}
	return s, nil
}

// dangling reports whether a link leads to nothing, or not to a folder. What can not be
// told is told to whoever goes through it.
func (m *Machine) dangling(p string) bool {
	folder, err := m.folder(p)
	if err != nil {
		return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
	}
	_ = folder.Close() // nothing was written through it
	return false
}

// Safe returns *Unsafe for a folder that is not written to, or one on the way to it.
// One that is not there is as safe as those above it.
func (m *Machine) Safe(p string) error {
	folder, err := m.folder(p)
	if err != nil {
		return err
	}
	return folder.Close()
}

// Plan looks at what a request is about, and returns what is to be done.
func (m *Machine) Plan(r *Request) (*Plan, error) {
	r.State = m.state
	snap, err := m.Look(r.Paths())
	if err != nil {
		return nil, err
	}
	return NewPlan(r, snap)
}

// Snapshot is what stands at paths.
type Snapshot map[string]State
