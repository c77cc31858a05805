package generate

import (
	"scgikit/internal/appfile"
	"scgikit/internal/diag"
	"scgikit/internal/quote"
)

// sysv writes LSB init scripts for System V init, with Debian's
// start-stop-daemon. Nothing there starts a program again that has ended.
//
// Source: LSB 5.0, System Initialization; start-stop-daemon(8); measured with
// start-stop-daemon 1.21.22.
var sysv = &Target{
	Name:    "sysv",
	Kind:    Supervisor,
	Summary: "LSB init scripts with start-stop-daemon",
	Source:  "https://refspecs.linuxfoundation.org/lsb.shtml",
	Options: new(sysvOptions),
	Fields: sysvSystem().fields(Fields{
		"run.restart.policy":    {Carried, "never; " + sysvNoRestart},
		"run.restart.delay":     {Warned, sysvNoRestart},
		"run.restart.max_delay": {Warned, sysvNoRestart},
		"run.restart.burst":     {Warned, sysvNoRestart},
		"run.restart.window":    {Warned, sysvNoRestart},
	}),
	Fits:     fitsResident,
	Accept:   func(s *Scope, a *appfile.App) diag.List { return sysvSystem().acceptApp(s, a) },
	Files:    func(s *Scope) ([]Spec, error) { return sysvSystem().files(s) },
	Quote:    quote.Sh,
	Printers: map[string]func(string) (string, error){"qcomment": quote.Comment},
	Parts:    []string{"daemontools/_envfile.tmpl", "daemontools/_start.tmpl", "openrc/_program.tmpl"},
}

const sysvNoRestart = "nothing in System V init starts a program again; scgikit supervise does, see scgikit service"

// sysvOptions are the keys of options.sysv.
type sysvOptions struct {
	After        []string     `yaml:"after" doc:"apps, or what other scripts provide, such as postgresql or $$named, that are started before the program where they are there"`
	ReloadSignal reloadSignal `yaml:"reload_signal" doc:"signal that makes the program read its configuration again; without one the script has no reload"`
	SCGIRun      string       `yaml:"scgi_run" default:"/usr/local/bin/scgi-run" format:"path" doc:"the program scgi-run, which sets user, groups and limits, and writes the log"`
	WrapperDir   string       `yaml:"wrapper_dir" default:"/usr/local/libexec/scgikit" format:"path" doc:"folder of the scripts that become the programs"`
}

// sysvSystem is System V init with start-stop-daemon.
func sysvSystem() *initSystem {
	return &initSystem{
		target: "sysv", keeper: "start-stop-daemon", run: "/run", scripts: "init.d",
		file: func(service string) string { return service },
		options: func(a *appfile.App) initOptions {
			o := option(a, "sysv", sysvOptions{SCGIRun: plainSCGIRun, WrapperDir: plainWrapperDir})
			return initOptions{After: o.After, ReloadSignal: o.ReloadSignal, SCGIRun: o.SCGIRun, WrapperDir: o.WrapperDir}
		},
		restart: func(*appfile.App, *initOptions) initRestart { return initRestart{Never: true} },
		accept:  acceptSysV,
	}
}

func acceptSysV(c *initCheck) {
	if c.a.Run.Restart.Policy != appfile.RestartNever {
		c.list = append(c.list, c.a.Warning("run.restart.policy", codeNotCarried, "sysv does not carry it: "+sysvNoRestart,
			"set it to never where that is meant, or use a target that starts programs again"))
	}
}
