package bridge

import (
	"errors"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"scgikit/internal/lean"
	"scgikit/internal/nowait"
	"scgikit/internal/spawn"
)

// Residence says where the form that keeps running listens, and how much it does
// at a time.
type Residence struct {
	Listen []string // addresses; see Listen
	Public bool     // addresses that other machines can reach are meant
	// Mode, UID and GID are those of a unix socket; -1 leaves an owner.
	Mode     uint32
	UID, GID int
	Backlog  int // connections that wait in the kernel; 0 is as many as may

	// Children is how many scripts run at a time, Queue how many requests wait
	// for their turn, Connections how many there are of these and of those that
	// still send their requests.
	Children    int
	Queue       int
	Connections int
	// StopLimit is how long running requests may go on when all is to end.
	StopLimit time.Duration
}

// host is the form that keeps running. A goroutine for each connection does what
// a process does in the other form.
type host struct {
	opts *Options
	res  *Residence
	log  *logger

	spawner  *spawn.Spawner
	poller   *poller
	folders  openFolders
	null     int           // a descriptor of the null device
	births   chan birth    // nil if no thread is set apart for starts
	children chan struct{} // as full as scripts run
	slots    chan struct{} // as full as connections are open

	listeners []*listener
	accepting sync.WaitGroup
	crew      *crew // that serves connections

	mu      sync.Mutex
	open    []*connection
	paced   bool // pace runs
	served  int  // connections since pace looked
	waiting int  // requests for a script's turn
	stopped bool
	cut     bool
}

// collectAt is the growth of the heap in percent at which memory is collected: a
// request needs little, what a process has it has for ever, and so little is alive that
// a collection costs next to nothing.
const collectAt = 25

// atOnce returns how many threads run Go code at a time at most: half of the
// processors are for the scripts. What the bridge does is little, and threads that
// look for work would be most of what more of them add.
func atOnce() int {
	const most = 4
	return max(min(runtime.GOMAXPROCS(0)/2, most), 1)
}

// Resident listens at the addresses and serves connections until TERM or INT,
// then lets running requests end. It returns the exit code.
//
// An address is "HOST:PORT" with an IP address, "unix:PATH", "fd:N" for a
// listening socket that the starter has left open, and "systemd" for all those of
// socket activation.
func Resident(opts *Options, res *Residence) int {
	debug.SetGCPercent(collectAt)
	known := *opts
	known.outer = outerVariables(opts)
	opts = &known
	runtime.GOMAXPROCS(atOnce())
	h := &host{opts: opts, res: res, log: residentLog(opts.LogFile)}
	h.crew = newCrew(func(fd int) {
		h.serve(fd)
		<-h.slots
	})
	resetSignals(syscall.SIGINT, syscall.SIGHUP)
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	if err := h.begin(); err != nil {
		h.log.line(failure, "", err.Error())
		h.closeListeners()
		if e, ok := errors.AsType[*addressError](err); ok && e.cause == nil {
			return ExitUsage
		}
		return ExitTemporary
	}
	lean.Program()
	for _, l := range h.listeners {
		h.accepting.Go(func() { h.accept(l) })
	}
	h.run(signals)
	return ExitOK
}

// residentLog opens the log. Standard error is the listening socket if inetd
// (wait) has started this.
func residentLog(path string) *logger {
	conn := openConnection()
	if !conn.socket {
		conn = nil
	}
	log := openLog(conn, path)
	log.told = &told{seen: make(map[string]bool)}
	return log
}

