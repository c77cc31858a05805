// Package flow draws the way of a request: browser, web server, socket, what
// starts the program, program, log; as text, for mermaid, or as SVG.
package flow

import (
	"fmt"
	"slices"
	"strings"

	"scgikit/generate"
	"scgikit/internal/appfile"
)

// Diagram is the way of a request to one app through one target that starts it.
type Diagram struct {
	App     string `json:"app"`
	Starter string `json:"starter"` // the target; "" where none is named
	Nodes   []Node `json:"nodes"`   // in the order of the way
	Edges   []Edge `json:"edges"`
}

// Node is one thing on the way.
type Node struct {
	ID    string   `json:"id"` // "browser", "web", "socket", "starter", "bridge", "program", "log"
	Title string   `json:"title"`
	Facts []string `json:"facts"`
}

// Edge leads from one node to another.
type Edge struct {
	From  string `json:"from"`
	To    string `json:"to"`
	Label string `json:"label"`
}

// Of returns a diagram for each of the targets that starts the app, or one
// without a starter where there is none; the web servers are in all of them.
func Of(a *appfile.App, targets []*generate.Target) []Diagram {
	var web, starters []*generate.Target
	for _, t := range targets {
		if t.Kind == generate.WebServer {
			web = append(web, t)
		} else {
			starters = append(starters, t)
		}
	}
	if len(starters) == 0 {
		starters = []*generate.Target{nil}
	}
	var out []Diagram
	for _, t := range starters {
		out = append(out, diagram(a, web, t))
	}
	return out
}

// noStarter is the title of what starts an app where no target does.
const noStarter = "starter: none of the targets"

func diagram(a *appfile.App, web []*generate.Target, starter *generate.Target) Diagram {
	d := Diagram{App: a.Name}
	ownProgram := a.Type == appfile.TypeServer || a.Type == appfile.TypeWSGI && len(a.Run.Command) > 0
	way := generate.Way{Listener: "what starts the app"}
	switch {
	case starter != nil:
		d.Starter, way = starter.Name, starter.WayOf(a)
	case ownProgram:
		way.Listener = "the program"
	}
	d.node("browser", "browser")
	d.node("web", "web server: "+names(web), webFacts(a)...)
	d.node("socket", socketTitle(a), socketFacts(a, &way)...)
	d.edge("browser", "web", "HTTP, "+mountText(a))
	d.edge("web", "socket", string(a.Protocol))
	switch {
	case starter == nil && ownProgram:
		d.node("program", programTitle(a), programFacts(a)...)
		d.node("starter", noStarter)
		d.edge("socket", "program", "accepts")
		d.edge("starter", "program", "starts it")
	case starter == nil:
		d.node("starter", noStarter)
		d.node("program", programTitle(a), programFacts(a)...)
		d.edge("socket", "starter", "accepts")
		d.edge("starter", "program", "starts scgi-run for it")
	case way.PerRequest:
		d.node("starter", starter.Kind.String()+": "+starter.Name)
		d.node("bridge", "bridge: scgi-run")
		d.node("program", programTitle(a), programFacts(a)...)
		d.edge("socket", "starter", "accepts")
		d.edge("starter", "bridge", "starts for each connection")
		d.edge("bridge", "program", bridgeText(a))
	case way.Bridge:
		d.node("bridge", "bridge: scgi-run, which keeps running")
		d.node("program", programTitle(a), programFacts(a)...)
		d.node("starter", starter.Kind.String()+": "+starter.Name)
		d.edge("socket", "bridge", "accepts")
		d.edge("bridge", "program", bridgeText(a))
		d.edge("starter", "bridge", "starts, "+restartText(a))
	default:
		d.node("program", programTitle(a), programFacts(a)...)
		d.node("starter", starter.Kind.String()+": "+starter.Name)
		d.edge("socket", "program", "accepts")
		d.edge("starter", "program", "starts, "+restartText(a))
	}
	if way.Logger != "" {
		d.node("log", "log: "+way.Log)
		d.edge("program", "log", logText(a, &way))
	}
	return d
}

