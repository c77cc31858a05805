// Package devserver runs the apps of a project on a developer's machine, behind
// an HTTP server that does what the generated configuration of nginx, Lighttpd
// and Apache does: real mounts, static folders, redirects, limits, and the same
// SCGI parameters.
//
// Apps run as the generated configuration has them: programs that listen by
// themselves, and scgi-run for scripts and callables, are kept running, and started
// again when their source changes, with requests held meanwhile; what a description
// has started for each request is. A change of the descriptions is taken over in the
// same way. All of it runs as the current user, and all of it ends with the server.
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
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
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

	// Bridge returns the words after scgi-run that answer for a CGI or WSGI app, as
	// the generated configuration has them: where resident is true for all requests
	// at the listening socket on descriptor 0, else for the one on descriptors 0 and
	// 1. Pass names further variables that the program gets from the environment. The
	// error is for people: what no starter takes.
	Bridge func(a *appfile.App, pass []string) (words []string, resident bool, err error)

	// Folder is a private one, for the sockets that programs are handed.
	Folder string
	// ServerFields are the header fields that reach an app which speaks HTTP from no
	// client: dev's own have other values, or none.
	ServerFields []string

	// Load reads the descriptions again when one of Descriptions has changed.
	// What is wrong with them is the text of its error, in lines.
	Load func(ctx context.Context) ([]*appfile.App, error)
	// Descriptions are the files that Load reads, and the folders whose *.yaml
	// it reads; absolute paths.
	Descriptions []string
	// NoReload leaves changes of descriptions and sources alone.
	NoReload bool

	// Ready is called once there is somebody who answers; nil for nothing.
	Ready func()

	// Front is a web server in the place of the built-in one; nil for that.
	Front Front

	interval time.Duration // between two looks at the files; 0 is lookInterval
}

// Server is a development server for the apps of one project.
type Server struct {
	config   Config
	current  atomic.Pointer[generation]
	page     *template.Template
	terminal *terminal
	spawner  *spawner
	listener net.Listener // nil where there is a Front
	addr     string
	gateways *gateways    // nil where there is none
	sockets  atomic.Int64 // that have had a name in config.Folder

	backends sync.WaitGroup
	hurry    <-chan struct{}
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
	s := &Server{config: c, page: newPage(), terminal: &terminal{w: c.Output}, spawner: newSpawner()}
	if s.config.interval == 0 {
		s.config.interval = lookInterval
	}
	if err := s.listen(); err != nil {
		s.spawner.close()
		return nil, err
	}
	return s, nil
}

// listen makes the apps and then takes the address.
func (s *Server) listen() error {
	var apps []*app
	for _, desc := range s.config.Apps {
		a, err := s.newApp(desc, s.newLog(desc.Name))
		if err != nil {
			return err
		}
		apps = append(apps, a)
	}
	s.current.Store(s.newGeneration(apps))
	var err error
	s.listener, err = net.Listen("tcp", s.config.Addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return &Problem{Message: s.config.Addr + " is in use", Hint: "stop what listens there, or take another address: --addr 127.0.0.1:0 takes a free port"}
	}
	if err != nil {
		return err
	}
	s.addr = s.listener.Addr().String()
	if s.config.Front != nil {
		// The web server makes a listener of its own.
		s.gateways = &gateways{server: s, sockets: make(map[string]string)}
		err := s.listener.Close()
		s.listener = nil
		if err != nil {
			return err
		}
	}
	// Only now: another dev of this project, which has the address, still
	// writes there.
	for _, a := range apps {
		if err := s.openLog(a); err != nil {
			if s.listener != nil {
				err = errors.Join(err, s.listener.Close())
			}
			return err
		}
	}
	return nil
}

// openLog starts the log file of an app, unless it has one or none is kept.
func (s *Server) openLog(a *app) error {
	if s.config.LogDir == "" {
		return nil
	}
	if err := a.log.open(s.config.LogDir, int64(a.desc.Log.MaxSize)); err != nil {
		return fmt.Errorf("log of %s: %w", a.desc.Name, err)
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

// Addr returns the address that the server listens on.
func (s *Server) Addr() string { return s.addr }

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
	g := s.current.Load()
	host, port, _ := net.SplitHostPort(s.Addr())
	if ip, err := netip.ParseAddr(host); err == nil && ip.IsUnspecified() {
		host = "localhost"
	}
	list := make([]Place, 0, len(g.apps))
	for _, a := range g.apps {
		p := Place{App: a.desc.Name, Description: a.desc.Description}
		at := host
		if m, ok := g.routes.find(host, a.desc.Prefix()+"/"); ok && m.app != a && len(a.desc.HTTP.Host) > 0 {
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
// there. An error is one of the web server: a lost listener, or a Front that does not
// start or has ended.
func (s *Server) Run(ctx context.Context, hurry <-chan struct{}) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s.hurry = hurry
	for _, a := range s.current.Load().apps {
		s.start(ctx, a, nil)
	}
	err := s.answer(ctx)
	cancel()
	s.backends.Wait()
	s.spawner.close()
	return err
}

// answer serves requests, itself or by way of the Front, until the context ends.
func (s *Server) answer(ctx context.Context) error {
	if s.gateways == nil {
		s.ready() // the listener is there since New
		return s.serveHTTP(ctx)
	}
	front := s.config.Front
	defer front.Stop()
	if err := s.gateways.serve(ctx, s.current.Load()); err != nil {
		return err
	}
	s.ready()
	s.watchUnlessToldNot(ctx)
	select {
	case <-front.Ended():
		return front.Err()
	case <-ctx.Done():
		return nil
	}
}

func (s *Server) ready() {
	if s.config.Ready != nil {
		s.config.Ready()
	}
}

func (s *Server) watchUnlessToldNot(ctx context.Context) {
	if !s.config.NoReload {
		s.backends.Go(func() { s.watch(ctx) })
	}
}

// serveHTTP is answer for the built-in web server.
func (s *Server) serveHTTP(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s.watchUnlessToldNot(ctx)
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
