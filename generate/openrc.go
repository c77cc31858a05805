package generate

import (
	"time"

	"scgikit/internal/appfile"
	"scgikit/internal/diag"
	"scgikit/internal/quote"
)

// openrc writes service scripts for OpenRC, whose supervise-daemon starts the
// program again.
//
// Source: openrc-run(8), supervise-daemon(8) and sh/supervise-daemon.sh of OpenRC;
// measured with OpenRC 0.45.2.
var openrc = &Target{
	Name:    "openrc",
	Kind:    Supervisor,
	Summary: "service scripts with supervise-daemon",
	Source:  "https://github.com/OpenRC/openrc/blob/master/supervise-daemon-guide.md",
	Options: new(openrcOptions),
	Fields: openrcSystem().fields(Fields{
		"run.restart.policy":    {Carried, "always; on-failure and never give a warning, supervise-daemon starts the program again whatever it ends with"},
		"run.restart.delay":     {Carried, "respawn_delay, whole seconds"},
		"run.restart.max_delay": {Carried, "where it is run.restart.delay; else a warning, the pause does not grow"},
		"run.restart.burst":     {Carried, "respawn_max, with options.openrc.give_up; else a warning"},
		"run.restart.window":    {Carried, "respawn_period, with options.openrc.give_up; else a warning"},
	}),
	Fits:     fitsResident,
	Accept:   func(s *Scope, a *appfile.App) diag.List { return openrcSystem().acceptApp(s, a) },
	Files:    func(s *Scope) ([]Spec, error) { return openrcSystem().files(s) },
	Quote:    quote.Sh,
	Printers: map[string]func(string) (string, error){"qcomment": quote.Comment},
	Parts:    []string{"daemontools/_envfile.tmpl", "daemontools/_start.tmpl"},
}

// openrcOptions are the keys of options.openrc.
type openrcOptions struct {
	After        []string     `yaml:"after" doc:"apps, or services such as postgresql, that are started before the program where the runlevel has them"`
	GiveUp       bool         `yaml:"give_up" default:"false" doc:"after more than run.restart.burst restarts within run.restart.window do not try again, until somebody starts it"`
	ReloadSignal reloadSignal `yaml:"reload_signal" doc:"signal that makes the program read its configuration again; without one the service has no reload"`
	SCGIRun      string       `yaml:"scgi_run" default:"/usr/local/bin/scgi-run" format:"path" doc:"the program scgi-run, which sets user, groups and limits, and writes the log"`
	WrapperDir   string       `yaml:"wrapper_dir" default:"/usr/local/libexec/scgikit" format:"path" doc:"folder of the scripts that become the programs"`
}

// openrcSystem is openrc-run with supervise-daemon.
func openrcSystem() *initSystem {
	return &initSystem{
		target: "openrc", keeper: "supervise-daemon", run: "/run", scripts: "init.d",
		file: func(service string) string { return service },
		options: func(a *appfile.App) initOptions {
			o := option(a, "openrc", openrcOptions{SCGIRun: plainSCGIRun, WrapperDir: plainWrapperDir})
			return initOptions{After: o.After, GiveUp: o.GiveUp, ReloadSignal: o.ReloadSignal, SCGIRun: o.SCGIRun, WrapperDir: o.WrapperDir}
		},
		restart: func(a *appfile.App, o *initOptions) initRestart {
			r := initRestart{Delay: int64(a.Run.Restart.Delay / time.Second)}
			if o.GiveUp {
				r.Burst, r.Window = int64(a.Run.Restart.Burst), int64(a.Run.Restart.Window/time.Second)
			}
			return r
		},
		accept: acceptOpenRC,
	}
}

func acceptOpenRC(c *initCheck) {
	r := &c.a.Run.Restart
	if r.Policy != appfile.RestartAlways {
		c.lost("supervise-daemon starts the program again whatever it ends with", "leave it out", "run.restart.policy")
	}
	c.seconds("run.restart.delay", r.Delay, 0)
	if r.MaxDelay != r.Delay {
		c.lost("the pause does not grow", "leave it out", "run.restart.max_delay")
	}
	if !c.o.GiveUp {
		c.lost("supervise-daemon would never try again after so many, which options.openrc.give_up asks for", "leave it out, or set options.openrc.give_up", "run.restart.burst", "run.restart.window")
		return
	}
	c.seconds("run.restart.window", r.Window, time.Second)
	if time.Duration(r.Burst+1)*r.Delay > r.Window {
		c.refuse("options.openrc.give_up", "so many pauses are longer than the window, and supervise-daemon would never give up",
			"let run.restart.burst times run.restart.delay be less than run.restart.window")
	}
}
