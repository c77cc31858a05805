package generate

import (
	"slices"

	"scgikit/internal/appfile"
	"scgikit/internal/diag"
)

// BridgeArgs returns the words after scgi-run that answer for an app of type cgi
// or wsgi, in the form that targets which can do both give it: where resident is
// true, all requests at the listening socket on descriptor 0, else the one request
// on descriptor 0. Messages go to standard error. Pass names further variables
// that the program gets from the environment of scgi-run, such as those of
// run.env_file. The words carry the umask, the limits, the niceness and, for wsgi,
// the folder. The problems are those that every such target has with the app;
// starter is its name there.
func BridgeArgs(a *appfile.App, starter string, pass []string) (words []string, resident bool, problems diag.List) {
	resident = residentBridge(a)
	var c scgiRun
	if resident {
		problems = acceptResidentBridge(a, starter, "run.mode")
		c = scgiRunResident(a, "fd:0")
	} else {
		problems = acceptPerRequest(a, starter)
		c = scgiRunOnce(a, "")
	}
	c.passEnv(pass)
	return slices.Concat(c.Flags, c.Rest), resident, problems
}

// OnlyFromServer returns the header fields that reach an app which speaks HTTP from
// no client, because programs believe them: those that the web server sets, and
// those that it drops.
func OnlyFromServer() (set, dropped []string) {
	return slices.Clone(forwardedNames[:]), slices.Clone(otherForwarded[:])
}
