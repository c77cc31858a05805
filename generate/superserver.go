package generate

import (
	"maps"

	"scgikit/internal/appfile"
	"scgikit/internal/diag"
)

// What the super-servers have in common, which start scgi-run for each request and
// do nothing else.

// superServerFields says what becomes of the fields that are the same for all of
// them; own holds those that are not. name is how notes call the program, and rotate
// what is to rotate a plain log.
func superServerFields(name, rotate string, own Fields) Fields {
	oneProcess := Field{Warned, "a program per request needs neither workers nor threads; each request is a process"}
	noEnd := Field{Warned, "a program per request ends by itself"}
	fields := Fields{
		"protocol":            {Carried, "scgi; another is refused"},
		"run.command":         {Refused, name + " starts scgi-run, which runs cgi.script, cgi.directory or wsgi.module"},
		"run.directory":       {Carried, "for wsgi; a script runs in its own folder, with a warning"},
		"run.instances":       {Carried, "1; more are refused"},
		"run.secrets.*.file":  {Carried, "read by run.user when a request comes: the first line of the file"},
		"run.env_file":        {Carried, "read by run.user when a request comes"},
		"run.request_timeout": {Carried, ""},
		"run.start_timeout":   {Warned, "nothing waits for a program that a request starts"},
		"run.stop_signal":     noEnd,
		"run.stop_timeout":    noEnd,
		"run.restart.*":       {Warned, name + " starts the program anew for each request"},
		"run.nice":            {Carried, "added to " + name + "'s; 0 to 19; below 0 is refused, because the program's user may not"},
		"cgi.*":               {Carried, ""},
		"wsgi.*":              {Carried, ""},
		"wsgi.server":         {Carried, "builtin; the others listen by themselves"},
		"wsgi.style":          {Carried, "once; another is refused"},
		"wsgi.workers":        oneProcess,
		"wsgi.threads":        oneProcess,
		"log.dir":             {Carried, "where it is set: a folder that is made for run.user, and one file in it; else the system's log"},
		"log.user":            {Warned, "the program itself writes its log, as run.user"},
		"log.*":               {Warned, "scgi-run writes plain lines to the system's log, or to the file in log.dir; rotate that with " + rotate},
		"http.max_body":       {Carried, ""},
		"http.mount":          {Carried, ""},
	}
	maps.Copy(fields, own)
	return starterFields(fields)
}

// fitsSuperServer is Fits of a super-server.
func fitsSuperServer(a *appfile.App, name string) string {
	switch {
	case a.Type == appfile.TypeServer:
		return "it listens by itself"
	case a.Run.Mode == appfile.RunResident:
		return "run.mode is resident, and " + name + " starts a process for each request; leave it out, or use systemd, a service folder or an init"
	case a.Type == appfile.TypeWSGI && a.WSGI.Server != appfile.WSGIBuiltin:
		return "wsgi.server " + string(a.WSGI.Server) + " listens by itself"
	}
	return ""
}

// acceptPerRequest returns the problems that a super-server has with an app, which
// it starts anew for each request; program is its name in messages.
func acceptPerRequest(a *appfile.App, program string) diag.List {
	var list diag.List
	refuse := func(field, message, hint string) {
		list = append(list, a.Problem(field, codeCannotCarry, program+" "+message, hint))
	}
	if a.Protocol != appfile.SCGI {
		refuse("protocol", "starts scgi-run, which speaks SCGI only", "set protocol: scgi")
	}
	if a.Run.Instances > 1 {
		refuse("run.instances", "starts a process for each request, so there is one listener", "leave it out; run.max_concurrent limits the processes")
	}
	if a.Type == appfile.TypeWSGI && a.WSGI.Style != appfile.WSGIAuto && a.WSGI.Style != appfile.WSGIOnce {
		refuse("wsgi.style", "starts a process for each request, which is the style once", "leave it out, or set it to once")
	}
	if a.Type == appfile.TypeCGI && a.IsSet("run.directory") {
		list = append(list, a.Warning("run.directory", codeNotCarried, "a script runs in its own folder", "leave it out"))
	}
	if a.Run.Nice < 0 {
		refuse("run.nice", "starts the program as run.user, who may not take a higher priority", "use 0 to 19, or start the super-server itself with that priority")
	}
	return list
}
