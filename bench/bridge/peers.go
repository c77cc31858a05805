//go:build linux

package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"scgikit/internal/loopback"
)

// peer is something that runs CGI programs.
type peer struct {
	name     string
	programs []string // that it needs
	ask      asker    // nil for the bare loop, which is not asked
	// start starts it in a folder of its own; it is to listen at the address.
	start func(b *bench, s *server) error
	unix  bool // it listens at a unix socket
}

// The names that ratios are taken against.
const (
	ours     = "scgi-run, SCGI"
	fcgiwrap = "fcgiwrap -c 4"
	bareLoop = "vfork+exec loop"

	otherBuild = "other scgi-run"
)

// findPeers returns those that are there, ours first.
func (b *bench) findPeers() (found []*peer, missing []string) {
	scgiRun := filepath.Join(b.bin, "scgi-run")
	bridge := func(bin string) func(*bench, *server) error {
		return func(b *bench, s *server) error { return startBridge(bin, b, s) }
	}
	all := []*peer{
		{name: ours, programs: []string{scgiRun}, ask: askSCGI, start: bridge(b.bin), unix: true},
		{name: "scgi-run, FastCGI", programs: []string{scgiRun}, ask: askFastCGI, start: bridge(b.bin), unix: true},
		{name: fcgiwrap, programs: []string{"fcgiwrap"}, ask: askFastCGI, start: startFcgiwrap, unix: true},
		{name: "inetd + scgi_run", programs: []string{"inetd"}, ask: askSCGI, start: startInetd},
		{name: "nginx + scgi-run", programs: []string{"nginx", scgiRun}, ask: askHTTP, start: startNginx},
		{name: "Lighttpd mod_cgi", programs: []string{"lighttpd"}, ask: askHTTP, start: startLighttpd},
		{name: "Apache mod_cgid", programs: []string{"apache2"}, ask: askHTTP, start: startApache},
		{name: bareLoop},
	}
	if b.other != "" {
		program := filepath.Join(b.other, "scgi-run")
		all = append(all, &peer{name: otherBuild, programs: []string{program}, ask: askSCGI, start: bridge(b.other), unix: true})
	}
	for _, p := range all {
		words := strings.Split(b.options.peers, ",")
		if b.options.peers != "" && !slices.ContainsFunc(words, func(w string) bool { return strings.Contains(p.name, w) }) {
			continue
		}
		there := true
		for _, program := range p.programs {
			if _, err := exec.LookPath(program); err != nil {
				there = false
			}
		}
		if there {
			found = append(found, p)
		} else {
			missing = append(missing, p.name)
		}
	}
	return found, missing
}

// server is a peer that runs.
type server struct {
	peer    *peer
	bench   *bench
	dir     string // of its own
	network string // of the address, for net.Dial
	address string
	group   *group
	started []*exec.Cmd
}

// patience is how long something may take that is certain to happen.
const patience = time.Minute

// start starts a peer, and returns when it has answered.
func (b *bench) start(p *peer) (s *server, err error) {
	s = &server{peer: p, bench: b}
	b.groups++
	name := strconv.Itoa(b.groups)
	if s.dir = filepath.Join(b.dir, name); os.Mkdir(s.dir, 0o755) != nil {
		return nil, errors.New("make folder " + s.dir)
	}
	if s.group, err = newGroup("scgikit-bench-" + strconv.Itoa(os.Getpid()) + "-" + name); err != nil {
		return nil, err
	}
	if p.start == nil {
		return s, nil
	}
	s.network, s.address = "unix", filepath.Join(s.dir, "socket")
	if !p.unix {
		s.network = "tcp"
		if s.address, err = loopback.Addr(); err != nil {
			s.end()
			return nil, err
		}
	}
	if err := p.start(b, s); err != nil {
		s.end()
		return nil, err
	}
	for begin := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		err := p.ask(s, request{script: "/hello"})
		if err == nil {
			return s, nil
		}
		if time.Since(begin) > patience/4 {
			text, _ := os.ReadFile(filepath.Join(s.dir, "log")) // what there is of it
			s.end()
			return nil, fmt.Errorf("it does not answer: %w\n%s", err, text)
		}
	}
}

