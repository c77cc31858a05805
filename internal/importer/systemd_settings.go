package importer

import (
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
)

// common reads what services for one connection and others have alike.
func (s *serviceReader) common() {
	d, u := s.d, s.u
	if value, at, ok := s.raw("Unit", "Description"); ok {
		value = strings.TrimSuffix(value, ", one request")
		if value != d.name {
			d.text("description", value, at)
		}
	}
	if value, at, ok := s.raw("Service", "User"); ok {
		d.user(value, at)
	} else if l, ok := u.last("Service", "DynamicUser"); ok && truth(l.value) {
		d.text("run.user", d.name, l.at)
		d.assume(l.at, "run.user", "make that user on the machine; --user names another one", "DynamicUser=: a description has a user that is there, and %s is a placeholder", d.name)
	} else {
		d.asRoot(d.at, "there is no User=")
	}
	s.set("Group", "run.group")
	if groups, at := s.list("Service", "SupplementaryGroups"); len(groups) > 0 {
		d.words("run.supplementary_groups", groups, at)
	}
	value, at, ok := s.raw("Service", "UMask")
	switch mode, valid := octal(value); {
	case d.ownUmask:
	case ok && valid:
		d.mode("run.umask", mode, at)
	default:
		d.mode("run.umask", 0o022, d.at) // systemd's own
	}
	s.integer("Service", "Nice", "run.nice", 0)
	s.set("RootDirectory", "security.chroot")
	s.environment()
	s.output()
	s.order()
	s.known("Service", "SyslogIdentifier", d.name)
	s.known("Service", "IgnoreSIGPIPE", "no")
}

// known takes a setting that generated units have with a value of their own; for
// another value it stays to be told of.
func (s *serviceReader) known(section, key, value string) {
	for i := range s.u.lines {
		if l := &s.u.lines[i]; l.section == section && l.key == key && l.value == value {
			l.used = true
		}
	}
}

func (s *serviceReader) integer(section, key, field string, usual int64) {
	value, at, ok := s.raw(section, key)
	if !ok {
		return
	}
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil {
		s.d.lost(at, "%s=%s", key, value)
	} else if n != usual {
		s.d.number(field, n, at)
	}
}

// connection reads what only a service for one connection has.
func (s *serviceReader) connection() {
	s.known("Unit", "CollectMode", "inactive-or-failed")
	for _, key := range []string{"StandardInput", "StandardOutput"} {
		s.known("Service", key, "socket")
	}
	s.limits()
}

// output reads where the output goes: the journal, or a file.
func (s *serviceReader) output() {
	for _, key := range []string{"StandardOutput", "StandardError"} {
		value, at, ok := s.raw("Service", key)
		switch {
		case !ok, value == "journal", value == "inherit", value == "syslog", value == "socket":
		case strings.HasPrefix(value, "append:") && !s.log:
			s.log = true
			s.d.setLogFile(strings.TrimPrefix(value, "append:"), at)
		default:
			s.d.lost(at, "%s=%s: the output goes to the journal, or to log.dir", key, value)
		}
	}
}

// order reads the units that come before.
func (s *serviceReader) order() {
	d := s.d
	after, at := s.list("Unit", "After")
	wants, wantsAt := s.list("Unit", "Wants")
	if at == (place{}) {
		at = wantsAt
	}
	own := func(name string) bool { return strings.HasSuffix(name, ".socket") && strings.HasPrefix(name, d.name) }
	var units []string
	for _, name := range after {
		if name == "network.target" || own(name) {
			continue
		}
		units = append(units, name)
		if !slices.Contains(wants, name) {
			d.assume(at, "options.systemd.after", "", "After=%s: generated units want what they come after, too", name)
		}
	}
	for _, name := range wants {
		if !slices.Contains(after, name) {
			d.lost(wantsAt, "Wants=%s without After=", name)
		}
	}
	if len(units) > 0 {
		d.words("options.systemd.after", units, at)
	}
	for _, l := range s.u.all("Unit", "Requires") {
		if !own(l.value) {
			d.lost(l.at, "Requires=%s: generated units want it at most, by options.systemd.after", l.value)
		}
	}
	for _, l := range s.u.all("Unit", "PartOf") {
		if numberedName.MatchString(d.name) && l.value == d.name[:strings.LastIndexByte(d.name, '-')]+".target" {
			continue
		}
		d.lost(l.at, "PartOf=%s: what several services have in common is run.instances of one app", l.value)
	}
}

