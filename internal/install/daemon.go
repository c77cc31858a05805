package install

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// daemon is a program that reads its configuration again when it is told.
type daemon struct {
	test  []string // its own test of the complete configuration
	quiet bool     // the test says what is wrong, and ends well
	pids  []string // where it leaves its process id
	names []string // of the program, as the system has them
	reads syscall.Signal
	// Its children answer requests, and those that have the old configuration end
	// or say that they will.
	workers  bool
	patience time.Duration // with them; 0 is readTime
}

// daemons returns what to tell the programs of a family. No shell runs: a program
// is looked up in PATH and in the folders for servers.
//
// Source: nginx -h; lighttpd(8): USR1 with a broken configuration ends it, so that
// the test is a must; https://httpd.apache.org/docs/2.4/stopping.html (USR1).
func daemons(family string) map[string]daemon {
	run, conf := "/run", "/etc/lighttpd/lighttpd.conf"
	apache := []string{"apache2ctl", "-t"}
	apachePID := []string{"/run/apache2/apache2.pid", "/run/apache2.pid"}
	switch family {
	case "freebsd":
		run, conf = "/var/run", "/usr/local/etc/lighttpd/lighttpd.conf"
		apache, apachePID = []string{"apachectl", "-t"}, []string{"/var/run/httpd.pid"}
	case "homebrew", "homebrew-intel":
		run, conf = prefix(family)+"/var/run", prefix(family)+"/etc/lighttpd/lighttpd.conf"
		apache, apachePID = []string{"apachectl", "-t"}, []string{run + "/httpd/httpd.pid"}
	case "rhel", "alpine":
		apache, apachePID = []string{"httpd", "-t"}, []string{"/run/httpd/httpd.pid", "/run/apache2/httpd.pid"}
	}
	return map[string]daemon{
		"nginx":    {test: []string{"nginx", "-t", "-q"}, pids: []string{run + "/nginx.pid", run + "/nginx/nginx.pid"}, names: []string{"nginx"}, reads: syscall.SIGHUP, workers: true},
		"lighttpd": {test: []string{"lighttpd", "-tt", "-f", conf}, quiet: true, pids: []string{run + "/lighttpd.pid"}, names: []string{"lighttpd"}, reads: syscall.SIGUSR1},
		"apache":   {test: apache, pids: apachePID, names: []string{"apache2", "httpd"}, reads: syscall.SIGUSR1, workers: true},
		"haproxy":  {pids: []string{run + "/haproxy.pid", "/var/run/haproxy.pid"}, names: []string{"haproxy"}, reads: syscall.SIGUSR2, workers: true},
		"inetd":    {pids: []string{run + "/inetd.pid", "/var/run/inetd.pid"}, names: []string{"inetd", "openbsd-inetd", "inetutils-inetd", "busybox"}, reads: syscall.SIGHUP},
		"xinetd":   {pids: []string{run + "/xinetd.pid", "/var/run/xinetd.pid"}, names: []string{"xinetd"}, reads: syscall.SIGHUP},
	}
}

func (r *Runner) test(ctx context.Context, s *Step) error {
	d := daemons(r.Family)[s.Target]
	if s.Target == "haproxy" {
		d.test = r.haproxyTest(configuration(r.Family, "haproxy/haproxy.cfg"))
	}
	program, ok := find(d.test[0])
	if !ok {
		r.Say("%s is not on this machine, so the whole configuration is not tested", d.test[0])
		return nil
	}
	text, err := output(ctx, append([]string{program}, d.test[1:]...))
	if err != nil || d.quiet && strings.TrimSpace(text) != "" {
		return &Rejected{d.test[0], strings.TrimSpace(text)}
	}
	return nil
}

// configuration is where a file of a program's own is.
func configuration(family, name string) string {
	return prefix(family) + "/etc/" + name
}

// running returns the process of a daemon, or 0.
//
// The file may be old, and its number somebody else's by now; or another user may
// have written it.
func running(d daemon) int {
	for _, file := range d.pids {
		pid := pidIn(file)
		if pid > 1 && syscall.Kill(pid, 0) == nil && d.is(pid) {
			return pid
		}
	}
	return 0
}

// is reports whether a process runs the daemon's program; where the system does not
// say, it does.
func (d *daemon) is(pid int) bool {
	name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	return err != nil || len(d.names) == 0 || slices.Contains(d.names, strings.TrimSpace(string(name)))
}

// Limits of the wait for a daemon that was told to read its files again. Workers
// that still send a long answer are not waited for.
const (
	readTime   = 30 * time.Second
	blindPause = time.Second // where the system does not show what a process does
)

// reload tells a daemon to read its files again, and returns when it has: what is
// proved afterwards is the new configuration.
func (r *Runner) reload(ctx context.Context, s *Step) error {
	d := daemons(r.Family)[s.Target]
	pid := running(d)
	if pid == 0 {
		r.Say("%s does not run here; it reads the files when it starts", s.Target)
		return nil
	}
	if s.Target == "haproxy" && !hasMaster(pid) {
		r.Say("haproxy runs without -W, so that it can not read its files again; start it anew")
		return nil
	}
	return r.tell(ctx, s.Target, pid, &d)
}

func (r *Runner) tell(ctx context.Context, name string, pid int, d *daemon) error {
	former := children(pid)
	if err := syscall.Kill(pid, d.reads); err != nil {
		return fmt.Errorf("tell process %d: %w", pid, err)
	}
	if _, ok := statusOf(pid); !ok {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(blindPause):
			return nil
		}
	}
	err := waitFor(ctx, readTime, rests(pid, d.reads))
	if err != nil && ctx.Err() == nil && syscall.Kill(pid, 0) == nil {
		r.Say("%s: %s", name, err)
		err = nil
	}
	if err == nil && d.workers {
		err = waitFor(ctx, cmp.Or(d.patience, readTime), func() error { return outdated(pid, former) })
	}
	if err != nil && ctx.Err() == nil {
		return fmt.Errorf("%s: %w; its own log says why", name, err)
	}
	return err
}

