package generate

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"scgikit/internal/appfile"
	"scgikit/internal/diag"
)

// What targets have in common that start scgi-run for an app which does not speak
// SCGI itself: for each connection, or once, as the resident bridge.

// bridged reports whether scgi-run answers for the app, or becomes what does.
func bridged(a *appfile.App) bool {
	return a.Type == appfile.TypeCGI || a.Type == appfile.TypeWSGI && a.WSGI.Server != appfile.WSGICustom
}

// byUWSGI reports whether scgi-run becomes uwsgi for the app.
func byUWSGI(a *appfile.App) bool {
	return a.Type == appfile.TypeWSGI && a.WSGI.Server == appfile.WSGIUWSGI
}

// uwsgiEnded is the exit code of uwsgi where TERM ends it while it loads the app.
const uwsgiEnded = 15

// residentBridge reports whether the bridge keeps running under a target that can
// do both: it costs a request less, and more is to be had of it.
func residentBridge(a *appfile.App) bool {
	switch {
	case !bridged(a):
		return false
	case byUWSGI(a):
		return true
	case a.Run.Mode == appfile.RunPerRequest:
		return false
	case a.Run.Mode == appfile.RunResident:
		return true
	case a.Type == appfile.TypeWSGI:
		return a.WSGI.Style != appfile.WSGIOnce
	}
	return !a.CGI.Handoff
}

// perRequest reports whether the app is one that such a target starts for each
// connection.
func perRequest(a *appfile.App) bool { return bridged(a) && !residentBridge(a) }

// styleOf returns how the processes of a WSGI callable are used that keeps running.
func styleOf(a *appfile.App) appfile.WSGIStyle {
	if a.WSGI.Style == appfile.WSGIAuto {
		return appfile.WSGIPrefork
	}
	return a.WSGI.Style
}

// scgiRunResident returns the command that answers all requests at an address of
// --listen. Its messages go to standard error, or to the system's log where that is
// the socket.
func scgiRunResident(a *appfile.App, address string) scgiRun {
	c := scgiRun{Flags: []string{"bridge"}}
	if a.Type == appfile.TypeWSGI {
		c.Flags[0] = "wsgi"
	}
	c.flag("listen", address)
	switch {
	case byUWSGI(a):
		c.flag("server", string(appfile.WSGIUWSGI))
		c.flag("workers", strconv.Itoa(a.WSGI.Workers))
		c.flag("threads", strconv.Itoa(a.WSGI.Threads))
		c.flag("protocol", string(a.Protocol))
	case a.Type == appfile.TypeWSGI && styleOf(a) == appfile.WSGIPrefork:
		c.flag("style", string(appfile.WSGIPrefork))
		c.flag("workers", strconv.Itoa(a.WSGI.Workers))
	case a.Type == appfile.TypeWSGI:
		c.flag("style", string(styleOf(a)))
		c.flag("max", strconv.Itoa(a.Run.MaxConcurrent))
	default:
		c.flag("max", strconv.Itoa(a.Run.MaxConcurrent))
	}
	c.flag("stop-limit", seconds(stopLimit(a.Run.StopTimeout)))
	c.program(a, "")
	return c
}

// scgiRunSpeaks reports whether scgi-run, in the form that the app asks for, speaks
// its protocol.
func scgiRunSpeaks(a *appfile.App) bool {
	if byUWSGI(a) {
		return a.Protocol != appfile.AJP
	}
	return a.Protocol == appfile.SCGI || a.Protocol == appfile.FastCGI && a.Type == appfile.TypeCGI && residentBridge(a)
}

// stopLimit is how long the bridge lets running requests go on. It is shorter than
// run.stop_timeout, after which the bridge itself is killed, so that it can end
// what is left of them.
func stopLimit(timeout time.Duration) time.Duration {
	const ending = 2 * time.Second
	return max(timeout-ending, timeout/2)
}

// listenCommand returns the command that makes the socket of the resident bridge,
// with its owner and its mode, and becomes what follows. Notify says that somebody
// wants to hear on readinessFD that it is there.
func listenCommand(a *appfile.App, notify bool) scgiRun {
	c := scgiRun{Flags: []string{"listen"}}
	addr := a.Addr()
	if addr.Unix != "" {
		c.flag("socket-mode", a.Listen.Mode.String())
		if owner := ownerText(a.Listen.User, a.Listen.Group); owner != "" {
			c.flag("socket-owner", owner)
		}
		c.Rest = []string{"unix:" + addr.Unix}
	} else {
		c.Rest = []string{addr.String()}
	}
	c.flag("backlog", strconv.Itoa(a.Listen.Backlog))
	if notify {
		c.flag("ready", strconv.Itoa(readinessFD))
	}
	if isPublic(addr) {
		c.Flags = append(c.Flags, "--public")
	}
	return c
}

