package devserver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"scgikit/internal/appfile"
)

// shownTime is what the times of starts are rounded to.
const shownTime = 100 * time.Millisecond

// probeInterval is the time between two looks whether a program listens yet.
const probeInterval = 20 * time.Millisecond

// state is what an instance is doing.
type state uint8

// The states.
const (
	starting state = iota // started, does not listen yet
	ready
	waiting // ended, to be started again
	ended   // ended for good
)

// resident is an app whose programs keep running, one for each instance.
type resident struct {
	instances []*instance
	next      atomic.Uint32
}

// instance is one program that keeps running. Its run method owns it; others
// only read the fields that mu guards.
type instance struct {
	desc    *appfile.App // of this instance
	addr    appfile.Addr
	handed  bool    // the socket is made here, and handed to the program
	speak   speaker // what the program speaks; nil is SCGI
	program program
	spawner *spawner
	log     *appLog

	mu      sync.Mutex
	state   state
	changed chan struct{} // closed at the next change of state
	why     string        // in waiting and ended: how it ended, "exited with status 1"
	until   time.Time     // in waiting: the next start
	lastEnd string        // how it ended last, also while it runs again
	starts  int
}

func newInstance(desc *appfile.App, addr appfile.Addr, p *program, s *spawner) *instance {
	return &instance{desc: desc, addr: addr, program: *p, spawner: s, log: p.log, changed: make(chan struct{})}
}

// run keeps every instance running.
func (r *resident) run(ctx context.Context, hurry <-chan struct{}) {
	var wg sync.WaitGroup
	for _, i := range r.instances {
		wg.Go(func() { i.run(ctx, hurry) })
	}
	wg.Wait()
}

// keepsAddress reports whether a program listens where the description says.
func (r *resident) keepsAddress() bool {
	return slices.ContainsFunc(r.instances, func(i *instance) bool { return !i.handed })
}

// connect takes the instances in turn and leaves out those that do not answer,
// as the web servers do with a backend that refuses. Where none is ready and one
// is starting, the request is held until that is decided.
func (r *resident) connect(ctx context.Context, limit time.Duration) (*link, error) {
	var problem error
	for _, i := range r.inTurn() {
		conn, err := i.connect(ctx, limit)
		if err == nil {
			return conn, nil
		}
		// "Does not run, because …" says more than a refused connection.
		if _, known := errors.AsType[*downError](problem); !known {
			problem = err
		}
		if ctx.Err() != nil {
			break
		}
	}
	return nil, problem
}

// inTurn returns the instances as this request tries them: those that are
// starting come last, because trying one is waiting for it.
func (r *resident) inTurn() []*instance {
	first := int(r.next.Add(1) - 1)
	list := make([]*instance, 0, len(r.instances))
	var later []*instance
	for n := range r.instances {
		i := r.instances[(first+n)%len(r.instances)]
		if now, _, _ := i.look(); now == starting {
			later = append(later, i)
			continue
		}
		list = append(list, i)
	}
	return append(list, later...)
}