// begin makes what serving needs.
func (h *host) begin() error {
	var err error
	if h.listeners, err = h.res.listenAll(); err != nil {
		return err
	}
	closeInherited()
	h.spawner = spawn.New()
	if h.null, err = unix.Open(os.DevNull, unix.O_RDONLY|unix.O_CLOEXEC, 0); err != nil {
		return &os.PathError{Op: "open", Path: os.DevNull, Err: err}
	}
	if h.poller, err = newPoller(); err != nil {
		return err
	}
	h.fitDescriptors()
	h.children = make(chan struct{}, h.res.Children)
	h.slots = make(chan struct{}, h.res.Connections)
	if h.opts.Setting.Nice == 0 {
		return h.opts.Setting.adjust()
	}
	h.births = make(chan birth)
	ready := make(chan error)
	go h.bear(ready)
	return <-ready
}

// fitDescriptors takes fewer connections than were asked for where the system
// does not grant descriptors for more: one for each, and those of its script.
func (h *host) fitDescriptors() {
	const own, script = 32, 8
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) != nil {
		return
	}
	most := max(int64(min(uint64(limit.Cur), 1<<30))-own-script*int64(h.res.Children), 1) //nolint:unconvert // the type differs between systems
	if int64(h.res.Connections) > most {
		h.log.line(warning, "", "the limit of open files, "+itoa(int64(limit.Cur))+", is enough for "+itoa(most)+ //nolint:gosec // 2^63 is for no limit
			" connections, not for "+itoa(h.res.Connections))
		h.res.Connections = int(most)
	}
}

// run waits for signals. It returns when everything has ended.
func (h *host) run(signals <-chan os.Signal) {
	for sig := range signals {
		if sig != syscall.SIGHUP {
			break
		}
		if h.opts.LogFile != "" {
			if err := openLogFile(h.opts.LogFile); err != nil {
				h.log.line(failure, "", "log file: "+err.Error())
			}
		}
	}
	h.stop()
	done := make(chan struct{})
	go func() {
		h.accepting.Wait()
		h.crew.dismiss()
		h.crew.working.Wait()
		close(done)
	}()
	limit := time.NewTimer(h.res.StopLimit)
	defer limit.Stop()
	for {
		select {
		case <-done:
			if h.births != nil {
				close(h.births)
			}
			return
		case sig := <-signals:
			if sig == syscall.SIGHUP {
				continue
			}
		case <-limit.C:
		}
		h.cutAll()
	}
}

// stop ends what waits for requests.
func (h *host) stop() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.stopped = true
	h.closeListeners()
	for _, conn := range h.open {
		if !conn.received {
			_ = unix.Shutdown(conn.in, unix.SHUT_RDWR)
		}
	}
}

func (h *host) closeListeners() {
	for _, l := range h.listeners {
		l.close()
	}
}

// cutAll ends running requests: to them their clients have gone.
func (h *host) cutAll() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.cut = true
	for _, conn := range h.open {
		_ = unix.Shutdown(conn.in, unix.SHUT_RDWR)
	}
}

func (h *host) isCut() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.cut
}

// accept takes connections until the listener is closed.
func (h *host) accept(l *listener) {
	for {
		h.slots <- struct{}{}
		fd, err := l.accept()
		if err == nil {
			h.crew.give(fd)
			continue
		}
		<-h.slots
		if !isPassing(err) {
			if !h.ending() {
				h.log.line(failure, "", "accept: "+err.Error())
			}
			return
		}
		if isShortage(err) {
			h.log.line(failure, "", "accept: "+err.Error())
			time.Sleep(shortagePause)
		}
	}
}

// shortagePause is the time in which a shortage of descriptors or memory may
// pass.
const shortagePause = 100 * time.Millisecond

func (h *host) ending() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.stopped
}

// serve serves a connection.
func (h *host) serve(fd int) {
	defer nowait.Close(fd)
	conn := &connection{in: fd, out: fd, socket: true, host: h, waiter: h.poller.waiter()}
	defer conn.waiter.close()
	h.mu.Lock()
	conn.place = len(h.open)
	h.open = append(h.open, conn)
	h.served++
	if !h.paced {
		h.paced = true
		go h.pace()
	}
	if h.stopped {
		_ = unix.Shutdown(fd, unix.SHUT_RDWR)
	}
	h.mu.Unlock()
	// What has been refused is in the log.
	_ = serve(conn, h.log, h.opts)
	conn.finish()
	h.mu.Lock()
	last := h.open[len(h.open)-1]
	h.open[conn.place], last.place = last, conn.place
	h.open[len(h.open)-1] = nil
	h.open = h.open[:len(h.open)-1]
	h.mu.Unlock()
}

