package generate

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"scgikit/internal/appfile"
	"scgikit/internal/diag"
	"scgikit/internal/quote"
)

func systemdFields() Fields {
	const resident, byUs = "resident; per request a warning", "cgi, and wsgi.server builtin and uwsgi"
	journal := Field{Warned, "the journal stamps lines and keeps them by its own limits, journald.conf; a file in log.dir is for logrotate to rotate, with copytruncate"}
	commandDecides := Field{Carried, "wsgi.server builtin and uwsgi; of custom, run.command decides it, with a warning"}
	socket := Field{Carried, byUs + ", or with options.systemd.socket_activation; else the program makes its own socket, with a warning"}
	return Fields{
		"description":              {Carried, "Description="},
		"protocol":                 {Carried, "of cgi scgi, or fastcgi where the bridge keeps running; of wsgi.server builtin scgi, of uwsgi all but ajp; another is refused"},
		"run.mode":                 {Carried, "auto: the bridge keeps running"},
		"run.user":                 {Carried, "User=; a name with a dot or more than 31 characters is refused"},
		"run.group":                {Carried, "Group="},
		"run.command":              {Carried, "a relative program becomes its whole path"},
		"run.directory":            {Carried, "WorkingDirectory=, for wsgi.server builtin by scgi-run; a script runs in its own folder, with a warning"},
		"run.supplementary_groups": {Carried, "SupplementaryGroups=, besides those that the user has on the machine"},
		"run.env_file":             {Carried, "read by systemd as root; resident with EnvironmentFile=, which takes quotes and backslashes for its own"},
		"run.secrets.*.file":       {Carried, "LoadCredential=, read by systemd as root, and a script that makes a variable of the first line"},
		"run.instances":            {Carried, "a service each, and a target for all; of " + byUs + " more than 1 are refused"},
		"run.max_concurrent":       {Carried, "per request MaxConnections=; else by scgi-run for cgi and wsgi.style zygote; else a warning"},
		"run.request_timeout":      {Carried, "by scgi-run; of a program of your own a warning"},
		"run.start_timeout":        {Carried, "TimeoutStartSec=, with options.systemd.readiness notify; else a warning"},
		"run.stop_signal":          {Carried, "KillSignal=, " + resident},
		"run.stop_timeout":         {Carried, "TimeoutStopSec=, " + resident},
		"run.restart.policy":       {Carried, "Restart=, " + resident},
		"run.restart.delay":        {Carried, "RestartSec=, " + resident},
		"run.restart.max_delay":    {Carried, "RestartMaxDelaySec=, with options.systemd.version 254 and above; else a warning"},
		"run.restart.burst":        {Carried, "StartLimitBurst=, with options.systemd.give_up; else a warning"},
		"run.restart.window":       {Carried, "StartLimitIntervalSec=, with options.systemd.give_up; else a warning"},
		"run.limits.*":             {Carried, "Limit…=; of " + byUs + " by scgi-run, of the program alone"},
		"cgi.*":                    {Carried, ""},
		"wsgi.module":              {Carried, ""},
		"cgi.handoff":              {Carried, "per request, which it makes the default"},
		"wsgi.server":              {Carried, ""},
		"wsgi.style":               {Carried, "prefork where nothing else is set; once is per request"},
		"wsgi.python":              commandDecides,
		"wsgi.path":                commandDecides,
		"wsgi.workers":             {Carried, "of prefork; else a warning"},
		"wsgi.threads":             {Carried, "of uwsgi; else a warning"},
		"listen.tcp":               {Carried, "where systemd listens; localhost is refused there"},
		"listen.unix":              {Carried, "where systemd listens; else the folder of the socket is made writable"},
		"listen.user":              socket,
		"listen.group":             socket,
		"listen.mode":              socket,
		"listen.backlog":           socket,
		"log.dir":                  {Carried, "where it is set: one file in it, which systemd opens as root; else the journal"},
		"log.user":                 {Warned, "systemd itself opens the log"},
		"log.*":                    journal,
		"http.max_body":            {Carried, byUs},
		"http.mount":               {Carried, byUs},
		"security.hardening":       {Carried, "exposure at most 2.5 for standard, 1.0 for strict, which has no network but the socket"},
		"security.writable":        {Carried, "ReadWritePaths=, folders that have to be there; with hardening none a warning"},
		"security.chroot":          {Carried, "RootDirectory=; everything that runs has to be in it, also scgi-run and sh"},
	}
}

