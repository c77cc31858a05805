package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"scgikit/internal/osservice"
)

// serviceFlags are the flags of the commands below service.
type serviceFlags struct {
	name     string
	dir      string
	program  string
	user     bool
	platform string
	dryRun   bool
	force    bool
}

// usualProgram is where an installation has the small program.
const usualProgram = "/usr/local/bin/" + smallProgram

func newServiceCmd(e *env) *cobra.Command {
	var flags serviceFlags
	cmd := groupOf(&cobra.Command{
		Use:   "service",
		Short: "make scgikit's supervisor a service of this machine",
		Long: `Makes "scgi-run supervise" a service of the machine's own service manager: systemd,
OpenRC, System V init, launchd, or FreeBSD's rc.d. It then starts at boot, and runs
the services of one folder.

The service manager looks after the supervisor alone: when that is killed, services
run on, and the next one takes them over. To stop it is to stop all services.`,
		Example: `  scgikit service print --platform systemd
  scgikit service install --dry-run`,
		GroupID: groupMachine,
	}, newServiceInstallCmd(e, &flags), newServiceUninstallCmd(e, &flags),
		newServiceVerbCmd(e, &flags, "start", "start the supervisor, and with it the services of its folder", (*osservice.Manager).Start),
		newServiceVerbCmd(e, &flags, "stop", "stop all services, in order, and then the supervisor", (*osservice.Manager).Stop),
		newServiceVerbCmd(e, &flags, "restart", "stop everything and start it again", (*osservice.Manager).Restart),
		newServiceStatusCmd(e, &flags), newServicePrintCmd(e, &flags))
	for _, sub := range cmd.Commands() {
		f := sub.Flags()
		f.SortFlags = false
		f.StringVar(&flags.name, "name", "scgikit", "`NAME` of the service")
		f.StringVar(&flags.dir, "dir", "", "scan folder `DIR`; default "+ownServices+", with --user the user's own")
		f.BoolVar(&flags.user, "user", false, "a service of yours, not of the machine: systemd and launchd")
		f.StringVar(&flags.program, "program", "", "`PATH` of scgi-run; default is the one next to scgikit, for print "+usualProgram)
	}
	return cmd
}

func newServiceInstallCmd(e *env, flags *serviceFlags) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "install",
		Short: "write the file of the service, and start it at boot from now on",
		Long: `Writes the file that the service manager reads, and has it started at boot. It is
not started now: "scgikit service start" does that. The scan folder is made where
it is missing. Installed twice, nothing changes. A file that was changed by hand or
is not of scgikit is left alone, code 6; --force takes its place. Where the service
manager refuses, everything is put back as it was, code 9.`,
		Example: "  scgikit service install --dry-run\n  sudo scgikit service install --dir /etc/service",
		Args:    wants(0, 0),
		RunE:    func(*cobra.Command, []string) error { return e.installService(flags) },
	}
	addPlanFlags(cmd, flags)
	return cmd
}

func newServiceUninstallCmd(e *env, flags *serviceFlags) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "uninstall",
		Short: "stop the service, and remove its file",
		Long: `Stops the supervisor and all of its services, and removes the file that install
wrote. The scan folder, its services and their logs stay. Where nothing is installed
there is nothing to do.`,
		Example: "  scgikit service uninstall --dry-run",
		Args:    wants(0, 0),
		RunE:    func(*cobra.Command, []string) error { return e.uninstallService(flags) },
	}
	addPlanFlags(cmd, flags)
	return cmd
}

func addPlanFlags(cmd *cobra.Command, flags *serviceFlags) {
	cmd.Flags().BoolVarP(&flags.dryRun, "dry-run", "n", false, "only say what would be done")
	cmd.Flags().BoolVar(&flags.force, "force", false, "also where the file was changed, or is another's")
}

func newServiceVerbCmd(e *env, flags *serviceFlags, verb, short string, do func(*osservice.Manager) error) *cobra.Command {
	return &cobra.Command{
		Use:     verb,
		Short:   short,
		Example: "  sudo scgikit service " + verb,
		Args:    wants(0, 0),
		RunE: func(*cobra.Command, []string) error {
			m, err := e.installedService(flags)
			if err != nil {
				return err
			}
			if err := mayManage(flags); err != nil {
				return err
			}
			if err := do(m); err != nil {
				return failf(exitFailed, logHint(m, flags), "%w", err)
			}
			return e.serviceResult(m, flags, verb+": done", nil)
		},
	}
}

func newServiceStatusCmd(e *env, flags *serviceFlags) *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "say whether the supervisor runs",
		Long: `Says what the service manager knows of the supervisor. "scgikit status" shows the
services below it. Code 3 is that it does not run, 5 that it is not installed.`,
		Example: "  scgikit service status",
		Args:    wants(0, 0),
		RunE: func(*cobra.Command, []string) error {
			m, err := e.installedService(flags)
			if err != nil {
				return err
			}
			state, err := m.Status()
			if err != nil {
				return err
			}
			if err := e.serviceResult(m, flags, string(state), map[string]any{"state": state}); err != nil {
				return err
			}
			if state != osservice.Running {
				return failf(exitInvalid, "", "%s does not run", flags.name)
			}
			return nil
		},
	}
}

