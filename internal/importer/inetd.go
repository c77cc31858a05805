package importer

import (
	"cmp"
	"errors"
	"path"
	"regexp"
	"slices"
	"strings"

	"scgikit/internal/inetdconf"
	"scgikit/internal/printable"
)

// inetd reads inetd.conf as the inetd of the dialect does.
func (r *reading) inetd() error {
	dialect := r.options.Dialect
	if !slices.Contains(dialect.Values(), string(dialect)) {
		return errors.New("the inetd that reads the file is not named: --dialect takes " + strings.Join(dialect.Values(), ", "))
	}
	files := []string{r.base}
	if r.isDir {
		names, err := r.entries(r.base)
		if err != nil {
			return err
		}
		files = nil
		for _, name := range names {
			files = append(files, path.Join(r.base, name))
		}
	}
	for _, file := range files {
		if r.isDir && !strings.HasSuffix(file, ".conf") && path.Base(r.base) == r.generatedFolder() {
			continue // scripts and folders beside the lines
		}
		text, err := r.text(file)
		if err != nil {
			if !r.isDir {
				return err
			}
			r.refuse(r.at(file, 0), "", "", "%s", strings.TrimPrefix(err.Error(), printable.Text(r.name(file))+": "))
			continue
		}
		if strings.HasSuffix(file, ".tmpfiles.conf") {
			continue
		}
		r.inetdFile(file, text, dialect)
	}
	return nil
}

// generatedFolder is the name of the folder that scgikit generate writes.
func (r *reading) generatedFolder() string { return string(r.kind) }

func (r *reading) inetdFile(file, text string, dialect inetdconf.Dialect) {
	entries, problems := inetdconf.Parse(dialect, text)
	for _, p := range problems {
		at := r.at(file, p.Line)
		if isBuiltIn(p) || strings.HasSuffix(p.Message, " is off") || strings.HasSuffix(p.Message, "that of the lines below") {
			r.skip(at, "%s", p.Message)
			continue
		}
		r.note(Lost, at, "", "", "", "inetd (%s): %s", dialect, p.Message)
	}
	r.commentedServices(file, text, dialect)
	name := ""
	if m := generatedApp.FindStringSubmatch(text); m != nil && len(entries) == 1 {
		name = m[1]
	}
	for i := range entries {
		if r.full(r.at(file, entries[i].Line)) {
			return
		}
		r.inetdEntry(file, name, &entries[i], dialect)
	}
}

// generatedApp is the line by which a generated file names its app.
var generatedApp = regexp.MustCompile(`(?m)^# scgikit: app=([a-z][a-z0-9-]*) target=`)

// offMark is what stands before a line that a tool has switched off.
var offMark = regexp.MustCompile(`^#[ \t]*(<off>#|disabled|off)?[#: \t]*`)

// commentedServices notes the lines that would be a service without their "#".
func (r *reading) commentedServices(file, text string, dialect inetdconf.Dialect) {
	for i, line := range lines(text) {
		if !strings.HasPrefix(line, "#") || strings.HasPrefix(line, "#@") {
			continue
		}
		bare := offMark.ReplaceAllString(line, "")
		entries, problems := inetdconf.Parse(dialect, bare+"\n")
		if len(problems) == 1 && isBuiltIn(problems[0]) {
			r.skip(r.at(file, i+1), "the service %s is a comment", strings.Fields(bare)[0])
		}
		if len(entries) == 1 && slices.Contains([]string{"stream", "dgram"}, entries[0].SocketType) {
			r.skip(r.at(file, i+1), "the service %s is a comment", entries[0].Service)
		}
	}
}

func isBuiltIn(p inetdconf.Problem) bool { return strings.Contains(p.Message, "inside inetd") }

// inetdEntry reads one service.
func (r *reading) inetdEntry(file, name string, e *inetdconf.Entry, dialect inetdconf.Dialect) {
	at := r.at(file, e.Line)
	service := e.Service
	if e.Host == "" && !strings.HasPrefix(e.Service, "/") {
		e.Host = e.DefaultHost
	}
	if e.Host != "" {
		service = e.Host + ":" + service
	}
	switch {
	case e.Program == "internal":
		r.skip(at, "%s is a service inside inetd", service)
		return
	case e.SocketType != "stream":
		r.refuse(at, "", "", "%s: a socket of type %s is for no web program", service, e.SocketType)
		return
	case e.Wait:
		r.refuse(at, "", "", "%s: the program takes the listening socket (wait), and scgi-run one connection", service)
		return
	}
	d := r.newDraft(cmp.Or(name, r.inetdName(e)), at)
	program, args := e.Program, e.Args
	if w := r.wrapper(file, e.Program); w != nil {
		w.apply(d)
		if program != "/usr/local/libexec/scgikit/"+path.Base(program) {
			d.text("options.inetd.wrapper_dir", path.Dir(program), at)
		}
		program, args = w.program, append([]string{path.Base(w.program)}, w.args...)
	}
	if !d.perRequest(program, args, "inetd", at) {
		r.refuse(at, d.name, "a CGI program, or a folder of them, can run under scgi-run bridge",
			"%s starts %s, which speaks to the connection itself; a description has programs per request as CGI scripts and WSGI callables alone", service, e.Program)
		return
	}
	d.defaultUmask(at, "inetd")
	d.text("options.inetd.dialect", string(dialect), place{"--dialect", 0})
	d.user(e.User, at)
	if e.Group != "" {
		d.text("run.group", e.Group, at)
	}
	if e.Class != "" {
		d.lost(at, "the login class %s", e.Class)
	}
	d.inetdLimit(e, dialect, at)
	if e.Protocol == "unix" {
		d.inetdSocket(file, e, dialect, at)
	} else if !d.inetdPort(e, dialect, at) {
		return
	}
	d.add()
}

