// Package osservice makes scgikit's supervisor a service of the operating
// system: the text that each service manager wants, and by way of
// github.com/kardianos/service where it goes and how the manager is told.
//
// Its texts are all ours. kardianos' own would end every service together with
// the supervisor, and start it again two minutes later.
package osservice

import (
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
)

// Platform is a kind of service manager.
type Platform string

// The platforms.
const (
	Systemd Platform = "systemd"
	OpenRC  Platform = "openrc"
	SysV    Platform = "sysv"
	Launchd Platform = "launchd"
	RCD     Platform = "rcd" // FreeBSD
)

// Platforms returns all platforms.
func Platforms() []Platform { return []Platform{Systemd, OpenRC, SysV, Launchd, RCD} }

// Config says what the service is.
type Config struct {
	Name    string // of the service
	Program string // path of scgi-run
	Dir     string // the folder of service folders, an absolute path
	User    bool   // a service of the user, not of the machine
}

// errUser says that a platform has services of the machine alone.
var errUser = errors.New("has no services of users, only systemd and launchd have")

// check returns why a service can not be made of c.
func (c *Config) check(p Platform) error {
	if !regexp.MustCompile(`^[a-z][a-z0-9-]{0,30}$`).MatchString(c.Name) {
		return fmt.Errorf("the name %q: use small letters, digits and -, a letter first, 31 at most", c.Name)
	}
	// The name of the program has other rules than its arguments, everywhere.
	if !regexp.MustCompile(`^/[A-Za-z0-9_./@+,-]*$`).MatchString(c.Program) {
		return fmt.Errorf("the program %q: use an absolute path of letters, digits and _./@+,-", c.Program)
	}
	if !filepath.IsAbs(c.Dir) {
		return fmt.Errorf("the folder %q: use an absolute path", c.Dir)
	}
	if c.User && p != Systemd && p != Launchd {
		return fmt.Errorf("%s %w", p, errUser)
	}
	return nil
}

// ident is the name as a shell's: rc.subr makes variables of it.
func (c *Config) ident() string { return strings.ReplaceAll(c.Name, "-", "_") }

// log is where what the supervisor itself says goes, but for systemd, which has
// a journal.
func (c *Config) log() string {
	if c.User {
		return filepath.Join(filepath.Dir(c.Dir), c.Name+".log")
	}
	return "/var/log/" + c.Name + ".log"
}
