package importer

import (
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"scgikit/internal/printable"
)

// supervisord reads supervisord.conf and what it includes.
//
// Source: http://supervisord.org/configuration.html, and supervisor 4.2.5.
func (r *reading) supervisord() error {
	if r.isDir {
		return fmt.Errorf("%s: is a folder; name the file supervisord.conf", printable.Text(r.shown))
	}
	text, err := r.text(r.base)
	if err != nil {
		return err
	}
	sections := make(map[string]*iniSection)
	var order []string
	here := path.Join("/", path.Dir(r.base))
	r.parseIni(r.base, text, here, sections, &order)
	s := &supervisordReader{r: r, sections: sections, env: make(map[string]string)}
	for name, value := range r.options.Env {
		s.env["ENV_"+name] = value
	}
	if include := sections["include"]; include != nil {
		s.include(include, here, &order)
	}
	if global := sections["supervisord"]; global != nil {
		s.global(global)
	}
	for _, name := range order {
		section := sections[name]
		kind, program, _ := strings.Cut(name, ":")
		switch kind {
		case "program":
			s.program(section, strings.TrimSpace(program))
		case "fcgi-program":
			r.refuse(section.at, program, "", "supervisord gives the program a listening socket as descriptor 0, and no description does")
		case "eventlistener":
			r.skip(section.at, "an event listener is no web program")
		case "group":
			r.skip(section.at, "the group %s: its programs are apps of their own", program)
		}
	}
	return nil
}

type supervisordReader struct {
	r        *reading
	sections map[string]*iniSection
	env      map[string]string // ENV_NAME
	common   [][2]string       // variables of all programs
	commonAt place
	user     string // of supervisord
	umask    string
}

// include reads the files of a pattern. Their own includes are not followed, as
// supervisord does not.
func (s *supervisordReader) include(section *iniSection, here string, order *[]string) {
	v := section.keys["files"]
	if v == nil {
		return
	}
	patterns, err := expandIni(v.text, s.expansions(map[string]string{"here": here}))
	if err != nil {
		s.r.note(Lost, v.at, "", "", "", "files=: %v", err)
		return
	}
	for pattern := range strings.FieldsSeq(patterns) {
		where := inside(strings.TrimPrefix(here, "/"), pattern)
		if here == "/" {
			where = inside(".", pattern)
		}
		files, err := fs.Glob(s.r.fsys, where)
		if err != nil || len(files) == 0 {
			s.r.skip(v.at, "no file matches %s", pattern)
		}
		for _, file := range files {
			text, err := s.r.text(file)
			if err != nil {
				s.r.note(Lost, s.r.at(file, 0), "", "", "", "%s", strings.TrimPrefix(err.Error(), printable.Text(s.r.name(file))+": "))
				continue
			}
			if file == s.r.base {
				continue
			}
			s.r.parseIni(file, text, path.Join("/", path.Dir(file)), s.sections, order)
		}
	}
}

func (s *supervisordReader) expansions(more map[string]string) map[string]string {
	all := maps.Clone(s.env)
	maps.Copy(all, more)
	return all
}

// global reads what supervisord gives to all programs.
func (s *supervisordReader) global(section *iniSection) {
	if v := section.keys["environment"]; v != nil {
		text, err := expandIni(v.text, s.expansions(map[string]string{"here": section.here}))
		if err == nil {
			s.common, err = splitPairs(text)
		}
		if err != nil {
			s.r.note(Lost, v.at, "", "", "", "environment=: %v", err)
		}
		s.commonAt = v.at
		for _, pair := range s.common {
			s.env["ENV_"+pair[0]] = pair[1]
		}
	}
	if v := section.keys["user"]; v != nil {
		s.user = v.text
	}
	if v := section.keys["umask"]; v != nil {
		s.umask = v.text
	}
}

// maxProcesses of one program are read; a description has as many instances.
const maxProcesses = 64