func newServicePrintCmd(e *env, flags *serviceFlags) *cobra.Command {
	var platforms []string
	for _, p := range osservice.Platforms() {
		platforms = append(platforms, string(p))
	}
	cmd := &cobra.Command{
		Use:   "print",
		Short: "print the file of the service, for any platform",
		Long: `Prints what install would write, for the platform of this machine or for another
one. The same flags print the same text on every machine.`,
		Example: "  scgikit service print --platform systemd > scgikit.service",
		Args:    wants(0, 0),
		RunE:    func(*cobra.Command, []string) error { return e.printService(flags, platforms) },
	}
	cmd.Flags().StringVar(&flags.platform, "platform", "", "service manager `NAME`: "+strings.Join(platforms, ", "))
	// It fails only for a flag that does not exist or has a function already.
	_ = cmd.RegisterFlagCompletionFunc("platform", cobra.FixedCompletions(platforms, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func (e *env) printService(flags *serviceFlags, platforms []string) error {
	c, err := e.serviceConfig(flags)
	if err != nil {
		return err
	}
	p := osservice.Platform(flags.platform)
	switch {
	case p == "":
		m, err := osservice.Open(c)
		if err != nil {
			return usagef("--platform names one: "+strings.Join(platforms, ", "), "%w", err)
		}
		p = m.Platform
	case !slices.Contains(platforms, string(p)):
		return usagef("the platforms are "+strings.Join(platforms, ", "), "there is no platform %q", p)
	}
	text, err := osservice.Text(p, c)
	if err != nil {
		return usagef("", "%w", err)
	}
	path, err := osservice.Path(p, c)
	if err != nil {
		return err
	}
	return e.result(map[string]any{"platform": p, "path": path, "text": text}, func(w io.Writer) error {
		_, err := io.WriteString(w, text)
		return err
	})
}

// serviceConfig makes the flags a service, whose program is where an
// installation has it unless they say otherwise.
func (e *env) serviceConfig(flags *serviceFlags) (osservice.Config, error) {
	c := osservice.Config{Name: flags.name, Program: usualProgram, Dir: ownServices, User: flags.user}
	if flags.program != "" {
		c.Program = flags.program
	}
	switch {
	case flags.dir != "":
		c.Dir = flags.dir
	case flags.user:
		home := e.configHome()
		if home == "" {
			return c, usagef("name a folder: --dir DIR", "there is no folder of the user: neither XDG_CONFIG_HOME nor HOME is set")
		}
		c.Dir = filepath.Join(home, "service")
	}
	if !filepath.IsAbs(c.Dir) {
		return c, usagef("write it from the root", "--dir: %s is no absolute path, and a service has no working directory", c.Dir)
	}
	if !filepath.IsAbs(c.Program) {
		return c, usagef("write it from the root", "--program: %s is no absolute path", c.Program)
	}
	return c, nil
}

// installedService finds the service manager, for a service that must be
// installed.
func (e *env) installedService(flags *serviceFlags) (*osservice.Manager, error) {
	c, err := e.serviceConfig(flags)
	if err != nil {
		return nil, err
	}
	m, err := openService(c)
	if err != nil {
		return nil, err
	}
	if _, err := os.Lstat(m.Path); errors.Is(err, fs.ErrNotExist) {
		return nil, failf(exitNoApp, "scgikit service install installs it", "%s is not installed: there is no %s", flags.name, m.Path)
	}
	return m, nil
}

func openService(c osservice.Config) (*osservice.Manager, error) {
	m, err := osservice.Open(c)
	if err != nil {
		return nil, usagef("scgikit service print shows the text for any platform", "%w", err)
	}
	return m, nil
}

// mayManage is an error for a user who has no say about services of the machine.
func mayManage(flags *serviceFlags) error {
	if flags.user || os.Geteuid() == 0 {
		return nil
	}
	return failf(exitPermission, "as root, or with --user for a service of yours", "a service of the machine is root's")
}

// serviceResult prints what a command about the service did.
func (e *env) serviceResult(m *osservice.Manager, flags *serviceFlags, done string, more map[string]any) error {
	value := map[string]any{"name": flags.name, "platform": m.Platform, "path": m.Path}
	maps.Copy(value, more)
	return e.result(value, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "%s: %s\n", flags.name, done)
		return err
	})
}

// logHint says where the supervisor says what is wrong.
func logHint(m *osservice.Manager, flags *serviceFlags) string {
	switch m.Platform {
	case osservice.Systemd:
		user := ""
		if flags.user {
			user = "--user "
		}
		return "journalctl " + user + "-u " + flags.name + " says more"
	case osservice.OpenRC, osservice.SysV, osservice.Launchd, osservice.RCD:
	}
	return "its log says more: " + m.Log()
}
