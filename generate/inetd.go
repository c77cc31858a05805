package generate

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"scgikit/internal/appfile"
	"scgikit/internal/fileset"
	"scgikit/internal/inetdconf"
	"scgikit/internal/quote"
)

// inetd writes a line for the super-server, and where a line can not carry the
// words, a script that it starts instead.
//
// The program is always scgi-run, in its form that answers one request on its
// standard input. inetd makes the connection descriptor 2 as well, so whoever
// writes to it spoils the answer: both scgi-run and the script move it first.
//
// Source: the manual pages inetd(8) of FreeBSD, NetBSD, OpenBSD and GNU
// inetutils; for what they leave out, see package inetdconf.
var inetd = &Target{
	Name:    "inetd",
	Kind:    SuperServer,
	Summary: "a line for the super-server, in five dialects",
	Source:  "https://man.freebsd.org/cgi/man.cgi?query=inetd&sektion=8",
	Options: new(inetdOptions),
	Fields:  inetdFields(),
	Fits:    fitsInetd,
	Accept:  acceptInetd,
	Files:   filesInetd,
	Way:     wayInetd,
	Quote:   quote.Sh,
	Quotes:  inetdQuotes(),
}

// inetdQuotes is the quoting function of each dialect, by its template.
func inetdQuotes() map[string]func(string) (string, error) {
	return map[string]func(string) (string, error){
		"freebsd.conf.tmpl":   quote.InetdFreeBSD,
		"netbsd.conf.tmpl":    quote.InetdNetBSD,
		"openbsd.conf.tmpl":   quote.InetdOpenBSD,
		"inetutils.conf.tmpl": quote.InetdInetutils,
		"busybox.conf.tmpl":   quote.InetdBusybox,
	}
}

// inetdOptions are the keys of options.inetd.
type inetdOptions struct {
	Dialect    inetdconf.Dialect `yaml:"dialect" doc:"the inetd that reads the line; openbsd is Debian's openbsd-inetd too"`
	Service    string            `yaml:"service" format:"name" doc:"freebsd with listen.tcp: the name in /etc/services that stands for the port; that inetd then listens on every address"`
	Umask      appfile.Mode      `yaml:"umask" default:"0022" doc:"netbsd and busybox: the umask that inetd itself runs with, which makes the mode of its sockets"`
	SCGIRun    string            `yaml:"scgi_run" default:"/usr/local/bin/scgi-run" format:"path" doc:"the program scgi-run"`
	WrapperDir string            `yaml:"wrapper_dir" default:"/usr/local/libexec/scgikit" format:"path" doc:"folder of the scripts that inetd starts where a line can not carry the words"`
}

func inetdOptionsOf(a *appfile.App) inetdOptions {
	return option(a, "inetd", inetdOptions{Umask: 0o022, SCGIRun: plainSCGIRun, WrapperDir: plainWrapperDir})
}

func inetdFields() Fields {
	return superServerFields("inetd", "newsyslog or logrotate", Fields{
		"run.supplementary_groups": {Refused, "inetd gives the program the groups that its user has on the machine; add the user to them there"},
		"run.max_concurrent":       {Carried, "by freebsd; the others count starts a minute, with a warning"},
		"run.limits.memory":        {Carried, "of the data on OpenBSD, which has no limit of the address space"},
		"listen.tcp":               {Carried, "by freebsd only with options.inetd.service"},
		"listen.unix":              {Carried, "not by inetutils, which refuses it"},
		"listen.user":              {Carried, "of the socket by freebsd; of its folder by openbsd, netbsd and busybox"},
		"listen.group":             {Carried, "of the socket by freebsd; of its folder by openbsd, netbsd and busybox"},
		"listen.mode":              {Carried, "of the socket by freebsd; of its folder by openbsd, netbsd and busybox"},
		"listen.backlog":           {Warned, "inetd has its own number of connections that may wait"},
	})
}