// program reads one program: an app for each of its processes, because the
// words of each may differ.
func (s *supervisordReader) program(section *iniSection, name string) {
	number := func(key string, usual int) int {
		if v := section.keys[key]; v != nil {
			v.used = true
			if n, err := strconv.Atoi(v.text); err == nil && n >= 0 {
				return n
			}
			s.r.note(Lost, v.at, name, "", "", "%s=%s", key, v.text)
		}
		return usual
	}
	count, first := number("numprocs", 1), number("numprocs_start", 0)
	if count > maxProcesses {
		s.r.refuse(section.at, name, "", "numprocs=%d: at most %d are read", count, maxProcesses)
		return
	}
	for i := range count {
		if s.r.full(section.at) {
			return
		}
		p := &programReader{s: s, section: section, name: name, values: s.expansions(map[string]string{
			"here": section.here, "program_name": name, "group_name": name,
			"process_num": strconv.Itoa(first + i), "numprocs": strconv.Itoa(count),
		})}
		p.read(count)
	}
}

// programReader reads one process of a program.
type programReader struct {
	s       *supervisordReader
	d       *draft
	section *iniSection
	name    string
	values  map[string]string
}

// get returns a value with everything put in.
func (p *programReader) get(key string) (text string, at place, ok bool) {
	v := p.section.keys[key]
	if v == nil {
		return "", place{}, false
	}
	v.used = true
	text, err := expandIni(strings.ReplaceAll(v.text, "%(here)s", strings.ReplaceAll(p.section.here, "%", "%%")), p.values)
	if err != nil {
		app := p.name
		if p.d != nil {
			app = p.d.name
		}
		p.s.r.note(Lost, v.at, app, "", "--env NAME=VALUE says what the variable ENV_NAME is", "%s=: %v", key, err)
		return "", v.at, false
	}
	return strings.TrimSpace(text), v.at, true
}

func (p *programReader) read(count int) {
	r := p.s.r
	var own [][2]string
	env, envAt, ok := p.get("environment")
	if ok {
		var err error
		if own, err = splitPairs(env); err != nil {
			r.note(Lost, envAt, p.name, "run.env", "", "environment=: %v", err)
		}
		for _, pair := range own {
			p.values["ENV_"+pair[0]] = pair[1]
		}
	}
	name := p.name
	if process, _, named := p.get("process_name"); named && (count > 1 || process != p.name) {
		name = process
	}
	command, at, ok := p.get("command")
	if !ok {
		r.refuse(p.section.at, p.name, "", "there is no command that is known here")
		return
	}
	words, err := splitPosix(command)
	if err != nil {
		r.refuse(at, p.name, "", "command=: %v", err)
		return
	}
	p.d = r.newDraft(name, p.section.at)
	d := p.d
	d.text("type", "server", at)
	if !d.command(words, at) {
		return
	}
	for _, pair := range p.s.common {
		d.env(pair[0], pair[1], p.s.commonAt)
	}
	for _, pair := range own {
		d.env(pair[0], pair[1], envAt)
	}
	p.settings(words)
	p.ends()
	p.output()
	p.others()
	d.guessListen()
	d.add()
}

// settings reads the user, the folder and the mask.
func (p *programReader) settings(words []string) {
	d := p.d
	user, at, ok := p.get("user")
	if !ok && p.s.user != "" {
		user, at, ok = p.s.user, p.s.sections["supervisord"].keys["user"].at, true
	}
	if ok {
		d.user(user, at)
	} else {
		d.asRoot(p.section.at, "there is no user=, and supervisord starts as root")
	}
	directory, at, ok := p.get("directory")
	switch {
	case ok && path.IsAbs(directory):
		d.text("run.directory", directory, at)
	case ok:
		d.lost(at, "directory=%s begins at the folder that supervisord was started in, which only the machine knows", directory)
	case strings.Contains(words[0], "/") && !path.IsAbs(words[0]):
		d.assume(p.section.at, "run.directory", "write it", "%s begins at the folder that supervisord was started in, which only the machine knows; / is written", words[0])
	}
	umask, at, ok := p.get("umask")
	if !ok && p.s.umask != "" {
		umask, at, ok = p.s.umask, p.section.at, true
	}
	if mode, valid := octal(umask); ok && valid {
		d.mode("run.umask", mode, at)
	} else {
		d.mode("run.umask", 0o022, p.section.at) // supervisord's own
	}
}

