package generate

import (
	"cmp"
	"fmt"
	"strings"

	"scgikit/internal/appfile"
	"scgikit/internal/diag"
	"scgikit/internal/quote"
)

// runit writes service folders for runsvdir: one for each instance of an app,
// with its own logger.
//
// Source: http://smarden.org/runit/, runit 2.1.2.
var runit = &Target{
	Name:    "runit",
	Kind:    Supervisor,
	Summary: "service folders with a logger, for runsvdir",
	Source:  "http://smarden.org/runit/",
	Options: new(runitOptions),
	Fields: runitFamily().fields(Fields{
		"run.group":                {Carried, "a name; a number is refused"},
		"run.supplementary_groups": {Carried, "names, next to run.group; a number is refused"},
		"run.stop_signal":          {Carried, "control/t, and the file down-signal, where it is not TERM; per request the listener ends by TERM, with a warning"},
		"run.restart.policy":       {Carried, "finish, and the file restart"},
	}),
	Fits:   fitsAny,
	Accept: func(s *Scope, a *appfile.App) diag.List { return runitFamily().accept(s, a) },
	Files:  func(s *Scope) ([]Spec, error) { return runitFamily().files(s) },
	Way:    func(a *appfile.App) Way { return runitFamily().way(a) },
	Quote:  quote.Sh,
	Quotes: runitQuotes(),
	Parts:  folderParts(),
}

// runitOptions are the keys of options.runit.
type runitOptions struct {
	BinDir  string      `yaml:"bin_dir" format:"path" doc:"folder of chpst and svlogd; default is what PATH finds"`
	Down    bool        `yaml:"down" default:"false" doc:"install the service stopped; sv up starts it"`
	Logger  runitLogger `yaml:"logger" doc:"what writes the log; default is svlogd where that can do all that log asks for, and scgi-run else"`
	SCGIRun string      `yaml:"scgi_run" default:"/usr/local/bin/scgi-run" format:"path" doc:"the program scgi-run, for logger scgi-run and for requests"`

	Listener    listenerName `yaml:"listener" doc:"what listens for cgi, and wsgi.server builtin and uwsgi: scgi-run, where these keep running; the others start the program for each connection, the default with run.mode per-request being unixserver for listen.unix and tcpserver for listen.tcp"`
	ListenerDir string       `yaml:"listener_dir" format:"path" doc:"per request: folder of the listener; default is what PATH finds"`

	Supervisor     runitSupervisor `yaml:"supervisor" default:"runit" doc:"what keeps the folders up: runit gives a warning for each field that its runsv ignores, scgikit, which is scgikit supervise, honours them all"`
	After          []string        `yaml:"after" doc:"apps, or services of the same scan folder, that have to be ready before this one is started, and that end after it"`
	Check          []string        `yaml:"check" doc:"program and arguments, run as the program itself is; it exits with 0 when that is ready"`
	NotificationFD int             `yaml:"notification_fd" min:"3" max:"255" doc:"descriptor on which the program writes a newline when it is ready"`
	Reload         []string        `yaml:"reload" doc:"program and arguments, run as the program itself is, that make it read its configuration again; MAINPID is the process"`
	ReloadSignal   reloadSignal    `yaml:"reload_signal" default:"HUP" doc:"signal that makes it do so, where no reload is set"`
}

// runitLogger is a logger of runit's folders.
type runitLogger string

// Values lists every logger that can be written.
func (runitLogger) Values() []string { return []string{string(loggerSvlogd), string(loggerOurs)} }

// runitSupervisor is what keeps runit's folders up.
type runitSupervisor string

// Values lists the supervisors.
func (runitSupervisor) Values() []string { return []string{"runit", string(supervisorOurs)} }

