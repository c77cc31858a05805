package importer

import (
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
)

// perRequest reads a program that answers one SCGI request on its standard
// input: scgi-run with its flags, or the older scgi_run with a folder or a
// program; or scgi-run that keeps running. It reports whether it is one.
func (d *draft) perRequest(program string, args []string, target string, at place) bool {
	words := append([]string{path.Base(program)}, args[min(1, len(args)):]...)
	switch {
	case words[0] == "scgi-run" && len(words) > 1 && (words[1] == "bridge" || words[1] == "wsgi"):
		if program != "/usr/local/bin/scgi-run" {
			d.text("options."+target+".scgi_run", program, at)
		}
		f := &flagReader{d: d, at: at, wsgi: words[1] == "wsgi", pass: []string{"PATH", "LANG", "TZ"}}
		return f.read(words[2:])
	case strings.TrimSuffix(words[0], ".py") == "scgi_run" || len(args) > 0 && args[0] == "scgi_run":
		return d.scgiRun(words[1:], at)
	}
	return false
}

// scgiRun reads the arguments of scgi_run: a folder that ends in "/", or a
// program with arguments.
func (d *draft) scgiRun(words []string, at place) bool {
	if len(words) == 0 || strings.HasPrefix(words[0], "-") {
		return false
	}
	d.text("type", "cgi", at)
	d.scripts(words, at)
	d.assume(at, "cgi", "", "scgi_run becomes scgi-run bridge, which runs the same scripts, each in its own folder")
	return true
}

func (d *draft) scripts(words []string, at place) {
	if strings.HasSuffix(words[0], "/") {
		d.text("cgi.directory", words[0], at)
		return
	}
	d.text("cgi.script", words[0], at)
	if len(words) > 1 {
		d.words("cgi.arguments", words[1:], at)
	}
}

// flagReader reads the flags of scgi-run bridge and scgi-run wsgi.
type flagReader struct {
	d      *draft
	at     place
	wsgi   bool
	pass   []string // variables from outside
	passed bool     // the usual ones are replaced
	body   bool
	most   bool // how many programs run at a time is said
	style  string
	paths  []string
	params []string
	allow  []string
}

// switches are the flags without a value.
var switches = [...]string{"follow-symlinks", "no-add-status", "stream-body", "handoff", "public", "no-reload"}

func (f *flagReader) read(words []string) bool {
	for len(words) > 0 && strings.HasPrefix(words[0], "--") {
		name, value, ok := strings.Cut(words[0][2:], "=")
		words = words[1:]
		if name == "" {
			break
		}
		if !ok && !slices.Contains(switches[:], name) {
			if len(words) == 0 {
				return false
			}
			value, words = words[0], words[1:]
		}
		f.flag(name, value)
	}
	if len(words) == 0 {
		return false
	}
	f.finish(words)
	return true
}

func (f *flagReader) flag(name, value string) {
	d, at := f.d, f.at
	switch name {
	case "mount":
		d.text("http.mount", value, at)
	case "timeout":
		d.parsedDuration("run.request_timeout", value, "60s", at)
	case "max-body":
		f.body = true
		if n, ok := sizeOf(value); !ok {
			d.lost(at, "--max-body=%s", value)
		} else if n != 10<<20 {
			d.size("http.max_body", n, at)
		}
	case "umask":
		if mode, ok := octal(value); ok {
			d.ownUmask = d.mode("run.umask", mode, at)
		}
	case "nice":
		if n, err := strconv.Atoi(value); err == nil {
			d.number("run.nice", int64(n), at)
		}
	case "limit":
		f.limits(value)
	case "log":
		d.setLogFile(value, at)
	case "env":
		variable, text, _ := strings.Cut(value, "=")
		d.env(variable, text, at)
	case "env-pass":
		f.passNames(value)
	case "pass":
		f.params = append(f.params, strings.FieldsFunc(value, isComma)...)
	case "allow":
		f.allow = append(f.allow, strings.FieldsFunc(value, isComma)...)
	case "path":
		f.paths = append(f.paths, value)
	case "python":
		if value != "/usr/bin/python3" {
			d.text("wsgi.python", value, at)
		}
	case "directory":
		d.text("run.directory", value, at)
	case "style":
		f.style = value
	case "listen":
		if d.served.listen != "" {
			d.lost(at, "--listen=%s: a description has one listener", value)
			return
		}
		d.served.listen, d.served.at = value, at
	case "socket-mode":
		d.served.mode = value
	case "socket-owner":
		d.served.owner = value
	case "stop-limit":
		d.served.stopLimit = value
	case "max":
		f.most = true
		f.number("run.max_concurrent", value, 16)
	case "workers", "threads":
		f.number("wsgi."+name, value, 1)
	case "server":
		d.text("wsgi.server", value, at)
	case "protocol":
		if value != "scgi" {
			d.text("protocol", value, at)
		}
	case "public": // which the address says
	case "no-add-status":
		d.bare("cgi.add_status", "false", at)
	case "follow-symlinks", "handoff", "stream-body":
		d.flag("cgi."+strings.ReplaceAll(name, "-", "_"), at)
	default:
		d.lost(at, "the flag --%s of scgi-run", name)
	}
}