// inetdName makes a name from what the line starts or listens on.
func (r *reading) inetdName(e *inetdconf.Entry) string {
	if dir := path.Dir(e.Program); path.Base(dir) == "scgikit" || strings.HasPrefix(e.Program, "/usr/local/libexec/scgikit/") {
		return path.Base(e.Program)
	}
	if strings.HasPrefix(e.Service, "/") {
		base := strings.TrimSuffix(strings.TrimSuffix(path.Base(e.Service), path.Ext(e.Service)), "-socket")
		if base == "socket" || base == "sock" {
			base = path.Base(path.Dir(e.Service))
		}
		return strings.TrimPrefix(base, "scgi_")
	}
	if len(e.Args) > 0 {
		last := e.Args[len(e.Args)-1]
		if strings.HasPrefix(last, "/") {
			base := path.Base(last)
			return strings.TrimSuffix(base, path.Ext(base))
		}
		if module, _, ok := strings.Cut(last, ":"); ok && !strings.Contains(last, "/") {
			return strings.ReplaceAll(module, ".", "-")
		}
	}
	return e.Service
}

// startsPerMinute is what generated lines write for a limit of starts.
const startsPerMinute = 100000

func (d *draft) inetdLimit(e *inetdconf.Entry, dialect inetdconf.Dialect, at place) {
	if dialect == inetdconf.FreeBSD {
		if e.Limit > 0 && e.Limit != 16 {
			d.number("run.max_concurrent", int64(e.Limit), at)
		}
		if e.Limit <= 0 {
			d.lost(at, "no number of processes is named, and a description always has run.max_concurrent, 16 by default")
		}
		if e.PerAddressMinute > 0 || e.PerAddress > 0 {
			d.lost(at, "the limits for one address: all requests come from the web server's")
		}
		return
	}
	if e.PerAddressMinute > 0 {
		d.lost(at, "the limit for one address: all requests come from the web server's")
	}
	if e.Limit != startsPerMinute {
		d.lost(at, "starts a minute are not limited: every request is a start, and at the limit inetd closes the service for ten minutes")
	}
}

// inetdSocket sets the listener of a socket on disk.
func (d *draft) inetdSocket(file string, e *inetdconf.Entry, dialect inetdconf.Dialect, at place) {
	d.text("listen.unix", e.Service, at)
	if dialect == inetdconf.FreeBSD {
		if e.SocketUser == "" {
			d.mode("listen.mode", 0o200, at) // inetd's own
			d.text("listen.user", "root", at)
			return
		}
		d.socketUser(e.SocketUser, e.SocketMode, at)
		if e.SocketGroup != "wheel" || e.SocketMode&0o070 != 0 {
			d.text("listen.group", e.SocketGroup, at)
		}
		if e.SocketMode != 0o660 {
			d.mode("listen.mode", e.SocketMode, at)
		}
		return
	}
	if dialect == inetdconf.NetBSD || dialect == inetdconf.Busybox {
		d.text("options.inetd.umask", "0000", at)
		d.assume(at, "options.inetd.umask", "start inetd with umask 0, so that the folder guards the socket",
			"the socket has the mode that the umask of inetd leaves, and with the usual 0022 only root can connect")
	}
	if d.guarded(file, e) {
		return
	}
	d.mode("listen.mode", 0o666, at)
	d.text("listen.user", "root", at)
	d.text("listen.group", "root", at)
	d.assume(at, "listen.mode", "put the socket into a folder that lets in the web server's group alone, and set listen.group and listen.mode",
		"inetd (%s) makes the socket for everybody", dialect)
}

var guardLine = regexp.MustCompile(`(?m)^d (\S+) (0[0-7]{3}) (\S+) (\S+) -`)

// guarded reads the folder that guards a socket from the lines for tmpfiles.d
// that stand beside a generated line.
func (d *draft) guarded(file string, e *inetdconf.Entry) bool {
	for _, guard := range []string{strings.TrimSuffix(file, ".conf") + ".tmpfiles.conf", "etc/tmpfiles.d/" + d.name + ".conf"} {
		if !d.r.exists(guard) {
			continue
		}
		text, _ := d.r.optional(guard)
		for _, m := range guardLine.FindAllStringSubmatch(text, -1) {
			mode, ok := octal(m[2])
			if m[1] != path.Dir(e.Service) || !ok {
				continue
			}
			at := d.r.at(guard, 0)
			listen := uint32(0)
			if m[3] != "root" {
				d.text("listen.user", m[3], at)
				listen |= 0o600
			}
			if mode&0o050 == 0o050 {
				d.text("listen.group", m[4], at)
				listen |= 0o660
			}
			if listen == 0 {
				d.text("listen.user", "root", at)
				listen = 0o600
			}
			if listen != 0o660 {
				d.mode("listen.mode", listen, at)
			}
			return true
		}
	}
	return false
}
