package generate

import (
	"fmt"
	"strings"
	"time"

	"scgikit/internal/appfile"
	"scgikit/internal/diag"
	"scgikit/internal/quote"
)

// s6 writes service folders for s6-svscan: one for each instance of an app, with
// its own logger.
//
// Source: https://skarnet.org/software/s6/, s6 2.11.3.2.
var s6 = &Target{
	Name:    "s6",
	Kind:    Supervisor,
	Summary: "service folders with a logger, for s6-svscan",
	Source:  "https://skarnet.org/software/s6/",
	Options: new(s6Options),
	Fields:  s6Family().fields(s6Fields()),
	Fits:    fitsAny,
	Accept:  func(s *Scope, a *appfile.App) diag.List { return s6Family().accept(s, a) },
	Files:   func(s *Scope) ([]Spec, error) { return s6Family().files(s) },
	Way:     func(a *appfile.App) Way { return s6Family().way(a) },
	Quote:   quote.Sh,
	Quotes:  folderQuotes(),
	Parts:   folderParts(),
}

// s6Options are the keys of options.s6.
type s6Options struct {
	BinDir  string   `yaml:"bin_dir" format:"path" doc:"folder of s6-setuidgid, s6-log and the others of s6; default is what PATH finds"`
	Down    bool     `yaml:"down" default:"false" doc:"install the service stopped; s6-svc -u starts it"`
	Logger  s6Logger `yaml:"logger" doc:"what writes the log; default is s6-log where that can do all that log asks for, and scgi-run else"`
	SCGIRun string   `yaml:"scgi_run" default:"/usr/local/bin/scgi-run" format:"path" doc:"the program scgi-run, for logger scgi-run and for requests"`

	Listener    listenerName `yaml:"listener" doc:"what listens for cgi, and wsgi.server builtin and uwsgi: scgi-run, where these keep running; the others start the program for each connection, the default with run.mode per-request being s6-ipcserver for listen.unix and tcpserver for listen.tcp"`
	ListenerDir string       `yaml:"listener_dir" format:"path" doc:"per request: folder of the listener; default is what PATH finds"`

	Supervisor     s6Supervisor `yaml:"supervisor" default:"s6" doc:"what keeps the folders up: s6 gives a warning for each field that its s6-supervise ignores, scgikit, which is scgikit supervise, honours them all"`
	After          []string     `yaml:"after" doc:"apps, or services of the same scan folder, that have to be ready before this one is started, and that end after it; the target s6-rc has an order of its own"`
	Check          []string     `yaml:"check" doc:"program and arguments, run as the program itself is; it exits with 0 when that is ready"`
	NotificationFD int          `yaml:"notification_fd" min:"3" max:"255" doc:"descriptor on which the program writes a newline when it is ready"`
	Reload         []string     `yaml:"reload" doc:"program and arguments, run as the program itself is, that make it read its configuration again; MAINPID is the process"`
	ReloadSignal   reloadSignal `yaml:"reload_signal" default:"HUP" doc:"signal that makes it do so, where no reload is set"`
}

// s6Logger is a logger of s6's folders.
type s6Logger string

// Values lists every logger that can be written.
func (s6Logger) Values() []string { return []string{string(loggerS6), string(loggerOurs)} }

// s6Supervisor is what keeps s6's folders up.
type s6Supervisor string

// Values lists the supervisors.
func (s6Supervisor) Values() []string { return []string{"s6", string(supervisorOurs)} }

func s6Fields() Fields {
	const paused = "finish, and the file restart"
	return Fields{
		"run.group":                {Carried, "a name; a number is refused"},
		"run.supplementary_groups": {Carried, "numbers; s6-applyuidgid takes no names, which are refused"},
		"run.stop_timeout":         {Carried, "the file timeout-kill; s6-supervise kills the process, not its group"},
		"run.restart.policy":       {Carried, paused},
		"run.restart.delay":        {Carried, paused + "; whole seconds, and it does not grow until there have been burst ends"},
		"run.restart.max_delay":    {Carried, paused},
		"run.restart.burst":        {Carried, paused},
		"run.restart.window":       {Carried, paused},
	}
}

// s6Family is s6-svscan, s6-supervise and the programs that come with them.
func s6Family() *family {
	f := &family{
		target:       "s6",
		keeper:       "s6-supervise of s6",
		logger:       loggerS6,
		unixListener: listenerIPC,
		takes:        []string{"GID", "GIDLIST"}, // the shell has UID
		honours: []string{
			"run.stop_signal", "run.stop_timeout", "options.s6.notification_fd",
			"run.restart.policy", "run.restart.delay", "run.restart.max_delay", "run.restart.burst", "run.restart.window",
		},
		envdir: s6Envdir,
		before: s6Words,
		loggerUser: func(a *appfile.App, o *folderOptions) []string {
			return []string{o.program("s6-setuidgid"), a.Log.User}
		},
		groups: acceptS6,
		own:    s6Files,
	}
	f.options = func(a *appfile.App) folderOptions {
		o := option(a, f.target, s6Options{SCGIRun: plainSCGIRun, ReloadSignal: reloadHUP})
		return folderOptions{
			family: f, BinDir: o.BinDir, Down: o.Down, Logger: loggerName(o.Logger), SCGIRun: o.SCGIRun, Ours: o.Supervisor == s6Supervisor(supervisorOurs),
			Listener: o.Listener, ListenerDir: o.ListenerDir, After: o.After, Check: o.Check, NotificationFD: o.NotificationFD, Reload: o.Reload, ReloadSignal: o.ReloadSignal,
		}
	}
	return f
}

