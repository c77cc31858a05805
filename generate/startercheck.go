package generate

import (
	"scgikit/internal/appfile"
	"scgikit/internal/diag"
)

// starterCheck collects the problems that a starter has with one app. Starters with
// rules of their own have theirs around it.
type starterCheck struct {
	a      *appfile.App
	target string
	list   diag.List
}

func (c *starterCheck) refuse(field, message, hint string) {
	c.list = append(c.list, c.a.Problem(field, codeCannotCarry, message, hint))
}

// lost warns of fields that are set and have no effect.
func (c *starterCheck) lost(why, hint string, fields ...string) {
	for _, field := range fields {
		if c.a.IsSet(field) {
			c.list = append(c.list, c.a.Warning(field, codeNotCarried, c.target+" does not carry it: "+why, hint))
		}
	}
}

// perConnection checks what a starter that can do both has to say of an app for
// each of whose connections it starts scgi-run. limit is a hint at what limits the
// processes.
func (c *starterCheck) perConnection(limit string) {
	a := c.a
	if a.Protocol != appfile.SCGI {
		c.refuse("protocol", c.target+" starts scgi-run for each connection, which speaks SCGI only", "set protocol: scgi")
	}
	if a.Run.Instances > 1 {
		c.refuse("run.instances", c.target+" starts a process for each request, so there is one listener", "leave it out"+limit)
	}
	if a.Type == appfile.TypeWSGI && a.WSGI.Style != appfile.WSGIAuto && a.WSGI.Style != appfile.WSGIOnce {
		c.refuse("wsgi.style", c.target+" starts a process for each request, which is the style once", "leave it out, or set it to once")
	}
	if a.Type == appfile.TypeCGI {
		c.lost("a script runs in its own folder", "leave it out", "run.directory")
	}
}

// ownProgram is perConnection for a program that keeps running.
func (c *starterCheck) ownProgram(lost ...string) {
	if c.a.Run.Mode == appfile.RunPerRequest {
		c.refuse("run.mode", "a program of your own keeps running under "+c.target, "leave it out, or set it to resident")
	}
	c.lost("it is for a process per request, and this program keeps running", "leave it out", lost...)
	c.lost("run.command decides it", "leave it out", "wsgi.python", "wsgi.path")
}
