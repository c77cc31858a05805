package generate

import (
	"slices"

	"scgikit/internal/appfile"
)

// BridgeArgs returns the words after scgi-run that answer one request of an app
// of type cgi or wsgi on standard input, with messages on standard error. Pass
// names further variables that the program gets from the environment of
// scgi-run, such as those of run.env_file. The words carry the umask, the limits,
// the niceness and, for wsgi, the folder.
func BridgeArgs(a *appfile.App, pass []string) []string {
	c := scgiRunOnce(a, "")
	c.passEnv(pass)
	return slices.Concat(c.Flags, c.Rest)
}
