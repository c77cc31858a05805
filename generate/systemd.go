package generate

import (
	"cmp"
	"fmt"
	"io/fs"
	"math"
	"path"
	"slices"
	"strings"

	"scgikit/internal/appfile"
	"scgikit/internal/fileset"
	"scgikit/internal/quote"
)

// systemd writes units: a service for each instance of a program that keeps
// running, with a socket where systemd is to listen for it, as it does for the
// bridge; and for a program per request a socket with Accept=yes, and the service
// that it starts for each connection, which is scgi-run.
//
// Source: systemd.unit(5), systemd.service(5), systemd.socket(5),
// systemd.exec(5), systemd.kill(5); measured with systemd 252.
var systemd = &Target{
	Name:    "systemd",
	Kind:    Supervisor,
	Summary: "services and sockets, resident or per request",
	Source:  "https://www.freedesktop.org/software/systemd/man/latest/systemd.service.html",
	Options: new(systemdOptions),
	Fields:  starterFields(systemdFields()),
	Fits:    fitsAny,
	Accept:  acceptSystemd,
	Files:   filesSystemd,
	Way:     waySystemd,
	Quote:   quote.Systemd,
	Quotes:  map[string]func(string) (string, error){"script.tmpl": quote.Sh},
	Printers: map[string]func(string) (string, error){
		"qprogram": quote.SystemdProgram,
		"qword":    quote.SystemdWord,
		"qvalue":   quote.SystemdValue,
		"qfile":    quote.SystemdFile,
		"qline":    quote.SystemdLine,
	},
	Parts: []string{"inetd/_envfile.tmpl"},
}

// systemdOptions are the keys of options.systemd.
type systemdOptions struct {
	Version          int              `yaml:"version" default:"252" min:"247" max:"999" doc:"the oldest systemd that reads the units; what it does not know is left out"`
	SocketActivation bool             `yaml:"socket_activation" default:"false" doc:"resident: systemd listens and gives the program the socket as descriptor 3 (sd_listen_fds), which the program must take"`
	Readiness        systemdReadiness `yaml:"readiness" default:"exec" doc:"resident: when the program is started: exec, once it runs; notify, once it says READY=1 (sd_notify); simple, at once"`
	GiveUp           bool             `yaml:"give_up" default:"false" doc:"resident: after run.restart.burst starts within run.restart.window do not try again, until somebody starts it"`
	Reload           []string         `yaml:"reload" doc:"resident: program and arguments that make the program read its configuration again; MAINPID is the process"`
	ReloadSignal     reloadSignal     `yaml:"reload_signal" doc:"resident: signal that makes it do so, where no reload is set"`
	After            []string         `yaml:"after" doc:"units that are started before the program, such as postgresql.service"`
	Extra            []string         `yaml:"extra" doc:"further lines of the section Service, such as Slice=web.slice"`
	SCGIRun          string           `yaml:"scgi_run" default:"/usr/local/bin/scgi-run" format:"path" doc:"the program scgi-run"`
	WrapperDir       string           `yaml:"wrapper_dir" default:"/usr/local/libexec/scgikit" format:"path" doc:"folder of the scripts that systemd starts where secrets become variables"`
}

// systemdReadiness is when a service counts as started.
type systemdReadiness string

const (
	readyExec   systemdReadiness = "exec"
	readyNotify systemdReadiness = "notify"
	readySimple systemdReadiness = "simple"
)

// Values lists the kinds of readiness.
func (systemdReadiness) Values() []string {
	return []string{string(readyExec), string(readyNotify), string(readySimple)}
}

func systemdOptionsOf(a *appfile.App) systemdOptions {
	return option(a, "systemd", systemdOptions{
		Version: 252, Readiness: readyExec, SCGIRun: plainSCGIRun, WrapperDir: plainWrapperDir,
	})
}

// Versions of systemd that first know a setting.
const (
	versionRestartSteps = 254
	versionPollLimit    = 255
)

// systemdListens reports whether systemd makes the socket of the app.
func systemdListens(a *appfile.App) bool {
	return bridged(a) || systemdOptionsOf(a).SocketActivation
}

