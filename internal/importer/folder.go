package importer

import (
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"scgikit/internal/printable"
)

// folders reads a service folder, or a scan folder of them.
//
// Sources: https://cr.yp.to/daemontools/supervise.html; runsv(8); docs/supervise.md
// for the small files.
func (r *reading) folders() error {
	if !r.isDir {
		return fmt.Errorf("%s: is a file; name the folder of a service, or a scan folder", printable.Text(r.shown))
	}
	if r.exists(path.Join(r.base, "run")) {
		r.serviceFolder(r.base)
		return nil
	}
	names, err := r.entries(r.base)
	if err != nil {
		return err
	}
	for _, name := range names {
		dir := path.Join(r.base, name)
		if r.full(r.at(dir, 0)) {
			break
		}
		switch info, err := fs.Stat(r.fsys, dir); {
		case err != nil:
			r.refuse(r.at(dir, 0), "", "", "can not be read: %v", r.explain(dir, err))
		case !info.IsDir():
		case !r.exists(path.Join(dir, "run")):
			r.skip(r.at(dir, 0), "a folder without run is no service")
		default:
			r.serviceFolder(dir)
		}
	}
	return nil
}

// serviceFolder reads one service.
func (r *reading) serviceFolder(dir string) {
	name := path.Base(dir)
	if dir == "." {
		name = path.Base(r.shown)
	}
	d := r.newDraft(name, r.at(dir, 0))
	d.text("type", "server", place{})
	run := path.Join(dir, "run")
	s, failure := d.readScript(run, dir, false)
	switch {
	case failure != nil:
		if !d.keepScript(run, dir, failure) {
			return
		}
	case s.chain.listens != "":
		d.listening(s, run)
	case !d.command(s.words, s.at):
		return
	default:
		d.started(s, run, dir)
	}
	if r.exists(path.Join(dir, "down")) {
		d.flag(d.option("down"), r.at(path.Join(dir, "down"), 0))
	}
	d.smallFiles(dir)
	d.logFolder(dir)
	d.folderExtras(dir)
	d.others(dir)
	if s == nil || s.chain.listens == "" {
		d.guessListen()
	} else {
		d.listenerReady(s, dir)
	}
	d.add()
}

func (d *draft) option(key string) string { return "options." + string(d.r.kind) + "." + key }

// started completes what a script that was understood leaves to its starter.
func (d *draft) started(s *script, run, dir string) {
	at := d.r.at(run, 0)
	if s.chain.binDir != "" {
		d.text(d.option("bin_dir"), s.chain.binDir, s.at)
	}
	if !s.chain.user {
		d.asRoot(s.at, "nothing changes the user")
	}
	if !d.has("run.directory") {
		d.text("run.directory", path.Join("/", dir), at)
	}
	d.defaultUmask(at, "the supervisor")
	if !s.stderr {
		d.lost(at, "there is no exec 2>&1: standard error does not go to the log, and will")
	}
}

// keepScript makes a script that is not understood the program itself.
func (d *draft) keepScript(run, dir string, failure *shellError) bool {
	at := d.r.at(run, failure.line)
	info, err := fs.Stat(d.r.fsys, run)
	switch {
	case err != nil || !info.Mode().IsRegular():
		d.r.refuse(at, d.name, "", "%s", failure.what)
		return false
	case info.Mode().Perm()&0o111 == 0:
		d.r.refuse(at, d.name, "chmod +x it, or remove it", "run is not executable, so no supervisor starts it")
		return false
	}
	if !d.command([]string{path.Join("/", run)}, at) {
		return false
	}
	d.assume(at, "run.command", "move the script out of this folder and name it there, or a generated folder in the place of this one would start itself; or write the program, with run.user, run.env and run.limits",
		"%s; so the script itself is what runs", failure.what)
	d.asRoot(at, "the script changes the user itself, or nobody does")
	d.text("run.directory", path.Join("/", dir), at)
	d.defaultUmask(at, "the supervisor")
	return true
}

// smallFiles reads the files of a line or two.
func (d *draft) smallFiles(dir string) {
	line := func(name string) (string, place, bool) {
		file := path.Join(dir, name)
		if !d.r.exists(file) {
			return "", place{}, false
		}
		text, ok := d.r.optional(file)
		return strings.TrimSpace(text), d.r.at(file, 0), ok
	}
	number := func(name string, use func(n int64, at place)) {
		text, at, ok := line(name)
		if !ok {
			return
		}
		if n, err := strconv.ParseInt(text, 10, 64); err == nil && n >= 0 && n < 1<<31 {
			use(n, at)
		} else {
			d.lost(at, "%q is no number", text)
		}
	}
	number("timeout-kill", func(n int64, at place) {
		switch n {
		case 0:
			d.lost(at, "0 never kills the program, and a description always has a run.stop_timeout")
		case 10000:
		default:
			d.duration("run.stop_timeout", time.Duration(n)*time.Millisecond, at)
		}
	})
	number("notification-fd", func(n int64, at place) { d.number(d.option("notification_fd"), n, at) })
	if text, at, ok := line("down-signal"); ok && text != "TERM" && text != "SIGTERM" {
		d.text("run.stop_signal", strings.TrimPrefix(text, "SIG"), at)
	}
	if text, at, ok := line("start-timeout"); ok {
		d.parsedDuration("run.start_timeout", text, "10s", at)
	}
	if text, at, ok := line("reload-signal"); ok {
		d.text(d.option("reload_signal"), strings.TrimPrefix(text, "SIG"), at)
	}
	if text, at, ok := line("after"); ok {
		var services []string
		for _, service := range lines(text) {
			if service = strings.TrimSpace(service); service != "" && service[0] != '#' {
				services = append(services, service)
			}
		}
		d.words(d.option("after"), services, at)
	}
	d.restartFile(path.Join(dir, "restart"))
}

