package generate

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"scgikit/internal/appfile"
	"scgikit/internal/diag"
)

func launchdFields() Fields {
	const (
		resident = "resident; per request a warning"
		byUs     = "cgi, and wsgi.server builtin and uwsgi"
		each     = byUs + "; a program of your own makes its own socket, with a warning"
	)
	commandDecides := Field{Carried, "wsgi.server builtin and uwsgi; of custom, run.command decides it, with a warning"}
	noGrowth := Field{Warned, "launchd starts a program again for ever, at run.restart.delay"}
	log := func(note string) Field {
		return Field{Carried, strings.TrimPrefix(note+", by scgi-run multilog; per request a warning", ", ")}
	}
	return Fields{
		"protocol":                 {Carried, "of cgi scgi, or fastcgi where the bridge keeps running; of wsgi.server builtin scgi, of uwsgi all but ajp; another is refused"},
		"run.mode":                 {Carried, "auto: the bridge keeps running"},
		"run.command":              {Carried, "by the script that launchd starts"},
		"run.group":                {Carried, "GroupName"},
		"run.directory":            {Carried, "WorkingDirectory, for wsgi.server builtin and uwsgi by scgi-run; a script runs in its own folder, with a warning"},
		"run.supplementary_groups": {Refused, "launchd gives the program the groups that its user has on the machine; add the user to them there"},
		"run.umask":                {Carried, "Umask, as a decimal number"},
		"run.env":                  {Carried, "by the script that launchd starts; everybody may read a property list, and the script"},
		"run.env_file":             {Carried, "read by run.user, in the script that launchd starts"},
		"run.secrets.*.file":       {Carried, "read by run.user, in the script that launchd starts: the first line of the file"},
		"run.instances":            {Carried, "a property list each; of " + byUs + " more than 1 are refused"},
		"run.max_concurrent":       {Carried, "by scgi-run that keeps running, for cgi and wsgi.style zygote; else a warning"},
		"run.request_timeout":      {Carried, "by scgi-run; of a program of your own a warning"},
		"run.start_timeout":        {Warned, "nothing says to launchd when a program is ready"},
		"run.stop_signal":          {Warned, "launchd sends TERM and no other"},
		"run.stop_timeout":         {Carried, "ExitTimeOut, in whole seconds, " + resident},
		"run.restart.policy":       {Carried, "KeepAlive, " + resident},
		"run.restart.delay":        {Carried, "ThrottleInterval, in whole seconds from start to start, " + resident},
		"run.restart.max_delay":    noGrowth,
		"run.restart.burst":        noGrowth,
		"run.restart.window":       noGrowth,
		"run.limits.*":             {Carried, "by scgi-run softlimit, because launchd would change some for the whole machine; per request by scgi-run, of the program alone"},
		"run.nice":                 {Carried, "Nice"},
		"cgi.*":                    {Carried, ""},
		"cgi.handoff":              {Carried, "per request, which it makes the default"},
		"wsgi.module":              {Carried, ""},
		"wsgi.server":              {Carried, ""},
		"wsgi.style":               {Carried, "prefork where nothing else is set; once is per request"},
		"wsgi.python":              commandDecides,
		"wsgi.path":                commandDecides,
		"wsgi.workers":             {Carried, "of prefork and uwsgi; else a warning"},
		"wsgi.threads":             {Carried, "of uwsgi; else a warning"},
		"listen.tcp":               {Carried, byUs + "; where scgi-run keeps running, a port below 1024 is refused"},
		"listen.unix":              {Carried, byUs + "; a folder that is gone after a boot is refused"},
		"listen.user":              {Carried, "per request SockPathOwner, a number; where scgi-run keeps running, run.user, and another is refused; a program of your own makes its own socket, with a warning"},
		"listen.group":             {Carried, "the group of the socket's folder, or per request SockPathGroup, a number; a program of your own makes its own socket, with a warning"},
		"listen.mode":              {Carried, "per request SockPathMode, as a decimal number; " + each},
		"listen.backlog":           {Carried, "where scgi-run keeps running; else a warning"},
		"log.dir":                  {Carried, "a folder that is made for run.user; per request one file in it where it is set, else the system's log"},
		"log.user":                 {Warned, "launchd starts the program as run.user, which writes its log"},
		"log.timestamp":            log(""),
		"log.max_size":             log("4096 to 16777215 bytes"),
		"log.keep":                 log(""),
		"log.max_total":            log(""),
		"log.max_age":              log("in whole seconds"),
		"log.rotate_after":         log("in whole seconds"),
		"log.compress":             log("for zstd scgikit beside it, or in PATH"),
		"log.filter":               log(""),
		"log.processor":            log(""),
		"http.max_body":            {Carried, byUs},
		"http.mount":               {Carried, byUs},
	}
}

