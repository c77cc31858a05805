package importer

import (
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
)

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

// read reads the process into a draft, which is the whole program where it has no
// name here. It returns nil for one that is refused.
func (p *programReader) read(draftName string) *draft {
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
	if process, at, named := p.get("process_name"); named && draftName == "" && process != p.name {
		r.note(Assumed, at, p.name, "name", "--name names it", "the process is called %s there, and the app %s as the program", process, p.name)
	}
	command, at, ok := p.get("command")
	if !ok {
		r.refuse(p.section.at, p.name, "", "there is no command that is known here")
		return nil
	}
	words, err := splitPosix(command)
	if err != nil {
		r.refuse(at, p.name, "", "command=: %v", err)
		return nil
	}
	if p.d = (&draft{r: r, name: draftName, at: p.section.at, values: make(map[string]value)}); draftName == "" {
		p.d = r.newDraft(p.name, p.section.at)
	}
	d := p.d
	d.text("type", "server", at)
	if !d.command(words, at) {
		return nil
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
	return d
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
	case !ok && p.s.folder != nil && path.IsAbs(p.s.folder.text):
		d.text("run.directory", p.s.folder.text, p.s.folder.at)
		d.assume(p.s.folder.at, "run.directory", "", "supervisord changes to %s where it runs in the background, and its programs stay there", p.s.folder.text)
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
	if v := p.s.files; v != nil {
		const usual = 1024 // which every process has anyway
		if n, err := strconv.ParseInt(v.text, 10, 32); err != nil {
			d.lost(v.at, "minfds=%s", v.text)
		} else if n > usual {
			d.number("run.limits.nofile", n, v.at)
			d.assume(v.at, "run.limits.nofile", "", "minfds=%d: supervisord raises what may be open to that many, where it is less", n)
		}
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