// s6Envdir reads the folder env; without -L it would cut a value off at 4095
// bytes.
func s6Envdir(o *folderOptions) []string { return []string{o.program("s6-envdir"), "-L"} }

// s6Words sets user, groups and limits. s6-setuidgid would give the program what
// groups /etc/group says the user to be in, which no description says; -G behind
// -U takes them away.
//
// Sources: s6-envuidgid.html, s6-applyuidgid.html; measured with s6 2.11.3.2.
func s6Words(a *appfile.App, o *folderOptions) []string {
	words := []string{o.program("s6-envuidgid"), a.Run.User}
	if a.IsSet("run.group") {
		// -U asks for GIDLIST, which -B leaves as it is.
		words = []string{"env", "GIDLIST=", o.program("s6-envuidgid"), "-B", a.Run.User + ":" + a.Run.Group}
	}
	words = append(words, o.program("s6-applyuidgid"), "-U", "-G", strings.Join(a.Run.SupplementaryGroups, ","), "-z")
	if limits := softLimits(a.Run.Limits); len(limits) > 0 {
		words = append(words, o.program("s6-softlimit"))
		for _, l := range limits {
			words = append(words, l.letter, fmt.Sprint(l.value))
		}
	}
	return words
}

// acceptS6 returns the problems of the groups and of the pauses between starts.
func acceptS6(_ *family, a *appfile.App) diag.List {
	var list diag.List
	for i, group := range a.Run.SupplementaryGroups {
		if !isNumber(group) {
			list = append(list, a.Problem(fmt.Sprintf("run.supplementary_groups[%d]", i), codeCannotCarry,
				"s6-applyuidgid takes no group by name but the first", "write its number"))
		}
	}
	restart := a.Run.Restart
	if a.IsSet("run.restart.delay") && restart.Delay < time.Second {
		list = append(list, a.Warning("run.restart.delay", codeNotCarried, "s6-supervise starts a program once a second at most", "use 1s, or leave it out"))
	}
	for _, d := range []struct {
		field string
		value time.Duration
	}{{"run.restart.delay", restart.Delay}, {"run.restart.max_delay", restart.MaxDelay}, {"run.restart.window", restart.Window}} {
		if d.value > time.Second && d.value%time.Second != 0 && a.IsSet(d.field) {
			list = append(list, a.Problem(d.field, codeCannotCarry, "finish counts whole seconds", "write whole seconds"))
		}
	}
	return list
}

// s6Finish is what the template of finish is given. Seconds are those that
// finish waits; s6-supervise waits another.
type s6Finish struct {
	Policy                         string
	Pause                          bool
	Delay, MaxDelay, Window, Burst int64
	Permafailon, Svstat            string
}

// s6Files returns what s6-supervise reads and our own supervisor has other files
// for.
//
// Sources: servicedir.html, s6-permafailon.html
func s6Files(a *appfile.App, o *folderOptions) []Spec {
	restart := a.Run.Restart
	data := s6Finish{
		Policy: string(restart.Policy), Burst: int64(restart.Burst), Window: max(int64(restart.Window/time.Second), 1),
		Delay: pauseSeconds(restart.Delay), MaxDelay: pauseSeconds(restart.MaxDelay),
		Permafailon: o.program("s6-permafailon"), Svstat: o.program("s6-svstat"),
	}
	for _, field := range []string{"run.restart.delay", "run.restart.max_delay", "run.restart.burst", "run.restart.window"} {
		data.Pause = data.Pause || a.IsSet(field)
	}
	data.Pause = data.Pause && data.MaxDelay > 0 && restart.Policy != appfile.RestartNever
	if !data.Pause && restart.Policy == appfile.RestartAlways {
		return nil
	}
	specs := []Spec{{Path: "finish", Mode: 0o755, Template: "finish.tmpl", Data: data}}
	if data.Pause {
		specs = append(specs, numberFile("timeout-finish", 0)) // finish ends by itself, whatever the pause
		if restart.Burst > plainDeathTally {
			specs = append(specs, numberFile("max-death-tally", int64(restart.Burst)))
		}
	}
	return specs
}

// plainDeathTally is how many ends s6-supervise remembers without the file
// max-death-tally.
const plainDeathTally = 100

// pauseSeconds is what finish waits of a pause from one start to the next, of
// which s6-supervise waits a second.
func pauseSeconds(d time.Duration) int64 { return max(int64(d/time.Second)-1, 0) }
