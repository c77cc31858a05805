package osservice

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/kardianos/service"
)

// State is what the service does.
type State string

// The states.
const (
	Running      State = "running"
	Stopped      State = "stopped"
	Failed       State = "failed"
	NotInstalled State = "not installed"
)

// Manager is the service manager of this machine, for one service.
type Manager struct {
	Platform Platform
	Path     string // of the file that it reads

	text    string
	log     string
	service service.Service
}

// names are what kardianos calls the platforms.
func names() map[string]Platform {
	return map[string]Platform{
		"linux-systemd":  Systemd,
		"linux-openrc":   OpenRC,
		"unix-systemv":   SysV,
		"darwin-launchd": Launchd,
		"freebsd":        RCD,
	}
}

// Open finds the service manager of this machine. The error is about Config, or
// says that there is none that it could use.
func Open(c Config) (*Manager, error) {
	for _, system := range service.AvailableSystems() {
		if system.Detect() {
			return open(system, c)
		}
	}
	return nil, errors.New("this machine has no service manager")
}

func open(system service.System, c Config) (*Manager, error) {
	p, ok := names()[system.String()]
	if !ok {
		return nil, fmt.Errorf("this machine has the service manager %s, which there is no text for", system)
	}
	// kardianos takes what it does not know for System V.
	if p == SysV {
		if _, err := exec.LookPath("service"); err != nil {
			return nil, fmt.Errorf("this machine has no service manager: %w", err)
		}
	}
	m := &Manager{Platform: p, log: c.log()}
	var err error
	if m.text, err = Text(p, c); err != nil {
		return nil, err
	}
	if m.Path, err = Path(p, c); err != nil {
		return nil, err
	}
	m.service, err = system.New(nothing{}, m.config(c))
	return m, err
}

// config is how kardianos is told to write our text as it is: its own engine
// takes {{ for a beginning even in our values, so the text is a value to it.
func (m *Manager) config(c Config) *service.Config {
	const verbatim = "{{range Arguments}}{{.}}{{end}}"
	name := c.Name
	if m.Platform == RCD {
		name = c.ident()
	}
	return &service.Config{
		Name:       name,
		Executable: c.Program,
		Arguments:  []string{m.text},
		Option: service.KeyValue{
			"UserService":   c.User,
			"SystemdScript": verbatim,
			"OpenRCScript":  verbatim,
			"SysvScript":    verbatim, // FreeBSD's too
			"LaunchdConfig": verbatim,
		},
	}
}

// nothing stands for the program that kardianos could run itself: ours is
// another one.
type nothing struct{}

func (nothing) Start(service.Service) error { return nil }

func (nothing) Stop(service.Service) error { return nil }

// Path returns the file that the platform's service manager reads.
//
// Source: configPath in the files of kardianos/service 1.3.0.
func Path(p Platform, c Config) (string, error) {
	if err := c.check(p); err != nil {
		return "", err
	}
	home := ""
	if c.User {
		var err error
		if home, err = os.UserHomeDir(); err != nil {
			return "", err
		}
	}
	switch {
	case p == Systemd && c.User:
		return filepath.Join(home, ".config/systemd/user", c.Name+".service"), nil
	case p == Systemd:
		return "/etc/systemd/system/" + c.Name + ".service", nil
	case p == Launchd && c.User:
		return filepath.Join(home, "Library/LaunchAgents", c.Name+".plist"), nil
	case p == Launchd:
		return "/Library/LaunchDaemons/" + c.Name + ".plist", nil
	case p == RCD:
		return "/usr/local/etc/rc.d/" + c.ident(), nil
	}
	return "/etc/init.d/" + c.Name, nil
}

// Text returns what the file holds once it is installed.
func (m *Manager) Text() string { return m.text }

// Log returns the file that the supervisor's own lines go to. Systemd has a
// journal instead.
func (m *Manager) Log() string { return m.log }

// Start starts the service now.
func (m *Manager) Start() error { return m.told("start", m.service.Start()) }

// Stop returns once all services are down, or with the manager's patience.
func (m *Manager) Stop() error { return m.told("stop", m.service.Stop()) }

// Restart stops everything and starts it again.
func (m *Manager) Restart() error { return m.told("restart", m.service.Restart()) }

func (m *Manager) told(verb string, err error) error {
	if err != nil {
		return fmt.Errorf("%s %s: %w", m.Platform, verb, err)
	}
	return nil
}

// Status asks the service manager.
func (m *Manager) Status() (State, error) {
	if _, err := os.Lstat(m.Path); errors.Is(err, os.ErrNotExist) {
		return NotInstalled, nil
	}
	status, err := m.service.Status()
	if errors.Is(err, service.ErrNotInstalled) {
		return NotInstalled, nil
	}
	if err != nil {
		return m.statusOf(err)
	}
	if status == service.StatusRunning {
		return Running, nil
	}
	return Stopped, nil
}

// statusOf reads errors of kardianos that are answers: it takes the code of a
// System V script that says "not running" for a failure, and has no word for a
// failed unit.
//
// Source: LSB 5.0, Init Script Actions: 1 to 3 are dead and not running.
func (m *Manager) statusOf(err error) (State, error) {
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && m.Platform == SysV && exit.ExitCode() >= 1 && exit.ExitCode() <= 3 {
		return Stopped, nil
	}
	if m.Platform == Systemd && err.Error() == "service in failed state" {
		return Failed, nil
	}
	return "", m.told("status", err)
}
