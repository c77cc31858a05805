package generate

import (
	"fmt"

	"scgikit/internal/appfile"
	"scgikit/internal/diag"
	"scgikit/internal/quote"
)

// daemontools writes service folders for svscan: one for each instance of an
// app, with its own logger.
//
// Source: https://cr.yp.to/daemontools.html, daemontools 0.76.
var daemontools = &Target{
	Name:    "daemontools",
	Kind:    Supervisor,
	Summary: "service folders with a logger, for svscan",
	Source:  "https://cr.yp.to/daemontools.html",
	Options: new(daemontoolsOptions),
	Fields: daemontoolsFamily().fields(Fields{
		"run.group":                {Carried, "the user's own; setuidgid knows no other"},
		"run.supplementary_groups": {Refused, "setuidgid leaves the program its user's own group and no other"},
	}),
	Fits:   fitsAny,
	Accept: func(s *Scope, a *appfile.App) diag.List { return daemontoolsFamily().accept(s, a) },
	Files:  func(s *Scope) ([]Spec, error) { return daemontoolsFamily().files(s) },
	Way:    func(a *appfile.App) Way { return daemontoolsFamily().way(a) },
	Quote:  quote.Sh,
	Quotes: folderQuotes(),
}

// daemontoolsOptions are the keys of options.daemontools.
type daemontoolsOptions struct {
	BinDir  string     `yaml:"bin_dir" format:"path" doc:"folder of setuidgid, envdir, softlimit and multilog, such as /command; default is what PATH finds"`
	Down    bool       `yaml:"down" default:"false" doc:"install the service stopped; svc -u starts it"`
	Logger  loggerName `yaml:"logger" doc:"what writes the log; default is multilog where that can do all that log asks for, and scgi-run else"`
	SCGIRun string     `yaml:"scgi_run" default:"/usr/local/bin/scgi-run" format:"path" doc:"the program scgi-run, for logger scgi-run and for requests"`

	Listener    listenerName `yaml:"listener" doc:"what listens for cgi, and wsgi.server builtin and uwsgi: scgi-run, where these keep running; the others start the program for each connection, the default with run.mode per-request being unixserver for listen.unix and tcpserver for listen.tcp"`
	ListenerDir string       `yaml:"listener_dir" format:"path" doc:"per request: folder of the listener; default is what PATH finds"`

	// What follows stands in small files.
	Supervisor     supervisorName `yaml:"supervisor" default:"daemontools" doc:"what keeps the folders up: daemontools gives a warning for each field that its supervise ignores, scgikit, which is scgikit supervise, honours them all"`
	After          []string       `yaml:"after" doc:"apps, or services of the same scan folder, that have to be ready before this one is started, and that end after it"`
	Check          []string       `yaml:"check" doc:"program and arguments, run as the program itself is; it exits with 0 when that is ready"`
	NotificationFD int            `yaml:"notification_fd" min:"3" max:"255" doc:"descriptor on which the program writes a newline when it is ready"`
	Reload         []string       `yaml:"reload" doc:"program and arguments, run as the program itself is, that make it read its configuration again; MAINPID is the process"`
	ReloadSignal   reloadSignal   `yaml:"reload_signal" default:"HUP" doc:"signal that makes it do so, where no reload is set"`
}

// supervisorName is the program that keeps the service folders up.
type supervisorName string

// The supervisors; with the first, what it ignores gives warnings.
const (
	supervisorDaemontools supervisorName = "daemontools"
	supervisorOurs        supervisorName = "scgikit"
)

// Values lists the supervisors.
func (supervisorName) Values() []string {
	return []string{string(supervisorDaemontools), string(supervisorOurs)}
}

// daemontoolsFamily is svscan, supervise and the programs that come with them.
func daemontoolsFamily() *family {
	f := &family{
		target:       "daemontools",
		keeper:       "supervise of daemontools",
		logger:       loggerMultilog,
		unixListener: listenerUnix,
		envdir:       func(o *folderOptions) []string { return []string{o.program("envdir")} },
		before: func(a *appfile.App, o *folderOptions) []string {
			words := []string{o.program("setuidgid"), a.Run.User}
			if limits := softLimits(a.Run.Limits); len(limits) > 0 {
				words = append(words, o.program("softlimit"))
				for _, l := range limits {
					words = append(words, l.letter, fmt.Sprint(l.value))
				}
			}
			return words
		},
		loggerUser: func(a *appfile.App, o *folderOptions) []string { return []string{o.program("setuidgid"), a.Log.User} },
		groups:     acceptOwnGroup,
	}
	f.options = func(a *appfile.App) folderOptions {
		o := option(a, f.target, daemontoolsOptions{SCGIRun: plainSCGIRun, Supervisor: supervisorDaemontools, ReloadSignal: reloadHUP})
		return folderOptions{
			family: f, BinDir: o.BinDir, Down: o.Down, Logger: o.Logger, SCGIRun: o.SCGIRun, Ours: o.Supervisor == supervisorOurs,
			Listener: o.Listener, ListenerDir: o.ListenerDir, After: o.After, Check: o.Check, NotificationFD: o.NotificationFD, Reload: o.Reload, ReloadSignal: o.ReloadSignal,
		}
	}
	return f
}

// acceptOwnGroup refuses a group that is not that of the user.
func acceptOwnGroup(_ *family, a *appfile.App) diag.List {
	if a.Run.Group == "" || a.Run.Group == a.Run.User {
		return nil
	}
	return diag.List{a.Problem("run.group", codeCannotCarry,
		"setuidgid gives the program the user's own group, and no description says whether that is "+a.Run.Group,
		"make "+a.Run.Group+" the group of "+a.Run.User+" on the machine, and leave run.group out")}
}
