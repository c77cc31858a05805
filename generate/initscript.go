package generate

import (
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"scgikit/internal/appfile"
	"scgikit/internal/fileset"
)

// What the targets have in common that write service scripts of an init: for each
// instance of an app a script that the init runs, and one that is started by it, as
// root, and becomes the program. All that is the program's own stands in the second,
// where a shell reads it once: no init splits or evaluates those words again, and
// each has the same user, groups, variables, limits and log.

// initSystem is what differs between the inits.
type initSystem struct {
	target  string // its name, and that of its options
	keeper  string // the program that starts the other script, for people
	run     string // folder of PID files, empty after a boot
	scripts string // folder of its scripts: init.d or rc.d
	file    func(service string) string
	options func(*appfile.App) initOptions
	restart func(*appfile.App, *initOptions) initRestart
	accept  func(*initCheck) // what it does not do of run.restart
}

// initOptions are the options of a target with service scripts.
type initOptions struct {
	After        []string
	ReloadSignal reloadSignal
	GiveUp       bool
	SCGIRun      string
	WrapperDir   string
}

// initRestart is when the program is started again, for those inits that do so.
type initRestart struct {
	Delay  int64 // seconds
	Burst  int64 // 0 for no limit
	Window int64 // seconds
	Never  bool
}

// initScript is what the templates of service scripts are given.
type initScript struct {
	Literal     bool   // see looksMistaken
	Name        string // of the service, as the init knows it
	Description string
	Start       string // the script that becomes the program
	Run         string // folder of PID files
	Checks      []initCheckLine
	After       []string
	Restart     initRestart
	Signal      string // that asks the program to end
	StopTimeout int64  // seconds
	Reload      string // signal; "" for none
}

// initCheckLine is one thing that has to be there before the program is started.
type initCheckLine struct{ Flag, Path, Message string }

// startFile is what the template of the script that becomes the program is given.
type startFile struct {
	Name, Keeper string
	Pipe         string   // the FIFO between program and logger
	SCGIRun      string   // for a logger in a session of its own
	Logger       []string // the logger and its arguments
	User, Group  string
	Secrets      []secretFile
	SocketDir    string // folder to make for the socket, or ""
	Bridge       bool   // root makes the socket, so that the folder is root's
	Start        folderStart
}

// files returns the scripts of a run.
func (in *initSystem) files(s *Scope) ([]Spec, error) {
	var specs []Spec
	for _, a := range s.Apps {
		for _, inst := range a.Instances {
			specs = append(specs, in.instance(s.Project, a, inst)...)
		}
	}
	return specs, nil
}

// instance returns the files of one instance.
func (in *initSystem) instance(project *appfile.Project, a, inst *appfile.App) []Spec {
	o := in.options(a)
	service := inst.Service()
	described := inst
	if bridged(a) {
		inst = perConnection(inst)
		inst.Run.Directory = "/"
		if a.Type == appfile.TypeWSGI {
			o.ReloadSignal = reloadHUP
		}
	}
	start := path.Join(o.WrapperDir, service)
	data := initScript{
		Name: in.file(service), Description: inst.Description, Start: start, Run: in.run,
		Checks: in.checks(described, &o, start), After: in.after(project, o.After), Restart: in.restart(inst, &o),
		Signal: string(inst.Run.StopSignal), StopTimeout: int64(inst.Run.StopTimeout / time.Second), Reload: string(o.ReloadSignal),
	}
	words := []string{data.Start, data.Description}
	for _, check := range data.Checks {
		words = append(words, check.Path)
	}
	data.Literal = looksMistaken(words)
	apps := []*appfile.App{a}
	return []Spec{
		{Path: path.Join(in.scripts, data.Name), Mode: 0o755, Place: in.scripts, Apps: apps, Template: "service.tmpl", Data: data},
		{Path: path.Join("start", service), Mode: 0o755, Place: o.WrapperDir, Apps: apps, Template: "start.tmpl", Data: in.startFile(inst, described, &o)},
		{Path: path.Join("log", service), Kind: fileset.Dir, Mode: fs.FileMode(0o750), User: inst.Log.User, Place: inst.LogDir(), Apps: apps},
	}
}

// after returns the services that are started before, as the init knows them.
func (in *initSystem) after(project *appfile.Project, after []string) []string {
	services := servicesAfter(project, after)
	for i, name := range services {
		if appOfService(project, name) != nil {
			services[i] = in.file(name)
		}
	}
	return services
}

