package generate

import (
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"time"

	"scgikit/internal/appfile"
	"scgikit/internal/diag"
)

// fields says what becomes of every field; own holds those that the init does in
// its own way.
func (in *initSystem) fields(own Fields) Fields {
	const byUs = "cgi, and wsgi.server builtin and uwsgi"
	commandDecides := Field{Carried, "wsgi.server builtin and uwsgi; of custom, run.command decides it, with a warning"}
	ownSocket := Field{Carried, byUs + "; a program of your own makes its own socket, with a warning"}
	size := fmt.Sprintf("%d to %d bytes", minLogSize, loggerOurs.maxLogSize())
	fields := Fields{
		"description":              {Carried, ""},
		"run.command":              {Carried, ""},
		"run.directory":            {Carried, "for wsgi.server builtin by scgi-run; a script runs in its own folder, with a warning"},
		"run.group":                {Carried, "a name; a number is refused"},
		"run.supplementary_groups": {Carried, "names; a number is refused"},
		"run.mode":                 {Carried, "resident; a process per request is refused"},
		"run.instances":            {Carried, "a service each; of " + byUs + " more than 1 are refused"},
		"run.max_concurrent":       {Carried, "cgi, and wsgi.style zygote; else a warning"},
		"run.request_timeout":      {Carried, "by scgi-run; of a program of your own a warning"},
		"run.start_timeout":        {Warned, "nothing says when the program is ready"},
		"run.stop_signal":          {Carried, "for the program alone"},
		"run.stop_timeout":         {Carried, "whole seconds; then the program is killed, with all in its process group"},
		"protocol":                 {Carried, "of cgi scgi and fastcgi; of wsgi.server builtin scgi, of uwsgi all but ajp; another is refused"},
		"run.limits.*":             {Carried, "soft limits; of " + byUs + " by scgi-run"},
		"cgi.*":                    {Carried, "by scgi-run"},
		"cgi.handoff":              {Carried, "false; true is a process for each request, which is refused"},
		"wsgi.module":              {Carried, ""},
		"wsgi.server":              {Carried, ""},
		"wsgi.python":              commandDecides,
		"wsgi.path":                commandDecides,
		"wsgi.style":               {Carried, "prefork where nothing else is set, and zygote; of custom, run.command decides it, with a warning"},
		"wsgi.workers":             {Carried, "of prefork; else a warning"},
		"wsgi.threads":             {Carried, "of uwsgi; else a warning"},
		"listen.tcp":               {Carried, byUs + "; a program of your own makes its own socket"},
		"listen.unix":              {Carried, "a folder below /run or /var/run is made when the program starts; a program of your own makes the socket"},
		"listen.user":              ownSocket,
		"listen.group":             ownSocket,
		"listen.mode":              ownSocket,
		"listen.backlog":           ownSocket,
		"log.max_size":             {Carried, size},
		"log.compress":             {Carried, "for zstd it needs scgikit beside scgi-run, or in PATH"},
		"log.*":                    {Carried, "by scgi-run multilog"},
	}
	maps.Copy(fields, own)
	return starterFields(fields)
}

// initCheck collects the problems of one app.
type initCheck struct {
	starterCheck
	in *initSystem
	o  initOptions
}

// acceptApp returns the problems of one app.
func (in *initSystem) acceptApp(s *Scope, a *appfile.App) diag.List {
	c := &initCheck{starterCheck{a, in.target, acceptStarter(s, a)}, in, in.options(a)}
	if bridged(a) {
		c.list = append(c.list, acceptResidentBridge(a, in.target, "")...)
		c.list = append(c.list, in.family().acceptAddress(a, listenerOurs)...)
		c.lost("scgi-run ends by TERM, and HUP is what it takes", "leave it out", "run.stop_signal", "options."+in.target+".reload_signal")
	} else {
		c.ownProgram("run.max_concurrent", "run.request_timeout")
		c.lost("run.command decides it", "leave it out", "wsgi.style", "wsgi.workers", "wsgi.threads")
		c.lost("the program makes its own socket; run.umask is all that "+in.target+" adds", "leave it out", "listen.user", "listen.group", "listen.mode", "listen.backlog")
	}
	for i, group := range a.Run.SupplementaryGroups {
		if isNumber(group) {
			c.refuse(fmt.Sprintf("run.supplementary_groups[%d]", i), in.target+" looks a user or group up by name, and "+group+" is a number", "write the name")
		}
	}
	c.seconds("run.stop_timeout", a.Run.StopTimeout, time.Second)
	in.accept(c)
	c.list = append(c.list, in.family().acceptLog(a)...)
	c.list = append(c.list, acceptServices(s.Project, a, fitsResident, in.file)...)
	c.socket(s.Project)
	c.after(s.Project)
	return c.list
}

