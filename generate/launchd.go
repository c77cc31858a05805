package generate

import (
	"path"
	"strconv"
	"strings"
	"time"

	"scgikit/internal/appfile"
	"scgikit/internal/fileset"
	"scgikit/internal/quote"
)

// launchd writes property lists of system daemons: one for each instance of a
// program that keeps running, or for scgi-run that keeps running for an app; and for
// a program per request one with a socket that launchd makes, and
// inetdCompatibility, so that each connection starts scgi-run on it.
//
// Everybody may read a property list, and launchd appends what a program prints
// to files that nothing rotates. So variables stand in a script beside it, and
// the script of a resident program gives its output to a logger. The limits of
// files and processes stand there too: in the property list of a system daemon,
// NumberOfFiles and NumberOfProcesses change those of the whole machine.
//
// Source: launchd.plist(5) of macOS; the files of launchd that Apple published.
var launchd = &Target{
	Name:    launchdName,
	Kind:    Supervisor,
	Summary: "property lists of daemons, resident or per request",
	Source:  "https://www.launchd.info",
	Options: new(launchdOptions),
	Fields:  starterFields(launchdFields()),
	Fits:    fitsLaunchd,
	Accept:  acceptLaunchd,
	Files:   filesLaunchd,
	Way:     wayLaunchd,
	Quote:   quote.Plist,
	Quotes:  map[string]func(string) (string, error){"start.tmpl": quote.Sh, "request.tmpl": quote.Sh},
	Parts:   []string{"inetd/_envfile.tmpl"},
}

// launchdName is what descriptions call the target.
const launchdName = "launchd"

// launchdOptions are the keys of options.launchd.
type launchdOptions struct {
	LabelPrefix string `yaml:"label_prefix" default:"local.scgikit" doc:"what stands in front of the app's name in its label, a domain of yours written backwards, such as org.example"`
	SCGIRun     string `yaml:"scgi_run" default:"/usr/local/bin/scgi-run" format:"path" doc:"the program scgi-run"`
	WrapperDir  string `yaml:"wrapper_dir" default:"/usr/local/libexec/scgikit" format:"path" doc:"folder of the scripts that launchd starts"`
}

func launchdOptionsOf(a *appfile.App) launchdOptions {
	return option(a, launchdName, launchdOptions{
		LabelPrefix: "local.scgikit", SCGIRun: plainSCGIRun, WrapperDir: plainWrapperDir,
	})
}

// label is the name by which launchd knows an instance.
func (o *launchdOptions) label(inst *appfile.App) string { return o.LabelPrefix + "." + inst.Service() }

// launchdJob is what the template of a property list is given.
type launchdJob struct {
	Label     string
	Arguments []string
	User      string
	Group     string
	Umask     int64
	Nice      []int64 // niceness, if any

	Resident    *launchdResident
	Unix        *launchdUnix
	TCP         *launchdTCP
	PerRequest  bool
	WorkingPath string
}

// launchdResident is when a program that keeps running is started and ended.
type launchdResident struct {
	Always, OnFailure bool  // when it is started again
	Throttle          int64 // seconds between two starts
	ExitTimeOut       int64 // seconds from TERM to KILL
}

// launchdUnix is a socket on disk. Where no owner or group is given, it is
// root's, and has the group of its folder, as every new file on macOS.
type launchdUnix struct {
	Path         string
	Mode         int64
	Owner, Group []int64 // numbers, if any
}

// launchdTCP is a port.
type launchdTCP struct {
	Host, Port string
	Family     string // IPv4 or IPv6; "" is both, for a name
}

// launchdScript is what the template of the script of a resident program is
// given.
type launchdScript struct {
	Name    string
	Literal bool // see looksMistaken
	SCGIRun string
	Pipe    string   // in the folder of the log
	Logger  []string // scgi-run multilog and its words
	Secrets []secretFile
	EnvFile string
	Env     []launchdVariable
	LateEnv []string // NAME=value of variables that belong to the shell
	Limits  []string // words of softlimit
	Command []string

	Bridge      bool     // it becomes scgi-run, to which the names in the env file are words as well
	Rest        []string // what comes behind those
	Credentials bool     // never: launchd gives none
}

