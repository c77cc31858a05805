package generate

import (
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"scgikit/internal/appfile"
	"scgikit/internal/diag"
	"scgikit/internal/fileset"
	"scgikit/internal/quote"
)

// s6rc writes source definitions for s6-rc-compile: for each instance of an app
// a longrun, its logger, and the name of both.
//
// Sources: https://skarnet.org/software/s6-rc/s6-rc-compile.html, s6-rc.html;
// run with s6-rc 0.5.4.1 on s6 2.11.3.2.
var s6rc = &Target{
	Name:    "s6-rc",
	Kind:    Supervisor,
	Summary: "source definitions with a logger, for s6-rc-compile",
	Source:  "https://skarnet.org/software/s6-rc/",
	Options: new(s6rcOptions),
	Fields:  s6rcFamily().fields(s6rcFields()),
	Fits:    fitsAny,
	Accept:  acceptS6rc,
	Files:   filesS6rc,
	Quote:   quote.Sh,
	Quotes:  folderQuotes(),
	Parts:   append(folderParts(), "s6/_finish.tmpl"),
}

// s6rcOptions are the keys of options.s6-rc.
type s6rcOptions struct {
	BinDir  string   `yaml:"bin_dir" format:"path" doc:"folder of s6-setuidgid, s6-log and the others of s6; default is what PATH finds"`
	Logger  s6Logger `yaml:"logger" doc:"what writes the log; default is s6-log where that can do all that log asks for, and scgi-run else"`
	SCGIRun string   `yaml:"scgi_run" default:"/usr/local/bin/scgi-run" format:"path" doc:"the program scgi-run, for logger scgi-run"`

	After          []string     `yaml:"after" doc:"apps, or instances of apps, that have to be up before this one is started, and that end after it"`
	Needs          []string     `yaml:"needs" doc:"services and bundles of other source folders that have to be up before this one is started, such as one that brings the network up"`
	NotificationFD int          `yaml:"notification_fd" min:"3" max:"255" doc:"descriptor on which the program writes a newline when it is ready; without it, it is up as soon as it has been started"`
	Listener       listenerName `yaml:"listener" doc:"what listens for cgi, and wsgi.server builtin and uwsgi: scgi-run, where these keep running; the others start the program for each connection, the default with run.mode per-request being s6-ipcserver for listen.unix and tcpserver for listen.tcp"`
	ListenerDir    string       `yaml:"listener_dir" format:"path" doc:"per request: folder of the listener; default is what PATH finds"`
	Essential      bool         `yaml:"essential" default:"false" doc:"s6-rc -d leaves it up; s6-rc -D does not"`
}

func s6rcFields() Fields {
	const paused = "finish"
	fields := s6Fields()
	maps.Copy(fields, Fields{
		"run.instances":         {Carried, "a service each, and a bundle of them"},
		"run.start_timeout":     {Carried, "the file timeout-up, where the options say how the program becomes ready"},
		"run.stop_signal":       {Carried, "the file down-signal, where it is not TERM"},
		"run.stop_timeout":      {Carried, "the files timeout-kill and timeout-down; s6-supervise kills the process, not its group"},
		"run.restart.policy":    {Carried, paused},
		"run.restart.delay":     {Carried, paused + "; whole seconds, and it does not grow until there have been burst ends"},
		"run.restart.max_delay": {Carried, paused},
		"run.restart.burst":     {Carried, paused},
		"run.restart.window":    {Carried, paused},
		"log.dir":               {Carried, "its parent has to be there"},
	})
	return fields
}

// s6rcFamily is s6's, with definitions in the place of folders.
func s6rcFamily() *family {
	f := s6Family()
	f.target, f.compiled = "s6-rc", true
	f.honours = append(f.honours, "run.start_timeout", f.option("notification_fd"), f.option("after"))
	f.options = func(a *appfile.App) folderOptions {
		o := s6rcOptionsOf(a)
		return folderOptions{
			family: f, BinDir: o.BinDir, Logger: loggerName(o.Logger), SCGIRun: o.SCGIRun,
			After: o.After, NotificationFD: o.NotificationFD, ReloadSignal: reloadHUP,
			Listener: o.Listener, ListenerDir: o.ListenerDir,
		}
	}
	return f
}

