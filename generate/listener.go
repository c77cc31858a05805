package generate

import (
	"fmt"
	"path"
	"slices"
	"strconv"

	"scgikit/internal/appfile"
	"scgikit/internal/diag"
)

// An app that scgi-run answers for has a service folder too. What is kept up there
// is the bridge, to which scgi-run listen gives its socket; or, for an app that is
// started for each request, a listener that starts scgi-run for each connection, as
// inetd does. Unlike inetd both leave descriptor 2 alone, so messages go to the
// folder's logger.

// listenerName is a program that listens and starts another for each connection.
type listenerName string

// The listeners. The first is for a bridge that keeps running, the second is of
// ucspi-tcp, the third of ucspi-unix, the last two are of s6 and s6-networking.
const (
	listenerAuto listenerName = "" // by run.mode, target and kind of address
	listenerOurs listenerName = "scgi-run"
	listenerTCP  listenerName = "tcpserver"
	listenerUnix listenerName = "unixserver"
	listenerIPC  listenerName = "s6-ipcserver"
	listenerS6   listenerName = "s6-tcpserver"
)

// Values lists every listener that can be written.
func (listenerName) Values() []string {
	return []string{string(listenerOurs), string(listenerTCP), string(listenerUnix), string(listenerIPC), string(listenerS6)}
}

// unix reports whether it listens on sockets that have a path.
func (l listenerName) unix() bool { return l == listenerUnix || l == listenerIPC }

// sets returns the variables that it gives what it starts. scgi-run passes none
// on, and who names one would get another value than was meant.
//
// Sources: https://cr.yp.to/ucspi-tcp/environment.html; unixserver(1) with
// ucspi-unix 1.0; s6-ipcserverd.html; s6-tcpserver4d.html; measured.
func (l listenerName) sets() []string {
	switch l {
	case listenerTCP:
		return []string{
			"PROTO", "TCPLOCALHOST", "TCPLOCALIP", "TCPLOCALPORT", "TCPREMOTEHOST", "TCPREMOTEINFO", "TCPREMOTEIP", "TCPREMOTEPORT",
		}
	case listenerUnix:
		return []string{
			"PROTO", "UNIXLOCALGID", "UNIXLOCALPATH", "UNIXLOCALPID", "UNIXLOCALUID", "UNIXREMOTEEGID", "UNIXREMOTEEUID", "UNIXREMOTEPID",
		}
	case listenerIPC:
		return []string{"PROTO", "IPCCONNNUM", "IPCREMOTEEGID", "IPCREMOTEEUID", "IPCREMOTEPATH"}
	case listenerS6:
		return []string{"PROTO", "TCPCONNNUM", "TCPREMOTEIP", "TCPREMOTEPORT"}
	case listenerAuto, listenerOurs:
	}
	return nil
}

// maxS6Connections is what s6's listeners take for more than that.
//
// Source: ABSOLUTE_MAXCONN in s6-ipcserverd.c and s6-tcpserver4d.c, s6 2.11.3.2
const maxS6Connections = 1000

// firstFreePort is the first port that is not for root alone.
const firstFreePort = 1024

// readinessFD is the descriptor on which a listener says that it listens.
const readinessFD = 3

// listens decides what listens for an app, and whether it says when it does: the
// s6 of the folder, or scgikit supervise, has to ask it to.
func (o *folderOptions) listens(a *appfile.App) {
	o.Check, o.Reload, o.ReloadSignal, o.NotificationFD = nil, nil, reloadHUP, 0
	switch {
	case o.Listener != listenerAuto:
	case residentBridge(a):
		o.Listener = listenerOurs
	case a.Addr().Unix != "":
		o.Listener = o.family.unixListener
	default:
		o.Listener = listenerTCP
	}
	if o.Listener != listenerUnix && (o.Ours || slices.Contains(o.family.honours, o.family.option("notification_fd"))) {
		o.NotificationFD = readinessFD
	}
}