// rests returns what asks whether a process has handled a signal and waits again:
// twice, because it may look a name up meanwhile.
func rests(pid int, sig syscall.Signal) func() error {
	seen := 0
	return func() error {
		status, ok := statusOf(pid)
		switch {
		case !ok || status.state == 'Z':
			return fmt.Errorf("process %d has ended", pid)
		case status.state != 'S' || status.pending>>(sig-1)&1 != 0:
			seen = 0
		default:
			seen++
		}
		if seen < 3 {
			return fmt.Errorf("process %d still reads its files", pid)
		}
		return nil
	}
}

// outdated returns why the children of a process do not show that they have the new
// configuration: nginx, whose children end at once or say that they will, keeps the
// former ones where it can not have it; the others start further ones.
func outdated(pid int, former []int) error {
	if len(former) == 0 {
		return nil
	}
	now := children(pid)
	fresh := slices.ContainsFunc(now, func(child int) bool { return !slices.Contains(former, child) })
	for _, child := range now {
		title := strings.Join(commandLine(child), " ")
		if slices.Contains(former, child) && strings.HasPrefix(title, "nginx: worker process") && !strings.Contains(title, "shutting down") {
			return fmt.Errorf("process %d still has the old configuration", child)
		}
	}
	if !fresh {
		return fmt.Errorf("process %d has started nothing that has the new configuration", pid)
	}
	return nil
}

// haproxyTest is HAProxy's test of the files that the process which runs was given,
// or of the usual ones and ours.
func (r *Runner) haproxyTest(conf string) []string {
	argv := []string{"haproxy", "-c"}
	args := arguments(running(daemons(r.Family)["haproxy"]))
	for i, word := range args {
		if word == "-f" && i+1 < len(args) {
			argv = append(argv, "-f", args[i+1])
		}
	}
	if len(argv) == 2 {
		argv = append(argv, "-f", conf)
		if ours := path.Join(path.Dir(conf), "scgikit"); isFolder(ours) {
			argv = append(argv, "-f", ours)
		}
	}
	return argv
}

func isFolder(name string) bool {
	info, err := os.Stat(name) //nolint:gosec // beside the file that the family of the host has
	return err == nil && info.IsDir()
}

// hasMaster reports whether HAProxy runs with a master process, which alone reads
// its files again; without one the signal for that would end it.
//
// Source: https://docs.haproxy.org/2.6/management.html, section 4.
func hasMaster(pid int) bool {
	return slices.ContainsFunc(arguments(pid), func(word string) bool { return word == "-W" || word == "-Ws" })
}

// caddyProcess returns the process of Caddy that the machine itself runs, or 0. It
// leaves no file with its number. What reads its configuration again is who answers
// at a port of this machine, which could be anybody where Caddy does not run.
func caddyProcess() int {
	program, ok := find("caddy")
	if !ok {
		return 0
	}
	if real, err := filepath.EvalSymlinks(program); err == nil {
		program = real
	}
	links, _ := filepath.Glob("/proc/[0-9]*/exe")
	for _, link := range links {
		target, err := os.Readlink(link)
		if err != nil || target != program {
			continue
		}
		info, err := os.Stat(path.Dir(link))
		if err != nil {
			continue
		}
		pid, _ := strconv.Atoi(path.Base(path.Dir(link)))
		if st, ok := info.Sys().(*syscall.Stat_t); ok && (st.Uid == 0 || isServer(int(st.Uid))) && slices.Contains(arguments(pid), "run") {
			return pid
		}
	}
	return 0
}

// isServer reports whether a user is one that packages run Caddy as.
func isServer(uid int) bool {
	u, err := user.LookupId(strconv.Itoa(uid))
	return err == nil && slices.Contains([]string{"caddy", "www-data", "www", "http"}, u.Username)
}

// caddy has Caddy test its configuration, or read it again. What it keeps besides is
// not made for this.
//
// Source: https://caddyserver.com/docs/command-line
func (r *Runner) caddy(ctx context.Context, verb Verb, conf string) error {
	program, ok := find("caddy")
	if !ok {
		r.Say("caddy is not on this machine, so its configuration is not tested")
		return nil
	}
	pid := caddyProcess()
	if verb == Reload && pid == 0 {
		r.Say("caddy does not run here; it reads the files when it starts")
		return nil
	}
	args := arguments(pid)
	if i := slices.Index(args, "--config"); i >= 0 && i+1 < len(args) && path.IsAbs(args[i+1]) {
		conf = args[i+1]
	}
	if _, err := os.Stat(conf); errors.Is(err, fs.ErrNotExist) {
		r.Say("%s is not on this machine, so the whole configuration is not tested", conf)
		return nil
	}
	dir, err := os.MkdirTemp("", "scgikit-caddy")
	if err != nil {
		return err
	}
	word := map[Verb]string{Test: "validate", Reload: "reload"}[verb]
	text, err := outputIn(ctx, []string{"HOME=" + dir, "XDG_DATA_HOME=" + dir, "XDG_CONFIG_HOME=" + dir}, []string{program, word, "--adapter", "caddyfile", "--config", conf})
	if err != nil {
		err = &Rejected{"caddy " + word, strings.TrimSpace(text)}
	}
	return errors.Join(err, os.RemoveAll(dir))
}