func fitsInetd(a *appfile.App) string { return fitsSuperServer(a, "inetd") }

// inetdPlan is everything that is decided about one app.
type inetdPlan struct {
	app     *appfile.App
	options inetdOptions
	command scgiRun
	log     string
	reasons []string // fields that only a script can carry
	script  bool     // the line starts a script, and not scgi-run itself
}

func planInetd(a *appfile.App) inetdPlan {
	p := inetdPlan{app: a, options: inetdOptionsOf(a), log: logPath(a)}
	p.command = scgiRunOnce(a, p.log)
	p.reasons = onlyByScript(a)
	p.script = len(p.reasons) > 0 || !p.fitsLine()
	return p
}

// Limits of a line that all dialects keep, in all versions: some cut a line
// at 1,024 bytes, some drop what follows 20 arguments.
const (
	maxInetdLine = 1000
	maxInetdArgs = 20
)

// plainInetd are the characters that no inetd takes for anything else.
const plainInetd = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_./=@%+,:-"

// fitsLine reports whether the line can start scgi-run itself.
func (p *inetdPlan) fitsLine() bool {
	words := p.words()
	length := len(words)
	for _, word := range words {
		length += len(word)
	}
	args := p.command.words()
	return length <= maxInetdLine && len(args) <= maxInetdArgs && !slices.ContainsFunc(args, func(word string) bool {
		return word == "" || strings.Trim(word, plainInetd) != ""
	})
}

// program returns what the line starts, and its arguments with argv[0].
func (p *inetdPlan) program() (program string, args []string) {
	if p.script {
		return path.Join(p.options.WrapperDir, p.app.Name), []string{p.app.Name}
	}
	return p.options.SCGIRun, p.command.words()
}

// words returns the words of the line.
func (p *inetdPlan) words() []string {
	user := p.app.Run.User
	if p.app.Run.Group != "" {
		user += ":" + p.app.Run.Group
	}
	program, args := p.program()
	return append([]string{p.address(), "stream", p.protocol(), p.wait(), user, program}, args...)
}

// address returns the first word of the line.
func (p *inetdPlan) address() string {
	a, addr := p.app, p.app.Addr()
	switch {
	case addr.Unix != "" && p.options.Dialect == inetdconf.FreeBSD:
		return fmt.Sprintf(":%s:%s:%s:%s", a.Listen.User, p.socketGroup(), a.Listen.Mode, addr.Unix)
	case addr.Unix != "":
		return addr.Unix
	case p.options.Dialect == inetdconf.FreeBSD:
		return p.options.Service
	case addr.IsIPv6() && (p.options.Dialect == inetdconf.Inetutils || p.options.Dialect == inetdconf.Busybox):
		// These two cut at the last colon and take the rest as it is.
		return fmt.Sprintf("%s:%d", addr.Host, addr.Port)
	}
	return addr.String()
}

// socketGroup is the group in FreeBSD's line, which has to be there even where
// the mode gives it nothing; then it is the one that every FreeBSD has.
func (p *inetdPlan) socketGroup() string {
	if p.app.Listen.Group == "" && p.app.Listen.Mode&0o070 == 0 {
		return "wheel"
	}
	return p.app.Listen.Group
}

func (p *inetdPlan) protocol() string {
	addr := p.app.Addr()
	switch {
	case addr.Unix != "":
		return "unix"
	case addr.IsIPv6():
		return "tcp6"
	case p.options.Dialect == inetdconf.Busybox:
		return "tcp" // it knows no tcp4
	}
	// A plain tcp is both families to OpenBSD's, which then logs an error.
	return "tcp4"
}

// startsPerMinute is more than a machine can do. Once an inetd has counted to
// its limit it closes the service for ten minutes, and it counts every request.
const startsPerMinute = 100000

