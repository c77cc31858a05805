package install

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
)

// managed reports whether a target's services are started by a manager that is told
// their names, and that does not see what is put into a folder.
func managed(target string) bool {
	return target == "systemd" || slices.Contains([]string{"openrc", "sysv", "rcd", "launchd", s6rcTarget}, target)
}

// unitOf returns the name of the service that a file of an init system belongs to:
// of launchd the path of its description.
func unitOf(a *Action) (name string, ok bool) {
	if a.Op == Mkdir || a.Op == Chmod || a.Op == Rmdir || a.Op == Clear {
		return "", false
	}
	switch a.Target {
	case "openrc", "sysv", "rcd":
		return path.Base(a.Path), true // the script, and what it starts, have one name
	case "launchd":
		return a.Path, strings.HasSuffix(a.Path, ".plist")
	}
	return "", false
}

// isScript reports whether a file is the one that makes a service known to its
// init system.
func isScript(a *Action) bool {
	dir := path.Base(path.Dir(a.Path))
	return a.Target == "launchd" || dir == "init.d" || dir == "rc.d"
}

// inits plans what the managers of init scripts and launchd are told.
func inits(g *groups, add func(to *[]Action, s Step, apps []string), stop, start *[]Action) {
	for _, a := range slices.Concat(g.remove, g.finish) {
		if name, ok := unitOf(&a); ok && isScript(&a) {
			add(stop, Step{Verb: Stop, Target: a.Target, Name: name}, a.Apps)
		}
	}
	fresh := make(map[string]bool)
	for _, a := range g.put {
		if name, ok := unitOf(&a); ok && isScript(&a) && a.Before.Kind == Absent {
			fresh[a.Target+"/"+name] = true
			add(start, Step{Verb: Start, Target: a.Target, Name: name}, a.Apps)
		}
	}
	for _, a := range g.put {
		if name, ok := unitOf(&a); ok && !fresh[a.Target+"/"+name] && !sameBody(a.Before.data, a.After.data) {
			add(start, Step{Verb: Restart, Target: a.Target, Name: name}, a.Apps)
		}
	}
}

// told returns the programs to start for a step of an init system, each with what
// it is given.
//
// Source: rc-update(8), rc-service(8) of OpenRC; update-rc.d(8), chkconfig(8);
// sysrc(8), service(8) of FreeBSD; launchctl(1).
func told(s *Step, has func(program string) bool) [][]string {
	name := s.Name
	switch s.Target {
	case "openrc":
		return map[Verb][][]string{
			Start:   {{"rc-update", "add", name, "default"}, {"rc-service", name, "start"}},
			Stop:    {{"rc-service", name, "stop"}, {"rc-update", "del", name, "default"}},
			Restart: {{"rc-service", name, "restart"}},
		}[s.Verb]
	case "sysv":
		on, off := []string{"update-rc.d", name, "defaults"}, []string{"update-rc.d", "-f", name, "remove"}
		if !has("update-rc.d") {
			on, off = []string{"chkconfig", "--add", name}, []string{"chkconfig", "--del", name}
		}
		script := "/etc/init.d/" + name
		return map[Verb][][]string{Start: {on, {script, "start"}}, Stop: {{script, "stop"}, off}, Restart: {{script, "restart"}}}[s.Verb]
	case "rcd":
		enable := strings.NewReplacer("-", "_", ".", "_").Replace(name) + "_enable"
		return map[Verb][][]string{
			Start:   {{"sysrc", enable + "=YES"}, {"service", name, "start"}},
			Stop:    {{"service", name, "stop"}, {"sysrc", "-x", enable}},
			Restart: {{"service", name, "restart"}},
		}[s.Verb]
	case "launchd":
		label := "system/" + strings.TrimSuffix(path.Base(name), ".plist")
		in, out := []string{"launchctl", "bootstrap", "system", name}, []string{"launchctl", "bootout", label}
		return map[Verb][][]string{Start: {in}, Stop: {out}, Restart: {out, in}}[s.Verb]
	}
	return nil
}

