package appfile

import (
	"fmt"
	"net"
	"path"
	"strconv"
	"strings"

	"scgikit/internal/diag"
)

// numbering says whether the listeners of several instances are counted from
// the first one; a listener with ${instance} in it counts by itself.
type numbering struct {
	tcp, unix bool
}

// completeAll gives every instance its listener and the defaults that depend
// on other fields. The app itself gets those of its first instance.
func (l *loaded) completeAll(n numbering, count int, out *collector) {
	for _, inst := range l.app.Instances {
		l.number(inst, n, count, out)
		inst.complete()
	}
	first := l.app.Instances[0]
	l.app.Listen, l.app.Log, l.app.Health, l.app.WSGI, l.app.Security = first.Listen, first.Log, first.Health, first.WSGI, first.Security
}

// number puts the listener of an instance into its Listen: the port counts up
// from the first one, and a socket gets its number before its ending, so that
// blog.sock becomes blog-1.sock, blog-2.sock.
func (l *loaded) number(inst *App, n numbering, count int, out *collector) {
	if count < 2 {
		return
	}
	if inst.Listen.TCP != "" && n.tcp && l.sound("listen.tcp") {
		host, text, err := net.SplitHostPort(inst.Listen.TCP)
		port, numErr := strconv.Atoi(text)
		if err != nil || numErr != nil {
			return
		}
		port += inst.Index - 1
		if port > 65535 {
			out.add(l.app.Problem("run.instances", "bad-number", fmt.Sprintf("the port of instance %d would be %d", inst.Index, port), "let listen.tcp begin lower"))
			l.bad["listen.tcp"] = true
			return
		}
		inst.Listen.TCP = net.JoinHostPort(host, strconv.Itoa(port))
	}
	if inst.Listen.Unix != "" && n.unix && l.sound("listen.unix") {
		inst.Listen.Unix = numberedSocket(inst.Listen.Unix, inst.Index)
		if f := validSocket(inst.Listen.Unix); f != nil {
			p := l.app.Problem("listen.unix", "bad-socket", f.message+" with the number of instance "+strconv.Itoa(inst.Index), f.hint)
			out.add(p)
			l.bad["listen.unix"] = true
		}
	}
}

func numberedSocket(socket string, number int) string {
	ext := path.Ext(socket)
	if path.Base(socket) == ext {
		ext = "" // a name that begins with its only dot
	}
	return strings.TrimSuffix(socket, ext) + "-" + strconv.Itoa(number) + ext
}

// complete fills in the defaults that are other fields' values.
func (a *App) complete() {
	if a.Listen.User == "" {
		a.Listen.User = a.Run.User
	}
	if a.Log.User == "" {
		a.Log.User = a.Run.User
	}
	if a.Health.Path == "" {
		a.Health.Path = a.HTTP.Mount
	}
	if len(a.WSGI.Path) == 0 && a.Type == TypeWSGI && !a.IsSet("wsgi.path") {
		a.WSGI.Path = []string{a.Run.Directory}
	}
	if len(a.Security.Writable) == 0 && !a.IsSet("security.writable") {
		a.Security.Writable = []string{a.Log.Dir}
	}
}

// checkFileName keeps apps/NAME.yaml and the name in it equal, so that the
// list of files is the list of apps.
func (l *loaded) checkFileName(out *collector) {
	dir, base := path.Split(l.source)
	if l.stream || path.Base(dir) != "apps" || !l.sound("name") {
		return
	}
	if want := l.app.Name + ".yaml"; base != want {
		p := l.app.Problem("name", "file-name", fmt.Sprintf("the app is named %s and its file %s", l.app.Name, base), "rename one of them; the file of this app is "+want)
		p.Severity = diag.Error
		out.add(p)
	}
}