// parsedDuration sets a field unless it is what the description has anyway.
func (d *draft) parsedDuration(field, text, usual string, at place) {
	t, err := time.ParseDuration(text)
	if err != nil || t < 0 {
		d.lost(at, "%q is no time", text)
		return
	}
	if same, _ := time.ParseDuration(usual); t != same {
		d.duration(field, t, at)
	}
}

func (d *draft) restartFile(file string) {
	if !d.r.exists(file) {
		return
	}
	text, _ := d.r.optional(file)
	for i, line := range lines(text) {
		at := d.r.at(file, i+1)
		key, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch value = strings.TrimSpace(value); key {
		case "policy":
			if value != "always" {
				d.text("run.restart.policy", value, at)
			}
		case "delay":
			d.parsedDuration("run.restart.delay", value, "1s", at)
		case "max-delay":
			d.parsedDuration("run.restart.max_delay", value, "60s", at)
		case "window":
			d.parsedDuration("run.restart.window", value, "60s", at)
		case "burst":
			if n, err := strconv.ParseInt(value, 10, 32); err != nil {
				d.lost(at, "%q is no number", value)
			} else if n != 5 {
				d.number("run.restart.burst", n, at)
			}
		default:
			if key != "" && key[0] != '#' {
				d.lost(at, "the word %q", key)
			}
		}
	}
}

var (
	ownFinish  = regexp.MustCompile(`^(\[ "\$1" != 0 \] \|\| )?printf d >supervise/control$`)
	ownControl = regexp.MustCompile(`^kill -([A-Z0-9]+) "\$pid"$`)
)

// folderExtras reads the scripts besides run.
func (d *draft) folderExtras(dir string) {
	for _, name := range []string{"check", "reload"} {
		d.helper(path.Join(dir, name), dir, name)
	}
	if finish := path.Join(dir, "finish"); d.r.exists(finish) {
		text, _ := d.r.optional(finish)
		m := ownFinish.FindStringSubmatch(lastLine(text))
		switch {
		case d.r.kind == S6 && strings.Contains(text, "\n"+generatedMark):
			// What it does stands in the file restart as well, but that it waits.
			if !slices.ContainsFunc(d.sorted(), isPause) && strings.Contains(text, "s6-permafailon") {
				d.number("run.restart.burst", 5, d.r.at(finish, 0))
			}
		case m == nil:
			d.lost(d.r.at(finish, 0), "finish is not imported: a description has nothing that runs when the program has ended")
		case m[1] != "":
			d.text("run.restart.policy", "on-failure", d.r.at(finish, 0))
		default:
			d.text("run.restart.policy", "never", d.r.at(finish, 0))
		}
	} else if d.has("run.restart.policy") && d.r.kind != Daemontools {
		d.text(d.option("supervisor"), "scgikit", d.r.at(path.Join(dir, "restart"), 0))
	}
	control := path.Join(dir, "control")
	names, err := d.r.entries(control)
	if err != nil {
		return
	}
	for _, name := range names {
		file := path.Join(control, name)
		text, _ := d.r.optional(file)
		m := ownControl.FindStringSubmatch(lastLine(text))
		switch {
		case m != nil && name == "t":
			d.text("run.stop_signal", m[1], d.r.at(file, 0))
		case m != nil && name == "h":
			d.text(d.option("reload_signal"), m[1], d.r.at(file, 0))
		case name == "h" && strings.Contains(text, `./reload "$pid"`):
		default:
			d.lost(d.r.at(file, 0), "the script is not imported")
		}
	}
}

func isPause(field string) bool {
	return strings.HasPrefix(field, "run.restart.") && field != "run.restart.policy"
}

// lastLine returns the last line of a generated script that says something.
func lastLine(text string) string {
	all := lines(text)
	if len(all) == 0 {
		return ""
	}
	return all[len(all)-1]
}

// helper reads a script that starts a command as the program is started.
func (d *draft) helper(file, dir, name string) {
	if !d.r.exists(file) {
		return
	}
	scratch := &draft{r: d.r, name: d.name, at: d.at, values: make(map[string]value)}
	text, _ := d.r.optional(file)
	notes := len(d.r.notes)
	s, failure := scratch.readHelper(file, dir, text)
	d.r.notes = d.r.notes[:notes]
	if failure != nil {
		d.words(d.option(name), []string{path.Join("/", file)}, d.r.at(file, 0))
		d.assume(d.r.at(file, failure.line), d.option(name), "", "%s; so the script itself is what runs", failure.what)
		return
	}
	for _, field := range scratch.sorted() {
		if v := scratch.values[field]; !slices.Equal(v.text, d.values[field].text) {
			d.lost(v.at, "%s of this script: what is run there is run as the program is", field)
		}
	}
	words := s.words
	if len(words) > 0 && !strings.Contains(words[0], "/") {
		words = append([]string{"/usr/bin/env"}, words...)
	}
	d.words(d.option(name), words, s.at)
}

// readHelper reads check or reload: the lines that set MAINPID are its own.
func (d *draft) readHelper(file, dir, text string) (*script, *shellError) {
	text = strings.Replace(text, "\nMAINPID=$1\nexport MAINPID\n", "\n\n\n", 1)
	s := newScriptReader(d, file, dir, false)
	if failure := s.read(text); failure != nil {
		return nil, failure
	}
	return &s.out, nil
}