// The pace of what is done beside serving.
const (
	paceTime  = time.Second
	idleTimes = 5 // after which nothing is served at present
)

// pace runs while there is work, and gives memory back when that is over.
func (h *host) pace() {
	ticker := time.NewTicker(paceTime)
	defer ticker.Stop()
	for idle := 0; idle < idleTimes; idle++ {
		<-ticker.C
		h.mu.Lock()
		if h.served > 0 {
			idle = -1
		}
		h.served = 0
		h.mu.Unlock()
	}
	h.folders.drop()
	h.poller.drop()
	lean.Memory()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.paced = false
}

// began notes that a request has been received: it is not ended at once any
// more.
func (h *host) began(conn *connection) {
	h.mu.Lock()
	defer h.mu.Unlock()
	conn.received = true
	h.served++
}

// rested notes that a connection waits for its next request, and reports whether
// it may.
func (h *host) rested(conn *connection) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	conn.received = false
	return !h.stopped
}

// kept returns the folders that are kept open, or nil.
func (c *connection) kept() *openFolders {
	if c.host == nil {
		return nil
	}
	return &c.host.folders
}

// admit waits for a script's turn, which leave ends.
func (h *host) admit(x *exchange) error {
	select {
	case h.children <- struct{}{}:
		return nil
	default:
	}
	if !h.line() {
		return refuse(503, x.script.name, itoa(h.res.Children)+" scripts run and "+itoa(h.res.Queue)+" requests wait already")
	}
	defer h.unline()
	limit := time.NewTimer(h.opts.Timeout)
	defer limit.Stop()
	select {
	case h.children <- struct{}{}:
	case <-limit.C:
		return refuse(503, x.script.name, "no script has ended for "+h.opts.Timeout.String()+", "+itoa(h.res.Children)+" run")
	}
	if x.conn.gone() {
		h.leave()
		return refuse(0, x.script.name, "the client closed the connection before the script's turn")
	}
	return nil
}

func (h *host) leave() { <-h.children }

// line takes a place among the waiting, if there is one.
func (h *host) line() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.waiting >= h.res.Queue {
		return false
	}
	h.waiting++
	return true
}

func (h *host) unline() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.waiting--
}

// gone reports whether the client has closed, as far as that can be known.
func (c *connection) gone() bool {
	pfds := []unix.PollFd{{Fd: int32(c.out)}} //nolint:gosec // a descriptor fits
	return hangUpMeansGone && poll(pfds, time.Time{}) == nil
}

// birth is a program to be started.
type birth struct {
	program *spawn.Program
	born    chan<- born
}

type born struct {
	pid, exit int
	err       error
}

// fork is a forker. The signal that ends a script whose bridge has died is bound
// to the thread that started it; the run-time ends no thread but one whose
// goroutine is locked to it, and of these there are none that end.
func (h *host) fork(p *spawn.Program) (pid, exit int, err error) {
	if h.births == nil {
		return h.spawner.Start(p)
	}
	reply := make(chan born, 1)
	h.births <- birth{p, reply}
	b := <-reply
	return b.pid, b.exit, b.err
}

// bear starts all programs, on one thread that lives as long as the process:
// niceness is one of threads, and so inherited from the one that starts a program.
func (h *host) bear(ready chan<- error) {
	runtime.LockOSThread()
	ready <- h.opts.Setting.adjust()
	for b := range h.births {
		pid, exit, err := h.spawner.Start(b.program)
		b.born <- born{pid, exit, err}
	}
}