// manager tells the manager of an init system. Where it is not on this machine it
// is told nothing.
func (r *Runner) manager(ctx context.Context, s *Step) error {
	list := told(s, func(program string) bool { _, ok := find(program); return ok })
	for _, argv := range list {
		if _, ok := find(argv[0]); !ok && !path.IsAbs(argv[0]) {
			r.Say("%s is not on this machine, so %s is told nothing", argv[0], s.Target)
			return nil
		}
	}
	for _, argv := range list {
		program := argv[0]
		if found, ok := find(program); ok && !path.IsAbs(program) {
			program = found
		}
		if text, err := output(ctx, append([]string{program}, argv[1:]...)); err != nil {
			return fmt.Errorf("%s: %s", strings.Join(argv, " "), strings.TrimSpace(text))
		}
	}
	return nil
}

// s6 tells s6-svscan, which looks at its folder when it is told to alone, and
// the supervisors of services.
//
// Source: https://skarnet.org/software/s6/s6-svscanctl.html and s6-svc.html,
// s6-svstat.html, s6-svok.html beside it.
func (r *Runner) s6(ctx context.Context, s *Step) error {
	for _, name := range []string{"s6-svscanctl", "s6-svc", "s6-svstat", "s6-svok"} {
		if _, ok := find(name); !ok {
			r.Say("%s is not on this machine, so s6 is told nothing", name)
			return nil
		}
	}
	switch s.Verb {
	case Start:
		if text, err := output(ctx, []string{"s6-svscanctl", "-a", s.Scan}); err != nil {
			return fmt.Errorf("%s: no s6-svscan runs there: %s", s.Scan, strings.TrimSpace(text))
		}
		return waitFor(ctx, startTime, func() error { return s6Up(ctx, s.Name, "") })
	case Stop:
		if text, err := output(ctx, []string{"s6-svscanctl", "-an", s.Scan}); err != nil {
			r.Say("%s: no s6-svscan runs there: %s", s.Scan, strings.TrimSpace(text))
			return nil //nolint:nilerr // without it nothing has to be stopped
		}
		return waitFor(ctx, stopTime, func() error {
			for _, dir := range []string{s.Name, path.Join(s.Name, "log")} {
				if _, err := output(ctx, []string{"s6-svok", dir}); err == nil {
					return fmt.Errorf("%s: is still supervised", dir)
				}
			}
			return nil
		})
	case Restart:
		before, err := output(ctx, []string{"s6-svstat", "-o", "up,pid", s.Name})
		if err != nil || !strings.HasPrefix(before, "true") {
			return nil //nolint:nilerr // it is not supervised, or down, as somebody wants it
		}
		if text, err := output(ctx, []string{"s6-svc", "-t", s.Name}); err != nil {
			return fmt.Errorf("%s: %s", s.Name, strings.TrimSpace(text))
		}
		return waitFor(ctx, startTime, func() error { return s6Up(ctx, s.Name, before) })
	case Test, Reload, Prove, Forget:
	}
	return nil
}

// s6Up returns why a service can not be said to be up, and is another process than
// before, or nil.
func s6Up(ctx context.Context, dir, before string) error {
	text, err := output(ctx, []string{"s6-svstat", "-o", "up,pid,wantedup,updownfor", dir})
	if err != nil {
		return fmt.Errorf("%s: %s", dir, strings.TrimSpace(text))
	}
	f := strings.Fields(text)
	if len(f) != 4 {
		return fmt.Errorf("%s: s6-svstat says %q", dir, text)
	}
	seconds, _ := strconv.Atoi(f[3])
	switch {
	case f[0] != "true" && f[2] != "true":
		return nil // it is to be down
	case f[0] != "true":
		return fmt.Errorf("%s: is down", dir)
	case before != "" && slices.Equal(f[:2], strings.Fields(before)):
		return fmt.Errorf("%s: has not ended yet", dir)
	case time.Duration(seconds)*time.Second < settled:
		return fmt.Errorf("%s: does not stay up", dir)
	}
	return nil
}