// resident reads what only a program that keeps running has.
func (s *serviceReader) resident() {
	d := s.d
	if value, at, ok := s.raw("Service", "WorkingDirectory"); ok && !s.bridge {
		if strings.HasPrefix(value, "-") {
			d.lost(at, "WorkingDirectory=-: a folder that is missing keeps the program from being started")
			value = value[1:]
		}
		if strings.HasPrefix(value, "/") {
			d.text("run.directory", value, at)
		} else {
			d.lost(at, "WorkingDirectory=%s, which only the machine knows", value)
		}
	}
	s.limits()
	s.stop()
	s.restart()
	s.reload()
	s.known("Install", "WantedBy", "multi-user.target")
	s.known("Install", "Also", d.name+".socket")
}

// limits reads the resource limits. Those that scgi-run sets for the script of a
// request are told of by their settings.
func (s *serviceReader) limits() {
	for _, limit := range []struct{ key, field string }{
		{"LimitCORE", "run.limits.core"},
		{"LimitCPU", "run.limits.cpu_seconds"},
		{"LimitNOFILE", "run.limits.nofile"},
		{"LimitNPROC", "run.limits.nproc"},
		{"LimitAS", "run.limits.memory"},
	} {
		if !s.request || !s.d.has(limit.field) {
			s.limit(limit.key, limit.field)
		}
	}
}

// limit reads a resource limit. Where there are two, the description has the soft one.
func (s *serviceReader) limit(key, field string) {
	value, at, ok := s.raw("Service", key)
	if !ok {
		return
	}
	soft, hard, two := strings.Cut(value, ":")
	if soft == "infinity" {
		s.d.lost(at, "%s=infinity: a description has no limit without an end; where none is set, core files are off, and the rest is systemd's own", key)
		return
	}
	if two && soft != hard {
		s.d.lost(at, "%s=%s: a description has one limit, soft and hard", key, value)
	}
	var n int64
	var valid bool
	switch field {
	case "run.limits.core", "run.limits.memory":
		n, valid = unitSize(soft)
	case "run.limits.cpu_seconds":
		var t time.Duration
		t, valid = span(soft)
		valid = valid && soft != ""
		n = int64((t + time.Second - 1) / time.Second)
	default: // they take no letter
		var err error
		n, err = strconv.ParseInt(soft, 10, 64)
		valid = err == nil && n >= 0
	}
	switch {
	case !valid:
		s.d.lost(at, "%s=%s is no limit, and systemd ignores it", key, value)
	case field == "run.limits.core", field == "run.limits.memory":
		if n > 0 {
			s.d.size(field, n, at)
		}
	default:
		s.d.number(field, n, at)
	}
}

// timeSpan sets a field unless it is what a description has anyway.
func (s *serviceReader) timeSpan(key, field string, usual, plain time.Duration) {
	value, at, ok := s.raw("Service", key)
	t := plain
	if ok {
		var valid bool
		if t, valid = span(value); !valid || value == "infinity" {
			s.d.lost(at, "%s=%s: a description has a time", key, value)
			return
		}
	}
	if t != usual {
		s.d.duration(field, t, at)
	}
}

// stop reads how the program is told to end. Systemd gives it 90 seconds where
// the unit does not say more.
func (s *serviceReader) stop() {
	d := s.d
	for i := range s.u.lines { // one name for two settings
		if l := s.u.lines[i]; l.section == "Service" && l.key == "TimeoutSec" {
			s.u.lines[i].key = "TimeoutStopSec"
			l.key = "TimeoutStartSec"
			s.u.lines = slices.Insert(s.u.lines, i, l)
		}
	}
	s.timeSpan("TimeoutStopSec", "run.stop_timeout", 10*time.Second, 90*time.Second)
	switch {
	case d.first("options.systemd.readiness") == "notify":
		s.timeSpan("TimeoutStartSec", "run.start_timeout", 10*time.Second, 90*time.Second)
	default:
		if l, ok := s.u.last("Service", "TimeoutStartSec"); ok {
			d.lost(l.at, "TimeoutStartSec=%s: the program is up as soon as it is started", l.value)
		}
	}
	if value, at, ok := s.raw("Service", "KillSignal"); ok && value != "SIGTERM" {
		d.text("run.stop_signal", strings.TrimPrefix(value, "SIG"), at)
	}
	if value, at, ok := s.raw("Service", "KillMode"); ok && value != "mixed" {
		d.lost(at, "KillMode=%s: the signal goes to the program, and what is left of it is killed (mixed)", value)
	}
}

