package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"scgikit/generate"
	"scgikit/internal/appfile"
	"scgikit/internal/devserver"
	"scgikit/internal/webserver"
)

// front is a real web server for dev, with the generated files.
type front struct {
	program webserver.Program
	binary  string
	dir     string // private folder, dev's
	server  *webserver.Server
	stop    context.CancelFunc
	tail    sync.WaitGroup
}

// newFront finds the program, and makes its folders in one of dev's.
func newFront(name, dir string) (*front, error) {
	program := webserver.Program(name)
	if !slices.Contains(webserver.SpeakSCGI(), program) {
		return nil, usagef("--server nginx, --server lighttpd or --server apache", "--server %s: dev runs no such web server", name)
	}
	binary, ok := webserver.Find(program)
	if !ok {
		return nil, failf(exitFailed, "install it, or leave --server out: the built-in web server does the same",
			"--server: the program %s is not on this machine", strings.Join(program.Names(), " or "))
	}
	f := &front{program: program, binary: binary, dir: dir}
	if err := os.Mkdir(f.Dir(), 0o700); err != nil {
		return nil, err
	}
	if os.Geteuid() == 0 {
		// The web server is another user then: it may pass, and no more.
		if err := errors.Join(os.Chmod(f.dir, 0o711), os.Chmod(f.Dir(), 0o711)); err != nil {
			return nil, err
		}
	}
	return f, nil
}

func (f *front) Name() string { return string(f.program) }

func (f *front) Dir() string { return filepath.Join(f.dir, "s") }

// Ended and Err tell of the end of the program.
func (f *front) Ended() <-chan struct{} { return f.server.Ended() }

func (f *front) Err() error {
	return failf(exitFailed, "", "%s has ended: %s", f.program, lastLine(f.server.Logs()))
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}

// Stop ends the program.
func (f *front) Stop() {
	if f.server != nil {
		f.server.Stop()
		f.stop()
		f.tail.Wait()
	}
}

// Serve writes the configuration and starts the web server with it, or has it
// take a changed one. The program itself checks it before, in a folder aside.
func (f *front) Serve(ctx context.Context, addr, hosts string, apps []devserver.Fronted, say func(string)) error {
	site, err := f.site(addr, hosts, apps)
	if err != nil {
		return err
	}
	trial := *site
	trial.Dir = filepath.Join(f.dir, "trial")
	defer os.RemoveAll(trial.Dir) //nolint:errcheck // it is removed with the rest at the end
	if err := trial.Write(); err != nil {
		return err
	}
	text, err := trial.Check(ctx)
	if err != nil {
		return failf(exitRejected, "", "%w\n%s", err, text)
	}
	for _, a := range apps {
		if err := webserver.GiveSocket(a.Socket); err != nil {
			return err
		}
	}
	site.Dir = filepath.Join(f.dir, "w")
	if err := site.Write(); err != nil {
		return err
	}
	if f.server != nil {
		return f.server.Reload()
	}
	// Not the context of the caller: requests that run when it ends are answered
	// by an app that ends, not cut by the web server.
	life, stop := context.WithCancel(context.WithoutCancel(ctx))
	site.Bound = true
	server, err := startBound(life, site)
	if err != nil {
		stop()
		return err
	}
	f.server, f.stop = server, stop
	f.tail.Go(func() { tellLog(life, server, say) })
	return nil
}

// startBound starts the web server from a thread that lives until the context ends:
// the server ends with it.
func startBound(ctx context.Context, site *webserver.Site) (*webserver.Server, error) {
	type result struct {
		server *webserver.Server
		err    error
	}
	started := make(chan result, 1)
	go func() {
		// Never unlocked: the thread ends with this function.
		runtime.LockOSThread()
		server, err := site.Start(ctx)
		started <- result{server, err}
		if err == nil {
			<-ctx.Done()
		}
	}()
	r := <-started
	return r.server, r.err
}

// site returns the web server with the files that are generated for the apps,
// each behind its socket.
func (f *front) site(addr, hosts string, apps []devserver.Fronted) (*webserver.Site, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	if host == "" || host == "::" {
		host = "0.0.0.0" // what all three take
	}
	project := new(appfile.Project)
	var extras []string
	for _, a := range apps {
		project.Apps = append(project.Apps, behind(a.App, a.Socket))
		for _, extra := range []string{a.App.HTTP.Extra.Nginx, a.App.HTTP.Extra.Lighttpd, a.App.HTTP.Extra.Apache} {
			if _, err := os.Stat(extra); extra != "" && err != nil {
				extras = append(extras, extra)
			}
		}
	}
	target, ok := generate.Lookup(string(f.program))
	if !ok {
		return nil, fmt.Errorf("there is no target %s", f.program)
	}
	set, problems := new(generate.Renderer).Render(target, project, project.Apps)
	if set == nil {
		var text strings.Builder
		if err := problems.Show(&text); err != nil {
			return nil, err
		}
		return nil, errors.New(strings.TrimSpace(text.String()))
	}
	return &webserver.Site{
		Program: f.program, Binary: f.binary, Files: set.Files(), Listen: net.JoinHostPort(host, port),
		Hosts: hosts, Stubs: extras,
	}, nil
}

// behind returns a description with one listener, a socket.
func behind(a *appfile.App, socket string) *appfile.App {
	app := *a
	app.Protocol = appfile.SCGI // what dev answers there
	app.Listen.TCP, app.Listen.Unix = "", socket
	app.Run.Instances = 1
	one := app
	one.Index, one.Instances = 1, nil
	app.Instances = []*appfile.App{&one}
	return &app
}

// logInterval is the time between two looks at the error log.
const logInterval = 200 * time.Millisecond

// tellLog passes the lines of the error log on until the context ends.
func tellLog(ctx context.Context, server *webserver.Server, say func(string)) {
	tick := time.NewTicker(logInterval)
	defer tick.Stop()
	at := int64(0)
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		// What follows the last whole line is read again.
		data := server.ReadLog(at)
		end := strings.LastIndexByte(data, '\n') + 1
		for line := range strings.Lines(data[:end]) {
			say(strings.TrimRight(line, "\n"))
		}
		at += int64(end)
	}
}