// checks returns what is looked for before the program is started. What only the
// program's user can see is left to the program.
func (in *initSystem) checks(inst *appfile.App, o *initOptions, start string) []initCheckLine {
	program := o.SCGIRun
	switch {
	case !bridged(inst):
		program = inst.Run.Command[0]
	case inst.Type == appfile.TypeWSGI:
		program = inst.WSGI.Python
	case inst.CGI.Script != "":
		program = inst.CGI.Script
	}
	if !strings.HasPrefix(program, "/") {
		program = path.Join(inst.Run.Directory, program)
	}
	lines := []initCheckLine{
		{"-x", start, start + " is no program"},
		{"-x", o.SCGIRun, o.SCGIRun + " is no program"},
		{"-d", inst.LogDir(), inst.LogDir() + " is no folder: nothing would be logged"},
		{"-d", inst.Run.Directory, inst.Run.Directory + " is no folder"},
		{"-x", program, program + " is no program"},
	}
	if inst.CGI.Directory != "" {
		lines = append(lines, initCheckLine{"-d", inst.CGI.Directory, inst.CGI.Directory + " is no folder"})
	}
	if inst.Run.EnvFile != "" {
		lines = append(lines, initCheckLine{"-r", inst.Run.EnvFile, inst.Run.EnvFile + " can not be read"})
	}
	for _, secret := range secretFiles(inst) {
		lines = append(lines, initCheckLine{"-r", secret.File, secret.File + " can not be read"})
	}
	return lines
}

// startFile decides the order of the programs that become the program: a session
// of its own, so that all that it has started can be ended with it; the user before
// the limits, because a limit of processes counts those of the user; the variables
// of the description last, because before that some would choose the program that
// root runs, or a library for it.
//
// For an app that scgi-run answers for, root makes the socket before; described is
// that app, with what scgi-run gives to the program.
func (in *initSystem) startFile(inst, described *appfile.App, o *initOptions) startFile {
	run := &inst.Run
	f := in.family()
	options := f.options(inst)
	options.SCGIRun = o.SCGIRun
	command, rest := run.Command, []string(nil)
	if bridged(inst) {
		aside := *described
		aside.Run.Nice = max(aside.Run.Nice, 0)
		ours := scgiRunResident(&aside, "fd:0")
		command, rest = append([]string{o.SCGIRun}, ours.Flags...), ours.Rest
	}
	start := startScript(inst, &options, inst.Service(), command, false)
	start.LateEnv = envWords(run.Env)
	if bridged(inst) {
		ours := listenCommand(inst, false)
		start.Before = slices.Concat([]string{o.SCGIRun}, ours.Flags, ours.Rest, start.Before)
		start.Rest, start.PassEnv = rest, true
	}
	data := startFile{
		Name: inst.Service(), Keeper: in.keeper, Pipe: path.Join(in.run, inst.Service()+".log"), SCGIRun: o.SCGIRun,
		Logger: slices.Concat([]string{o.SCGIRun, "setuidgid", inst.Log.User}, loggerWords(&inst.Log, loggerOurs, &options), []string{inst.LogDir()}),
		User:   run.User, Group: run.Group, Secrets: secretFiles(inst), Start: start, Bridge: bridged(inst),
	}
	if addr := inst.Addr(); addr.Unix != "" {
		if _, below := belowRun(path.Dir(addr.Unix)); below {
			data.SocketDir = path.Dir(addr.Unix)
		}
	}
	secrets := make([]string, len(data.Secrets))
	for i, secret := range data.Secrets {
		secrets[i] = secret.File
	}
	data.Start.Literal = looksMistaken(start.Command, start.Rest, start.Before, start.LateEnv, data.Logger, secrets, []string{start.Dir, start.EnvFile, data.SocketDir, data.Pipe, data.SCGIRun})
	return data
}

// family is what the start script has in common with a run script of a service
// folder.
func (in *initSystem) family() *family {
	f := &family{
		target: in.target,
		logger: loggerOurs,
		before: func(a *appfile.App, o *folderOptions) []string {
			words := []string{o.SCGIRun, "pgrphack", o.SCGIRun, "setuidgid", account(&a.Run)}
			if limits := softLimits(a.Run.Limits); len(limits) > 0 {
				words = append(words, o.SCGIRun, "softlimit")
				for _, l := range limits {
					words = append(words, l.letter, strconv.FormatInt(l.value, 10))
				}
			}
			return words
		},
	}
	f.options = func(a *appfile.App) folderOptions {
		return folderOptions{family: f, Logger: loggerOurs, SCGIRun: in.options(a).SCGIRun}
	}
	return f
}

// account is user, group and further groups as scgi-run setuidgid takes them.
func account(run *appfile.Run) string {
	words := []string{run.User}
	if run.Group != "" || len(run.SupplementaryGroups) > 0 {
		words = append(words, run.Group)
	}
	return strings.Join(append(words, run.SupplementaryGroups...), ":")
}