// systemdCheck collects the problems of one app.
type systemdCheck struct {
	starterCheck
	o systemdOptions
}

func acceptSystemd(s *Scope, a *appfile.App) diag.List {
	c := &systemdCheck{starterCheck{a, "systemd", acceptSecretNames(a)}, systemdOptionsOf(a)}
	c.list = append(c.list, acceptServices(s.Project, a, fitsAny, sameName)...)
	c.accounts()
	switch {
	case perRequest(a):
		c.perRequest()
	case bridged(a):
		c.residentBridge()
		c.restart()
	default:
		c.resident()
		c.restart()
	}
	c.socket(s.Project)
	c.times()
	c.programs()
	c.options()
	c.hardening()
	if a.Run.Limits.CPUSeconds != nil && *a.Run.Limits.CPUSeconds > maxSystemdSeconds {
		c.refuse("run.limits.cpu_seconds", fmt.Sprintf("systemd takes at most %d", int64(maxSystemdSeconds)), "use less")
	}
	return c.list
}

func (c *systemdCheck) hardening() {
	a, sandbox := c.a, sandboxOf(c.a)
	refuse := func(message, hint string) { c.refuse("security.hardening", message, hint) }
	switch {
	case sandbox.None:
		c.lost("with security.hardening none the program may write wherever its user may", "leave it out, or set security.hardening", "security.writable")
	case !sandbox.Strict:
	case !sandbox.PrivateTmp:
		refuse("strict hides /tmp and /var/tmp, and the description names a file there", "move it, or use standard")
	case sandbox.NoNetwork:
	case isPublic(a.Addr()):
		refuse("a program that other machines reach by a socket of its own is exposed to more than strict allows", "let systemd listen: options.systemd.socket_activation; or use standard")
	case sandbox.Home != "yes" && len(a.Run.SupplementaryGroups) > 0:
		refuse("a program with a port of its own, supplementary groups and files in a home is exposed to more than strict allows", "move the files, or use standard")
	}
}

// maxSystemdSeconds is what systemd can count in microseconds.
const maxSystemdSeconds = 1e13

// maxSystemdUser is the longest name of a user that systemd takes without a
// warning; the numbers are those that it keeps for "none".
const maxSystemdUser = 31

// nobodyUser is the user that systemd warns of, in the log and in systemd-analyze:
// NOBODY_USER_NAME in config_parse_user_group_compat.
const nobodyUser = "nobody"

func (c *systemdCheck) accounts() {
	a := c.a
	check := func(field, name string) {
		number, err := strconv.ParseUint(name, 10, 64)
		switch {
		case isNumber(name) && (err != nil || number == 65535 || number >= 1<<32-1):
			c.refuse(field, name+" is no user or group to systemd", "use another number, or a name")
		case !isNumber(name) && (strings.Contains(name, ".") || len(name) > maxSystemdUser):
			c.refuse(field, "systemd takes names without a dot, of at most 31 characters", "use another name, or the number")
		}
	}
	nobody := func(field, name string) {
		if name == nobodyUser {
			c.list = append(c.list, a.Warning(field, "nobody-user", "systemd says that this is not safe: nobody is the user of whatever has none",
				"make a user for the app, as with useradd --system "+a.Name))
		}
	}
	nobody("run.user", a.Run.User)
	check("run.user", a.Run.User)
	check("run.group", a.Run.Group)
	for i, group := range a.Run.SupplementaryGroups {
		check(fmt.Sprintf("run.supplementary_groups[%d]", i), group)
	}
	if systemdListens(a) && a.Addr().Unix != "" {
		if a.IsSet("listen.user") {
			nobody("listen.user", a.Listen.User)
		}
		check("listen.user", a.Listen.User)
		check("listen.group", a.Listen.Group)
	}
}