// leavesRequests reports whether what listens leaves the requests that run alone
// when it ends.
func (o *folderOptions) leavesRequests() bool {
	return o.Listener != listenerAuto && o.Listener != listenerOurs
}

// listenScript is what the template of run is given that listens.
type listenScript struct {
	Name     string // of the script
	Resident bool   // scgi-run answers all requests at its socket
	Listener string // for people
	Literal  bool   // see looksMistaken
	Folder   string // of a socket
	Owner    socketOwner
	EnvFile  string
	Takes    []string // variables that the env file may not set, besides those of the shell
	PassEnv  bool     // the names of the others become flags of scgi-run
	First    bool     // no word stands before what the env file makes
	Envdir   []string // the program and its flags; none where there are no secrets
	Nice     []int64  // niceness, if any
	Before   []string // what comes before the listener
	Listen   []string // the listener and its flags
	Where    []string // the address, and what comes between it and scgi-run
	Notify   bool     // it says on readinessFD that it listens
	Program  string
	Flags    []string
	Rest     []string
}

// socketOwner is whom unixserver makes the owner of its socket, which takes
// numbers that the script has to find.
type socketOwner struct{ User, Group string }

// perConnection returns the app as all parts of its folder see it but the command
// that answers a request: what that does by itself is not set.
func perConnection(a *appfile.App) *appfile.App {
	plain := *a
	plain.Run.Env = nil
	plain.Run.Limits = appfile.Limits{}
	plain.Run.StopSignal = plainSignal
	plain.Run.Nice = min(a.Run.Nice, 0) // only the superuser may lower it
	return &plain
}

// listen decides the order of the programs in a run that listens. Who makes a
// socket must be able to give it away, or to use a port that is for root alone; so
// what listens becomes the program's user as early as it can, and where it cannot,
// each connection costs another program.
func listen(a *appfile.App, o *folderOptions, hasEnv bool) listenScript {
	plain := perConnection(a)
	aside := *a
	aside.Run.Nice = max(a.Run.Nice, 0)
	command := scgiRunOnce(&aside, "")
	if o.Listener == listenerOurs {
		command = scgiRunResident(&aside, "fd:0")
	}
	data := listenScript{
		Name: "run", Listener: string(o.Listener), Resident: o.Listener == listenerOurs, EnvFile: a.Run.EnvFile, Takes: slices.Concat(o.family.takes, o.Listener.sets()), PassEnv: true,
		Notify: o.NotificationFD != 0, Program: o.SCGIRun, Flags: command.Flags, Rest: command.Rest,
	}
	if hasEnv {
		data.Envdir = o.family.envdir(o)
	}
	if plain.Run.Nice != 0 {
		data.Nice = []int64{int64(plain.Run.Nice)}
	}
	become := o.family.before(plain, o)
	addr := a.Addr()
	if addr.Unix != "" {
		data.Folder = path.Dir(addr.Unix)
	} else if addr.Port >= firstFreePort {
		data.Before, become = become, nil
	}
	data.listener(a, o, become)
	if data.Owner != (socketOwner{}) {
		data.Takes = append(data.Takes, "scgikit_uid", "scgikit_gid") // of the script
	}
	if hasEnv && len(data.Before) > 0 && data.Envdir[0] == data.Before[0] {
		data.Before = data.Before[1:] // one program does both, in this order
	}
	data.Literal = looksMistaken(data.Where, data.Flags, data.Rest, []string{data.Folder, data.EnvFile, data.Program})
	return data
}

