package generate

import (
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

// What the targets have in common that write a service folder for each instance
// of an app, with its own logger.

// family is what differs between the programs that keep service folders up.
type family struct {
	target  string // its name, and that of its options
	keeper  string // the program, for people; no article
	options func(*appfile.App) folderOptions
	logger  loggerName // its own

	// unixListener listens on sockets that have a path, where no option says
	// what does.
	unixListener listenerName

	// takes are variables that its programs take for their own, besides those
	// of the shell.
	takes []string

	// honours are the fields that the keeper honours, of those that stand in
	// small files or in files of its own.
	honours []string

	// envdir is the program that reads the folder env, with its flags; before
	// is what comes between it and the app: the user, and the limits.
	envdir func(*folderOptions) []string
	before func(*appfile.App, *folderOptions) []string

	// loggerUser is what makes the logger's user of root.
	loggerUser func(*appfile.App, *folderOptions) []string

	// compiled says that the folders are made from definitions: a script finds
	// none of its files there but env, no other service can be added by hand,
	// and the log stands in log.dir alone.
	compiled bool

	// groups returns the problems of run.group and run.supplementary_groups.
	groups func(*family, *appfile.App) diag.List

	// own returns further files of an instance, which its keeper alone reads.
	own func(*appfile.App, *folderOptions) []Spec
}

// folderOptions are the options of a target with service folders.
type folderOptions struct {
	family         *family
	BinDir         string
	Down           bool
	Logger         loggerName
	SCGIRun        string
	Listener       listenerName
	ListenerDir    string
	Ours           bool // scgikit supervise keeps the folders up
	After          []string
	Check          []string
	NotificationFD int
	Reload         []string
	ReloadSignal   reloadSignal
}

// program is a program of the family as a script names it.
func (o *folderOptions) program(name string) string { return path.Join(o.BinDir, name) }

// optionsOf returns the options of an app, with what follows from them.
func (f *family) optionsOf(a *appfile.App) folderOptions {
	o := f.options(a)
	if bridged(a) {
		o.listens(a)
	} else {
		o.Listener = listenerAuto
	}
	return o
}

// option is the path of one of the target's options.
func (f *family) option(key string) string { return "options." + f.target + "." + key }

// reserved reports whether a variable must not be set before the app starts.
func (f *family) reserved(name string) bool {
	return reservedVariable(name) || slices.Contains(f.takes, name)
}

// fields says what becomes of every field; own holds those that the family
// does in its own way.
func (f *family) fields(own Fields) Fields {
	const byUs = "cgi, and wsgi.server builtin and uwsgi"
	commandDecides := Field{Carried, "wsgi.server builtin and uwsgi; of custom, run.command decides it, with a warning"}
	socket := Field{Carried, byUs + "; a program of your own makes its own socket, with a warning"}
	fields := Fields{
		"protocol":            {Carried, "of cgi scgi, or fastcgi where the bridge keeps running; of wsgi.server builtin scgi, of uwsgi all but ajp; another is refused"},
		"run.command":         {Carried, ""},
		"run.directory":       {Carried, "for wsgi by scgi-run; a script runs in its own folder, with a warning"},
		"run.instances":       {Carried, "a service folder each; of " + byUs + " more than 1 are refused"},
		"run.mode":            {Carried, "auto: the bridge keeps running"},
		"run.max_concurrent":  {Carried, "cgi, and wsgi.style zygote and once; else a warning"},
		"run.request_timeout": {Carried, "by scgi-run; of a program of your own a warning"},
		"cgi.*":               {Carried, "by scgi-run"},
		"cgi.handoff":         {Carried, "per request, which it makes the default"},
		"wsgi.module":         {Carried, ""},
		"wsgi.server":         {Carried, ""},
		"wsgi.style":          {Carried, "prefork where nothing else is set; once is per request; of custom, run.command decides it, with a warning"},
		"wsgi.python":         commandDecides,
		"wsgi.path":           commandDecides,
		"wsgi.workers":        {Carried, "of prefork and uwsgi; else a warning"},
		"wsgi.threads":        {Carried, "of uwsgi; else a warning"},
		"listen.tcp":          {Carried, byUs + "; a program of your own makes its own socket"},
		"listen.unix":         {Carried, byUs + "; a program of your own makes its own socket"},
		"listen.user":         socket,
		"listen.group":        socket,
		"listen.mode":         socket,
		"listen.backlog":      socket,
		"log.dir":             {Carried, "where it is set, log/main is a link to it; its parent has to be there; else log/main is the folder"},
		"log.user":            {Carried, ""},
		"http.max_body":       {Carried, byUs},
		"http.mount":          {Carried, byUs},
	}
	maps.Copy(fields, f.settingFields())
	maps.Copy(fields, f.logFields())
	maps.Copy(fields, own)
	return starterFields(fields)
}

// fitsResident is Fits of a starter of programs that keep running.
func fitsResident(a *appfile.App) string {
	if perRequest(a) {
		return "it is a process for each request, which this target has no listener for; leave run.mode out, or use inetd, systemd, or one of the service folders"
	}
	return ""
}

func (f *family) accept(s *Scope, a *appfile.App) diag.List {
	list := append(acceptStarter(s, a), acceptServices(s.Project, a, fitsAny, sameName)...)
	refuse := func(field, message, hint string) {
		list = append(list, a.Problem(field, codeCannotCarry, message, hint))
	}
	if bridged(a) {
		list = append(list, f.acceptListener(a)...)
	} else {
		list = append(list, f.acceptResident(a)...)
	}
	list = append(list, f.groups(f, a)...)
	list = append(list, f.acceptSettings(s, a)...)
	list = append(list, f.acceptLog(a)...)
	for _, name := range slices.Sorted(maps.Keys(a.Run.Env)) {
		if _, err := quote.Envdir(a.Run.Env[name]); err != nil && !f.reserved(name) && !bridged(a) {
			refuse("run.env."+name, err.Error(), "take the space away, or let the program read a file")
		}
	}
	for _, secret := range secretFiles(a) {
		if slices.Contains(f.takes, secret.Name) {
			refuse("run.secrets."+secret.Name, "the programs of "+f.target+" take "+secret.Name+" for their own before the program starts",
				"give the variable another name")
		}
	}
	return list
}

// acceptResident returns the problems of a program that keeps running.
func (f *family) acceptResident(a *appfile.App) diag.List {
	var list diag.List
	if a.Run.Mode == appfile.RunPerRequest {
		list = append(list, a.Problem("run.mode", codeCannotCarry, f.target+" keeps a program running", "leave it out, or set it to resident"))
	}
	list = append(list, f.lost(a, "it is for a process per request, and this program keeps running", "run.max_concurrent", "run.request_timeout")...)
	list = append(list, f.lost(a, "run.command decides it", "wsgi.python", "wsgi.path", "wsgi.style", "wsgi.workers", "wsgi.threads")...)
	list = append(list, f.lost(a, "the program listens by itself", f.option("listener"), f.option("listener_dir"))...)
	return append(list, f.lost(a, "the program makes its own socket; run.umask is all that "+f.target+" adds",
		"listen.user", "listen.group", "listen.mode", "listen.backlog")...)
}

// folderStart is what the templates of run, check and reload are given.
type folderStart struct {
	Name    string // of the script
	Literal bool   // see looksMistaken
	Umask   string
	Dir     string
	EnvFile string
	Takes   []string // variables that the env file may not set, besides those of the shell
	PassEnv bool     // as in listenScript
	First   bool     // "$1" is the env folder, while the env file is read
	Envdir  []string // the program and its flags; none where there is no env folder
	Nice    []int64  // niceness, if any
	Before  []string // the programs that set user and limits, and their arguments
	LateEnv []string // NAME=value of variables that must not reach those
	Command []string
	Rest    []string // of the command, behind flags for the variables of the env file
}

// files returns the service folders of a run.
func (f *family) files(s *Scope) ([]Spec, error) {
	var specs []Spec
	for _, a := range s.Apps {
		for _, inst := range a.Instances {
			service, err := f.serviceFolder(s.Project, a, inst)
			if err != nil {
				return nil, err
			}
			specs = append(specs, service...)
		}
	}
	return specs, nil
}

// serviceFolder returns the files of one instance.
func (f *family) serviceFolder(project *appfile.Project, a, inst *appfile.App) ([]Spec, error) {
	var specs []Spec
	add := func(name string, s Spec) {
		s.Path, s.Place, s.Apps = path.Join(inst.Service(), name), "service", []*appfile.App{a}
		specs = append(specs, s)
	}
	options := f.optionsOf(a)
	listens := bridged(a)
	app := inst
	if listens {
		app = perConnection(inst)
	}
	add("", Spec{Kind: fileset.Dir, Mode: 0o755})
	if options.Down {
		add("down", Spec{Mode: 0o644})
	}
	env, err := f.envFolder(app)
	if err != nil {
		return nil, err
	}
	for _, file := range env {
		add(file.Path, file)
	}
	if listens {
		add("run", Spec{Mode: 0o755, Template: "listen.tmpl", Data: listen(inst, &options, len(env) > 0)})
	} else {
		add("run", Spec{Mode: 0o755, Template: "run.tmpl", Data: startScript(inst, &options, "run", inst.Run.Command, len(env) > 0)})
	}
	for _, file := range smallFiles(project, app, &options, len(env) > 0) {
		add(file.Path, file)
	}
	if f.own != nil && !options.Ours {
		for _, file := range f.own(app, &options) {
			add(file.Path, file)
		}
	}
	add("log", Spec{Kind: fileset.Dir, Mode: 0o755})
	add("log/run", Spec{Mode: 0o755, Template: "log.tmpl", Data: logScript(inst, &options)})
	config := logConfig(inst, &options)
	if !inst.IsSet("log.dir") {
		add("log/main", Spec{Kind: fileset.Dir, Mode: 0o750, User: inst.Log.User})
		if config != nil {
			add("log/main/config", *config)
		}
		return specs, nil
	}
	add("log/main", Spec{Kind: fileset.Symlink, Link: inst.LogDir()})
	add("log/dir", Spec{Kind: fileset.Dir, Mode: 0o750, User: inst.Log.User})
	specs[len(specs)-1].Place = inst.LogDir()
	if config != nil {
		add("log/dir/config", *config)
		specs[len(specs)-1].Place = path.Join(inst.LogDir(), "config")
	}
	return specs, nil
}

// startScript decides the order of the programs in run, or in a script that
// starts another command as the app is started: the folder env is read while
// still root, so that a secret need not be readable by the app; the user comes
// before the limits, because a limit of processes counts those of the user.
// PATH and what the loader obeys come last, through env(1): before that they
// would choose the program that root runs, or a library for it.
func startScript(a *appfile.App, options *folderOptions, name string, command []string, hasEnv bool) folderStart {
	f := options.family
	data := folderStart{
		Name: name, Umask: a.Run.Umask.String(), Dir: a.Run.Directory, EnvFile: a.Run.EnvFile, Takes: f.takes,
		Command: slices.Clone(command), Before: f.before(a, options),
	}
	if hasEnv {
		data.Envdir = f.envdir(options)
		if data.Envdir[0] == data.Before[0] {
			data.Before = data.Before[1:] // one program does both, in this order
		}
		data.First = true
	}
	if a.Run.Nice != 0 {
		data.Nice = []int64{int64(a.Run.Nice)}
	}
	late := maps.Clone(a.Run.Env)
	maps.DeleteFunc(late, func(name, _ string) bool { return !f.reserved(name) })
	data.LateEnv = envWords(late)
	// Without a slash, exec would search PATH and not the working directory.
	if !strings.Contains(data.Command[0], "/") {
		data.Command[0] = "./" + data.Command[0]
	}
	data.Literal = looksMistaken(data.Command, data.LateEnv, []string{data.Dir, data.EnvFile})
	return data
}

// envFolder returns the files of env/, one a variable, or nothing where there
// are none. A secret is a link to the file that holds it.
func (f *family) envFolder(a *appfile.App) ([]Spec, error) {
	var specs []Spec
	mode := fs.FileMode(0o755)
	for _, name := range slices.Sorted(maps.Keys(a.Run.Env)) {
		if f.reserved(name) {
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

// limit is one resource limit, by the letter that softlimit of daemontools and
// the programs after it have for it.
type limit struct {
	letter string
	value  int64
}

// softLimits returns the limits that a description sets, in a fixed order.
func softLimits(l appfile.Limits) []limit {
	var list []limit
	add := func(letter string, value *int64) {
		if value != nil {
			list = append(list, limit{letter, *value})
		}
	}
	add("-c", (*int64)(l.Core))
	add("-o", l.NoFile)
	add("-p", l.NProc)
	add("-a", (*int64)(l.Memory))
	add("-t", l.CPUSeconds)
	return list
}

// folderOf is an empty folder of a service folder.
func folderOf(name string) Spec { return Spec{Path: name, Kind: fileset.Dir, Mode: 0o755} }

// folderParts are the templates that service folders have in common.
func folderParts() []string {
	var parts []string
	for _, name := range []string{"after", "envfile", "helper", "listen", "log", "restart", "run", "start"} {
		parts = append(parts, "daemontools/_"+name+".tmpl")
	}
	return parts
}