// systemdService is what the templates of services are given.
type systemdService struct {
	Name, Description string
	After             []string
	Online            bool   // the address has to be there first
	Target            string // the unit of all instances; "" for one
	Socket            string // the unit that listens; "" where the program does

	Program string
	Args    []string

	User, Group string
	Groups      []string
	Umask       string
	Dir, Root   string
	Nice        []int64
	Env         []string // NAME=VALUE
	EnvFile     string
	Credentials []secretFile
	Limits      []systemdLimit

	Type         string
	StartTimeout string // "" is systemd's own
	Reload       []string
	ReloadSignal string
	Restart      systemdRestart
	KillSignal   string
	StopTimeout  string
	WellEnded    []int64 // exit codes besides 0

	Log      string // file; "" is the journal
	Runtime  string // folder below /run that the program gets
	Writable []string
	Sandbox  systemdSandbox
	Extra    []string
}

// systemdLimit is a limit of systemd.exec(5), Process Properties.
type systemdLimit struct {
	Name  string
	Value int64
}

// systemdRestart is when a service is started again.
type systemdRestart struct {
	Policy, Delay, MaxDelay string
	Steps                   int64 // of the growing pause; 0 for one that does not grow
	Burst                   int64 // 0 never gives up
	Window                  string
}

// systemdSocket is what the template of a socket is given.
type systemdSocket struct {
	Description       string
	Address           string
	Unix              bool
	IPv6              bool
	User, Group, Mode string
	Backlog           int64
	Accept            bool
	MaxConnections    int64
	PollLimit         bool // the version has it
	Target            string
}

// systemdTarget is what the template of the unit of all instances is given.
type systemdTarget struct {
	Description string
	Wants       []string
}

func filesSystemd(s *Scope) ([]Spec, error) {
	var specs []Spec
	for _, a := range s.Apps {
		switch {
		case perRequest(a):
			specs = append(specs, requestUnits(a)...)
			continue
		case bridged(a):
			specs = append(specs, bridgeUnits(a)...)
			continue
		}
		var units []string
		for _, inst := range a.Instances {
			files := residentUnits(a, inst)
			specs = append(specs, files...)
			units = append(units, files[0].Path)
		}
		if len(units) > 1 {
			specs = append(specs, unitSpec(a, a.Name+".target", "target.tmpl", systemdTarget{Description: a.Description, Wants: units}))
		}
	}
	return specs, nil
}

func unitSpec(a *appfile.App, name, template string, data any) Spec {
	return Spec{Path: name, Mode: 0o644, Place: "unit", Apps: []*appfile.App{a}, Template: template, Data: data}
}

// requestUnits returns the files of an app that is started for each connection.
func requestUnits(a *appfile.App) []Spec {
	o := systemdOptionsOf(a)
	// What only the superuser may lower, systemd has lowered before.
	plain := *a
	plain.Run.Nice = 0
	command := scgiRunOnce(&plain, "")
	return bridgeFiles(a, &o, command, serviceOf(a, a, &o), "request.tmpl", a.Name+"@.service")
}

// bridgeUnits returns the files of an app for which the bridge keeps running, at
// the socket that systemd has made.
func bridgeUnits(a *appfile.App) []Spec {
	o := systemdOptionsOf(a)
	plain := *a
	plain.Run.Nice = 0 // as above
	data := serviceOf(a, a, &o)
	data.Type, data.Dir = string(readyExec), "/"
	data.Restart = restartOf(a.Run.Restart, &o)
	data.KillSignal, data.StopTimeout = "SIG"+string(plainSignal), seconds(a.Run.StopTimeout)
	if byUWSGI(a) {
		data.WellEnded = []int64{uwsgiEnded}
	}
	if a.Type == appfile.TypeWSGI {
		data.ReloadSignal = string(reloadHUP)
	}
	return bridgeFiles(a, &o, scgiRunResident(&plain, "systemd"), data, "service.tmpl", a.Name+".service")
}