// fitsLaunchd leaves an app that says nothing of launchd out where neither launchd
// nor scgi-run can make its socket: on another system, the socket is as it should be.
func fitsLaunchd(a *appfile.App) string {
	if !bridged(a) || a.Addr().Unix == "" || a.IsSet("options.launchd") || slices.Contains(a.Targets, launchdName) {
		return ""
	}
	c := &launchdCheck{starterCheck: starterCheck{a: a, target: launchdName}}
	if residentBridge(a) {
		c.ownSocket()
	} else {
		c.socket()
	}
	if len(c.list) > 0 {
		return c.list[0].Path + ": " + c.list[0].Message
	}
	return ""
}

// launchdCheck collects the problems of one app.
type launchdCheck struct {
	starterCheck
	o launchdOptions
}

func acceptLaunchd(s *Scope, a *appfile.App) diag.List {
	c := &launchdCheck{starterCheck{a, launchdName, acceptStarter(s, a)}, launchdOptionsOf(a)}
	c.list = append(c.list, acceptServices(s.Project, a, fitsLaunchd, sameName)...)
	c.label()
	if perRequest(a) {
		c.perRequest()
		if a.Addr().Unix != "" {
			c.socket()
			c.folder(s)
		}
		return c.list
	}
	if bridged(a) {
		c.bridge(s)
	} else {
		c.resident()
	}
	c.times()
	c.log()
	return c.list
}

