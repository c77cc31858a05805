package appfile

import (
	"fmt"
	"net/netip"
	"path"
	"slices"
	"strings"

	"scgikit/internal/diag"
)

// appRules checks what no single field shows. Each rule looks only at values
// that are sound, so that one mistake is one problem.
func (l *loaded) appRules(r *reader, out *collector) {
	c := &checker{loaded: l, app: l.app, out: out}
	c.sections()
	c.program()
	c.listener()
	c.socketMode()
	c.superuser()
	c.environment()
	c.wsgiStyle()
	c.perRequest()
	c.restart()
	c.logs()
	c.http()
	c.targets(r.targets)
}

// checker checks the rules across the fields of one app.
type checker struct {
	*loaded
	app *App
	out *collector
}

// refuse reports a problem at a field.
func (c *checker) refuse(field, code, message, hint string) {
	c.out.add(c.app.Problem(field, code, message, hint))
}

// missing reports a field that another one makes necessary, at that one.
func (c *checker) missing(field, because, message, hint string) {
	p := c.app.Problem(because, "missing", message, hint)
	p.Path = field
	if !c.app.IsSet(because) {
		p.Span = c.root
	}
	c.out.add(p)
}

// refuseBoth reports a conflict of two fields, and shows both.
func (c *checker) refuseBoth(field, other, code, message, hint string) {
	p := c.app.Problem(field, code, message, hint)
	span := c.app.Origin(other).Span
	p.Other = &span
	c.out.add(p)
}

// sections refuses the section of one type of app in another.
func (c *checker) sections() {
	if !c.sound("type") {
		return
	}
	wrong := func(field string) {
		if c.app.IsSet(field) {
			span := c.app.Origin(field).Key
			if span.Line == 0 {
				span = c.app.Origin(field).Span
			}
			c.out.add(&diag.Problem{
				Span: span, Code: "wrong-section", Path: field, Message: "an app of type " + string(c.app.Type) + " does not have it",
				Hint: "remove it, or change the type",
			})
		}
	}
	if c.app.Type != TypeCGI {
		wrong("cgi")
	}
	if c.app.Type != TypeWSGI {
		wrong("wsgi")
	}
	if c.app.Type == TypeCGI {
		wrong("run.command")
	}
}

// program checks that it is known what to run, and only once.
func (c *checker) program() {
	if !c.sound("type", "run.command") {
		return
	}
	switch c.app.Type {
	case TypeServer:
		c.command("type", "a server needs it")
	case TypeCGI:
		c.script()
	case TypeWSGI:
		c.callable()
	}
	c.firstWord("run.command", c.app.Run.Command)
	if c.sound("log.processor") {
		c.firstWord("log.processor", c.app.Log.Processor)
	}
}

func (c *checker) command(because, why string) {
	if len(c.app.Run.Command) > 0 {
		return
	}
	if c.app.IsSet("run.command") {
		because = "run.command"
	}
	c.missing("run.command", because, "is missing; "+why, "add run.command: [/path/of/program, ARGUMENT]")
}

// firstWord checks a program: it is looked up in a folder, so it may be
// relative, but it must not leave that folder.
func (c *checker) firstWord(field string, words []string) {
	if len(words) == 0 {
		return
	}
	word := words[0]
	switch {
	case word == "" || strings.HasSuffix(word, "/"):
		c.refuse(field+"[0]", "bad-path", fmt.Sprintf("%q is not a program", word), "write the path of the program first, then its arguments")
	case slices.Contains(strings.Split(word, "/"), ".."):
		c.refuse(field+"[0]", "bad-path", fmt.Sprintf("%q goes up with ..", word), "write the absolute path")
	}
}

func (c *checker) script() {
	if !c.sound("cgi") {
		return
	}
	script, dir := c.app.CGI.Script != "", c.app.CGI.Directory != ""
	switch {
	case script && dir:
		c.refuseBoth("cgi.directory", "cgi.script", "conflict", "cgi.script is set as well", "keep one: a single program, or a folder of programs")
	case !script && !dir:
		c.missing("cgi.script", "type", "is missing; an app of type cgi needs it or cgi.directory", "add cgi: {script: /path/of/program} or cgi: {directory: /path/of/folder/}")
	case len(c.app.CGI.Arguments) > 0 && !script:
		c.refuse("cgi.arguments", "conflict", "only a single script has arguments", "use cgi.script, or remove them")
	}
	if c.app.CGI.FollowSymlinks && script {
		c.refuse("cgi.follow_symlinks", "conflict", "it is about the scripts of a folder", "use cgi.directory, or remove it")
	}
}

