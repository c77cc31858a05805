package main

import (
	"errors"
	"io/fs"
	"os"

	"scgikit/internal/osservice"
)

// installService is "scgikit service install".
func (e *env) installService(flags *serviceFlags) error {
	m, c, err := e.serviceToInstall(flags)
	if err != nil {
		return err
	}
	action, err := m.Plan(flags.force)
	if err != nil {
		return foreignService(err)
	}
	makeDir := isFolder(c.Dir) != nil
	if !flags.dryRun && (makeDir || action != osservice.Unchanged) {
		if err := mayManage(flags); err != nil {
			return err
		}
		if makeDir {
			if err := os.MkdirAll(c.Dir, 0o755); err != nil {
				return err
			}
		}
		if action, err = m.Install(flags.force); err != nil {
			return installFailure(m, flags, err)
		}
	}
	return e.installed(m, c, flags, action, makeDir)
}

// serviceToInstall finds the service manager, for a service whose program must
// be there.
func (e *env) serviceToInstall(flags *serviceFlags) (*osservice.Manager, osservice.Config, error) {
	c, err := e.serviceConfig(flags)
	if err != nil {
		return nil, c, err
	}
	if flags.program == "" {
		if c.Program, err = findSmallProgram(); err != nil {
			return nil, c, err
		}
	}
	if info, err := os.Stat(c.Program); err != nil || !info.Mode().IsRegular() || info.Mode()&0o111 == 0 {
		return nil, c, failf(exitFailed, "--program PATH names another one", "there is no program %s", c.Program)
	}
	m, err := openService(c)
	return m, c, err
}

// installed tells what was done, or what would be.
func (e *env) installed(m *osservice.Manager, c osservice.Config, flags *serviceFlags, action osservice.Action, madeDir bool) error {
	done := map[osservice.Action]string{
		osservice.Unchanged: "is installed already, nothing changes: " + m.Path,
		osservice.Create:    "installed, " + m.Path,
		osservice.Update:    "installed anew, " + m.Path,
	}[action]
	if flags.dryRun {
		done = map[osservice.Action]string{
			osservice.Unchanged: "nothing would change: " + m.Path,
			osservice.Create:    "would create " + m.Path,
			osservice.Update:    "would update " + m.Path,
		}[action]
	}
	more := map[string]any{"action": action, "dry_run": flags.dryRun, "dir": c.Dir, "dir_made": madeDir, "text": m.Text()}
	if err := e.serviceResult(m, flags, done, more); err != nil {
		return err
	}
	switch {
	case flags.dryRun && madeDir:
		e.say("would create the folder %s", c.Dir)
	case madeDir:
		e.say("created the folder %s", c.Dir)
	}
	switch {
	case flags.dryRun || action == osservice.Unchanged:
	case action == osservice.Create:
		e.hint("scgikit service start starts it now; it starts at boot by itself")
	default:
		e.hint("what runs now is as before; scgikit service restart stops everything and starts it anew")
	}
	return nil
}

// uninstallService is "scgikit service uninstall".
func (e *env) uninstallService(flags *serviceFlags) error {
	c, err := e.serviceConfig(flags)
	if err != nil {
		return err
	}
	m, err := openService(c)
	if err != nil {
		return err
	}
	action, err := m.PlanUninstall(flags.force)
	if err != nil {
		return foreignService(err)
	}
	done := map[osservice.Action]string{
		osservice.Absent: "is not installed, nothing to do",
		osservice.Remove: "removed " + m.Path,
	}[action]
	switch {
	case action == osservice.Absent:
	case flags.dryRun:
		done = "would stop it and its services, and remove " + m.Path
	default:
		if err := mayManage(flags); err != nil {
			return err
		}
		if action, err = m.Uninstall(flags.force); err != nil {
			return installFailure(m, flags, err)
		}
	}
	return e.serviceResult(m, flags, done, map[string]any{"action": action, "dry_run": flags.dryRun})
}

func foreignService(err error) error {
	switch {
	case errors.Is(err, osservice.ErrForeign), errors.Is(err, osservice.ErrEdited):
		return failf(exitRefused, "move it away, or say --force; --name NAME is for a second service", "%w", err)
	case errors.Is(err, fs.ErrPermission):
		return failf(exitPermission, "ask as root", "%w", err)
	}
	return err
}

func installFailure(m *osservice.Manager, flags *serviceFlags, err error) error {
	if rolled, ok := errors.AsType[*osservice.RolledBackError](err); ok {
		return failf(exitRolledBack, "", "%w", rolled)
	}
	if errors.Is(err, osservice.ErrForeign) || errors.Is(err, osservice.ErrEdited) || errors.Is(err, fs.ErrPermission) {
		return foreignService(err)
	}
	return failf(exitFailed, logHint(m, flags), "%w", err)
}
