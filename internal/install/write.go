package install

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"syscall"
)

// The calls that write, each through the handle of a trusted folder. Every error
// names the path.

// tempName is where a file is written before it is renamed. It is known from the
// journal, so that one that was left behind is found, and hidden, so that no
// program takes it for a file of its own.
func tempName(p string, id, n int) string {
	return path.Join(path.Dir(p), fmt.Sprintf(".scgikit-%d-%d", id, n))
}

// putFile puts a file in place in one step: it has its owner and mode before it has
// its name, and its bytes are on the disk before that.
func (m *Machine) putFile(folder *os.Root, p, temp string, s *State) error {
	return m.putLike(folder, p, temp, s, nil)
}

// putShared is putFile for a file that is the machine's: what stands there gives it its
// extended attributes.
func (m *Machine) putShared(folder *os.Root, p, temp string, s *State) error {
	now, err := folder.OpenFile(path.Base(p), os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOFOLLOW, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return m.putFile(folder, p, temp, s)
	}
	if err != nil {
		return m.errorAt(p, err)
	}
	defer now.Close() //nolint:errcheck // nothing was written
	return m.putLike(folder, p, temp, s, now)
}

func (m *Machine) putLike(folder *os.Root, p, temp string, s *State, like *os.File) error {
	name := path.Base(temp)
	if err := m.unlinkIn(folder, temp); err != nil {
		return err
	}
	f, err := folder.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return m.errorAt(p, err)
	}
	_, err = f.Write(s.data)
	if err == nil {
		err = m.chown(f, s)
	}
	if err == nil && like != nil {
		err = keepAttributes(like, f)
	}
	if err == nil {
		err = f.Chmod(s.perm())
	}
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = folder.Rename(name, path.Base(p))
	}
	if err != nil {
		return errors.Join(m.errorAt(p, err), m.unlinkIn(folder, temp))
	}
	return m.syncFolder(folder, p)
}

// own gives an open file its owner and mode. Both go through the descriptor, which
// no other user can exchange; the mode comes last, because a new owner clears bits.
func (m *Machine) own(f *os.File, s *State) error {
	if err := m.chown(f, s); err != nil {
		return err
	}
	return f.Chmod(s.perm())
}

func (m *Machine) chown(f *os.File, s *State) error {
	if s.UID >= 0 && (m.uid == 0 || s.UID != m.uid) {
		return f.Chown(s.UID, s.GID)
	}
	return nil
}

func (m *Machine) putLink(folder *os.Root, p, temp string, s *State) error {
	if err := m.unlinkIn(folder, temp); err != nil {
		return err
	}
	err := folder.Symlink(s.Link, path.Base(temp))
	if err == nil {
		err = folder.Rename(path.Base(temp), path.Base(p))
	}
	if err != nil {
		return errors.Join(m.errorAt(p, err), m.unlinkIn(folder, temp))
	}
	return m.syncFolder(folder, p)
}

// makeFolder makes a folder that nobody else can enter before it has its owner
// and mode. One that is there is given them.
func (m *Machine) makeFolder(folder *os.Root, p string, s *State) error {
	name := path.Base(p)
	if err := folder.Mkdir(name, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return m.errorAt(p, err)
	}
	f, err := folder.OpenFile(name, os.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return m.errorAt(p, err)
	}
	err = m.own(f, s)
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return m.errorAt(p, err)
	}
	return m.syncFolder(folder, p)
}

// unlinkIn removes a file, which need not be there.
func (m *Machine) unlinkIn(folder *os.Root, p string) error {
	err := folder.Remove(path.Base(p))
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return m.errorAt(p, err)
}

// syncFolder makes names last: a rename is on the disk once its folder is.
func (m *Machine) syncFolder(folder *os.Root, p string) error {
	f, err := folder.Open(".")
	if err != nil {
		return m.errorAt(path.Dir(p), err)
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return m.errorAt(path.Dir(p), err)
	}
	return nil
}

// removeFolder removes an empty folder, and reports one that is not.
func (m *Machine) removeFolder(folder *os.Root, p string) (left bool, err error) {
	err = folder.Remove(path.Base(p))
	switch {
	case err == nil:
		return false, m.syncFolder(folder, p)
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case errors.Is(err, syscall.ENOTEMPTY), errors.Is(err, syscall.EEXIST):
		return true, nil
	}
	return false, m.errorAt(p, err)
}

// clear removes the files of a folder of ours that a supervisor or a logger made.
// Nothing is followed; the folder may be another user's, and so may be what is in it.
func (m *Machine) clear(p string, mine func(name string) bool, itself bool) error {
	parent, err := m.folder(path.Dir(p))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer parent.Close()
	m.loosen(p)
	folder, _, err := m.step(parent, path.Base(p), p)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil || folder == nil {
		return errors.Join(err, m.errorAt(p, errors.New("is no folder")))
	}
	defer folder.Close()
	names, err := namesIn(parent, path.Base(p))
	if err != nil {
		return m.errorAt(p, err)
	}
	for _, name := range names {
		if !mine(name) {
			continue
		}
		info, err := folder.Lstat(name)
		if err != nil || info.IsDir() {
			continue
		}
		if err := m.unlinkIn(folder, path.Join(p, name)); err != nil {
			return err
		}
	}
	if !itself {
		return nil
	}
	_, err = m.removeFolder(parent, p)
	return err
}
