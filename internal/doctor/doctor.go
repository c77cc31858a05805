// Package doctor looks at a machine: the programs that generated files are for,
// their modules and the places that they read, accounts and sockets. It changes
// nothing, and of what it reads it keeps names, versions and the paths of included
// files alone: no value of a configuration, and nothing of passwords.
//
// What it reads may be anybody's: every file is looked at before it is opened, read
// up to a bound, and below another root no link leads out of it. Programs are only
// asked for their version and modules, where the machine runs, one call each with a
// time that ends it.
package doctor

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"
)

// Kind is what a program is there for.
type Kind string

// The kinds.
const (
	WebServer   Kind = "web server"
	SuperServer Kind = "super-server"
	Supervisor  Kind = "supervisor"
	Helper      Kind = "helper"
)

// Program is a program that is on the machine. Its keys in JSON only grow.
type Program struct {
	Kind    Kind     `json:"kind"`
	Name    string   `json:"name"` // the target's, where it has one
	Path    string   `json:"path"` // below the root
	Version string   `json:"version,omitempty"`
	Dialect string   `json:"dialect,omitempty"` // of an inetd
	Running bool     `json:"running"`
	PID     int      `json:"pid,omitempty"` // of the first process
	Modules []Module `json:"modules,omitempty"`
	Asked   bool     `json:"asked"`         // it was started, to say its version
	Why     string   `json:"why,omitempty"` // it was not, or did not answer
}

// Module is a part of a web server.
type Module struct {
	Name   string `json:"name"`
	Loaded bool   `json:"loaded"` // built in, or loaded by its configuration; else it is only there
}

// Place is where a web server has files of apps.
type Place struct {
	Target string `json:"target"`
	Word   string `json:"word"` // what stands there: "server", "http", "vhost", …
	Path   string `json:"path"` // the folder, or the shared file
	There  bool   `json:"there"`
	Read   Read   `json:"read"`
	Hint   string `json:"hint,omitempty"` // the line that is missing
}

// Read is how a program comes to read a place.
type Read string

// The ways.
const (
	ReadAlways Read = "by itself"
	ReadLine   Read = "by a line"         // that stands in its configuration
	ReadNever  Read = "a line is missing" // which an administrator has to write
)

// Account is a user of the machine.
type Account struct {
	Name  string `json:"name"`
	UID   int    `json:"uid"`
	Group string `json:"group"` // its own
	GID   int    `json:"gid"`
}

// Socket is one that a program listens at.
type Socket struct {
	Address  string `json:"address"`        // host:port, or unix:PATH
	User     string `json:"user"`           // by name, or number
	Mode     string `json:"mode,omitempty"` // of a socket file, four octal digits
	Everyone bool   `json:"everyone"`       // every user of the machine may connect
	Public   bool   `json:"public"`         // it is no address of this machine alone
}

// Finding is what will not work, or may surprise.
type Finding struct {
	Level   Level  `json:"level"`
	Subject string `json:"subject"` // a program, an app, a path
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
	Code    string `json:"code,omitempty"` // that scgikit explain knows
	App     string `json:"app,omitempty"`
}

// Level is how bad a finding is.
type Level string

// The levels.
const (
	Error   Level = "error"   // what was asked for will not work
	Warning Level = "warning" // something may not
	Note    Level = "note"
)

// Rank orders levels, the worst first.
func (l Level) Rank() int { return slices.Index([]Level{Error, Warning, Note}, l) }

// Machine is what was seen.
type Machine struct {
	Name     string // as os-release has it
	Programs []Program
	Places   []Place
	Accounts []Account
	People   int // accounts with a shell to log in with
	Sockets  []Socket
	Findings []Finding
}

// Asked is a place that a target's files would go to.
type Asked struct {
	Target, Word string
	Path         string // the folder or the shared file
	Linked       bool   // links to it are read
	Manual       string // the line that an administrator has to write, "" for none
}

// Options say what is looked at.
type Options struct {
	Root   string            // the machine's root
	Real   bool              // it is the machine that runs: programs are asked, processes and sockets seen
	Places []Asked           // by target
	Paths  map[string]string // programs that settings name, by target
	Search []string          // further folders of programs, as PATH has them
	Limit  time.Duration     // for each program that is asked; 0 is AskTime
}

// AskTime is how long a program may take to say its version.
const AskTime = 5 * time.Second

// Look looks at a machine. The error is that its root can not be opened.
func Look(ctx context.Context, o *Options) (m *Machine, err error) {
	t, err := openTree(o.Root)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, t.close()) }()
	if o.Limit == 0 {
		o.Limit = AskTime
	}
	m = &Machine{Name: prettyName(t)}
	m.accounts(t)
	m.programs(ctx, t, o)
	m.places(t, o)
	if o.Real {
		m.sockets(t)
	}
	m.general()
	return m, nil
}

// prettyName returns what the system calls itself.
//
// Source: https://www.freedesktop.org/software/systemd/man/os-release.html
func prettyName(t *tree) string {
	for _, file := range []string{"/etc/os-release", "/usr/lib/os-release"} {
		for line := range strings.Lines(t.read(file)) {
			if value, ok := strings.CutPrefix(strings.TrimSpace(line), "PRETTY_NAME="); ok {
				return strings.Trim(value, `"'`)
			}
		}
	}
	return ""
}

func (m *Machine) find(level Level, subject, message, hint string) {
	m.Findings = append(m.Findings, Finding{Level: level, Subject: subject, Message: message, Hint: hint})
}

// Program returns a program by its name.
func (m *Machine) Program(name string) (*Program, bool) {
	for i := range m.Programs {
		if m.Programs[i].Name == name {
			return &m.Programs[i], true
		}
	}
	return nil, false
}

// Account returns a user by its name.
func (m *Machine) Account(name string) bool {
	for i := range m.Accounts {
		if m.Accounts[i].Name == name {
			return true
		}
	}
	return false
}

// general finds what is missing whatever is to run here.
func (m *Machine) general() {
	have := make(map[Kind]int)
	for i := range m.Programs {
		p := &m.Programs[i]
		have[p.Kind]++
		if p.Why != "" {
			m.find(Warning, p.Name, p.Path+" "+p.Why, "")
		}
	}
	if have[WebServer] == 0 {
		m.find(Warning, "web server", "there is none that scgikit knows", "install nginx, lighttpd, apache, haproxy or caddy")
	}
	if have[SuperServer]+have[Supervisor] == 0 {
		m.find(Warning, "supervisor", "there is none, and no super-server", "scgikit service install has scgikit supervise started at boot")
	}
	if _, ok := m.Program("scgi-run"); !ok {
		m.find(Warning, "scgi-run", "is not on this machine, and generated run scripts start it", "install it as /usr/local/bin/scgi-run")
	} else if p, _ := m.Program("scgi-run"); p.Path != "/usr/local/bin/scgi-run" {
		m.find(Note, "scgi-run", "is "+p.Path+"; generated files start /usr/local/bin/scgi-run", "put it there, or name it in the option scgi_run of each target")
	}
	for _, p := range m.Places {
		if p.Read == ReadNever {
			m.find(Note, p.Target, p.Path+" is not read by itself", p.Hint)
		}
	}
}