func (p *inetdPlan) wait() string {
	switch p.options.Dialect {
	case inetdconf.FreeBSD:
		if p.app.Addr().Unix != "" {
			return fmt.Sprintf("nowait/%d", p.app.Run.MaxConcurrent)
		}
		// Without limits for one address, because all requests come from the
		// web server's, and inetd -C (60 by default in rc.conf) would count them.
		return fmt.Sprintf("nowait/%d/0/0", p.app.Run.MaxConcurrent)
	case inetdconf.NetBSD:
		return fmt.Sprintf("nowait:%d", startsPerMinute)
	case inetdconf.OpenBSD, inetdconf.Inetutils, inetdconf.Busybox:
		return fmt.Sprintf("nowait.%d", startsPerMinute)
	}
	return "nowait"
}

// inetdLine is what the template of a line is given.
type inetdLine struct {
	Words  []string
	Unix   bool
	Folder bool
}

func filesInetd(s *Scope) ([]Spec, error) {
	var specs []Spec
	for _, a := range s.Apps {
		p := planInetd(a)
		if err := p.check(); err != nil {
			return nil, err
		}
		folder := p.folder()
		specs = append(specs, Spec{
			Path: a.Name + ".conf", Mode: 0o644, Place: "inetd.conf", Apps: []*appfile.App{a},
			Template: string(p.options.Dialect) + ".conf.tmpl",
			Data:     inetdLine{Words: p.words(), Unix: a.Addr().Unix != "", Folder: folder != nil},
		})
		if p.script {
			specs = append(specs, Spec{
				Path: a.Name, Mode: 0o755, Place: p.options.WrapperDir, Apps: []*appfile.App{a},
				Template: "script.tmpl",
				Data:     onceScript(a, "inetd", p.options.SCGIRun, p.command, p.log, p.reasons),
			})
		}
		if folder != nil {
			specs = append(specs, folder.specs(a)...)
		}
		if p.log != "" {
			specs = append(specs, logFolder(a, a))
		}
	}
	return specs, nil
}

// inetdFolder is the folder that guards a socket whose own mode lets everyone in.
type inetdFolder struct {
	Path, Mode, User, Group string
	mode                    appfile.Mode
}

// folder returns the folder that keeps others from the socket, or nil where
// the socket needs none: FreeBSD's has an owner and a mode, and one that
// everybody may write to needs no guard.
func (p *inetdPlan) folder() *inetdFolder {
	a := p.app
	if a.Addr().Unix == "" || p.options.Dialect == inetdconf.FreeBSD || a.Listen.Mode&0o002 != 0 {
		return nil
	}
	f := &inetdFolder{Path: path.Dir(a.Addr().Unix), User: "root", Group: "root", mode: 0o700}
	// Nobody but root may put another socket in its place, so nobody else gets
	// more than a way through.
	if a.Listen.Mode&0o200 != 0 && a.Listen.User != "root" && (a.IsSet("listen.user") || a.Listen.Mode&0o020 == 0) {
		f.User, f.mode = a.Listen.User, 0o500
	}
	if a.Listen.Mode&0o020 != 0 {
		f.Group, f.mode = a.Listen.Group, f.mode|0o050
	}
	f.Mode = f.mode.String()
	return f
}

// specs returns the folder, and for a Linux whose /run is empty after each
// boot the line that makes it again.
func (f *inetdFolder) specs(a *appfile.App) []Spec {
	specs := []Spec{{
		Path: a.Name + ".socket", Kind: fileset.Dir, Mode: fs.FileMode(f.mode), User: f.User, Group: f.Group,
		Place: f.Path, Apps: []*appfile.App{a},
	}}
	if strings.HasPrefix(f.Path, "/run/") || strings.HasPrefix(f.Path, "/var/run/") {
		specs = append(specs, Spec{
			Path: a.Name + ".tmpfiles.conf", Mode: 0o644, Place: "tmpfiles.d", Apps: []*appfile.App{a},
			Template: "tmpfiles.conf.tmpl", Data: f,
		})
	}
	return specs
}
