package generate

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"scgikit/internal/appfile"
	"scgikit/internal/diag"
	"scgikit/internal/quote"
)

// The small files of a service folder say what a run script cannot: how the
// program is told to end, when it is started again, whom it comes after. Those
// that s6 knows have its form; daemontools' supervise ignores all of them. A
// file stands where the description asks for what supervise does not do by
// itself, and so do restart and timeout-kill with the defaults of a description:
// supervise starts a program once a second for ever, and never kills one.
//
// Source: docs/supervise.md; https://skarnet.org/software/s6/servicedir.html

// supervisorName is the program that keeps the service folders up.
type supervisorName string

// The supervisors; with the first, what it ignores gives warnings.
const (
	supervisorDaemontools supervisorName = "daemontools"
	supervisorOurs        supervisorName = "scgikit"
)

// Values lists the supervisors.
func (supervisorName) Values() []string {
	return []string{string(supervisorDaemontools), string(supervisorOurs)}
}

// reloadSignal is the name of a signal without SIG.
type reloadSignal string

const reloadHUP reloadSignal = "HUP"

// Values lists the signals that can ask a program to read its configuration.
func (reloadSignal) Values() []string {
	return []string{"HUP", "INT", "QUIT", "USR1", "USR2", "ALRM", "WINCH"}
}

// maxKillAfter is what timeout-kill can say, in milliseconds of 31 bits.
const maxKillAfter = (1<<31 - 1) * time.Millisecond

// What the supervisor does without the file.
const (
	plainSignal       = "TERM"
	plainStartTimeout = 10 * time.Second
)

// daemontoolsQuotes is the quoting function of the small files, by template.
func daemontoolsQuotes() map[string]func(string) (string, error) {
	return map[string]func(string) (string, error){
		"after.tmpl":   quote.ServiceName,
		"restart.tmpl": quote.Setting,
		"value.tmpl":   quote.Setting,
	}
}

// settingFields says what becomes of the fields that stand in small files.
func settingFields() Fields {
	carried := func(file, but string) Field {
		return Field{Carried, "the file " + file + "; supervise of daemontools ignores it, and " + but + " gives a warning"}
	}
	return Fields{
		"run.start_timeout":     carried("start-timeout, where it is not 10s and the options say how the program becomes ready", "such a value"),
		"run.stop_signal":       carried("down-signal, where it is not TERM", "one that is not TERM"),
		"run.stop_timeout":      carried("timeout-kill", "a value that is set"),
		"run.restart.policy":    carried("restart", "one that is not always"),
		"run.restart.delay":     carried("restart", "one that is not 1s"),
		"run.restart.max_delay": carried("restart", "a value that is set"),
		"run.restart.burst":     carried("restart", "a value that is set"),
		"run.restart.window":    carried("restart", "a value that is set"),
	}
}

// hasReadiness reports whether anything says when the program is ready.
func (o *daemontoolsOptions) hasReadiness() bool {
	return o.NotificationFD != 0 || len(o.Check) > 0
}

// ignored returns the fields by which a description asks for what supervise of
// daemontools does not do, each with the file that says it.
func ignored(a *appfile.App, o *daemontoolsOptions) (list []struct{ field, file string }) {
	run := &a.Run
	for _, s := range []struct {
		field, file string
		same        bool // what is set is what supervise does
	}{
		{"run.start_timeout", "start-timeout", run.StartTimeout == plainStartTimeout || !o.hasReadiness()},
		{"run.stop_signal", "down-signal", run.StopSignal == plainSignal},
		{"run.stop_timeout", "timeout-kill", false},
		{"run.restart.policy", "restart", run.Restart.Policy == appfile.RestartAlways},
		{"run.restart.delay", "restart", run.Restart.Delay == time.Second},
		{"run.restart.max_delay", "restart", false},
		{"run.restart.burst", "restart", false},
		{"run.restart.window", "restart", false},
		{"options.daemontools.after", "after", len(o.After) == 0},
		{"options.daemontools.check", "check", len(o.Check) == 0},
		{"options.daemontools.notification_fd", "notification-fd", o.NotificationFD == 0},
		{"options.daemontools.reload", "reload", len(o.Reload) == 0},
		{"options.daemontools.reload_signal", "reload-signal", o.ReloadSignal == reloadHUP},
	} {
		if a.IsSet(s.field) && !s.same {
			list = append(list, struct{ field, file string }{s.field, s.file})
		}
	}
	return list
}

// acceptSettings returns the problems of the small files.
func acceptSettings(s *Scope, a *appfile.App) diag.List {
	var list diag.List
	o := daemontoolsOptionsOf(a)
	refuse := func(field, message, hint string) {
		list = append(list, a.Problem(field, codeCannotCarry, message, hint))
	}
	if o.Supervisor == supervisorDaemontools {
		for _, i := range ignored(a, &o) {
			list = append(list, a.Warning(i.field, codeNotCarried, "supervise of daemontools ignores the file "+i.file,
				"scgikit supervise honours it; where that keeps the folder up, set options.daemontools.supervisor to "+string(supervisorOurs)))
		}
	}
	if a.IsSet("run.start_timeout") && !o.hasReadiness() {
		list = append(list, a.Warning("run.start_timeout", codeNotCarried, "daemontools does not carry it: nothing says when the program is ready",
			"set options.daemontools.notification_fd or options.daemontools.check, or leave it out"))
	}
	switch after := a.Run.StopTimeout; {
	case after > maxKillAfter:
		refuse("run.stop_timeout", "timeout-kill takes at most "+maxKillAfter.String(), "use less, such as 1h")
	case after%time.Millisecond != 0:
		refuse("run.stop_timeout", "timeout-kill counts whole milliseconds", "write whole milliseconds")
	}
	for _, command := range []struct {
		field string
		words []string
	}{{"options.daemontools.check", o.Check}, {"options.daemontools.reload", o.Reload}} {
		if len(command.words) > 0 && (command.words[0] == "" || strings.HasSuffix(command.words[0], "/")) {
			refuse(command.field+"[0]", fmt.Sprintf("%q is not a program", command.words[0]), "write the path of the program first, then its arguments")
		}
	}
	if len(o.Reload) > 0 && a.IsSet("options.daemontools.reload_signal") {
		refuse("options.daemontools.reload_signal", "options.daemontools.reload is what reloads the program", "leave one of them out")
	}
	return append(list, acceptAfter(s.Project, a, o.After)...)
}

