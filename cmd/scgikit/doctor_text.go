package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"scgikit/internal/doctor"
	"scgikit/internal/printable"
)

// text writes the report for people. Names come from everybody, so that no cell
// holds a line feed or what a terminal obeys.
func (r *doctorJSON) text(w io.Writer) error {
	var b strings.Builder
	section := func(title string, rows [][]string) {
		if len(rows) == 0 {
			return
		}
		for _, row := range rows {
			for i := range row {
				row[i] = printable.Text(row[i])
			}
		}
		fmt.Fprintf(&b, "%s\n%s\n", title, columns("  ", rows))
	}
	family := r.System.Family
	if family == "" {
		family = "unknown"
	}
	section("system", [][]string{{r.System.Name, "places: " + family}})
	for _, kind := range []doctor.Kind{doctor.WebServer, doctor.SuperServer, doctor.Supervisor, doctor.Helper} {
		section(string(kind)+"s", r.programs(kind))
	}
	var rows [][]string
	for _, p := range r.Places {
		there := ""
		if !p.There {
			there = "not there yet"
		}
		rows = append(rows, []string{p.Target, p.Word, p.Path, "read " + string(p.Read), there})
	}
	section("places", rows)
	rows = nil
	for _, a := range r.Accounts {
		rows = append(rows, []string{a.Name, fmt.Sprint(a.UID), a.Group, fmt.Sprint(a.GID)})
	}
	section("accounts", rows)
	rows = nil
	for _, s := range r.Sockets {
		who := "everybody"
		switch {
		case s.Public:
			who = "other machines too"
		case !s.Everyone:
			who = "some"
		}
		rows = append(rows, []string{s.Address, s.User, s.Mode, who})
	}
	section("sockets", rows)
	rows = nil
	for _, s := range r.Services {
		rows = append(rows, []string{s.Name, string(s.State), string(s.Supervisor), s.Dir})
	}
	section("services", rows)
	rows = nil
	for _, a := range r.Installed {
		rows = append(rows, []string{a.App, plural(a.Files, "file"), fmt.Sprintf("%d changed", a.Changed)})
	}
	section("installed", rows)
	r.findings(&b)
	_, err := io.WriteString(w, b.String())
	return err
}

func (r *doctorJSON) programs(kind doctor.Kind) [][]string {
	var rows [][]string
	for i := range r.Programs {
		p := &r.Programs[i]
		if p.Kind != kind {
			continue
		}
		version, runs := p.Version, ""
		if version == "" {
			version = "-"
		}
		if p.Dialect != "" {
			version = p.Dialect
		}
		if p.Running {
			runs = fmt.Sprintf("runs (%d)", p.PID)
		}
		rows = append(rows, []string{p.Name, version, p.Path, speaks(p), runs})
	}
	return rows
}

// speaks are the modules that talk to apps, in short; JSON has all modules.
func speaks(p *doctor.Program) string {
	var out []string
	for _, m := range p.Modules {
		word := strings.TrimSuffix(strings.TrimPrefix(strings.TrimPrefix(m.Name, "http_"), "mod_"), "_module")
		if !slices.Contains([]string{"scgi", "fastcgi", "uwsgi", "proxy", "ajp13", "proxy_scgi", "proxy_fcgi", "proxy_uwsgi", "proxy_ajp", "proxy_http"}, word) {
			continue
		}
		if !m.Loaded {
			word = "(" + word + ")"
		}
		out = append(out, word)
	}
	return strings.Join(out, " ")
}

// findings come last, the worst of them last of all, as the eye falls there.
func (r *doctorJSON) findings(b *strings.Builder) {
	for _, f := range slices.Backward(r.Findings) {
		fmt.Fprintf(b, "%s: %s: %s\n", f.Level, printable.Text(f.Subject), printable.Text(f.Message))
		if f.Hint != "" {
			fmt.Fprintf(b, "  %s\n", printable.Text(f.Hint))
		}
	}
	if len(r.Findings) == 0 {
		b.WriteString("nothing was found that will not work\n")
	}
}