// ends reads how the program ends, and when it is started again.
func (p *programReader) ends() {
	d := p.d
	if text, at, ok := p.get("stopsignal"); ok {
		if text = strings.TrimPrefix(strings.ToUpper(text), "SIG"); text != "TERM" {
			d.text("run.stop_signal", text, at)
		}
	}
	if text, at, ok := p.get("stopwaitsecs"); ok {
		if n, err := strconv.ParseInt(text, 10, 32); err == nil && n > 0 && n != 10 {
			d.duration("run.stop_timeout", seconds(n), at)
		} else if err != nil || n <= 0 {
			d.lost(at, "stopwaitsecs=%s", text)
		}
	}
	text, at, ok := p.get("autorestart")
	switch strings.ToLower(text) {
	case "true", "yes", "on", "1":
	case "false", "no", "off", "0":
		d.text("run.restart.policy", "never", at)
	case "", "unexpected":
		if !ok {
			at = p.section.at
		}
		d.text("run.restart.policy", "on-failure", at) // supervisord's own
	default:
		d.lost(at, "autorestart=%s", text)
	}
	if text, at, ok := p.get("exitcodes"); ok && text != "0" {
		d.lost(at, "exitcodes=%s: with on-failure, 0 alone is no failure", text)
	}
	if text, at, ok := p.get("autostart"); ok && slices.Contains([]string{"false", "no", "off", "0"}, strings.ToLower(text)) {
		d.lost(at, "autostart=%s: set options.daemontools.down or options.runit.down, or do not enable the unit", text)
	}
}

// output reads the log. It is a file there, and a folder in a description.
func (p *programReader) output() {
	d := p.d
	if file, at, ok := p.get("stdout_logfile"); ok {
		switch strings.ToUpper(file) {
		case "NONE", "OFF", "AUTO":
			d.lost(at, "stdout_logfile=%s: a description always has a log", file)
		default:
			d.lost(at, "stdout_logfile=%s: a log is a folder in a description, log.dir, and is its default here", file)
		}
	}
	if text, at, ok := p.get("stdout_logfile_maxbytes"); ok {
		if n, valid := iniSize(text); !valid || n < 4096 {
			d.lost(at, "stdout_logfile_maxbytes=%s", text)
		} else if n != 1<<20 {
			d.size("log.max_size", n, at)
		}
	}
	if text, at, ok := p.get("stdout_logfile_backups"); ok {
		if n, err := strconv.ParseInt(text, 10, 32); err == nil && n > 0 && n != 10 {
			d.number("log.keep", n, at)
		} else if n != 10 {
			d.lost(at, "stdout_logfile_backups=%s", text)
		}
	}
	d.text("log.timestamp", "none", p.section.at) // supervisord adds none
	if text, at, ok := p.get("redirect_stderr"); !ok || !slices.Contains([]string{"true", "yes", "on", "1"}, strings.ToLower(text)) {
		if !ok {
			at = p.section.at
		}
		d.lost(at, "standard error has a file of its own, and goes to the same log in a description")
	}
}

// others tells of every key that nothing has read.
func (p *programReader) others() {
	for _, key := range slices.Sorted(maps.Keys(p.section.keys)) {
		v := p.section.keys[key]
		switch {
		case v.used, strings.HasPrefix(key, "stderr_"):
		default:
			p.d.lost(v.at, "%s=%s", key, strings.ReplaceAll(v.text, "\n", " "))
		}
	}
}

// iniSize reads 10MB as supervisord does.
func iniSize(text string) (int64, bool) {
	text = strings.ToLower(strings.TrimSpace(text))
	unit := int64(1)
	for suffix, bytes := range map[string]int64{"kb": 1 << 10, "mb": 1 << 20, "gb": 1 << 30} {
		if rest, ok := strings.CutSuffix(text, suffix); ok {
			text, unit = rest, bytes
		}
	}
	n, err := strconv.ParseInt(text, 10, 40)
	return n * unit, err == nil && n >= 0 && n < 1<<40/unit
}