// restart reads when the program is started again. Systemd gives up after five
// starts in ten seconds where the unit does not say more.
func (s *serviceReader) restart() {
	d := s.d
	policy, at, ok := s.raw("Service", "Restart")
	switch {
	case !ok, policy == "no":
		d.text("run.restart.policy", "never", at)
	case policy == "always":
	case policy == "on-failure":
		d.text("run.restart.policy", "on-failure", at)
	case policy == "on-success", policy == "on-abnormal", policy == "on-abort", policy == "on-watchdog":
		d.text("run.restart.policy", "on-failure", at)
		d.lost(at, "Restart=%s becomes on-failure", policy)
	default:
		d.text("run.restart.policy", "never", at)
		d.lost(at, "Restart=%s is no policy, and systemd ignores it", policy)
		policy = "no"
	}
	if _, _, set := s.raw("Service", "RestartSec"); set || d.first("run.restart.policy") != "never" {
		s.timeSpan("RestartSec", "run.restart.delay", time.Second, 100*time.Millisecond)
	}
	_, _, steps := s.raw("Service", "RestartSteps")
	if _, mostAt, most := s.raw("Service", "RestartMaxDelaySec"); most && steps {
		s.timeSpan("RestartMaxDelaySec", "run.restart.max_delay", 60*time.Second, 0)
		d.number("options.systemd.version", 254, mostAt)
	}
	burst, interval := int64(5), 10*time.Second
	value, limitAt, ok := s.either("StartLimitIntervalSec", "StartLimitInterval")
	if ok {
		if t, valid := span(value); valid {
			interval = t
		} else {
			d.lost(limitAt, "StartLimitIntervalSec=%s: a description has a time", value)
		}
	}
	if text, burstAt, has := s.either("StartLimitBurst"); has {
		limitAt = burstAt
		if n, err := strconv.ParseUint(text, 10, 31); err == nil {
			burst = int64(n)
		} else {
			d.lost(burstAt, "StartLimitBurst=%s is no number, and systemd ignores it", text)
		}
	}
	if interval == 0 || burst == 0 || policy == "" || policy == "no" {
		return
	}
	d.flag("options.systemd.give_up", limitAt)
	if burst != 5 {
		d.number("run.restart.burst", burst, limitAt)
	}
	if interval != 60*time.Second {
		d.duration("run.restart.window", interval, limitAt)
	}
	if !ok {
		d.assume(d.at, "options.systemd.give_up", "remove it, and the program is started again for ever",
			"there is no StartLimitIntervalSec=, so systemd gives up after %d starts in %s", burst, interval)
	}
}

// either reads a setting of the section Unit that stood in Service before, by
// its names.
func (s *serviceReader) either(keys ...string) (value string, at place, ok bool) {
	for _, section := range []string{"Unit", "Service"} {
		for _, key := range keys {
			if value, at, ok = s.raw(section, key); ok {
				return value, at, true
			}
		}
	}
	return "", place{}, false
}

// reload reads how the program is told to read its configuration again. Of several
// commands the one that sends the signal counts: those before it check something.
func (s *serviceReader) reload() {
	d := s.d
	lines := s.u.all("Service", "ExecReload")
	taken := slices.IndexFunc(lines, func(l unitLine) bool { return s.killSignal(l) != "" })
	for i, l := range lines {
		words, err := s.u.words(l.value)
		switch {
		case s.bridge && d.first("type") == "wsgi" && strings.Contains(l.value, "HUP"): // as it is anyway
		case i == taken:
			d.text("options.systemd.reload_signal", s.killSignal(l), l.at)
		case taken >= 0:
			d.lost(l.at, "ExecReload=%s: the signal of another line is what is sent", l.value)
		case err != nil || i > 0 || len(words) == 0:
			d.lost(l.at, "ExecReload=%s", l.value)
		default:
			if words, err = s.variables(words); err != nil {
				d.lost(l.at, "ExecReload=: %v", err)
				continue
			}
			if words[0] = strings.TrimLeft(words[0], "-@:+!"); !strings.Contains(words[0], "/") {
				words = append([]string{"/usr/bin/env"}, words...)
			}
			d.words("options.systemd.reload", words, l.at)
		}
	}
}

// killSignal returns the signal of a line that sends one to the main process, or "".
func (s *serviceReader) killSignal(l unitLine) string {
	words, err := s.u.words(l.value)
	switch {
	case err != nil || len(words) < 3 || words[len(words)-1] != "$MAINPID" || path.Base(strings.TrimLeft(words[0], "-@:+!")) != "kill":
		return ""
	case len(words) == 4 && words[1] == "-s":
		return strings.TrimPrefix(words[2], "SIG")
	case len(words) == 3 && strings.HasPrefix(words[1], "-"):
		return strings.TrimPrefix(strings.TrimPrefix(words[1], "-"), "SIG")
	}
	return ""
}