// seconds refuses a time that is no number of seconds, from least on.
func (c *initCheck) seconds(field string, value, least time.Duration) {
	switch {
	case value%time.Second != 0:
		c.refuse(field, c.in.keeper+" counts whole seconds", "write whole seconds")
	case value < least:
		c.refuse(field, fmt.Sprintf("%s takes %s at least", c.in.keeper, seconds(least)), "use "+seconds(least)+" or more")
	case value > maxInitTime:
		c.refuse(field, fmt.Sprintf("%s takes %s at most", c.in.keeper, seconds(maxInitTime)), "use less, such as 1h")
	}
}

// maxInitTime is what daemon(8) takes at most; the others take as much.
const maxInitTime = 31536000 * time.Second

// socket refuses a folder of a socket that the program could not write.
func (c *initCheck) socket(project *appfile.Project) {
	addr := c.a.Addr()
	if addr.Unix == "" {
		return
	}
	const hint = "give the socket a folder of its own, such as /run/NAME/socket"
	dir, run := path.Dir(addr.Unix), &c.a.Run
	owner := func(a *appfile.App) [2]string {
		if bridged(a) {
			return [2]string{"root", ""}
		}
		return [2]string{a.Run.User, a.Run.Group}
	}
	mineOf := owner(c.a)
	if !bridged(c.a) && slices.Contains(sharedFolders[:], dir) && dir != "/tmp" && dir != "/var/tmp" && dir != "/dev/shm" && run.User != "root" {
		c.refuse("listen.unix", "the program makes its socket itself, and "+dir+" is not for "+run.User+" to write", hint)
		return
	}
	mine, ok := belowRun(dir)
	if !ok {
		return
	}
	for _, other := range project.Apps {
		if other.Name == c.a.Name || fitsResident(other) != "" {
			continue
		}
		theirs, ok := belowRun(path.Dir(other.Addr().Unix))
		switch {
		case !ok:
		case mine == theirs && other.Name < c.a.Name && owner(other) != mineOf:
			c.refuse("listen.unix", dir+" is made for "+mineOf[0]+", and "+other.Name+" has its socket in it", hint)
		case isBelow(mine, theirs) && mine != theirs && owner(other)[0] != "root":
			// Who may write the one could make the other a link, and root would give
			// away what that points to.
			c.refuse("listen.unix", dir+" is made by root in the folder of the socket of "+other.Name+", which "+other.Run.User+" can write", hint)
		}
	}
}

// initServiceName is the name of a service that an init can be told: with $ in
// front, what the LSB calls a facility.
var initServiceName = regexp.MustCompile(`^\$?[A-Za-z0-9_][A-Za-z0-9_.+-]*$`)

func (c *initCheck) after(project *appfile.Project) {
	for i, name := range c.o.After {
		field := fmt.Sprintf("options.%s.after[%d]", c.in.target, i)
		other := appOfService(project, name)
		switch {
		case !initServiceName.MatchString(name) || name[0] == '$' && c.in.target != "sysv":
			c.refuse(field, fmt.Sprintf("%q is not the name of a service", name), "write it as the init does, such as postgresql")
		case other != nil && other.Name == c.a.Name:
			c.refuse(field, "it would wait for itself", "leave it out")
		case other != nil && fitsResident(other) != "":
			c.refuse(field, other.Name+" has no service: "+fitsResident(other), "leave it out")
		}
	}
}