// acceptAfter returns the problems of options.daemontools.after.
func acceptAfter(project *appfile.Project, a *appfile.App, after []string) diag.List {
	var list diag.List
	for i, name := range after {
		field := fmt.Sprintf("options.daemontools.after[%d]", i)
		other := appOfService(project, name)
		switch {
		case other == nil:
			if near := diag.Nearest(name, serviceNames(project)); near != "" {
				list = append(list, a.Warning(field, "unknown-service",
					fmt.Sprintf("no app has a service %q: the app waits until the scan folder has one", name), "did you mean "+near+"?"))
			}
		case other.Name == a.Name:
			list = append(list, a.Problem(field, codeCannotCarry, "it would wait for itself", "leave it out"))
		case fitsDaemontools(other) != "":
			list = append(list, a.Problem(field, codeCannotCarry, other.Name+" has no service folder: "+fitsDaemontools(other), "leave it out"))
		case comesAfter(project, other, a, nil):
			list = append(list, a.Problem(field, codeCannotCarry, other.Name+" itself comes after "+a.Name+", so neither would wait", "leave one of them out"))
		}
	}
	return list
}

// comesAfter reports whether an app comes after another, directly or not. seen
// are the apps that were looked at already.
func comesAfter(project *appfile.Project, a, other *appfile.App, seen map[*appfile.App]bool) bool {
	if seen == nil {
		seen = make(map[*appfile.App]bool)
	}
	if seen[a] {
		return false
	}
	seen[a] = true
	for _, name := range daemontoolsOptionsOf(a).After {
		before := appOfService(project, name)
		if before != nil && (before == other || comesAfter(project, before, other, seen)) {
			return true
		}
	}
	return false
}

// appOfService returns the app of a name, or the one that has a service of that
// name, or nil.
func appOfService(project *appfile.Project, name string) *appfile.App {
	for _, a := range project.Apps {
		if a.Name == name || slices.ContainsFunc(a.Instances, func(inst *appfile.App) bool { return inst.Service() == name }) {
			return a
		}
	}
	return nil
}

// serviceNames returns the names that after knows.
func serviceNames(project *appfile.Project) []string {
	var names []string
	for _, a := range project.Apps {
		names = append(names, a.Name)
	}
	return names
}

// servicesAfter returns the services that the app comes after: all instances of
// an app, and what is no app's name as it is.
func servicesAfter(project *appfile.Project, after []string) []string {
	var services []string
	for _, name := range after {
		i := slices.IndexFunc(project.Apps, func(a *appfile.App) bool { return a.Name == name })
		if i < 0 {
			services = append(services, name)
			continue
		}
		for _, inst := range project.Apps[i].Instances {
			services = append(services, inst.Service())
		}
	}
	slices.Sort(services)
	return slices.Compact(services)
}

// daemontoolsRestart is what the template of restart is given.
type daemontoolsRestart struct {
	Policy, Delay, MaxDelay, Window string
	Burst                           int64
}

// smallFiles returns the small files of one instance, with paths below its
// folder.
func smallFiles(project *appfile.Project, a *appfile.App, o *daemontoolsOptions, hasEnv bool) []Spec {
	restart := a.Run.Restart
	specs := []Spec{{Path: "restart", Mode: 0o644, Template: "restart.tmpl", Data: daemontoolsRestart{
		string(restart.Policy), seconds(restart.Delay), seconds(restart.MaxDelay), seconds(restart.Window), int64(restart.Burst),
	}}}
	number := func(name string, n int64) {
		specs = append(specs, Spec{Path: name, Mode: 0o644, Template: "number.tmpl", Data: n, NoHeader: true})
	}
	value := func(name, text string) {
		specs = append(specs, Spec{Path: name, Mode: 0o644, Template: "value.tmpl", Data: text, NoHeader: true})
	}
	script := func(name string, command []string) {
		if len(command) > 0 {
			specs = append(specs, Spec{Path: name, Mode: 0o755, Template: "helper.tmpl", Data: startScript(a, *o, name, command, hasEnv)})
		}
	}
	number("timeout-kill", a.Run.StopTimeout.Milliseconds())
	if a.Run.StopSignal != plainSignal {
		value("down-signal", string(a.Run.StopSignal))
	}
	if a.Run.StartTimeout != plainStartTimeout && o.hasReadiness() {
		value("start-timeout", seconds(a.Run.StartTimeout))
	}
	if o.NotificationFD != 0 {
		number("notification-fd", int64(o.NotificationFD))
	}
	if signal := cmp.Or(o.ReloadSignal, reloadHUP); signal != reloadHUP {
		value("reload-signal", string(signal))
	}
	if services := servicesAfter(project, o.After); len(services) > 0 {
		specs = append(specs, Spec{Path: "after", Mode: 0o644, Template: "after.tmpl", Data: services})
	}
	script("check", o.Check)
	script("reload", o.Reload)
	return specs
}
