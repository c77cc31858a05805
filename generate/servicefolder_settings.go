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
// that s6 knows have its form; daemontools' supervise ignores all of them, and
// runit's runsv all but check. A file stands where the description asks for what
// these do not do by themselves, and so do restart and timeout-kill with the
// defaults of a description: they start a program once a second for ever, and
// daemontools and runit never kill one.
//
// Source: docs/supervise.md; https://skarnet.org/software/s6/servicedir.html

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

// folderQuotes is the quoting function of the small files, by template.
func folderQuotes() map[string]func(string) (string, error) {
	return map[string]func(string) (string, error){
		"after.tmpl":   quote.ServiceName,
		"restart.tmpl": quote.Setting,
		"value.tmpl":   quote.Setting,
	}
}

// settingFields says what becomes of the fields that stand in small files.
func (f *family) settingFields() Fields {
	fields := make(Fields)
	for field, text := range map[string]struct{ file, but string }{
		"run.start_timeout":     {"start-timeout, where it is not 10s and the options say how the program becomes ready", "such a value"},
		"run.stop_signal":       {"down-signal, where it is not TERM", "one that is not TERM"},
		"run.stop_timeout":      {"timeout-kill; per request where it is set; a bridge that keeps running lets requests run on for a little less", "a value that is set"},
		"run.restart.policy":    {"restart", "one that is not always"},
		"run.restart.delay":     {"restart", "one that is not 1s"},
		"run.restart.max_delay": {"restart", "a value that is set"},
		"run.restart.burst":     {"restart", "a value that is set"},
		"run.restart.window":    {"restart", "a value that is set"},
	} {
		note := "the file " + text.file
		if !slices.Contains(f.honours, field) {
			note += "; " + f.keeper + " ignores it, and " + text.but + " gives a warning"
		}
		fields[field] = Field{Carried, note}
	}
	stop := fields["run.stop_signal"]
	fields["run.stop_signal"] = Field{stop.Support, stop.Note + "; scgi-run and the listeners end by TERM, with a warning"}
	return fields
}

// hasReadiness reports whether anything says when the program is ready.
func (o *folderOptions) hasReadiness() bool {
	return o.NotificationFD != 0 || len(o.Check) > 0
}

// readiness names the options that say when a program is ready.
func (f *family) readiness() string {
	if f.compiled {
		return f.option("notification_fd")
	}
	return f.option("notification_fd") + " or " + f.option("check")
}

// ignored returns the fields by which a description asks for what the keeper of
// the folders does not do, each with the file that says it.
func (f *family) ignored(a *appfile.App, o *folderOptions) (list []struct{ field, file string }) {
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
		{f.option("after"), "after", len(o.After) == 0},
		{f.option("check"), "check", len(o.Check) == 0},
		{f.option("notification_fd"), "notification-fd", o.NotificationFD == 0},
		{f.option("reload"), "reload", len(o.Reload) == 0},
		{f.option("reload_signal"), "reload-signal", o.ReloadSignal == reloadHUP},
	} {
		if a.IsSet(s.field) && !s.same && !slices.Contains(f.honours, s.field) {
			list = append(list, struct{ field, file string }{s.field, s.file})
		}
	}
	return list
}

// acceptSettings returns the problems of the small files.
func (f *family) acceptSettings(s *Scope, a *appfile.App) diag.List {
	var list diag.List
	o := f.optionsOf(a)
	refuse := func(field, message, hint string) {
		list = append(list, a.Problem(field, codeCannotCarry, message, hint))
	}
	if !o.Ours {
		kept := a
		if bridged(a) {
			kept = perConnection(a)
		}
		for _, i := range f.ignored(kept, &o) {
			list = append(list, a.Warning(i.field, codeNotCarried, f.keeper+" ignores the file "+i.file,
				"scgikit supervise honours it; where that keeps the folder up, set "+f.option("supervisor")+" to "+string(supervisorOurs)))
		}
	}
	if a.IsSet("run.start_timeout") && !o.hasReadiness() {
		hint := "set " + f.readiness() + ", or leave it out"
		if bridged(a) {
			hint = "leave it out"
		}
		list = append(list, a.Warning("run.start_timeout", codeNotCarried, f.target+" does not carry it: nothing says when the program is ready", hint))
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
	}{{f.option("check"), o.Check}, {f.option("reload"), o.Reload}} {
		if len(command.words) > 0 && (command.words[0] == "" || strings.HasSuffix(command.words[0], "/")) {
			refuse(command.field+"[0]", fmt.Sprintf("%q is not a program", command.words[0]), "write the path of the program first, then its arguments")
		}
	}
	if len(o.Reload) > 0 && a.IsSet(f.option("reload_signal")) {
		refuse(f.option("reload_signal"), f.option("reload")+" is what reloads the program", "leave one of them out")
	}
	return append(list, f.acceptAfter(s.Project, a, o.After)...)
}