// runitFamily is runsvdir, runsv and the programs that come with them.
func runitFamily() *family {
	f := &family{
		target:       "runit",
		keeper:       "runsv of runit",
		logger:       loggerSvlogd,
		unixListener: listenerUnix,
		honours:      []string{"run.stop_signal", "run.restart.policy", "options.runit.check", "options.runit.reload", "options.runit.reload_signal"},
		envdir:       func(o *folderOptions) []string { return []string{o.program("chpst"), "-e"} },
		before:       chpstWords,
		loggerUser: func(a *appfile.App, o *folderOptions) []string {
			return []string{o.program("chpst"), "-u", a.Log.User}
		},
		groups: acceptNamedGroups,
		own:    runsvFiles,
	}
	f.options = func(a *appfile.App) folderOptions {
		o := option(a, f.target, runitOptions{SCGIRun: plainSCGIRun, ReloadSignal: reloadHUP})
		return folderOptions{
			family: f, BinDir: o.BinDir, Down: o.Down, Logger: loggerName(o.Logger), SCGIRun: o.SCGIRun, Ours: o.Supervisor == runitSupervisor(supervisorOurs),
			Listener: o.Listener, ListenerDir: o.ListenerDir, After: o.After, Check: o.Check, NotificationFD: o.NotificationFD, Reload: o.Reload, ReloadSignal: o.ReloadSignal,
		}
	}
	return f
}

// chpstWords sets user, groups and limits. chpst's own limit of memory is one of
// the stack as well, which threads would take for the size of theirs; by the name
// of softlimit it has the one that is meant.
//
// Source: chpst(8), EMULATION
func chpstWords(a *appfile.App, o *folderOptions) []string {
	account := a.Run.User
	if a.IsSet("run.group") {
		account = strings.Join(append([]string{account, a.Run.Group}, a.Run.SupplementaryGroups...), ":")
	}
	words := []string{o.program("chpst"), "-u", account}
	var memory []string
	for _, l := range softLimits(a.Run.Limits) {
		if l.letter == "-a" {
			memory = []string{"-b", "softlimit", o.program("chpst"), l.letter, fmt.Sprint(l.value)}
			continue
		}
		words = append(words, l.letter, fmt.Sprint(l.value))
	}
	return append(words, memory...)
}

// maxChpstGroups is how many groups chpst takes.
//
// Source: runit 2.1.2, uidgid.h
const maxChpstGroups = 60

// acceptNamedGroups refuses what chpst can not be told of groups: the first that
// it is given is the program's own.
func acceptNamedGroups(f *family, a *appfile.App) diag.List {
	var list diag.List
	more := a.Run.SupplementaryGroups
	if len(more) > 0 && !a.IsSet("run.group") {
		list = append(list, a.Problem("run.supplementary_groups", codeCannotCarry,
			"chpst takes the first group that it is given for the program's own", "set run.group as well"))
	}
	if len(more) >= maxChpstGroups {
		list = append(list, a.Problem("run.supplementary_groups", codeCannotCarry,
			fmt.Sprintf("chpst takes %d groups at most", maxChpstGroups), "name fewer"))
	}
	for i, group := range more {
		if isNumber(group) {
			list = append(list, a.Problem(fmt.Sprintf("run.supplementary_groups[%d]", i), codeCannotCarry,
				f.target+" looks a user or group up by name, and "+group+" is a number", "write the name"))
		}
	}
	return list
}

// runsvSignal is what the template of a script in control is given.
type runsvSignal struct {
	Signal string // to send to the process
	Reload bool   // ./reload is started instead
}

// runsvFiles returns what runsv reads and our own supervisor has other files
// for: its stop signal is TERM, and its end of a service another one to start it.
func runsvFiles(a *appfile.App, o *folderOptions) []Spec {
	var control, specs []Spec
	script := func(name string, data runsvSignal) {
		control = append(control, Spec{Path: "control/" + name, Mode: 0o755, Template: "control.tmpl", Data: data})
	}
	if signal := cmp.Or(o.ReloadSignal, reloadHUP); len(o.Reload) > 0 || signal != reloadHUP {
		script("h", runsvSignal{Signal: string(signal), Reload: len(o.Reload) > 0})
	}
	if a.Run.StopSignal != plainSignal {
		script("t", runsvSignal{Signal: string(a.Run.StopSignal)})
	}
	if len(control) > 0 {
		specs = append(specs, folderOf("control"))
	}
	specs = append(specs, control...)
	if policy := a.Run.Restart.Policy; policy != appfile.RestartAlways {
		specs = append(specs, Spec{Path: "finish", Mode: 0o755, Template: "finish.tmpl", Data: string(policy)})
	}
	return specs
}

// runitQuotes is the quoting function of runit's files, by template.
func runitQuotes() map[string]func(string) (string, error) {
	quotes := folderQuotes()
	quotes["config.tmpl"] = quote.LogLine
	return quotes
}
