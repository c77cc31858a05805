package devserver

import (
	"context"
	"fmt"
	"os"
	"reflect"
	"strings"
	"sync"
	"time"

	"scgikit/internal/appfile"
)

// drainLimit is how long a program that is replaced may go on answering what it
// has begun; only an answer without an end takes so long.
const drainLimit = 5 * time.Second

// generation is what is served from one change of the descriptions or sources to
// the next.
type generation struct {
	apps   []*app
	routes routes
	hosts  hostRule
}

func (s *Server) newGeneration(apps []*app) *generation {
	g := &generation{apps: apps, routes: newRoutes(apps), hosts: hostRule{anyIP: s.config.LAN}}
	if s.config.LAN {
		if self, err := os.Hostname(); err == nil {
			g.hosts.self = strings.ToLower(self)
		}
	}
	for _, a := range apps {
		g.hosts.names = append(g.hosts.names, a.desc.HTTP.Host...)
	}
	return g
}

// app is one app while it is served: from its start to a change that it has to
// be started anew for.
type app struct {
	desc    *appfile.App
	backend backend
	statics []*staticDir
	access  accessRule
	log     *appLog
	places  []place  // what it is made of
	seen    snapshot // of the places, from before its start

	cancel context.CancelFunc // ends the backend; set by start
	gone   chan struct{}      // closed when the backend has ended

	mu      sync.Mutex
	users   int           // requests that it answers
	retired bool          // it takes no more
	idle    chan struct{} // closed when it takes no more and answers none
}

// newApp prepares one app.
func (s *Server) newApp(desc *appfile.App, log *appLog) (*app, error) {
	a := &app{desc: desc, statics: newStatics(desc), log: log, gone: make(chan struct{}), idle: make(chan struct{})}
	// Before anything of it is read.
	a.places = placesOf(desc, false)
	a.seen, _ = s.lookAt(a.places)
	var err error
	if a.access, err = newAccessRule(&desc.HTTP); err != nil {
		return nil, fmt.Errorf("%s: %w", desc.Name, err)
	}
	if a.backend, err = s.newBackend(desc, log); err != nil {
		return nil, fmt.Errorf("%s: %w", desc.Name, err)
	}
	if _, ok := a.backend.(*oneshot); ok {
		a.places = placesOf(desc, true)
		a.seen.keep(a.places)
	}
	return a, nil
}

func (s *Server) newLog(name string) *appLog {
	return &appLog{name: name, terminal: s.terminal, now: time.Now}
}

// enter counts a request. It reports whether the app takes it; then leave is to
// be called.
func (a *app) enter() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.retired {
		return false
	}
	a.users++
	return true
}

func (a *app) leave() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.users--
	if a.retired && a.users == 0 {
		close(a.idle)
	}
}

// retire lets the app end, with what it has begun to answer. Its successor is to
// be in the current generation by now.
func (s *Server) retire(ctx context.Context, a *app) {
	a.mu.Lock()
	a.retired = true
	if a.users == 0 {
		close(a.idle)
	}
	a.mu.Unlock()
	limit := drainLimit
	if !a.backend.keepsAddress() {
		// Nobody waits for the end of its programs.
		limit = a.desc.Run.RequestTimeout + overtime
	}
	s.backends.Go(func() {
		timer := time.NewTimer(limit)
		defer timer.Stop()
		select {
		case <-a.idle:
		case <-timer.C:
		case <-ctx.Done():
		}
		a.cancel()
	})
}

// start runs an app until the context ends or it is retired, once those that
// have its addresses are gone.
func (s *Server) start(ctx context.Context, a *app, after []*app) {
	ctx, a.cancel = context.WithCancel(ctx)
	s.backends.Go(func() {
		defer a.cancel()
		for _, before := range after {
			// Also where the context has ended: they are ending then, too.
			<-before.gone
		}
		a.backend.run(ctx, s.hurry)
		close(a.gone)
		s.closeLog(a)
	})
}

// closeLog closes the log of an app that has ended, unless a successor has it.
func (s *Server) closeLog(a *app) {
	for _, other := range s.current.Load().apps {
		if other != a && other.log == a.log {
			return
		}
	}
	a.log.close()
}

// replace serves other descriptions, or the same ones where dirty says that the
// source of an app has changed. An app that nothing has changed for runs on.
// Where an error comes back, everything is as before. A Front that refuses the
// new apps goes on as it was, and that is told of. It is called by watch alone.
func (s *Server) replace(ctx context.Context, descs []*appfile.App, dirty map[string]bool) error {
	leaving := make(map[string]*app)
	for _, a := range s.current.Load().apps {
		leaving[a.desc.Name] = a
	}
	var apps, coming []*app
	same := len(descs) == len(leaving) // to a web server
	for _, desc := range descs {
		before, log := leaving[desc.Name], s.newLog(desc.Name)
		alike := before != nil && reflect.DeepEqual(before.desc, desc)
		same = same && alike
		if before != nil {
			log = before.log
			if alike && !dirty[desc.Name] {
				apps = append(apps, before)
				delete(leaving, desc.Name)
				continue
			}
		}
		a, err := s.newApp(desc, log)
		if err != nil {
			return err
		}
		if err := s.openLog(a); err != nil {
			return err
		}
		apps, coming = append(apps, a), append(coming, a)
	}
	next := s.newGeneration(apps)
	s.current.Store(next)
	var after []*app
	for _, a := range leaving {
		s.retire(ctx, a)
		if a.backend.keepsAddress() {
			after = append(after, a)
		}
	}
	for _, a := range coming {
		s.start(ctx, a, after)
	}
	if s.gateways != nil && !same {
		if err := s.gateways.serve(ctx, next); err != nil {
			s.say("%s stays as it was: %v", s.config.Front.Name(), err)
		}
	}
	return nil
}
