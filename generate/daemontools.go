package generate

import (
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"scgikit/internal/appfile"
	"scgikit/internal/diag"
	"scgikit/internal/fileset"
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
	Fields:  starterFields(daemontoolsFields()),
	Fits:    fitsDaemontools,
	Accept:  acceptDaemontools,
	Files:   filesDaemontools,
	Quote:   quote.Sh,
	Quotes:  daemontoolsQuotes(),
}

// daemontoolsOptions are the keys of options.daemontools.
type daemontoolsOptions struct {
	BinDir  string     `yaml:"bin_dir" format:"path" doc:"folder of setuidgid, envdir, softlimit and multilog, such as /command; default is what PATH finds"`
	Down    bool       `yaml:"down" default:"false" doc:"install the service stopped; svc -u starts it"`
	Logger  loggerName `yaml:"logger" doc:"what writes the log; default is multilog where that can do all that log asks for, and scgi-run else"`
	SCGIRun string     `yaml:"scgi_run" default:"/usr/local/bin/scgi-run" format:"path" doc:"the program scgi-run, for logger scgi-run"`

	// What follows stands in small files.
	Supervisor     supervisorName `yaml:"supervisor" default:"daemontools" doc:"what keeps the folders up: daemontools gives a warning for each field that its supervise ignores, scgikit, which is scgikit supervise, honours them all"`
	After          []string       `yaml:"after" doc:"apps, or services of the same scan folder, that have to be ready before this one is started, and that end after it"`
	Check          []string       `yaml:"check" doc:"program and arguments, run as the program itself is; it exits with 0 when that is ready"`
	NotificationFD int            `yaml:"notification_fd" min:"3" max:"255" doc:"descriptor on which the program writes a newline when it is ready"`
	Reload         []string       `yaml:"reload" doc:"program and arguments, run as the program itself is, that make it read its configuration again; MAINPID is the process"`
	ReloadSignal   reloadSignal   `yaml:"reload_signal" default:"HUP" doc:"signal that makes it do so, where no reload is set"`
}

func daemontoolsOptionsOf(a *appfile.App) daemontoolsOptions {
	return option(a, "daemontools", daemontoolsOptions{
		SCGIRun: "/usr/local/bin/scgi-run", Supervisor: supervisorDaemontools, ReloadSignal: reloadHUP,
	})
}

func daemontoolsFields() Fields {
	bridge := Field{Refused, "needs the resident bridge, which this version does not have; use inetd"}
	commandDecides := Field{Warned, "run.command decides it"}
	ownSocket := Field{Warned, "the program makes its own socket; run.umask is all that daemontools adds"}
	const byOurs = "by scgi-run, not by multilog"
	perRequest := Field{Warned, "it is for a process per request, and this program keeps running"}
	fields := Fields{
		"run.command":              {Carried, ""},
		"run.directory":            {Carried, ""},
		"run.group":                {Carried, "the user's own; setuidgid knows no other"},
		"run.supplementary_groups": {Refused, "setuidgid leaves the program its user's own group and no other"},
		"run.instances":            {Carried, "a service folder each"},
		"run.max_concurrent":       perRequest,
		"run.request_timeout":      perRequest,
		"cgi.*":                    bridge,
		"wsgi.module":              {Elsewhere, ""},
		"wsgi.server":              {Carried, "custom; builtin needs the resident bridge, which this version does not have"},
		"wsgi.python":              commandDecides,
		"wsgi.path":                commandDecides,
		"wsgi.style":               commandDecides,
		"wsgi.workers":             commandDecides,
		"wsgi.threads":             commandDecides,
		"listen.tcp":               {Elsewhere, ""},
		"listen.unix":              {Elsewhere, ""},
		"listen.user":              ownSocket,
		"listen.group":             ownSocket,
		"listen.mode":              ownSocket,
		"listen.backlog":           ownSocket,
		"log.dir":                  {Carried, "where it is set, log/main is a link to it; its parent has to be there; else log/main is the folder"},
		"log.user":                 {Carried, ""},
		"log.timestamp":            {Carried, "iso " + byOurs},
		"log.max_size":             {Carried, "4096 to 16777215 bytes"},
		"log.keep":                 {Carried, ""},
		"log.max_total":            {Carried, "where max_size and keep can exceed it, " + byOurs},
		"log.max_age":              {Carried, byOurs},
		"log.rotate_after":         {Carried, byOurs},
		"log.compress":             {Carried, byOurs + "; for zstd it needs scgikit beside it, or in PATH"},
		"log.filter":               {Carried, ""},
		"log.processor":            {Carried, ""},
	}
	maps.Copy(fields, settingFields())
	return fields
}