// listener adds the words of the listener, and those that make its connections,
// or itself, the program's user.
//
// Sources: https://cr.yp.to/ucspi-tcp/tcpserver.html; unixserver(1), whose -p is
// the mode; s6-ipcserver-socketbinder.html, s6-ipcserverd.html, where -C is 40 if
// not set, of connections of one user; s6-tcpserver.html, the same of one address.
func (d *listenScript) listener(a *appfile.App, o *folderOptions, become []string) {
	program := func(name string) string { return path.Join(o.ListenerDir, name) }
	limit, backlog := strconv.Itoa(a.Run.MaxConcurrent), strconv.Itoa(a.Listen.Backlog)
	addr := a.Addr()
	host, port := addr.Host, strconv.Itoa(addr.Port)
	var say []string
	if d.Notify {
		say = []string{"-1"}
	}
	owner := socketOwner{a.Listen.User, a.Listen.Group}
	switch o.Listener {
	case listenerOurs:
		d.Listen = []string{o.SCGIRun}
		ours := listenCommand(a, d.Notify)
		d.Listen = append(d.Listen, ours.Flags...)
		d.Where = slices.Concat(ours.Rest, become)
	case listenerTCP:
		d.Listen = slices.Concat([]string{program("tcpserver"), "-R", "-H", "-l", "0"}, say, []string{"-c", limit, "-b", backlog})
		d.Where = slices.Concat([]string{host, port}, become)
	case listenerS6:
		d.Listen = slices.Concat([]string{program("s6-tcpserver")}, say, []string{"-c", limit, "-C", limit, "-b", backlog, "--"})
		d.Where = slices.Concat([]string{host, port}, become)
	case listenerUnix:
		d.Owner = owner
		d.Listen = []string{program("unixserver"), "-c", limit, "-b", backlog, "-p", a.Listen.Mode.String()}
		d.Where = slices.Concat([]string{"--", addr.Unix}, become)
	case listenerIPC:
		d.Listen = []string{program("s6-ipcserver-socketbinder"), "-b", backlog, "-a", a.Listen.Mode.String(), "--"}
		d.Where = slices.Concat([]string{addr.Unix, "sh", "-c", giveAway, ownerText(owner.User, owner.Group), addr.Unix}, become,
			[]string{program("s6-ipcserverd")}, say, []string{"-c", limit, "-C", limit, "--"})
	case listenerAuto:
	}
}

// giveAway gives a socket its owner before anything reads connections from it;
// until then its mode is for root and root's group.
const giveAway = `chown -h "$0" "$1" && shift && exec "$@"`

// acceptListener returns the problems of an app that scgi-run answers for.
func (f *family) acceptListener(a *appfile.App) diag.List {
	o := f.optionsOf(a)
	var list diag.List
	if o.Listener == listenerOurs {
		list = append(acceptResidentBridge(a, f.target, f.option("listener")), f.acceptAddress(a, o.Listener)...)
		list = append(list, f.lost(a, "scgi-run itself listens", f.option("listener_dir"))...)
		list = append(list, f.lost(a, "scgi-run ends by TERM", "run.stop_signal")...)
		list = append(list, f.lost(a, "scgi-run says itself when it listens", f.option("check"), f.option("notification_fd"))...)
		return append(list, f.lost(a, "HUP is what scgi-run takes", f.option("reload"), f.option("reload_signal"))...)
	}
	list = f.acceptPerConnection(a, &o)
	for i, name := range a.CGI.EnvPass {
		if slices.Contains(o.Listener.sets(), name) {
			list = append(list, a.Problem(fmt.Sprintf("cgi.env_pass[%d]", i), codeCannotCarry, string(o.Listener)+" sets "+name+" anew for each connection", "leave it out, or set it in run.env"))
		}
	}
	for _, secret := range secretFiles(a) {
		if slices.Contains(o.Listener.sets(), secret.Name) {
			list = append(list, a.Problem("run.secrets."+secret.Name, codeCannotCarry, string(o.Listener)+" sets "+secret.Name+" anew for each connection", "give the variable another name"))
		}
	}
	if a.Type == appfile.TypeCGI {
		list = append(list, f.lost(a, "a script runs in its own folder", "run.directory")...)
	}
	list = append(list, f.lost(a, "each request is a process", "wsgi.workers", "wsgi.threads")...)
	list = append(list, f.lost(a, "the listener ends by TERM, and a program per request by itself", "run.stop_signal")...)
	list = append(list, f.lost(a, "the listener says itself when it listens, where it can", f.option("check"), f.option("notification_fd"))...)
	return append(list, f.lost(a, "a program per request is started anew for each", f.option("reload"), f.option("reload_signal"))...)
}