// label refuses what would be no name of a file, or one that hides.
func (c *launchdCheck) label() {
	prefix := c.o.LabelPrefix
	plain := strings.Trim(prefix, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-.") == ""
	if !plain || len(prefix) > maxLabelPrefix || slices.Contains(strings.Split(prefix, "."), "") {
		c.refuse("options.launchd.label_prefix", fmt.Sprintf("%q is no domain written backwards", prefix),
			"use words of letters, digits and - with dots between them, such as org.example")
	}
}

// maxLabelPrefix leaves room for the name of the app in the name of a file.
const maxLabelPrefix = 200

func (c *launchdCheck) perRequest() {
	c.perConnection("")
	c.lost("launchd has no limit of processes", "set run.mode to resident", "run.max_concurrent")
	c.lost("launchd has its own number of connections that may wait", "leave it out", "listen.backlog")
	c.lost("each request is a process", "leave it out", "wsgi.workers", "wsgi.threads")
	c.lost("a program per request is started anew for each, and ends by itself", "leave it out",
		"run.stop_timeout", "run.restart.policy", "run.restart.delay")
	c.lost("scgi-run writes plain lines to the system's log, or to the file in log.dir", "rotate that with newsyslog",
		"log.timestamp", "log.max_size", "log.keep", "log.max_total", "log.max_age", "log.rotate_after", "log.compress", "log.filter", "log.processor")
}

func (c *launchdCheck) resident() {
	a := c.a
	c.ownProgram("run.request_timeout", "run.max_concurrent")
	c.lost("run.command decides it", "leave it out", "wsgi.style", "wsgi.workers", "wsgi.threads")
	c.lost("the program makes its own socket", "leave it out", "listen.user", "listen.group", "listen.mode", "listen.backlog")
	for name := range a.Run.Env {
		if shellVariable(name) && strings.Contains(a.Run.Command[0], "=") {
			c.refuse("run.command[0]", "env(1), which sets "+name+", takes it for a variable", "use a path without =")
			break
		}
	}
}

// times refuses what launchd, which counts seconds, would round.
func (c *launchdCheck) times() {
	run := &c.a.Run
	for _, t := range []struct {
		field string
		value time.Duration
	}{{"run.stop_timeout", run.StopTimeout}, {"run.restart.delay", run.Restart.Delay}} {
		switch {
		case t.value%time.Second != 0:
			c.refuse(t.field, "launchd counts whole seconds", "write whole seconds")
		case t.value < time.Second:
			c.refuse(t.field, "launchd starts a program once a second at most", "write 1s or more")
		}
	}
}

// log checks what scgi-run multilog is asked for.
func (c *launchdCheck) log() {
	l := &c.a.Log
	if most := loggerOurs.maxLogSize(); l.MaxSize < minLogSize || l.MaxSize > most {
		c.refuse("log.max_size", fmt.Sprintf("scgi-run takes %d to %d bytes", minLogSize, most), "use a size in between, such as 1MiB")
	}
	for _, age := range []struct {
		field string
		value time.Duration
	}{{"log.max_age", l.MaxAge}, {"log.rotate_after", l.RotateAfter}} {
		if age.value%time.Second != 0 {
			c.refuse(age.field, "scgi-run counts whole seconds", "write whole seconds")
		}
	}
}

// bootFolders are folders that macOS empties when it starts.
var bootFolders = [...]string{"/run", "/var/run", "/private/var/run", "/tmp", "/private/tmp"}

// socket checks who may connect to the socket that launchd makes: it is root's,
// and a name of another owner is nothing that launchd takes. The group is that
// of the folder.
func (c *launchdCheck) socket() {
	a := c.a
	dir := path.Dir(a.Addr().Unix)
	const byGroup = "let the web server in by listen.group, which may be a name; or write the number of the user, which id -u NAME prints"
	owner := a.Listen.User
	known := a.IsSet("listen.user") && (owner == "root" || isNumber(owner))
	switch {
	case a.IsSet("listen.user") && !known:
		c.refuse("listen.user", "launchd makes the socket root's, and takes another owner by number alone", byGroup)
	case a.Listen.Mode&0o022 == 0 && !known:
		c.refuse("listen.mode", fmt.Sprintf("launchd makes the socket root's, so that with mode %s nobody else can connect", a.Listen.Mode), byGroup)
	case a.Listen.Mode&0o070 != 0 && a.Listen.Group == "":
		c.refuse("listen.group", fmt.Sprintf("launchd needs the group that listen.mode %s lets in, and none is set", a.Listen.Mode),
			"set it to the web server's group, such as _www")
	}
	for _, field := range []struct{ path, value string }{{"listen.user", owner}, {"listen.group", a.Listen.Group}} {
		if a.IsSet(field.path) && isNumber(field.value) && len(launchdNumber(a, field.path, field.value)) == 0 {
			c.refuse(field.path, field.value+" is no user or group to launchd", "use another number")
		}
	}
	if belowBootFolder(dir) {
		c.refuse("listen.unix", dir+" is gone when the machine has started again, before launchd makes the socket in it",
			"use a folder that stays, such as /usr/local/var/"+a.Name+"/socket")
		return
	}
	if launchdFolderGroup(a) != "" && (slices.Contains(sharedFolders[:], dir) || slices.Contains(bootFolders[:], dir)) {
		c.refuse("listen.unix", "the socket gets the group of its folder, and "+dir+" belongs to others too",
			"give the socket a folder of its own, such as /usr/local/var/"+a.Name+"/socket; or write the number of listen.group")
	}
}

// folder refuses a folder that another app's socket needs with another group.
func (c *launchdCheck) folder(s *Scope) {
	a := c.a
	dir, group := path.Dir(a.Addr().Unix), launchdFolderGroup(a)
	if group == "" {
		return
	}
	for _, other := range s.Apps {
		if other.Name < a.Name && fitsLaunchd(other) == "" && perRequest(other) && path.Dir(other.Addr().Unix) == dir {
			if theirs := launchdFolderGroup(other); theirs != "" && theirs != group {
				c.refuse("listen.unix", fmt.Sprintf("the folder %s has the group %s, which %s asks for", dir, theirs, other.Name), "give each app a folder of its own")
			}
		}
	}
}