func (c *systemdCheck) perRequest() {
	c.perConnection("; run.max_concurrent limits the processes")
	c.lost("a program per request is started anew for each, and ends by itself", "leave it out",
		"wsgi.workers", "wsgi.threads", "run.start_timeout", "run.stop_signal", "run.stop_timeout", "run.restart.policy", "run.restart.delay", "run.restart.max_delay", "run.restart.burst", "run.restart.window",
		"options.systemd.readiness", "options.systemd.give_up", "options.systemd.reload", "options.systemd.reload_signal", "options.systemd.socket_activation")
}

func (c *systemdCheck) residentBridge() {
	c.list = append(c.list, acceptResidentBridge(c.a, c.target, "")...)
	c.lost("systemd has made the socket before, and scgi-run ends by TERM and reloads by HUP", "leave it out",
		"run.start_timeout", "run.stop_signal", "options.systemd.readiness", "options.systemd.reload", "options.systemd.reload_signal", "options.systemd.socket_activation")
}

func (c *systemdCheck) resident() {
	c.ownProgram("run.max_concurrent", "run.request_timeout")
	c.lost("run.command decides it", "leave it out", "wsgi.workers", "wsgi.threads")
	if !c.o.SocketActivation {
		c.lost("the program makes its own socket", "options.systemd.socket_activation lets systemd make it", "listen.user", "listen.group", "listen.mode", "listen.backlog")
	}
	if c.o.Readiness != readyNotify {
		c.lost("nothing says when the program is ready", "set options.systemd.readiness to notify where the program says so, or leave it out", "run.start_timeout")
	}
}

func (c *systemdCheck) restart() {
	r, o := c.a.Run.Restart, &c.o
	if r.MaxDelay != r.Delay && !growsPause(r, o) {
		c.lost("its pauses do not grow before version 254, nor from nothing", "leave it out; or, where all machines have it, set options.systemd.version to 254", "run.restart.max_delay")
	}
	if !o.GiveUp {
		c.lost("systemd would never try again after so many, which options.systemd.give_up asks for", "leave it out, or set options.systemd.give_up", "run.restart.burst", "run.restart.window")
	}
	if systemdListens(c.a) && r.Policy == appfile.RestartNever {
		c.list = append(c.list, c.a.Warning("run.restart.policy", codeNotCarried, "systemd has the socket, so the next connection starts the program again", "leave it out, or leave options.systemd.socket_activation out"))
	}
}

// socket checks who makes the socket, and whether they can.
func (c *systemdCheck) socket(project *appfile.Project) {
	a := c.a
	addr := a.Addr()
	switch {
	case systemdListens(a) && addr.Unix == "":
		if addr.Host == "localhost" {
			c.refuse("listen.tcp", "systemd looks no name up, and localhost may have two addresses", "write 127.0.0.1 or [::1]")
		}
	case systemdListens(a):
		if a.Listen.Group == "" && a.Listen.Mode&0o070 != 0 {
			c.refuse("listen.group", fmt.Sprintf("systemd needs the group that listen.mode %s lets in, and none is set", a.Listen.Mode), "set it to the web server's group, such as www or www-data")
		}
	case addr.Unix != "":
		c.ownSocket(project, path.Dir(addr.Unix))
	}
}