func s6rcOptionsOf(a *appfile.App) s6rcOptions {
	return option(a, "s6-rc", s6rcOptions{SCGIRun: plainSCGIRun})
}

// s6rcReserved are what no name may begin with.
var s6rcReserved = [...]string{"s6rc-", "s6-rc-"}

func isReservedS6rc(name string) bool {
	return slices.ContainsFunc(s6rcReserved[:], func(prefix string) bool { return strings.HasPrefix(name, prefix) })
}

// acceptS6rc returns the problems of an app: those that it would have with s6,
// and those of names, which s6-rc-compile would refuse.
func acceptS6rc(s *Scope, a *appfile.App) diag.List {
	f := s6rcFamily()
	list := f.accept(s, a)
	refuse := func(field, message, hint string) {
		list = append(list, a.Problem(field, codeCannotCarry, message, hint))
	}
	if isReservedS6rc(a.Name) {
		refuse("name", "s6-rc keeps names that begin with s6rc- or s6-rc- for itself", "give the app another name")
	}
	options := s6rcOptionsOf(a)
	for i, name := range options.After {
		other := appOfService(s.Project, name)
		if other == nil || other.Name == a.Name || slices.Contains(s.Apps, other) {
			continue
		}
		if len(other.Targets) > 0 && !slices.Contains(other.Targets, f.target) {
			refuse(fmt.Sprintf("%s[%d]", f.option("after"), i), other.Name+" has no definition: its targets do not name "+f.target,
				"add "+f.target+" to the targets of "+other.Name)
		}
	}
	for i, name := range options.Needs {
		field := fmt.Sprintf("%s[%d]", f.option("needs"), i)
		switch _, err := quote.ServiceName(name); {
		case err != nil || strings.Contains(name, `\`):
			refuse(field, fmt.Sprintf("%q is no name of a service", name), "write the name of its folder in its source folder")
		case isReservedS6rc(name):
			refuse(field, "s6-rc keeps names that begin with s6rc- or s6-rc- for itself", "leave it out")
		case appOfService(s.Project, name) != nil:
			refuse(field, name+" is an app of this project", "write it in "+f.option("after"))
		}
	}
	if limit := a.Run.StartTimeout; options.NotificationFD != 0 {
		switch {
		case limit > maxKillAfter:
			refuse("run.start_timeout", "timeout-up takes at most "+maxKillAfter.String(), "use less, such as 1h")
		case limit%time.Millisecond != 0:
			refuse("run.start_timeout", "timeout-up counts whole milliseconds", "write whole milliseconds")
		}
	}
	return list
}

// The definitions of an instance are named after its service. Names of apps
// have no dots, so that no other app has these.
const (
	programSuffix = ".srv"
	loggerSuffix  = ".log"
)

// The places of what the target writes; the second is that of a file named after
// a service that another source folder defines.
const (
	placeDefinition = "definition"
	placeElsewhere  = "definition elsewhere"
)

// definition collects the files of one definition.
type definition struct {
	name  string
	app   *appfile.App
	specs []Spec
}

func (d *definition) add(specs ...Spec) {
	for _, s := range specs {
		s.Path, s.Apps = path.Join(d.name, s.Path), []*appfile.App{d.app}
		if s.Place == "" {
			s.Place = placeDefinition
		}
		d.specs = append(d.specs, s)
	}
}

// emptyFile is a file whose being there says all.
func emptyFile(name string) Spec { return Spec{Path: name, Mode: 0o644} }

// filesS6rc returns the definitions of a run.
func filesS6rc(s *Scope) ([]Spec, error) {
	f := s6rcFamily()
	var specs []Spec
	for _, a := range s.Apps {
		for _, inst := range a.Instances {
			program, err := f.programDefinition(a, inst)
			if err != nil {
				return nil, err
			}
			specs = append(specs, program...)
			specs = append(specs, f.loggerDefinition(a, inst)...)
		}
		if len(a.Instances) > 1 {
			bundle := &definition{name: a.Name, app: a}
			bundle.add(folderOf(""), valueFile("type", "bundle"), folderOf("contents.d"))
			for _, inst := range a.Instances {
				bundle.add(emptyFile("contents.d/" + inst.Service()))
			}
			specs = append(specs, bundle.specs...)
		}
	}
	return specs, nil
}

// longrun begins a definition of a longrun.
func longrun(name string, a *appfile.App) *definition {
	d := &definition{name: name, app: a}
	d.add(folderOf(""), valueFile("type", "longrun"))
	if s6rcOptionsOf(a).Essential {
		d.add(emptyFile("flag-essential"))
	}
	return d
}

// ready adds the files of a program that says when it is ready: the descriptor,
// and how long s6-rc waits for it.
func (d *definition) ready(fd int, limit time.Duration) {
	d.add(numberFile("notification-fd", int64(fd)), numberFile("timeout-up", limit.Milliseconds()))
}

// dependencies adds the names of what has to be up before: apps of the project,
// and services of other source folders.
func (d *definition) dependencies(apps, elsewhere []string) {
	if len(apps)+len(elsewhere) > 0 {
		d.add(folderOf("dependencies.d"))
	}
	for _, name := range slices.Compact(slices.Sorted(slices.Values(apps))) {
		d.add(emptyFile("dependencies.d/" + name))
	}
	for _, name := range slices.Compact(slices.Sorted(slices.Values(elsewhere))) {
		file := emptyFile("dependencies.d/" + name)
		file.Place = placeElsewhere
		d.add(file)
	}
}

// stopGrace is how long s6-rc waits for the end of a program that s6-supervise
// has killed, and of its finish: longer than s6-supervise waits for that.
const stopGrace = 10 * time.Second

// programDefinition returns the longrun of one instance. Its service folder will
// be another one, with those files of the definition in it that s6-rc-compile
// knows, and env.
func (f *family) programDefinition(a, inst *appfile.App) ([]Spec, error) {
	options := f.optionsOf(a)
	service := inst.Service()
	app := inst
	if bridged(a) {
		app = perConnection(inst)
	}
	d := longrun(service+programSuffix, a)
	d.add(valueFile("producer-for", service+loggerSuffix))
	d.dependencies(options.After, s6rcOptionsOf(a).Needs)
	env, err := f.envFolder(app)
	if err != nil {
		return nil, err
	}
	d.add(env...)
	if bridged(a) {
		d.add(Spec{Path: "run", Mode: 0o755, Template: "listen.tmpl", Data: listen(inst, &options, len(env) > 0)})
	} else {
		d.add(Spec{Path: "run", Mode: 0o755, Template: "run.tmpl", Data: startScript(inst, &options, "run", inst.Run.Command, len(env) > 0)})
	}
	d.add(f.own(app, &options)...)
	// Requests that run go on where a listener ends by itself, which needs no limit.
	if !options.leavesRequests() || a.IsSet("run.stop_timeout") {
		d.add(numberFile("timeout-kill", app.Run.StopTimeout.Milliseconds()), numberFile("timeout-down", (app.Run.StopTimeout+stopGrace).Milliseconds()))
	}
	if app.Run.StopSignal != plainSignal {
		d.add(valueFile("down-signal", string(app.Run.StopSignal)))
	}
	if options.NotificationFD != 0 {
		d.ready(options.NotificationFD, inst.Run.StartTimeout)
	}
	return d.specs, nil
}

// loggerReady is the descriptor on which s6-log says that it is ready, and
// loggerStart how long it may take.
const (
	loggerReady = 3
	loggerStart = 10 * time.Second
)

// loggerDefinition returns the longrun that writes the log of one instance, and
// names both. Where s6-log writes it, the program is not started before the log
// can be written.
func (f *family) loggerDefinition(a, inst *appfile.App) []Spec {
	options := f.optionsOf(a)
	service := inst.Service()
	d := longrun(service+loggerSuffix, a)
	d.add(valueFile("consumer-for", service+programSuffix), valueFile("pipeline-name", service))
	d.add(Spec{Path: "run", Mode: 0o755, Template: "log.tmpl", Data: logScript(inst, &options)})
	if loggerOf(inst, &options) == loggerS6 {
		d.ready(loggerReady, loggerStart)
	}
	d.add(Spec{Path: "dir", Kind: fileset.Dir, Mode: fs.FileMode(0o750), User: inst.Log.User, Place: inst.LogDir()})
	return d.specs
}