// acceptAfter returns the problems of the option after.
func (f *family) acceptAfter(project *appfile.Project, a *appfile.App, after []string) diag.List {
	var list diag.List
	for i, name := range after {
		field := fmt.Sprintf("%s[%d]", f.option("after"), i)
		other := appOfService(project, name)
		switch {
		case other == nil && f.compiled:
			hint := "write the name of an app; a service of another source folder stands in " + f.option("needs")
			if near := diag.Nearest(name, serviceNames(project)); near != "" {
				hint = "did you mean " + near + "?"
			}
			list = append(list, a.Problem(field, "unknown-service", fmt.Sprintf("no app has a service %q", name), hint))
		case other == nil:
			if near := diag.Nearest(name, serviceNames(project)); near != "" {
				list = append(list, a.Warning(field, "unknown-service",
					fmt.Sprintf("no app has a service %q: the app waits until the scan folder has one", name), "did you mean "+near+"?"))
			}
		case other.Name == a.Name:
			list = append(list, a.Problem(field, codeCannotCarry, "it would wait for itself", "leave it out"))
		case f.comesAfter(project, other, a, nil):
			list = append(list, a.Problem(field, codeCannotCarry, other.Name+" itself comes after "+a.Name+", so neither would wait", "leave one of them out"))
		}
	}
	return list
}

// comesAfter reports whether an app comes after another, directly or not. seen
// are the apps that were looked at already.
func (f *family) comesAfter(project *appfile.Project, a, other *appfile.App, seen map[*appfile.App]bool) bool {
	if seen == nil {
		seen = make(map[*appfile.App]bool)
	}
	if seen[a] {
		return false
	}
	seen[a] = true
	for _, name := range f.options(a).After {
		before := appOfService(project, name)
		if before != nil && (before == other || f.comesAfter(project, before, other, seen)) {
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

// folderRestart is what the template of restart is given.
type folderRestart struct {
	Policy, Delay, MaxDelay, Window string
	Burst                           int64
}

// smallFiles returns the small files of one instance, with paths below its
// folder.
func smallFiles(project *appfile.Project, a *appfile.App, o *folderOptions, hasEnv bool) []Spec {
	restart := a.Run.Restart
	specs := []Spec{{Path: "restart", Mode: 0o644, Template: "restart.tmpl", Data: folderRestart{
		string(restart.Policy), seconds(restart.Delay), seconds(restart.MaxDelay), seconds(restart.Window), int64(restart.Burst),
	}}}
	number := func(name string, n int64) { specs = append(specs, numberFile(name, n)) }
	value := func(name, text string) { specs = append(specs, valueFile(name, text)) }
	script := func(name string, command []string) {
		if len(command) > 0 {
			specs = append(specs, Spec{Path: name, Mode: 0o755, Template: "helper.tmpl", Data: startScript(a, o, name, command, hasEnv)})
		}
	}
	// A listener that ends leaves the requests of the moment to end by themselves,
	// which the file would not let them.
	if !o.leavesRequests() || a.IsSet("run.stop_timeout") {
		number("timeout-kill", a.Run.StopTimeout.Milliseconds())
	}
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

// numberFile is a small file with one number.
func numberFile(name string, n int64) Spec {
	return Spec{Path: name, Mode: 0o644, Template: "number.tmpl", Data: n, NoHeader: true}
}

// valueFile is a small file with one word.
func valueFile(name, text string) Spec {
	return Spec{Path: name, Mode: 0o644, Template: "value.tmpl", Data: text, NoHeader: true}
}