// number sets a field where it is not what a description has anyway.
func (f *flagReader) number(field, value string, usual int64) {
	n, err := strconv.ParseInt(value, 10, 32)
	if err != nil {
		f.d.lost(f.at, "the number %q of scgi-run", value)
	} else if n != usual {
		f.d.number(field, n, f.at)
	}
}

func isComma(c rune) bool { return c == ',' }

func (f *flagReader) passNames(value string) {
	if !f.passed {
		f.pass, f.passed = nil, true
	}
	f.pass = append(f.pass, strings.FieldsFunc(value, isComma)...)
}

func (f *flagReader) limits(value string) {
	for word := range strings.SplitSeq(value, ",") {
		name, text, _ := strings.Cut(word, "=")
		n, ok := sizeOf(text)
		switch {
		case !ok:
			f.d.lost(f.at, "the limit %q", word)
		case name == "core":
			f.d.coreLimit(n, f.at)
		case name == "memory":
			f.d.size("run.limits.memory", n, f.at)
		case name == "cpu":
			f.d.number("run.limits.cpu_seconds", n, f.at)
		case name == "nofile", name == "nproc":
			f.d.number("run.limits."+name, n, f.at)
		default:
			f.d.lost(f.at, "the limit %q", word)
		}
	}
}

// finish sets what depends on more than one flag.
func (f *flagReader) finish(rest []string) {
	d, at := f.d, f.at
	if !f.body {
		d.size("http.max_body", 1<<30, at) // scgi-run's own
	}
	secrets := func(name string) bool { return d.has("run.secrets." + name + ".file") }
	f.pass = slices.DeleteFunc(f.pass, secrets)
	usual := slices.Equal(f.pass, []string{"PATH", "LANG", "TZ"})
	f.form()
	if f.wsgi {
		d.text("type", "wsgi", at)
		d.text("wsgi.module", rest[0], at)
		if dir, ok := d.values["run.directory"]; len(f.paths) != 1 || !ok || dir.text[0] != literal(f.paths[0]) {
			d.words("wsgi.path", f.paths, at)
		}
		if !usual {
			d.lost(at, "--env-pass: an app of type wsgi always sees PATH, LANG and TZ")
		}
		return
	}
	d.text("type", "cgi", at)
	d.scripts(rest, at)
	if !usual {
		d.words("cgi.env_pass", f.pass, at)
	}
	if len(f.params) > 0 {
		d.words("cgi.pass_params", f.params, at)
	}
	if len(f.allow) > 0 {
		d.words("cgi.allow", f.allow, at)
	}
}

// form sets how the processes are used.
func (f *flagReader) form() {
	d, resident := f.d, f.d.served.listen != ""
	switch {
	case f.style == "zygote" && resident:
		d.text("wsgi.style", f.style, f.at)
	case f.style == "", f.style == "prefork" && resident, f.style == "once" && !resident:
	default:
		d.lost(f.at, "--style=%s", f.style)
	}
	if resident && !f.most && (!f.wsgi || f.style == "zygote") {
		d.number("run.max_concurrent", 64, f.at) // scgi-run's own
	}
}

// logFile sets log.dir from the file that a program per request writes to.
func (d *draft) setLogFile(file string, at place) {
	d.logFile, d.logPlace = file, at
	d.text("log.dir", path.Dir(file), at)
}

// checkLogFile tells of a log that gets the name of the app.
func (d *draft) checkLogFile() {
	if want := d.name + ".log"; d.logFile != "" && path.Base(d.logFile) != want {
		d.lost(d.logPlace, "the log %s becomes %s", d.logFile, path.Join(path.Dir(d.logFile), want))
	}
}

// sizeOf reads a number of bytes as scgi-run does.
func sizeOf(text string) (int64, bool) {
	number, unit := text, int64(1)
	for suffix, bytes := range map[string]int64{"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30} {
		if n, ok := strings.CutSuffix(text, suffix); ok {
			number, unit = n, bytes
		}
	}
	n, err := strconv.ParseInt(number, 10, 64)
	return n * unit, err == nil && n >= 0 && n < 1<<50/unit
}

// seconds is a whole number of seconds.
func seconds(n int64) time.Duration { return time.Duration(n) * time.Second }
