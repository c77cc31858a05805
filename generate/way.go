package generate

import (
	"fmt"
	"strings"

	"scgikit/internal/appfile"
	"scgikit/internal/inetdconf"
)

// Way is what a target that starts an app has to do with a request for it.
type Way struct {
	PerRequest bool   // it listens, and starts scgi-run for each connection
	Bridge     bool   // it starts scgi-run once, which answers all requests
	Listener   string // who makes the socket: the target, or "the program"
	Owner      string // of a socket on disk, as USER:GROUP
	Mode       string // of a socket on disk
	Guard      string // a folder that keeps others from the socket, with its owner and mode
	Logger     string // what writes the log
	Log        string // where to, for the first instance
}

// WayOf returns the way of a request through the target that starts an app.
func (t *Target) WayOf(a *appfile.App) Way {
	if t.Way != nil {
		return t.Way(a)
	}
	switch {
	case t.Kind != SuperServer && residentBridge(a):
		w := wayPerRequest("scgi-run", a)
		w.PerRequest, w.Bridge, w.Logger, w.Log = false, true, "scgi-run multilog", a.Instances[0].LogDir()
		return w
	case t.Kind == SuperServer || bridged(a):
		return wayPerRequest(t.Name, a)
	}
	return wayOfProgram(a, "", "")
}

// wayPerRequest is that of a target which makes the socket as listen says, and
// whose programs write to one file or the system's log.
func wayPerRequest(listener string, a *appfile.App) Way {
	w := Way{PerRequest: true, Listener: listener, Logger: "scgi-run", Log: logPath(a)}
	if w.Log == "" {
		w.Logger, w.Log = "syslog", "the system's log"
	}
	if a.Addr().Unix != "" {
		w.Owner, w.Mode = ownerText(a.Listen.User, a.Listen.Group), a.Listen.Mode.String()
	}
	return w
}

// wayOfProgram is that of a program which keeps running and listens by itself.
func wayOfProgram(a *appfile.App, logger, log string) Way {
	w := Way{Listener: "the program", Logger: logger, Log: log}
	if a.Addr().Unix != "" {
		w.Owner, w.Mode = ownerText(a.Run.User, a.Run.Group), fmt.Sprintf("the program's own, within umask %s", a.Run.Umask)
	}
	return w
}

func ownerText(user, group string) string {
	if group == "" {
		return user
	}
	return user + ":" + group
}

func wayInetd(a *appfile.App) Way {
	p := planInetd(a)
	w := wayPerRequest("inetd", a)
	w.Listener = "inetd (" + string(p.options.Dialect) + ")"
	if a.Addr().Unix == "" || p.options.Dialect == inetdconf.FreeBSD {
		return w
	}
	w.Owner, w.Mode = "root", "0666"
	if p.options.Dialect != inetdconf.OpenBSD {
		w.Mode = (0o777 &^ p.options.Umask).String()
	}
	if f := p.folder(); f != nil {
		w.Guard = fmt.Sprintf("%s, %s:%s %s", f.Path, f.User, f.Group, f.Mode)
	}
	return w
}

func waySystemd(a *appfile.App) Way {
	w := wayOfProgram(a, "systemd", "the journal")
	if systemdListens(a) {
		w = wayPerRequest("systemd", a)
		w.PerRequest, w.Bridge, w.Logger, w.Log = perRequest(a), residentBridge(a), "systemd", "the journal"
	}
	if file := logPath(a); file != "" {
		w.Log = file
	}
	return w
}

func wayLaunchd(a *appfile.App) Way {
	if !bridged(a) {
		return wayOfProgram(a, "scgi-run multilog", a.Instances[0].LogDir())
	}
	if residentBridge(a) {
		w := wayPerRequest("scgi-run", a)
		w.PerRequest, w.Bridge, w.Logger, w.Log = false, true, "scgi-run multilog", a.Instances[0].LogDir()
		if f, ok := launchdOwnFolder(a); ok {
			w.Owner, w.Guard = ownerText(f.User, f.Group), f.String()
		}
		return w
	}
	w := wayPerRequest(launchdName, a)
	unix, _ := launchdSocket(a)
	if unix == nil {
		return w
	}
	user, group := "root", ""
	if len(unix.Owner) > 0 {
		user = a.Listen.User
	}
	if len(unix.Group) > 0 {
		group = a.Listen.Group
	}
	if folder := launchdFolderGroup(a); folder != "" {
		group = folder
		w.Guard = fmt.Sprintf("%s, root:%s 0750", a.Addr().Unix[:strings.LastIndexByte(a.Addr().Unix, '/')], folder)
	}
	w.Owner = ownerText(user, group)
	return w
}

// way is that of a program in a service folder, with a logger of its own.
func (f *family) way(a *appfile.App) Way {
	o := f.optionsOf(a)
	inst := a.Instances[0]
	logger := string(loggerOf(inst, &o))
	if logger == string(loggerOurs) {
		logger += " multilog"
	}
	log := "log/main in the service folder"
	if a.IsSet("log.dir") {
		log = inst.LogDir()
	}
	if !bridged(a) {
		return wayOfProgram(a, logger, log)
	}
	w := wayPerRequest(string(o.Listener), a)
	w.Bridge = o.Listener == listenerOurs
	w.PerRequest, w.Logger, w.Log = !w.Bridge, logger, log
	return w
}