type launchdVariable struct{ Name, Value string }

func filesLaunchd(s *Scope) ([]Spec, error) {
	var specs []Spec
	for _, a := range s.Apps {
		switch {
		case perRequest(a):
			specs = append(specs, launchdRequest(a)...)
			continue
		case bridged(a):
			specs = append(specs, launchdBridge(a)...)
			continue
		}
		for _, inst := range a.Instances {
			specs = append(specs, launchdInstance(a, inst)...)
		}
	}
	return specs, nil
}

// launchdPlist is the property list of one instance; the name of the file is
// its label.
func launchdPlist(a *appfile.App, job launchdJob) Spec {
	return Spec{
		Path: job.Label + ".plist", Mode: 0o644, Group: "wheel", Place: "LaunchDaemons", Apps: []*appfile.App{a},
		Template: "job.plist.tmpl", Data: job,
	}
}

// launchdCommon is what both forms have.
func launchdCommon(inst *appfile.App, o *launchdOptions) launchdJob {
	job := launchdJob{
		Label: o.label(inst), Arguments: []string{path.Join(o.WrapperDir, inst.Service())},
		User: inst.Run.User, Group: inst.Run.Group, Umask: int64(inst.Run.Umask),
	}
	if inst.Run.Nice != 0 {
		job.Nice = []int64{int64(inst.Run.Nice)}
	}
	return job
}

func launchdScriptSpec(a, inst *appfile.App, o *launchdOptions, template string, data any) Spec {
	return Spec{
		Path: inst.Service(), Mode: 0o755, Group: "wheel", Place: o.WrapperDir, Apps: []*appfile.App{a}, Template: template, Data: data,
	}
}

// launchdInstance returns the files of one instance of a program that keeps
// running: its property list, the script that it starts, the folder of its log.
func launchdInstance(a, inst *appfile.App) []Spec {
	o := launchdOptionsOf(a)
	job := launchdCommon(inst, &o)
	run := &inst.Run
	job.WorkingPath = run.Directory
	if bridged(a) {
		job.WorkingPath = "/"
	}
	job.Resident = &launchdResident{
		Always: run.Restart.Policy == appfile.RestartAlways, OnFailure: run.Restart.Policy == appfile.RestartOnFailure,
		Throttle: int64(run.Restart.Delay / time.Second), ExitTimeOut: int64(run.StopTimeout / time.Second),
	}
	return []Spec{
		launchdPlist(a, job),
		launchdScriptSpec(a, inst, &o, "start.tmpl", launchdStart(inst, &o)),
		logFolder(a, inst),
	}
}

// launchdStart decides what the script of a resident program does. It is
// started as run.user already.
func launchdStart(inst *appfile.App, o *launchdOptions) launchdScript {
	data := launchdScript{
		Name: inst.Service(), SCGIRun: o.SCGIRun, Pipe: path.Join(inst.LogDir(), "pipe"),
		Logger:  append(append([]string{o.SCGIRun, "multilog"}, multilogWords(&inst.Log, true)...), inst.LogDir()),
		Secrets: secretFiles(inst), EnvFile: inst.Run.EnvFile, Command: append([]string(nil), inst.Run.Command...),
	}
	if bridged(inst) {
		data.bridgeCommand(inst, o)
		data.Literal = looksMistaken(data.Command, data.Rest, data.Logger, []string{data.EnvFile})
		return data
	}
	for _, word := range envWords(inst.Run.Env) {
		name, value, _ := strings.Cut(word, "=")
		if shellVariable(name) {
			data.LateEnv = append(data.LateEnv, word)
		} else {
			data.Env = append(data.Env, launchdVariable{name, value})
		}
	}
	for _, l := range softLimits(inst.Run.Limits) {
		data.Limits = append(data.Limits, l.letter, strconv.FormatInt(l.value, 10))
	}
	// Without a slash, exec would search PATH and not the working directory.
	if !strings.Contains(data.Command[0], "/") {
		data.Command[0] = "./" + data.Command[0]
	}
	values := make([]string, 0, len(data.Env))
	for _, v := range data.Env {
		values = append(values, v.Value)
	}
	data.Literal = looksMistaken(data.Command, data.LateEnv, data.Logger, values, []string{data.EnvFile})
	return data
}