// acceptResidentBridge returns the problems of an app whose bridge keeps running
// under a target. option is where the description chose that, if it did.
func acceptResidentBridge(a *appfile.App, target, option string) diag.List {
	var list diag.List
	refuse := func(field, message, hint string) {
		list = append(list, a.Problem(field, codeCannotCarry, message, hint))
	}
	lost := func(field, why, hint string) {
		if a.IsSet(field) {
			list = append(list, a.Warning(field, codeNotCarried, target+" does not carry it: "+why, hint))
		}
	}
	switch {
	case byUWSGI(a):
	case a.Run.Mode == appfile.RunPerRequest:
		refuse("run.mode", "scgi-run keeps running where "+option+" is scgi-run", "leave one of them out")
	case a.Type == appfile.TypeWSGI && a.WSGI.Style == appfile.WSGIOnce:
		refuse("wsgi.style", "scgi-run keeps running, and once is a process for each request", "leave it out, or set run.mode to per-request")
	case a.CGI.Handoff:
		refuse("cgi.handoff", "a bridge that keeps running gives no connection away", "leave it out, or set run.mode to per-request")
	}
	if a.Type == appfile.TypeCGI {
		if !scgiRunSpeaks(a) {
			refuse("protocol", target+" keeps scgi-run bridge running, which speaks SCGI and FastCGI", "set it to scgi or fastcgi")
		}
		if a.Run.Instances > 1 {
			refuse("run.instances", "one bridge starts as many programs at a time as run.max_concurrent says", "leave it out")
		}
		lost("run.directory", "a script runs in its own folder", "leave it out")
		return list
	}
	switch {
	case byUWSGI(a) && !scgiRunSpeaks(a):
		refuse("protocol", "uwsgi does not speak "+string(a.Protocol), "set it to scgi, fastcgi, uwsgi or http")
	case !scgiRunSpeaks(a):
		refuse("protocol", target+" keeps scgi-run wsgi running, which speaks SCGI only", "set protocol: scgi, or wsgi.server: uwsgi, which speaks others")
	}
	if a.Run.Instances > 1 {
		refuse("run.instances", "one socket serves all processes", "set wsgi.workers instead")
	}
	if byUWSGI(a) {
		list = append(list, acceptUWSGI(a)...)
		lost("run.max_concurrent", "uwsgi serves as many requests at once as it has workers, and threads in them", "set wsgi.workers and wsgi.threads")
		return list
	}
	lost("wsgi.threads", "scgi-run wsgi has no threads", "set wsgi.workers, or wsgi.server: uwsgi")
	if styleOf(a) == appfile.WSGIPrefork {
		lost("run.max_concurrent", "a worker of prefork serves one request after the other", "set wsgi.workers")
	} else {
		lost("wsgi.workers", "zygote has a fresh process for each request", "set run.max_concurrent")
	}
	return list
}

// acceptUWSGI returns what uwsgi would change, or does in a way of its own.
func acceptUWSGI(a *appfile.App) diag.List {
	var list diag.List
	check := func(field, word string) {
		for _, sign := range []string{"$(", "@(", "%("} {
			if strings.Contains(word, sign) {
				list = append(list, a.Problem(field, codeCannotQuote, "uwsgi would put something else in the place of "+sign, "use another name, or wsgi.server: builtin"))
				return
			}
		}
	}
	for i, dir := range a.WSGI.Path {
		field := fmt.Sprintf("wsgi.path[%d]", i)
		if !a.IsSet("wsgi.path") {
			field = "run.directory"
		}
		check(field, dir)
	}
	check("wsgi.python", a.WSGI.Python)
	if a.Addr().Unix == "" && a.Protocol != appfile.HTTP1 {
		list = append(list, a.Problem("listen.tcp", codeCannotCarry, "every user of the machine could connect, and have uwsgi run programs as "+a.Run.User, "use listen.unix, or protocol: http"))
	}
	if a.WSGI.Threads > 1 && a.IsSet("run.request_timeout") {
		list = append(list, a.Warning("run.request_timeout", codeNotCarried, "uwsgi counts it anew for a worker with threads whenever one of them has answered", "leave wsgi.threads out, and set wsgi.workers"))
	}
	return list
}
