package supervise

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Settings are the small files of a service folder, read at each start.
//
//	dialect          daemontools, runit or s6, in place of the scan folder's
//	down-signal      s6: the signal that ends it, by name or number; TERM
//	timeout-kill     s6: milliseconds until KILL follows that, for all that it started
//	timeout-finish   s6: the same for ./finish
//	notification-fd  s6: a descriptor on which it writes a newline when it is ready
//	restart          lines such as "policy on-failure", "delay 2s", "max-delay 60s",
//	                 "burst 5", "window 60s"; without the file, once a second for ever
//	after            names of services, one a line: it starts when they are ready
//	start-timeout    a duration such as 10s: who comes after it waits no longer
//	reload           a program that makes it read its configuration again
//	reload-signal    a signal that does; HUP
//	check            runit: a program that exits with 0 when the service is ready
//	env/             variables as envdir reads them
type Settings struct {
	Dialect       Dialect
	OwnDialect    bool // the folder says so
	StopSignal    unix.Signal
	KillAfter     time.Duration // 0: never
	FinishTimeout time.Duration // 0: none
	Notify        int           // descriptor; -1: none
	Policy        Policy
	After         []string
	StartTimeout  time.Duration
	ReloadSignal  unix.Signal
	Env           []string // NAME=value; NAME alone is taken away
}

// Bounds of small files: more is a mistake.
const (
	maxSmallFile = 64 << 10
	maxEnvFiles  = 1000
	maxEnv       = 1 << 20 // names and values together
	maxNotify    = 255
)

// defaults are the settings of a folder without small files.
func defaults(d Dialect) Settings {
	s := Settings{Dialect: d, StopSignal: unix.SIGTERM, Notify: -1, Policy: classic(), ReloadSignal: unix.SIGHUP, StartTimeout: 10 * time.Second}
	if d == S6 {
		s.FinishTimeout = 5 * time.Second
	}
	return s
}

// reader reads the small files below a folder.
type reader struct {
	dir      int
	problems []string
	lacks    error // what this process or the system lacks for them to be read
}

// note takes down what is wrong with a file.
func (r *reader) note(name string, err error) {
	for _, lack := range []error{unix.EMFILE, unix.ENFILE, unix.ENOMEM, unix.EIO} {
		if errors.Is(err, lack) {
			r.lack(name, err)
			return
		}
	}
	r.problems = append(r.problems, name+": "+bounded(err.Error()))
}

// lack takes down why not even that is known.
func (r *reader) lack(name string, err error) {
	if r.lacks == nil {
		r.lacks = fmt.Errorf("unable to read %s: %w", name, err)
	}
}

// readSettings reads all small files of a folder. What is wrong with one is a
// problem with its name, and the default holds. The error says that one, or any of
// env/, could not be read: without what it says the service is not to be started.
//
// Source: https://cr.yp.to/daemontools/envdir.html, which starts nothing then.
func readSettings(dir int, dialect Dialect) (Settings, []string, error) {
	r := &reader{dir: dir}
	own, ownDialect := dialect, false
	r.file("dialect", func(text string) (err error) {
		own, err = ParseDialect(text)
		if err != nil {
			own = dialect
		}
		ownDialect = err == nil
		return err
	})
	s := defaults(own)
	s.OwnDialect = ownDialect
	r.file("down-signal", func(text string) (err error) { return into(&s.StopSignal, text, parseSignal) })
	r.file("reload-signal", func(text string) (err error) { return into(&s.ReloadSignal, text, parseSignal) })
	r.file("timeout-kill", func(text string) error { return into(&s.KillAfter, text, parseMilliseconds) })
	r.file("timeout-finish", func(text string) error { return into(&s.FinishTimeout, text, parseMilliseconds) })
	r.file("start-timeout", func(text string) error { return into(&s.StartTimeout, text, parseDuration) })
	r.file("notification-fd", func(text string) error {
		n, err := strconv.Atoi(text)
		if err != nil || n < 3 || n > maxNotify {
			return fmt.Errorf("%q is not a descriptor from 3 to %d", text, maxNotify)
		}
		s.Notify = n
		return nil
	})
	r.file("restart", func(text string) error { return into(&s.Policy, text, parsePolicy) })
	r.file("after", func(text string) error { return into(&s.After, text, parseNames) })
	s.Env = r.env()
	return s, r.problems, r.lacks
}

// into stores what parse makes of a text, or leaves what is there.
func into[T any](to *T, text string, parse func(string) (T, error)) error {
	v, err := parse(text)
	if err == nil {
		*to = v
	}
	return err
}

// file gives a small file's text without the white space around it to parse, if
// there is one.
func (r *reader) file(name string, parse func(string) error) {
	data, err := readSmall(r.dir, name)
	if errors.Is(err, unix.ENOENT) {
		return
	}
	if err == nil {
		err = parse(strings.TrimSpace(string(data)))
	}
	if err != nil {
		r.note(name, err)
	}
}

