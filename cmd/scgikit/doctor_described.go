package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"

	"scgikit/generate"
	"scgikit/internal/appfile"
	"scgikit/internal/diag"
	"scgikit/internal/doctor"
	"scgikit/internal/install"
)

// described compares the descriptions, where there are some, with the machine.
func (x *examination) described(ctx context.Context) {
	e := x.env
	if !e.described() {
		return
	}
	project, _, err := e.load(ctx, nil)
	if err != nil {
		x.problems(err, "scgikit validate shows all of it")
		return
	}
	for _, a := range project.Apps {
		x.accounts = append(x.accounts, a.Run.User, a.Listen.User, a.Log.User)
		x.targets(a)
		x.open(a)
	}
	if x.real {
		x.problems(systemProblems(project), "")
	} else {
		x.users(project)
	}
	x.modules(project)
	x.answers(ctx, project)
}

// problems are findings about descriptions.
func (x *examination) problems(err error, hint string) {
	list, ok := errors.AsType[diag.List](err)
	if !ok {
		x.found(doctor.Error, "description", err.Error(), hint)
		return
	}
	for _, p := range list {
		f := doctor.Finding{Level: doctor.Error, Subject: p.Span.String(), Message: p.Message, Hint: p.Hint, Code: p.Code}
		if p.Path != "" {
			f.Message = p.Path + ": " + f.Message
		}
		if p.Severity == diag.Warning {
			f.Level = doctor.Warning
		}
		x.seen.Findings = append(x.seen.Findings, f)
	}
}

// targetsOf are the targets of an app, as a bare generate takes them.
func (x *examination) targetsOf(a *appfile.App) []string {
	if len(a.Targets) > 0 {
		return a.Targets
	}
	return x.env.settings.Targets
}

// targets finds what the targets of an app need of the machine.
func (x *examination) targets(a *appfile.App) {
	for _, target := range x.targetsOf(a) {
		p, ok := x.seen.Program(target)
		folders := slices.Contains([]string{"daemontools", "runit"}, target)
		switch {
		case ok && p.Running, target == "sysv" && !x.real:
		case ok && x.real && (p.Kind == doctor.WebServer || folders || target == "inetd" || target == "xinetd" || target == "systemd"):
			x.found(doctor.Warning, a.Name, fmt.Sprintf("its target %s is on this machine and does not run", target), "start it")
		case ok:
		case folders:
			x.found(doctor.Warning, a.Name, fmt.Sprintf("its target %s is not on this machine", target), "install it, or let scgikit supervise run its folders")
		default:
			x.found(doctor.Error, a.Name, fmt.Sprintf("its target %s is not on this machine", target), "install it, or name another in targets")
		}
		for i := range x.seen.Findings {
			if f := &x.seen.Findings[i]; f.Subject == target && f.Level == doctor.Note && strings.HasSuffix(f.Message, "is not read by itself") {
				f.Level = doctor.Warning
			}
		}
	}
}

// open warns of a socket that every user of the machine reaches, and of one that is
// reached from elsewhere. An app takes the word of whoever connects for all that a
// web server says.
func (x *examination) open(a *appfile.App) {
	for _, inst := range a.Instances {
		addr := inst.Addr()
		host, _, err := net.SplitHostPort(addr.String())
		ip := net.ParseIP(host)
		switch {
		case addr.Unix != "" || err != nil:
			continue
		case ip != nil && !ip.IsLoopback():
			x.found(doctor.Warning, a.Name, addr.String()+" is reached from other machines, which can then say what only the web server should", "listen.unix, or a firewall that lets the web server alone through")
		case x.seen.People > 1:
			x.found(doctor.Note, a.Name, fmt.Sprintf("every user of this machine can connect to %s, and %d can log in", addr, x.seen.People), "listen.unix with listen.mode keeps them out")
		}
		return
	}
}

// users looks for the accounts below another root.
func (x *examination) users(project *appfile.Project) {
	for _, a := range project.Apps {
		for _, f := range []struct{ field, name string }{{"run.user", a.Run.User}, {"listen.user", a.Listen.User}, {"log.user", a.Log.User}} {
			if f.name != "" && !isNumber(f.name) && !x.seen.Account(f.name) {
				x.found(doctor.Error, a.Name, fmt.Sprintf("%s: there is no user %q on this machine", f.field, f.name), "create it, or name another")
			}
		}
	}
}

// modules finds the modules that the generated files of web servers need.
func (x *examination) modules(project *appfile.Project) {
	renderer := &generate.Renderer{}
	for _, t := range generate.Targets() {
		p, ok := x.seen.Program(t.Name)
		if t.Kind != generate.WebServer || !ok {
			continue
		}
		apps := filterApps(project, func(a *appfile.App) bool { return slices.Contains(x.targetsOf(a), t.Name) && t.Fits(a) == "" })
		if len(apps) == 0 {
			continue
		}
		set, problems := renderer.Render(t, project, apps)
		if set == nil {
			x.problems(problems, "")
			continue
		}
		var texts [][]byte
		for _, f := range set.Files() {
			texts = append(texts, f.Data)
		}
		x.seen.Findings = append(x.seen.Findings, p.Lacks(doctor.Needs(t.Name, texts), x.report.System.Family)...)
	}
}

// answers asks for each app that is installed, where a web server runs.
func (x *examination) answers(ctx context.Context, project *appfile.Project) {
	runs := slices.ContainsFunc(x.seen.Programs, func(p doctor.Program) bool { return p.Kind == doctor.WebServer && p.Running })
	if !x.real || !runs {
		return
	}
	probes, err := probesOf(&wantedSet{project: project, scope: install.Scope{Apps: x.installed}}, x.web)
	if err != nil {
		x.problems(err, "")
	}
	for i := range probes {
		if err := probes[i].Ask(ctx); err != nil {
			x.found(doctor.Error, probes[i].App, "it does not answer as health says: "+err.Error(), "scgikit status and scgikit logs say more of the app")
		}
	}
}