// bridgeFiles returns the socket of an app that scgi-run answers for, and the files
// that start it.
func bridgeFiles(a *appfile.App, o *systemdOptions, command scgiRun, data systemdService, template, name string) []Spec {
	data.Program, data.Args = o.SCGIRun, command.words()[1:]
	data.Socket = a.Name + ".socket"
	script := starterScript{
		Name: a.Name, Program: o.SCGIRun, Flags: command.Flags, Rest: command.Rest, Secrets: secretFiles(a),
		EnvFile: a.Run.EnvFile, MoreArgs: a.Run.EnvFile != "",
	}
	// The names in the file have to become flags of scgi-run, so a script reads it.
	if data.EnvFile = ""; a.Run.EnvFile != "" {
		script.EnvFile = envCredential
		data.Credentials = append(data.Credentials, secretFile{envCredential, a.Run.EnvFile})
	}
	specs := []Spec{unitSpec(a, a.Name+".socket", "socket.tmpl", socketOf(a, a, o))}
	return append(specs, startedFiles(a, a, o, data, script, template, name)...)
}

// envCredential is the name by which a script finds the env file; no secret has
// a dot in its name.
const envCredential = "env.file"

// residentUnits returns the files of one instance of a program that keeps
// running; the first is the unit to start.
func residentUnits(a, inst *appfile.App) []Spec {
	o := systemdOptionsOf(a)
	data := serviceOf(a, inst, &o)
	data.Program, data.Args = systemdProgram(inst), inst.Run.Command[1:]
	data.Dir = inst.Run.Directory
	data.Env = envWords(inst.Run.Env)
	data.Limits = systemdLimits(inst.Run.Limits)
	data.Type = string(o.Readiness)
	if o.Readiness == readyNotify {
		data.StartTimeout = seconds(inst.Run.StartTimeout)
	}
	data.Reload, data.ReloadSignal = o.Reload, string(o.ReloadSignal)
	data.Restart = restartOf(inst.Run.Restart, &o)
	data.KillSignal, data.StopTimeout = "SIG"+string(inst.Run.StopSignal), seconds(inst.Run.StopTimeout)
	data.Online = !o.SocketActivation && isPublic(inst.Addr())
	if len(a.Instances) > 1 {
		data.Target = a.Name + ".target"
	}
	script := starterScript{Name: inst.Service(), Program: data.Program, Rest: data.Args, Secrets: secretFiles(inst)}
	var specs []Spec
	if o.SocketActivation {
		data.Socket = inst.Service() + ".socket"
		socket := socketOf(a, inst, &o)
		socket.Target = data.Target
		specs = append(specs, unitSpec(a, data.Socket, "socket.tmpl", socket))
	} else if addr := inst.Addr(); addr.Unix != "" {
		data.ownSocket(path.Dir(addr.Unix))
	}
	return append(specs, startedFiles(a, inst, &o, data, script, "service.tmpl", inst.Service()+".service")...)
}

// startedFiles returns the service, the script that it starts where one is
// needed, and the folder of its log.
func startedFiles(a, inst *appfile.App, o *systemdOptions, data systemdService, script starterScript, template, name string) []Spec {
	var specs []Spec
	if needsCredentials(a) {
		script.Credentials = true
		script.Literal = looksMistaken(script.Flags, script.Rest, []string{script.Program})
		data.Program, data.Args = path.Join(o.WrapperDir, script.Name), nil
		specs = append(specs, Spec{
			Path: script.Name, Mode: 0o755, Place: o.WrapperDir, Apps: []*appfile.App{a}, Template: "script.tmpl", Data: script,
		})
	}
	if data.Log != "" {
		// systemd itself opens the file, as root: nobody else may put a link there.
		specs = append(specs, Spec{
			Path: inst.Service() + ".log", Kind: fileset.Dir, Mode: fs.FileMode(0o755), Place: inst.LogDir(), Apps: []*appfile.App{a},
		})
	}
	return append([]Spec{unitSpec(a, name, template, data)}, specs...)
}

// needsCredentials reports whether something stands in files that become
// variables by a script alone.
func needsCredentials(a *appfile.App) bool {
	return len(a.Run.Secrets) > 0 || bridged(a) && a.Run.EnvFile != ""
}

// serviceOf returns what both forms of a service have.
func serviceOf(a, inst *appfile.App, o *systemdOptions) systemdService {
	run := &inst.Run
	data := systemdService{
		Name: inst.Service(), Description: inst.Description, After: o.After,
		User: run.User, Group: run.Group, Groups: run.SupplementaryGroups, Umask: run.Umask.String(),
		Root: inst.Security.Chroot, EnvFile: run.EnvFile, Credentials: secretFiles(inst),
		Sandbox: sandboxOf(a), Extra: o.Extra,
	}
	if run.Nice != 0 {
		data.Nice = []int64{int64(run.Nice)}
	}
	if inst.IsSet("log.dir") {
		data.Log = path.Join(inst.LogDir(), inst.Name+".log")
	}
	if inst.IsSet("security.writable") {
		for _, dir := range inst.Security.Writable {
			data.writable(dir)
		}
	}
	return data
}