// shellVariable reports whether a variable can not be set in every sh: it is
// read-only in some.
func shellVariable(name string) bool {
	switch name {
	case "PPID", "UID", "EUID", "SHELLOPTS", "BASHOPTS":
		return true
	}
	return false
}

// launchdRequest returns the files of an app that is started for each
// connection.
func launchdRequest(a *appfile.App) []Spec {
	o := launchdOptionsOf(a)
	job := launchdCommon(a, &o)
	job.PerRequest = true
	job.Unix, job.TCP = launchdSocket(a)
	// What only the superuser may lower, launchd has lowered before.
	plain := *a
	plain.Run.Nice = 0
	log := logPath(a)
	command := scgiRunOnce(&plain, log)
	var specs []Spec
	if len(launchdReasons(a)) > 0 {
		specs = append(specs, launchdScriptSpec(a, a, &o, "request.tmpl", starterScript{
			Name: a.Name, Log: log, NoLog: "can not write " + log, EnvFile: a.Run.EnvFile, Secrets: secretFiles(a), Reasons: launchdReasons(a),
			Literal: looksMistaken(command.Flags, command.Rest, []string{log, a.Run.EnvFile}),
			Program: o.SCGIRun, Flags: command.Flags, Rest: command.Rest, MoreArgs: a.Run.EnvFile != "",
		}))
	} else {
		job.Arguments = append([]string{o.SCGIRun}, command.words()[1:]...)
	}
	if log != "" {
		specs = append(specs, logFolder(a, a))
	}
	if group := launchdFolderGroup(a); group != "" {
		specs = append(specs, Spec{
			Path: a.Name + ".socket", Kind: fileset.Dir, Mode: 0o750, User: "root", Group: group, Place: path.Dir(a.Addr().Unix),
			Apps: []*appfile.App{a},
		})
	}
	return append([]Spec{launchdPlist(a, job)}, specs...)
}

// launchdReasons returns the fields whose values a property list is no place for.
func launchdReasons(a *appfile.App) []string {
	var fields []string
	if len(a.Run.Env) > 0 {
		fields = append(fields, "run.env")
	}
	if a.Run.EnvFile != "" {
		fields = append(fields, "run.env_file")
	}
	if len(a.Run.Secrets) > 0 {
		fields = append(fields, "run.secrets")
	}
	return fields
}

// launchdSocket returns the socket that launchd makes.
func launchdSocket(a *appfile.App) (*launchdUnix, *launchdTCP) {
	addr := a.Addr()
	if addr.Unix != "" {
		return &launchdUnix{
			Path: addr.Unix, Mode: int64(a.Listen.Mode), Owner: launchdNumber(a, "listen.user", a.Listen.User),
			Group: launchdNumber(a, "listen.group", a.Listen.Group),
		}, nil
	}
	tcp := &launchdTCP{Host: addr.Host, Port: strconv.Itoa(addr.Port), Family: "IPv4"}
	switch {
	case addr.IsIPv6():
		tcp.Family = "IPv6"
	case addr.Host == "localhost":
		tcp.Family = ""
	}
	return nil, tcp
}

// launchdNumber returns a user or group that the description gives as a number,
// of 31 bits.
func launchdNumber(a *appfile.App, field, name string) []int64 {
	n, err := strconv.ParseInt(name, 10, 32)
	if err != nil || !isNumber(name) || !a.IsSet(field) {
		return nil
	}
	return []int64{n}
}

// launchdFolderGroup returns the group that the folder of the socket has, and
// so the socket; "" where launchd is given the number, or everybody may connect.
func launchdFolderGroup(a *appfile.App) string {
	if a.Addr().Unix == "" || a.Listen.Mode&0o002 != 0 || a.Listen.Mode&0o020 == 0 || isNumber(a.Listen.Group) {
		return ""
	}
	return a.Listen.Group
}
