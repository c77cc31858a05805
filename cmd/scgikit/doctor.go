package main

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"scgikit/internal/doctor"
	"scgikit/internal/install"
	"scgikit/internal/servicedir"
)

func newDoctorCmd(e *env) *cobra.Command {
	var root, host, web string
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "what is on this machine, what will not work, and what to do about it",
		Long: `Lists web servers with their versions, modules and places, super-servers, supervisors,
accounts, sockets, services and what scgikit installed; then what it found, with what to
do about it. Where there is a description, its users, files, ports and targets, and the
modules that its web servers need, have to be there, and what is installed has to answer
at --web.

Nothing is changed. A program is asked for its version and modules alone, and has five
seconds; as root only one that nobody else could have changed. Below another --root none
is started. Of what stands in configurations, paths of included files alone are looked
at. A finding that is an error is code 1.`,
		Example:           "  scgikit doctor --root / --web -\n  scgikit doctor -o json",
		GroupID:           groupMachine,
		ValidArgsFunction: cobra.NoFileCompletions,
		Args:              wants(0, 0),
		RunE:              func(cmd *cobra.Command, _ []string) error { return e.doctor(cmd.Context(), host, web) },
	}
	cmd.Flags().StringVar(&root, "root", "/", "folder `DIR` that is the machine's root")
	addHost(cmd, &host)
	cmd.Flags().StringVar(&web, "web", "127.0.0.1:80", "`ADDRESS` of the web server, which is asked for each installed app; - asks for nothing")
	return cmd
}

// systemJSON is the machine as a whole.
type systemJSON struct {
	Name   string `json:"name"`   // as os-release has it
	Family string `json:"family"` // whose places are taken, "" where none is known
	OS     string `json:"os"`
	Arch   string `json:"arch"`
}

// doctorServiceJSON is a service of a scan folder.
type doctorServiceJSON struct {
	Name       string           `json:"name"`
	Dir        string           `json:"dir"`
	Supervisor supervisorKind   `json:"supervisor"`
	State      servicedir.State `json:"state"`
	AsWanted   bool             `json:"as_wanted"`
	Why        string           `json:"why"`
}

// doctorAppJSON is an app of which something is installed.
type doctorAppJSON struct {
	App     string `json:"app"`
	Files   int    `json:"files"`
	Changed int    `json:"changed"` // by hand, since they were installed
}

// doctorJSON is the whole report. Its keys only grow.
type doctorJSON struct {
	Root      string              `json:"root"`
	System    systemJSON          `json:"system"`
	Programs  []doctor.Program    `json:"programs"`
	Places    []doctor.Place      `json:"places"`
	Accounts  []doctor.Account    `json:"accounts"`
	People    int                 `json:"people"`
	Sockets   []doctor.Socket     `json:"sockets"`
	Services  []doctorServiceJSON `json:"services"`
	Installed []doctorAppJSON     `json:"installed"`
	Findings  []doctor.Finding    `json:"findings"`
}

// examination is one run of doctor.
type examination struct {
	env       *env
	real      bool
	web       string
	seen      *doctor.Machine
	report    doctorJSON
	installed []string // apps
	accounts  []string // that descriptions name
}

func (e *env) doctor(ctx context.Context, host, web string) error {
	x := &examination{env: e, real: isRoot(e.machineRoot()), web: web}
	x.report.Root = e.machineRoot()
	x.report.System = systemJSON{OS: runtime.GOOS, Arch: runtime.GOARCH}
	if !x.real {
		x.report.System.OS, x.report.System.Arch = "", ""
	}
	o := &doctor.Options{Root: e.machineRoot(), Real: x.real, Paths: e.settings.Validators}
	if list, ok := e.lookup("PATH"); ok {
		o.Search = filepath.SplitList(list)
	}
	early, err := x.system(host, o)
	if err != nil {
		return err
	}
	if x.seen, err = doctor.Look(ctx, o); err != nil {
		return changeFailure(err)
	}
	x.report.System.Name = x.seen.Name
	x.seen.Findings = append(early, x.seen.Findings...)
	x.services()
	x.described(ctx)
	m := x.seen
	x.report.Programs, x.report.Places = list(m.Programs), list(m.Places)
	x.report.Accounts, x.report.People = list(m.Servers(x.accounts)), m.People
	x.report.Sockets = list(m.Sockets)
	x.report.Services, x.report.Installed = list(x.report.Services), list(x.report.Installed)
	x.report.Findings = list(m.Findings)
	slices.SortStableFunc(x.report.Findings, func(a, b doctor.Finding) int { return a.Level.Rank() - b.Level.Rank() })
	if err := e.result(x.report, x.report.text); err != nil {
		return err
	}
	bad := 0
	for _, f := range x.report.Findings {
		if f.Level == doctor.Error {
			bad++
		}
	}
	if bad > 0 {
		return failf(exitFailed, "", "%s of what was asked for will not work here", plural(bad, "thing"))
	}
	return nil
}

// list is a slice that JSON has as [] where it is empty.
func list[T any](s []T) []T { return append([]T{}, s...) }