func (c *checker) callable() {
	if !c.sound("wsgi") {
		return
	}
	w := &c.app.WSGI
	if w.Server == WSGICustom {
		c.command("wsgi.server", "wsgi.server is custom")
		return
	}
	if w.Module == "" {
		c.missing("wsgi.module", "type", "is missing; an app of type wsgi needs it", "add wsgi: {module: package.module:callable}")
	}
	if c.app.IsSet("run.command") {
		c.refuse("run.command", "conflict", "wsgi.server is "+string(w.Server)+", which starts the callable itself", "remove it, or set wsgi.server: custom")
	}
	if w.Server == WSGIUWSGI && c.app.Run.Mode == RunPerRequest {
		c.refuseBoth("run.mode", "wsgi.server", "conflict", "uwsgi keeps running, and run.mode is per-request", "remove one of them")
	}
	if w.Style != WSGIAuto && w.Server != WSGIBuiltin {
		c.refuse("wsgi.style", "conflict", "it is a choice of the built-in server, and wsgi.server is "+string(w.Server), "remove it")
	}
}

// listener checks that there is one, and that it is not open to the world by
// accident.
func (c *checker) listener() {
	if !c.sound("listen.tcp", "listen.unix") {
		return
	}
	li := &c.app.Listen
	switch {
	case li.TCP != "" && li.Unix != "":
		c.refuseBoth("listen.unix", "listen.tcp", "conflict", "listen.tcp is set as well", "keep one of them")
	case li.TCP == "" && li.Unix == "":
		because := "name"
		if c.app.IsSet("listen") {
			because = "listen"
		}
		c.missing("listen.unix", because, "is missing; an app needs it or listen.tcp", "add listen: {unix: /run/scgikit/"+c.app.Name+".sock} or listen: {tcp: 127.0.0.1:8040}")
	case li.TCP != "":
		c.public()
	}
	if li.TCP == "" {
		return
	}
	for _, field := range []string{"listen.user", "listen.group", "listen.mode"} {
		if c.app.IsSet(field) {
			c.refuseBoth(field, "listen.tcp", "conflict", "a TCP port has no owner and no mode", "remove it, or use listen.unix")
		}
	}
}

func (c *checker) public() {
	addr := c.app.Addr()
	if addr.Host == "localhost" || c.app.Security.AllowPublicListen || !c.sound("security") {
		return
	}
	if ip, err := netip.ParseAddr(addr.Host); err == nil && ip.Unmap().IsLoopback() {
		return
	}
	c.refuse("listen.tcp", "public-listen", addr.Host+" can be reached from other machines, and "+string(c.app.Protocol)+" has no authentication",
		"use 127.0.0.1, or set security.allow_public_listen: true where a firewall stands before it")
}

// superuser refuses what would run as the superuser.
func (c *checker) superuser() {
	if c.app.Security.AllowRoot || !c.sound("security") {
		return
	}
	refuse := func(field, value string) {
		if c.sound(field) && isRoot(value) && c.app.IsSet(field) {
			c.refuse(field, "root-user", value+" may do everything on the machine", "use an own user for the app, or set security.allow_root: true")
		}
	}
	refuse("run.user", c.app.Run.User)
	refuse("run.group", c.app.Run.Group)
	refuse("log.user", c.app.Log.User)
	for i, g := range c.app.Run.SupplementaryGroups {
		refuse(fmt.Sprintf("run.supplementary_groups[%d]", i), g)
	}
}

func isRoot(user string) bool { return user == "root" || user == "0" }

// environment refuses a variable that has two values.
func (c *checker) environment() {
	for _, name := range sortedKeys(c.app.Run.Secrets) {
		if _, both := c.app.Run.Env[name]; both {
			c.refuseBoth("run.secrets."+name, "run.env."+name, "conflict", name+" stands in run.env as well", "keep it in one of them; a secret belongs in run.secrets")
		}
	}
}

// wsgiStyle checks that the style fits who keeps the program running.
func (c *checker) wsgiStyle() {
	w := &c.app.WSGI
	if !c.sound("wsgi.style", "run.mode") || w.Style == WSGIAuto {
		return
	}
	switch {
	case w.Style == WSGIOnce && c.app.Run.Mode == RunResident:
		c.refuseBoth("wsgi.style", "run.mode", "conflict", "once is a process for each request, and run.mode is resident", "use prefork or zygote, or run.mode: per-request")
	case w.Style != WSGIOnce && c.app.Run.Mode == RunPerRequest:
		c.refuseBoth("wsgi.style", "run.mode", "conflict", string(w.Style)+" keeps running, and run.mode is per-request", "use once, or run.mode: resident")
	case w.Style == WSGIOnce && w.Workers > 1:
		c.refuseBoth("wsgi.workers", "wsgi.style", "conflict", "once has no workers", "remove it; run.max_concurrent limits the requests at once")
	}
}

