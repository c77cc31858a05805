package install

import (
	"bytes"
	"path"
	"slices"
	"strings"
)

// Verb is what a program of the machine is told.
type Verb string

// The verbs.
const (
	Test    Verb = "test"    // the program's own test of its complete configuration
	Reload  Verb = "reload"  // read the configuration again, without a gap
	Start   Verb = "start"   // wait until the supervisor has started a service
	Stop    Verb = "stop"    // stop a service and its supervisor, the logger last
	Restart Verb = "restart" // stop a service, which its supervisor starts again
	Prove   Verb = "prove"   // a request through the web server is answered
	Forget  Verb = "forget"  // how a unit that is gone ended
)

// Step is a program of the machine that is told of a change.
type Step struct {
	Verb   Verb   `json:"verb"`
	Target string `json:"target"`
	Name   string `json:"name,omitempty"` // of a service: its folder; of a unit: its name
	Scan   string `json:"scan,omitempty"` // of a service: the folder where its supervisor sees it
	Probe  *Probe `json:"probe,omitempty"`
	Undo   bool   `json:"undo,omitempty"` // it takes another step back
}

// Probe is the request that shows that an app answers.
type Probe struct {
	App     string `json:"app"`
	Address string `json:"address"` // host:port of the web server
	Host    string `json:"host"`
	Path    string `json:"path"`
	Low     int    `json:"low"` // the status codes that are well
	High    int    `json:"high"`
	Times   int    `json:"times,omitempty"` // how often: several backends take turns
}

// String is the line that people see.
func (s *Step) String() string {
	line := string(s.Verb) + strings.Repeat(" ", max(0, 6-len(s.Verb))) + "  " + s.Target
	switch {
	case s.Probe != nil:
		line += " answers http://" + s.Probe.Address + s.Probe.Path
	case s.Name != "":
		line += " " + s.Name
	}
	return line
}

// undone returns what has to be told once the change is undone, or nil.
func (s *Step) undone() *Step {
	again := *s
	again.Undo = true
	switch s.Verb {
	case Forget:
		return nil
	case Stop:
		if strings.Contains(s.Name, "*") {
			return nil // instances, which their socket starts
		}
		again.Verb = Start
	case Start:
		again.Verb = Stop
	case Reload, Restart:
	case Test, Prove:
		return nil
	}
	return &again
}

// groups are the actions of a plan, by when they come.
type groups struct {
	unlink []Action // links that supervisors see
	put    []Action // folders, files, shared files, links that web servers read
	remove []Action
	start  []Action // links that supervisors see
	finish []Action // what is cleared, and folders that go
}

// activates reports whether scgikit can tell the program of a target of a change.
// The others' files are put in place, and the rest is the administrator's.
func activates(target string) bool {
	return webTest(target) || slices.Contains([]string{"inetd", "xinetd", "daemontools", "runit", "s6"}, target) || managed(target)
}

// Activates reports whether an install tells the program of a target of a change.
func Activates(target string) bool { return activates(target) }

func webTest(target string) bool {
	return slices.Contains([]string{"nginx", "lighttpd", "apache", "haproxy", "caddy"}, target)
}

// ordered returns the actions in order, with the steps among them where the
// machine runs. A service is stopped before its files go, and its logger after it;
// the complete configuration is tested before anything reads it.
func (g *groups) ordered(live bool, probes []Probe) []Action {
	if !live {
		return slices.Concat(g.unlink, g.put, g.remove, g.start, g.finish)
	}
	var stop, test, start, reload, prove []Action
	add := func(to *[]Action, s Step, apps []string) {
		if !slices.ContainsFunc(*to, func(a Action) bool { return *a.Step == s }) {
			*to = append(*to, Action{Op: Run, Target: s.Target, Apps: apps, Step: &s})
		}
	}
	for _, a := range g.unlink {
		add(&stop, Step{Verb: Stop, Target: a.Target, Name: a.Before.Link, Scan: path.Dir(a.Path)}, a.Apps)
	}
	started := make(map[string]bool)
	for _, a := range g.start {
		started[a.After.Link] = true
		add(&start, Step{Verb: Start, Target: a.Target, Name: a.After.Link, Scan: path.Dir(a.Path)}, a.Apps)
	}
	var web string
	for _, a := range slices.Concat(g.put, g.remove, g.finish) {
		switch {
		case webTest(a.Target) && a.Op != Mkdir:
			web = a.Target
			add(&test, Step{Verb: Test, Target: a.Target}, nil)
			add(&reload, Step{Verb: Reload, Target: a.Target}, nil)
		case (a.Target == "inetd" || a.Target == "xinetd") && (len(a.Blocks) > 0 || a.Target == "xinetd" && a.Op != Mkdir):
			add(&reload, Step{Verb: Reload, Target: a.Target}, nil)
		case (a.Target == "daemontools" || a.Target == "runit" || a.Target == "s6") && a.Op == Write && a.Before.Kind != Absent && !sameBody(a.Before.data, a.After.data):
			if dir := serviceOf(&a); dir != "" && !started[strings.TrimSuffix(dir, "/log")] {
				add(&start, Step{Verb: Restart, Target: a.Target, Name: dir}, a.Apps)
			}
		}
	}
	touched := func(app string) bool {
		return slices.ContainsFunc(slices.Concat(g.put, g.remove, g.start), func(a Action) bool { return slices.Contains(a.Apps, app) })
	}
	for _, p := range probes {
		if web != "" && touched(p.App) {
			add(&prove, Step{Verb: Prove, Target: web, Probe: &p}, []string{p.App})
		}
	}
	systemd(g, &stop, &start)
	inits(g, add, &stop, &start)
	s6rc(g, add, &stop, &start)
	return slices.Concat(g.unlink, stop, g.put, g.remove, test, g.start, start, reload, prove, g.finish)
}

// sameBody reports whether two generated files differ in their headers alone, which
// have digests of all that a description holds: a service need not be restarted for
// a field that is another program's.
func sameBody(a, b []byte) bool { return bytes.Equal(body(a), body(b)) }

func body(text []byte) []byte {
	var out []byte
	for line := range bytes.Lines(text) {
		if !bytes.HasPrefix(line, []byte("# Code generated by scgikit ")) && !bytes.HasPrefix(line, []byte("# scgikit: app=")) {
			out = append(out, line...)
		}
	}
	return out
}

// serviceOf returns the folder of the service that a file belongs to, or of its
// logger: the one with run, above folders such as env.
func serviceOf(a *Action) string {
	dir := path.Dir(a.Path)
	if base := path.Base(dir); base == "env" || base == "control" {
		dir = path.Dir(dir)
	}
	if path.Base(dir) == "main" {
		dir = path.Dir(dir)
	}
	return dir
}