// run starts a program of the server.
func (s *server) run(program string, args ...string) error {
	cmd := exec.Command(program, args...)
	cmd.Dir = s.dir
	log, err := os.OpenFile(filepath.Join(s.dir, "log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer log.Close() //nolint:errcheck // for a person to look at
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Env = append(os.Environ(), "TMPDIR="+s.bench.dir)
	s.started = append(s.started, cmd)
	return s.group.start(cmd)
}

// configure writes the server's configuration and returns its path.
func (s *server) configure(text string) (string, error) {
	path := filepath.Join(s.dir, "conf")
	return path, os.WriteFile(path, []byte(text), 0o644)
}

func (s *server) end() {
	for _, cmd := range s.started {
		_ = cmd.Process.Signal(syscall.SIGTERM)
	}
	s.group.kill()
	for _, cmd := range s.started {
		_ = cmd.Wait() // it was killed
	}
	s.group.remove()
}

func startBridge(bin string, b *bench, s *server) error {
	return s.run(filepath.Join(bin, "scgi-run"), "bridge", "--listen=unix:"+s.address, "--max=100", "--mount=/", b.scripts+"/")
}

func startFcgiwrap(_ *bench, s *server) error {
	return s.run("fcgiwrap", "-c", "4", "-s", "unix:"+s.address)
}

func startInetd(b *bench, s *server) error {
	_, port, err := net.SplitHostPort(s.address)
	if err != nil {
		return err
	}
	conf, err := s.configure(fmt.Sprintf("%s:%s stream tcp nowait.1000000 root %s/scgi_run scgi_run %s\n", loopback.Host, port, b.dir, b.scripts))
	if err != nil {
		return err
	}
	return s.run("inetd", "-i", conf)
}

func startNginx(b *bench, s *server) error {
	socket := filepath.Join(s.dir, "socket")
	if err := s.run(filepath.Join(b.bin, "scgi-run"), "bridge", "--listen=unix:"+socket, "--socket-mode=0666", "--max=100", "--mount=/", b.scripts+"/"); err != nil {
		return err
	}
	conf, err := s.configure(fmt.Sprintf(`
daemon off;
pid %[1]s/pid;
worker_processes 2;
error_log stderr;
events { worker_connections 1024; }
http {
	access_log off;
	client_max_body_size 0;
	client_body_temp_path %[1]s/body;
	scgi_temp_path %[1]s/scgi;
	fastcgi_temp_path %[1]s/fastcgi;
	proxy_temp_path %[1]s/proxy;
	uwsgi_temp_path %[1]s/uwsgi;
	server {
		listen %[2]s;
		location / {
			include /etc/nginx/scgi_params;
			scgi_param SCRIPT_NAME $uri;
			scgi_pass unix:%[3]s;
		}
	}
}
`, s.dir, s.address, socket))
	if err != nil {
		return err
	}
	return s.run("nginx", "-c", conf, "-p", s.dir)
}

func startLighttpd(b *bench, s *server) error {
	_, port, err := net.SplitHostPort(s.address)
	if err != nil {
		return err
	}
	conf, err := s.configure(fmt.Sprintf(`
server.modules = ("mod_cgi")
server.document-root = "%s"
server.bind = "%s"
server.port = %s
server.upload-dirs = ("%s")
cgi.assign = ("" => "")
`, b.scripts, loopback.Host, port, s.dir))
	if err != nil {
		return err
	}
	return s.run("lighttpd", "-D", "-f", conf)
}

func startApache(b *bench, s *server) error {
	conf, err := s.configure(fmt.Sprintf(`
ServerRoot %[1]s
ServerName localhost
PidFile %[1]s/pid
ErrorLog %[1]s/log
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule alias_module /usr/lib/apache2/modules/mod_alias.so
LoadModule cgid_module /usr/lib/apache2/modules/mod_cgid.so
User www-data
Group www-data
Listen %[2]s
ScriptSock %[1]s/cgid
ScriptAlias / %[3]s/
<Directory %[3]s>
	Require all granted
</Directory>
`, s.dir, s.address, b.scripts))
	if err != nil {
		return err
	}
	return s.run("apache2", "-f", conf, "-DFOREGROUND")
}