// readSmall reads a file that may be anybody's: a FIFO or device is refused, and
// so is what is too large.
func readSmall(dir int, name string) ([]byte, error) {
	fd, err := unix.Openat(dir, name, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return nil, errors.New("not a regular file")
	}
	if st.Size > maxSmallFile {
		return nil, fmt.Errorf("larger than %d bytes", maxSmallFile)
	}
	if st.Size == 0 {
		return nil, nil // what is in /proc says so too, and reading it may do something
	}
	data := make([]byte, st.Size+1)
	n := 0
	for n < len(data) {
		m, err := unix.Read(fd, data[n:])
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if m == 0 {
			break
		}
		n += m
	}
	return data[:n], nil
}

// parseSignal reads a signal's name, with or without SIG, or its number.
func parseSignal(text string) (unix.Signal, error) {
	if n, err := strconv.Atoi(text); err == nil && n > 0 && n < 65 {
		return unix.Signal(n), nil
	}
	name := strings.ToUpper(text)
	if !strings.HasPrefix(name, "SIG") {
		name = "SIG" + name
	}
	if s := unix.SignalNum(name); s != 0 {
		return s, nil
	}
	return 0, fmt.Errorf("%q is no signal; write a name such as TERM, or a number", text)
}

func parseMilliseconds(text string) (time.Duration, error) {
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil {
		return 0, fmt.Errorf("%q is not a number of milliseconds", text)
	}
	return time.Duration(n) * time.Millisecond, nil
}

func parseDuration(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return 0, fmt.Errorf("%q is not a duration such as 10s", text)
	}
	return d, nil
}

// parsePolicy reads the lines of restart. What they leave out is as in a
// description.
func parsePolicy(text string) (Policy, error) {
	p := Policy{Delay: time.Second, MaxDelay: time.Minute, Burst: 5, Window: time.Minute}
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) == 0 || strings.HasPrefix(fields[0], "#") {
			continue
		}
		if len(fields) != 2 {
			return p, fmt.Errorf("line %q is not a word and its value", strings.TrimSpace(line))
		}
		if err := p.set(fields[0], fields[1]); err != nil {
			return p, err
		}
	}
	if p.MaxDelay < p.Delay {
		p.MaxDelay = p.Delay
	}
	return p, nil
}

func (p *Policy) set(word, value string) (err error) {
	switch word {
	case "policy":
		when := slices.Index([]string{"always", "on-failure", "never"}, value)
		if when < 0 {
			return fmt.Errorf("policy %q is none of always, on-failure and never", value)
		}
		p.When = When(when) //nolint:gosec // three values
	case "delay":
		err = into(&p.Delay, value, parseDuration)
	case "max-delay":
		err = into(&p.MaxDelay, value, parseDuration)
	case "window":
		err = into(&p.Window, value, parseDuration)
	case "burst":
		n, e := strconv.Atoi(value)
		if e != nil || n < 0 {
			return fmt.Errorf("burst %q is not a number", value)
		}
		p.Burst = n
	default:
		return fmt.Errorf("unknown word %q; there are policy, delay, max-delay, burst and window", word)
	}
	return err
}

// parseNames reads names of services, one a line.
func parseNames(text string) ([]string, error) {
	var names []string
	for line := range strings.Lines(text) {
		name := strings.TrimSpace(line)
		if name == "" || name[0] == '#' {
			continue
		}
		if strings.ContainsRune(name, '/') || name[0] == '.' {
			return nil, fmt.Errorf("%q is not the name of a service in the scan folder", name)
		}
		names = append(names, name)
	}
	return names, nil
}

// env reads the folder env: a file a variable, its first line the value, without
// spaces and tabs at its end, and NUL for newline; an empty file takes the
// variable away.
//
// Source: https://cr.yp.to/daemontools/envdir.html
func (r *reader) env() []string {
	names, err := listFolder(r.dir, "env")
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	if err == nil && len(names) > maxEnvFiles {
		err = fmt.Errorf("more than %d files", maxEnvFiles)
	}
	if errors.Is(err, unix.ENOTDIR) {
		r.note("env", err) // perhaps a file that ./run reads
		return nil
	}
	if err != nil {
		r.lack("env", err)
		return nil
	}
	slices.Sort(names)
	var env []string
	size := 0
	for _, name := range names {
		if name[0] == '.' || strings.ContainsRune(name, '=') {
			continue
		}
		data, err := readSmall(r.dir, "env/"+name)
		if size += len(data) + len(name); err == nil && size > maxEnv {
			err = fmt.Errorf("all of them are larger than %d bytes", maxEnv)
		}
		if err != nil {
			r.lack("env/"+name, err)
			continue
		}
		if len(data) == 0 {
			env = append(env, name)
			continue
		}
		line, _, _ := bytes.Cut(data, []byte("\n"))
		line = bytes.TrimRight(line, " \t")
		env = append(env, name+"="+string(bytes.ReplaceAll(line, []byte{0}, []byte("\n"))))
	}
	return env
}

// withEnv returns an environment with variables of env/ in it.
func withEnv(base, changes []string) []string {
	if len(changes) == 0 {
		return base
	}
	env := slices.Clone(base)
	for _, change := range changes {
		name, _, set := strings.Cut(change, "=")
		env = slices.DeleteFunc(env, func(old string) bool { return strings.HasPrefix(old, name+"=") })
		if set {
			env = append(env, change)
		}
	}
	return env
}
