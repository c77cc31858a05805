// Package devserver runs the apps of a project on a developer's machine, behind
// an HTTP server that does what the generated configuration of nginx, Lighttpd
// and Apache does: real mounts, static folders, redirects, limits, and the same
// SCGI parameters.
//
// Programs that listen by themselves are kept running; CGI programs and WSGI
// callables are started for each request through scgi-run, as a super-server
// does it, so that a change in their code shows with the next request. All of
// it runs as the current user, and all of it ends with the server.
package devserver

import (
	"context"
	"errors"
	"fmt"
	"html/template"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"scgikit/internal/appfile"
)

const (
	headerTimeout  = 10 * time.Second
	idleTimeout    = time.Minute
	maxHeaderBytes = 64 << 10
	shutdownLimit  = time.Second
)

// Config says what to serve and how.
type Config struct {
	Apps    []*appfile.App
	Addr    string    // "host:port"; port 0 takes a free one
	LAN     bool      // the address may be one that other machines reach
	ScgiRun string    // path of the program scgi-run; "" where there is none
	LogDir  string    // folder for NAME.log; "" keeps no logs
	Output  io.Writer // what apps write, and a line for each request
	Environ []string  // what programs start with, "NAME=value"; run.env wins

	// PerRequest returns the words after scgi-run that serve one request of a
	// CGI or WSGI app, as a super-server's configuration has them. Pass names
	// further variables that the program gets from the environment.
	PerRequest func(a *appfile.App, pass []string) []string
}

// Server is a development server for the apps of one project.
type Server struct {
	apps     []*app
	routes   routes
	hosts    hostRule
	page     *template.Template
	terminal *terminal
	spawner  *spawner
	listener net.Listener
}

// app is one app while it is served.
type app struct {
	desc    *appfile.App
	backend backend
	statics []*staticDir
	access  accessRule
	log     *appLog
}

// Problem is a Config that cannot be served, with the way out.
type Problem struct {
	Message string
	Hint    string
	Usage   bool // the command line is wrong, not the machine or a description
}

func (e *Problem) Error() string { return e.Message }

// New checks the configuration and listens; nothing is started yet. The caller
// calls Run, which gives the address back.
func New(c Config) (*Server, error) {
	if err := checkAddr(c.Addr, c.LAN); err != nil {
		return nil, err
	}
	s := &Server{page: newPage(), terminal: &terminal{w: c.Output}, spawner: newSpawner(), hosts: hostRule{anyIP: c.LAN}}
	if c.LAN {
		if self, err := os.Hostname(); err == nil {
			s.hosts.self = strings.ToLower(self)
		}
	}
	if err := s.listen(c); err != nil {
		s.spawner.close()
		return nil, err
	}
	return s, nil
}

// listen makes the apps and then takes the address.
func (s *Server) listen(c Config) error {
	for _, desc := range c.Apps {
		a, err := s.newApp(desc, c)
		if err != nil {
			return err
		}
		s.apps = append(s.apps, a)
		s.hosts.names = append(s.hosts.names, desc.HTTP.Host...)
	}
	s.routes = newRoutes(s.apps)
	var err error
	s.listener, err = net.Listen("tcp", c.Addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return &Problem{Message: c.Addr + " is in use", Hint: "stop what listens there, or take another address: --addr 127.0.0.1:0 takes a free port"}
	}
	if err != nil {
		return err
	}
	// Only now: another dev of this project, which has the address, still
	// writes there.
	if err := s.openLogs(c.LogDir); err != nil {
		return errors.Join(err, s.listener.Close())
	}
	return nil
}

func (s *Server) openLogs(dir string) error {
	if dir == "" {
		return nil
	}
	for _, a := range s.apps {
		var err error
		if a.log.file, err = openLog(dir, a.desc.Name, int64(a.desc.Log.MaxSize)); err != nil {
			return fmt.Errorf("log of %s: %w", a.desc.Name, err)
		}
	}
	return nil
}

