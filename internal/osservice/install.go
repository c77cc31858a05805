package osservice

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Action is what has to be done to a file, or was.
type Action string

// The actions.
const (
	Unchanged Action = "unchanged"
	Create    Action = "create"
	Update    Action = "update"
	Remove    Action = "remove"
	Absent    Action = "absent" // there is nothing to remove
)

// Why a file is left alone.
var (
	ErrForeign = errors.New("is not of scgikit")
	ErrEdited  = errors.New("was changed by hand")
)

// RolledBackError says that the service manager did not take the service, and
// that everything is as it was before.
type RolledBackError struct{ Err error }

func (e *RolledBackError) Error() string { return e.Err.Error() + "; everything is as before" }

func (e *RolledBackError) Unwrap() error { return e.Err }

// Plan says what Install would do. With force it takes the place of a file that
// is another's, or was changed; without, that is ErrForeign or ErrEdited.
func (m *Manager) Plan(force bool) (Action, error) {
	old, err := m.read(force)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Create, nil
	case err != nil:
		return "", err
	case old == m.text:
		return Unchanged, nil
	}
	return Update, nil
}

// PlanUninstall says what Uninstall would do.
func (m *Manager) PlanUninstall(force bool) (Action, error) {
	_, err := m.read(force)
	if errors.Is(err, fs.ErrNotExist) {
		return Absent, nil
	}
	return Remove, err
}

// read returns the text of the file that is there.
func (m *Manager) read(force bool) (string, error) {
	info, err := os.Lstat(m.Path)
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() {
		// A link to /dev/null is how systemd keeps a unit from being started.
		return "", fmt.Errorf("%s is no file: %w", m.Path, ErrForeign)
	}
	text, err := os.ReadFile(m.Path)
	if err != nil || force {
		return string(text), err
	}
	switch ours, intact := origin(string(text)); {
	case !ours:
		return "", fmt.Errorf("%s %w", m.Path, ErrForeign)
	case !intact:
		return "", fmt.Errorf("%s %w", m.Path, ErrEdited)
	}
	return string(text), nil
}

// Install writes the file and makes the service start at boot; it does not start
// it now. The error is a *RolledBackError where the service manager refused.
func (m *Manager) Install(force bool) (Action, error) {
	action, err := m.Plan(force)
	if err != nil || action == Unchanged {
		return action, err
	}
	var old []byte
	if action == Update {
		// kardianos writes no file that is there.
		if old, err = os.ReadFile(m.Path); err != nil {
			return "", err
		}
		if err := os.Remove(m.Path); err != nil {
			return "", err
		}
	} else if err := os.MkdirAll(filepath.Dir(m.Path), 0o755); err != nil {
		return "", err
	}
	err = m.told("install", m.service.Install())
	if err == nil {
		var text []byte
		if text, err = os.ReadFile(m.Path); err == nil && string(text) != m.text {
			err = fmt.Errorf("%s holds another text than was to be written", m.Path)
		}
	}
	if err == nil {
		return action, nil
	}
	if undo := m.restore(action, old); undo != nil {
		return "", errors.Join(err, undo)
	}
	return "", &RolledBackError{err}
}

// restore puts the file back as it was before.
func (m *Manager) restore(action Action, old []byte) error {
	err := os.Remove(m.Path)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	if action == Create {
		return errors.Join(err, m.unlink())
	}
	mode := os.FileMode(0o755)
	if m.Platform == Systemd || m.Platform == Launchd {
		mode = 0o644
	}
	return errors.Join(err, os.WriteFile(m.Path, old, mode)) //nolint:gosec // Config.check has refused names that are paths
}

// Uninstall stops the service where it runs, and with it all that it supervises,
// and removes its file. The folder of services stays.
func (m *Manager) Uninstall(force bool) (Action, error) {
	action, err := m.PlanUninstall(force)
	if err != nil || action == Absent {
		return action, err
	}
	state, err := m.Status()
	if err != nil {
		return "", err
	}
	if state == Running {
		if err := m.Stop(); err != nil {
			return "", err
		}
	}
	if err := m.told("uninstall", m.service.Uninstall()); err != nil {
		return "", err
	}
	return action, m.unlink()
}

// unlink removes the links of System V, which kardianos leaves behind.
func (m *Manager) unlink() error {
	if m.Platform != SysV {
		return nil
	}
	links, err := filepath.Glob("/etc/rc[0-6].d/[SK][0-9][0-9]" + filepath.Base(m.Path))
	if err != nil {
		return err
	}
	for _, link := range links {
		if to, err := os.Readlink(link); err == nil && to == m.Path {
			if err := os.Remove(link); err != nil {
				return err
			}
		}
	}
	return nil
}