func fitsDaemontools(a *appfile.App) string {
	switch {
	case a.Type == appfile.TypeServer:
		return ""
	case a.Type == appfile.TypeWSGI && a.WSGI.Server == appfile.WSGICustom:
		return ""
	case a.Type == appfile.TypeWSGI && a.WSGI.Server == appfile.WSGIUWSGI:
		return "this version writes no command for wsgi.server uwsgi; use custom with run.command"
	}
	return "it needs the resident bridge, which this version does not have; use inetd"
}

func acceptDaemontools(s *Scope, a *appfile.App) diag.List {
	list := acceptStarter(s, a)
	refuse := func(field, message, hint string) {
		list = append(list, a.Problem(field, codeCannotCarry, message, hint))
	}
	if a.Run.Mode == appfile.RunPerRequest {
		refuse("run.mode", "daemontools keeps a program running", "leave it out, or set it to resident")
	}
	if a.Run.Group != "" && a.Run.Group != a.Run.User {
		refuse("run.group", "setuidgid gives the program the user's own group, and no description says whether that is "+a.Run.Group,
			"make "+a.Run.Group+" the group of "+a.Run.User+" on the machine, and leave run.group out")
	}
	list = append(list, acceptSettings(s, a)...)
	list = append(list, acceptLog(a)...)
	for _, name := range slices.Sorted(maps.Keys(a.Run.Env)) {
		if _, err := quote.Envdir(a.Run.Env[name]); err != nil && !reservedVariable(name) {
			refuse("run.env."+name, err.Error(), "take the space away, or let the program read a file")
		}
	}
	return list
}

// daemontoolsStart is what the templates of run, check and reload are given.
type daemontoolsStart struct {
	Name    string // of the script
	Literal bool   // see looksMistaken
	Umask   string
	Dir     string
	EnvFile string
	Envdir  string   // the program; "" where there is no env folder
	Nice    []int64  // niceness, if any
	Before  []string // setuidgid, softlimit and their arguments
	LateEnv []string // NAME=value of variables that must not reach those two
	Command []string
}

func filesDaemontools(s *Scope) ([]Spec, error) {
	var specs []Spec
	for _, a := range s.Apps {
		for _, inst := range a.Instances {
			service, err := serviceFolder(s.Project, a, inst)
			if err != nil {
				return nil, err
			}
			specs = append(specs, service...)
		}
	}
	return specs, nil
}

// serviceFolder returns the files of one instance.
func serviceFolder(project *appfile.Project, a, inst *appfile.App) ([]Spec, error) {
	var specs []Spec
	add := func(name string, s Spec) {
		s.Path, s.Place, s.Apps = path.Join(inst.Service(), name), "service", []*appfile.App{a}
		specs = append(specs, s)
	}
	options := daemontoolsOptionsOf(a)
	add("", Spec{Kind: fileset.Dir, Mode: 0o755})
	if options.Down {
		add("down", Spec{Mode: 0o644})
	}
	env, err := envFolder(inst)
	if err != nil {
		return nil, err
	}
	for _, f := range env {
		add(f.Path, f)
	}
	add("run", Spec{Mode: 0o755, Template: "run.tmpl", Data: startScript(inst, options, "run", inst.Run.Command, len(env) > 0)})
	for _, f := range smallFiles(project, inst, &options, len(env) > 0) {
		add(f.Path, f)
	}
	add("log", Spec{Kind: fileset.Dir, Mode: 0o755})
	add("log/run", Spec{Mode: 0o755, Template: "log.tmpl", Data: logScript(inst, options)})
	if inst.IsSet("log.dir") {
		add("log/main", Spec{Kind: fileset.Symlink, Link: inst.LogDir()})
		specs = append(specs, Spec{
			Path: path.Join(inst.Service(), "log/dir"), Kind: fileset.Dir, Mode: 0o750, User: inst.Log.User,
			Place: inst.LogDir(), Apps: []*appfile.App{a},
		})
	} else {
		add("log/main", Spec{Kind: fileset.Dir, Mode: 0o750, User: inst.Log.User})
	}
	return specs, nil
}