// checkAddr keeps the server on the machine's own addresses unless it is meant
// for the network: it has no login, and shows programs that are being worked
// on.
func checkAddr(addr string, lan bool) error {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return &Problem{Message: fmt.Sprintf("--addr %s is not host:port", addr), Hint: "for example --addr 127.0.0.1:8000", Usage: true}
	}
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		return &Problem{Message: fmt.Sprintf("--addr %s: %q is not a port number", addr, port), Hint: "take a number from 0 to 65535; 0 takes a free port", Usage: true}
	}
	if lan || host == "localhost" {
		return nil
	}
	if ip, err := netip.ParseAddr(host); err == nil && ip.IsLoopback() {
		return nil
	}
	return &Problem{Message: fmt.Sprintf("--addr %s can be reached from other machines", addr), Hint: "take 127.0.0.1, or add --lan if that is what you want", Usage: true}
}

// newApp prepares one app.
func (s *Server) newApp(desc *appfile.App, c Config) (*app, error) {
	a := &app{desc: desc, statics: newStatics(desc)}
	a.log = &appLog{name: desc.Name, terminal: s.terminal, now: time.Now}
	var err error
	if a.access, err = newAccessRule(&desc.HTTP); err != nil {
		return nil, fmt.Errorf("%s: %w", desc.Name, err)
	}
	if a.backend, err = s.newBackend(desc, a.log, c); err != nil {
		return nil, fmt.Errorf("%s: %w", desc.Name, err)
	}
	return a, nil
}

// Addr returns the address that the server listens on.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// Place is where a browser finds an app.
type Place struct {
	App         string `json:"app"`
	URL         string `json:"url"`
	Description string `json:"description"`
	// Host is the name that the browser must use, where localhost leads to
	// another app with the same mount; "" where any will do.
	Host string `json:"host,omitempty"`
}

// Places returns where each app is, in the order of the configuration.
func (s *Server) Places() []Place {
	host, port, _ := net.SplitHostPort(s.Addr())
	if ip, err := netip.ParseAddr(host); err == nil && ip.IsUnspecified() {
		host = "localhost"
	}
	list := make([]Place, 0, len(s.apps))
	for _, a := range s.apps {
		p := Place{App: a.desc.Name, Description: a.desc.Description}
		at := host
		if m, ok := s.routes.find(host, a.desc.Prefix()+"/"); ok && m.app != a && len(a.desc.HTTP.Host) > 0 {
			p.Host = a.desc.HTTP.Host[0]
			at = p.Host
		}
		p.URL = "http://" + net.JoinHostPort(at, port) + a.desc.Prefix() + "/"
		list = append(list, p)
	}
	return list
}

// Run starts the programs and serves until the context ends; then it stops
// them, and returns when they are gone. Closing hurry kills what is still
// there. An error is one of the HTTP server, which nothing but a lost listener
// causes.
func (s *Server) Run(ctx context.Context, hurry <-chan struct{}) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var backends sync.WaitGroup
	for _, a := range s.apps {
		backends.Go(func() { a.backend.run(ctx, hurry) })
	}
	server := &http.Server{
		Handler: s, ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeaderBytes,
		DisableGeneralOptionsHandler: true, // "OPTIONS *" is no app's
		BaseContext:                  func(net.Listener) context.Context { return ctx },
		ErrorLog:                     log.New(lineWriter{s}, "", 0),
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(s.listener) }()
	var err error
	select {
	case err = <-served:
	case <-ctx.Done():
	}
	// Requests end with the context; this waits for them, not for long.
	cancel()
	limit, release := context.WithTimeout(context.WithoutCancel(ctx), shutdownLimit)
	defer release()
	if server.Shutdown(limit) != nil {
		server.Close() //nolint:errcheck // the listener is closed already
	}
	backends.Wait()
	s.spawner.close()
	for _, a := range s.apps {
		a.log.close()
	}
	return err
}

// say writes a line of dev's own.
func (s *Server) say(format string, args ...any) {
	s.terminal.line("dev", fmt.Sprintf(format, args...))
}

// lineWriter takes the messages of net/http.
type lineWriter struct{ s *Server }

func (w lineWriter) Write(p []byte) (int, error) {
	w.s.say("%s", strings.TrimRight(string(p), "\n"))
	return len(p), nil
}