func (d *Diagram) node(id, title string, facts ...string) {
	d.Nodes = append(d.Nodes, Node{id, title, append([]string{}, facts...)})
}

func (d *Diagram) edge(from, to, label string) { d.Edges = append(d.Edges, Edge{from, to, label}) }

// find returns the node of an ID.
func (d *Diagram) find(id string) *Node {
	i := slices.IndexFunc(d.Nodes, func(n Node) bool { return n.ID == id })
	return &d.Nodes[i]
}

func names(targets []*generate.Target) string {
	if len(targets) == 0 {
		return "none of the targets"
	}
	var words []string
	for _, t := range targets {
		words = append(words, t.Name)
	}
	return strings.Join(words, " or ")
}

func mountText(a *appfile.App) string {
	host := "any host"
	if len(a.HTTP.Host) > 0 {
		host = strings.Join(a.HTTP.Host, " ")
	}
	return a.HTTP.Mount + " at " + host
}

func webFacts(a *appfile.App) []string {
	var facts []string
	for _, s := range a.HTTP.Static {
		facts = append(facts, s.URL+" from "+s.Dir)
	}
	facts = append(facts, "bodies up to "+a.HTTP.MaxBody.String())
	if len(a.Instances) > 1 {
		facts = append(facts, "balances "+string(a.HTTP.Balance.Method))
	}
	return facts
}

func socketTitle(a *appfile.App) string {
	if len(a.Instances) > 1 {
		return fmt.Sprintf("sockets: %d", len(a.Instances))
	}
	return "socket: " + a.Addr().String()
}

func socketFacts(a *appfile.App, way *generate.Way) []string {
	var facts []string
	if len(a.Instances) > 1 {
		for _, addr := range a.Backends() {
			facts = append(facts, addr.String())
		}
	}
	facts = append(facts, "made by "+way.Listener)
	if way.Owner != "" {
		facts = append(facts, "owner "+way.Owner, "mode "+way.Mode)
	}
	if way.Guard != "" {
		facts = append(facts, "in the folder "+way.Guard)
	}
	return facts
}

func programTitle(a *appfile.App) string {
	switch {
	case a.Type == appfile.TypeCGI && a.CGI.Directory != "":
		return "scripts: " + a.CGI.Directory
	case a.Type == appfile.TypeCGI:
		return "script: " + strings.Join(append([]string{a.CGI.Script}, a.CGI.Arguments...), " ")
	case a.Type == appfile.TypeWSGI && len(a.Run.Command) == 0:
		return "WSGI callable: " + a.WSGI.Module
	}
	return "program: " + strings.Join(a.Instances[0].Run.Command, " ")
}

func programFacts(a *appfile.App) []string {
	user := a.Run.User
	if a.Run.Group != "" {
		user += ":" + a.Run.Group
	}
	facts := []string{"runs as " + user}
	if a.Type != appfile.TypeCGI {
		facts = append(facts, "in "+a.Run.Directory)
	}
	if n := len(a.Instances); n > 1 {
		facts = append(facts, fmt.Sprintf("%d instances", n))
	}
	return facts
}

func bridgeText(a *appfile.App) string {
	if a.Type == appfile.TypeWSGI {
		return "calls, at most " + fmt.Sprintf("%gs", a.Run.RequestTimeout.Seconds())
	}
	return "CGI, at most " + fmt.Sprintf("%gs", a.Run.RequestTimeout.Seconds())
}

func restartText(a *appfile.App) string {
	switch a.Run.Restart.Policy {
	case appfile.RestartOnFailure:
		return "again when it fails"
	case appfile.RestartNever:
		return "once"
	case appfile.RestartAlways:
	}
	return "again when it ends"
}

func logText(a *appfile.App, way *generate.Way) string {
	text := "messages, by " + way.Logger
	if !way.PerRequest {
		text = "its output, by " + way.Logger
	}
	if len(a.Instances) > 1 && strings.HasPrefix(way.Log, "/") {
		text += ", the first instance's"
	}
	return text
}