// writable adds a folder that the program may write, as the program sees it.
func (d *systemdService) writable(dir string) {
	if d.Root != "" {
		dir = "+" + dir
	}
	if !slices.Contains(d.Writable, dir) {
		d.Writable = append(d.Writable, dir)
	}
}

// ownSocket lets the program make a socket in a folder. One below /run is gone
// after a boot, so systemd makes it.
func (d *systemdService) ownSocket(dir string) {
	if below, ok := belowRun(dir); ok {
		d.Runtime = below
	} else {
		d.writable(dir)
	}
}

// belowRun returns the rest of a path below /run.
func belowRun(dir string) (below string, ok bool) {
	for _, run := range []string{"/run/", "/var/run/"} {
		if below, ok = strings.CutPrefix(dir, run); ok {
			return below, true
		}
	}
	return "", false
}

// systemdProgram returns the path of the program: systemd looks a relative one
// up nowhere.
func systemdProgram(a *appfile.App) string {
	program := a.Run.Command[0]
	if !strings.HasPrefix(program, "/") {
		program = path.Join(a.Run.Directory, program)
	}
	return program
}

func socketOf(a, inst *appfile.App, o *systemdOptions) systemdSocket {
	addr := inst.Addr()
	data := systemdSocket{
		Description: inst.Description, Address: cmp.Or(addr.Unix, addr.String()), Unix: addr.Unix != "", IPv6: addr.IsIPv6(),
		User: inst.Listen.User, Group: inst.Listen.Group, Mode: inst.Listen.Mode.String(), Backlog: int64(inst.Listen.Backlog),
		Accept: perRequest(a), PollLimit: o.Version >= versionPollLimit,
	}
	if data.Accept {
		data.MaxConnections = int64(a.Run.MaxConcurrent)
	}
	return data
}

func systemdLimits(l appfile.Limits) []systemdLimit {
	var limits []systemdLimit
	for _, limit := range []struct {
		name  string
		value *int64
	}{
		{"CORE", (*int64)(l.Core)},
		{"CPU", l.CPUSeconds},
		{"NOFILE", l.NoFile},
		{"NPROC", l.NProc},
		{"AS", (*int64)(l.Memory)},
	} {
		if limit.value != nil {
			limits = append(limits, systemdLimit{limit.name, *limit.value})
		}
	}
	return limits
}

func restartOf(r appfile.Restart, o *systemdOptions) systemdRestart {
	out := systemdRestart{Policy: string(r.Policy), Delay: seconds(r.Delay), MaxDelay: seconds(r.MaxDelay)}
	if r.Policy == appfile.RestartNever {
		out.Policy = "no"
	}
	if growsPause(r, o) {
		// As many steps as make each pause twice the one before it.
		out.Steps = int64(math.Ceil(math.Log2(float64(r.MaxDelay) / float64(r.Delay))))
	}
	if o.GiveUp {
		out.Burst, out.Window = int64(r.Burst), seconds(r.Window)
	}
	return out
}

// growsPause reports whether systemd makes the pauses between starts longer.
func growsPause(r appfile.Restart, o *systemdOptions) bool {
	return o.Version >= versionRestartSteps && r.Policy != appfile.RestartNever && r.Delay > 0 && r.MaxDelay > r.Delay
}

// unitName is the name of a unit, without what systemd would escape.
func unitName(s string) error {
	name, kind, _ := cutLast(s, ".")
	kinds := []string{"service", "socket", "target", "mount", "automount", "path", "timer", "slice", "scope", "swap", "device"}
	plain := strings.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789:_.@-") == ""
	if name == "" || !plain || len(s) > maxUnitName || !slices.Contains(kinds, kind) {
		return fmt.Errorf("%q is not the name of a unit", s)
	}
	return nil
}

// maxUnitName is UNIT_NAME_MAX.
const maxUnitName = 255

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}