// connect waits as long as the program is starting: run ends that state in
// run.start_timeout, once what ran before it is gone.
func (i *instance) connect(ctx context.Context, limit time.Duration) (*link, error) {
	for {
		now, changed, down := i.look()
		switch now {
		case ready:
			return i.dial(ctx, limit, changed)
		case waiting, ended:
			return nil, down
		case starting:
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (i *instance) dial(ctx context.Context, limit time.Duration, gone <-chan struct{}) (*link, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	conn, err := dial(ctx, i.addr)
	if err != nil {
		return nil, fmt.Errorf("no connection to %s: %w", i.addr, err)
	}
	if i.speak != nil {
		conn = translate(conn, i.speak, i.log)
	}
	return &link{Conn: conn, gone: gone}, nil
}

func dial(ctx context.Context, addr appfile.Addr) (net.Conn, error) {
	var d net.Dialer
	if addr.Unix != "" {
		return d.DialContext(ctx, "unix", addr.Unix)
	}
	return d.DialContext(ctx, "tcp", addr.String())
}

// look returns the state, a channel that closes when it changes, and, where the
// program does not run, why.
func (i *instance) look() (state, <-chan struct{}, *downError) {
	i.mu.Lock()
	defer i.mu.Unlock()
	down := &downError{reason: i.desc.Service() + " " + i.why}
	if i.state == waiting {
		down.retry = max(time.Until(i.until), time.Millisecond)
	}
	return i.state, i.changed, down
}

// facts returns what an error page says about the programs.
func (r *resident) facts() []fact {
	var list []fact
	for _, i := range r.instances {
		list = append(list, i.facts()...)
	}
	return list
}

func (i *instance) facts() []fact {
	i.mu.Lock()
	defer i.mu.Unlock()
	text := ""
	switch i.state {
	case starting:
		text = "starting"
	case ready:
		text = "running"
		if !i.handed {
			text = "running, and listens on " + i.addr.String()
		}
	case waiting:
		text = "down; next start in " + max(time.Until(i.until), 0).Round(shownTime).String()
	case ended:
		text = "down for good, as run.restart.policy says; a change of its source starts it again"
	}
	list := []fact{{"State of " + i.desc.Service(), fmt.Sprintf("%s; started %d times", text, i.starts)}}
	if i.lastEnd != "" {
		list = append(list, fact{"Last end", i.lastEnd})
	}
	return list
}

func (i *instance) set(s state, why string, until time.Time) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.state, i.why, i.until = s, why, until
	if why != "" {
		i.lastEnd = why
	}
	close(i.changed)
	i.changed = make(chan struct{})
}

// run starts the program, again and again as run.restart says, until the
// context ends; then it stops it.
func (i *instance) run(ctx context.Context, hurry <-chan struct{}) {
	rule := newRestarts(i.desc.Run.Restart)
	for ctx.Err() == nil {
		began := time.Now()
		how, clean := i.once(ctx, hurry)
		if ctx.Err() != nil {
			break
		}
		again, at, failing := rule.Ended(time.Now(), began, clean)
		if !again {
			i.log.say("%s; run.restart.policy is %s, so it stays down", how, i.desc.Run.Restart.Policy)
			i.set(ended, how, time.Time{})
			<-ctx.Done()
			break
		}
		note := ""
		if failing {
			note = ", failing"
		}
		pause := time.Until(at)
		i.log.say("%s; next start in %v%s", how, max(pause, 0).Round(shownTime), note)
		i.set(waiting, how, at)
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
		}
		if ctx.Err() == nil {
			i.set(starting, "", time.Time{})
		}
	}
	i.set(ended, "is stopped", time.Time{})
}

// once runs the program until it ends, does not become ready in time, or the
// context ends. It returns how that went, in words that follow its name.
func (i *instance) once(ctx context.Context, hurry <-chan struct{}) (how string, clean bool) {
	if err := i.prepare(ctx); err != nil {
		return "can not start: " + err.Error(), false
	}
	proc, err := i.start()
	if err != nil {
		return "can not start: " + err.Error(), false
	}
	i.mu.Lock()
	i.starts++
	i.mu.Unlock()
	if i.handed {
		// Who connects waits at the socket until the program takes connections.
		i.log.say("%s keeps running (pid %d)", strings.Join(i.program.argv[:2], " "), proc.pid)
		i.set(ready, "", time.Time{})
	} else if problem := i.awaitReady(ctx, proc); problem != "" {
		proc.stop(i.stopSignal(), i.desc.Run.StopTimeout, hurry)
		return problem, false
	}
	select {
	case <-proc.done:
		proc.sweep(hurry)
		return proc.how, proc.ok
	case <-ctx.Done():
		proc.stop(i.stopSignal(), i.desc.Run.StopTimeout, hurry)
		return "is stopped", true
	}
}

// start starts the program, with its socket where that is made here. Nobody else
// keeps that open: what waits at it when the program ends is sent away.
func (i *instance) start() (*process, error) {
	if !i.handed {
		return i.spawner.start(&i.program)
	}
	listener, err := listenAt(i.addr.Unix)
	if err != nil {
		return nil, err
	}
	defer listener.Close() //nolint:errcheck // our copy of the child's
	p := i.program
	p.listener = listener
	return i.spawner.start(&p)
}

// awaitReady waits until the program listens or has ended; what happens then is
// the caller's to see. Where neither comes, it returns the problem, in words
// that follow the program's name.
func (i *instance) awaitReady(ctx context.Context, proc *process) string {
	limit := time.NewTimer(i.desc.Run.StartTimeout)
	defer limit.Stop()
	tick := time.NewTicker(probeInterval)
	defer tick.Stop()
	for {
		if listens(ctx, i.addr) {
			i.log.say("ready on %s (pid %d)", i.addr, proc.pid)
			i.set(ready, "", time.Time{})
			return ""
		}
		select {
		case <-tick.C:
		case <-proc.done:
			return ""
		case <-limit.C:
			return fmt.Sprintf("did not listen on %s within %v (run.start_timeout); does run.command bind what listen says?",
				i.addr, i.desc.Run.StartTimeout)
		case <-ctx.Done():
			return ""
		}
	}
}

// prepare makes sure that the program can have its address: nobody else
// listens there, and no dead socket is left of an earlier run. It removes a
// file only where that is a socket of ours that nobody answers on.
func (i *instance) prepare(ctx context.Context) error {
	addr := i.addr
	if !i.handed && listens(ctx, addr) {
		return fmt.Errorf("something else listens on %s already; stop it, or give the app another %s", addr, listenField(addr))
	}
	if addr.Unix == "" {
		return nil
	}
	info, err := os.Lstat(addr.Unix)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return folderFor(addr)
	case err != nil:
		return err
	case info.Mode().Type() != os.ModeSocket:
		return fmt.Errorf("%s is there and is no socket; remove it, or give the app another listen.unix", addr.Unix)
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok && int(stat.Uid) != os.Getuid() {
		return fmt.Errorf("the socket %s belongs to another user (uid %d); give the app another listen.unix", addr.Unix, stat.Uid)
	}
	return os.Remove(addr.Unix)
}

// folderFor checks that the folder of a socket exists. dev makes none: it
// belongs to the machine (/run), and the program is told the path anyway.
func folderFor(addr appfile.Addr) error {
	dir := addr.Unix[:strings.LastIndexByte(addr.Unix, '/')+1]
	if _, err := os.Stat(dir); err != nil {
		return fmt.Errorf("the folder of listen.unix is not there: %w; make it, or give the app another listen.unix", err)
	}
	return nil
}

// listenField names the field that the address comes from.
func listenField(addr appfile.Addr) string {
	if addr.Unix != "" {
		return "listen.unix"
	}
	return "listen.tcp"
}

func (i *instance) stopSignal() syscall.Signal {
	if i.handed {
		return syscall.SIGTERM // scgi-run knows no other
	}
	switch i.desc.Run.StopSignal {
	case "INT":
		return syscall.SIGINT
	case "QUIT":
		return syscall.SIGQUIT
	case "HUP":
		return syscall.SIGHUP
	case "USR1":
		return syscall.SIGUSR1
	case "USR2":
		return syscall.SIGUSR2
	case "KILL":
		return syscall.SIGKILL
	}
	return syscall.SIGTERM
}