// acceptPerConnection returns the problems of an app that is started for each
// connection.
func (f *family) acceptPerConnection(a *appfile.App, o *folderOptions) diag.List {
	var list diag.List
	refuse := func(field, message, hint string) {
		list = append(list, a.Problem(field, codeCannotCarry, message, hint))
	}
	if byUWSGI(a) {
		refuse(f.option("listener"), fmt.Sprintf("%s starts a program for each connection, and uwsgi keeps running", o.Listener), "leave it out")
		return list
	}
	if a.Run.Mode == appfile.RunResident {
		refuse(f.option("listener"), fmt.Sprintf("%s starts a program for each connection, and run.mode is resident", o.Listener), "leave one of them out")
	}
	if a.Protocol != appfile.SCGI {
		refuse("protocol", "the listener starts scgi-run for each connection, which speaks SCGI only", "set protocol: scgi")
	}
	if a.Run.Instances > 1 {
		refuse("run.instances", "a process is started for each request, so there is one listener", "leave it out; run.max_concurrent limits the processes")
	}
	if a.Type == appfile.TypeWSGI && a.WSGI.Style != appfile.WSGIAuto && a.WSGI.Style != appfile.WSGIOnce {
		refuse("wsgi.style", "a process is started for each request, which is the style once", "leave it out, or set it to once")
	}
	if o.Listener.unix() == (a.Addr().Unix != "") {
		list = append(list, f.acceptAddress(a, o.Listener)...)
	} else {
		refuse(f.option("listener"), fmt.Sprintf("%s does not listen at %s", o.Listener, a.Addr()), "leave it out; what fits is the default")
	}
	if (o.Listener == listenerIPC || o.Listener == listenerS6) && a.Run.MaxConcurrent > maxS6Connections {
		refuse("run.max_concurrent", fmt.Sprintf("%s serves %d at once at most", o.Listener, maxS6Connections), fmt.Sprintf("use %d or less", maxS6Connections))
	}
	return list
}

// acceptAddress returns the problems of where a listener is to listen.
func (f *family) acceptAddress(a *appfile.App, l listenerName) diag.List {
	var list diag.List
	refuse := func(field, message, hint string) {
		list = append(list, a.Problem(field, codeCannotCarry, message, hint))
	}
	addr := a.Addr()
	if addr.Unix == "" {
		switch {
		case addr.Host == "localhost" && l != listenerOurs:
			refuse("listen.tcp", string(l)+" would ask the DNS for localhost, or refuse it", "write 127.0.0.1 or [::1]")
		case addr.IsIPv6() && l == listenerTCP:
			refuse("listen.tcp", "tcpserver knows no IPv6", "write 127.0.0.1, or set "+f.option("listener")+" to s6-tcpserver")
		}
		return list
	}
	for _, account := range []struct{ field, name string }{{"listen.user", a.Listen.User}, {"listen.group", a.Listen.Group}} {
		if l != listenerOurs && isNumber(account.name) && a.IsSet(account.field) {
			refuse(account.field, f.target+" looks a user or group up by name, and "+account.name+" is a number", "write the name")
		}
	}
	if a.Listen.Group == "" && a.Listen.Mode&0o070 != 0 {
		refuse("listen.group", fmt.Sprintf("the socket needs the group that listen.mode %s lets in, and none is set", a.Listen.Mode),
			"set it to the web server's group, such as www or www-data")
	}
	return list
}

// lost warns of fields that are set and have no effect.
func (f *family) lost(a *appfile.App, why string, fields ...string) diag.List {
	var list diag.List
	for _, field := range fields {
		if a.IsSet(field) {
			list = append(list, a.Warning(field, codeNotCarried, f.target+" does not carry it", why))
		}
	}
	return list
}