// system finds the family of the host with its places, and what is installed.
func (x *examination) system(host string, o *doctor.Options) (found []doctor.Finding, err error) {
	m, err := install.OpenMachine(x.env.machineRoot())
	if _, unsafe := errors.AsType[*install.Unsafe](err); unsafe {
		return []doctor.Finding{{Level: doctor.Error, Subject: "install", Message: err.Error(), Hint: "mend its owner and mode, or nothing can be installed"}}, nil
	}
	if err != nil {
		return nil, changeFailure(err)
	}
	defer m.Close() //nolint:errcheck // nothing was written
	note := func(level doctor.Level, subject, message, hint string) {
		found = append(found, doctor.Finding{Level: level, Subject: subject, Message: message, Hint: hint})
	}
	if host == "" {
		if host, err = m.Recognise(); err != nil {
			note(doctor.Error, "install", err.Error(), "mend its owner and mode, or nothing can be installed")
		}
	} else if _, ok := install.PlacesOf(host); !ok {
		return nil, usagef("the families are "+strings.Join(install.Families(), ", "), "there is no family of hosts %q", host)
	}
	x.report.System.Family = host
	if places, ok := install.PlacesOf(host); ok {
		o.Places = asked(&places)
		unsafePlaces(m, o.Places, note)
	} else {
		note(doctor.Warning, "install", "scgikit does not know the places of this host", "name its family: --host "+strings.Join(install.Families(), "|"))
	}
	err = x.receipts(m, note)
	switch {
	case errors.Is(err, fs.ErrPermission):
		note(doctor.Note, "installed", err.Error(), "what is installed is for root to see")
	case err != nil:
		note(doctor.Error, "installed", err.Error(), "")
	}
	return found, nil
}

// unsafePlaces finds folders on the way of places that another user could change:
// nothing is installed through them.
func unsafePlaces(m *install.Machine, places []doctor.Asked, note func(level doctor.Level, subject, message, hint string)) {
	var seen []string
	for _, p := range places {
		unsafe, ok := errors.AsType[*install.Unsafe](m.Safe(p.Path))
		switch {
		case !ok || slices.Contains(seen, unsafe.Path):
			continue
		case unsafe.Homebrew:
			seen = append(seen, unsafe.Path)
			note(doctor.Note, "install", unsafe.Error(), hintUnsafe(unsafe))
		default:
			seen = append(seen, unsafe.Path)
			note(doctor.Error, "install", unsafe.Error(), "mend its owner and mode, or nothing can be installed through it")
		}
	}
}

// asked are places as doctor looks at them, sorted.
func asked(places *install.Places) []doctor.Asked {
	var out []doctor.Asked
	for word, p := range places.Table { // sorted below
		target, rest, _ := strings.Cut(word, "/")
		if p.Dir != "" {
			out = append(out, doctor.Asked{Target: target, Word: rest, Path: p.Dir, Manual: p.Manual})
		}
	}
	slices.SortFunc(out, func(a, b doctor.Asked) int { return strings.Compare(a.Target+"/"+a.Word, b.Target+"/"+b.Word) })
	return out
}

// receipts says what is installed, and what of it was changed.
func (x *examination) receipts(m *install.Machine, note func(level doctor.Level, subject, message, hint string)) error {
	var bad troubles
	receipt, err := bad.receipt(m)
	if err != nil {
		return err
	}
	if cut, err := m.Interrupted(); err == nil && cut != nil {
		note(doctor.Error, "installed", "an earlier run was cut off in the middle: "+cut.Command, "any scgikit install, uninstall or rollback undoes it first")
	}
	_, err = m.History()
	if err := bad.add(err); err != nil {
		return err
	}
	snap, err := m.Look((&install.Request{Receipt: receipt}).Paths())
	if err != nil {
		return err
	}
	standing := receipt.Standing(snap)
	bad.unclear(standing)
	for _, t := range bad.list {
		note(doctor.Error, "installed", t.Message, t.Hint)
	}
	for _, app := range receipt.Apps() {
		row := doctorAppJSON{App: app}
		for i := range standing {
			if s := &standing[i]; slices.Contains(s.Apps, app) {
				row.Files++
				if s.Written != "same" {
					row.Changed++
				}
			}
		}
		if row.Changed > 0 {
			note(doctor.Warning, app, plural(row.Changed, "installed file")+" changed by hand, or gone", "scgikit installed names them; scgikit diff --installed shows them")
		}
		x.report.Installed = append(x.report.Installed, row)
		x.installed = append(x.installed, app)
	}
	return nil
}

// services looks at the folders that supervisors look for services in.
func (x *examination) services() {
	places, err := scanned(x.env.scanFolders(), nil)
	if err != nil {
		x.found(doctor.Note, "services", err.Error(), "ask as root, or as the user of the supervisor")
		return
	}
	now := time.Now()
	for _, p := range places {
		s := readState(p, now)
		x.report.Services = append(x.report.Services, doctorServiceJSON{s.Name, s.Dir, s.Supervisor, s.State, s.AsWanted, s.Why})
		if x.real && !s.AsWanted {
			message := "the service is " + string(s.State)
			if s.Why != "" {
				message += ": " + s.Why
			}
			x.found(doctor.Warning, s.Name, message, "scgikit status shows it, with the last lines of its log")
		}
	}
}

func (x *examination) found(level doctor.Level, subject, message, hint string) {
	x.seen.Findings = append(x.seen.Findings, doctor.Finding{Level: level, Subject: subject, Message: message, Hint: hint})
}