// ownSocket checks the folder in which the program makes its socket.
func (c *systemdCheck) ownSocket(project *appfile.Project, dir string) {
	const hint = "give the socket a folder of its own, such as /run/NAME/socket, or let systemd listen: options.systemd.socket_activation"
	if slices.Contains(sharedFolders[:], dir) {
		c.refuse("listen.unix", "the program makes its socket itself, and "+dir+" is not for "+c.a.Run.User+" to write", hint)
		return
	}
	below, ok := belowRun(dir)
	if !ok {
		return
	}
	if strings.ContainsAny(below, `:\`) {
		c.refuse("listen.unix", "systemd has a meaning of its own for : and \\ in the name of a folder below /run", hint)
	}
	// A folder that has another owner when the program starts, systemd gives away with
	// all that is in it.
	//
	// Sources: systemd.exec(5), RuntimeDirectory=; https://github.com/systemd/systemd/issues/8635
	for _, other := range project.Apps {
		theirs, ok := belowRun(path.Dir(other.Addr().Unix))
		if !ok || other.Name == c.a.Name || !isBelow(theirs, below) {
			continue
		}
		own := !systemdListens(other)
		sameOwner := other.Run.User == c.a.Run.User && other.Run.Group == c.a.Run.Group
		said := own && theirs == below && other.Name > c.a.Name // by the other
		if !said && (!own || !sameOwner) {
			c.refuse("listen.unix", "systemd gives "+dir+" and all in it to "+c.a.Run.User+", and "+other.Name+" has its socket in there", hint)
		}
	}
}

// times refuses what systemd, which counts microseconds, would round.
func (c *systemdCheck) times() {
	run := &c.a.Run
	for _, t := range []struct {
		field string
		value time.Duration
	}{
		{"run.request_timeout", run.RequestTimeout},
		{"run.start_timeout", run.StartTimeout},
		{"run.stop_timeout", run.StopTimeout},
		{"run.restart.delay", run.Restart.Delay},
		{"run.restart.max_delay", run.Restart.MaxDelay},
		{"run.restart.window", run.Restart.Window},
	} {
		if t.value%time.Microsecond != 0 {
			c.refuse(t.field, "systemd counts microseconds", "write whole microseconds")
		}
	}
}

// programs refuses paths of programs that no unit can hold.
func (c *systemdCheck) programs() {
	field, program := "options.systemd.scgi_run", c.o.SCGIRun
	switch {
	case needsCredentials(c.a):
		field, program = "options.systemd.wrapper_dir", c.o.WrapperDir
	case !bridged(c.a):
		field, program = "run.command[0]", systemdProgram(c.a)
	}
	c.program(field, program)
}

func (c *systemdCheck) program(field, program string) {
	_, err := quote.SystemdProgram(program)
	if qe, ok := errors.AsType[*quote.Error](err); ok {
		c.list = append(c.list, c.a.Problem(field, codeCannotQuote, qe.Error(), qe.Hint))
	}
}

// ownSettings are the settings of a service that fields of the description
// decide; a line of the user's own would take them back.
var ownSettings = [...]string{
	"Type", "ExecStart", "ExecReload", "User", "Group", "SupplementaryGroups", "UMask", "WorkingDirectory", "RootDirectory", "Nice", "Environment",
	"EnvironmentFile", "LoadCredential", "LimitCORE", "LimitCPU", "LimitNOFILE", "LimitNPROC", "LimitAS", "Restart", "RestartSec", "RestartSteps",
	"RestartMaxDelaySec", "KillMode", "KillSignal", "TimeoutStartSec", "TimeoutStopSec", "StandardInput", "StandardOutput", "StandardError",
}

func (c *systemdCheck) options() {
	o := &c.o
	if len(o.Reload) > 0 {
		if o.ReloadSignal != "" {
			c.refuse("options.systemd.reload_signal", "options.systemd.reload is what reloads the program", "leave one of them out")
		}
		c.program("options.systemd.reload[0]", o.Reload[0])
	}
	for i, unit := range o.After {
		if err := unitName(unit); err != nil {
			c.refuse(fmt.Sprintf("options.systemd.after[%d]", i), err.Error(), "write it with its kind, such as postgresql.service")
		}
	}
	for i, line := range o.Extra {
		if name, _, ok := strings.Cut(line, "="); ok && slices.Contains(ownSettings[:], name) {
			c.refuse(fmt.Sprintf("options.systemd.extra[%d]", i), "a field of the description decides "+name+"=", "set that field")
		}
	}
}
