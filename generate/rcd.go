package generate

import (
	"strings"
	"time"

	"scgikit/internal/appfile"
	"scgikit/internal/diag"
	"scgikit/internal/quote"
)

// rcd writes rc.d scripts for FreeBSD, where daemon(8) starts the program again.
//
// Source: rc.subr(8), daemon(8) and libexec/rc/rc.subr of FreeBSD 14.
var rcd = &Target{
	Name:    "rcd",
	Kind:    Supervisor,
	Summary: "rc.d scripts of FreeBSD with daemon(8)",
	Source:  "https://man.freebsd.org/cgi/man.cgi?query=rc.subr&sektion=8",
	Options: new(rcdOptions),
	Fields: rcdSystem().fields(Fields{
		"name":                  {Carried, "the names of the files; in that of the service - becomes _"},
		"run.restart.policy":    {Carried, "always and never; on-failure gives a warning, daemon(8) starts the program again whatever it ends with"},
		"run.restart.delay":     {Carried, "whole seconds, 1 at least"},
		"run.restart.max_delay": {Carried, "where it is run.restart.delay; else a warning, the pause does not grow"},
		"run.restart.burst":     {Warned, "daemon(8) never gives up"},
		"run.restart.window":    {Warned, "daemon(8) never gives up"},
	}),
	Fits:     fitsResident,
	Accept:   func(s *Scope, a *appfile.App) diag.List { return rcdSystem().acceptApp(s, a) },
	Files:    func(s *Scope) ([]Spec, error) { return rcdSystem().files(s) },
	Quote:    quote.Sh,
	Printers: map[string]func(string) (string, error){"qcomment": quote.Comment},
	Parts:    []string{"daemontools/_envfile.tmpl", "daemontools/_start.tmpl", "openrc/_program.tmpl"},
}

// rcdOptions are the keys of options.rcd.
type rcdOptions struct {
	After        []string     `yaml:"after" doc:"apps, or what other scripts PROVIDE, such as postgresql, that are started before the program"`
	ReloadSignal reloadSignal `yaml:"reload_signal" doc:"signal that makes the program read its configuration again; without one the service has no reload"`
	SCGIRun      string       `yaml:"scgi_run" default:"/usr/local/bin/scgi-run" format:"path" doc:"the program scgi-run, which sets user, groups and limits, and writes the log"`
	WrapperDir   string       `yaml:"wrapper_dir" default:"/usr/local/libexec/scgikit" format:"path" doc:"folder of the scripts that become the programs"`
}

// rcdSystem is rc.subr with daemon(8).
func rcdSystem() *initSystem {
	return &initSystem{
		target: "rcd", keeper: "daemon(8)", run: "/var/run", scripts: "rc.d",
		// rc.subr makes variables of the name.
		file: func(service string) string { return strings.ReplaceAll(service, "-", "_") },
		options: func(a *appfile.App) initOptions {
			o := option(a, "rcd", rcdOptions{SCGIRun: plainSCGIRun, WrapperDir: plainWrapperDir})
			return initOptions{After: o.After, ReloadSignal: o.ReloadSignal, SCGIRun: o.SCGIRun, WrapperDir: o.WrapperDir}
		},
		restart: func(a *appfile.App, _ *initOptions) initRestart {
			return initRestart{Delay: int64(a.Run.Restart.Delay / time.Second), Never: a.Run.Restart.Policy == appfile.RestartNever}
		},
		accept: acceptRCD,
	}
}

func acceptRCD(c *initCheck) {
	r := &c.a.Run.Restart
	switch r.Policy {
	case appfile.RestartAlways:
	case appfile.RestartOnFailure:
		c.lost("daemon(8) starts the program again whatever it ends with", "use always or never", "run.restart.policy")
	case appfile.RestartNever:
		c.lost("with run.restart.policy never the program is not started again", "leave it out", "run.restart.delay", "run.restart.max_delay")
		return
	}
	c.seconds("run.restart.delay", r.Delay, time.Second)
	if r.MaxDelay != r.Delay {
		c.lost("the pause does not grow", "leave it out", "run.restart.max_delay")
	}
}