// startScript decides the order of the programs in run, or in a script that
// starts another command as the app is started: envdir reads the folder
// while it is still root, so that a secret need not be readable by the app;
// setuidgid comes before softlimit, because a limit of processes counts those
// of the user. PATH and what the loader obeys come last, through env(1):
// before that they would choose the setuidgid that root runs, or a library
// for it.
func startScript(a *appfile.App, options daemontoolsOptions, name string, command []string, hasEnv bool) daemontoolsStart {
	data := daemontoolsStart{
		Name: name, Umask: a.Run.Umask.String(), Dir: a.Run.Directory, EnvFile: a.Run.EnvFile, Command: slices.Clone(command),
		Before: slices.Concat([]string{path.Join(options.BinDir, "setuidgid"), a.Run.User}, softlimitWords(a.Run.Limits, options)),
	}
	if hasEnv {
		data.Envdir = path.Join(options.BinDir, "envdir")
	}
	if a.Run.Nice != 0 {
		data.Nice = []int64{int64(a.Run.Nice)}
	}
	late := maps.Clone(a.Run.Env)
	maps.DeleteFunc(late, func(name, _ string) bool { return !reservedVariable(name) })
	data.LateEnv = envWords(late)
	// Without a slash, exec would search PATH and not the working directory.
	if !strings.Contains(data.Command[0], "/") {
		data.Command[0] = "./" + data.Command[0]
	}
	data.Literal = looksMistaken(data.Command, data.LateEnv, []string{data.Dir, data.EnvFile})
	return data
}

func softlimitWords(l appfile.Limits, options daemontoolsOptions) []string {
	words := []string{path.Join(options.BinDir, "softlimit")}
	add := func(flag string, value int64) { words = append(words, flag, fmt.Sprint(value)) }
	if l.Core != nil {
		add("-c", int64(*l.Core))
	}
	if l.NoFile != nil {
		add("-o", *l.NoFile)
	}
	if l.NProc != nil {
		add("-p", *l.NProc)
	}
	if l.Memory != nil {
		add("-a", int64(*l.Memory))
	}
	if l.CPUSeconds != nil {
		add("-t", *l.CPUSeconds)
	}
	if len(words) == 1 {
		return nil
	}
	return words
}

// envFolder returns the files of env/, one a variable, or nothing where there
// are none. A secret is a link to the file that holds it.
func envFolder(a *appfile.App) ([]Spec, error) {
	var specs []Spec
	mode := fs.FileMode(0o755)
	for _, name := range slices.Sorted(maps.Keys(a.Run.Env)) {
		if reservedVariable(name) {
			continue
		}
		data, err := quote.Envdir(a.Run.Env[name])
		if err != nil {
			return nil, err
		}
		specs = append(specs, Spec{Path: "env/" + name, Mode: 0o644, Raw: []byte(data)})
	}
	for _, secret := range secretFiles(a) {
		mode = 0o700
		specs = append(specs, Spec{Path: "env/" + secret.Name, Kind: fileset.Symlink, Link: secret.File})
	}
	if len(specs) == 0 {
		return nil, nil
	}
	return append([]Spec{{Path: "env", Kind: fileset.Dir, Mode: mode}}, specs...), nil
}