// perRequest refuses what only a resident program has.
func (c *checker) perRequest() {
	if !c.sound("run.mode", "run.instances", "type") || c.app.Run.Mode != RunPerRequest {
		return
	}
	if c.app.Type == TypeServer {
		c.refuseBoth("run.mode", "type", "conflict", "a program of type server listens by itself, so nothing starts it for each request", "use run.mode: resident, or type: cgi")
	}
	if c.app.Run.Instances > 1 {
		c.refuseBoth("run.instances", "run.mode", "conflict", "a program that is started for each request has no instances", "remove it; run.max_concurrent limits the requests at once")
	}
}

func (c *checker) restart() {
	r := &c.app.Run.Restart
	if c.sound("run.restart") && r.MaxDelay < r.Delay {
		field, other := "run.restart.max_delay", "run.restart.delay"
		if !c.app.IsSet(field) {
			field, other = other, field
		}
		c.refuseBoth(field, other, "conflict", "max_delay "+durationText(r.MaxDelay)+" is shorter than delay "+durationText(r.Delay), "the pause grows from delay up to max_delay")
	}
}

// http checks fields that hold a part of the mount.
func (c *checker) http() {
	if !c.sound("http.mount") {
		return
	}
	mount := c.app.HTTP.Mount
	if c.sound("health.path") && c.app.IsSet("health.path") {
		bare, _, _ := strings.Cut(c.app.Health.Path, "?")
		if bare+"/" != mount && !strings.HasPrefix(bare, mount) {
			c.refuseBoth("health.path", "http.mount", "outside-mount", c.app.Health.Path+" is not below "+mount, "another app answers there; begin with "+mount)
		}
	}
	if mount == "/" && c.app.IsSet("http.redirect_bare") && c.app.HTTP.RedirectBare {
		c.refuseBoth("http.redirect_bare", "http.mount", "conflict", "the mount / has no form without its slash", "remove it")
	}
	seen := make(map[string]int)
	for i, s := range c.app.HTTP.Static {
		field := fmt.Sprintf("http.static[%d].url", i)
		if first, twice := seen[s.URL]; twice && c.sound(field) {
			c.refuseBoth(field, fmt.Sprintf("http.static[%d].url", first), "duplicate-mount", s.URL+" stands twice", "one prefix has one folder")
		}
		seen[s.URL] = i
		if s.URL == mount && c.sound(field) {
			c.refuseBoth(field, "http.mount", "duplicate-mount", "it is the whole mount, so no request would reach the app", "use a URL below the mount")
		}
	}
}

// targets checks the names of targets.
func (c *checker) targets(known []string) {
	if len(known) == 0 {
		return
	}
	for i, name := range c.app.Targets {
		field := fmt.Sprintf("targets[%d]", i)
		switch {
		case !slices.Contains(known, name):
			c.refuse(field, "unknown-target", fmt.Sprintf("no target is named %q", name), didYouMean(name, known))
		case slices.Index(c.app.Targets, name) < i:
			c.refuse(field, "conflict", name+" stands twice", "remove one")
		}
	}
}

// logs refuses a log folder that the program itself could replace while root
// creates it: the program would put a link there, and root would write, and
// change owners, wherever it leads (CVE-2011-1154 and kin).
//
// A description alone shows some of the folders that the program may write:
// those of security.writable, and the ones that are for everyone. A log folder
// below its working directory is a warning, because the owner of that is not
// known here. The log folder itself may be in security.writable: it is the
// folder above it in which the link would stand.
func (c *checker) logs() {
	if !c.sound("log.dir", "run.directory", "security.writable") {
		return
	}
	dir := c.app.Log.Dir
	if dir == "/" {
		c.refuse("log.dir", "unsafe-log-dir", "it is the root of the machine", "use a folder of its own, for example /var/log/scgikit/"+c.app.Name)
		return
	}
	const hint = "use a folder that root alone may write, for example /var/log/scgikit/"
	for _, open := range []string{"/tmp", "/var/tmp", "/dev/shm"} {
		if inside(path.Dir(dir), open) {
			c.refuse("log.dir", "unsafe-log-dir", "everyone may write "+open+", and root creates the log folder in it", hint+c.app.Name)
			return
		}
	}
	if c.app.IsSet("security.writable") {
		for i, w := range c.app.Security.Writable {
			if inside(path.Dir(dir), w) {
				c.refuseBoth("log.dir", fmt.Sprintf("security.writable[%d]", i), "unsafe-log-dir",
					"the program may write "+w+", and root creates the log folder in it", hint+c.app.Name)
				return
			}
		}
	}
	work := c.app.Run.Directory
	if work != "/" && inside(path.Dir(dir), work) {
		c.out.add(c.app.Warning("log.dir", "unsafe-log-dir",
			"it is in the program's own folder "+work+"; where the program may write that, it can lead root astray", hint+c.app.Name))
	}
}

// inside reports whether a path is a folder or below it.
func inside(p, dir string) bool {
	dir = strings.TrimSuffix(dir, "/")
	return p == dir || strings.HasPrefix(p, dir+"/")
}
